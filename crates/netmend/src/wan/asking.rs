//! When which orchestrator is asked for what: readings every five minutes, events every minute, and between
//! that, slowly, where edges are and what was measured before we watched. It interprets no answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use measure::orchestrator::Orchestrator as Client;
use measure::sdwan::{EdgeId, Error, Scope, Window};
use model::{SeriesId, UnixMs};
use store::{Batch, RangeAnswer, RangeQuery};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::links::STEP;
use super::stage::{Asked, Shared, about, client, lock};
use crate::config::Orchestrator;

/// So much of what was fetched is fetched again: edges that were offline upload late.
const AGAIN: Duration = Duration::from_mins(30);
/// What is fetched at the start: the windows of the rule `sigma`, so that it can judge at once.
const FIRST: Duration = Duration::from_mins(65);
/// Longest window of a poll; what is further back is fetched edge by edge.
const LONGEST: Duration = Duration::from_hours(6);
/// Time between two tries of an orchestrator that fails.
const RETRY: Duration = Duration::from_mins(1);
/// Time between two questions for events.
const EVENTS: Duration = Duration::from_mins(1);
/// So far around the present events are asked for: clocks differ, and what was told is known again.
const AROUND: Duration = Duration::from_mins(15);
/// Time between two looks whether an orchestrator has answered at all.
const SOON: Duration = Duration::from_secs(1);
/// Time between two looks whether there is a past to be fetched.
const PAST: Duration = Duration::from_secs(20);
/// What is fetched of the past by one question.
const CHUNK: Duration = Duration::from_hours(24);
/// Readings of a day from which on it counts as fetched: edges are switched off at times.
const WHOLE: usize = 200;
/// Time between two questions about the past.
const GENTLY: Duration = Duration::from_millis(250);
/// How often it is asked where edges are.
const PLACES: Duration = Duration::from_hours(6);
/// An edge whose past could not be had is asked again after so long.
const PAST_RETRY: Duration = Duration::from_hours(1);
/// The store's name for who fetches the past; agents count from 1.
const SOURCE: u32 = u32::MAX;

/// Asks all orchestrators until the token is cancelled.
pub(super) async fn run(
    shared: Arc<Shared>,
    first: Arc<[Orchestrator]>,
    mut orders: mpsc::UnboundedReceiver<Arc<[Orchestrator]>>,
    stop: CancellationToken,
) {
    let (mut asked, mut tasks) = (Asked::new(), JoinSet::new());
    let mut wanted = Some(first);
    loop {
        if let Some(wanted) = wanted.take() {
            reconcile(&shared, &wanted, &mut asked, &mut tasks, &stop);
        }
        tokio::select! {
            () = stop.cancelled() => break,
            order = orders.recv() => match order {
                Some(order) => wanted = Some(order),
                None => break,
            },
            Some(ended) = tasks.join_next() => if let Err(why) = ended && why.is_panic() {
                tracing::error!("a task that asks an orchestrator panicked");
            },
        }
    }
    stop.cancel();
    tasks.shutdown().await;
}

