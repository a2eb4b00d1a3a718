//! The pages, rendered on the server: one file each. They must read nothing but the present and the
//! past that `App` holds, and escape everything (maud does).

mod alert;
mod alerts;
mod availability;
mod chart;
mod devices;
mod events;
mod heard;
mod incident;
mod interfaces;
mod layout;
mod link;
mod links;
mod login;
mod mending;
mod mirror;
mod now;
mod parts;
mod past;
mod remediations;
mod run;
mod signs;
mod silences;
mod system;
mod target;
mod targets;
mod when;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use crate::app::App;

/// Most bytes of a form.
const FORM_BYTES: usize = 64 * 1_024;

/// The routes of all pages.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(now::page))
        .route("/targets", get(targets::page))
        .route("/targets/{id}", get(target::page))
        .route("/alerts", get(alerts::page))
        .route("/alerts/{id}", get(alert::page))
        .route("/alerts/{id}/ack", post(alert::ack))
        .route("/silences", get(silences::page).post(silences::add))
        .route("/silences/{id}/expire", post(silences::expire))
        .route("/availability", get(availability::page))
        .route("/events", get(events::page))
        .route("/events/{id}", get(events::one))
        .route("/events/{id}/{command}", post(mending::event))
        .route("/incidents/{key}", get(incident::page))
        .route("/runs", get(run::list))
        .route("/runs/{id}", get(run::page))
        .route("/remediations", get(remediations::list))
        .route("/remediations/{name}", get(remediations::one))
        .route("/remediations/{name}/mode", post(mending::mode))
        .route("/pause", post(mending::pause))
        .route("/resume", post(mending::resume))
        .route("/devices", get(devices::page))
        .route("/devices/{name}", get(heard::page))
        .route("/devices/{name}/interfaces/{interface}", get(interfaces::page))
        .route("/links", get(links::page))
        .route("/links/{id}", get(link::page))
        .route("/system", get(system::page))
        .route("/login", get(login::page).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/account", get(login::account))
        .route("/account/password", post(login::change))
        .route("/account/sessions", post(login::end_others))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .fallback(not_found)
}

async fn not_found(State(app): State<Arc<App>>) -> Response {
    sorry(&app, StatusCode::NOT_FOUND, "There is no such page.")
}

/// A page that says what went wrong.
fn sorry(app: &App, code: StatusCode, text: &str) -> Response {
    let body: Markup = html! {
        section.sorry {
            h1 { (code.canonical_reason().unwrap_or("Sorry")) }
            p { (text) }
            p { a href="/" { "What is happening now" } }
        }
    };
    (code, layout::page(app, &app.present.view(), "Sorry", "", &body)).into_response()
}
