//! `/healthz`: whether all stages move. For load balancers, systemd and people with curl; it must never
//! touch the store, which may be what is stuck.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::Stage;
use crate::app::App;

/// The routes of this file.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", get(healthz))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    reasons: Vec<String>,
    stages: Vec<Stage>,
}

async fn healthz(State(app): State<Arc<App>>) -> Response {
    let stages = app.deps.now.stages();
    let reasons: Vec<String> = stages
        .iter()
        .filter_map(|stage| stage.stuck.as_ref().map(|why| format!("{}: {why}", stage.name)))
        .collect();
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stuck")
    };
    (code, Json(Health { status, reasons, stages })).into_response()
}
