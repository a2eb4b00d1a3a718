//! What the control socket answers about alerts: lists for `netmend alerts` and `silence`, commands of
//! `ack`, `silence` and `notify`. It decides nothing: `telling` does.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::UnixMs;
use model::alert::{Alert, AlertId, Matcher, Notice, NoticeId, Silence, SilenceId, Weekly};
use model::event::Mode;
use serde::{Deserialize, Serialize};
use show::{Command, Commands, MendOrder, Mending, NewSilence, Paused, Receipt, Refusal};
use store::{AlertQuery, Query as Ask, Record, Value};

use crate::control::Caller;
use crate::telling::Telling;

/// GET alerts, the newest first: [`ListQuery`] in, [`List`] out.
pub(crate) const ALERTS: &str = "/control/v1/alerts";
/// GET what changed: [`ChangesQuery`] in, [`List`] out.
pub(crate) const CHANGES: &str = "/control/v1/alerts/changes";
/// POST an [`AckOrder`]; answered with the alert's number.
pub(crate) const ACK: &str = "/control/v1/ack";
/// GET the silences that have not ended, POST a [`SilenceOrder`].
pub(crate) const SILENCES: &str = "/control/v1/silences";
/// POST a silence's number to end it.
pub(crate) const EXPIRE: &str = "/control/v1/silences/expire";
/// POST a [`TestOrder`]; answered with the notices' numbers.
pub(crate) const TEST: &str = "/control/v1/notify/test";
/// GET the latest notices.
pub(crate) const NOTICES: &str = "/control/v1/notices";

/// GET how mending is; answered with a [`MendStatus`]. POST a [`MendOrder`]; answered with a sentence.
pub(crate) const MEND: &str = "/control/v1/mend";

/// Most notices that are looked through.
const NOTICES_MOST: u32 = 1_000;

/// What the desk works with.
#[derive(Clone)]
pub(crate) struct Desk {
    /// Who carries commands out.
    pub(crate) telling: Arc<Telling>,
    /// Who repairs.
    pub(crate) mending: Arc<dyn Mending>,
    /// Where records are.
    pub(crate) state: Arc<dyn store::State>,
}

/// Which alerts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ListQuery {
    /// The one with this number.
    pub(crate) id: Option<AlertId>,
    /// Those that are open, or those that are over.
    pub(crate) open: Option<bool>,
    /// At most this many.
    pub(crate) limit: u32,
}

/// From which revision on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChangesQuery {
    /// Changes after it.
    pub(crate) since: u64,
}

/// Alerts, and up to which change they are known.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct List {
    /// Of the latest change.
    pub(crate) revision: u64,
    /// The alerts.
    pub(crate) alerts: Vec<Alert>,
}

/// Somebody knows of an alert.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AckOrder {
    /// Which.
    pub(crate) alert: AlertId,
    /// What they say.
    pub(crate) note: Option<String>,
    /// Number of a ticket elsewhere.
    pub(crate) ticket: Option<String>,
}

/// Keep alerts quiet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SilenceOrder {
    /// All must fit.
    pub(crate) matchers: Vec<Matcher>,
    /// When it begins; now if not given.
    pub(crate) from: Option<UnixMs>,
    /// How long it holds, in milliseconds from its beginning.
    pub(crate) for_ms: Option<u64>,
    /// Hours of the week.
    pub(crate) weekly: Option<Weekly>,
    /// Why.
    pub(crate) note: String,
}

/// A silence, and whether it holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// The silence.
    pub(crate) silence: Silence,
    /// Whether it holds now.
    pub(crate) holds: bool,
}

/// Write a test message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TestOrder {
    /// To whom; to all if not given.
    pub(crate) receiver: Option<String>,
}

type Answer<T> = Result<Json<T>, (StatusCode, String)>;

/// The desk's part of the control socket.
pub(crate) fn router(desk: Desk) -> Router {
    Router::new()
        .route(ALERTS, get(list))
        .route(CHANGES, get(changes))
        .route(ACK, post(ack))
        .route(SILENCES, get(silences).post(silence))
        .route(EXPIRE, post(expire))
        .route(TEST, post(test))
        .route(NOTICES, get(notices))
        .route(MEND, get(mend_status).post(mend))
        .with_state(desk)
}

async fn list(State(desk): State<Desk>, Query(query): Query<ListQuery>) -> Answer<List> {
    let ListQuery { id, open, limit } = query;
    let ask = Ask::Alerts(AlertQuery { id, open, limit, ..AlertQuery::default() });
    let records = blocking(move || desk.state.find(&ask)).await?;
    Ok(Json(alerts(records, 0)))
}

async fn changes(State(desk): State<Desk>, Query(query): Query<ChangesQuery>) -> Answer<List> {
    let records = blocking(move || desk.state.changes(query.since)).await?;
    Ok(Json(alerts(records, query.since)))
}

