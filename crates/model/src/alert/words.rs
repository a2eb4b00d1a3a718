//! Alerts in sentences: the same words in mail, on pages and on the command line. Pure, in plain text and
//! UTC; names from elsewhere are made printable here, since they stand in the midst of the sentence. It must
//! not know HTML, terminals or mail.

use std::fmt::Write as _;

use super::{
    Alert, AlertState, Cause, Clue, Entry, Finding, Happening, Neighbours, QuietBy, Subject,
    TargetSubject,
};
use crate::text::printable;
use crate::{InterfaceMetric, Metric, Rule, UnixMs};

mod link;

/// Most characters of a name within a sentence.
const NAME: usize = 80;
/// Most characters of what somebody wrote within a sentence.
const NOTE: usize = 400;
/// Most members that a sentence names.
const NAMED: usize = 3;
const DAY_MS: i64 = 86_400_000;

/// Whom an alert is about, fit for a sentence.
pub fn subject(subject: &Subject) -> String {
    printable(&subject.to_string(), NAME)
}

/// What people call a metric at the beginning of a sentence.
pub fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::Rtt => "Latency",
        Metric::Jitter => "Jitter",
        Metric::Loss => "Loss",
        Metric::Interface(InterfaceMetric::Traffic) => "Traffic",
        Metric::Interface(InterfaceMetric::Utilisation) => "Utilisation",
        Metric::Interface(InterfaceMetric::Errors) => "Errors",
        Metric::Interface(InterfaceMetric::Discards) => "Discards",
        Metric::Interface(InterfaceMetric::Oper) => "State",
    }
}

/// What people call the metric of a finding at the beginning of a sentence: that of a link says which way.
pub fn measure(subject: &Subject, finding: &Finding) -> String {
    if let Subject::Link(link) = subject
        && let Some(metric) = link.metric(finding.series)
    {
        return capital(metric.words());
    }
    metric(finding.metric).to_owned()
}

/// What people call a label of a link.
pub fn label(name: &str) -> &str {
    match name {
        "orchestrator" => "Orchestrator",
        "enterprise" => "Customer",
        "edge" => "Edge",
        "wan" => "WAN link",
        "interface" => "Interface",
        "isp" => "Provider",
        "gateway" => "Gateway",
        "site" => "Site",
        other => other,
    }
}

