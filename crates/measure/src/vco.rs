//! Asks a VeloCloud Orchestrator (VMware, Broadcom, Arista) how the WAN links of its edges are: latency,
//! jitter and loss, each way. It must not store, judge or show anything, and decides no schedule.
//!
//! Reading order: [`Address`], [`Config`], [`Client`]; [`Link`], [`WanMetric`] and [`Reading`]; [`poll()`].
//! Behind them: `gate` keeps the pace, `answer` tells results from refusals, `lenient` reads what others
//! write loosely, `api` holds the questions.

mod address;
mod answer;
mod api;
mod client;
mod cookie;
mod error;
mod gate;
mod lenient;
mod poll;
mod wan;

pub use address::{Address, BadAddress};
pub use api::Window;
pub use client::{Client, Config, Credential, Login};
pub use error::{BadConfig, Error};
pub use model::Secret;
pub use poll::{Failure, Poll, Scope, poll};
pub use wan::{Link, LinkState, Reading, WanMetric};
