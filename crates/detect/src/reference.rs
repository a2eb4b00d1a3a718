//! The rule for latency and jitter as the reference implementation has it, decision by decision. It is
//! kept for comparisons and must not be improved: `nm` is the rule to improve.

use model::{Change, Judgement, Rule, Standing, UnixMs};

use crate::bytes::{Reader, Writer};
use crate::calendar::{BINS, Hour};
use crate::span::seconds;

/// Longest time one sample may speak for, and the gap after which the present is forgotten, in seconds.
const LONGEST_GAP: f64 = 1800.0;

/// What the reference is set to. Times are in seconds, values in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reference {
    /// Smallest rise that counts, absolute.
    pub(crate) absolute: f64,
    /// Smallest rise that counts, as a share of the baseline.
    pub(crate) relative: f64,
    /// Smallest rise that counts, in units of the usual deviation.
    pub(crate) deviations: f64,
    /// Share of recent time above the gate that raises, 0 to 1.
    pub(crate) up: f64,
    /// Time constant of the present level.
    pub(crate) tau_level: f64,
    /// Time constant of the share of recent time.
    pub(crate) tau_share: f64,
    /// Quiet time that clears.
    pub(crate) clear_after: f64,
    /// Time after which a higher level is the new normal.
    pub(crate) accept_after: f64,
    /// Time after which a lower level is the new normal.
    pub(crate) lower_after: f64,
    /// Time constant of the baseline; half of what is known in the first day.
    pub(crate) tau_baseline: f64,
    /// Time constant of the hour bins, in time spent within a bin.
    pub(crate) tau_hour: f64,
    /// Time constant of the usual deviation.
    pub(crate) tau_restless: f64,
    /// Time before which nothing is raised.
    pub(crate) warm_up: f64,
}

impl Reference {
    /// Latency as in the reference implementation.
    pub(crate) const LATENCY: Reference = Reference {
        absolute: 8.0,
        relative: 0.05,
        deviations: 4.0,
        up: 0.65,
        tau_level: 60.0,
        tau_share: 240.0,
        clear_after: 600.0,
        accept_after: 4.0 * 3600.0,
        lower_after: 1200.0,
        tau_baseline: 12.0 * 3600.0,
        tau_hour: 3.0 * 3600.0,
        tau_restless: 24.0 * 3600.0,
        warm_up: 7200.0,
    };

    /// Jitter as in the reference implementation.
    pub(crate) const JITTER: Reference =
        Reference { absolute: 6.0, relative: 0.3, ..Self::LATENCY };
}

/// What is known of one series.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// NaN before the first sample.
    baseline: f64,
    /// Present deviation from what is usual.
    level: f64,
    /// Share of recent time above the gate.
    share: f64,
    /// Usual size of the level, over all hours.
    restless: f64,
    first: UnixMs,
    last: UnixMs,
    /// Since when the level has been well below the baseline.
    low_since: Option<UnixMs>,
    /// Since when the level has been too high, whether that was said or not.
    high_since: Option<UnixMs>,
    firing: Option<Firing>,
    hours: [Bin; BINS],
}

#[derive(Clone, Copy, Debug)]
struct Firing {
    since: UnixMs,
    raised: UnixMs,
    /// When it was last too high to be cleared.
    loud: UnixMs,
}

/// What is usual in one hour of the week.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    /// Usual deviation from the baseline.
    usual: f32,
    /// Usual size of the level.
    size: f32,
    /// How often the level is high at this hour; 1 is always.
    recurs: f32,
}

