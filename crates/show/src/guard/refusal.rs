//! Why a request is refused, as a browser, a script of our pages and a program each understand it.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::TOKEN_HEADER;
use crate::select::encode;
use crate::who::Right;

/// Tells our own script to load the page again.
const RELOAD: HeaderName = HeaderName::from_static("x-netmend-reload");

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the request has no usable Host field")]
    NoHost,
    #[error("this server is not called {0:?}; it answers to {1}")]
    ForeignHost(String, String),
    #[error("a request that changes something must come from a page of this server (Origin)")]
    ForeignOrigin,
    #[error("a request that changes something must carry the page's token ({TOKEN_HEADER})")]
    NoToken,
    #[error(
        "netmend has no users yet, so it answers this machine alone: on it, `netmend user add NAME \
         --role admin` makes one"
    )]
    NoUsers,
    #[error(
        "this needs a login, or a token of `netmend user token add` as Authorization: Bearer TOKEN"
    )]
    NotLoggedIn(Asked),
    #[error("this token is none of ours (Authorization: Bearer)")]
    BadToken,
    #[error("{}", no_right(*.0, *.1))]
    NoRight(Right, bool),
}

fn no_right(right: Right, unnamed: bool) -> String {
    let (what, role) = (right.words(), right.role());
    if unnamed {
        return format!(
            "to {what}, netmend must know who you are: `netmend user add NAME --role {role}` makes a login; \
             without one, `netmend` on its machine does it"
        );
    }
    format!("to {what} needs the role {role}")
}

/// Who is sent to the login, and how they come back.
#[derive(Debug)]
pub(super) enum Asked {
    /// A browser that wants a page: where it comes back to.
    Page(String),
    /// A script of a page of ours: the page it stands on.
    Script(String),
    /// Anything else.
    Program,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let headers = request.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if text("hx-request").is_some() {
            let page = text("hx-current-url").and_then(|url| {
                let uri: axum::http::Uri = url.parse().ok()?;
                Some(uri.path_and_query()?.to_string())
            });
            return Asked::Script(page.unwrap_or_else(|| "/".to_owned()));
        }
        let path = request.uri().path();
        let is_page = *request.method() == Method::GET
            && !path.starts_with("/api/")
            && !["/metrics", "/live"].contains(&path)
            && text("accept").is_none_or(|types| types.contains("text/html"));
        match request.uri().path_and_query() {
            Some(page) if is_page => Asked::Page(page.to_string()),
            _ => Asked::Program,
        }
    }
}

/// The address of the login that leads back to `page`.
fn login(page: &str) -> HeaderValue {
    let mut address = "/login".to_owned();
    if page != "/" {
        address.push_str("?to=");
        encode(page, &mut address);
    }
    HeaderValue::try_from(address).expect("what is percent-encoded is valid in a header")
}

/// What a program reads, as all errors of the API.
#[derive(Serialize)]
struct Problem {
    error: String,
}

impl Refusal {
    /// The answer to a request for `path`.
    pub(super) fn answer(self, path: &str) -> Response {
        let words = match path.strip_prefix("/api/") {
            Some(_) => Json(Problem { error: self.to_string() }).into_response(),
            None => format!("{self}\n").into_response(),
        };
        let code = match self {
            Refusal::NotLoggedIn(Asked::Page(page)) => {
                return (StatusCode::SEE_OTHER, [(header::LOCATION, login(&page))]).into_response();
            }
            Refusal::NotLoggedIn(Asked::Script(page)) => {
                let to = [(HeaderName::from_static("hx-redirect"), login(&page))];
                return (StatusCode::UNAUTHORIZED, to, words).into_response();
            }
            Refusal::NotLoggedIn(Asked::Program) | Refusal::BadToken => {
                let how = [(header::WWW_AUTHENTICATE, "Bearer realm=\"netmend\"")];
                return (StatusCode::UNAUTHORIZED, how, words).into_response();
            }
            Refusal::NoToken => {
                return (StatusCode::FORBIDDEN, [(RELOAD, "yes")], words).into_response();
            }
            Refusal::NoHost => StatusCode::BAD_REQUEST,
            Refusal::ForeignHost(..) => StatusCode::MISDIRECTED_REQUEST,
            Refusal::ForeignOrigin | Refusal::NoUsers | Refusal::NoRight(..) => {
                StatusCode::FORBIDDEN
            }
        };
        (code, words).into_response()
    }
}
