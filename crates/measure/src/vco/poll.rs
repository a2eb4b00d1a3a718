//! One poll: who has links, then each edge's readings, four edges at a time. What fails of one edge stays
//! with that edge. It must not decide when to poll, nor store or judge anything.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::api::{Understood, Window};
use super::client::Client;
use super::error::Error;
use super::wan::{Link, Reading};

/// So many edges in a row without an answer are an orchestrator that is down.
const MOST_IN_A_ROW: u32 = 8;

/// What to fetch.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Readings of this time.
    pub window: Window,
    /// Minutes between two readings; the orchestrator's own grid is 5.
    pub minutes: u64,
    /// Customers by name or number; none given means all that the credential sees.
    pub enterprises: Vec<String>,
}

/// What one poll brought.
#[derive(Debug, Default)]
pub struct Poll {
    /// Each link with its readings, ascending, by customer, edge and name of the link.
    pub links: Vec<(Link, Vec<Reading>)>,
    /// Edges whose readings could not be had.
    pub failures: Vec<Failure>,
    /// Values that should be there and are not, or are of another kind than documented.
    pub odd: u64,
}

/// An edge whose readings could not be had.
#[derive(Debug, thiserror::Error)]
#[error("edge {edge} of {customer}: {why}")]
pub struct Failure {
    /// Name of the customer.
    pub customer: String,
    /// Name of the edge.
    pub edge: String,
    /// Why.
    #[source]
    pub why: Error,
}

type Readings = Result<Understood<HashMap<String, Vec<Reading>>>, Error>;

/// Polls an orchestrator once.
///
/// # Errors
/// What concerns all edges: it cannot be reached, or refuses us.
pub async fn poll(client: &Arc<Client>, scope: &Scope) -> Result<Poll, Error> {
    let numbers: Option<Vec<i64>> =
        scope.enterprises.iter().map(|customer| customer.parse().ok()).collect();
    let mut known = client.links(scope.window, &numbers.unwrap_or_default()).await?;
    known.found.retain(|link| scope.holds(link));
    let mut poll = Poll { odd: known.odd, ..Poll::default() };
    let mut edges: BTreeMap<i64, Vec<Link>> = BTreeMap::new();
    for link in known.found {
        edges.entry(link.edge).or_default().push(link);
    }
    let mut tasks = JoinSet::new();
    for (edge, links) in &edges {
        let (client, window, minutes) = (Arc::clone(client), scope.window, scope.minutes);
        let whose = (links.first().and_then(|link| link.enterprise), *edge);
        tasks.spawn(async move { (whose.1, client.readings(whose, window, minutes).await) });
    }
    let mut in_a_row = 0;
    while let Some(joined) = tasks.join_next().await {
        let (edge, readings): (i64, Readings) = match joined {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        in_a_row = match &readings {
            Err(why) if why.is_of_way() => in_a_row + 1,
            _ => 0,
        };
        let links = edges.remove(&edge).unwrap_or_default();
        match readings {
            Ok(readings) => poll.take(links, readings),
            // Dropping the tasks that still wait ends them.
            Err(why) if why.is_of_orchestrator() || in_a_row >= MOST_IN_A_ROW => return Err(why),
            Err(why) => poll.fail(links, why),
        }
    }
    let key = |link: &Link| {
        (
            link.customer.clone(),
            link.edge_name.clone(),
            link.edge,
            link.name.clone(),
            link.id.clone(),
        )
    };
    poll.links.sort_by_cached_key(|(link, _)| key(link));
    poll.failures.sort_by(|a, b| (&a.customer, &a.edge).cmp(&(&b.customer, &b.edge)));
    Ok(poll)
}

impl Scope {
    fn holds(&self, link: &Link) -> bool {
        let number = link.enterprise.map(|number| number.to_string());
        let named =
            |customer: &String| *customer == link.customer || Some(customer) == number.as_ref();
        self.enterprises.is_empty() || self.enterprises.iter().any(named)
    }
}

impl Poll {
    fn take(&mut self, links: Vec<Link>, readings: Understood<HashMap<String, Vec<Reading>>>) {
        let Understood { found: mut readings, odd } = readings;
        self.odd += odd;
        for link in links {
            let mut readings = readings.remove(&link.id).unwrap_or_default();
            for reading in &mut readings {
                *reading = reading.without_times_of_the_dead(link.state);
            }
            self.links.push((link, readings));
        }
        // Links that the list of links did not have: they were not active within the last day.
        self.odd += readings.values().filter(|readings| !readings.is_empty()).count() as u64;
    }

    fn fail(&mut self, links: Vec<Link>, why: Error) {
        let Some(first) = links.first() else { return };
        let (customer, edge) = (first.customer.clone(), first.edge_name.clone());
        self.failures.push(Failure { customer, edge, why });
        self.links.extend(links.into_iter().map(|link| (link, Vec::new())));
    }
}