/// The text with a capital in front.
fn capital(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A value with its unit, three digits of it: `62.1 ms`, `0.35 ms`, `12 %`.
pub fn value(metric: Metric, value: f32) -> String {
    match metric {
        Metric::Rtt | Metric::Jitter => format!("{} ms", digits(value / 1_000.0)),
        Metric::Loss | Metric::Interface(InterfaceMetric::Utilisation) => {
            format!("{} %", digits(value))
        }
        Metric::Interface(of) => format!("{} {}", digits(value), of.unit()),
    }
}

/// Three digits, without zeros at the end; `?` for what is no number.
fn digits(value: f32) -> String {
    let places = match value.abs() {
        size if !size.is_finite() => return "?".to_owned(),
        99.95.. => 0,
        9.995.. => 1,
        0.9995.. => 2,
        _ => 3,
    };
    let text = format!("{value:.places$}");
    let trimmed =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}

/// One line for lists and subjects of mails: who, and how it is. `edge7: latency 62 ms, usual 24 ms`.
pub fn headline(alert: &Alert) -> String {
    let who = subject(&alert.subject);
    let worst = alert.worst();
    let what = match (&alert.subject, alert.state, worst) {
        (Subject::Repair(repair), ..) => printable(&repair.said, NOTE),
        (_, AlertState::NoData, _) | (Subject::Target(_) | Subject::Link(_), _, None) => {
            "no data".to_owned()
        }
        (Subject::Group(_), ..) => members_bad(alert),
        (Subject::Site { .. }, state, _) if state.is_over() => "could not see".to_owned(),
        (Subject::Site { .. }, ..) => "cannot see".to_owned(),
        (Subject::Target(_), _, Some(finding)) => brief(finding),
        (Subject::Link(_), _, Some(finding)) => {
            let name = measure(&alert.subject, finding).to_lowercase();
            level(&name, finding)
        }
    };
    format!("{who}: {what}")
}

/// A finding in few words, for lists: `latency 62 ms, usual 24 ms`.
pub fn brief(finding: &Finding) -> String {
    let over = finding.state.is_over();
    if finding.rule == Rule::Down {
        return if over { "did not answer" } else { "does not answer" }.to_owned();
    }
    level(&metric(finding.metric).to_lowercase(), finding)
}

/// The level of what is called `name`, and what is usual.
fn level(name: &str, finding: &Finding) -> String {
    let over = finding.state.is_over();
    let level = if over { finding.peak } else { finding.value };
    let upto = if over { "up to " } else { "" };
    let mut text = format!("{name} {upto}{}", value(finding.metric, level));
    match (finding.rule, finding.limit, finding.usual) {
        (Rule::Limit, Some(limit), _) | (_, Some(limit), None) => {
            push(&mut text, &format!(", limit {}", value(finding.metric, limit)));
        }
        (_, _, Some(usual)) => {
            push(&mut text, &format!(", usual {}", value(finding.metric, usual)));
        }
        _ => {}
    }
    text
}

/// How a target stands by one finding, for the place beside its name: `latency above usual since 10:02`.
pub fn standing(finding: &Finding, now: UnixMs) -> String {
    let since = moment(finding.since, now);
    match finding.rule {
        Rule::Down => format!("does not answer since {since}"),
        Rule::Limit => {
            format!("{} above its limit since {since}", metric(finding.metric).to_lowercase())
        }
        Rule::Nm | Rule::Sigma => {
            format!("{} above usual since {since}", metric(finding.metric).to_lowercase())
        }
    }
}

/// All that is known at once, in sentences: what is wrong, what is normal, who else is affected, where the
/// fault is. Times are told as far as they differ from `now`.
pub fn facts(alert: &Alert, now: UnixMs) -> String {
    let mut text = String::new();
    match &alert.subject {
        Subject::Target(target) => of_target(&mut text, alert, target, now),
        Subject::Link(link) => link::of_link(&mut text, alert, link, now),
        Subject::Group(_) => {
            let names = named(alert);
            let sentence = format!(
                "{}: {}{names}, {}",
                subject(&alert.subject),
                members_bad(alert),
                span(alert.since, alert.ended, now)
            );
            say(&mut text, &sentence);
        }
        Subject::Repair(repair) => {
            say(
                &mut text,
                &format!("{}: {}", subject(&alert.subject), printable(&repair.said, NOTE)),
            );
        }
        Subject::Site { .. } => of_site(&mut text, alert, now),
    }
    for neighbours in &alert.neighbours {
        say(&mut text, &affected(neighbours));
    }
    if let Some(cause) = alert.cause {
        say(&mut text, self::cause(cause));
    }
    if alert.flapping {
        say(&mut text, "It comes and goes, and is held open until it has been quiet for an hour");
    }
    text
}

fn of_target(text: &mut String, alert: &Alert, target: &TargetSubject, now: UnixMs) {
    let who = printable(&target.to_string(), NAME);
    if alert.state == AlertState::NoData {
        let sentence = format!(
            "Nothing has been heard of {who} since {}: nobody can say whether it is right or wrong",
            moment(last_change(alert), now)
        );
        say(text, &sentence);
    }
    for (number, each) in alert.findings.iter().enumerate() {
        let name = if number == 0 { Some(who.as_str()) } else { None };
        say(text, &finding(each, name, now));
    }
    if let Some(sentence) = normal(&alert.normal) {
        say(text, &sentence);
    }
    if alert.affected > 0 {
        let (verb, so_many) = match alert.affected {
            1 => ("is", "One target".to_owned()),
            many => ("are", format!("{many} targets")),
        };
        let sentence = format!("{so_many} behind it {verb} bad with it{}", named(alert));
        say(text, &sentence);
    }
}

fn of_site(text: &mut String, alert: &Alert, now: UnixMs) {
    let who = subject(&alert.subject);
    let span = span(alert.since, alert.ended, now);
    let count = of_total(alert.affected, alert.total);
    let verb = if alert.state.is_over() { "could not" } else { "cannot" };
    let sentence = format!("{who} {verb} see, {span}: {count} targets were lost at once");
    say(text, &sentence);
    if !alert.state.is_over() {
        say(text, "The fault is near the site itself; how its targets are is unknown until then");
    }
}

/// When the state of an alert last changed to no data; else when it began.
fn last_change(alert: &Alert) -> UnixMs {
    let silent = |entry: &&Entry| entry.what == Happening::NoData;
    alert.history.iter().rev().find(silent).map_or(alert.since, |entry| entry.at)
}

/// One finding in one sentence; `who` is named if given.
pub fn finding(finding: &Finding, who: Option<&str>, now: UnixMs) -> String {
    let metric = finding.metric;
    let who = who.map(|who| format!(" {who}")).unwrap_or_default();
    let span = span(finding.since, finding.ended, now);
    if finding.rule == Rule::Down {
        let verb = if finding.state.is_over() { "was" } else { "is" };
        let to = if who.is_empty() { "" } else { " to" };
        return format!("No probe{to}{who} {verb} answered, {span}");
    }
    let mut text = format!("{}{who}", self::metric(metric));
    state_and_rule(&mut text, finding, &span);
    text
}

/// How a finding stands and by which rule, after its name.
fn state_and_rule(text: &mut String, finding: &Finding, span: &str) {
    let metric = finding.metric;
    let level = |level| value(metric, level);
    match finding.state {
        AlertState::Resolved => push(text, &format!(" was up to {}", level(finding.peak))),
        AlertState::Accepted => push(text, &format!(" stayed at {}", level(finding.value))),
        AlertState::Firing | AlertState::NoData => {
            push(text, &format!(" {}", level(finding.value)));
        }
    }
    push(text, &usual(finding));
    match (finding.state, finding.rule) {
        (AlertState::Resolved, _) => push(text, &format!(", {span}")),
        (AlertState::Accepted, _) => {
            push(text, &format!(", {span}: this is the new usual"));
        }
        (_, Rule::Limit) => push(text, &format!(": above the limit that is set, {span}")),
        (_, Rule::Sigma) => {
            push(text, &format!(": the last 5 min are above the hour before, {span}"));
        }
        // For loss the share is that of the evidence, not of time.
        (_, Rule::Nm | Rule::Down) if metric == Metric::Loss => {
            push(text, &format!(": above the limit, {span}"));
        }
        (_, Rule::Nm | Rule::Down) => {
            let percent = (finding.share.clamp(0.0, 1.0) * 100.0).round();
            push(text, &format!(": above the limit for {percent} % of the last 4 min, {span}"));
        }
    }
}

/// `, usual 24 ms at Tue 10:00 (varies ±3, limit +12)`, as far as it is known.
fn usual(finding: &Finding) -> String {
    let metric = finding.metric;
    let scaled = |value: f32| match metric {
        Metric::Rtt | Metric::Jitter => digits(value / 1_000.0),
        Metric::Loss | Metric::Interface(_) => digits(value),
    };
    let Some(usual) = finding.usual.filter(|usual| usual.is_finite()) else {
        let limit = finding.limit.filter(|limit| limit.is_finite());
        return limit.map(|limit| format!(", limit {}", value(metric, limit))).unwrap_or_default();
    };
    let mut text = format!(", usual {} at {}", value(metric, usual), hour_of_week(finding.at));
    let varies = finding.varies.filter(|varies| varies.is_finite());
    let varies = varies.map(|varies| format!("varies ±{}", scaled(varies)));
    let limit = finding.limit.filter(|limit| limit.is_finite());
    let limit = limit.map(|limit| match finding.rule {
        Rule::Limit => format!("limit {}", value(metric, limit)),
        _ => format!("limit +{}", scaled((limit - usual).max(0.0))),
    });
    let parts: Vec<String> = [varies, limit].into_iter().flatten().collect();
    if !parts.is_empty() {
        push(&mut text, &format!(" ({})", parts.join(", ")));
    }
    text
}

/// `Loss and jitter normal`.
fn normal(metrics: &[Metric]) -> Option<String> {
    let names: Vec<String> = metrics.iter().map(|each| metric(*each).to_lowercase()).collect();
    let mut text = match names.as_slice() {
        [] => return None,
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    text[..1].make_ascii_uppercase();
    Some(format!("{text} normal"))
}

/// `2 of 8 with gateway gw1 affected`.
pub fn affected(neighbours: &Neighbours) -> String {
    format!(
        "{} with {} {} affected",
        of_total(neighbours.affected, neighbours.total),
        printable(&neighbours.tag, NAME),
        printable(&neighbours.value, NAME)
    )
}

/// What a device said, without a full stop: `10:01 UTC sw1 LINK-3-UPDOWN: Interface Gi1, ... (3 times)`.
pub fn clue(clue: &Clue, now: UnixMs) -> String {
    let mut text = format!("{} {}", moment(clue.at, now), printable(&clue.device, NAME));
    if !clue.code.is_empty() {
        push(&mut text, &format!(" {}", printable(&clue.code, NAME)));
    }
    push(&mut text, &format!(": {}", printable(&clue.text, NOTE)));
    if clue.count > 1 {
        push(&mut text, &format!(" ({} times)", clue.count));
    }
    text
}

/// What stands above the clues.
pub const CLUES: &str = "Said by devices on its path in the half hour before";

fn members_bad(alert: &Alert) -> String {
    let verb = if alert.state.is_over() { "were" } else { "are" };
    let links = alert.members.iter().all(|member| matches!(member.subject, Subject::Link(_)));
    let whom = if links && !alert.members.is_empty() { "links" } else { "targets" };
    format!("{} {whom} {verb} bad", of_total(alert.affected, alert.total))
}

fn of_total(affected: u32, total: u32) -> String {
    if total > 0 { format!("{affected} of {total}") } else { affected.to_string() }
}

/// ` (a, b, c and 9 more)`, or nothing.
fn named(alert: &Alert) -> String {
    let names = alert.members.iter().take(NAMED);
    let names: Vec<String> =
        names.map(|member| printable(&member.subject.to_string(), NAME)).collect();
    let more = (alert.affected as usize).saturating_sub(names.len());
    match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" ({})", names.join(", ")),
        (false, more) => format!(" ({} and {more} more)", names.join(", ")),
    }
}

