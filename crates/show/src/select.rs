//! Which targets, in which order, which page: the query that the Targets page, the API and the links
//! between them share. All of it is in the URL. It must not render anything.

use std::fmt::Write as _;
use std::sync::Arc;

use model::{TargetNow, TargetState};

use crate::present::{Values, View};

/// Rows of a page unless asked otherwise.
pub(crate) const PAGE_ROWS: usize = 100;
/// Most rows of one answer.
pub(crate) const MAX_ROWS: usize = 10_000;

/// What to show of all targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Select {
    /// Part of the host's name or address, in any case.
    pub(crate) host: String,
    /// The region, exactly.
    pub(crate) region: String,
    /// `name` or `name=value` of a tag.
    pub(crate) tag: String,
    /// States; none means all.
    pub(crate) states: Vec<TargetState>,
    /// Order of the rows.
    pub(crate) sort: Sort,
    /// Whether the order is turned round.
    pub(crate) reverse: bool,
    /// Only so many of the first rows.
    pub(crate) top: Option<usize>,
    /// Which page, from 1.
    pub(crate) page: usize,
    /// Rows a page.
    pub(crate) limit: usize,
}

impl Default for Select {
    fn default() -> Self {
        Self {
            host: String::new(),
            region: String::new(),
            tag: String::new(),
            states: Vec::new(),
            sort: Sort::Config,
            reverse: false,
            top: None,
            page: 1,
            limit: PAGE_ROWS,
        }
    }
}

/// Orders of rows. Numbers come largest first, what has no number last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// As in the configuration.
    Config,
    /// Worst state first.
    State,
    /// By host, alphabetically.
    Host,
    /// By region, alphabetically.
    Region,
    /// By latest RTT.
    Rtt,
    /// By median RTT.
    Median,
    /// By jitter.
    Jitter,
    /// By loss.
    Loss,
}

impl Sort {
    /// All orders.
    pub(crate) const ALL: [Sort; 8] = [
        Sort::Config,
        Sort::State,
        Sort::Host,
        Sort::Region,
        Sort::Rtt,
        Sort::Median,
        Sort::Jitter,
        Sort::Loss,
    ];

    /// The word in the URL.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Sort::Config => "config",
            Sort::State => "state",
            Sort::Host => "host",
            Sort::Region => "region",
            Sort::Rtt => "rtt",
            Sort::Median => "median",
            Sort::Jitter => "jitter",
            Sort::Loss => "loss",
        }
    }

    fn number(self, now: &TargetNow) -> Option<f32> {
        let values = Values::of(now);
        match self {
            Sort::Rtt => values.rtt_us,
            Sort::Median => values.median_us,
            Sort::Jitter => values.jitter_us,
            Sort::Loss => values.loss_pct,
            Sort::Config | Sort::State | Sort::Host | Sort::Region => None,
        }
    }
}

/// A parameter that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value:?} is not valid: {allowed}")]
pub(crate) struct BadParam {
    /// Which parameter.
    pub(crate) name: &'static str,
    /// What was given, cut to a length that fits a line.
    pub(crate) value: String,
    /// What is allowed.
    pub(crate) allowed: String,
}

impl BadParam {
    pub(crate) fn new(name: &'static str, value: &str, allowed: impl Into<String>) -> Self {
        Self { name, value: value.chars().take(60).collect(), allowed: allowed.into() }
    }
}

