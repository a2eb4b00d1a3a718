//! What orchestrators of SD-WANs have in common: what is asked of one, and what an answer brings. Each vendor
//! is a module beside this one, which knows none of them; [`orchestrator`](crate::orchestrator) knows all.
//! It must not decide when to ask, nor store or judge anything.
//!
//! Reading order: [`Window`], [`Scope`], [`Poll`]; [`Happening`], [`Place`]; [`Error`]. Behind them: `line` puts a
//! question and brings its answer, at the pace that `gate` keeps; `answer` reads it as JSON, `lenient` what others
//! write loosely in it.

mod address;
mod answer;
mod error;
mod gate;
pub(crate) mod lenient;
mod line;

use std::collections::{BTreeMap, HashMap};

use model::UnixMs;
use model::wan::{Link, Reading};

pub use address::{Address, BadAddress};
pub(crate) use answer::read;
pub use error::{BadConfig, Error};
pub(crate) use line::{Answer, Line, Tries, Trust, sensitive};

/// A span of time, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From here.
    pub start: UnixMs,
    /// Up to here.
    pub end: UnixMs,
}

impl Window {
    /// Whether a time lies in it.
    pub fn contains(&self, at: UnixMs) -> bool {
        self.start <= at && at < self.end
    }
}

/// What to fetch.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Readings of this time.
    pub window: Window,
    /// Minutes between two readings; an orchestrator's own grid is 5.
    pub minutes: u64,
    /// Customers by name or number; none given means all that the credential sees.
    pub enterprises: Vec<String>,
}

impl Scope {
    /// Whether a link's customer is one of those that are wanted.
    pub(crate) fn holds(&self, link: &Link) -> bool {
        let number = link.enterprise.map(|number| number.to_string());
        let named =
            |customer: &String| *customer == link.customer || Some(customer) == number.as_ref();
        self.enterprises.is_empty() || self.enterprises.iter().any(named)
    }

    /// Who is wanted and not among `seen`: name and number of the customers that there are.
    pub(crate) fn unseen(&self, seen: &BTreeMap<String, String>) -> Vec<Unseen> {
        let known = |one: &String| seen.iter().any(|(name, number)| one == name || one == number);
        let seen: Vec<String> =
            seen.iter().map(|(name, number)| format!("{name} ({number})")).collect();
        let wanted = self.enterprises.iter().filter(|one| !known(one));
        wanted.map(|one| Unseen { customer: one.clone(), seen: seen.clone() }).collect()
    }
}

/// A customer that is wanted and of whom nothing is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no enterprise `{customer}` that this login sees and that had an active link within a day; {}",
    those(seen)
)]
pub struct Unseen {
    /// As it is wanted: a name or a number.
    pub customer: String,
    /// The others, each with its number.
    pub seen: Vec<String>,
}

fn those(seen: &[String]) -> String {
    /// Most that are named.
    const MOST: usize = 20;
    let named = seen.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match seen.len() {
        0 => "there is no other either".to_owned(),
        count if count > MOST => format!("there are {named} and {} more", count - MOST),
        _ => format!("there are {named}"),
    }
}

/// What one poll brought.
#[derive(Debug, Default)]
pub struct Poll {
    /// Each link with its readings, ascending, by customer, edge and name of the link.
    pub links: Vec<(Link, Vec<Reading>)>,
    /// Edges and customers whose readings could not be had.
    pub failures: Vec<Failure>,
    /// Customers that are wanted and of whom nothing is shown.
    pub unseen: Vec<Unseen>,
    /// Values that should be there and are not, or are of another kind than documented.
    pub odd: u64,
}

impl Poll {
    /// Puts the links in the order in which people look for them.
    pub(crate) fn sort(&mut self) {
        let key = |link: &Link| {
            let named = (link.customer.clone(), link.edge_name.clone(), link.edge.clone());
            (named, link.name.clone(), link.id.clone())
        };
        self.links.sort_by_cached_key(|(link, _)| key(link));
        self.failures.sort_by(|a, b| (&a.customer, &a.edge).cmp(&(&b.customer, &b.edge)));
    }
}

/// Readings by the identity of their link.
pub type Readings = HashMap<String, Vec<Reading>>;

/// An edge, or all of a customer's, whose readings could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{}{customer}: {why}", of(edge.as_deref()))]
pub struct Failure {
    /// Name of the customer.
    pub customer: String,
    /// Name of the edge; `None` if it is all of them.
    pub edge: Option<String>,
    /// Why.
    #[source]
    pub why: Error,
}

fn of(edge: Option<&str>) -> String {
    edge.map_or_else(String::new, |edge| format!("edge {edge} of "))
}

/// An edge as it is asked for: the number of its customer, where one is known, and its identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId {
    /// Number of the customer.
    pub enterprise: Option<i64>,
    /// Identity of the edge, as in [`Link::edge`].
    pub edge: String,
}

impl EdgeId {
    /// The edge of a link.
    pub fn of(link: &Link) -> Self {
        Self { enterprise: link.enterprise, edge: link.edge.clone() }
    }
}

/// Something that an orchestrator says has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Its identity at the orchestrator, by which the same is known when it is told again.
    pub id: String,
    /// When.
    pub at: UnixMs,
    /// What, in the orchestrator's own word: `EDGE_DOWN`, `LINK_DEAD`.
    pub what: String,
    /// How bad, as in syslog: 0 (emergency) to 7 (debug).
    pub severity: Option<u8>,
    /// In a sentence.
    pub message: String,
    /// Name of the edge, if it is about one.
    pub edge: Option<String>,
    /// Identity of the link, if it is about one.
    pub link: Option<String>,
}

/// Where an edge is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The gateway that it is assigned to first.
    pub gateway: Option<String>,
    /// The site it stands at.
    pub site: Option<String>,
}
