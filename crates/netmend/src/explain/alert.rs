//! What is known of an alert beyond its own record: what would clear it, who else is affected, whether it
//! is the network, how the path differs, what happened before, and alerts like it.

use std::collections::HashMap;
use std::time::Duration;

use model::alert::{AlertId, Finding, words};
use model::{Alert, Path, Rule, Subject, UnixMs};
use serde::{Deserialize, Serialize};
use store::{AlertQuery, Error, Query, Value};

use super::host::{AlertLine, Archive, BEFORE, explain as explain_host};
use super::{table, ticket};
use crate::evidence;
use crate::judging::Judging;

/// Alerts like it that are looked at.
const SIMILAR: u32 = 50;
/// Marks that are told.
const MARKS: u32 = 10;

/// All that is known of an alert.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AlertStory {
    /// Its number.
    pub(crate) id: AlertId,
    /// Who and what, in a line.
    pub(crate) headline: String,
    /// Value, usual, limit, since, share of time, neighbours: the sentences of mail and page.
    pub(crate) facts: String,
    /// What would clear it; empty if it is over.
    pub(crate) clears: String,
    /// What was found out, one sentence each.
    pub(crate) evidence: Vec<String>,
    /// The paths, the good one first.
    pub(crate) traces: Vec<ShownTrace>,
    /// Text for the carrier, to be copied.
    pub(crate) ticket: String,
}

/// A path in columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShownTrace {
    /// When it was traced.
    pub(crate) at: UnixMs,
    /// What it shows.
    pub(crate) title: String,
    /// The table.
    pub(crate) text: String,
}

/// The alert of this number.
pub(crate) fn find(archive: &Archive<'_>, id: AlertId) -> Result<Option<Alert>, Error> {
    let query = AlertQuery { id: Some(id), limit: 1, ..AlertQuery::default() };
    Ok(alerts(archive, query)?.pop())
}

fn alerts(archive: &Archive<'_>, query: AlertQuery) -> Result<Vec<Alert>, Error> {
    let found = archive.state.find(&Query::Alerts(query))?;
    Ok(found
        .into_iter()
        .filter_map(|record| match record.value {
            Value::Alert(alert) => Some(*alert),
            _ => None,
        })
        .collect())
}

/// Tells it. `site` is where this instance stands, for the ticket.
pub(crate) fn explain(
    archive: &Archive<'_>,
    alert: &Alert,
    site: Option<&str>,
) -> Result<AlertStory, Error> {
    let moment = evidence::of_alert(archive.state, alert.id)?;
    let mut evidence = Vec::new();
    if let Subject::Target(target) = &alert.subject
        && alert.is_open()
        && let Some(host) = explain_host(archive, &target.host)?
        && host.targets.len() > 1
    {
        evidence.push(format!("{}.", host.verdict.sentence));
        evidence.extend(host.targets.iter().map(|target| format!("{}.", target.sentence)));
    }
    evidence.extend(moment.as_ref().map(|moment| format!("{}.", moment.sentence())));
    evidence.extend(alert.clues.iter().map(|clue| {
        format!("Before it, {}.", words::clue(clue, archive.now).trim_end_matches('.'))
    }));
    evidence.extend(before(archive, alert)?);
    evidence.extend(similar(archive, alert)?);
    let mut traces = Vec::new();
    if let Some(moment) = &moment {
        traces.extend(moment.good.as_ref().map(|path| shown(path, "while all was well")));
        traces.extend(moment.path.as_ref().map(|path| shown(path, "when the alert was raised")));
    }
    Ok(AlertStory {
        id: alert.id,
        headline: words::headline(alert),
        facts: words::facts(alert, archive.now),
        clears: clears(alert, archive.judging).unwrap_or_default(),
        evidence,
        traces,
        ticket: ticket::write(archive, alert, moment.as_ref(), site)?,
    })
}

fn shown(path: &Path, title: &str) -> ShownTrace {
    let text = table::lines(path, &HashMap::new()) + &table::end(path);
    ShownTrace { at: path.at, title: title.to_owned(), text }
}

