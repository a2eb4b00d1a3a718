//! The text of a ticket for the carrier: what an operator there asks for first, in UTC, to be copied as it
//! is. It names no host but the target and the routers on the way.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use model::alert::words;
use model::{Alert, Metric, Path, Subject, UnixMs};
use store::Error;

use super::host::Archive;
use super::past::{DAY, Span, Stored, span};
use super::table;
use crate::evidence::Moment;

/// Writes it; empty for alerts that are not about one target, whose path and figures would say nothing.
pub(crate) fn write(
    archive: &Archive<'_>,
    alert: &Alert,
    moment: Option<&Moment>,
    site: Option<&str>,
) -> Result<String, Error> {
    let Subject::Target(target) = &alert.subject else { return Ok(String::new()) };
    let all = Stored::all(archive.samples)?;
    let Some(stored) = all.iter().find(|stored| stored.rtt.id() == target.series) else {
        return Ok(String::new());
    };
    let until = alert.ended.unwrap_or(archive.now);
    let during = span(archive.samples, stored, alert.since..until)?;
    let before = span(archive.samples, stored, alert.since - DAY..alert.since)?;
    let path = moment.and_then(|moment| moment.path.as_ref().or(moment.good.as_ref()));
    let address =
        path.map(|path| path.to).or_else(|| archive.row(stored).and_then(|row| row.address));
    let name = model::text::printable(&target.host, 253);
    let to = match address {
        Some(address) if address.to_string() != name => format!("{name} ({address})"),
        _ => name,
    };
    let by = match target.protocol {
        model::Protocol::Icmp => "ICMP echo".to_owned(),
        model::Protocol::Tcp(port) => format!("TCP SYN to port {port}"),
    };
    let mut text = format!("Fault on the path to {to}\n\n");
    let mut line = |title: &str, value: String| {
        let _ = writeln!(text, "{title:<12}{value}");
    };
    line("From:", utc(alert.since));
    line(
        "To:",
        match alert.ended {
            Some(ended) => utc(ended),
            None => format!("still so at {}", utc(archive.now)),
        },
    );
    let source = path.and_then(|path| path.from).map(|from| from.to_string());
    let place = site.map(|site| model::text::printable(site, 80));
    if let Some(source) = [source, place].into_iter().flatten().reduce(|a, b| format!("{a} ({b})"))
    {
        line("Source:", source);
    }
    line("Target:", format!("{to}, measured by {by}"));
    line("Loss:", format!("{}; in the 24 h before {}", loss(&during), loss(&before)));
    line("RTT:", format!("{}; in the 24 h before {}", rtt(&during), rtt(&before)));
    if let Some(moment) = moment {
        traces(&mut text, moment);
    }
    Ok(text)
}

fn traces(text: &mut String, moment: &Moment) {
    let mut one = |title: &str, path: Option<&Path>| {
        let Some(path) = path else { return };
        let table = table::lines(path, &HashMap::new()) + &table::end(path);
        let by = path.method.as_str();
        let _ = write!(text, "\nPath {title}, {}, by {by}:\n{table}", utc(path.at));
    };
    one("before", moment.good.as_ref());
    one("at the moment", moment.path.as_ref());
    if moment.path.is_none() || moment.change.is_some() {
        let _ = writeln!(text, "\n{}.", moment.sentence());
    }
}

/// `34 % of 1800 probes`.
fn loss(span: &Span) -> String {
    match span.loss_pct {
        Some(loss) => {
            format!("{} of {} probes", words::value(Metric::Loss, loss as f32), span.probes)
        }
        None => "unknown".to_owned(),
    }
}

/// `median 48.1 ms, 90th percentile 60 ms`.
fn rtt(span: &Span) -> String {
    let ms = |us: f64| words::value(Metric::Rtt, us as f32);
    match (span.median_us, span.p90_us) {
        (Some(median), Some(p90)) => format!("median {}, 90th percentile {}", ms(median), ms(p90)),
        _ => "no answers".to_owned(),
    }
}

/// `2026-11-22 10:02:13 UTC`.
fn utc(at: UnixMs) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => "unknown".to_owned(),
    }
}
