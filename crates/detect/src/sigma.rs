//! The rule of the VCO anomaly alert: present mean above baseline mean plus k standard deviations. A
//! compatibility mode: it must stay as it is, false alarms included.

use std::collections::VecDeque;

use model::{Change, Judgement, Rule, Standing, UnixMs};

use crate::bytes::{Reader, Writer};
use crate::span::seconds;

/// What `sigma` is set to. Times are in seconds. Windows are counted in samples, as the original does: of
/// `present` and `baseline` each takes as many as fit, at least one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigma {
    /// Length of the present window.
    pub present: f64,
    /// Length of the window before it.
    pub baseline: f64,
    /// Standard deviations above the baseline's mean that raise.
    pub k: f64,
    /// How far the windows lie in the past, for sources that are late.
    pub lag: f64,
    /// Where its samples come from.
    pub samples: Samples,
}

/// What `sigma` takes as a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Samples {
    /// Means over spans of so many seconds, counted from the epoch.
    Means(f64),
    /// Each value as it comes, one every so many seconds.
    Each(f64),
}

impl Default for Sigma {
    /// The original's: 5 min against the 60 min before, 2 standard deviations, over samples of 5 min.
    fn default() -> Self {
        Self { present: 300.0, baseline: 3600.0, k: 2.0, lag: 0.0, samples: Samples::Means(300.0) }
    }
}

impl Sigma {
    /// Seconds between two samples.
    pub(crate) fn step(&self) -> f64 {
        match self.samples {
            Samples::Means(step) | Samples::Each(step) => step,
        }
    }

    /// Samples of the lag, the present window and the baseline.
    #[expect(clippy::cast_sign_loss, reason = "windows and steps were checked to be positive")]
    pub(crate) fn windows(&self) -> [usize; 3] {
        let fit = |window: f64| (window / self.step()) as usize;
        [fit(self.lag), fit(self.present).max(1), fit(self.baseline).max(1)]
    }
}

/// What is known of one series.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The samples of all windows, oldest first; NaN is a missing one.
    held: VecDeque<f64>,
    last: Option<UnixMs>,
    /// The span that is being averaged: sum and count.
    sum: f64,
    count: u32,
    firing: Option<UnixMs>,
    /// What was found last.
    found: Found,
}

/// Both windows, in the unit of the series; NaN where there are too few samples.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Mean of the present window.
    pub present: f64,
    /// Mean of the baseline.
    pub mean: f64,
    /// Standard deviation of the baseline, with n - 1 in the denominator.
    pub deviation: f64,
}

impl Found {
    /// Whether the present is more than `k` standard deviations above the baseline, and at least by
    /// `at_least`. Without any variation every rise is.
    pub fn is_high(&self, k: f64, at_least: Option<f64>) -> bool {
        self.present > self.mean + k * self.deviation
            && at_least.is_none_or(|rise| self.present - self.mean >= rise)
    }

    /// How many standard deviations the present lies above the baseline; `None` without any variation.
    pub fn sigmas(&self) -> Option<f64> {
        let sigmas = (self.present - self.mean) / self.deviation;
        sigmas.is_finite().then_some(sigmas)
    }
}

/// Mean of the present window, mean and standard deviation (two passes) of the baseline. What is not finite
/// is a sample that is missing; a baseline of one sample is none.
pub fn compare(
    baseline: impl Iterator<Item = f64> + Clone,
    present: impl Iterator<Item = f64> + Clone,
) -> Found {
    let (mean, deviation, count) = moments(baseline);
    let mean = if count >= 2.0 { mean } else { f64::NAN };
    Found { present: moments(present).0, mean, deviation }
}

/// Mean, standard deviation and number of the finite values.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64, f64) {
    let known = values.filter(|value| value.is_finite());
    let (mut sum, mut count) = (0.0, 0.0);
    known.clone().for_each(|value| {
        sum += value;
        count += 1.0;
    });
    let mean = sum / count;
    let mut squares = 0.0;
    known.for_each(|value| squares += (value - mean) * (value - mean));
    (mean, (squares / (count - 1.0)).sqrt(), count)
}

impl State {
    pub(crate) fn new() -> Self {
        let found = Found { present: f64::NAN, mean: f64::NAN, deviation: f64::NAN };
        Self { held: VecDeque::new(), last: None, sum: 0.0, count: 0, firing: None, found }
    }