/// Starts to ask who is new or changed, and ends what asks those who are gone.
fn reconcile(
    shared: &Arc<Shared>,
    wanted: &[Orchestrator],
    asked: &mut Asked,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) {
    asked.retain(|_, (old, token)| {
        let stays = wanted.contains(old);
        if !stays {
            token.cancel();
        }
        stays
    });
    for one in wanted {
        if asked.contains_key(&one.name) {
            continue;
        }
        let Some(client) = client(one) else { continue };
        let token = stop.child_token();
        let asking =
            Asking { shared: Arc::clone(shared), client, own: one.clone(), stop: token.clone() };
        let asking = Arc::new(asking);
        for kind in [Kind::Readings, Kind::Events, Kind::Past] {
            let asking = Arc::clone(&asking);
            tasks.spawn(async move {
                let stop = asking.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = asking.ask(kind) => {}
                }
            });
        }
        asked.insert(one.name.clone(), (one.clone(), token));
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Kind {
    Readings,
    Events,
    Past,
}

/// One orchestrator that is asked.
struct Asking {
    shared: Arc<Shared>,
    client: Client,
    own: Orchestrator,
    stop: CancellationToken,
}

impl Asking {
    async fn ask(&self, kind: Kind) {
        match kind {
            Kind::Readings => self.readings().await,
            Kind::Events => self.events().await,
            Kind::Past => self.past().await,
        }
    }

    fn now(&self) -> UnixMs {
        self.shared.stages.ground.clock.now_ms()
    }

    async fn readings(&self) {
        let mut last = None;
        loop {
            let window = next_window(self.now() - self.own.lag, last);
            let mut wait = None;
            if let Some(window) = window {
                let minutes = STEP.as_secs() / 60;
                let enterprises = self.own.enterprises.clone();
                match self.client.poll(&Scope { window, minutes, enterprises }).await {
                    Ok(poll) => {
                        self.shared.polled(&self.own.name, &poll, window);
                        if window.end - LONGEST >= window.start {
                            // It was silent for longer than a poll can make good.
                            lock(&self.shared.links).set_backfilled(&self.own.name, None, false);
                        }
                        last = Some(window.end);
                    }
                    Err(why) => {
                        self.shared.failed(&self.own.name, &why);
                        wait = Some(RETRY);
                    }
                }
            }
            let due = until_next(self.now() - self.own.lag) + phase(&self.own.name);
            sleep(wait.unwrap_or(due)).await;
        }
    }

    /// Asks for events of all customers. Those of before the first question are no news.
    async fn events(&self) {
        let name = &self.own.name;
        let mut told = self.shared.told(name);
        loop {
            if lock(&self.shared.links).answered(name).0.is_none() {
                sleep(SOON).await;
                continue;
            }
            let customers: BTreeSet<Option<i64>> = lock(&self.shared.links)
                .edges(name)
                .into_keys()
                .map(|edge| edge.enterprise)
                .collect();
            let now = self.now();
            let window = Window { start: now - AROUND, end: now + AROUND };
            let (mut all, mut failed) = (Vec::new(), None);
            for customer in customers {
                match self.client.events(customer, window).await {
                    Ok(found) => all.extend(found),
                    Err(why) => failed = Some(why),
                }
            }
            if failed.is_none() || !all.is_empty() {
                self.shared.happened(name, &mut told, all, window.start);
            }
            let about = format!("{} events", about(name));
            match failed {
                // Whoever asks for readings says so already.
                Some(why) if why.is_of_orchestrator() => {}
                Some(why) => {
                    let text = format!("orchestrator {name}: its events cannot be read: {why}");
                    let fix = "a token of a user with the privilege to read events".to_owned();
                    self.shared.stages.notices.raise(&about, text, fix, now);
                }
                None => self.shared.stages.notices.clear(&about),
            }
            sleep(EVENTS).await;
        }
    }

    /// Asks where edges are and what they measured before, a question at a time.
    async fn past(&self) {
        let name = &self.own.name;
        let mut placed: HashMap<EdgeId, UnixMs> = HashMap::new();
        let mut not_before: HashMap<EdgeId, UnixMs> = HashMap::new();
        loop {
            sleep(if placed.is_empty() { SOON } else { PAST }).await;
            if lock(&self.shared.links).answered(name).0.is_none() {
                continue;
            }
            self.places(&mut placed).await;
            if self.own.backfill.is_zero() {
                continue;
            }
            let edges = lock(&self.shared.links).edges_without_past(name);
            let mut fetched = 0;
            for (edge, series) in edges {
                if not_before.get(&edge).is_some_and(|at| self.now() < *at) {
                    continue;
                }
                match self.past_of(&edge, &series).await {
                    Ok(()) => {
                        fetched += 1;
                        lock(&self.shared.links).set_backfilled(name, Some(&edge), true);
                    }
                    Err(why) => {
                        tracing::warn!(%why, orchestrator = %name, edge = %edge.edge, "its past is fetched later");
                        not_before.insert(edge, self.now() + PAST_RETRY);
                    }
                }
            }
            if fetched > 0 {
                tracing::info!(orchestrator = %name, edges = fetched, "the past of edges was fetched");
                self.shared.keep(name);
            }
        }
    }

    /// Asks where the edges are that were not asked for lately.
    async fn places(&self, placed: &mut HashMap<EdgeId, UnixMs>) {
        let now = self.now();
        let edges: Vec<EdgeId> = lock(&self.shared.links)
            .edges(&self.own.name)
            .into_keys()
            .filter(|edge| placed.get(edge).is_none_or(|at| *at + PLACES <= now))
            .collect();
        // A few at a time, so that what is found is soon seen.
        for some in edges.chunks(100) {
            match self.client.places(some).await {
                Ok(places) => {
                    placed.extend(some.iter().cloned().map(|edge| (edge, now)));
                    if lock(&self.shared.links).place(&self.own.name, &places) {
                        self.shared.moved(&self.own.name);
                    }
                }
                Err(why) => {
                    tracing::debug!(%why, orchestrator = %self.own.name, "where edges are is not known");
                    return;
                }
            }
        }
    }

    /// Fetches and stores what an edge measured before, and lets the detector learn from it.
    async fn past_of(&self, edge: &EdgeId, series: &[SeriesId]) -> Result<(), Failed> {
        let end = floor(self.now() - self.own.lag);
        let mut start = floor(end - self.own.backfill);
        let mut stored = false;
        while start < end {
            let window = Window { start, end: (start + CHUNK).min(end) };
            start = window.end;
            let known = self.stored(series, window)?;
            if known.values().map(Vec::len).max().unwrap_or(0) >= WHOLE {
                continue;
            }
            let minutes = STEP.as_secs() / 60;
            let readings = self.client.history(edge, window, minutes).await?;
            let samples = lock(&self.shared.links).past(&self.own.name, &readings, &known);
            if !samples.is_empty() {
                let store = &self.shared.stages.ground.samples;
                let seq = store.committed_until(SOURCE)?.map_or(1, |seq| seq + 1);
                store.append(Batch { source: SOURCE, seq, samples })?;
                stored = true;
            }
            sleep(GENTLY).await;
        }
        if stored {
            self.shared.stages.judging.relearn(&*self.shared.stages.ground.samples, series)?;
        }
        Ok(())
    }

    /// The times of what is stored of some series.
    fn stored(
        &self,
        series: &[SeriesId],
        window: Window,
    ) -> Result<BTreeMap<SeriesId, Vec<UnixMs>>, store::Error> {
        let query = RangeQuery {
            series: series.to_vec(),
            from: window.start,
            until: window.end,
            step: None,
            exact: true,
        };
        let answers = self.shared.stages.ground.samples.range(&query)?;
        let times = answers.into_iter().map(|answer| match answer {
            RangeAnswer::Samples(values) => values.into_iter().map(|(at, _)| at).collect(),
            RangeAnswer::Buckets(_) => Vec::new(),
        });
        Ok(series.iter().copied().zip(times).collect())
    }
}

/// Why the past of an edge was not fetched.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Orchestrator(#[from] Error),
    #[error("the store: {0}")]
    Store(#[from] store::Error),
}

/// The last step that is whole at a time.
fn floor(at: UnixMs) -> UnixMs {
    let step = millis(STEP);
    UnixMs(at.0.div_euclid(step) * step)
}

/// What to fetch when data go up to `end`; nothing if that was fetched already.
fn next_window(end: UnixMs, last: Option<UnixMs>) -> Option<Window> {
    let end = floor(end);
    let start = match last {
        Some(last) if end <= last => return None,
        Some(last) => floor(last - AGAIN).max(end - LONGEST),
        None => end - FIRST,
    };
    Some(Window { start, end })
}

/// Time until the next step is whole.
fn until_next(end: UnixMs) -> Duration {
    let left = millis(STEP) - end.0.rem_euclid(millis(STEP));
    Duration::from_millis(left.unsigned_abs())
}

/// Where in a minute an orchestrator is asked, so that several are not asked at once, nor by all at a whole
/// minute.
fn phase(name: &str) -> Duration {
    let sum = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
    Duration::from_millis(1_000 + sum % 20_000)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn window(end: i64, last: Option<i64>) -> Option<(i64, i64)> {
        let found = next_window(UnixMs(end * MINUTE + 4_321), last.map(|m| UnixMs(m * MINUTE)));
        found.map(|window| (window.start.0 / MINUTE, window.end.0 / MINUTE))
    }

    #[test]
    fn each_poll_fetches_what_is_new_and_half_an_hour_again() {
        assert_eq!(window(1_002, None), Some((935, 1_000)), "65 min at once");
        assert_eq!(window(1_004, Some(1_000)), None, "nothing is whole yet");
        assert_eq!(window(1_005, Some(1_000)), Some((970, 1_005)));
        assert_eq!(window(1_021, Some(1_000)), Some((970, 1_020)), "polls failed meanwhile");
        assert_eq!(window(5_000, Some(1_000)), Some((5_000 - 360, 5_000)), "for long");
    }

    #[test]
    fn steps_are_awaited_to_their_end() {
        assert_eq!(until_next(UnixMs(0)), STEP);
        assert_eq!(until_next(UnixMs(4 * MINUTE + 1)), Duration::from_millis(59_999));
        assert!(phase("corp") >= Duration::from_secs(1) && phase("corp") < Duration::from_secs(21));
    }
}
