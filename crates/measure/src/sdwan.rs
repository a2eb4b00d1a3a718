//! What orchestrators of SD-WANs have in common: what is asked of one, and what an answer brings. Each vendor
//! is a module beside this one, which knows none of them; [`orchestrator`](crate::orchestrator) knows all.
//! It must not decide when to ask, nor store or judge anything.
//!
//! Reading order: [`Window`], [`Scope`], [`Poll`]; [`Happening`], [`Place`]; [`Error`]. `gate` keeps the pace of
//! questions, `pause` how long is waited before another try.

mod error;
mod gate;

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use model::text::printable;
use model::wan::{Link, Reading};
use model::{Secret, UnixMs};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Proxy};

pub use error::{BadConfig, Error};
pub(crate) use gate::Gate;

/// So much of what others say is quoted, in characters.
pub(crate) const QUOTED: usize = 200;

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
}

/// What one poll brought.
#[derive(Debug, Default)]
pub struct Poll {
    /// Each link with its readings, ascending, by customer, edge and name of the link.
    pub links: Vec<(Link, Vec<Reading>)>,
    /// Edges and customers whose readings could not be had.
    pub failures: Vec<Failure>,
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

/// A client for HTTPS; contacts nobody. `trust` are PEM certificates instead of the system's, and the proxy.
///
/// # Errors
/// What is wrong with the certificates or the proxy.
pub(crate) fn http(
    at: &str,
    is_local: bool,
    (ca, proxy): (Option<&[u8]>, Option<&str>),
    timeout: Duration,
) -> Result<reqwest::Client, BadConfig> {
    // Whoever was first to install one wins; ours is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("netmend/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        .timeout(timeout);
    if let Some(pem) = ca {
        let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(BadConfig(format!("the CA file of {at} holds no PEM certificate")));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(proxy) = proxy {
        // Its address may hold a password: nothing of it is quoted.
        let proxy = Proxy::all(proxy).map_err(|_| {
            BadConfig(format!("the proxy of {at} is no address: write http://HOST:PORT"))
        })?;
        builder = builder.proxy(proxy);
    } else if is_local {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| BadConfig(format!("cannot speak TLS with {at}: {error}")))
}

/// Why a question to `at` got no answer within `timeout`, for people. Nothing of `secret` is quoted.
pub(crate) fn explain(
    error: &reqwest::Error,
    (at, method): (&str, &'static str),
    timeout: Duration,
    secret: &Secret,
) -> Error {
    let at = at.to_owned();
    if error.is_timeout() {
        return Error::Timeout { at, method, after: timeout };
    }
    // What is said last is what the system said; a proxy in between is worth a word.
    let (mut why, mut by_proxy) = (error.to_string(), false);
    let mut source = error.source();
    while let Some(cause) = source {
        why = cause.to_string();
        if let Some(tunnel) = why.strip_prefix("tunnel error: ") {
            (why, by_proxy) = (tunnel.to_owned(), true);
        }
        source = cause.source();
    }
    if by_proxy {
        why.insert_str(0, "by way of its proxy: ");
    }
    let why = printable(&secret.redact(&why), QUOTED);
    if why.contains("certificate") {
        return Error::Untrusted { at, why };
    }
    if error.is_connect() {
        return Error::Connect { at, why };
    }
    Error::Broken { at, method, why }
}

/// Time before try `n`, doubling from a quarter second, drawn from its upper half so that tries of many
/// questions spread.
pub(crate) fn pause(n: u32) -> Duration {
    let most = 250 << n.min(6);
    Duration::from_millis(fastrand::u64(most / 2..=most))
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3); orchestrators send no date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
