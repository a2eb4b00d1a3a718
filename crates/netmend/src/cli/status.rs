//! `netmend status`: how the running daemon and its targets are, through the control socket. It probes
//! nothing and reads no store.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::figures::{percent, rtt};
use super::stdout::{self, Form};
use crate::control::Client;
use crate::data;
use crate::report::Report;

/// Targets of one question, the most that the API gives.
const PAGE: usize = 10_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 the daemon answered, 1 none runs on this data folder, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Data folder of the daemon [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print: lines, worst targets first, or one JSON object `{"system","targets"}` with the members
    /// of the API.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

/// What the daemon says, as it says it.
#[derive(Debug, Serialize)]
struct Status {
    system: Value,
    targets: Vec<Value>,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let status = ask(&Client::new(data::folder(args.data)?)?)?;
    let text = match args.output {
        Form::Json => stdout::json_lines([&status])?,
        Form::Text => {
            let odd = |why| Report::because("the daemon is of another version", &why).code(4);
            let system = System::deserialize(&status.system).map_err(odd)?;
            let rows: Result<Vec<_>, _> = status.targets.iter().map(Row::deserialize).collect();
            head(&system) + &table(&rows.map_err(odd)?)
        }
    };
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn ask(client: &Client) -> Result<Status, Report> {
    /// A page of the API's list.
    #[derive(Deserialize)]
    struct Page {
        pages: usize,
        targets: Vec<Value>,
    }
    let system = client.get("/api/v1/system")?;
    let mut targets = Vec::new();
    for page in 1.. {
        let path = format!("/api/v1/targets?sort=state&limit={PAGE}&page={page}");
        let found: Page = client.get(&path)?;
        targets.extend(found.targets);
        if page >= found.pages {
            break;
        }
    }
    Ok(Status { system, targets })
}

/// What is shown of `/api/v1/system`.
#[derive(Deserialize)]
struct System {
    version: String,
    site: String,
    uptime_s: f64,
    stages: Vec<Stage>,
    warnings: Vec<Warning>,
    #[serde(default)]
    sinks: Vec<Sink>,
}

#[derive(Deserialize)]
struct Sink {
    name: String,
    kind: String,
    sent: u64,
    waiting: u64,
    waiting_bytes: u64,
    dropped: u64,
    failing: Option<String>,
}

#[derive(Deserialize)]
struct Stage {
    name: String,
    stuck: Option<String>,
}

#[derive(Deserialize)]
struct Warning {
    text: String,
    fix: String,
}

/// What is shown of a target of `/api/v1/targets`.
#[derive(Deserialize)]
struct Row {
    state: String,
    host: String,
    region: String,
    protocol: String,
    address: Option<String>,
    rtt_us: Option<f64>,
    median_us: Option<f64>,
    jitter_us: Option<f64>,
    loss_pct: Option<f64>,
}

fn head(system: &System) -> String {
    let System { version, site, uptime_s, .. } = system;
    let mut text = format!("netmend {version} at {site}, up for {}\n", span(*uptime_s));
    for Stage { name, stuck } in &system.stages {
        if let Some(why) = stuck {
            let _ = writeln!(text, "warning: {name} does not move: {why}");
        }
    }
    for Warning { text: what, fix } in &system.warnings {
        let _ = writeln!(text, "warning: {}", what.replace('\n', "\n  "));
        if !fix.is_empty() {
            let _ = writeln!(text, "  fix: {fix}");
        }
    }
    for Sink { name, kind, sent, waiting, waiting_bytes, dropped, failing } in &system.sinks {
        let state = if failing.is_some() { "failing" } else { "taking" };
        let _ =
            write!(text, "sink {name} ({kind}): {state}, {sent} points sent, {waiting} waiting");
        let _ = write!(text, " ({} KiB)", waiting_bytes.div_ceil(1 << 10));
        let _ = if *dropped > 0 { writeln!(text, ", {dropped} given up") } else { writeln!(text) };
    }
    text
}

/// `3 d 4 h`, `12 min`, `40 s`: the two largest units that there are, of three.
fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).floor();
    let (hours, days) = ((minutes / 60.0).floor(), (minutes / 1_440.0).floor());
    match minutes {
        minutes if minutes < 1.0 => format!("{seconds:.0} s"),
        minutes if minutes < 60.0 => format!("{minutes} min"),
        minutes if minutes < 1_440.0 => format!("{hours} h {} min", minutes % 60.0),
        _ => format!("{days} d {} h", hours % 24.0),
    }
}

const TITLES: [&str; 9] =
    ["state", "host", "region", "by", "address", "rtt", "median", "jitter", "loss"];
/// Columns of words come first; the rest are numbers, which stand right.
const WORDS: usize = 5;

fn table(rows: &[Row]) -> String {
    let mut lines = vec![TITLES.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let mut widths = [0; TITLES.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let start = text.len();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            let _ = match column {
                0..WORDS => write!(text, "{cell:<width$}  "),
                _ => write!(text, "{cell:>width$}  "),
            };
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> [String; TITLES.len()] {
    let us = |value: Option<f64>| rtt(value.map(|us| us * 1e3));
    [
        row.state.replace('_', " "),
        row.host.clone(),
        row.region.clone(),
        row.protocol.clone(),
        row.address.clone().unwrap_or_else(|| "-".into()),
        us(row.rtt_us),
        us(row.median_us),
        us(row.jitter_us),
        percent(row.loss_pct),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_two_largest_units() {
        let cases = [
            (0.4, "0 s"),
            (59.0, "59 s"),
            (60.0, "1 min"),
            (3_600.0, "1 h 0 min"),
            (5_000.0, "1 h 23 min"),
            (90_000.0, "1 d 1 h"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn warnings_stand_with_their_fix_above_aligned_targets() {
        let system = System {
            version: "1.2.3".into(),
            site: "here".into(),
            uptime_s: 61.0,
            stages: vec![
                Stage { name: "measure".into(), stuck: None },
                Stage { name: "store".into(), stuck: Some("disk full".into()) },
            ],
            warnings: vec![Warning { text: "one\ntwo".into(), fix: "do it".into() }],
            sinks: vec![Sink {
                name: "db:8086/nt".into(),
                kind: "InfluxDB 1.6.7".into(),
                sent: 10,
                waiting: 5,
                waiting_bytes: 2_000,
                dropped: 0,
                failing: Some("db:8086 cannot be reached".into()),
            }],
        };
        let row = |state: &str, host: &str, us: Option<f64>| Row {
            state: state.into(),
            host: host.into(),
            region: "r".into(),
            protocol: "icmp".into(),
            address: us.map(|_| "192.0.2.1".into()),
            rtt_us: us,
            median_us: us,
            jitter_us: None,
            loss_pct: Some(if us.is_some() { 0.0 } else { 100.0 }),
        };
        let rows = [row("never_answered", "a.example", None), row("up", "b", Some(120.0))];
        let shown = head(&system) + &table(&rows);
        let expected = "\
netmend 1.2.3 at here, up for 1 min
warning: store does not move: disk full
warning: one
  two
  fix: do it
sink db:8086/nt (InfluxDB 1.6.7): failing, 10 points sent, 5 waiting (2 KiB)
state           host       region  by    address      rtt  median  jitter  loss
never answered  a.example  r       icmp  -              -       -       -  100%
up              b          r       icmp  192.0.2.1  120µs   120µs       -    0%
";
        assert_eq!(shown, expected);
    }
}
