//! WAN links that orchestrators measure. Reading order: [`anomaly`], the rule `sigma` over one poll, for
//! `vco once`; for the daemon `links`, what is known and what is new, `points`, what sinks get of it,
//! `happenings`, what events mean, `stage`, which hands both on, `asking`, when who is asked, and `shown`, what pages see.

mod anomaly;
mod asking;
mod happenings;
mod links;
mod points;
mod shown;
mod stage;

pub(crate) use anomaly::{Odd, Windows, judge, stamp};
pub(crate) use shown::counters;
pub(crate) use stage::{Known, Rules, Stages, Wan};
