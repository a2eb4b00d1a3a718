//! One poll: who has links, then each edge's readings, a few edges at a time. What fails of one edge stays
//! with that edge. It must not decide when to poll, nor store or judge anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::wan::Link;
use tokio::task::JoinSet;

use super::api::Understood;
use super::client::Client;
use crate::sdwan::{EdgeId, Error, Failure, Poll, Readings, Scope, Window};

/// So many edges in a row without an answer are an orchestrator that is down.
const MOST_IN_A_ROW: u32 = 8;
/// Edges that are asked for at once: twice as many as questions may be on their way, as some pause before another
/// try. Were all of them, each would have failed once before one has failed for good, hours later.
const AT_ONCE: usize = 8;

type Answer = Result<Understood<Readings>, Error>;

/// Polls an orchestrator once.
///
/// # Errors
/// What concerns all edges: it cannot be reached, or refuses us.
pub async fn poll(client: &Arc<Client>, scope: &Scope) -> Result<Poll, Error> {
    let numbers: Option<Vec<i64>> =
        scope.enterprises.iter().map(|customer| customer.parse().ok()).collect();
    let numbers = numbers.unwrap_or_default();
    let mut known = client.links(scope.window, &numbers).await?;
    let mut unseen = scope.unseen(&customers(&known.found));
    if !unseen.is_empty() && !numbers.is_empty() {
        // Who was asked for by number alone: whom else there is shows without them.
        if let Ok(all) = client.links(scope.window, &[]).await {
            unseen = scope.unseen(&customers(&all.found));
        }
    }
    known.found.retain(|link| scope.holds(link));
    let mut poll = Poll { odd: known.odd, unseen, ..Poll::default() };
    let mut edges: BTreeMap<EdgeId, Vec<Link>> = BTreeMap::new();
    for link in known.found {
        edges.entry(EdgeId::of(&link)).or_default().push(link);
    }
    let mut tasks = JoinSet::new();
    let ask = |tasks: &mut JoinSet<(EdgeId, Answer)>, edge: EdgeId| {
        let (client, window, minutes) = (Arc::clone(client), scope.window, scope.minutes);
        tasks.spawn(async move {
            let readings = client.readings(&edge, window, minutes).await;
            (edge, readings)
        });
    };
    let mut waiting = edges.keys().cloned().collect::<Vec<_>>().into_iter();
    waiting.by_ref().take(AT_ONCE).for_each(|edge| ask(&mut tasks, edge));
    let mut in_a_row = 0;
    while let Some(joined) = tasks.join_next().await {
        if let Some(edge) = waiting.next() {
            ask(&mut tasks, edge);
        }
        let (edge, readings) = match joined {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        in_a_row = match &readings {
            Err(why) if why.is_of_way() => in_a_row + 1,
            _ => 0,
        };
        let links = edges.remove(&edge).unwrap_or_default();
        match readings {
            Ok(readings) => take(&mut poll, links, readings),
            // Dropping the tasks that still wait ends them.
            Err(why) if why.is_of_orchestrator() || in_a_row >= MOST_IN_A_ROW => return Err(why),
            Err(why) => fail(&mut poll, links, why),
        }
    }
    poll.sort();
    Ok(poll)
}

/// The customers of links, by name, each with its number.
fn customers(links: &[Link]) -> BTreeMap<String, String> {
    let number = |link: &Link| link.enterprise.map_or_else(String::new, |id| id.to_string());
    links.iter().map(|link| (link.customer.clone(), number(link))).collect()
}

/// What one edge measured in a window of the past, by link.
///
/// # Errors
/// The orchestrator does not say.
pub async fn history(
    client: &Client,
    edge: &EdgeId,
    window: Window,
    minutes: u64,
) -> Result<Readings, Error> {
    Ok(client.readings(edge, window, minutes).await?.found)
}

fn take(poll: &mut Poll, links: Vec<Link>, readings: Understood<Readings>) {
    let Understood { found: mut readings, odd } = readings;
    poll.odd += odd;
    for link in links {
        let mut readings = readings.remove(&link.id).unwrap_or_default();
        for reading in &mut readings {
            *reading = reading.without_times_of_the_dead(link.state);
        }
        poll.links.push((link, readings));
    }
    // Links that the list of links did not have: they were not active within the last day.
    poll.odd += readings.values().filter(|readings| !readings.is_empty()).count() as u64;
}

fn fail(poll: &mut Poll, links: Vec<Link>, why: Error) {
    let Some(first) = links.first() else { return };
    let (customer, edge) = (first.customer.clone(), Some(first.edge_name.clone()));
    poll.failures.push(Failure { customer, edge, why });
    poll.links.extend(links.into_iter().map(|link| (link, Vec::new())));
}
