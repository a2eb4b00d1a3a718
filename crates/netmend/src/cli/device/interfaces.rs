//! `netmend device interfaces`: one poll, or two for rates, as the daemon does it. It stores nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use measure::snmp::{Asked, SnmpError, ask_once, rates};
use model::{
    AdminStatus, Both, DeviceReading, InterfaceReading, OperStatus, Rates, SystemClock, bit_rate,
};
use serde::Serialize;

use super::{BAD_ARGUMENTS, FAILED, UNKNOWN, block_on};
use crate::cli::figures;
use crate::cli::stdout::{self, Form};
use crate::config::{self, DURATION_HELP, Settings, Sources};
use crate::polling;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
JSON is an object an interface, with the keys device, name, index, description, alias, speed_bps, admin, oper, \
octets, wide, errors, discards, uptime_s and, with --rates, bits, utilisation, error_rate, discard_rate, gap. \
What the device does not tell is null.

Exit codes: 0 the device answered, 1 it did not or refused, 2 the inventory has no such device or it is not \
asked over SNMP, 3 bad arguments.")]
pub(super) struct Args {
    /// Name of the device.
    device: String,
    /// Configuration with the device and how it is asked.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Ask twice, so long apart, and print the rates in between.
    #[arg(long, value_name = "DUR", value_parser = span)]
    rates: Option<Duration>,
    /// How to print.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

fn span(typed: &str) -> Result<Duration, String> {
    let span = config::duration(typed).ok_or(DURATION_HELP)?;
    let range = Duration::from_secs(1)..=Duration::from_hours(1);
    if range.contains(&span) { Ok(span) } else { Err("1s to 1h".to_owned()) }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Report> {
    let asked = find(args)?;
    let failed = |why: SnmpError| {
        Report::because(format!("cannot ask {} over SNMP", args.device), &why).code(FAILED)
    };
    let asking = async {
        let first = ask_once(&asked, &SystemClock).await?;
        let Some(apart) = args.rates else { return Ok((first, None)) };
        tokio::time::sleep(apart).await;
        let second = ask_once(&asked, &SystemClock).await?;
        Ok((second, Some(first)))
    };
    let (reading, before) = block_on(asking)?.map_err(failed)?;
    let rows = reading.interfaces.iter().map(|after| {
        let before = before.as_ref().and_then(|before| since(before, after, &reading));
        (after, before)
    });
    let rows: Vec<(&InterfaceReading, Option<Rates>)> = rows.collect();
    let text = match args.output {
        Form::Text => table(&asked, &reading, &rows, args.rates.is_some()),
        Form::Json => {
            let rows = rows.iter().map(|(one, rates)| Row::of(&asked.device, one, *rates));
            stdout::json_lines(rows)?
        }
    };
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// The rates of an interface since an earlier reading, if it was there.
fn since(
    before: &DeviceReading,
    after: &InterfaceReading,
    reading: &DeviceReading,
) -> Option<Rates> {
    let old = before.interfaces.iter().find(|old| old.name == after.name)?;
    Some(rates(old, after, reading.monotonic.saturating_sub(before.monotonic)))
}

/// The device as the configuration says it is asked.
fn find(args: &Args) -> Result<Asked, Report> {
    let sources = Sources { config: Some(args.config.clone()), ..Sources::default() };
    let settings: Settings = config::load(&sources)
        .map_err(|problems| Report::new(problems.to_string()).code(BAD_ARGUMENTS))?;
    let all = polling::asked(&settings.inventory);
    if let Some(asked) = all.iter().find(|asked| *asked.device == args.device) {
        return Ok(asked.clone());
    }
    let name = &args.device;
    if settings.inventory.device(name).is_some() {
        let help =
            "add `snmp: { community: \"${env:NAME}\" }` to the device, or for all at the top";
        return Err(Report::new(format!("{name} is not asked over SNMP")).help(help).code(UNKNOWN));
    }
    let names: Vec<&str> = all.iter().take(20).map(|asked| &*asked.device).collect();
    let help = format!("devices that are asked: {}", names.join(", "));
    Err(Report::new(format!("the inventory has no device {name}")).help(help).code(UNKNOWN))
}

/// An interface, as JSON.
#[derive(Serialize)]
struct Row<'r> {
    device: &'r str,
    name: &'r str,
    index: u32,
    description: &'r str,
    alias: &'r str,
    speed_bps: Option<u64>,
    admin: AdminStatus,
    oper: OperStatus,
    octets: Both<Option<u64>>,
    wide: bool,
    errors: Both<Option<u32>>,
    discards: Both<Option<u32>>,
    uptime_s: f64,
    bits: Option<Both<Option<f64>>>,
    utilisation: Option<Both<Option<f64>>>,
    error_rate: Option<Both<Option<f64>>>,
    discard_rate: Option<Both<Option<f64>>>,
    gap: Option<&'static str>,
}

impl<'r> Row<'r> {
    fn of(device: &'r str, one: &'r InterfaceReading, rates: Option<Rates>) -> Self {
        Self {
            device,
            name: &one.name,
            index: one.index,
            description: &one.descr,
            alias: &one.alias,
            speed_bps: one.speed_bps,
            admin: one.admin,
            oper: one.oper,
            octets: one.octets,
            wide: one.wide,
            errors: one.errors,
            discards: one.discards,
            uptime_s: f64::from(one.uptime) / 100.0,
            bits: rates.map(|rates| rates.bits),
            utilisation: rates.map(|rates| rates.utilisation),
            error_rate: rates.map(|rates| rates.errors),
            discard_rate: rates.map(|rates| rates.discards),
            gap: rates.and_then(|rates| rates.gap).map(model::Gap::as_str),
        }
    }
}

/// The interfaces as a table, each column as wide as it must be.
fn table(
    asked: &Asked,
    reading: &DeviceReading,
    rows: &[(&InterfaceReading, Option<Rates>)],
    with_rates: bool,
) -> String {
    let uptime = Duration::from_secs(u64::from(reading.uptime) / 100);
    let mut text = format!(
        "{} at {}: {}, up {}, {} in {} and {} ms\n",
        asked.device,
        asked.address,
        if reading.sys_name.is_empty() { "without a name" } else { &reading.sys_name },
        jiff::fmt::friendly::SpanPrinter::new()
            .duration_to_string(&jiff::SignedDuration::try_from(uptime).unwrap_or_default()),
        stdout::count(reading.interfaces.len(), "interface"),
        stdout::count(reading.requests as usize, "request"),
        reading.took.as_millis()
    );
    let numbers: [&str; 4] = if with_rates {
        ["in", "out", "errors/s", "discards/s"]
    } else {
        ["octets in", "octets out", "errors", "discards"]
    };
    let mut cells: Vec<Vec<String>> = vec![
        ["interface", "state", "speed"]
            .into_iter()
            .chain(numbers)
            .chain(["alias"])
            .map(str::to_owned)
            .collect(),
    ];
    for (one, rates) in rows {
        let state = match (one.admin, one.oper) {
            (AdminStatus::Down, _) => "shut".to_owned(),
            (_, oper) => oper.as_str().to_owned(),
        };
        let speed = one.speed_bps.map_or_else(|| "-".to_owned(), |bits| bit_rate(bits as f64));
        let numbers = if with_rates { rated(rates.as_ref()) } else { counted(one) };
        let row = [one.name.to_string(), state, speed].into_iter().chain(numbers);
        cells.push(row.chain([one.alias.to_string()]).collect());
    }
    let widths: Vec<usize> = (0..cells[0].len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in &cells {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn counted(one: &InterfaceReading) -> [String; 4] {
    let wide = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let narrow = |both: Both<Option<u32>>| match (both.received, both.sent) {
        (None, None) => "-".to_owned(),
        (received, sent) => {
            (u64::from(received.unwrap_or(0)) + u64::from(sent.unwrap_or(0))).to_string()
        }
    };
    [wide(one.octets.received), wide(one.octets.sent), narrow(one.errors), narrow(one.discards)]
}

fn rated(rates: Option<&Rates>) -> [String; 4] {
    let none = || "-".to_owned();
    let Some(rates) = rates else { return [none(), none(), none(), none()] };
    if let Some(gap) = rates.gap {
        return [gap.as_str().to_owned(), none(), none(), none()];
    }
    let bits = |bits: Option<f64>, share: Option<f64>| {
        let share = share.map(|share| format!(" ({})", figures::percent(Some(share))));
        bits.map_or_else(none, |bits| bit_rate(bits) + &share.unwrap_or_default())
    };
    let packets = |both: Both<Option<f64>>| match (both.received, both.sent) {
        (None, None) => none(),
        (received, sent) => format!("{:.2}", received.unwrap_or(0.0) + sent.unwrap_or(0.0)),
    };
    [
        bits(rates.bits.received, rates.utilisation.received),
        bits(rates.bits.sent, rates.utilisation.sent),
        packets(rates.errors),
        packets(rates.discards),
    ]
}