/// What would clear the finding that shows it best; `None` if it is over.
pub(crate) fn clears(alert: &Alert, judging: Option<&Judging>) -> Option<String> {
    if !alert.is_open() {
        return None;
    }
    match &alert.subject {
        Subject::Group(_) => return Some("It clears when its members have cleared.".to_owned()),
        Subject::Repair(_) => {
            return Some(
                "It clears when the fault is over, is repaired, or somebody has seen to it."
                    .to_owned(),
            );
        }
        Subject::Site { .. } => {
            return Some("It clears when the gateway or most targets answer again.".to_owned());
        }
        Subject::Target(_) | Subject::Link(_) => {}
    }
    let firing: Vec<&Finding> =
        alert.findings.iter().filter(|finding| !finding.state.is_over()).collect();
    let Some(first) = firing.first() else {
        return Some("It clears when there are samples again and they are as usual.".to_owned());
    };
    let name = words::measure(&alert.subject, first).to_lowercase();
    let more = match firing.len() {
        1 => String::new(),
        many => format!("; so must {} more of its metrics", many - 1),
    };
    let value = |value: f32| words::value(first.metric, value);
    let set = judging.and_then(|judging| judging.clear_after(first.series));
    let lasting = set.map_or_else(|| "10 min".to_owned(), in_words);
    Some(match (first.rule, first.usual, first.limit) {
        (Rule::Down, ..) => format!("It clears once it has answered each probe for 3 min{more}."),
        (Rule::Limit, _, Some(limit)) => {
            let below = value(limit * 0.9);
            format!("It clears when {name} has been below {below} for {lasting}{more}.")
        }
        (Rule::Sigma, _, Some(limit)) => {
            let below = value(limit);
            format!("It clears when the last 5 min are below {below} in the mean{more}.")
        }
        (_, Some(usual), Some(limit)) => {
            let below = value(usual + (limit - usual) / 2.0);
            format!("It clears when {name} has been below {below} for {lasting}{more}.")
        }
        _ => format!("It clears when {name} has been as usual for {lasting}{more}."),
    })
}

/// A span as somebody set it: `90 s`, `10 min`.
fn in_words(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// What was changed at this instance or at the host in the half hour before.
fn before(archive: &Archive<'_>, alert: &Alert) -> Result<Vec<String>, Error> {
    let mut subjects = vec!["netmend".to_owned()];
    if let Subject::Target(target) = &alert.subject {
        subjects.insert(0, target.host.clone());
    }
    let mut told = Vec::new();
    for subject in subjects {
        let query = Query::Marks {
            subject: Some(subject),
            from: alert.since - BEFORE,
            until: alert.raised,
            limit: MARKS,
        };
        for record in archive.state.find(&query)? {
            if let Value::Mark(mark) = record.value {
                let when = words::moment(mark.at, archive.now);
                let text = model::text::printable(&mark.text, 400);
                told.push(format!("Before it, {when}: {text}."));
            }
        }
    }
    Ok(told)
}

/// Earlier alerts about the same subject.
fn similar(archive: &Archive<'_>, alert: &Alert) -> Result<Option<String>, Error> {
    let query = AlertQuery {
        subject: Some(alert.subject.key()),
        before: Some(alert.id),
        limit: SIMILAR,
        ..AlertQuery::default()
    };
    let earlier = alerts(archive, query)?;
    let Some(last) = earlier.first() else {
        return Ok(Some("There was no alert about it before.".to_owned()));
    };
    let line = AlertLine::of(last).text(archive.now);
    let count = match earlier.len() {
        1 => "one alert".to_owned(),
        many if many == SIMILAR as usize => format!("{many} or more alerts"),
        many => format!("{many} alerts"),
    };
    Ok(Some(format!("{count} about it before; the last: {line}.").replacen("one", "One", 1)))
}

impl AlertStory {
    /// For people.
    pub(crate) fn text(&self, now: UnixMs) -> String {
        use std::fmt::Write as _;
        let mut text = format!("alert #{}: {}\n\n{}\n", self.id, self.headline, self.facts);
        if !self.clears.is_empty() {
            let _ = writeln!(text, "{}", self.clears);
        }
        if !self.evidence.is_empty() {
            text.push('\n');
        }
        for sentence in &self.evidence {
            let _ = writeln!(text, "{sentence}");
        }
        for trace in &self.traces {
            let when = words::moment(trace.at, now);
            let _ = write!(text, "\npath {}, {when}:\n{}", trace.title, trace.text);
        }
        text
    }
}

/// What the page of the alert shows beside its record.
impl From<AlertStory> for show::Explanation {
    fn from(story: AlertStory) -> Self {
        let shown = |trace: ShownTrace| {
            let ShownTrace { at, title, text } = trace;
            show::Trace { at, title, text }
        };
        Self {
            clears: story.clears,
            evidence: story.evidence,
            traces: story.traces.into_iter().map(shown).collect(),
            ticket: story.ticket,
        }
    }
}
