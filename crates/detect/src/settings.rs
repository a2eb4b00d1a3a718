//! What a person may set of the judging of a series, and what the rules make of it. It must not judge.

use jiff::tz::TimeZone;
use model::Metric;

use crate::calendar::Calendar;
use crate::loss::Loss;
use crate::nm::Nm;
use crate::reference::Reference;
use crate::sigma::Sigma;

/// Most samples that the windows of `sigma` may hold: 16 a second over the default windows.
const MOST_HELD: usize = 1 << 16;

/// How a series is judged. Times of RTT and jitter are in milliseconds, loss is in percent, whatever the
/// unit of the samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The rule that learns what is usual.
    pub learned: Learned,
    /// Smallest rise above what is usual that counts; `None` is the rule's own.
    pub at_least: Option<f64>,
    /// The value above which it is too high whatever is usual.
    pub limit: Option<f64>,
    /// How many seconds it must have been good until it is over; `None` is the rule's own. An outage that
    /// `down` found and `sigma` end by their own times.
    pub clear_after: Option<f64>,
    /// Whose hours and weekends count.
    pub zone: TimeZone,
    /// Probes that one sample of loss speaks of; `None` where nobody knows: then it is estimated from
    /// the smallest loss seen.
    pub probes: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            learned: Learned::Nm,
            at_least: None,
            limit: None,
            clear_after: None,
            zone: TimeZone::UTC,
            probes: Some(1.0),
        }
    }
}

/// A rule that learns what is usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Learned {
    /// netmend's own.
    #[default]
    Nm,
    /// `nm` as in the reference implementation, for comparisons.
    Reference,
    /// The rule of the VCO anomaly alert.
    Sigma(Sigma),
    /// None: only the limit is watched.
    Off,
}

/// Why settings make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A number that has to be positive is not.
    #[error("{what} is {found}; it must be a number above 0")]
    NotPositive {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: f64,
    },
    /// A percentage is above 100.
    #[error("{what} is {found} %; loss is at most 100 %")]
    AbovePercent {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: f64,
    },
    /// The windows of `sigma` hold too many samples.
    #[error(
        "the windows of sigma hold {held} samples; at most {MOST_HELD} are kept: average them over longer spans"
    )]
    WindowsTooLong {
        /// How many they would be.
        held: usize,
    },
    /// The lag of `sigma` is negative.
    #[error("the lag of sigma is {0} s; it must be 0 or more")]
    NegativeLag(f64),
}

/// Settings made ready for one metric; shared by all series that are judged alike.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) metric: Metric,
    pub(crate) learned: Prepared,
    pub(crate) at_least: Option<f64>,
    pub(crate) limit: Option<f64>,
    /// Quiet time that clears what is above the limit, in seconds.
    pub(crate) clear_after: f64,
    pub(crate) probes: Option<f64>,
    pub(crate) calendar: Calendar,
}

/// The rule that learns, with the numbers of the metric.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Prepared {
    Nm(Nm),
    Reference(Reference),
    Loss(Loss),
    Sigma(Sigma),
    Off,
}

impl Rules {
    /// What `settings` mean for series of `metric`.
    pub fn new(metric: Metric, settings: &Settings) -> Result<Self, SettingsError> {
        settings.probes.map_or(Ok(()), |probes| positive("probes", probes))?;
        settings.clear_after.map_or(Ok(()), |span| positive("clear_after", span))?;
        for (what, value) in [("at_least", settings.at_least), ("limit", settings.limit)] {
            let Some(found) = value else { continue };
            positive(what, found)?;
            if metric == Metric::Loss && found > 100.0 {
                return Err(SettingsError::AbovePercent { what, found });
            }
        }
        let at_least = settings.at_least;
        let learned = match (settings.learned, metric) {
            // What is usual of interfaces is not learned: their limits are set.
            (Learned::Off, _) | (Learned::Nm | Learned::Reference, Metric::Interface(_)) => {
                Prepared::Off
            }
            (Learned::Sigma(sigma), _) => Prepared::Sigma(checked(sigma)?),
            (Learned::Nm, Metric::Rtt) => nm(Nm::LATENCY, settings),
            (Learned::Nm, Metric::Jitter) => nm(Nm::JITTER, settings),
            (Learned::Nm, Metric::Loss) => loss(Loss::DEFAULT, settings),
            (Learned::Reference, Metric::Rtt) => reference(Reference::LATENCY, at_least),
            (Learned::Reference, Metric::Jitter) => reference(Reference::JITTER, at_least),
            (Learned::Reference, Metric::Loss) => loss(Loss::REFERENCE, settings),
        };
        Ok(Self {
            metric,
            learned,
            at_least,
            limit: settings.limit,
            clear_after: settings.clear_after.unwrap_or(crate::limit::CLEAR_AFTER),
            probes: settings.probes,
            calendar: Calendar::new(settings.zone.clone()),
        })
    }
}

fn nm(own: Nm, settings: &Settings) -> Prepared {
    let absolute = settings.at_least.unwrap_or(own.absolute);
    let clear_after = settings.clear_after.unwrap_or(own.clear_after);
    Prepared::Nm(Nm { absolute, clear_after, ..own })
}

fn reference(own: Reference, at_least: Option<f64>) -> Prepared {
    Prepared::Reference(Reference { absolute: at_least.unwrap_or(own.absolute), ..own })
}

fn loss(own: Loss, settings: &Settings) -> Prepared {
    let absolute = settings.at_least.map_or(own.absolute, |percent| percent / 100.0);
    let clear_after = settings.clear_after.unwrap_or(own.clear_after);
    Prepared::Loss(Loss { absolute, clear_after, ..own })
}

fn checked(sigma: Sigma) -> Result<Sigma, SettingsError> {
    positive("the present window of sigma", sigma.present)?;
    positive("the baseline window of sigma", sigma.baseline)?;
    positive("k of sigma", sigma.k)?;
    positive("the sample span of sigma", sigma.step())?;
    let held: usize = sigma.windows().iter().sum();
    if held > MOST_HELD {
        return Err(SettingsError::WindowsTooLong { held });
    }
    if sigma.lag >= 0.0 && sigma.lag.is_finite() {
        Ok(sigma)
    } else {
        Err(SettingsError::NegativeLag(sigma.lag))
    }
}

fn positive(what: &'static str, found: f64) -> Result<(), SettingsError> {
    if found > 0.0 && found.is_finite() {
        Ok(())
    } else {
        Err(SettingsError::NotPositive { what, found })
    }
}
