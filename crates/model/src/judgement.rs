//! What the detector says of a series: the language between `detect` and those who draw, tell or act.
//! It must hold no rule: rules are in `detect`.

use serde::{Deserialize, Serialize};

use crate::UnixMs;

/// What is said of one series after one sample. Values are in the unit of the series' metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The time of the sample that was judged; no later sample was looked at.
    pub at: UnixMs,
    /// The present level, as the rule sees it: smoothed by `nm`, the present window's mean by `sigma`.
    pub value: f32,
    /// What is usual at this hour of the week; NaN while nothing is known yet.
    pub usual: f32,
    /// How much it usually varies around that, up and down.
    pub varies: f32,
    /// The value above which it is too high; NaN while nothing is known yet.
    pub limit: f32,
    /// Share of the last minutes spent above the limit, 0 to 1.
    pub share: f32,
    /// How the series stands after this sample.
    pub standing: Standing,
    /// What changed with this sample; mostly nothing.
    pub change: Option<Change>,
}

impl Judgement {
    /// Whether it is wrong now.
    pub fn is_firing(&self) -> bool {
        matches!(self.standing, Standing::Firing { .. })
    }
}

/// How a series stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Standing {
    /// Too little is known to judge.
    Learning,
    /// As usual.
    Usual,
    /// Too high.
    Firing {
        /// Since when the value has been too high: the onset, not the time it was noticed.
        since: UnixMs,
        /// By which rule.
        rule: Rule,
    },
}

/// A change of standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It became too high.
    Raised,
    /// It is as before again.
    Cleared,
    /// It stayed, and is taken as usual from now on. Never said of an absolute limit or of `down`.
    Accepted,
}

/// Which rule found a series wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Above what is usual at this hour.
    Nm,
    /// Present mean above baseline mean plus k standard deviations.
    Sigma,
    /// Above an absolute limit that a person set.
    Limit,
    /// Every probe of the last while was lost.
    Down,
}
