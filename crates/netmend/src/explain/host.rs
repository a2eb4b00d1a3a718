//! What is known of a host: how each of its targets stands, whether it is the network, what is open, and
//! what happened in the last day.

use std::time::Duration;

use model::alert::{AlertId, words};
use model::{Alert, Metric, TargetNow, TargetState, UnixMs};
use serde::{Deserialize, Serialize};
use show::Snapshot;
use store::{AlertQuery, Error, Query, Samples, State, Value};

use super::past::{DAY, Past, Stored};
use super::verdict::{self, Health, Verdict};
use crate::evidence;
use crate::judging::Judging;

/// Where to look: the store, and the present where the daemon runs.
#[derive(Clone, Copy)]
pub(crate) struct Archive<'a> {
    /// Series over time.
    pub(crate) samples: &'a dyn Samples,
    /// Alerts and paths.
    pub(crate) state: &'a dyn State,
    /// The targets at this moment; `None` where no daemon runs.
    pub(crate) live: Option<&'a Snapshot>,
    /// Who judges, where the daemon runs.
    pub(crate) judging: Option<&'a Judging>,
    /// What time it is.
    pub(crate) now: UnixMs,
}

/// Loss from this on, in percent, is worth a word where nothing else judged it.
const LOSSY_PCT: f64 = 5.0;
/// So many lost probes in a row are silence.
const SILENT: u64 = TargetNow::DOWN_AFTER as u64;
/// Alerts of the last day that are told of one target.
const ALERTS: u32 = 20;

/// All that is known of a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HostStory {
    /// The host as the configuration names it.
    pub(crate) host: String,
    /// When: now, or when the daemon that does not run stored something last.
    pub(crate) at: UnixMs,
    /// Whether the daemon runs.
    pub(crate) live: bool,
    /// Where the fault is.
    pub(crate) verdict: Verdict,
    /// Each of its targets.
    pub(crate) targets: Vec<TargetStory>,
    /// Alerts that are open or were in the last day, the newest first.
    pub(crate) alerts: Vec<AlertLine>,
    /// What is known of the path, one sentence each.
    pub(crate) path: Vec<String>,
}

/// How one target of it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TargetStory {
    /// `icmp` or `tcp:443`.
    pub(crate) protocol: String,
    /// Region in the targets file.
    pub(crate) region: String,
    /// `4` or `6`.
    pub(crate) family: String,
    /// How it stands.
    pub(crate) health: Health,
    /// The same with its numbers, one sentence.
    pub(crate) sentence: String,
    /// The numbers.
    pub(crate) past: Past,
}

/// An alert in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AlertLine {
    /// Its number.
    pub(crate) id: AlertId,
    /// Who and what.
    pub(crate) headline: String,
    /// Since when.
    pub(crate) since: UnixMs,
    /// Until when, if it is over.
    pub(crate) ended: Option<UnixMs>,
}

impl AlertLine {
    /// The line of an alert.
    pub(crate) fn of(alert: &Alert) -> Self {
        let headline = words::headline(alert);
        Self { id: alert.id, headline, since: alert.since, ended: alert.ended }
    }

    /// `#17 since 10:02 UTC: ...`, `#12 Tue 10:02 UTC for 14 min: ...`.
    pub(crate) fn text(&self, now: UnixMs) -> String {
        let began = words::moment(self.since, now);
        match self.ended {
            None => format!("#{} since {began}: {}", self.id, self.headline),
            Some(ended) => {
                let minutes = (ended.0 - self.since.0).max(0) / 60_000;
                format!("#{} {began} for {minutes} min: {}", self.id, self.headline)
            }
        }
    }
}

