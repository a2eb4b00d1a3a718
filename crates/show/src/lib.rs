//! Pages, JSON API, live feed and metrics. Reads the store and the port [`Now`]; changes nothing itself.
//!
//! Reading order: [`port`], what the daemon gives; `guard`, who may ask; `select`, which targets; then
//! `pages`, `api`, `live`, `metrics` and `health`, one answer each; `serve`, the sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use model::Clock;
use store::{Samples, State};

mod guard;
mod health;
pub mod port;
mod serve;

pub use guard::Token;
pub use port::{Counter, CounterKind, Now, Snapshot, Stage, StoreNow, System, Warning};
pub use serve::serve;

/// What the router works with.
#[derive(Clone)]
pub struct Deps {
    /// The present.
    pub now: Arc<dyn Now>,
    /// The past, as series.
    pub samples: Arc<dyn Samples>,
    /// The past, as records.
    pub state: Arc<dyn State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the pages are served: `Host` is checked against it.
    pub listen: SocketAddr,
    /// Further names that `Host` may carry, for instance that of a reverse proxy; no port.
    pub hosts: Vec<String>,
    /// What every request that changes something must carry.
    pub token: Token,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Everything netmend shows, ready to [`serve`] or to call in tests.
pub fn router(deps: Deps) -> Router {
    let guard = guard::Guard::new(deps.listen, &deps.hosts, deps.token.clone());
    let deps = Arc::new(deps);
    let pages = Router::new().merge(health::routes()).with_state(deps);
    guard::protect(pages, guard)
}
