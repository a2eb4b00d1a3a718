//! One series under its rules: what is learned and the limit together give one judgement. It must not
//! know other series.

use model::{Change, Judgement, Metric, Rule, Standing, UnixMs};

use crate::bytes::{Reader, Writer};
use crate::limit::Limit;
use crate::settings::{Prepared, Rules};
use crate::{limit, loss, nm, reference, sigma};

/// Longest RTT or jitter that is believed, in milliseconds: an hour.
const LONGEST: f64 = 3_600_000.0;

/// Stands for the time of a value that has not come yet: shorter than an `Option`.
const NEVER: UnixMs = UnixMs(i64::MIN);

/// What is known of one series.
#[derive(Clone, Debug)]
pub struct Detector {
    learned: State,
    /// The present against the limit, where there is one.
    limit: Option<Box<limit::State>>,
    /// Time of the last value; [`NEVER`] before the first.
    last: UnixMs,
}

/// What the rule that learns has learned.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Nm(Box<nm::State>),
    Reference(Box<reference::State>),
    Loss(Box<loss::State>),
    Sigma(Box<sigma::State>),
    Off,
}

impl Detector {
    /// A detector that knows nothing yet.
    pub fn new(rules: &Rules) -> Self {
        let learned = match rules.learned {
            Prepared::Nm(_) => State::Nm(Box::new(nm::State::new())),
            Prepared::Reference(_) => State::Reference(Box::new(reference::State::new())),
            Prepared::Loss(_) => State::Loss(Box::new(loss::State::new())),
            Prepared::Sigma(_) => State::Sigma(Box::new(sigma::State::new())),
            Prepared::Off => State::Off,
        };
        Self { learned, limit: None, last: NEVER }
    }

    /// Judges one value, in milliseconds or percent; NaN says that a sample is missing. `None` if the
    /// value cannot be (negative, infinite, more than an hour, more than 100 %) or is not newer than the
    /// last: such a value changes nothing.
    pub fn push(&mut self, rules: &mut Rules, at: UnixMs, value: f64) -> Option<Judgement> {
        let most = if rules.metric == Metric::Loss { 100.0 } else { LONGEST };
        let possible = value.is_nan() || (0.0..=most).contains(&value);
        if !possible || at <= self.last {
            return None;
        }
        let before = self.is_firing();
        self.last = at;
        let judged = self.learned_from(rules, at, value);
        if rules.limit.is_none() {
            self.limit = None;
        }
        let limit_change = match rules.limit {
            Some(limit) if !value.is_nan() => {
                let state = self.limit.get_or_insert_with(|| Box::new(limit::State::NEW));
                let (metric, clear_after) = (rules.metric, rules.clear_after);
                let probes = rules.probes.unwrap_or(1.0);
                state.push(&Limit { metric, limit, clear_after, probes }, at, value)
            }
            _ => None,
        };
        let accepted = judged.change == Some(Change::Accepted);
        let mut judgement = self.with_limit(rules, judged);
        judgement.change = match (before, judgement.is_firing()) {
            (false, true) => Some(Change::Raised),
            (true, false) if accepted && limit_change.is_none() => Some(Change::Accepted),
            (true, false) => Some(Change::Cleared),
            _ => None,
        };
        Some(judgement)
    }

    /// How the series stands at a time, without a new value.
    pub fn now(&self, rules: &mut Rules, at: UnixMs) -> Judgement {
        let judged = self.learned_now(rules, at);
        self.with_limit(rules, judged)
    }

    fn learned_now(&self, rules: &mut Rules, at: UnixMs) -> Judgement {
        let hour = rules.calendar.hour(at);
        match (&self.learned, &rules.learned) {
            (State::Nm(state), Prepared::Nm(nm)) => state.now(nm, at, hour),
            (State::Reference(state), Prepared::Reference(rule)) => state.now(rule, at, hour),
            (State::Loss(state), Prepared::Loss(loss)) => state.now(loss, at, hour),
            (State::Sigma(state), Prepared::Sigma(rule)) => state.now(rule, at, rules.at_least),
            _ => nothing_learned(at),
        }
    }

