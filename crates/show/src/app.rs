//! What every handler works with. It must hold no request.

use std::sync::Arc;
use std::time::Duration;

use model::UnixMs;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::Deps;
use crate::history::History;
use crate::judged::Judging;
use crate::present::Present;
use crate::who::Who;

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
    /// The mark of what happened last, and when it was looked for.
    newest: Mutex<Option<(Instant, String)>>,
}

/// The store is asked what happened last so often at most, however many feeds want to know.
const FRESH: Duration = Duration::from_millis(900);

impl App {
    pub(crate) fn new(deps: Deps) -> Self {
        Self {
            present: Present::new(Arc::clone(&deps.now)),
            judging: Judging::new(Arc::clone(&deps.alerts)),
            history: History::new(Arc::clone(&deps.samples), Arc::clone(&deps.state)),
            feeds: Arc::new(Semaphore::new(MAX_FEEDS)),
            newest: Mutex::new(None),
            deps,
        }
    }

    /// Changes when something happens to an event or a run; stays as it is while the store cannot say.
    pub(crate) async fn newest_event(&self) -> String {
        let mut newest = self.newest.lock().await;
        let old = match newest.as_ref() {
            Some((at, mark)) if at.elapsed() < FRESH => return mark.clone(),
            Some((_, mark)) => mark.clone(),
            None => String::new(),
        };
        let mark = self.history.happenings().await.unwrap_or(old);
        *newest = Some((Instant::now(), mark.clone()));
        mark
    }

    /// Whether somebody who was let in would be let in again.
    pub(crate) fn still_knows(&self, who: &Who) -> bool {
        let logins = &self.deps.access.logins;
        match who {
            Who::Anybody => !logins.has_users(),
            Who::User { session, .. } => logins.session(*session).is_some(),
            Who::Program { name, .. } => logins.has_token(name),
            Who::Local(_) => true,
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> UnixMs {
        self.deps.clock.now_ms()
    }
}