impl Select {
    /// Reads the query of a URL. Empty values count as not given, since forms send them; parameters of
    /// other meaning are left to others.
    pub(crate) fn parse(pairs: &[(String, String)]) -> Result<Self, BadParam> {
        let mut select = Self::default();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let value = value.trim();
            match name.as_str() {
                "host" => value.clone_into(&mut select.host),
                "region" => value.clone_into(&mut select.region),
                "tag" => value.clone_into(&mut select.tag),
                "state" => parse_states(value, &mut select.states)?,
                "sort" => select.sort = parse_sort(value)?,
                "order" => select.reverse = parse_order(value)?,
                "top" => select.top = Some(parse_count("top", value)?),
                "page" => select.page = parse_count("page", value)?,
                "limit" => select.limit = parse_count("limit", value)?,
                _ => {}
            }
        }
        Ok(select)
    }

    /// The query that stands for this selection; empty if it is the default.
    pub(crate) fn to_query(&self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: &str| add(&mut query, name, value);
        add("host", &self.host);
        add("region", &self.region);
        add("tag", &self.tag);
        for state in &self.states {
            add("state", state.name());
        }
        if self.sort != Sort::Config {
            add("sort", self.sort.as_str());
        }
        add("order", if self.reverse { "reverse" } else { "" });
        add("top", &self.top.map(|top| top.to_string()).unwrap_or_default());
        if self.page != 1 {
            add("page", &self.page.to_string());
        }
        if self.limit != PAGE_ROWS {
            add("limit", &self.limit.to_string());
        }
        query
    }

    /// The same selection on another page.
    pub(crate) fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// The selection by another order; the order it already has is turned round.
    pub(crate) fn sorted(&self, sort: Sort) -> Self {
        let reverse = self.sort == sort && !self.reverse;
        Self { sort, reverse, page: 1, top: None, ..self.clone() }
    }

    fn takes(&self, now: &TargetNow, needle: &str) -> bool {
        let target = &now.target;
        let by_host = || {
            needle.is_empty()
                || contains(&target.host, needle)
                || now.address.is_some_and(|address| address.to_string().contains(needle))
        };
        let by_tag = || match self.tag.split_once('=') {
            None => target.tags.contains_key(&self.tag),
            Some((name, value)) => target.tags.get(name).is_some_and(|tag| tag == value),
        };
        (self.states.is_empty() || self.states.contains(&now.state))
            && (self.region.is_empty() || self.region == target.region)
            && (self.tag.is_empty() || by_tag())
            && by_host()
    }

    /// The rows of this selection.
    pub(crate) fn apply(&self, view: &View) -> Page {
        let needle = self.host.to_lowercase();
        let all = &view.snapshot.targets;
        let mut rows: Vec<_> = all.iter().filter(|now| self.takes(now, &needle)).collect();
        self.arrange(&mut rows);
        rows.truncate(self.top.unwrap_or(usize::MAX));
        let matching = rows.len();
        let pages = matching.div_ceil(self.limit).max(1);
        let page = self.page.min(pages);
        let rows = rows.into_iter().skip((page - 1) * self.limit).take(self.limit);
        Page { rows: rows.cloned().collect(), matching, page, pages }
    }

    fn arrange(&self, rows: &mut Vec<&Arc<TargetNow>>) {
        match self.sort {
            Sort::Config => {}
            Sort::State => rows.sort_by_key(|now| (now.state.rank(), now.since)),
            Sort::Host => rows.sort_by(|a, b| a.target.host.cmp(&b.target.host)),
            Sort::Region => rows.sort_by(|a, b| a.target.region.cmp(&b.target.region)),
            Sort::Rtt | Sort::Median | Sort::Jitter | Sort::Loss => {
                // Those without a number stay last, whichever way round.
                let mut keyed: Vec<_> =
                    rows.drain(..).map(|now| (self.sort.number(now), now)).collect();
                keyed.sort_by(|(a, _), (b, _)| match (a, b) {
                    (Some(a), Some(b)) if self.reverse => a.total_cmp(b),
                    (Some(a), Some(b)) => b.total_cmp(a),
                    (a, b) => b.is_some().cmp(&a.is_some()),
                });
                rows.extend(keyed.into_iter().map(|(_, now)| now));
                return;
            }
        }
        if self.reverse {
            rows.reverse();
        }
    }
}

/// The rows of one page.
#[derive(Debug)]
pub(crate) struct Page {
    /// The rows, in order.
    pub(crate) rows: Vec<Arc<TargetNow>>,
    /// How many rows all pages have.
    pub(crate) matching: usize,
    /// Which page it is, from 1; a page beyond the last is the last.
    pub(crate) page: usize,
    /// How many pages there are, at least 1.
    pub(crate) pages: usize,
}

fn contains(host: &str, needle_in_lower_case: &str) -> bool {
    host.to_lowercase().contains(needle_in_lower_case)
}

fn parse_states(value: &str, states: &mut Vec<TargetState>) -> Result<(), BadParam> {
    for name in value.split(',') {
        let state = TargetState::from_name(name).ok_or_else(|| {
            let names: Vec<_> = TargetState::ALL.iter().map(|state| state.name()).collect();
            BadParam::new("state", value, format!("one or more of {}", names.join(", ")))
        })?;
        if !states.contains(&state) {
            states.push(state);
        }
    }
    Ok(())
}

fn parse_sort(value: &str) -> Result<Sort, BadParam> {
    Sort::ALL.into_iter().find(|sort| sort.as_str() == value).ok_or_else(|| {
        let names: Vec<_> = Sort::ALL.iter().map(|sort| sort.as_str()).collect();
        BadParam::new("sort", value, format!("one of {}", names.join(", ")))
    })
}

fn parse_order(value: &str) -> Result<bool, BadParam> {
    match value {
        "normal" => Ok(false),
        "reverse" => Ok(true),
        _ => Err(BadParam::new("order", value, "normal or reverse")),
    }
}

/// A number of rows or of a page.
pub(crate) fn parse_count(name: &'static str, value: &str) -> Result<usize, BadParam> {
    let count = value.parse().ok().filter(|count| (1..=MAX_ROWS).contains(count));
    count.ok_or_else(|| BadParam::new(name, value, format!("a number from 1 to {MAX_ROWS}")))
}

/// Adds a parameter to a query; one without a value is left out.
pub(crate) fn add(query: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        encode(value, query);
    }
}

/// Percent-encodes a query value or a part of a path (RFC 3986, unreserved characters stay).
pub(crate) fn encode(value: &str, into: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            write!(into, "%{byte:02X}").expect("a String takes every write");
        }
    }
}
