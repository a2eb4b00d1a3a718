//! The JSON API, described in `API.md`. Errors are JSON with what is allowed; numbers that are not known
//! are null. It must not share types with the pages.

mod alerts;
mod availability;
mod devices;
mod events;
mod links;
mod me;
mod mending;
mod range;
mod silences;
mod system;
mod targets;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Serialize;

use crate::Refusal;
use crate::act;
use crate::app::App;
use crate::history::Unavailable;
use crate::select::BadParam;

/// Most bytes of a request's body.
const BODY_BYTES: usize = 64 * 1_024;

/// The routes below `/api/v1`.
pub(crate) fn routes() -> Router<Arc<App>> {
    let v1 = Router::new()
        .route("/targets", get(targets::list))
        .route("/targets/{id}", get(targets::one))
        .route("/range", get(range::range))
        .route("/marks", get(range::marks))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{id}", get(alerts::one))
        .route("/alerts/{id}/ack", post(alerts::ack))
        .route("/silences", get(silences::list).post(silences::add))
        .route("/silences/{id}", delete(silences::expire))
        .route("/devices", get(devices::list))
        .route("/devices/{name}/interfaces", get(devices::interfaces))
        .route("/events", get(events::list))
        .route("/events/{id}", get(events::one))
        .route("/lines", get(events::lines))
        .route("/availability", get(availability::month))
        .route("/events/{id}/{command}", post(mending::event))
        .route("/runs", get(mending::runs))
        .route("/runs/{id}", get(mending::run))
        .route("/approvals", get(mending::approvals))
        .route("/incidents/{key}", get(mending::incident))
        .route("/remediations", get(mending::remediations))
        .route("/remediations/{name}/mode", post(mending::mode))
        .route("/pause", post(mending::pause))
        .route("/resume", post(mending::resume))
        .route("/me", get(me::me))
        .route("/links", get(links::list))
        .route("/links/{id}", get(links::one))
        .route("/system", get(system::system))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .fallback(not_found);
    Router::new().nest("/api/v1", v1).route("/api/{*rest}", get(not_found))
}

async fn not_found(uri: Uri) -> Problem {
    let allowed = "/api/v1/targets, /api/v1/targets/ID, /api/v1/range, /api/v1/marks, \
                   /api/v1/alerts, /api/v1/alerts/ID, /api/v1/silences, /api/v1/devices, \
                   /api/v1/devices/NAME/interfaces, /api/v1/events, /api/v1/events/ID, \
                   /api/v1/incidents/KEY, /api/v1/runs, /api/v1/runs/ID, /api/v1/approvals, \
                   /api/v1/remediations, /api/v1/lines, /api/v1/availability, /api/v1/links, \
                   /api/v1/links/ID, /api/v1/me, \
                   /api/v1/system";
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {}", uri.path()), allowed)
}

/// An error of the API.
#[derive(Debug, Serialize)]
struct Problem {
    #[serde(skip)]
    code: StatusCode,
    error: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    allowed: String,
}

impl Problem {
    fn new(code: StatusCode, error: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { code, error: error.into(), allowed: allowed.into() }
    }
}

impl From<BadParam> for Problem {
    fn from(bad: BadParam) -> Self {
        let error = format!("{}={:?} is not valid", bad.name, bad.value);
        Self::new(StatusCode::BAD_REQUEST, error, bad.allowed)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), "")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(act::status(&refusal), refusal.to_string(), "")
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let allowed = "a JSON object, with content-type: application/json";
        Self::new(rejection.status(), rejection.body_text(), allowed)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.code, Json(self)).into_response()
    }
}

/// Refuses parameters nobody reads: a misspelt one must not be ignored.
fn only(pairs: &[(String, String)], known: &[&'static str]) -> Result<(), Problem> {
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let name: String = name.chars().take(60).collect();
            let error = format!("unknown parameter {name:?}");
            Err(Problem::new(StatusCode::BAD_REQUEST, error, known.join(", ")))
        }
    }
}
