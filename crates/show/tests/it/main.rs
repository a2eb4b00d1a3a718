//! The integration tests of `show`: the router asked as a client would, and a real browser on a real
//! port. Only the edges are simulated.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "these are tests, though clippy sees that of the marked functions alone"
)]

mod alarms;
mod alerts;
mod api;
mod availability;
mod browser;
mod databases;
mod events;
mod grafana;
mod http;
mod in_browser;
mod in_browser_alerts;
mod in_browser_repairs;
mod in_browser_watched;
mod interfaces;
mod judged_api;
mod links;
mod live;
mod login;
mod mending;
mod metrics;
mod pages;
mod real_store;
mod repairs;
mod silences;
mod sim;
mod world;
