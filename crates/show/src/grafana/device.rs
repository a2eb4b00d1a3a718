//! The dashboard of a device that is asked over SNMP: how full its interfaces are, what goes wrong on them, and the
//! traffic of each. Which interfaces there are the database knows; queries are those of network-telemetry's README.

use std::time::Duration;

use super::Source;
use super::board::{Board, Choice, Figures, Shows, Unit, rising};
use super::name;
use super::query::Query;

/// How queries name the interfaces that are chosen.
const INTERFACE: &str = "interface";
/// A rate of what `/metrics` shows needs so many polls within its window, or it jumps: the counters change with a
/// poll, not with a scrape.
const POLLS_OF_A_RATE: u64 = 4;
/// Names of the two ways of traffic, each with its part of the fields of `InfluxDB` and of the names of metrics.
const WAYS: [(&str, &str, &str); 2] = [("received", "In", "receive"), ("sent", "Out", "transmit")];

/// What a graph shows of each interface.
#[derive(Clone, Copy, Debug)]
enum Figure {
    /// Traffic in bit/s: received above the line, sent below.
    Traffic,
    /// Share of the speed in percent, one way.
    Utilisation(usize),
    /// Packets a second of a kind, both ways: `Errors` or `Discards`.
    Faults(&'static str),
    /// Whether it passes packets.
    Status,
}

/// The dashboard of a device that is asked so often.
pub(super) fn board(source: &Source, device: &str, every: Duration) -> Board {
    let title = name::title(device);
    let mut board = Board::new(source, "device", device, format!("Device {title}"));
    board.choice = Some(choice(source, device));
    let poll_s = every.as_secs().max(1);
    let figures = |figure, unit, colours| {
        let (query, step_s) = match source {
            Source::Influxdb { .. } => (influx(device, figure), poll_s),
            Source::Prometheus => (prom(device, figure), POLLS_OF_A_RATE * poll_s),
        };
        Figures { query, unit, colours, step_s }
    };
    board.heading(format!("Interfaces of {title}"));
    let full = |way| figures(Figure::Utilisation(way), Unit::Percent, Some(rising(70.0, 90.0)));
    board.row(
        9,
        WAYS.into_iter()
            .enumerate()
            .map(|(way, (word, ..))| (12, format!("Utilisation, {word}"), Shows::Graph(full(way)))),
    );
    let faults = |of| Shows::Graph(figures(Figure::Faults(of), Unit::PacketsPerSecond, None));
    let down = match source {
        Source::Influxdb { .. } => 2,
        Source::Prometheus => 0,
    };
    board.row(
        9,
        [
            (8, "Errors".to_owned(), faults("Errors")),
            (8, "Discards".to_owned(), faults("Discards")),
            (
                8,
                format!("Status: 1 is up, {down} is down"),
                Shows::Graph(figures(Figure::Status, Unit::None, None)),
            ),
        ],
    );
    board.heading("Traffic: received above the line, sent below".to_owned());
    board.each(8, 8, INTERFACE, figures(Figure::Traffic, Unit::BitsPerSecond, None));
    board
}

fn choice(source: &Source, device: &str) -> Choice {
    let query = match source {
        Source::Influxdb { .. } => format!(
            "SHOW TAG VALUES FROM \"interface\" WITH KEY = \"ifName\" WHERE {}",
            name::influx("hostname", &[device])
        ),
        Source::Prometheus => format!(
            "label_values(netmend_interface_receive_bytes_total{{{}}}, interface)",
            name::prom("device", &[device])
        ),
    };
    Choice { name: INTERFACE, label: "Interface", query, all: true }
}

fn influx(device: &str, figure: Figure) -> Query {
    let rate = |how: &str, field: &str| format!("non_negative_derivative({how}(\"{field}\"), 1s)");
    // A rate that is not known, as after a restart, is left out, and the line would go on over it: with what is
    // known of the same step it is null, which is a gap.
    let gapped = |field: &str| format!("({} + 0 * last(\"{field}\"))", rate("mean", field));
    let (value, legend) = match figure {
        Figure::Traffic => {
            let [received, sent] = WAYS.map(|(_, way, _)| gapped(&format!("if{way}Octets")));
            (format!("{received} * 8 AS \"received\", {sent} * -8 AS \"sent\""), "$col")
        }
        Figure::Utilisation(way) => {
            let octets = rate("last", &format!("if{}Octets", WAYS[way].1));
            (format!("{octets} * 800 / max(\"ifSpeed\")"), "$tag_ifName")
        }
        Figure::Faults(kind) => {
            let [received, sent] = WAYS.map(|(_, way, _)| gapped(&format!("if{way}{kind}")));
            (format!("{received} + {sent}"), "$tag_ifName")
        }
        Figure::Status => ("last(\"ifOperStatus\")".to_owned(), "$tag_ifName"),
    };
    let hostname = name::influx("hostname", &[device]);
    let text = format!(
        "SELECT {value} FROM \"interface\" WHERE ({hostname} AND \"ifName\" =~ /^${INTERFACE}$/) AND $timeFilter \
         GROUP BY time($__interval), \"ifName\" fill(null)"
    );
    Query { text, legend: legend.to_owned(), instant: false }
}

fn prom(device: &str, figure: Figure) -> Query {
    let selector = format!("{},interface=~\"${INTERFACE}\"", name::prom("device", &[device]));
    let metric = |what: &str| format!("netmend_interface_{what}{{{selector}}}");
    let rate = |what: &str| format!("rate({}[$__rate_interval])", metric(what));
    let (text, legend) = match figure {
        Figure::Traffic => {
            let way = |times: i32, (word, _, way): (&str, &str, &str)| {
                let rate = rate(&format!("{way}_bytes_total"));
                let value = format!("{times} * max by (interface) ({rate})");
                format!("label_replace({value}, \"direction\", \"{word}\", \"\", \"\")")
            };
            let [received, sent] = [way(8, WAYS[0]), way(-8, WAYS[1])];
            (format!("{received} or {sent}"), "{{direction}}")
        }
        Figure::Utilisation(way) => {
            let octets = rate(&format!("{}_bytes_total", WAYS[way].2));
            let speed = metric("speed_bytes");
            let text =
                format!("100 * max by (interface) ({octets}) / max by (interface) ({speed} > 0)");
            (text, "{{interface}}")
        }
        Figure::Faults(kind) => {
            let kind = kind.to_ascii_lowercase();
            let [received, sent] = WAYS.map(|(_, _, way)| rate(&format!("{way}_{kind}_total")));
            (format!("max by (interface) ({received} + {sent})"), "{{interface}}")
        }
        Figure::Status => (format!("max by (interface) ({})", metric("up")), "{{interface}}"),
    };
    Query { text, legend: legend.to_owned(), instant: false }
}
