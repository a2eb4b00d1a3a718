//! The default rule for latency and jitter: too high is what stays well above what is usual at this hour
//! of the week, or well above the last hour. It must divide by no variance, so that a series that never
//! moves is safe. `docs/detect.md` says what each part is for and what it was measured to do.

use model::{Change, Judgement, Rule, Standing, UnixMs};

use crate::bytes::{Reader, Writer};
use crate::calendar::{BINS, Hour};
use crate::span::seconds;

/// Longest time one sample may speak for, and the gap after which the present is forgotten, in seconds.
const LONGEST_GAP: f64 = 1800.0;
/// The gap after which what was usual is forgotten too, in seconds.
const FORGET_AFTER: f64 = 14.0 * 86_400.0;
/// Samples so far apart that a short burst may lie in two of them, in seconds.
const SPARSE: f64 = 120.0;

/// What `nm` is set to. Times are in seconds, values in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Nm {
    /// Smallest rise that counts, absolute.
    pub(crate) absolute: f64,
    /// Smallest rise that counts, as a share of the baseline.
    pub(crate) relative: f64,
    /// Time above a gate that raises, and samples on top of it.
    pub(crate) high_for: f64,
    pub(crate) high_samples: f64,
    /// Quiet time that clears, in seconds.
    pub(crate) clear_after: f64,
}

impl Nm {
    /// For latency.
    pub(crate) const LATENCY: Nm = Nm {
        absolute: 8.0,
        relative: 0.05,
        high_for: 190.0,
        high_samples: 1.0,
        clear_after: 600.0,
    };
    /// For jitter, whose means have heavier tails.
    pub(crate) const JITTER: Nm =
        Nm { absolute: 6.0, relative: 0.3, high_for: 190.0, high_samples: 1.5, clear_after: 600.0 };
}

/// Smallest jump above the last hour that counts, in units of the usual jump.
const JUMPS: f64 = 4.7;
/// Smallest rise above what is usual that counts, in units of the usual deviation.
const DEVIATIONS: f64 = 4.5;
/// The same of a rise that stays: the smaller it is, the longer it must, in seconds.
const LASTING: f64 = 3.0;
const LASTS_FOR: f64 = 3600.0;
/// How far one sample may pull the level, in gates.
const CLIP: f64 = 2.0;
/// The same for the level that is shown.
const PULL: f64 = 4.0;
/// How fast time below the gates takes back time above them: at equal speed at 65 % above.
const BELOW: f64 = 1.86;
/// What a sparse sample counts whose excess is unlike the one before, and how alike is alike.
const UNLIKE: f64 = 0.4;
const ALIKE: f64 = 0.5;
/// How much more time a series with short bursts needs, per remembered burst and at most.
const WARY: f64 = 0.4;
/// Bursts up to this length are remembered, and for how long, in seconds.
const BURST: f64 = 2400.0;
const TAU_BURSTS: f64 = 2.0 * 86_400.0;
/// Time constants, in seconds: the present level,
const TAU_LEVEL: f64 = 40.0;
/// the last hour,
const TAU_RECENT: f64 = 3600.0;
/// the baseline,
const TAU_BASELINE: f64 = 12.0 * 3600.0;
/// the usual jump and deviation over all hours,
const TAU_SIZE: f64 = 2.0 * 86_400.0;
/// what is usual in an hour of the week, in time within that hour,
const TAU_HOUR: f64 = 6.0 * 3600.0;
/// and how much it deviates, in the same time: faster while little of it was seen.
const TAU_HOUR_SIZE: f64 = 12.0 * 3600.0;
/// The share of recent time above the gates that is shown.
const TAU_SHARE: f64 = 240.0;
/// Time after which a higher level is the new normal, in seconds.
const ACCEPT_AFTER: f64 = 4.0 * 3600.0;
/// Time after which a lower level is the new normal, in seconds. Were it much shorter, each dip of a series
/// that wanders would be taken for one, and the way back for a rise.
const LOWER_AFTER: f64 = 7200.0;
/// Time before which nothing is raised, in seconds.
const WARM_UP: f64 = 7200.0;

