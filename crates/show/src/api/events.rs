//! `/api/v1/events` and `/api/v1/lines`: what devices said.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::event::{EventId, EventState, Origin};
use serde::Serialize;
use store::{LineQuery, StoredLine};

use super::{Problem, only};
use crate::app::App;
use crate::format::rfc3339;
use crate::hark::{self, Hark};
use crate::time;

#[derive(Serialize)]
pub(super) struct List {
    events: Vec<Event>,
    next: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Event {
    id: u64,
    device: String,
    code: String,
    code_norm: String,
    object: Option<String>,
    severity: Option<u8>,
    first: Option<String>,
    last: Option<String>,
    count: u64,
    state: EventState,
    reason: Option<String>,
    cleared: Option<String>,
    parent: Option<u64>,
    origin: Origin,
    message: String,
}

impl Event {
    fn of(event: model::event::Event) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            id: event.id.0,
            device: event.device,
            code: event.code,
            code_norm: event.code_norm,
            object: some(event.object),
            severity: event.severity,
            first: rfc3339(event.first),
            last: rfc3339(event.last),
            count: event.count,
            state: event.state,
            reason: some(event.reason),
            cleared: event.cleared.and_then(rfc3339),
            parent: event.parent.map(|id| id.0),
            origin: event.origin,
            message: event.message,
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<List>, Problem> {
    only(&pairs, &["text", "device", "code", "severity", "state", "span", "limit", "before"])?;
    let found = app.history.events(&Hark::parse(&pairs, app.now())?).await?;
    let events = found.events.into_iter().map(Event::of).collect();
    Ok(Json(List { events, next: found.next.map(|id| id.0) }))
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Event>, Problem> {
    let unheard = || {
        let allowed = "an `id` of /api/v1/events: a number such as 17";
        Problem::new(StatusCode::NOT_FOUND, "no event has this number", allowed)
    };
    let id = id.parse::<EventId>().map_err(|_| unheard())?;
    let event = app.history.event(id).await?.ok_or_else(unheard)?;
    Ok(Json(Event::of(event)))
}

#[derive(Serialize)]
pub(super) struct Lines {
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    at: Option<String>,
    device: String,
    code: Option<String>,
    severity: Option<u8>,
    raw: String,
}

impl Line {
    fn of(line: StoredLine) -> Self {
        Self {
            at: rfc3339(line.at),
            device: line.device,
            code: (!line.code.is_empty()).then_some(line.code),
            severity: line.severity,
            raw: String::from_utf8_lossy(&line.raw).into_owned(),
        }
    }
}

pub(super) async fn lines(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Lines>, Problem> {
    only(&pairs, &["device", "code", "text", "severity", "from", "until", "span"])?;
    let given = |name: &str| {
        let pair = pairs.iter().find(|(known, value)| known == name && !value.trim().is_empty());
        pair.map(|(_, value)| value.trim().to_owned())
    };
    let span = time::span(&pairs, app.now())?;
    let query = LineQuery {
        device: given("device"),
        code: given("code"),
        text: given("text"),
        severity: given("severity").map(|value| hark::severity(&value)).transpose()?,
        from: span.from,
        until: span.until,
        ..LineQuery::default()
    };
    let lines = app.history.lines(query).await?.into_iter().map(Line::of).collect();
    Ok(Json(Lines { lines }))
}
