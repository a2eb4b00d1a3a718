//! The dashboard of a region, as network-telemetry makes it: RTT and reliability of its hosts as graphs and as
//! figures, those asked by ping first, then those asked by TCP.

use std::collections::HashMap;
use std::time::Duration;

use model::{Protocol, Target};

use super::board::{Board, Colour, Figures, Shows, Unit, reliability, rising};
use super::query::{Asked, Figure, Span, Split, Way, Whom, query};
use super::{Source, name};

/// So many hosts share a graph: more lines cannot be told apart.
const HOSTS_OF_A_GRAPH: usize = 20;
/// Above this an RTT is orange, and red, unless the target has a limit of its own.
const RTT: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(250)];

/// The targets of a region.
pub(super) struct Region<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its targets, in the order of the configuration.
    pub(super) targets: Vec<&'a Target>,
}

impl<'a> Region<'a> {
    /// Those that are asked in this way.
    pub(super) fn asked(&self, way: Way) -> impl Iterator<Item = &'a Target> {
        self.targets.iter().copied().filter(move |target| way_of(target) == way)
    }
}

/// How a target is asked.
pub(super) fn way_of(target: &Target) -> Way {
    match target.protocol {
        Protocol::Icmp => Way::Ping,
        Protocol::Tcp(_) => Way::Tcp,
    }
}

/// The targets by region, in the order of the configuration.
pub(super) fn regions(targets: &[Target]) -> Vec<Region<'_>> {
    let mut regions: Vec<Region<'_>> = Vec::new();
    let mut places = HashMap::new();
    for target in targets {
        let place = *places.entry(target.region.as_str()).or_insert_with(|| {
            regions.push(Region { name: &target.region, targets: Vec::new() });
            regions.len() - 1
        });
        regions[place].targets.push(target);
    }
    regions
}

/// The dashboard of a region.
pub(super) fn board(source: &Source, region: &Region<'_>) -> Board {
    let mut board = Board::new(source, "region", region.name, name::title(region.name));
    for way in Way::ALL {
        let hosts = hosts(region, way);
        if hosts.is_empty() {
            continue;
        }
        board.heading(format!("{} {}", way.title(), name::title(region.name)));
        for (number, hosts) in hosts.chunks(HOSTS_OF_A_GRAPH).enumerate() {
            let part = |what: &str| match number {
                0 => format!("{} {what}", way.title()),
                more => format!("{} {what} ({})", way.title(), more + 1),
            };
            board.row(
                9,
                graphs(source, region.name, way, hosts)
                    .map(|(what, shows)| (12, part(what), shows)),
            );
        }
        board.row(
            3,
            hosts.iter().flat_map(|host| {
                host.targets.iter().flat_map(|target| figures(source, target, host.split))
            }),
        );
    }
    board
}

/// The targets of one host in a region that are asked in one way.
struct Host<'a> {
    name: &'a str,
    targets: Vec<&'a Target>,
    split: Split,
}

/// The hosts of a region, in the order of the configuration.
fn hosts<'a>(region: &Region<'a>, way: Way) -> Vec<Host<'a>> {
    let mut hosts: Vec<Host<'a>> = Vec::new();
    let mut places = HashMap::new();
    for target in region.asked(way) {
        let place = *places.entry(target.host.as_str()).or_insert_with(|| {
            hosts.push(Host { name: &target.host, targets: Vec::new(), split: Split::default() });
            hosts.len() - 1
        });
        let host = &mut hosts[place];
        if let Some(first) = host.targets.first() {
            host.split.port |= first.protocol != target.protocol;
            host.split.family |= first.family != target.family;
        }
        host.targets.push(target);
    }
    hosts
}

/// RTT and reliability of some hosts as graphs.
fn graphs(
    source: &Source,
    region: &str,
    way: Way,
    hosts: &[Host<'_>],
) -> [(&'static str, Shows); 2] {
    let names: Vec<&str> = hosts.iter().map(|host| host.name).collect();
    let split = hosts.iter().fold(Split::default(), |split, host| split.or(host.split));
    let steps = hosts.iter().flat_map(|host| &host.targets).map(|target| step_s(target));
    let step_s = steps.max().unwrap_or(1);
    let whom = Whom::Hosts { region, hosts: &names, split };
    let graph = |figure, unit, colours| {
        let query = query(source, figure, way, whom, Span::Steps);
        Shows::Graph(Figures { query, unit, colours: Some(colours), step_s })
    };
    let unit = Unit::of_rtt(source);
    [
        ("RTT", graph(Figure::Rtt, unit, colours(RTT, unit))),
        ("reliability", graph(Figure::Reliability, Unit::Percent, reliability())),
    ]
}

/// The two figures of a target: its RTT and how reliable it is.
fn figures(source: &Source, target: &Target, split: Split) -> [(u32, String, Shows); 2] {
    let port = match target.protocol {
        Protocol::Icmp => None,
        Protocol::Tcp(port) => Some(port),
    };
    let (region, host, family) = (&*target.region, &*target.host, target.family.as_str());
    let whom = Whom::Target(Asked { region, host, port, family, split });
    let stat = |figure, span, unit, colours| {
        let query = query(source, figure, way_of(target), whom, span);
        Shows::Stat(Figures { query, unit, colours: Some(colours), step_s: step_s(target) })
    };
    let unit = Unit::of_rtt(source);
    let limits = match target.limits.latency {
        Some(limit) => [limit.mul_f64(0.75), limit],
        None => RTT,
    };
    let title = name::title(&target.to_string());
    let family = if split.family { format!(" IPv{family}") } else { String::new() };
    [
        (
            4,
            format!("{title}{family}"),
            stat(Figure::Rtt, Span::Steps, unit, colours(limits, unit)),
        ),
        (
            4,
            format!("{title}{family} %"),
            stat(Figure::Reliability, Span::Whole, Unit::Percent, reliability()),
        ),
    ]
}

/// The least step in which each probe of the target leaves a value.
pub(super) fn step_s(target: &Target) -> u64 {
    (2 * target.interval).as_secs().max(1)
}

/// Colours of an RTT.
fn colours(limits: [Duration; 2], unit: Unit) -> [Colour; 3] {
    let [warn, bad] = limits.map(|limit| match unit {
        Unit::Seconds => limit.as_secs_f64(),
        _ => limit.as_secs_f64() * 1_000.0,
    });
    rising(warn, bad)
}
