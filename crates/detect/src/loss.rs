//! The default rule for loss: a sequential test of "more probes are lost than usual at this hour" against
//! "as usual", and `down` for a target that answers nothing. It must know probes, not packets of users.

use model::{Change, Judgement, Rule, Standing, UnixMs};

use crate::bytes::{Reader, Writer};
use crate::calendar::{BINS, Hour};
use crate::span::seconds;

/// Longest time one sample may speak for, and the gap after which the present is forgotten, in seconds.
const LONGEST_GAP: f64 = 1800.0;

/// Samples so far apart that an outage of a minute fills only part of one, in seconds.
const SPARSE: f64 = 120.0;
/// Most probes that one sample is believed to speak of where nobody said how many.
const MOST_PROBES: f64 = 1000.0;

/// What the loss rule is set to. Times are in seconds, shares of lost probes are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loss {
    /// Evidence, as a logarithm of likelihoods, that raises.
    pub(crate) evidence: f64,
    /// Evidence that one minute may add.
    pub(crate) evidence_a_minute: f64,
    /// The share of it that one sample may add, and that a sparse one may: so much, and more for each second
    /// lost, since a burst of a minute or two may lie across two of them.
    pub(crate) evidence_a_sample: f64,
    pub(crate) evidence_sparse: f64,
    pub(crate) evidence_a_lost_second: f64,
    /// The share of it that is enough of three sparse samples in a row, over which no such burst lies.
    pub(crate) evidence_of_three: f64,
    /// Smallest 5-minute loss that counts.
    pub(crate) absolute: f64,
    /// Smallest 5-minute loss that counts, in units of the usual loss.
    pub(crate) usual_times: f64,
    /// Quiet time that clears.
    pub(crate) clear_after: f64,
    /// Time without a lost probe that clears `down`: whoever answers all of them is up.
    pub(crate) up_after: f64,
    /// Time after which a higher loss is the new normal.
    pub(crate) accept_after: f64,
    /// How much more than usual the usual loss may be at times, as a factor.
    pub(crate) margin: f64,
    /// Lost time that raises at once: time, weighted by the share of probes lost, while at least
    /// `down_share` are lost; a sample that speaks for minutes needs less, as an outage fills part of it.
    pub(crate) down_after: f64,
    pub(crate) down_after_sparse: f64,
    pub(crate) down_share: f64,
    pub(crate) down_share_sparse: f64,
    /// Probes that have to be lost in that time; 0 decides as the reference does: two samples, or one
    /// of ten probes.
    pub(crate) down_probes: f64,
    /// Time that the first sample speaks for.
    pub(crate) first_speaks_for: f64,
    /// Time constant of the usual loss.
    pub(crate) tau_baseline: f64,
    /// Time constant of the present loss, and of the loss that has to be over to clear.
    pub(crate) tau_level: f64,
    pub(crate) tau_recent: f64,
    /// Time constant of the hour bins, in time spent within a bin.
    pub(crate) tau_hour: f64,
    /// Time before which nothing but `down` is raised.
    pub(crate) warm_up: f64,
}

impl Loss {
    /// netmend's own.
    pub(crate) const DEFAULT: Loss = Loss {
        evidence: 9.0,
        evidence_a_minute: 2.1,
        evidence_sparse: 0.4,
        evidence_a_lost_second: 0.02,
        evidence_of_three: 0.8,
        margin: 1.2,
        down_after: 45.0,
        down_after_sparse: 55.0,
        down_share: 0.35,
        down_share_sparse: 0.1,
        down_probes: 5.0,
        up_after: 180.0,
        first_speaks_for: 0.0,
        tau_recent: 60.0,
        ..Self::REFERENCE
    };

    /// As in the reference implementation.
    pub(crate) const REFERENCE: Loss = Loss {
        evidence: 11.0,
        evidence_a_minute: 2.5,
        evidence_a_sample: 0.6,
        evidence_sparse: 0.6,
        evidence_a_lost_second: 0.0,
        evidence_of_three: 1.0,
        margin: 1.0,
        down_share: 0.99,
        down_share_sparse: 0.99,
        down_probes: 0.0,
        first_speaks_for: 60.0,
        tau_recent: 300.0,
        absolute: 0.01,
        usual_times: 2.5,
        clear_after: 600.0,
        up_after: f64::INFINITY,
        accept_after: 6.0 * 3600.0,
        down_after: 50.0,
        down_after_sparse: 50.0,
        tau_baseline: 2.0 * 86_400.0,
        tau_level: 300.0,
        tau_hour: 3.0 * 3600.0,
        warm_up: 7200.0,
    };
}

