//! `/api/v1/links`: the WAN links now, and who measures them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::SeriesId;
use model::alert::LinkSubject;
use model::wan::{self, LinkState, Quality, Traffic, WanMetric};
use serde::Serialize;

use super::{Problem, only};
use crate::app::App;
use crate::format::rfc3339;
use crate::port::links::{LinkNow, OrchestratorNow};
use crate::wan::{PAGE_ROWS, Sifting, quality};

#[derive(Serialize)]
pub(super) struct List {
    version: u64,
    orchestrators: Vec<Orchestrator>,
    total: usize,
    matching: usize,
    page: usize,
    pages: usize,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Orchestrator {
    name: String,
    product: &'static str,
    url: String,
    answered: Option<String>,
    data_until: Option<String>,
    error: Option<String>,
    failing_since: Option<String>,
    edges_failing: usize,
    past_left: usize,
}

/// Values are in milliseconds and percent, null where nothing is known now.
#[derive(Serialize)]
pub(super) struct Link {
    id: String,
    #[serde(rename = "link")]
    subject: LinkSubject,
    state: LinkState,
    fresh: bool,
    measured: Option<String>,
    quality: [(Traffic, Option<Quality>); 3],
    metrics: Vec<Value>,
}

#[derive(Serialize)]
struct Value {
    name: &'static str,
    direction: wan::Direction,
    series: String,
    value: Option<f64>,
}

impl Orchestrator {
    fn of(now: &OrchestratorNow) -> Self {
        Self {
            name: now.name.clone(),
            product: now.product,
            url: now.at.clone(),
            answered: now.answered.and_then(rfc3339),
            data_until: now.until.and_then(rfc3339),
            error: now.failing.as_ref().map(|(why, _)| why.clone()),
            failing_since: now.failing.as_ref().and_then(|(_, since)| rfc3339(*since)),
            edges_failing: now.edges_failing,
            past_left: now.past_left,
        }
    }
}

impl Link {
    fn of(now: &LinkNow) -> Self {
        let of = &now.subject;
        let metrics = WanMetric::ALL.into_iter().map(|metric| Value {
            name: metric.as_str(),
            direction: metric.direction(),
            series: wan::series(&of.orchestrator, &of.id, metric).id().to_string(),
            value: now.reading().and_then(|reading| reading.get(metric)),
        });
        Self {
            id: of.series.to_string(),
            subject: (**of).clone(),
            state: now.state,
            fresh: now.fresh,
            measured: now.recent.last().and_then(|last| rfc3339(last.at)),
            quality: Traffic::ALL.map(|traffic| (traffic, quality(now, Some(traffic)))),
            metrics: metrics.collect(),
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<List>, Problem> {
    only(&pairs, &["text", "orchestrator", "quality", "for", "sort", "page"])?;
    let sifting = Sifting::parse(&pairs)?;
    let now = app.deps.links.links();
    let found = sifting.apply(&now);
    let rows = found.iter().skip((sifting.page - 1).saturating_mul(PAGE_ROWS)).take(PAGE_ROWS);
    Ok(Json(List {
        version: now.version,
        orchestrators: now.orchestrators.iter().map(Orchestrator::of).collect(),
        total: now.links.len(),
        matching: found.len(),
        page: sifting.page,
        pages: found.len().div_ceil(PAGE_ROWS),
        links: rows.map(|link| Link::of(link)).collect(),
    }))
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Link>, Problem> {
    let now = app.deps.links.links();
    let found = SeriesId::from_hex(&id)
        .and_then(|id| now.links.iter().find(|link| link.subject.series == id));
    found.map(|link| Json(Link::of(link))).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "there is no such link", "an id of /api/v1/links")
    })
}