/// Where the fault is, one sentence.
pub fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Application => "Ping is well and TCP is not: it is the service, not the network",
        Cause::Path => "Ping and TCP are both bad: it is the path",
        Cause::IcmpFiltered => {
            "TCP is well and ping is not: ICMP is filtered or rate-limited on the way"
        }
    }
}

/// What keeps an alert quiet, in few words.
pub fn quiet(by: &QuietBy) -> String {
    match by {
        QuietBy::Silence(id) => format!("silence #{id}"),
        QuietBy::Maintenance(name) => format!("maintenance {}", printable(name, NAME)),
        QuietBy::Alert(id) => format!("alert #{id} speaks for it"),
    }
}

/// An entry of a history in few words, without its time.
pub fn happening(what: &Happening) -> String {
    match what {
        Happening::Raised(severity) => format!("raised as {severity}"),
        Happening::Found(each) => format!("{} too", metric(*each).to_lowercase()),
        Happening::Cleared(each) => format!("{} as before", metric(*each).to_lowercase()),
        Happening::Severity { from, to } => format!("{to} instead of {from}"),
        Happening::Reopened => "bad again".to_owned(),
        Happening::Flapping => "comes and goes: held open".to_owned(),
        Happening::NoData => "no data".to_owned(),
        Happening::DataAgain => "data again".to_owned(),
        Happening::Joined(id) => format!("alert #{id} speaks for it from now on"),
        Happening::Left(id) => format!("speaks for itself again, not alert #{id}"),
        Happening::Cause(found) => cause(*found).to_owned(),
        Happening::Acked(ack) => {
            let mut text = format!("acknowledged by {}", printable(&ack.by, NAME));
            if let Some(ticket) = &ack.ticket {
                push(&mut text, &format!(", ticket {}", printable(ticket, NAME)));
            }
            if let Some(note) = &ack.note {
                push(&mut text, &format!(": {}", printable(note, NOTE)));
            }
            text
        }
        Happening::Worse => "worse than what was acknowledged".to_owned(),
        Happening::Quiet(by) => format!("kept quiet: {}", quiet(by)),
        Happening::Loud => "not kept quiet any more".to_owned(),
        // Whether it got there is what the message itself says.
        Happening::Told { receiver, kind } => {
            format!("queued for {}: {kind}", printable(receiver, NAME))
        }
        Happening::Resolved => "resolved".to_owned(),
        Happening::Accepted => "accepted as the new usual".to_owned(),
        Happening::Removed => "over, since its target left the configuration".to_owned(),
        Happening::Omitted(count) => format!("{count} entries are left out"),
    }
}

