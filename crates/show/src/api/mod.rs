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

use axum::body::HttpBody;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Query, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Refusal;
use crate::act;
use crate::app::App;
use crate::history::Unavailable;
use crate::select::BadParam;

/// Most bytes of a request's body.
const BODY_BYTES: usize = 64 * 1_024;

/// The routes below `/api/v1`.
pub(crate) fn routes() -> Router<Arc<App>> {
    let searched = Router::new()
        .route("/targets", get(targets::list))
        .route("/range", get(range::range))
        .route("/marks", get(range::marks))
        .route("/alerts", get(alerts::list))
        .route("/silences", get(silences::list))
        .route("/events", get(events::list))
        .route("/lines", get(events::lines))
        .route("/availability", get(availability::month))
        .route("/runs", get(mending::runs))
        .route("/runs/{id}", get(mending::run))
        .route("/links", get(links::list));
    let named = Router::new()
        .route("/targets/{id}", get(targets::one))
        .route("/alerts/{id}", get(alerts::one))
        .route("/alerts/{id}/ack", post(alerts::ack))
        .route("/silences", post(silences::add))
        .route("/silences/{id}", delete(silences::expire))
        .route("/devices", get(devices::list))
        .route("/devices/{name}/interfaces", get(devices::interfaces))
        .route("/events/{id}", get(events::one))
        .route("/events/{id}/{command}", post(mending::event))
        .route("/approvals", get(mending::approvals))
        .route("/incidents/{key}", get(mending::incident))
        .route("/remediations", get(mending::remediations))
        .route("/remediations/{name}/mode", post(mending::mode))
        .route("/pause", post(mending::pause))
        .route("/resume", post(mending::resume))
        .route("/me", get(me::me))
        .route("/links/{id}", get(links::one))
        .route("/system", get(system::system))
        .route_layer(from_fn(without_parameters));
    let v1 = searched
        .merge(named)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .fallback(not_found)
        .method_not_allowed_fallback(other_method);
    Router::new().nest("/api/v1", v1).route("/api/{*rest}", get(not_found))
}

/// Refuses parameters where there are none.
async fn without_parameters(
    Query(pairs): Query<Vec<(String, String)>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    only(&pairs, &[])?;
    Ok(next.run(request).await)
}

/// The path is what stands below `/api/v1`.
async fn other_method(method: Method, uri: Uri) -> Problem {
    let error = format!("/api/v1{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, "")
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

/// The JSON of a request that may also come without any body, which then says nothing.
struct Body<T>(T);

impl<S: Send + Sync, T: Default + DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().size_hint().exact() == Some(0) {
            return Ok(Self(T::default()));
        }
        let Json(said) = Json::from_request(request, state).await?;
        Ok(Self(said))
    }
}

/// Refuses parameters nobody reads: a misspelt one must not be ignored.
fn only(pairs: &[(String, String)], known: &[&'static str]) -> Result<(), Problem> {
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let name: String = name.chars().take(60).collect();
            let error = format!("unknown parameter {name:?}");
            let allowed =
                if known.is_empty() { "no parameter".to_owned() } else { known.join(", ") };
            Err(Problem::new(StatusCode::BAD_REQUEST, error, allowed))
        }
    }
}
