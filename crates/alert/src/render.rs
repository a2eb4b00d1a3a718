//! How a message looks: as a mail's subject, text, HTML and chart, in few words for chats, and as a webhook's JSON. What is said of
//! an alert comes from `model::alert::words`, the same for all. It must not send, and it reads no clock and
//! no store but for the chart's curve.

mod brief;
mod chart;
mod curve;
mod example;
mod html;
mod json;
mod text;

use jiff::Timestamp;
use model::alert::{Alert, AlertState, Message, MessageKind, words};
use model::text::printable;
use model::{Protocol, UnixMs};

pub use brief::{Brief, Part, Tone};
pub use chart::Chart;
pub use curve::{Curve, Curves, StoreCurves};
pub use json::json;

/// Longest subject in characters: what mail clients show of one, and then some.
const MAX_SUBJECT: usize = 160;
/// So many alerts are told in full; the others in a line each.
const IN_FULL: usize = 5;

/// A message as a mail, without its addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// Subject: one line of printable characters.
    pub subject: String,
    /// The part for readers without HTML.
    pub text: String,
    /// The part for the others. It shows the chart as `cid:` [`Mail::CHART`].
    pub html: String,
    /// The chart, a PNG.
    pub chart: Option<Vec<u8>>,
}

impl Mail {
    /// Content-ID of the chart.
    pub const CHART: &str = "chart@netmend";
}

/// The message as a mail. `curve` is that of [`charted`], if there is one.
pub fn mail(message: &Message, curve: Option<&Curve>) -> Mail {
    if message.kind == MessageKind::Test && message.alerts.is_empty() {
        let alerts = vec![example::alert(message.at)];
        let shown = Message { alerts, ..message.clone() };
        return mail(&shown, Some(&example::curve(message.at)));
    }
    let chart = curve.filter(|_| charted(message).is_some()).and_then(Chart::of);
    Mail {
        subject: subject(message),
        text: text::text(message),
        html: html::html(message, chart.as_ref()),
        chart: chart.map(|chart| chart.png()),
    }
}

/// The alert whose worst metric is drawn: the first that has one.
pub fn charted(message: &Message) -> Option<&Alert> {
    message.alerts.iter().find(|alert| alert.worst().is_some())
}

/// What it is about, in a line: `CRITICAL edge7: does not answer [london-1]`.
pub fn subject(message: &Message) -> String {
    let site = printable(&message.site, 40);
    if message.kind == MessageKind::Test {
        return format!("TEST netmend at {site} reaches you");
    }
    let what = match message.alerts.as_slice() {
        [] => "nothing is open any more".to_owned(),
        [first, ..] => match told(message) {
            0 | 1 => words::headline(first),
            told => format!("{} and {} more", words::headline(first), told - 1),
        },
    };
    // The site comes last: on a phone's lock screen the first forty characters must do.
    let room = MAX_SUBJECT - site.chars().count() - 3;
    // Filters of those who come from vco-api-wan-anomaly-alert look for this beginning.
    let what = if of_links(message) {
        format!("WAN Anomaly Alert: {} {what}", banner(message))
    } else {
        format!("{} {what}", banner(message))
    };
    format!("{} [{site}]", printable(&what, room))
}

/// Whether all of it is about WAN links.
fn of_links(message: &Message) -> bool {
    use model::Subject;
    let links = |alert: &Alert| match &alert.subject {
        Subject::Link(_) => true,
        Subject::Group(_) => {
            !alert.members.is_empty()
                && alert.members.iter().all(|member| matches!(member.subject, Subject::Link(_)))
        }
        Subject::Target(_) | Subject::Repair(_) | Subject::Site { .. } => false,
    };
    !message.alerts.is_empty() && message.alerts.iter().all(links)
}

/// The state of the message in capitals, and its severity where that matters.
fn banner(message: &Message) -> String {
    let severity = message.severity.as_str().to_uppercase();
    match message.kind {
        MessageKind::Firing => severity,
        MessageKind::Update => format!("UPDATE {severity}"),
        MessageKind::Repeat => format!("STILL {severity}"),
        MessageKind::Resolved => "RESOLVED".to_owned(),
        MessageKind::Accepted => "ACCEPTED".to_owned(),
        MessageKind::Test => "TEST".to_owned(),
    }
}

/// How many alerts the message tells of; some of those that one of them speaks for come along as examples.
fn told(message: &Message) -> usize {
    match message.open + message.resolved + message.accepted {
        0 => message.alerts.len(),
        told => told as usize,
    }
}

/// How many alerts the message is about, also those that it does not hold.
fn count(message: &Message) -> usize {
    let told = message.open + message.resolved + message.accepted;
    message.alerts.len().max(told as usize)
}

