//! Finds what is unusual in a series of RTT, jitter or loss, from its samples alone. It does no I/O, reads
//! no clock, looks at no later sample, and tells nobody: it returns a [`Judgement`] for each sample.
//!
//! Reading order: [`Settings`] (what may be set), [`Detector`] (one series), [`Judge`] (all series of a
//! daemon); then one file a rule: `nm`, `loss`, `sigma`, `limit`, and `reference`, which `nm` came from.

mod bytes;
mod calendar;
mod detector;
mod judge;
mod limit;
mod loss;
mod nm;
mod reference;
mod settings;
mod sigma;
mod snapshot;
mod span;

pub use detector::Detector;
pub use judge::Judge;
pub use model::{Change, Judgement, Rule, Standing};
pub use settings::{Learned, Rules, Settings, SettingsError};
pub use sigma::{Found, Samples, Sigma, compare};
pub use snapshot::SnapshotError;