    /// Judges one value; NaN is a sample that is missing. `at_least` is the smallest rise that counts.
    pub(crate) fn push(
        &mut self,
        rule: &Sigma,
        at: UnixMs,
        value: f64,
        at_least: Option<f64>,
    ) -> Judgement {
        let last = self.last.replace(at).unwrap_or(at);
        let change = match rule.samples {
            Samples::Each(_) => {
                if seconds(last, at) > rule.lag + rule.present + rule.baseline {
                    self.held.clear();
                }
                self.take(rule, at, value, at_least)
            }
            Samples::Means(width) => {
                let span = |time: UnixMs| time.0.div_euclid(((width * 1000.0) as i64).max(1));
                let change = self.close(rule, at, span(at) - span(last), at_least);
                if value.is_finite() {
                    self.sum += value;
                    self.count = self.count.saturating_add(1);
                }
                change
            }
        };
        self.judgement(rule, at, at_least, change)
    }

    pub(crate) fn is_firing(&self) -> bool {
        self.firing.is_some()
    }

    /// How it stands, without a new value.
    pub(crate) fn now(&self, rule: &Sigma, at: UnixMs, at_least: Option<f64>) -> Judgement {
        self.judgement(rule, at, at_least, None)
    }

    pub(crate) fn save(&self, out: &mut Writer) {
        out.u32(self.held.len() as u32);
        self.held.iter().for_each(|value| out.f64(*value));
        out.maybe(self.last, Writer::time);
        out.f64(self.sum);
        out.u32(self.count);
        out.maybe(self.firing, Writer::time);
        out.f64s([self.found.present, self.found.mean, self.found.deviation]);
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        let held = (0..from.u32()?).map(|_| from.f64()).collect::<Option<_>>()?;
        Some(Self {
            held,
            last: from.maybe(Reader::time)?,
            sum: from.f64()?,
            count: from.u32()?,
            firing: from.maybe(Reader::time)?,
            found: Found { present: from.f64()?, mean: from.f64()?, deviation: from.f64()? },
        })
    }

    /// Closes the span that was averaged, and those without a sample that have passed since.
    fn close(
        &mut self,
        rule: &Sigma,
        at: UnixMs,
        passed: i64,
        at_least: Option<f64>,
    ) -> Option<Change> {
        if passed <= 0 {
            return None;
        }
        let mean = if self.count > 0 { self.sum / f64::from(self.count) } else { f64::NAN };
        (self.sum, self.count) = (0.0, 0);
        let was = self.firing;
        self.take(rule, at, mean, at_least);
        // More spans than the windows hold leave nothing but empty ones.
        let most: usize = rule.windows().iter().sum();
        let empty = usize::try_from(passed - 1).unwrap_or(most).min(most);
        for _ in 0..empty {
            self.take(rule, at, f64::NAN, at_least);
        }
        match (was, self.firing) {
            (None, Some(_)) => Some(Change::Raised),
            (Some(_), None) => Some(Change::Cleared),
            _ => None,
        }
    }

    /// Takes in one sample and compares the windows.
    fn take(
        &mut self,
        rule: &Sigma,
        at: UnixMs,
        value: f64,
        at_least: Option<f64>,
    ) -> Option<Change> {
        let [lag, present, baseline] = rule.windows();
        while self.held.len() >= lag + present + baseline {
            self.held.pop_front();
        }
        self.held.push_back(value);
        self.found = self.compare(present, baseline);
        let full = self.held.len() == lag + present + baseline;
        let high = full && self.found.is_high(rule.k, at_least);
        match (self.firing, high) {
            (None, true) => {
                self.firing = Some(at);
                Some(Change::Raised)
            }
            (Some(_), false) => {
                self.firing = None;
                Some(Change::Cleared)
            }
            _ => None,
        }
    }

    /// Compares the present window with the baseline, as held.
    fn compare(&self, present: usize, baseline: usize) -> Found {
        let window = |from: usize, until: usize| {
            let until = until.min(self.held.len());
            self.held.range(from.min(until)..until).copied()
        };
        compare(window(0, baseline), window(baseline, baseline + present))
    }

    fn judgement(
        &self,
        rule: &Sigma,
        at: UnixMs,
        at_least: Option<f64>,
        change: Option<Change>,
    ) -> Judgement {
        let Found { present, mean, deviation } = self.found;
        let rise = (rule.k * deviation).max(at_least.unwrap_or(0.0));
        let standing = match self.firing {
            Some(since) => Standing::Firing { since, rule: Rule::Sigma },
            None if mean.is_nan() => Standing::Learning,
            None => Standing::Usual,
        };
        Judgement {
            at,
            value: present as f32,
            usual: mean as f32,
            varies: deviation as f32,
            limit: (mean + rise) as f32,
            share: if self.firing.is_some() { 1.0 } else { 0.0 },
            standing,
            change,
        }
    }
}
