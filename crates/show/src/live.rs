//! The live feed: server-sent events with the rows a client has in view. At most one event a second and
//! [`MAX_BYTES`] an event. Nothing is queued: an event is made when the client has taken the one before,
//! from the latest snapshot, so a slow client skips states instead of lagging.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::{AlertId, Severity, TargetNow, TargetState, UnixMs};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use xxhash_rust::xxh3::xxh3_64;

use crate::app::{App, MAX_FEEDS};
use crate::judged::{Judged, alert_mark};
use crate::present::{Values, View, key};
use crate::who::Who;
use crate::{format, strips};

/// Most rows a client may watch.
const MAX_KEYS: usize = 400;
/// Most bytes of rows in one event; the rest goes with the next ones.
const MAX_BYTES: usize = 18_000;
/// Time between two events.
const TICK: Duration = Duration::from_secs(1);
/// An event is sent at least so often, so that the page can tell a quiet feed from a dead one.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The routes of this file.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/live", get(live))
}

#[derive(Deserialize)]
struct Params {
    /// Keys of the rows in view, comma-separated.
    #[serde(default)]
    rows: String,
    /// `full` adds the strips.
    #[serde(default)]
    parts: String,
    /// Number of the alert whose page it is.
    alert: Option<u64>,
    /// `yes` where events are listed.
    #[serde(default)]
    events: String,
}

async fn live(State(app): State<Arc<App>>, Query(params): Query<Params>) -> Response {
    let keys: Option<Vec<u64>> = match params.rows.as_str() {
        "" => Some(Vec::new()),
        rows => rows.split(',').map(|key| u64::from_str_radix(key, 16).ok()).collect(),
    };
    let Some(keys) = keys.filter(|keys| keys.len() <= MAX_KEYS) else {
        let error =
            format!("rows: at most {MAX_KEYS} keys of 16 hexadecimal digits, comma-separated");
        return (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": error }))).into_response();
    };
    let Ok(permit) = Arc::clone(&app.feeds).try_acquire_owned() else {
        let error = format!("{MAX_FEEDS} live feeds are open, which is all there are");
        let retry = [(header::RETRY_AFTER, "10")];
        let body = axum::Json(json!({ "error": error }));
        return (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response();
    };
    let mut feed = Feed::new(keys, params.parts == "full", params.alert.map(AlertId));
    feed.wants_events = params.events == "yes";
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(run(app, (feed, Who::now()), sender, permit));
    // Proxies that buffer would turn a live feed into a late one.
    ([("x-accel-buffering", "no")], Sse::new(ReceiverStream::new(receiver))).into_response()
}

/// Sends events until the client is gone, or is nobody any more who may look.
async fn run(
    app: Arc<App>,
    (mut feed, who): (Feed, Who),
    sender: mpsc::Sender<Result<Event, Infallible>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_event: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = sender.closed() => return,
        }
        // Waits until the client took the event before; only then the snapshot is read.
        let Ok(slot) = sender.reserve().await else { return };
        if !app.still_knows(&who) {
            return;
        }
        if feed.wants_events {
            feed.events = app.newest_event().await;
        }
        let must = last_event.is_none_or(|at| at.elapsed() >= HEARTBEAT);
        if let Some(text) = feed.next(&app.present.view(), &app.judging.view(), must) {
            last_event = Some(Instant::now());
            slot.send(Ok(Event::default().data(text)));
        }
    }
}

/// What one client has in view and what it has been told.
struct Feed {
    keys: Vec<u64>,
    full: bool,
    told: HashMap<u64, u64>,
    alert: Option<AlertId>,
    wants_events: bool,
    /// The mark of the newest event; empty if nobody wants it.
    events: String,
    told_mark: Option<(u64, [usize; TargetState::ALL.len()], u64, String)>,
    first: usize,
}

#[derive(Serialize)]
struct Told<'a> {
    at: i64,
    time: String,
    wrong: String,
    counts: BTreeMap<&'static str, usize>,
    /// How many alerts call for somebody, and the worst severity among them.
    calling: usize,
    worst: Option<Severity>,
    /// Changes when lists of alerts should be fetched again.
    alerts: String,
    /// Changes when the page of the alert should be; empty once it is over.
    alert: Option<String>,
    /// Changes when an event comes.
    events: String,
    rows: Vec<&'a serde_json::value::RawValue>,
}

impl Feed {
    fn new(keys: Vec<u64>, full: bool, alert: Option<AlertId>) -> Self {
        let told = HashMap::with_capacity(keys.len());
        let (wants_events, events) = (false, String::new());
        Self { keys, full, told, alert, wants_events, events, told_mark: None, first: 0 }
    }

    /// The next event, or none if nothing changed and none `must` be sent.
    fn next(&mut self, view: &View, judged: &Judged, must: bool) -> Option<String> {
        let rows = self.rows(view, judged);
        let mark = Some((view.wrong_mark, view.counts, judged.mark, self.events.clone()));
        if rows.is_empty() && self.told_mark == mark && !must {
            return None;
        }
        self.told_mark = mark;
        let rows: Vec<Box<serde_json::value::RawValue>> = rows
            .into_iter()
            .filter_map(|row| serde_json::value::RawValue::from_string(row).ok())
            .collect();
        let counts = TargetState::ALL.iter().map(|state| (state.name(), view.count(*state)));
        let told = Told {
            at: view.snapshot.at.0,
            time: format::time(view.snapshot.at),
            wrong: judged.wrong_mark(view),
            counts: counts.collect(),
            calling: judged.calling,
            worst: judged.worst,
            alerts: format!("{:016x}", judged.mark),
            alert: self.alert.map(|id| {
                let alert = judged.find(id);
                alert.map(|alert| format!("{:016x}", alert_mark(alert))).unwrap_or_default()
            }),
            events: self.events.clone(),
            rows: rows.iter().map(AsRef::as_ref).collect(),
        };
        serde_json::to_string(&told).ok()
    }

    /// Rows that differ from what the client was told, as many as fit, starting where the last event
    /// stopped.
    fn rows(&mut self, view: &View, judged: &Judged) -> Vec<String> {
        let count = self.keys.len();
        let mut rows = Vec::new();
        let mut bytes = 0;
        for step in 0..count {
            let place = (self.first + step) % count;
            let Some(target) = view.find_key(self.keys[place]) else { continue };
            let row = row(target, judged, view.snapshot.at, self.full);
            let hash = xxh3_64(row.as_bytes());
            if self.told.get(&self.keys[place]) == Some(&hash) {
                continue;
            }
            if bytes + row.len() > MAX_BYTES {
                self.first = place;
                break;
            }
            bytes += row.len() + 1;
            self.told.insert(self.keys[place], hash);
            rows.push(row);
        }
        rows
    }
}

/// One row: key, state, its words, RTT, median, jitter, loss, grade of the loss, since when in the
/// state, what the detector says, and the two strips if asked for. Texts, as the page shows them.
fn row(now: &TargetNow, judged: &Judged, at: UnixMs, full: bool) -> String {
    let values = Values::of(now);
    let mut row = json!([
        format!("{:016x}", key(now)),
        now.state.name(),
        now.state_words(),
        format::ms(values.rtt_us),
        format::ms(values.median_us),
        format::ms(values.jitter_us),
        format::percent(values.loss_pct),
        format::loss_grade(values.loss_pct),
        now.since.0,
        judged.standing(now.series.rtt, at),
    ]);
    if let (true, Some(row)) = (full, row.as_array_mut()) {
        row.push(strips::levels(&now.recent).into());
        row.push(strips::cells(&now.recent).into());
    }
    row.to_string()
}