/// Tells it; `None`: the store knows no such host.
pub(crate) fn explain(archive: &Archive<'_>, host: &str) -> Result<Option<HostStory>, Error> {
    let stored = Stored::all(archive.samples)?;
    let named: Vec<&Stored> = stored.iter().filter(|each| archive.is(each, host)).collect();
    let Some(first) = named.first() else { return Ok(None) };
    let at = archive.moment(&named)?;
    let mut targets = Vec::new();
    let mut seen = Vec::new();
    let (mut alerts, mut path) = (Vec::new(), Vec::new());
    for target in &named {
        let Some(protocol) = target.protocol() else { continue };
        let of_it = archive.alerts(target, at)?;
        let open = of_it.iter().find(|alert| alert.is_open());
        let past = Past::read(archive.samples, target, at)?;
        let live = archive.row(target);
        let health = health(&past, open, live);
        seen.push((protocol, health));
        targets.push(TargetStory {
            protocol: protocol.to_string(),
            region: target.label("region").to_owned(),
            family: target.label("family").to_owned(),
            health,
            sentence: sentence(&verdict::name(protocol), health, &past, open, at),
            past,
        });
        path.extend(archive.path(target, open, at)?);
        alerts.extend(of_it.iter().map(AlertLine::of));
    }
    alerts.sort_by_key(|line| std::cmp::Reverse(line.id));
    alerts.dedup();
    Ok(Some(HostStory {
        host: first.label("host").to_owned(),
        at,
        live: archive.live.is_some(),
        verdict: verdict::verdict(&seen),
        targets,
        alerts,
        path,
    }))
}

impl Archive<'_> {
    /// Whether this is a target of the host, which may be named by the address it is asked at.
    fn is(&self, target: &Stored, host: &str) -> bool {
        let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        let address = self.row(target).and_then(|row| row.address);
        plain(target.label("host")) == plain(host)
            || address.is_some_and(|address| host.parse() == Ok(address))
    }

    /// The target at this moment.
    pub(crate) fn row(&self, target: &Stored) -> Option<&TargetNow> {
        let id = target.rtt.id();
        let mut rows = self.live?.targets.iter();
        rows.find(|row| row.series.rtt == id).map(AsRef::as_ref)
    }

    /// Now, or when something was stored last of these.
    fn moment(&self, targets: &[&Stored]) -> Result<UnixMs, Error> {
        if self.live.is_some() {
            return Ok(self.now);
        }
        let mut newest = None;
        for target in targets {
            newest = newest.max(target.last(self.samples)?);
        }
        Ok(newest.unwrap_or(self.now))
    }

    /// The alerts of a target that are open or were in the last day, the newest first.
    pub(crate) fn alerts(&self, target: &Stored, at: UnixMs) -> Result<Vec<Alert>, Error> {
        let query = AlertQuery {
            subject: Some(format!("target {}", target.rtt.id())),
            from: Some(at - DAY),
            limit: ALERTS,
            ..AlertQuery::default()
        };
        let found = self.state.find(&Query::Alerts(query))?;
        Ok(found
            .into_iter()
            .filter_map(|record| match record.value {
                Value::Alert(alert) => Some(*alert),
                _ => None,
            })
            .collect())
    }

    /// What is known of the path of a target.
    fn path(
        &self,
        target: &Stored,
        open: Option<&Alert>,
        at: UnixMs,
    ) -> Result<Option<String>, Error> {
        let Some(protocol) = target.protocol() else { return Ok(None) };
        let by = verdict::name(protocol);
        if let Some(alert) = open
            && let Some(moment) = evidence::of_alert(self.state, alert.id)?
        {
            let when = words::moment(moment.at, at);
            return Ok(Some(format!("By {by}, {when}: {}", moment.sentence())));
        }
        let good = evidence::good_path(self.state, target.rtt.id())?;
        Ok(good.map(|path| {
            let when = words::moment(path.at, at);
            let count = path.hops.len();
            let plural = if count == 1 { "" } else { "s" };
            format!("By {by}: {count} hop{plural} while all was well, {when}")
        }))
    }
}

/// How a target stands, by what judged it, else by its own numbers.
pub(crate) fn health(past: &Past, open: Option<&Alert>, live: Option<&TargetNow>) -> Health {
    let hidden = |row: &TargetNow| {
        matches!(row.state, TargetState::Unknown | TargetState::NoData | TargetState::Unresolved)
    };
    if past.now.probes == 0 || live.is_some_and(hidden) {
        return Health::Unknown;
    }
    if live.is_some_and(verdict::is_refused) {
        return Health::Refused;
    }
    if past.silent >= SILENT {
        // Nobody misses answers that did not come all day either; of a young daemon the day is not known yet.
        let never =
            past.now.median_us.is_none() && past.day.loss_pct.is_none_or(|loss| loss > 99.9);
        let mute = open.is_none() && never;
        return if mute { Health::Mute } else { Health::Silent };
    }
    if let Some(judged) = open.and_then(verdict::judged) {
        return judged;
    }
    let usual_loss = past.day.loss_pct.unwrap_or(0.0);
    if past.now.loss_pct.is_some_and(|loss| loss >= LOSSY_PCT && loss > 3.0 * usual_loss) {
        return Health::Lossy;
    }
    let most = past.limit_us.or_else(|| past.day.hours_us.map(|(_, high)| high * 1.5 + 5_000.0));
    match (past.now.median_us, most) {
        (Some(median), Some(most)) if median > most => Health::Slow,
        _ => Health::Usual,
    }
}

