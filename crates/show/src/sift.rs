//! Which alerts: the query that the Alerts page, the API and the links between them share. All of it is in
//! the URL. It must not render anything, and asks nobody.

use std::sync::Arc;

use model::alert::{Member, words};
use model::{Alert, AlertId, AlertState, Severity};

use crate::judged::{Judged, speaker};
use crate::select::{BadParam, PAGE_ROWS, add, parse_count};

/// What to show of all alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sift {
    /// States; none means all that are not over.
    pub(crate) states: Vec<AlertState>,
    /// Severities; none means all.
    pub(crate) severities: Vec<Severity>,
    /// The region, exactly; of a group, of one of its members.
    pub(crate) region: String,
    /// `name` or `name=value` of a label, the user's tags among them.
    pub(crate) tag: String,
    /// Part of the subject, its number, or what people wrote, in any case.
    pub(crate) text: String,
    /// Whether something keeps it quiet.
    pub(crate) quiet: Option<bool>,
    /// Whether somebody acknowledged it.
    pub(crate) acked: Option<bool>,
    /// Which page of what is open, from 1.
    pub(crate) page: usize,
    /// Rows a page.
    pub(crate) limit: usize,
    /// Of the past, only those with lower numbers.
    pub(crate) before: Option<AlertId>,
}

impl Default for Sift {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            severities: Vec::new(),
            region: String::new(),
            tag: String::new(),
            text: String::new(),
            quiet: None,
            acked: None,
            page: 1,
            limit: PAGE_ROWS,
            before: None,
        }
    }
}

impl Sift {
    /// What is over, of all that is otherwise asked for.
    pub(crate) fn past(&self) -> Self {
        let states = vec![AlertState::Resolved, AlertState::Accepted];
        Self { states, page: 1, before: None, ..self.clone() }
    }

    /// What is open, of all that is otherwise asked for.
    pub(crate) fn present(&self) -> Self {
        Self { states: Vec::new(), page: 1, before: None, ..self.clone() }
    }

    /// Reads the query of a URL. Empty values count as not given, since forms send them; parameters of
    /// other meaning are left to others.
    pub(crate) fn parse(pairs: &[(String, String)]) -> Result<Self, BadParam> {
        let mut sift = Self::default();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let value = value.trim();
            match name.as_str() {
                "state" => words_of("state", value, &mut sift.states, state, state_names)?,
                "severity" => {
                    words_of("severity", value, &mut sift.severities, Severity::from_name, || {
                        Severity::ALL.map(Severity::as_str).join(", ")
                    })?;
                }
                "region" => value.clone_into(&mut sift.region),
                "tag" => value.clone_into(&mut sift.tag),
                "text" => value.clone_into(&mut sift.text),
                "quiet" => sift.quiet = Some(yes_or_no("quiet", value)?),
                "acked" => sift.acked = Some(yes_or_no("acked", value)?),
                "page" => sift.page = parse_count("page", value)?,
                "limit" => sift.limit = parse_count("limit", value)?,
                "before" => {
                    let id = value.parse().map_err(|_| {
                        BadParam::new("before", value, "the number of an alert, such as 17")
                    })?;
                    sift.before = Some(id);
                }
                _ => {}
            }
        }
        Ok(sift)
    }

    /// The query that stands for this selection; empty if it is the default.
    pub(crate) fn to_query(&self) -> String {
        let mut query = String::new();
        let word = |value: Option<bool>| value.map_or("", |yes| if yes { "yes" } else { "no" });
        let states: Vec<_> = self.states.iter().map(|state| state.name()).collect();
        let severities: Vec<_> = self.severities.iter().map(|each| each.as_str()).collect();
        add(&mut query, "state", &states.join(","));
        add(&mut query, "severity", &severities.join(","));
        add(&mut query, "region", &self.region);
        add(&mut query, "tag", &self.tag);
        add(&mut query, "text", &self.text);
        add(&mut query, "quiet", word(self.quiet));
        add(&mut query, "acked", word(self.acked));
        if self.page != 1 {
            add(&mut query, "page", &self.page.to_string());
        }
        if self.limit != PAGE_ROWS {
            add(&mut query, "limit", &self.limit.to_string());
        }
        add(&mut query, "before", &self.before.map(|id| id.to_string()).unwrap_or_default());
        query
    }

    /// Whether only what is open is asked for: memory holds it; all else is in the store.
    pub(crate) fn is_present(&self) -> bool {
        !self.states.iter().any(|state| state.is_over())
    }

    /// Whether only what is over is asked for.
    pub(crate) fn is_past(&self) -> bool {
        !self.states.is_empty() && self.states.iter().all(|state| state.is_over())
    }

    /// Whether nothing but the state is asked for.
    pub(crate) fn is_whole(&self) -> bool {
        let states = self.states.clone();
        let (page, limit, before) = (self.page, self.limit, self.before);
        *self == Self { states, page, limit, before, ..Self::default() }
    }

    /// Whether an alert is among those asked for.
    pub(crate) fn takes(&self, alert: &Alert) -> bool {
        let by_state = match self.states.as_slice() {
            [] => alert.is_open(),
            states => states.contains(&alert.state),
        };
        by_state
            && (self.severities.is_empty() || self.severities.contains(&alert.severity))
            && self.quiet.is_none_or(|quiet| quiet != alert.quiet.is_empty())
            && self.acked.is_none_or(|acked| acked == alert.ack.is_some())
            && (self.region.is_empty() || has_label(alert, "region", Some(&self.region)))
            && (self.tag.is_empty() || self.by_tag(alert))
            && (self.text.is_empty() || self.by_text(alert))
    }

    fn by_tag(&self, alert: &Alert) -> bool {
        match self.tag.split_once('=') {
            None => has_label(alert, &self.tag, None),
            Some((name, value)) => has_label(alert, name, Some(value)),
        }
    }

    fn by_text(&self, alert: &Alert) -> bool {
        let needle = self.text.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&needle);
        let ack = alert.ack.iter().flat_map(|ack| {
            [Some(&ack.by), ack.note.as_ref(), ack.ticket.as_ref()].into_iter().flatten()
        });
        needle.strip_prefix('#').unwrap_or(&needle) == alert.id.to_string()
            || has(&alert.subject.to_string())
            || has(&words::headline(alert))
            || alert.members.iter().any(|member| has(&member.subject.to_string()))
            || ack.into_iter().any(|text| has(text))
    }

    /// The open alerts of this selection. One that another speaks for stands below it, if that is shown.
    pub(crate) fn apply(&self, judged: &Judged) -> Shown {
        let taken: Vec<_> = judged.open.iter().filter(|alert| self.takes(alert)).collect();
        let shown: std::collections::HashSet<_> = taken.iter().map(|alert| alert.id).collect();
        let above =
            |alert: &Alert| speaker(alert).filter(|id| shown.contains(id) && *id != alert.id);
        let matching = taken.len();
        let tops: Vec<_> = taken.iter().filter(|alert| above(alert).is_none()).collect();
        let pages = tops.len().div_ceil(self.limit).max(1);
        let page = self.page.min(pages);
        let rows = tops.iter().skip((page - 1) * self.limit).take(self.limit);
        let mut rows: Vec<Row> =
            rows.map(|alert| Row { alert: Arc::clone(alert), below: Vec::new() }).collect();
        let places: std::collections::HashMap<_, _> =
            rows.iter().enumerate().map(|(place, row)| (row.alert.id, place)).collect();
        for alert in &taken {
            if let Some(place) = above(alert).and_then(|id| places.get(&id)) {
                rows[*place].below.push(Arc::clone(alert));
            }
        }
        Shown { rows, tops: tops.len(), matching, page, pages }
    }
}

