//! `/api/v1/targets`: the present of all targets and of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::{ProbeCounts, SeriesId, TargetNow, TargetState};
use serde::Serialize;

use super::{Problem, only};
use crate::app::App;
use crate::format::rfc3339;
use crate::present::Values;
use crate::select::Select;
use crate::strips;

#[derive(Serialize)]
pub(super) struct List {
    at: Option<String>,
    version: u64,
    total: usize,
    matching: usize,
    page: usize,
    pages: usize,
    targets: Vec<Target>,
}

#[derive(Serialize)]
pub(super) struct Target {
    id: String,
    series: Ids,
    host: String,
    region: String,
    protocol: String,
    family: &'static str,
    address: Option<String>,
    method: Option<&'static str>,
    note: Option<String>,
    tags: BTreeMap<String, String>,
    parent: Option<String>,
    dscp: u8,
    interval_ms: u64,
    timeout_ms: u64,
    state: TargetState,
    since: Option<String>,
    last_sent: Option<String>,
    reason: Option<String>,
    rtt_us: Option<f32>,
    median_us: Option<f32>,
    jitter_us: Option<f32>,
    loss_pct: Option<f32>,
    recent: String,
    counts: ProbeCounts,
}

#[derive(Serialize)]
struct Ids {
    rtt: String,
    jitter: String,
    loss: String,
}

impl Target {
    fn of(now: &TargetNow) -> Self {
        let target = &now.target;
        let values = Values::of(now);
        let id = |id: SeriesId| id.to_string();
        let millis =
            |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: id(now.series.rtt),
            series: Ids {
                rtt: id(now.series.rtt),
                jitter: id(now.series.jitter),
                loss: id(now.series.loss),
            },
            host: target.host.clone(),
            region: target.region.clone(),
            protocol: target.protocol.to_string(),
            family: target.family.as_str(),
            address: now.address.map(|address| address.to_string()),
            method: now.method.map(model::Method::as_str),
            note: now.note.clone(),
            tags: target.tags.clone(),
            parent: target.parent.clone(),
            dscp: target.packet.dscp,
            interval_ms: millis(target.interval),
            timeout_ms: millis(target.timeout),
            state: now.state,
            since: rfc3339(now.since),
            last_sent: now.last_sent.and_then(rfc3339),
            reason: now.reason.map(|reason| reason.to_string()),
            rtt_us: values.rtt_us,
            median_us: values.median_us,
            jitter_us: values.jitter_us,
            loss_pct: values.loss_pct,
            recent: strips::cells(&now.recent),
            counts: now.counts,
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<List>, Problem> {
    only(&pairs, &["host", "region", "tag", "state", "sort", "order", "top", "page", "limit"])?;
    let select = Select::parse(&pairs)?;
    let view = app.present.view();
    let page = select.apply(&view);
    Ok(Json(List {
        at: rfc3339(view.snapshot.at),
        version: view.snapshot.version,
        total: view.snapshot.targets.len(),
        matching: page.matching,
        page: page.page,
        pages: page.pages,
        targets: page.rows.iter().map(|now| Target::of(now)).collect(),
    }))
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Target>, Problem> {
    let view = app.present.view();
    let now = SeriesId::from_hex(&id).and_then(|id| view.find(id)).ok_or_else(|| {
        let allowed = "an `id` of /api/v1/targets: 32 hexadecimal digits";
        Problem::new(StatusCode::NOT_FOUND, "no target has this id", allowed)
    })?;
    Ok(Json(Target::of(now)))
}
