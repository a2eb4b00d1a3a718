//! The port through which names become addresses. [`crate::resolve`] asks the system's resolver; tests
//! answer themselves. Nothing here does a lookup or keeps a schedule.

use std::fmt;
use std::net::SocketAddr;

use model::Family;

/// Turns a host into addresses. May block for as long as a lookup takes: never call it on a probing thread.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses of `host` in this family, preferred first and at least one, with port 0. IPv6
    /// link-local ones keep their zone as scope id. An address literal answers itself.
    fn resolve(&self, host: &str, family: Family) -> Result<Vec<SocketAddr>, ResolveError>;
}

/// Why a host has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The resolver says that there is no such name, or none in this family.
    #[error("{host}: name not found (IPv{})", family.as_str())]
    NotFound {
        /// What was looked up.
        host: String,
        /// In which family.
        family: Family,
    },
    /// No answer now; it may come later.
    #[error("{host}: cannot be resolved now: {why}")]
    Temporary {
        /// What was looked up.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// The text is neither a host name nor an address, or its zone is no device of this machine.
    #[error("{host}: {why}")]
    Invalid {
        /// What was given.
        host: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ResolveError {
    /// Whether the name is certainly not there, as against a resolver in trouble.
    pub fn is_not_found(&self) -> bool {
        !matches!(self, ResolveError::Temporary { .. })
    }
}
