//! What every handler works with. It must hold no request.

use std::sync::Arc;

use model::UnixMs;
use tokio::sync::Semaphore;

use crate::Deps;
use crate::history::History;
use crate::judged::Judging;
use crate::present::Present;

/// So many live feeds at once; each is a connection that stays.
pub(crate) const MAX_FEEDS: usize = 128;

/// Handlers get it as `State<Arc<App>>`.
pub(crate) struct App {
    /// The ports.
    pub(crate) deps: Deps,
    /// The present, summed up.
    pub(crate) present: Present,
    /// What is wrong, put in order.
    pub(crate) judging: Judging,
    /// The past.
    pub(crate) history: History,
    /// One permit a live feed.
    pub(crate) feeds: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(deps: Deps) -> Self {
        Self {
            present: Present::new(Arc::clone(&deps.now)),
            judging: Judging::new(Arc::clone(&deps.alerts)),
            history: History::new(Arc::clone(&deps.samples), Arc::clone(&deps.state)),
            feeds: Arc::new(Semaphore::new(MAX_FEEDS)),
            deps,
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> UnixMs {
        self.deps.clock.now_ms()
    }
}
