//! The rule that a person sets: too high is what stays above a number. It learns nothing and is never
//! accepted as the new normal.

use model::{Change, Metric, UnixMs};

use crate::bytes::{Reader, Writer};
use crate::span::seconds;

/// Time constant of the present level, in seconds; loss needs more probes than RTT.
const TAU_LEVEL: f64 = 60.0;
const TAU_LOSS: f64 = 300.0;
/// Time constant of the share of recent time above the limit, in seconds.
const TAU_SHARE: f64 = 240.0;
/// Share of recent time above the limit that raises.
const UP: f64 = 0.65;
/// Evidence that raises for loss: 100 to 1 that more probes are lost than half the limit.
const EVIDENCE: f64 = 4.6;
/// Quiet time that clears, in seconds.
pub(crate) const CLEAR_AFTER: f64 = 600.0;
/// The share of the limit below which it is quiet.
const QUIET: f64 = 0.9;
/// Gap after which the present is forgotten, in seconds.
const LONGEST_GAP: f64 = 1800.0;

/// What is too high, and how it is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) metric: Metric,
    /// In milliseconds or percent.
    pub(crate) limit: f64,
    /// Quiet time that clears, in seconds.
    pub(crate) clear_after: f64,
    /// What a sample of loss speaks of.
    pub(crate) probes: f64,
}

/// The present of one series against its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// Present level, in the unit of the limit; NaN before the first sample.
    pub(crate) level: f32,
    /// Share of recent time above the limit; of loss the evidence.
    share: f32,
    last: UnixMs,
    high_since: Option<UnixMs>,
    /// When it was last above the limit, while it is firing.
    loud: Option<UnixMs>,
}

impl State {
    pub(crate) const NEW: Self =
        Self { level: f32::NAN, share: 0.0, last: UnixMs(0), high_since: None, loud: None };

    /// Since when it has been above the limit, if that was said.
    pub(crate) fn firing_since(&self) -> Option<UnixMs> {
        self.loud.and(self.high_since)
    }

    /// Share of recent time above the limit, 0 to 1.
    pub(crate) fn share(&self, metric: Metric) -> f32 {
        let whole = if metric == Metric::Loss { EVIDENCE as f32 } else { 1.0 };
        (self.share / whole).min(1.0)
    }

    /// Compares one value with the limit.
    pub(crate) fn push(&mut self, rule: &Limit, at: UnixMs, value: f64) -> Option<Change> {
        let Limit { metric, limit, clear_after, probes } = *rule;
        let gap = if self.level.is_nan() { f64::INFINITY } else { seconds(self.last, at) };
        self.last = at;
        let tau = if metric == Metric::Loss { TAU_LOSS } else { TAU_LEVEL };
        // One value may speak for at most twice the limit, so that one spike is no alert.
        let clipped = value.min(if metric == Metric::Loss { 100.0 } else { 2.0 * limit });
        let dt = gap.min(LONGEST_GAP);
        if gap > LONGEST_GAP {
            (self.level, self.share) = (clipped as f32, 0.0);
            // What was not observed was not quiet.
            self.loud = self.loud.map(|_| at);
            self.high_since = self.loud.and(self.high_since);
        }
        let level = f64::from(self.level);
        let level = level + (1.0 - (-dt / tau.max(0.5 * dt)).exp()) * (clipped - level);
        self.level = level as f32;
        let high = level > limit;
        let enough = if metric == Metric::Loss {
            self.gather(limit / 100.0, value / 100.0, probes)
        } else {
            let share = f64::from(self.share);
            let hit = f64::from(u8::from(high && value > limit));
            let weight = 1.0 - (-dt / TAU_SHARE.max(1.15 * dt)).exp();
            self.share = (share + weight * (hit - share)) as f32;
            f64::from(self.share) >= UP
        };
        if high {
            self.high_since.get_or_insert(at);
        }
        self.decide((at, clear_after), high && enough, level >= QUIET * limit)
    }

    /// Adds what a sample says for "more loss than half the limit"; whether that is enough.
    fn gather(&mut self, limit: f64, lost: f64, probes: f64) -> bool {
        let (usual, raised) = (0.5 * limit, limit.min(0.99));
        let gain = probes
            * (lost * (raised / usual).ln() + (1.0 - lost) * ((1.0 - raised) / (1.0 - usual)).ln());
        self.share = (f64::from(self.share) + gain).clamp(0.0, 1.5 * EVIDENCE) as f32;
        f64::from(self.share) >= EVIDENCE
    }

    pub(crate) fn save(&self, out: &mut Writer) {
        out.f32(self.level);
        out.f32(self.share);
        out.time(self.last);
        out.maybe(self.high_since, Writer::time);
        out.maybe(self.loud, Writer::time);
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            level: from.f32()?,
            share: from.f32()?,
            last: from.time()?,
            high_since: from.maybe(Reader::time)?,
            loud: from.maybe(Reader::time)?,
        })
    }

    fn decide(
        &mut self,
        (at, clear_after): (UnixMs, f64),
        raise: bool,
        loud: bool,
    ) -> Option<Change> {
        let Some(last_loud) = &mut self.loud else {
            if raise {
                self.loud = Some(at);
                return Some(Change::Raised);
            }
            if !loud {
                self.high_since = None;
            }
            return None;
        };
        if loud {
            *last_loud = at;
        }
        if seconds(*last_loud, at) < clear_after {
            return None;
        }
        (self.loud, self.high_since, self.share) = (None, None, 0.0);
        Some(Change::Cleared)
    }
}