/// `3 open, 1 resolved`, if there is more than one alert.
fn tally(message: &Message) -> Option<String> {
    let parts = [
        (message.open, "open"),
        (message.resolved, "resolved"),
        (message.accepted, "accepted as the new usual"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
    (told(message) > 1 && !parts.is_empty()).then(|| parts.join(", "))
}

/// The alert's page, if pages can be reached from elsewhere.
pub(crate) fn link(message: &Message, alert: &Alert) -> Option<String> {
    if message.kind == MessageKind::Test {
        return None;
    }
    let pages = message.pages.as_deref()?;
    Some(format!("{pages}/alerts/{}", alert.id))
}

/// `critical, firing`; an end needs no severity.
fn standing(alert: &Alert) -> String {
    match alert.state {
        AlertState::Firing | AlertState::NoData => format!("{}, {}", alert.severity, alert.state),
        AlertState::Resolved | AlertState::Accepted => alert.state.to_string(),
    }
}

/// What a test says.
const TEST: &str = "This is a test. Nothing is wrong: somebody asked netmend to show that its messages \
                    arrive. An alert looks like the made-up one below, and comes with the same sender.";

/// What a message about a thread says that holds no alert.
const NOTHING: &str = "Nothing is open any more.";

/// Facts of an alert beside its sentences, as name and value, all printable.
fn facts(alert: &Alert) -> Vec<(&'static str, String)> {
    let number = if alert.id.0 == 0 { "made up".to_owned() } else { format!("#{}", alert.id) };
    let mut facts = vec![("Alert", format!("{number} ({})", standing(alert)))];
    facts.push(("Since", stamp(alert.since)));
    match alert.ended {
        Some(ended) => facts.push(("Ended", stamp(ended))),
        None => facts.push(("Noticed", stamp(alert.raised))),
    }
    if let model::Subject::Target(target) = &alert.subject {
        let family = target.family.as_str();
        let protocol = match target.protocol {
            Protocol::Icmp => "ICMP".to_owned(),
            Protocol::Tcp(port) => format!("TCP port {port}"),
        };
        let place = format!("{protocol} over IPv{family}, region {}", target.region);
        facts.push(("Probe", printable(&place, 120)));
        if !target.tags.is_empty() {
            let tags = target.tags.iter().map(|(tag, value)| format!("{tag}={value}"));
            facts.push(("Tags", printable(&tags.collect::<Vec<_>>().join(", "), 300)));
        }
        if let Some(parent) = &target.parent {
            facts.push(("Behind", printable(parent, 80)));
        }
    }
    if let model::Subject::Link(link) = &alert.subject {
        facts.push(("Customer", printable(&link.enterprise, 120)));
        facts.push(("Edge", printable(&link.edge, 120)));
        let named = [Some(&link.wan), link.interface.as_ref(), link.isp.as_ref()];
        let named: Vec<&str> = named.into_iter().flatten().map(String::as_str).collect();
        facts.push(("Link", printable(&named.join(", "), 240)));
        facts.extend(link.gateway.as_ref().map(|name| ("Gateway", printable(name, 120))));
        facts.extend(link.site.as_ref().map(|name| ("Place", printable(name, 120))));
    }
    if let Some(ack) = &alert.ack {
        let what = words::happening(&model::alert::Happening::Acked(ack.clone()));
        facts.push(("Known", what));
    }
    facts
}

/// The links that a group's alert speaks for, by name.
fn links(alert: &Alert) -> Vec<String> {
    use model::Subject;
    let links = alert.members.iter().all(|member| matches!(member.subject, Subject::Link(_)));
    if !matches!(alert.subject, Subject::Group(_)) || !links || alert.members.is_empty() {
        return Vec::new();
    }
    let over = alert.state.is_over();
    let now = alert.members.iter().filter(|member| member.state.is_over() == over);
    let mut names: Vec<String> =
        now.map(|member| printable(&member.subject.to_string(), 120)).collect();
    names.sort_unstable();
    let more = (alert.affected as usize).saturating_sub(names.len());
    names.extend((more > 0).then(|| format!("and {more} more")));
    names
}

/// A time in full, since mails are read again later: `2026-11-24 10:02:00 UTC`.
fn stamp(at: UnixMs) -> String {
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How somebody says that they know of it, as long as nobody has.
fn command(message: &Message, alert: &Alert) -> Option<String> {
    let real = message.kind != MessageKind::Test;
    (real && alert.is_open() && alert.ack.is_none()).then(|| format!("netmend ack {}", alert.id))
}
