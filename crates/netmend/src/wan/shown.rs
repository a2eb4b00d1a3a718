//! What pages and `/metrics` see of links: snapshots, at most a second old. It decides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::SeriesId;
use show::{Counter, LinkNow, LinksNow, OrchestratorNow};

use super::stage::{Shared, Wan, lock};

/// How old a snapshot may be.
const FRESH: Duration = Duration::from_secs(1);
/// Readings that are shown of a link: an hour.
const RECENT: usize = 12;

/// The latest snapshot and when it was taken.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    taken: Option<Duration>,
    now: Arc<LinksNow>,
}

impl show::Links for Wan {
    fn links(&self) -> Arc<LinksNow> {
        let monotonic = self.shared.stages.ground.clock.monotonic();
        let mut shown = lock(&self.shared.shown);
        let fresh = shown.taken.is_some_and(|taken| monotonic.saturating_sub(taken) < FRESH);
        if !fresh {
            let now = snapshot(&self.shared, &shown.now);
            *shown = Shown { taken: Some(monotonic), now: Arc::new(now) };
        }
        Arc::clone(&shown.now)
    }
}

/// The links now; those that are as they were are shared with the snapshot before.
fn snapshot(shared: &Shared, before: &LinksNow) -> LinksNow {
    let now = shared.stages.ground.clock.now_ms();
    let old: HashMap<SeriesId, &Arc<LinkNow>> =
        before.links.iter().map(|link| (link.subject.series, link)).collect();
    let links = lock(&shared.links);
    let mut all: Vec<Arc<LinkNow>> = links
        .all()
        .map(|(name, known)| {
            let skip = known.recent.len().saturating_sub(RECENT);
            let link = LinkNow {
                subject: Arc::clone(&known.subject),
                state: known.link.state,
                fresh: links.is_fresh(name, known, now),
                recent: known.recent.iter().skip(skip).copied().collect(),
            };
            match old.get(&known.subject.series) {
                Some(old) if ***old == link => Arc::clone(old),
                _ => Arc::new(link),
            }
        })
        .collect();
    let counts: HashMap<String, (Option<model::UnixMs>, usize, usize)> = shared
        .orchestrators()
        .into_iter()
        .map(|(name, ..)| {
            let (answered, failing) = links.answered(&name);
            let past = links.edges_without_past(&name).len();
            (name, (answered, failing, past))
        })
        .collect();
    drop(links);
    let order = |link: &Arc<LinkNow>| {
        let of = &link.subject;
        (of.orchestrator.clone(), of.enterprise.clone(), of.edge.clone(), of.wan.clone(), of.series)
    };
    all.sort_by_cached_key(order);
    let orchestrators: Vec<OrchestratorNow> = shared
        .orchestrators()
        .into_iter()
        .map(|(name, config, health)| {
            let (answered, edges_failing, past_left) =
                counts.get(&name).copied().unwrap_or_default();
            OrchestratorNow {
                at: config.at(),
                product: config.product(),
                name,
                answered,
                until: health.until,
                failing: health.failing,
                edges_failing,
                past_left,
            }
        })
        .collect();
    let same = before.orchestrators == orchestrators
        && before.links.len() == all.len()
        && before.links.iter().zip(&all).all(|(old, new)| Arc::ptr_eq(old, new));
    let version = before.version + u64::from(!same);
    LinksNow { version, orchestrators, links: all }
}

/// What the stage has done.
pub(crate) fn counters(wan: &Wan) -> Vec<Counter> {
    let mut counters = Vec::new();
    let now = wan.shared.stages.ground.clock.now_ms();
    for (name, _, health) in wan.shared.orchestrators() {
        let up = f64::from(u8::from(health.polls > 0 && health.failing.is_none()));
        let mut own = vec![
            Counter::gauge(
                "netmend_orchestrator_up",
                "1 if the orchestrator answered when it was asked last.",
                up,
            ),
            Counter::total(
                "netmend_orchestrator_polls_total",
                "Polls that brought an answer.",
                health.polls,
            ),
            Counter::total(
                "netmend_orchestrator_poll_failures_total",
                "Polls that brought none.",
                health.failures,
            ),
            Counter::total(
                "netmend_orchestrator_readings_total",
                "Readings of links that were new.",
                health.readings,
            ),
            Counter::total(
                "netmend_orchestrator_odd_values_total",
                "Values that were missing or not as documented.",
                health.odd,
            ),
            Counter::total(
                "netmend_orchestrator_events_total",
                "Events that it told.",
                health.events,
            ),
        ];
        if let Some(until) = health.until {
            let age = (now.0 - until.0).max(0) as f64 / 1_000.0;
            let help = "Age of the newest data that the orchestrator was asked for.";
            own.push(Counter::gauge("netmend_orchestrator_data_age_seconds", help, age));
        }
        counters.extend(own.into_iter().map(|counter| counter.with("orchestrator", name.as_str())));
    }
    counters
}