/// What is known of one series.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// NaN before the first sample.
    baseline: f64,
    first: UnixMs,
    last: UnixMs,
    /// Since when it has been too high, whether that was said or not; counts if `high`.
    since: UnixMs,
    /// Present deviation from what is usual.
    level: f32,
    /// The same as people see it: not cut at the gate, moved by single samples no more than a few gates.
    present: f32,
    /// The deviation of the last hour.
    recent: f32,
    /// Usual size of `level - recent`.
    jump: f32,
    /// Usual size of `level`.
    size: f32,
    /// Time above the gates, less that below.
    score: f32,
    /// Time above the gate of rises that stay, less that below.
    lasting: f32,
    /// Share of recent time above the gates.
    share: f32,
    /// Excess of the last sample over the last hour.
    excess: f32,
    /// Short bursts that are remembered.
    bursts: f32,
    /// The burst that is going on: how long it has been, and its best score; negative if there is none.
    burst_for: f32,
    burst_score: f32,
    /// How long the level has been well below the baseline.
    low_for: f32,
    /// How long it has been firing, and how long quiet; negative if it is not firing.
    firing_for: f32,
    quiet_for: f32,
    high: bool,
    hours: [Bin; BINS],
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
    /// Time since the sample before, and how much of it this one speaks for.
    gap: f64,
    dt: f64,
    known_for: f64,
    hour: Hour,
    seasonal: f64,
    /// Usual size of the level at this hour.
    size: f64,
    /// The value above what is usual.
    excess: f64,
    /// Smallest rise that counts, whatever is usual.
    floor: f64,
    /// Jump above the last hour that counts now.
    jump_gate: f64,
    /// Rise above what is usual that counts now,
    gate: f64,
    /// and the smaller one that counts if it stays.
    lasting_gate: f64,
    /// Time above the gates that raises, before bursts are considered.
    needed: f64,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            baseline: f64::NAN,
            first: UnixMs(0),
            last: UnixMs(0),
            since: UnixMs(0),
            level: 0.0,
            present: 0.0,
            recent: 0.0,
            jump: 0.0,
            size: 0.0,
            score: 0.0,
            lasting: 0.0,
            share: 0.0,
            excess: 0.0,
            bursts: 0.0,
            burst_for: -1.0,
            burst_score: 0.0,
            low_for: 0.0,
            firing_for: -1.0,
            quiet_for: 0.0,
            high: false,
            hours: [Bin::default(); BINS],
        }
    }

    /// Judges one value and learns from it. Values that are not finite and not newer than the last are
    /// the caller's to sort out.
    pub(crate) fn push(&mut self, nm: &Nm, at: UnixMs, value: f64, hour: Hour) -> Judgement {
        let gap = seconds(self.last, at);
        if self.baseline.is_nan() || (gap > FORGET_AFTER && !self.is_firing()) {
            *self = Self { baseline: value, first: at, last: at, ..Self::new() };
        } else if gap > LONGEST_GAP {
            (self.level, self.present, self.recent) = (0.0, 0.0, 0.0);
            (self.score, self.lasting, self.share, self.low_for) = (0.0, 0.0, 0.0, 0.0);
            self.burst_for = -1.0;
            self.high = self.is_firing();
        }
        let moment = self.look(nm, at, value, hour);
        self.last = at;
        let high = self.follow(&moment);
        let change = self.decide(&moment, high, nm.clear_after);
        self.learn(&moment);
        self.judgement(&moment, change)
    }

    pub(crate) fn is_firing(&self) -> bool {
        self.firing_for >= 0.0
    }

    /// How it stands, without a new value.
    pub(crate) fn now(&self, nm: &Nm, at: UnixMs, hour: Hour) -> Judgement {
        self.judgement(&self.look(nm, at, self.baseline, hour), None)
    }

    fn look(&self, nm: &Nm, now: UnixMs, value: f64, hour: Hour) -> Moment {
        let gap = seconds(self.last, now);
        let dt = gap.clamp(0.0, LONGEST_GAP);
        let (before, after) = (&self.hours[hour.before], &self.hours[hour.after]);
        let recurs = hour.between(before.recurs, after.recurs);
        let seasonal =
            hour.between(before.usual, after.usual) * ((recurs - 0.4) / 0.3).clamp(0.0, 1.0);
        let size = f64::from(self.size).max(hour.between(before.size, after.size));
        let floor = nm.absolute.max(nm.relative * self.baseline);
        Moment {
            now,
            gap,
            dt,
            known_for: seconds(self.first, now),
            hour,
            seasonal,
            size,
            excess: value - self.baseline - seasonal,
            floor,
            jump_gate: floor.max(JUMPS * f64::from(self.jump)),
            gate: floor.max(DEVIATIONS * size),
            lasting_gate: floor.max(LASTING * size),
            needed: nm.high_for + nm.high_samples * dt,
        }
    }

    /// Moves the present level and the time above the gates; whether this sample is above.
    fn follow(&mut self, moment: &Moment) -> bool {
        let Moment { dt, excess, jump_gate, gate, .. } = *moment;
        let clipped = excess.clamp(-2.0 * jump_gate, CLIP * jump_gate);
        if dt > 0.0 {
            let weight = 1.0 - (-dt / TAU_LEVEL.max(0.5 * dt)).exp();
            self.level += (weight * (clipped - f64::from(self.level))) as f32;
            let present = f64::from(self.present);
            let pull = (excess - present).clamp(-PULL * jump_gate, PULL * jump_gate);
            self.present += (weight * pull) as f32;
        }
        let (level, recent) = (f64::from(self.level), f64::from(self.recent));
        let jumped = level - recent >= jump_gate && excess - recent >= 0.3 * jump_gate;
        let high = jumped || (level >= gate && excess >= 0.3 * gate);
        // A burst that lies across two sparse samples shows in parts that are seldom alike.
        let (now, last) = (excess - recent, f64::from(self.excess));
        let alike = dt < SPARSE || self.score <= 0.0 || now.min(last) >= ALIKE * now.max(last);
        self.excess = now as f32;
        let score = f64::from(self.score);
        self.score =
            if high { score + if alike { dt } else { UNLIKE * dt } } else { score - BELOW * dt }
                .clamp(0.0, 2.0 * self.needed(moment)) as f32;
        let above = self.above(moment);
        let lasting = f64::from(self.lasting) + if above { dt } else { -dt };
        self.lasting = lasting.clamp(0.0, 1.5 * LASTS_FOR) as f32;
        let seen = if high || above { 1.0 } else { 0.0 };
        self.share += (dt / (TAU_SHARE + dt)) as f32 * (seen - self.share);
        self.remember(moment, high);
        high
    }

    /// Time above the gates that raises: more for a series that is known for short bursts.
    fn needed(&self, moment: &Moment) -> f64 {
        moment.needed * (1.0 + WARY * f64::from(self.bursts.min(1.0)))
    }

    /// Whether the level is too high if it stays.
    fn above(&self, moment: &Moment) -> bool {
        f64::from(self.level) >= moment.lasting_gate
    }

    /// Whether it has stayed that high for long.
    fn stayed(&self) -> bool {
        f64::from(self.lasting) >= LASTS_FOR
    }

    /// Whether the level is still too high to be cleared.
    fn loud(&self, moment: &Moment) -> bool {
        f64::from(self.level - self.recent) >= 0.5 * moment.jump_gate
            || f64::from(self.level) >= 0.5 * moment.gate
    }

    /// Keeps the start of a rise, and counts those that would have raised and were soon over.
    fn remember(&mut self, moment: &Moment, high: bool) {
        let Moment { now, gap, dt, .. } = *moment;
        let loud = self.loud(moment);
        if (high || self.above(moment)) && !self.high {
            (self.high, self.since) = (true, now);
        } else if !loud && !self.is_firing() {
            self.high = false;
        }
        self.bursts *= (1.0 - dt / (TAU_BURSTS + dt)) as f32;
        if self.burst_for >= 0.0 {
            self.burst_for += gap as f32;
        } else if high {
            (self.burst_for, self.burst_score) = (0.0, 0.0);
        } else {
            return;
        }
        self.burst_score = self.burst_score.max(self.score);
        if self.score <= 0.0 && !loud {
            let raises = f64::from(self.burst_score) >= moment.needed;
            if raises && f64::from(self.burst_for) < BURST {
                self.bursts += 1.0;
            }
            self.burst_for = -1.0;
        }
    }

    fn decide(&mut self, moment: &Moment, high: bool, clear_after: f64) -> Option<Change> {
        if !self.is_firing() {
            let enough = high && f64::from(self.score) >= self.needed(moment)
                || self.stayed() && self.above(moment);
            if !enough || moment.known_for <= WARM_UP {
                return None;
            }
            (self.firing_for, self.quiet_for) = (0.0, 0.0);
            return Some(Change::Raised);
        }
        self.firing_for += moment.gap as f32;
        // What was not observed was not quiet.
        let quiet = if moment.gap > LONGEST_GAP { 0.0 } else { self.quiet_for + moment.dt as f32 };
        self.quiet_for = if self.loud(moment) { 0.0 } else { quiet };
        let change = if f64::from(self.quiet_for) >= clear_after {
            Change::Cleared
        } else if f64::from(self.firing_for) >= ACCEPT_AFTER && moment.gap <= LONGEST_GAP {
            self.baseline += f64::from(self.present);
            (self.level, self.present, self.recent) = (0.0, 0.0, 0.0);
            Change::Accepted
        } else {
            return None;
        };
        (self.firing_for, self.burst_for, self.high) = (-1.0, -1.0, false);
        (self.score, self.lasting) = (0.0, 0.0);
        Some(change)
    }

    /// Moves what is usual towards what is now; while it is too high only the hours learn.
    fn learn(&mut self, moment: &Moment) {
        let Moment { dt, known_for, seasonal, excess, floor, jump_gate, gate, .. } = *moment;
        if dt <= 0.0 {
            return;
        }
        let quiet = !self.is_firing();
        // All settle faster while little is known.
        let rate = |tau: f64| dt / tau.min(0.5 * known_for).max(8.0 * dt);
        let level = f64::from(self.level);
        if quiet && level < gate.min(2.0 * jump_gate) {
            self.baseline += rate(TAU_BASELINE) * excess.clamp(-0.5 * jump_gate, 0.5 * jump_gate);
        }
        let jump = level - f64::from(self.recent);
        if quiet && self.score <= 0.0 {
            self.recent += (rate(TAU_RECENT) * jump.clamp(-jump_gate, jump_gate)) as f32;
        }
        if quiet {
            approach(&mut self.jump, rate(TAU_SIZE), jump.abs().min(1.5 * jump_gate));
            approach(&mut self.size, rate(TAU_SIZE), level.abs().min(1.5 * gate));
        }
        self.sink(moment);
        let level = f64::from(self.level);
        let deviation = level + seasonal;
        let usual = deviation.clamp(-4.0 * jump_gate, 4.0 * jump_gate);
        let recurs = if deviation >= 0.5 * floor { 1.0 } else { 0.0 };
        let step = (dt / TAU_HOUR).min(0.5);
        let size_step = (dt / moment.hour.seen(known_for).clamp(3600.0, TAU_HOUR_SIZE)).min(0.5);
        let hour = moment.hour;
        for (bin, share) in [(hour.before, 1.0 - hour.weight), (hour.after, hour.weight)] {
            let bin = &mut self.hours[bin];
            approach(&mut bin.usual, step * share, usual);
            approach(&mut bin.recurs, step * share, recurs);
            if quiet {
                approach(&mut bin.size, size_step * share, level.abs().min(1.5 * gate));
            }
        }
    }

    /// Takes a level that has stayed low as the new normal; at once while little is known, since the
    /// first sample may have been a spike.
    fn sink(&mut self, moment: &Moment) {
        if f64::from(self.level) >= -0.5 * moment.jump_gate {
            self.low_for = 0.0;
            return;
        }
        self.low_for += moment.dt as f32;
        if f64::from(self.low_for) > LOWER_AFTER.min(0.125 * moment.known_for) {
            self.baseline += f64::from(self.present.min(self.level));
            (self.level, self.present, self.recent, self.low_for) = (0.0, 0.0, 0.0, 0.0);
        }
    }

    fn judgement(&self, moment: &Moment, change: Option<Change>) -> Judgement {
        let usual = self.baseline + moment.seasonal;
        let standing = if self.is_firing() {
            Standing::Firing { since: self.since, rule: Rule::Nm }
        } else if moment.known_for <= WARM_UP {
            Standing::Learning
        } else {
            Standing::Usual
        };
        let gate =
            if self.is_firing() && self.stayed() { moment.lasting_gate } else { moment.gate };
        let limit = usual + gate.min(f64::from(self.recent) + moment.jump_gate);
        Judgement {
            at: moment.now,
            value: (usual + f64::from(self.present)) as f32,
            usual: usual as f32,
            varies: moment.size as f32,
            limit: limit as f32,
            share: self.share,
            standing,
            change,
        }
    }

    pub(crate) fn save(&self, out: &mut Writer) {
        out.f64(self.baseline);
        out.times([self.first, self.last, self.since]);
        out.f32s([
            self.level,
            self.present,
            self.recent,
            self.jump,
            self.size,
            self.score,
            self.lasting,
            self.share,
        ]);
        out.f32s([self.excess, self.bursts, self.burst_for, self.burst_score, self.low_for]);
        out.f32s([self.firing_for, self.quiet_for]);
        out.bytes([u8::from(self.high)]);
        for bin in &self.hours {
            out.f32s([bin.usual, bin.size, bin.recurs]);
        }
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        let mut state = Self {
            baseline: from.f64()?,
            first: from.time()?,
            last: from.time()?,
            since: from.time()?,
            level: from.f32()?,
            present: from.f32()?,
            recent: from.f32()?,
            jump: from.f32()?,
            size: from.f32()?,
            score: from.f32()?,
            lasting: from.f32()?,
            share: from.f32()?,
            excess: from.f32()?,
            bursts: from.f32()?,
            burst_for: from.f32()?,
            burst_score: from.f32()?,
            low_for: from.f32()?,
            firing_for: from.f32()?,
            quiet_for: from.f32()?,
            high: from.bytes()? == [1],
            hours: [Bin::default(); BINS],
        };
        for bin in &mut state.hours {
            *bin = Bin { usual: from.f32()?, size: from.f32()?, recurs: from.f32()? };
        }
        Some(state)
    }
}

fn approach(mean: &mut f32, weight: f64, value: f64) {
    let held = f64::from(*mean);
    *mean = (held + weight * (value - held)) as f32;
}
