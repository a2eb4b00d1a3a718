//! `/api/v1/system`: the daemon itself, `committed_until` included.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use model::TargetState;
use serde::Serialize;
use store::sink::SinkNow;

use crate::app::App;
use crate::format::rfc3339;
use crate::port::{Stage, Warning};

#[derive(Serialize)]
pub(super) struct System {
    version: &'static str,
    site: String,
    started: Option<String>,
    uptime_s: f64,
    targets: BTreeMap<&'static str, usize>,
    methods: BTreeMap<&'static str, usize>,
    stages: Vec<Stage>,
    warnings: Vec<Warning>,
    committed_until: Option<u64>,
    committed_at: Option<String>,
    store: Store,
    sinks: Vec<Sink>,
    counters: Vec<Counter>,
}

#[derive(Serialize)]
struct Store {
    path: String,
    bytes: Option<u64>,
    free_bytes: Option<u64>,
    series: Option<u64>,
}

/// A database of others.
#[derive(Serialize)]
struct Sink {
    name: String,
    kind: String,
    at: String,
    sent: u64,
    waiting: u64,
    waiting_bytes: u64,
    oldest: Option<String>,
    dropped: u64,
    damaged: u64,
    refused: u64,
    partial: u64,
    sent_at: Option<String>,
    failing: Option<String>,
    fix: Option<String>,
    since: Option<String>,
    refusal: Option<String>,
}

impl From<SinkNow> for Sink {
    fn from(now: SinkNow) -> Self {
        let (failing, fix, since) = now.failing.map_or((None, None, None), |failing| {
            (Some(failing.why), Some(failing.fix), rfc3339(failing.since))
        });
        Self {
            name: now.name,
            kind: now.kind,
            at: now.at,
            sent: now.sent,
            waiting: now.waiting.points,
            waiting_bytes: now.waiting.bytes,
            oldest: now.oldest.and_then(rfc3339),
            dropped: now.waiting.dropped,
            damaged: now.waiting.damaged,
            refused: now.refused,
            partial: now.partial,
            sent_at: now.sent_at.and_then(rfc3339),
            failing,
            fix,
            since,
            refusal: now.refusal.map(|(why, _)| why),
        }
    }
}

#[derive(Serialize)]
struct Counter {
    name: &'static str,
    labels: BTreeMap<&'static str, String>,
    value: Option<f64>,
}

pub(super) async fn system(State(app): State<Arc<App>>) -> Json<System> {
    let system = app.deps.now.system();
    let view = app.present.view();
    let counters = system.counters.into_iter().map(|counter| Counter {
        name: counter.name,
        labels: counter.labels.into_iter().collect(),
        value: Some(counter.value).filter(|value| value.is_finite()),
    });
    let methods = system.methods.into_iter().map(|(method, count)| (method.as_str(), count));
    let counts = TargetState::ALL.into_iter().map(|state| (state.name(), view.count(state)));
    Json(System {
        version: system.version,
        site: system.site,
        started: rfc3339(system.started),
        uptime_s: system.uptime.as_secs_f64(),
        targets: counts.collect(),
        methods: methods.collect(),
        stages: app.deps.now.stages(),
        warnings: system.warnings,
        committed_until: system.store.committed_until,
        committed_at: system.store.committed_at.and_then(rfc3339),
        store: Store {
            path: system.store.path,
            bytes: system.store.bytes,
            free_bytes: system.store.free_bytes,
            series: system.store.series,
        },
        sinks: system.sinks.into_iter().map(Sink::from).collect(),
        counters: counters.collect(),
    })
}
