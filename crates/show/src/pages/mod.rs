//! The pages, rendered on the server: one file each. They must read nothing but the present and the
//! past that `App` holds, and escape everything (maud does).

mod layout;
mod now;
mod parts;
mod past;
mod system;
mod target;
mod targets;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use crate::app::App;

/// The routes of all pages.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(now::page))
        .route("/targets", get(targets::page))
        .route("/targets/{id}", get(target::page))
        .route("/system", get(system::page))
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
