//! What the pages need of those who watch WAN links: the port [`Links`]. It must hold no rule.

use std::sync::Arc;

use model::UnixMs;
use model::alert::LinkSubject;
use model::wan::{LinkState, Reading};

/// The WAN links as they are now.
pub trait Links: Send + Sync {
    /// All links, at most a second old. Cheap, and never blocks.
    fn links(&self) -> Arc<LinksNow>;
}

/// All WAN links at one moment. A link that did not change since the last snapshot is shared with it.
#[derive(Clone, Debug, Default)]
pub struct LinksNow {
    /// Ascends with each snapshot that differs from the one before.
    pub version: u64,
    /// Who measures them, in the order of the configuration.
    pub orchestrators: Vec<OrchestratorNow>,
    /// The links, by orchestrator, customer, edge and name.
    pub links: Vec<Arc<LinkNow>>,
}

/// An orchestrator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrchestratorNow {
    /// Its name in the configuration.
    pub name: String,
    /// Scheme, host and port.
    pub at: String,
    /// What it is, for people.
    pub product: &'static str,
    /// When it answered last.
    pub answered: Option<UnixMs>,
    /// Up to when its data go.
    pub until: Option<UnixMs>,
    /// Why it does not answer, and since when.
    pub failing: Option<(String, UnixMs)>,
    /// Edges that it did not answer for in the last poll.
    pub edges_failing: usize,
    /// Edges whose past is still to be fetched.
    pub past_left: usize,
}

/// A WAN link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkNow {
    /// Which.
    pub subject: Arc<LinkSubject>,
    /// How it is.
    pub state: LinkState,
    /// Whether the newest reading is recent enough to say how it is.
    pub fresh: bool,
    /// The readings of about the last hour, oldest first.
    pub recent: Vec<Reading>,
}

impl LinkNow {
    /// The newest reading, if it says how the link is now.
    pub fn reading(&self) -> Option<&Reading> {
        self.recent.last().filter(|_| self.fresh)
    }
}

/// A daemon that watches no links.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLinks;

impl Links for NoLinks {
    fn links(&self) -> Arc<LinksNow> {
        Arc::default()
    }
}