    /// The time of the last value.
    pub fn last(&self) -> Option<UnixMs> {
        (self.last != NEVER).then_some(self.last)
    }

    /// Whether the detector can go on under these rules: they are of the same kind as its own.
    pub fn fits(&self, rules: &Rules) -> bool {
        matches!(
            (&self.learned, &rules.learned),
            (State::Nm(_), Prepared::Nm(_))
                | (State::Reference(_), Prepared::Reference(_))
                | (State::Loss(_), Prepared::Loss(_))
                | (State::Sigma(_), Prepared::Sigma(_))
                | (State::Off, Prepared::Off)
        )
    }

    pub(crate) fn save(&self, out: &mut Writer) {
        out.time(self.last);
        out.maybe(self.limit.as_ref(), |out, limit| limit.save(out));
        match &self.learned {
            State::Off => out.bytes([0]),
            State::Nm(state) => {
                out.bytes([1]);
                state.save(out);
            }
            State::Loss(state) => {
                out.bytes([2]);
                state.save(out);
            }
            State::Reference(state) => {
                out.bytes([4]);
                state.save(out);
            }
            State::Sigma(state) => {
                out.bytes([3]);
                state.save(out);
            }
        }
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        let last = from.time()?;
        let limit = from.maybe(|from| limit::State::load(from).map(Box::new))?;
        let learned = match from.bytes()? {
            [0] => State::Off,
            [1] => State::Nm(Box::new(nm::State::load(from)?)),
            [2] => State::Loss(Box::new(loss::State::load(from)?)),
            [4] => State::Reference(Box::new(reference::State::load(from)?)),
            [3] => State::Sigma(Box::new(sigma::State::load(from)?)),
            _ => return None,
        };
        Some(Self { learned, limit, last })
    }

    fn is_firing(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.firing_since().is_some())
            || match &self.learned {
                State::Nm(state) => state.is_firing(),
                State::Reference(state) => state.is_firing(),
                State::Loss(state) => state.is_firing(),
                State::Sigma(state) => state.is_firing(),
                State::Off => false,
            }
    }

    fn learned_from(&mut self, rules: &mut Rules, at: UnixMs, value: f64) -> Judgement {
        let missing = value.is_nan();
        match (&mut self.learned, &rules.learned) {
            (State::Nm(state), Prepared::Nm(nm)) if !missing => {
                state.push(nm, at, value, rules.calendar.hour(at))
            }
            (State::Reference(state), Prepared::Reference(rule)) if !missing => {
                state.push(rule, at, value, rules.calendar.hour(at))
            }
            (State::Loss(state), Prepared::Loss(loss)) if !missing => {
                state.push(loss, at, value, rules.probes, rules.calendar.hour(at))
            }
            (State::Sigma(state), Prepared::Sigma(rule)) => {
                state.push(rule, at, value, rules.at_least)
            }
            _ => self.learned_now(rules, at),
        }
    }

    /// Adds what the limit says: it speaks first while it is exceeded, since it is never accepted.
    fn with_limit(&self, rules: &Rules, judged: Judgement) -> Judgement {
        let Some(limit) = rules.limit else { return judged };
        let mut judgement = judged;
        // The lower of the two is what has to be kept.
        judgement.limit = judged.limit.min(limit as f32);
        let Some(state) = &self.limit else { return judgement };
        if let Some(since) = state.firing_since() {
            judgement.standing = Standing::Firing { since, rule: Rule::Limit };
            judgement.limit = limit as f32;
            judgement.share = state.share(rules.metric);
        }
        if judgement.value.is_nan() {
            judgement.value = state.level;
        }
        judgement
    }
}

/// What is said where no rule learns.
fn nothing_learned(at: UnixMs) -> Judgement {
    Judgement {
        at,
        value: f32::NAN,
        usual: f32::NAN,
        varies: f32::NAN,
        limit: f32::NAN,
        share: 0.0,
        standing: Standing::Usual,
        change: None,
    }
}
