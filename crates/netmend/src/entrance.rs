//! Who may come in to the pages: what the control socket answers about users and tokens, and the warning that
//! an open address deserves. It decides nothing: `show::login` does.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use model::UnixMs;
use serde::{Deserialize, Serialize};
use show::login::{Done, Logins, Order, Role};

use crate::control::Caller;
use crate::ports::Present;

/// GET the [`Roll`], POST an [`Order`]; answered with [`Done`].
pub(crate) const LOGINS: &str = "/control/v1/logins";
/// What the warning about the address is kept under.
const LISTEN: &str = "listen";

/// Everybody who may come in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Roll {
    /// Users, by name.
    pub(crate) users: Vec<Entry>,
    /// Tokens of programs, by name.
    pub(crate) tokens: Vec<Entry>,
}

/// A user or a token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// Since when it is there.
    pub(crate) created: UnixMs,
    /// Who made it.
    pub(crate) by: String,
    /// When a user logged in last.
    pub(crate) seen: Option<UnixMs>,
}

impl Roll {
    /// What `logins` knows.
    pub(crate) fn of(logins: &Logins) -> Self {
        let users = logins.users().into_iter().map(|user| Entry {
            name: user.name,
            role: user.role,
            created: user.created,
            by: user.by,
            seen: user.seen,
        });
        let tokens = logins.tokens().into_iter().map(|token| Entry {
            name: token.name,
            role: token.role,
            created: token.created,
            by: token.by,
            seen: None,
        });
        Self { users: users.collect(), tokens: tokens.collect() }
    }
}

/// The way in to the pages of the running daemon.
#[derive(Clone)]
pub(crate) struct Entrance {
    /// Who may come in.
    pub(crate) logins: Arc<Logins>,
    /// Where warnings go.
    pub(crate) present: Arc<Present>,
    /// Where the pages are.
    pub(crate) bound: SocketAddr,
    /// Whether they are under TLS.
    pub(crate) tls: bool,
}

impl Entrance {
    /// Warns of an address that strangers reach, if it is to be warned of.
    pub(crate) fn warn(&self) {
        let notices = &self.present.notices;
        let bound = self.bound;
        let (text, fix) = match (bound.ip().is_loopback(), self.logins.has_users(), self.tls) {
            (true, _, _) | (false, true, true) => return notices.clear(LISTEN),
            (false, false, _) => (
                format!("there is no user yet, so what comes to {bound} from elsewhere is refused"),
                "`netmend user add NAME --role admin`, or listen on 127.0.0.1",
            ),
            (false, true, false) => (
                format!("logins at {bound} are not encrypted: whoever hears them can repeat them"),
                "`access: { tls: { cert: FILE, key: FILE } }` in the configuration, or listen on 127.0.0.1 \
                 behind a proxy that has TLS",
            ),
        };
        tracing::warn!("{text}");
        notices.raise(LISTEN, text, fix.to_owned(), self.present.clock.now_ms());
    }

    /// Its part of the control socket.
    pub(crate) fn router(self) -> Router {
        Router::new().route(LOGINS, get(list).post(order)).with_state(self)
    }
}

async fn list(State(entrance): State<Entrance>) -> Json<Roll> {
    Json(Roll::of(&entrance.logins))
}

async fn order(
    State(entrance): State<Entrance>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Json(order): Json<Order>,
) -> Result<Json<Done>, (StatusCode, String)> {
    let done = tokio::task::spawn_blocking(move || {
        let done = entrance.logins.order(&caller.to_string(), order);
        entrance.warn();
        done
    });
    let done = done.await.map_err(|why| (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")))?;
    done.map(Json).map_err(|why| (StatusCode::UNPROCESSABLE_ENTITY, format!("{why}\n")))
}