/// `Ping answers as usual: median 12.1 ms in the last 10 min, ...`.
fn sentence(name: &str, health: Health, past: &Past, open: Option<&Alert>, at: UnixMs) -> String {
    let ms = |us: f64| words::value(Metric::Rtt, us as f32);
    let percent = |value: f64| words::value(Metric::Loss, value as f32);
    let mut text = format!("{name} is {}", health.words());
    if let Some(since) = open.map(|alert| alert.since) {
        text = format!("{text} since {}", words::moment(since, at));
    }
    let mut parts = Vec::new();
    match past.now.median_us {
        Some(median) => parts.push(format!("median {} in the last 10 min", ms(median))),
        None if past.now.probes > 0 => parts.push("no answer in the last 10 min".to_owned()),
        None => parts.push("no probe in the last 10 min".to_owned()),
    }
    if let (Some((low, high)), Some(median)) = (past.day.hours_us, past.day.median_us) {
        let usual = ms(median);
        parts.push(format!("{usual} in the 24 h before ({} to {} by the hour)", ms(low), ms(high)));
    }
    if let Some(limit) = past.limit_us {
        parts.push(format!("limit {}", ms(limit)));
    }
    if let Some(loss) = past.now.loss_pct {
        let day = past.day.loss_pct.map(|day| format!(", {} in the 24 h before", percent(day)));
        parts.push(format!("loss {}{}", percent(loss), day.unwrap_or_default()));
    }
    if past.silent >= SILENT {
        parts.push(format!("{} probes lost in a row", past.silent));
    }
    format!("{text}: {}", parts.join("; "))
}

impl HostStory {
    /// For people.
    pub(crate) fn text(&self, now: UnixMs) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}: {}.",
            model::text::printable(&self.host, 253),
            self.verdict.sentence
        );
        if !self.live {
            let when = words::moment(self.at, now);
            let _ = writeln!(text, "netmend does not run; this is how it was at {when}.");
        }
        let several = self.targets.iter().any(|target| {
            (&target.region, &target.family) != (&self.targets[0].region, &self.targets[0].family)
        });
        for target in &self.targets {
            let place = if several {
                let region = model::text::printable(&target.region, 80);
                format!(" [{region}, IPv{}]", target.family)
            } else {
                String::new()
            };
            let _ = writeln!(text, "  {}{place}.", target.sentence);
        }
        for sentence in &self.path {
            let _ = writeln!(text, "  Path {}.", sentence.replacen("By", "by", 1));
        }
        let (open, over): (Vec<_>, Vec<_>) =
            self.alerts.iter().partition(|line| line.ended.is_none());
        for (title, lines) in [("open alerts", open), ("alerts of the last 24 h", over)] {
            if !lines.is_empty() {
                let _ = writeln!(text, "{title}:");
            }
            for line in lines {
                let _ = writeln!(text, "  {}", line.text(now));
            }
        }
        text
    }
}

/// The span before something in which changes may have caused it.
pub(crate) const BEFORE: Duration = Duration::from_mins(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::past::Span;

    #[test]
    fn who_answered_a_minute_ago_is_silent_and_was_not_always() {
        let now =
            Span { probes: 160, loss_pct: Some(19.0), median_us: Some(17.0), ..Span::default() };
        let past = Past { now, day: Span::default(), silent: SILENT, limit_us: None };
        assert_eq!(health(&past, None, None), Health::Silent, "its daemon is younger than a day");
        let never = Span { probes: 160, loss_pct: Some(100.0), ..Span::default() };
        let past = Past { now: never, ..past };
        assert_eq!(health(&past, None, None), Health::Mute);
    }
}