/// `since 10:02 UTC`, or `from 10:02 to 10:44 UTC`.
fn span(since: UnixMs, ended: Option<UnixMs>, now: UnixMs) -> String {
    match ended {
        None => format!("since {}", moment(since, now)),
        Some(ended) if since.0.div_euclid(DAY_MS) == ended.0.div_euclid(DAY_MS) => {
            let from = moment(since, now);
            let from = from.strip_suffix(" UTC").unwrap_or(&from);
            format!("from {from} to {} UTC", clock(ended))
        }
        Some(ended) => format!("from {} to {}", moment(since, now), moment(ended, now)),
    }
}

/// A time as people say it: `10:02 UTC` within 12 h of `now`, `Tue 10:02 UTC` within six days,
/// `2026-11-17 10:02 UTC` beyond.
pub fn moment(at: UnixMs, now: UnixMs) -> String {
    match now.0.saturating_sub(at.0).saturating_abs() {
        0..=43_200_000 => format!("{} UTC", clock(at)),
        ..=518_400_000 => format!("{} {} UTC", weekday(at), clock(at)),
        _ => {
            let (year, month, day) = date(at);
            format!("{year:04}-{month:02}-{day:02} {} UTC", clock(at))
        }
    }
}

fn clock(at: UnixMs) -> String {
    let minutes = at.0.div_euclid(60_000).rem_euclid(1_440);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The hour of the week that a value is usual for: `Tue 10:00 UTC`.
fn hour_of_week(at: UnixMs) -> String {
    format!("{} {:02}:00 UTC", weekday(at), at.0.div_euclid(3_600_000).rem_euclid(24))
}

fn weekday(at: UnixMs) -> &'static str {
    // 1970-01-01 was a Thursday.
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let day = at.0.div_euclid(DAY_MS).rem_euclid(7);
    DAYS[usize::try_from(day).expect("a remainder by 7")]
}

/// Year, month and day in UTC, by the algorithm of Howard Hinnant's `civil_from_days`.
fn date(at: UnixMs) -> (i64, i64, i64) {
    let days = at.0.div_euclid(DAY_MS) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Adds a sentence.
fn say(text: &mut String, sentence: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    push(text, sentence);
    text.push('.');
}

fn push(text: &mut String, more: &str) {
    text.write_str(more).expect("a String takes every write");
}

#[cfg(test)]
mod tests;
