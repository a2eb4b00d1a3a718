//! Why we think so: what is known of a host or an alert, in sentences with numbers. Reads the store alone,
//! and what the daemon sees at this moment where it runs; asks no network and changes nothing.
//!
//! Reading order: [`past`] numbers out of the store, [`verdict`] application or network, [`cause`] the same
//! for all open alerts, [`host`], [`table`] paths in columns, [`ticket`] for the carrier, [`alert`].

pub(crate) mod alert;
pub(crate) mod cause;
pub(crate) mod host;
pub(crate) mod past;
pub(crate) mod table;
pub(crate) mod ticket;
pub(crate) mod verdict;

#[cfg(test)]
mod tests;