fn alerts(records: Vec<Record>, since: u64) -> List {
    let revision = records.iter().map(|record| record.revision).max().unwrap_or(since);
    let alert = |record: Record| match record.value {
        Value::Alert(alert) => Some(*alert),
        _ => None,
    };
    List { revision, alerts: records.into_iter().filter_map(alert).collect() }
}

async fn ack(
    State(desk): State<Desk>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Json(order): Json<AckOrder>,
) -> Answer<AlertId> {
    let AckOrder { alert, note, ticket } = order;
    submit(desk, caller, Command::Ack { alert, note, ticket }).await?;
    Ok(Json(alert))
}

async fn silences(State(desk): State<Desk>) -> Answer<Vec<Listed>> {
    let present = show::Alerts::present(&*desk.telling);
    let listed = present
        .silences
        .iter()
        .map(|now| Listed { silence: now.silence.clone(), holds: now.holds });
    Ok(Json(listed.collect()))
}

async fn silence(
    State(desk): State<Desk>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Json(order): Json<SilenceOrder>,
) -> Answer<SilenceId> {
    let from = order.from.unwrap_or_else(|| desk.telling.now());
    let span = order.for_ms.map(std::time::Duration::from_millis);
    let new = NewSilence {
        matchers: order.matchers,
        from: order.from,
        until: span.map(|span| from + span),
        weekly: order.weekly,
        note: order.note,
    };
    match submit(desk, caller, Command::Silence(new)).await? {
        Receipt::Silenced(id) => Ok(Json(id)),
        other => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{other:?}\n"))),
    }
}

async fn expire(
    State(desk): State<Desk>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Json(id): Json<SilenceId>,
) -> Answer<SilenceId> {
    submit(desk, caller, Command::Expire(id)).await?;
    Ok(Json(id))
}

async fn test(
    State(desk): State<Desk>,
    Json(order): Json<TestOrder>,
) -> Answer<Vec<(String, NoticeId)>> {
    let written = tokio::task::spawn_blocking(move || desk.telling.test(order.receiver.as_deref()));
    written.await.map_err(|why| broken(&why))?.map(Json).map_err(|why| refused(&why))
}

async fn notices(State(desk): State<Desk>) -> Answer<Vec<Notice>> {
    let ask = Ask::Notices { state: None, limit: NOTICES_MOST };
    let records = blocking(move || desk.state.find(&ask)).await?;
    let notice = |record: Record| match record.value {
        Value::Notice(notice) => Some(*notice),
        _ => None,
    };
    Ok(Json(records.into_iter().filter_map(notice).collect()))
}

/// How mending is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MendStatus {
    /// Who stopped all repairs.
    pub(crate) paused: Option<Paused>,
    /// Why nothing runs by itself for the moment.
    pub(crate) storm: Option<String>,
    /// Logins that are not tried any more.
    pub(crate) blocked: Vec<String>,
    /// Workers that are at work, and how many there are.
    pub(crate) workers: (u32, u32),
    /// Remediations by name, how far each may go, and who says so.
    pub(crate) modes: Vec<(String, Mode, String)>,
    /// What is wrong with files.
    pub(crate) problems: Vec<String>,
}

async fn mend_status(State(desk): State<Desk>) -> Json<MendStatus> {
    let now = desk.mending.present();
    Json(MendStatus {
        paused: now.paused.clone(),
        storm: now.storm.clone(),
        blocked: now.blocked.clone(),
        workers: (now.busy, now.workers),
        modes: now
            .remediations
            .iter()
            .map(|one| (one.name.clone(), one.mode, one.mode_by.clone()))
            .collect(),
        problems: now.problems.clone(),
    })
}

async fn mend(
    State(desk): State<Desk>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Json(order): Json<MendOrder>,
) -> Answer<String> {
    let done = tokio::task::spawn_blocking(move || desk.mending.submit(&caller.to_string(), order));
    done.await.map_err(|why| broken(&why))?.map(Json).map_err(|why| refused(&why))
}

/// Carries a command out in the name of whoever calls.
async fn submit(
    desk: Desk,
    caller: Caller,
    command: Command,
) -> Result<Receipt, (StatusCode, String)> {
    let done =
        tokio::task::spawn_blocking(move || desk.telling.submit(&caller.to_string(), command));
    done.await.map_err(|why| broken(&why))?.map_err(|why| refused(&why))
}

/// Asks the store on a thread that may wait.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, (StatusCode, String)> {
    let asked = tokio::task::spawn_blocking(ask).await.map_err(|why| broken(&why))?;
    asked.map_err(|why| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")))
}

fn broken(why: &tokio::task::JoinError) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n"))
}

fn refused(why: &Refusal) -> (StatusCode, String) {
    let status = match why {
        Refusal::Unknown(_) | Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::TooLate(_) => StatusCode::CONFLICT,
        Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{why}\n"))
}
