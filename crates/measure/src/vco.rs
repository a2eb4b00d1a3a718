//! Asks a VeloCloud Orchestrator (VMware, Broadcom, Arista) how the WAN links of its edges are: latency,
//! jitter and loss, each way. It must not store, judge or show anything, and decides no schedule.
//!
//! Reading order: [`Address`], [`Config`], [`Client`]; [`poll()`], [`history()`], [`events()`], [`places()`].
//! Behind them: `answer` tells results from refusals, `api` holds the questions.

mod answer;
mod api;
mod client;
mod cookie;
mod events;
mod places;
mod poll;

pub use client::{Client, Config, Credential, Login};
pub use events::events;
pub use model::Secret;
pub use places::places;
pub use poll::{history, poll};

pub use crate::sdwan::{Address, BadAddress, BadConfig, Error, Failure, Poll, Scope, Window};
pub use model::wan::{Link, LinkState, Reading, WanMetric};