/// One sample against what is usual.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: UnixMs,
    dt: f64,
    known_for: f64,
    hour: Hour,
    seasonal: f64,
    restless: f64,
    /// The value above what is usual.
    excess: f64,
    /// Smallest rise that counts, whatever is usual.
    floor: f64,
    /// Rise that counts now.
    gate: f64,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            baseline: f64::NAN,
            level: 0.0,
            share: 0.0,
            restless: 0.0,
            first: UnixMs(0),
            last: UnixMs(0),
            low_since: None,
            high_since: None,
            firing: None,
            hours: [Bin::default(); BINS],
        }
    }

    /// Judges one value and learns from it. Values that are not finite and not newer than the last are
    /// the caller's to sort out.
    pub(crate) fn push(
        &mut self,
        rule: &Reference,
        at: UnixMs,
        value: f64,
        hour: Hour,
    ) -> Judgement {
        if self.baseline.is_nan() {
            (self.baseline, self.first, self.last) = (value, at, at);
        }
        if seconds(self.last, at) > LONGEST_GAP {
            (self.level, self.share) = (0.0, 0.0);
            (self.low_since, self.high_since) = (None, None);
        }
        let moment = self.look(rule, at, value, hour);
        self.last = at;
        self.follow(rule, &moment);
        let change = self.decide(rule, &moment);
        self.learn(rule, &moment);
        self.judgement(rule, &moment, change)
    }

    pub(crate) fn is_firing(&self) -> bool {
        self.firing.is_some()
    }

    /// How it stands, without a new value.
    pub(crate) fn now(&self, rule: &Reference, at: UnixMs, hour: Hour) -> Judgement {
        self.judgement(rule, &self.look(rule, at, self.baseline, hour), None)
    }

    pub(crate) fn save(&self, out: &mut Writer) {
        out.f64s([self.baseline, self.level, self.share, self.restless]);
        out.time(self.first);
        out.time(self.last);
        out.maybe(self.low_since, Writer::time);
        out.maybe(self.high_since, Writer::time);
        out.maybe(self.firing, |out, firing| {
            out.times([firing.since, firing.raised, firing.loud]);
        });
        for bin in &self.hours {
            out.f32s([bin.usual, bin.size, bin.recurs]);
        }
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        let mut state = Self {
            baseline: from.f64()?,
            level: from.f64()?,
            share: from.f64()?,
            restless: from.f64()?,
            first: from.time()?,
            last: from.time()?,
            low_since: from.maybe(Reader::time)?,
            high_since: from.maybe(Reader::time)?,
            firing: from.maybe(|from| {
                Some(Firing { since: from.time()?, raised: from.time()?, loud: from.time()? })
            })?,
            ..Self::new()
        };
        for bin in &mut state.hours {
            *bin = Bin { usual: from.f32()?, size: from.f32()?, recurs: from.f32()? };
        }
        Some(state)
    }

    fn look(&self, rule: &Reference, now: UnixMs, value: f64, hour: Hour) -> Moment {
        let (before, after) = (&self.hours[hour.before], &self.hours[hour.after]);
        let recurs = hour.between(before.recurs, after.recurs);
        let seasonal =
            hour.between(before.usual, after.usual) * ((recurs - 0.4) / 0.3).clamp(0.0, 1.0);
        let restless = self.restless.max(hour.between(before.size, after.size));
        let floor = rule.absolute.max(rule.relative * self.baseline);
        Moment {
            now,
            dt: seconds(self.last, now).min(LONGEST_GAP),
            known_for: seconds(self.first, now),
            hour,
            seasonal,
            restless,
            excess: value - self.baseline - seasonal,
            floor,
            gate: floor.max(rule.deviations * restless),
        }
    }

    /// Moves the present level and the share of recent time.
    fn follow(&mut self, rule: &Reference, moment: &Moment) {
        let Moment { dt, excess, gate, .. } = *moment;
        let clipped = excess.clamp(-2.0 * gate, 2.0 * gate);
        self.level += weight(dt, rule.tau_level.max(0.5 * dt)) * (clipped - self.level);
        let high = if self.level < gate {
            0.0
        } else if excess >= 0.3 * gate {
            1.0
        } else {
            0.5
        };
        self.share += weight(dt, rule.tau_share.max(1.15 * dt)) * (high - self.share);
        if self.level >= gate {
            self.high_since.get_or_insert(moment.now);
        } else if self.level < 0.5 * gate {
            self.high_since = None;
        }
    }

    fn decide(&mut self, rule: &Reference, moment: &Moment) -> Option<Change> {
        let Moment { now, gate, .. } = *moment;
        let Some(firing) = &mut self.firing else {
            let high = self.share >= rule.up && self.level >= gate;
            if !high || moment.known_for <= rule.warm_up {
                return None;
            }
            let since = self.high_since.unwrap_or(now);
            self.firing = Some(Firing { since, raised: now, loud: now });
            return Some(Change::Raised);
        };
        if self.level >= 0.5 * gate {
            firing.loud = now;
        }
        if seconds(firing.loud, now) >= rule.clear_after {
            (self.firing, self.share) = (None, 0.0);
            return Some(Change::Cleared);
        }
        if seconds(firing.raised, now) >= rule.accept_after {
            self.baseline += self.level;
            (self.level, self.share) = (0.0, 0.0);
            (self.firing, self.high_since) = (None, None);
            return Some(Change::Accepted);
        }
        None
    }

    /// Moves what is usual towards what is now; while it is too high only the hours learn.
    fn learn(&mut self, rule: &Reference, moment: &Moment) {
        let Moment { now, dt, known_for, seasonal, excess, floor, gate, .. } = *moment;
        let quiet = self.firing.is_none();
        // Both the baseline and the deviation settle faster while little is known.
        let rate =
            |tau: f64| if dt > 0.0 { dt / tau.min(0.5 * known_for).max(8.0 * dt) } else { 0.0 };
        if quiet && self.level < gate {
            self.baseline += rate(rule.tau_baseline) * excess.clamp(-0.5 * gate, 0.5 * gate);
        }
        if self.level < -0.5 * gate {
            let since = *self.low_since.get_or_insert(now);
            if seconds(since, now) > rule.lower_after {
                self.baseline += self.level;
                (self.level, self.low_since) = (0.0, None);
            }
        } else {
            self.low_since = None;
        }
        let size = self.level.abs().min(1.5 * gate);
        if quiet {
            self.restless += rate(rule.tau_restless) * (size - self.restless);
        }
        let deviation = self.level + seasonal;
        let usual = deviation.clamp(-4.0 * gate, 4.0 * gate);
        let recurs = if deviation >= 0.5 * floor { 1.0 } else { 0.0 };
        let step = (dt / rule.tau_hour).min(0.5);
        let hour = moment.hour;
        for (bin, share) in [(hour.before, 1.0 - hour.weight), (hour.after, hour.weight)] {
            let bin = &mut self.hours[bin];
            approach(&mut bin.usual, step * share, usual);
            approach(&mut bin.recurs, step * share, recurs);
            if quiet {
                approach(&mut bin.size, step * share, size);
            }
        }
    }

    fn judgement(&self, rule: &Reference, moment: &Moment, change: Option<Change>) -> Judgement {
        let usual = self.baseline + moment.seasonal;
        let standing = match self.firing {
            Some(firing) => Standing::Firing { since: firing.since, rule: Rule::Nm },
            None if moment.known_for <= rule.warm_up => Standing::Learning,
            None => Standing::Usual,
        };
        Judgement {
            at: moment.now,
            value: (usual + self.level) as f32,
            usual: usual as f32,
            varies: moment.restless as f32,
            limit: (usual + moment.gate) as f32,
            share: self.share as f32,
            standing,
            change,
        }
    }
}

/// Weight of a sample that speaks for `dt` in an exponential mean of time constant `tau`.
fn weight(dt: f64, tau: f64) -> f64 {
    if dt > 0.0 { 1.0 - (-dt / tau).exp() } else { 0.0 }
}

fn approach(mean: &mut f32, weight: f64, value: f64) {
    let held = f64::from(*mean);
    *mean = (held + weight * (value - held)) as f32;
}
