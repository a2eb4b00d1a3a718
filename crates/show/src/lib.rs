//! Pages, JSON API, live feed and metrics. Reads the store and the ports [`Now`] and [`Alerts`]; changes
//! nothing itself, but hands what people ask for to the port [`Commands`].
//!
//! Reading order: [`port`], what the daemon gives; [`login`] and `who`, who somebody is; `guard`, who may ask;
//! `present` and `history`, `judged` and `archive`, what there is to show of targets and of alerts; `mended` and
//! `incident`, what was done about events; `select`, `sift`, `hark` and `account`, which of them, what devices
//! said, and months; `act`, what
//! people ask for; then `pages`, `api`, `live`, `metrics` and `health`, one kind
//! of answer each; `serve` and `patient`, the sockets. Beside it: [`grafana`], files for somebody else's pages.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use model::Clock;
use store::{Samples, State};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

mod account;
mod act;
mod api;
mod app;
mod archive;
mod assets;
mod format;
pub mod grafana;
mod guard;
mod hark;
mod health;
mod history;
mod incident;
mod judged;
mod kin;
mod live;
pub mod login;
mod mended;
mod metrics;
mod pages;
mod patient;
pub mod port;
mod present;
mod random;
mod select;
mod serve;
mod sift;
mod strips;
mod time;
mod uptime;
mod wan;
mod who;

pub use guard::{Local, Token};
pub use port::judged::{
    Alerts, AlertsNow, Command, Commands, Explanation, Maintenance, NewSilence, Receipt, Refusal,
    SilenceNow, Trace, Unjudged,
};
pub use port::links::{LinkNow, Links, LinksNow, NoLinks, OrchestratorNow};
pub use port::mending::{MendNow, MendOrder, Mending, Paused, RemediationNow};
pub use port::{
    Counter, CounterKind, Devices, Interfaces, Now, Snapshot, Stage, StoreNow, System, Warning,
};
pub use serve::serve;
pub use uptime::{Minutes, Month, Uptime, Uptimes};

/// What the router works with.
#[derive(Clone)]
pub struct Deps {
    /// The present.
    pub now: Arc<dyn Now>,
    /// What is wrong.
    pub alerts: Arc<dyn Alerts>,
    /// Who does what people ask for.
    pub commands: Arc<dyn Commands>,
    /// Who repairs.
    pub mending: Arc<dyn Mending>,
    /// The past, as series.
    pub samples: Arc<dyn Samples>,
    /// The past, as records.
    pub state: Arc<dyn State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who speaks.
    pub devices: Arc<dyn Devices>,
    /// Their interfaces.
    pub interfaces: Arc<dyn Interfaces>,
    /// The WAN links.
    pub links: Arc<dyn Links>,
    /// Where the pages are served: `Host` is checked against it.
    pub listen: SocketAddr,
    /// Further names that `Host` may carry, for instance that of a reverse proxy; no port.
    pub hosts: Vec<String>,
    /// What every request that changes something must carry.
    pub token: Token,
    /// Who may look.
    pub access: Access,
}

/// Who may look.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who may log in. Without any user, this machine alone is answered.
    pub logins: Arc<login::Logins>,
    /// Whether `/metrics` needs no login.
    pub open_metrics: bool,
}

impl Access {
    /// What the store knows of users, on the usual terms.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn usual(state: Arc<dyn State>, clock: Arc<dyn Clock>) -> Result<Self, login::Refused> {
        let logins = login::Logins::open(state, clock, login::Terms::default())?;
        Ok(Self { logins: Arc::new(logins), open_metrics: false })
    }
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Everything netmend shows, ready to [`serve`] or to call in tests.
pub fn router(deps: Deps) -> Router {
    let access = (Arc::clone(&deps.access.logins), deps.access.open_metrics);
    let guard = guard::Guard::new(deps.listen, &deps.hosts, deps.token.clone(), access);
    let app = Arc::new(app::App::new(deps));
    // Fast rather than small: most readers are near. Event streams are left alone by the layer.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    let answers = Router::new()
        .merge(pages::routes())
        .merge(api::routes())
        .merge(metrics::routes())
        .merge(health::routes())
        .merge(assets::routes())
        .layer(compression)
        .merge(live::routes())
        .with_state(app);
    guard::protect(answers, guard)
}