/// What is known of one series.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Usual share of lost probes.
    baseline: f64,
    /// Present share of lost probes.
    level: f64,
    /// The same over a shorter time, which has to be low to clear.
    recent: f64,
    /// Evidence for more loss than usual.
    evidence: f64,
    /// Time lost in a row, in seconds, and probes.
    silent: f64,
    silent_probes: f64,
    /// Whether some probes were answered in that time.
    some_answered: bool,
    /// Smallest share of lost probes seen: one of how many a sample speaks of.
    finest: f32,
    first: Option<UnixMs>,
    last: UnixMs,
    /// The minute whose evidence is counted,
    minute: i64,
    /// and how much it has added.
    added: f64,
    /// Sparse samples in a row that were evidence.
    in_a_row: u32,
    /// Since when there has been evidence, whether that was said or not.
    high_since: Option<UnixMs>,
    silent_since: Option<UnixMs>,
    firing: Option<Firing>,
    hours: [f32; BINS],
}

#[derive(Clone, Copy, Debug)]
struct Firing {
    since: UnixMs,
    raised: UnixMs,
    /// When it was last too high to be cleared.
    loud: UnixMs,
    /// When a probe was lost last.
    lost: UnixMs,
    rule: Rule,
}

/// One sample against what is usual.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: UnixMs,
    dt: f64,
    known_for: f64,
    /// Share of this sample's probes that were lost,
    lost: f64,
    /// and how many there were.
    probes: f64,
    usual: f64,
    /// Smallest present loss that counts.
    gate: f64,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            baseline: 0.0005,
            level: 0.0,
            recent: 0.0,
            evidence: 0.0,
            silent: 0.0,
            silent_probes: 0.0,
            some_answered: false,
            finest: 1.0,
            first: None,
            last: UnixMs(0),
            minute: 0,
            added: 0.0,
            in_a_row: 0,
            high_since: None,
            silent_since: None,
            firing: None,
            hours: [0.0; BINS],
        }
    }

    /// Judges the loss of some probes, in percent, and learns from it. Values outside 0 to 100 and not
    /// newer than the last are the caller's to sort out. How many `probes` there were is estimated if it
    /// is not known.
    pub(crate) fn push(
        &mut self,
        rule: &Loss,
        at: UnixMs,
        percent: f64,
        probes: Option<f64>,
        hour: Hour,
    ) -> Judgement {
        if self.first.is_none() {
            let span = (rule.first_speaks_for * 1000.0) as i64;
            (self.first, self.last) = (Some(at), UnixMs(at.0.saturating_sub(span)));
        }
        if percent > 0.0 {
            self.finest = self.finest.min((percent / 100.0) as f32);
        }
        let probes = probes.unwrap_or((1.0 / f64::from(self.finest)).min(MOST_PROBES));
        if seconds(self.last, at) > LONGEST_GAP {
            (self.evidence, self.level, self.recent) = (0.0, 0.0, 0.0);
            self.in_a_row = 0;
            self.answered();
            self.high_since = None;
            if let Some(firing) = &mut self.firing
                && rule.down_probes > 0.0
            {
                // What was not observed was not quiet.
                (firing.loud, firing.lost) = (at, at);
            }
        }
        let moment = self.look(rule, at, percent / 100.0, probes, hour);
        self.last = at;
        self.follow(rule, &moment);
        let change = self.decide(rule, &moment);
        self.learn(rule, &moment, hour);
        self.judgement(rule, &moment, change)
    }

    pub(crate) fn is_firing(&self) -> bool {
        self.firing.is_some()
    }

    /// How it stands, without a new value.
    pub(crate) fn now(&self, rule: &Loss, at: UnixMs, hour: Hour) -> Judgement {
        self.judgement(rule, &self.look(rule, at, 0.0, 0.0, hour), None)
    }

    pub(crate) fn save(&self, out: &mut Writer) {
        out.f64s([
            self.baseline,
            self.level,
            self.recent,
            self.evidence,
            self.silent,
            self.silent_probes,
        ]);
        out.bytes([u8::from(self.some_answered)]);
        out.f32(self.finest);
        out.maybe(self.first, Writer::time);
        out.time(self.last);
        out.time(UnixMs(self.minute));
        out.f64(self.added);
        out.u32(self.in_a_row);
        out.maybe(self.high_since, Writer::time);
        out.maybe(self.silent_since, Writer::time);
        out.maybe(self.firing, |out, firing| {
            out.times([firing.since, firing.raised, firing.loud, firing.lost]);
            out.bytes([u8::from(firing.rule == Rule::Down)]);
        });
        out.f32s(self.hours);
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        let mut state = Self {
            baseline: from.f64()?,
            level: from.f64()?,
            recent: from.f64()?,
            evidence: from.f64()?,
            silent: from.f64()?,
            silent_probes: from.f64()?,
            some_answered: from.bytes()? == [1],
            finest: from.f32()?,
            first: from.maybe(Reader::time)?,
            last: from.time()?,
            minute: from.time()?.0,
            added: from.f64()?,
            in_a_row: from.u32()?,
            high_since: from.maybe(Reader::time)?,
            silent_since: from.maybe(Reader::time)?,
            firing: from.maybe(|from| {
                Some(Firing {
                    since: from.time()?,
                    raised: from.time()?,
                    loud: from.time()?,
                    lost: from.time()?,
                    rule: if from.bytes()? == [1] { Rule::Down } else { Rule::Nm },
                })
            })?,
            ..Self::new()
        };
        for usual in &mut state.hours {
            *usual = from.f32()?;
        }
        Some(state)
    }

    fn look(&self, rule: &Loss, now: UnixMs, lost: f64, probes: f64, hour: Hour) -> Moment {
        let usual = self.baseline.max(self.hours[hour.own].into()) * rule.margin;
        let usual = usual.clamp(0.001, 0.3);
        Moment {
            now,
            dt: seconds(self.last, now).min(LONGEST_GAP),
            known_for: self.first.map_or(0.0, |first| seconds(first, now)),
            lost,
            probes,
            usual,
            gate: rule.absolute.max(rule.usual_times * usual),
        }
    }

    /// Moves the present loss, the evidence and the time of silence.
    fn follow(&mut self, rule: &Loss, moment: &Moment) {
        let Moment { now, dt, lost, probes, usual, .. } = *moment;
        let raised = (3.0 * usual).max(usual + 0.01).min(0.9);
        self.level += weight(dt, rule.tau_level) * (lost - self.level);
        self.recent += weight(dt, rule.tau_recent) * (lost - self.recent);
        let lost_probes = lost * probes;
        let mut gain = lost_probes * (raised / usual).ln()
            + (probes - lost_probes) * ((1.0 - raised) / (1.0 - usual)).ln();
        if dt < 60.0 {
            let minute = now.0.div_euclid(60_000);
            if minute != self.minute {
                (self.minute, self.added) = (minute, 0.0);
            }
            if gain > 0.0 {
                gain = gain.min(rule.evidence_a_minute - self.added);
                self.added += gain.max(0.0);
            }
        } else {
            let sparse = rule.evidence_sparse + rule.evidence_a_lost_second * lost * dt;
            let share =
                if dt < SPARSE { f64::INFINITY } else { sparse }.min(rule.evidence_a_sample);
            gain = gain.min(rule.evidence_a_minute * dt / 60.0).min(share * rule.evidence);
        }
        let row = dt >= SPARSE && gain > 0.0;
        self.in_a_row = if row { self.in_a_row.saturating_add(1) } else { 0 };
        self.evidence = (self.evidence + gain).clamp(0.0, 1.3 * rule.evidence);
        if self.evidence > 0.0 {
            self.high_since.get_or_insert(now);
        } else {
            self.high_since = None;
        }
        let down = if dt < SPARSE { rule.down_share } else { rule.down_share_sparse };
        if lost > down {
            self.silent += if rule.down_probes > 0.0 { dt * lost } else { dt };
            self.silent_probes += lost_probes;
            self.some_answered |= lost <= 0.99;
            self.silent_since.get_or_insert(now);
        } else {
            self.answered();
        }
    }

    /// Ends the time without answers.
    fn answered(&mut self) {
        (self.silent, self.silent_probes) = (0.0, 0.0);
        (self.silent_since, self.some_answered) = (None, false);
    }

    fn decide(&mut self, rule: &Loss, moment: &Moment) -> Option<Change> {
        let Moment { now, gate, .. } = *moment;
        let Some(firing) = &mut self.firing else {
            let (since, rule) = self.too_high(rule, moment)?;
            self.firing = Some(Firing { since, raised: now, loud: now, lost: now, rule });
            return Some(Change::Raised);
        };
        if self.level.min(self.recent) >= 0.5 * gate {
            firing.loud = now;
        }
        if moment.lost > 0.0 {
            firing.lost = now;
        }
        let up = firing.rule == Rule::Down && seconds(firing.lost, now) >= rule.up_after;
        if up || seconds(firing.loud, now) >= rule.clear_after {
            (self.firing, self.evidence, self.high_since) = (None, 0.0, None);
            return Some(Change::Cleared);
        }
        if seconds(firing.raised, now) >= rule.accept_after && self.silent == 0.0 {
            self.baseline = self.baseline.max(self.level);
            (self.firing, self.evidence, self.high_since) = (None, 0.0, None);
            return Some(Change::Accepted);
        }
        None
    }

    /// Since when and by which rule too much is lost.
    fn too_high(&self, rule: &Loss, moment: &Moment) -> Option<(UnixMs, Rule)> {
        let enough = if rule.down_probes > 0.0 {
            self.silent_probes >= rule.down_probes
        } else {
            self.silent >= 1.5 * moment.dt || moment.probes >= 10.0
        };
        let down_after = if moment.dt < SPARSE { rule.down_after } else { rule.down_after_sparse };
        if self.silent >= down_after && enough {
            let rule = if self.some_answered { Rule::Nm } else { Rule::Down };
            return Some((self.silent_since.unwrap_or(moment.now), rule));
        }
        let share = if self.in_a_row < 3 { 1.0 } else { rule.evidence_of_three };
        let enough = self.evidence >= share * rule.evidence;
        let high = enough && moment.lost > 0.0 && self.level >= moment.gate;
        (high && moment.known_for > rule.warm_up)
            .then(|| (self.high_since.unwrap_or(moment.now), Rule::Nm))
    }

    /// Moves what is usual towards what is now, which counts at most as the gate while it is too high.
    fn learn(&mut self, rule: &Loss, moment: &Moment, hour: Hour) {
        let most = if self.firing.is_some() {
            rule.absolute
        } else {
            3.0 * rule.absolute.max(moment.usual)
        };
        let seen = self.level.min(most);
        let tau = rule.tau_baseline.min(moment.known_for).max(3600.0);
        self.baseline += moment.dt / tau * (seen - self.baseline);
        let held = f64::from(self.hours[hour.own]);
        let step = (moment.dt / rule.tau_hour).min(0.5);
        self.hours[hour.own] = (held + step * (seen - held)) as f32;
    }

    fn judgement(&self, rule: &Loss, moment: &Moment, change: Option<Change>) -> Judgement {
        let standing = match self.firing {
            Some(firing) => Standing::Firing { since: firing.since, rule: firing.rule },
            None if moment.known_for <= rule.warm_up => Standing::Learning,
            None => Standing::Usual,
        };
        Judgement {
            at: moment.now,
            value: (100.0 * self.level) as f32,
            usual: (100.0 * moment.usual) as f32,
            varies: 0.0,
            limit: (100.0 * moment.gate) as f32,
            share: (self.evidence / rule.evidence).min(1.0) as f32,
            standing,
            change,
        }
    }
}

/// Weight of a sample that speaks for `dt` in an exponential mean of time constant `tau`.
fn weight(dt: f64, tau: f64) -> f64 {
    if dt > 0.0 { 1.0 - (-dt / tau.max(0.7 * dt)).exp() } else { 0.0 }
}
