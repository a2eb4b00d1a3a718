//! How a target is now: the row that pages, API and metrics show. Computed by the daemon, shown by `show`.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::{Method, Outcome, Reason, Target, TargetId, UnixMs};

/// State of a target. A silent source is never [`TargetState::Up`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// The latest probes were answered.
    Up,
    /// Some of the latest probes were lost.
    Lossy,
    /// The latest three probes and more were all lost.
    Down,
    /// It has never answered since it was first asked, though probes were sent.
    NeverAnswered,
    /// The host's name does not resolve, so nothing is sent.
    Unresolved,
    /// Our own drops or refusals hide what the target does.
    Unknown,
    /// No report for three intervals: the source itself is silent.
    NoData,
}

impl TargetState {
    /// Words for pages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetState::Up => "up",
            TargetState::Lossy => "lossy",
            TargetState::Down => "down",
            TargetState::NeverAnswered => "answers no probe",
            TargetState::Unresolved => "name not found",
            TargetState::Unknown => "unknown",
            TargetState::NoData => "no data",
        }
    }
}

/// A target's present, over the last [`TargetNow::WINDOW`] probes.
#[derive(Clone, Debug)]
pub struct TargetNow {
    /// Number in this process.
    pub id: TargetId,
    /// What is probed.
    pub target: Arc<Target>,
    /// Where it is probed, once resolved.
    pub address: Option<IpAddr>,
    /// How it is asked now.
    pub method: Option<Method>,
    /// Something people should know, for instance why ICMP became TCP.
    pub note: Option<String>,
    /// Its state.
    pub state: TargetState,
    /// Since when it is in this state.
    pub since: UnixMs,
    /// When the latest probe was sent.
    pub last_sent: Option<UnixMs>,
    /// Why the latest probe was not answered.
    pub reason: Option<Reason>,
    /// RTT of the latest answer in microseconds.
    pub rtt_us: Option<f32>,
    /// Median RTT of the window in microseconds.
    pub median_us: Option<f32>,
    /// Mean jitter of the window in microseconds.
    pub jitter_us: Option<f32>,
    /// Loss of the window in percent; `None` while nothing is known.
    pub loss_pct: Option<f32>,
    /// The window, oldest first.
    pub recent: Vec<Recent>,
}

/// One probe of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recent {
    /// What became of it.
    pub outcome: Outcome,
    /// RTT in microseconds if it was answered.
    pub rtt_us: Option<f32>,
}

impl TargetNow {
    /// How many probes the window holds.
    pub const WINDOW: usize = 60;
}