/// The open alerts of one page.
pub(crate) struct Shown {
    /// The rows, in order.
    pub(crate) rows: Vec<Row>,
    /// How many rows all pages have.
    pub(crate) tops: usize,
    /// How many alerts they are, those below others included.
    pub(crate) matching: usize,
    /// Which page it is, from 1; a page beyond the last is the last.
    pub(crate) page: usize,
    /// How many pages there are, at least 1.
    pub(crate) pages: usize,
}

/// An alert, and those it speaks for.
pub(crate) struct Row {
    /// The alert.
    pub(crate) alert: Arc<Alert>,
    /// Those it speaks for, in order.
    pub(crate) below: Vec<Arc<Alert>>,
}

/// Whether the alert, or one of the members it lists, has a label, with this value if one is given.
fn has_label(alert: &Alert, name: &str, value: Option<&str>) -> bool {
    let fits = |found: Option<String>| match (found, value) {
        (Some(found), Some(value)) => found == value,
        (found, None) => found.is_some(),
        (None, Some(_)) => false,
    };
    let member = |member: &Member| member.subject.label(name);
    fits(alert.label(name)) || alert.members.iter().any(|each| fits(member(each)))
}

fn state(name: &str) -> Option<AlertState> {
    AlertState::from_name(name)
}

fn state_names() -> String {
    AlertState::ALL.map(AlertState::name).join(", ")
}

fn words_of<T: PartialEq>(
    name: &'static str,
    value: &str,
    into: &mut Vec<T>,
    find: fn(&str) -> Option<T>,
    all: impl Fn() -> String,
) -> Result<(), BadParam> {
    for word in value.split(',') {
        let found = find(word)
            .ok_or_else(|| BadParam::new(name, value, format!("one or more of {}", all())))?;
        if !into.contains(&found) {
            into.push(found);
        }
    }
    Ok(())
}

fn yes_or_no(name: &'static str, value: &str) -> Result<bool, BadParam> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(BadParam::new(name, value, "yes or no")),
    }
}
