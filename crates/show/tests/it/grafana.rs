//! The dashboards for Grafana against real databases: every query of every panel, with Grafana's variables filled
//! in as Grafana does it, gives the numbers computed here from the samples that were written. Their form is held
//! against Grafana's own types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use model::{Family, Protocol, Target};
use netmend_show::grafana::{File, Flavour, Settings, Source, Watched, export};
use serde_json::Value;

use crate::databases::Database;

mod devices;

/// 2026-11-21 20:00:00 UTC, on the hour as Grafana's steps are.
const FROM: i64 = 1_795_291_200;
/// The hour that the dashboards show.
const SPAN: i64 = 3_600;
/// Steps of the graphs, in seconds.
const STEP: i64 = 60;
/// Time between two probes, and between two scrapes.
const EVERY: i64 = 10;

/// What an answer is held against: labels of a line, and its points as seconds and value; `None` is a gap.
type Lines = BTreeMap<BTreeMap<String, String>, Vec<(i64, Option<f64>)>>;

fn targets() -> Vec<Target> {
    let both =
        |family| Target { family, ..Target::new("both.example.net", "plain", Protocol::Icmp) };
    let mut targets = vec![
        Target::new("www.example.net", "plain", Protocol::Icmp),
        both(Family::V4),
        both(Family::V6),
        Target::new("db.example.net", "plain", Protocol::Tcp(5432)),
        Target::new("web.example.net", "plain", Protocol::Tcp(80)),
        Target::new("web.example.net", "plain", Protocol::Tcp(443)),
        Target::new("dead.example.net", "plain", Protocol::Tcp(22)),
    ];
    let hostile = [
        "it's \"a\" \\ b, c=d",
        "$__interval [[x]] $timeFilter",
        "a/b)|(.*",
        "Zürich äöλ 東京",
        "PLAIN",
    ];
    for region in hostile {
        targets.push(Target::new("www.example.net", region, Protocol::Icmp));
        targets.push(Target::new("fe80::1%a$b[[c]]", region, Protocol::Tcp(443)));
    }
    targets
        .extend((0..23).map(|n| Target::new(&format!("h{n}.example.net"), "many", Protocol::Icmp)));
    targets
}

/// Round-trip time of a probe in milliseconds; `None` is lost.
fn probe(target: &Target, at: i64) -> Option<f64> {
    if target.host.starts_with("dead") {
        return None;
    }
    let number = xxhash(&format!("{} {target} {:?} {at}", target.region, target.family));
    (!number.is_multiple_of(7)).then(|| 1.0 + (number % 10_000) as f64 / 100.0)
}

/// A number that looks like any other.
fn xxhash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
    })
}

/// When probes are sent, in seconds: also before and after the hour that is shown.
fn times() -> impl Iterator<Item = i64> + Clone {
    (FROM - 600..FROM + SPAN + 600).step_by(EVERY as usize)
}

/// The points as docs/influxdb.md says.
fn line_protocol(targets: &[Target]) -> String {
    let mut out = String::new();
    let tag = |text: &str| text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ");
    for target in targets {
        let same = |other: &&Target| {
            (&other.host, &other.region) == (&target.host, &target.region)
                && matches!(other.protocol, Protocol::Icmp)
                    == matches!(target.protocol, Protocol::Icmp)
        };
        let twins: Vec<&Target> = targets.iter().filter(same).collect();
        let mut tags = format!("host={},region={}", tag(&target.host), tag(&target.region));
        if twins.iter().any(|twin| twin.family != target.family) {
            write!(tags, ",family={}", target.family.as_str()).unwrap();
        }
        if let Protocol::Tcp(port) = target.protocol
            && twins.iter().any(|twin| twin.protocol != target.protocol)
        {
            write!(tags, ",port={port}").unwrap();
        }
        for at in times() {
            let ms = at * 1_000;
            let line = match (target.protocol, probe(target, at)) {
                (Protocol::Icmp, Some(rtt)) => {
                    format!(
                        "ping_rtt,{tags} transmitted=1,received=1,loss=0,min={rtt},avg={rtt},max={rtt} {ms}"
                    )
                }
                (Protocol::Icmp, None) => {
                    format!("ping_rtt,{tags} transmitted=1,received=0,loss=100 {ms}")
                }
                (Protocol::Tcp(_), Some(rtt)) => format!(
                    "tcp_rtt,{tags} transmitted=0,received={},max_rtt={rtt},min_rtt={rtt},avg_rtt={rtt},packet_sent=1,\
                     packet_received=1,packet_lost=0,packet_lost_percent=0 {ms}",
                    rtt / 1_000.0
                ),
                (Protocol::Tcp(_), None) => format!(
                    "tcp_rtt,{tags} transmitted=0,packet_sent=1,packet_received=0,packet_lost=1,\
                     packet_lost_percent=100 {ms}"
                ),
            };
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

/// The targets as a scrape of `/metrics` leaves them, or, without counters, as remote write does.
fn open_metrics(targets: &[Target], counters: bool) -> String {
    let mut out = String::new();
    let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let labels = |target: &Target| {
        format!(
            "host=\"{}\",region=\"{}\",protocol=\"{}\",family=\"{}\"",
            escape(&target.host),
            escape(&target.region),
            target.protocol,
            target.family.as_str()
        )
    };
    let mut family =
        |name: &str, kind: &str, value: &dyn Fn(&Target, i64, &mut f64) -> Option<f64>| {
            writeln!(out, "# TYPE {} {kind}", name.strip_suffix("_total").unwrap_or(name)).unwrap();
            for target in targets {
                // Far from zero: near it, `increase` guesses that the counter began within the window.
                let mut sum = 1_000_000.0;
                for at in times() {
                    if let Some(value) = value(target, at, &mut sum) {
                        writeln!(out, "{name}{{{}}} {value} {at}", labels(target)).unwrap();
                    }
                }
            }
        };
    family("netmend_target_rtt_seconds", "gauge", &|target, at, _| {
        probe(target, at).map(|rtt| rtt / 1_000.0)
    });
    family("netmend_target_loss_ratio", "gauge", &|target, at, _| {
        Some(if probe(target, at).is_some() { 0.0 } else { 1.0 })
    });
    if counters {
        family("netmend_target_probes_sent_total", "counter", &|_, _, sum| {
            *sum += 1.0;
            Some(*sum)
        });
        family("netmend_target_probes_received_total", "counter", &|target, at, sum| {
            *sum += f64::from(u8::from(probe(target, at).is_some()));
            Some(*sum)
        });
        family("netmend_target_probes_unknown_total", "counter", &|_, _, _| Some(3.0));
    }
    out.push_str("# EOF\n");
    out
}

/// What a panel shows, said anew from its place and its title.
struct Wanted<'a> {
    /// Whose samples make which line.
    lines: BTreeMap<BTreeMap<String, String>, Vec<&'a Target>>,
    reliability: bool,
    whole: bool,
}

fn is_ping(target: &Target) -> bool {
    target.protocol == Protocol::Icmp
}

/// The lines of all panels of a dashboard, in the order in which people would list them: by way, graphs then figures.
fn wanted<'a>(targets: &'a [Target], region: Option<&str>, prometheus: bool) -> Vec<Wanted<'a>> {
    let mut all = Vec::new();
    for ping in [true, false] {
        let of: Vec<&Target> = targets
            .iter()
            .filter(|t| is_ping(t) == ping && region.is_none_or(|region| t.region == region))
            .collect();
        if of.is_empty() {
            continue;
        }
        match region {
            None => overview(&of, &mut all),
            Some(_) => of_region(&of, prometheus, &mut all),
        }
    }
    all
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn overview<'a>(of: &[&'a Target], all: &mut Vec<Wanted<'a>>) {
    let mut regions: Vec<&str> = Vec::new();
    for target in of {
        if !regions.contains(&&*target.region) {
            regions.push(&target.region);
        }
    }
    let line = |region: &str| {
        let members = of.iter().copied().filter(|target| target.region == region).collect();
        (pairs([("region", region)]), members)
    };
    for region in &regions {
        let lines = BTreeMap::from([line(region)]);
        all.push(Wanted { lines, reliability: true, whole: true });
    }
    for reliability in [false, true] {
        let lines = regions.iter().map(|region| line(region)).collect();
        all.push(Wanted { lines, reliability, whole: false });
    }
}

fn of_region<'a>(of: &[&'a Target], prometheus: bool, all: &mut Vec<Wanted<'a>>) {
    let mut hosts: Vec<&str> = Vec::new();
    for target in of {
        if !hosts.contains(&&*target.host) {
            hosts.push(&target.host);
        }
    }
    let twins = |host: &str| of.iter().copied().filter(move |t| t.host == host).collect::<Vec<_>>();
    let several = |host: &str, differ: fn(&Target, &Target) -> bool| {
        twins(host).iter().any(|t| differ(t, twins(host)[0]))
    };
    let (ports, families) = (
        |host: &str| several(host, |a, b| a.protocol != b.protocol),
        |host: &str| several(host, |a, b| a.family != b.family),
    );
    let named = |target: &Target| {
        let protocol = target.protocol.to_string();
        pairs([("host", &target.host), ("protocol", &protocol), ("family", target.family.as_str())])
    };
    for chunk in hosts.chunks(20) {
        let (port, family) = (chunk.iter().any(|h| ports(h)), chunk.iter().any(|h| families(h)));
        for reliability in [false, true] {
            let mut lines: BTreeMap<_, Vec<&Target>> = BTreeMap::new();
            for host in chunk {
                for target in twins(host) {
                    let mut line = pairs([("host", host)]);
                    if prometheus {
                        line = named(target);
                    } else {
                        // A tag that was not needed, and so was not written, is empty.
                        let port_of = target.protocol.to_string().split_off(4);
                        if port {
                            line.insert(
                                "port".into(),
                                if ports(host) { port_of } else { String::new() },
                            );
                        }
                        if family {
                            let own = if families(host) { target.family.as_str() } else { "" };
                            line.insert("family".into(), own.into());
                        }
                    }
                    lines.entry(line).or_default().push(target);
                }
            }
            all.push(Wanted { lines, reliability, whole: false });
        }
    }
    for target in hosts.iter().flat_map(|host| twins(host)) {
        let line = if prometheus { named(target) } else { pairs([("host", &target.host)]) };
        for (reliability, whole) in [(false, false), (true, true)] {
            all.push(Wanted {
                lines: BTreeMap::from([(line.clone(), vec![target])]),
                reliability,
                whole,
            });
        }
    }
}

/// The value of the probes that were sent within this time.
fn value(targets: &[&Target], within: &Range<i64>, reliability: bool) -> Option<f64> {
    let probes = targets
        .iter()
        .flat_map(|target| times().filter(|at| within.contains(at)).map(|at| probe(target, at)));
    let probes: Vec<Option<f64>> = probes.collect();
    let rtts: Vec<f64> = probes.iter().copied().flatten().collect();
    if reliability {
        (!probes.is_empty()).then(|| 100.0 * rtts.len() as f64 / probes.len() as f64)
    } else {
        (!rtts.is_empty()).then(|| rtts.iter().sum::<f64>() / rtts.len() as f64)
    }
}

/// When the steps of a graph begin, or for Prometheus end.
fn steps() -> impl Iterator<Item = i64> {
    (FROM..=FROM + SPAN).step_by(STEP as usize)
}

/// What InfluxDB should answer: steps begin at their time; who never answered is no line.
fn influx_lines(wanted: &Wanted<'_>) -> Lines {
    let last = FROM + SPAN + 1;
    let point = |targets: &[&Target], from: i64, to: i64| {
        (from, value(targets, &(from..to.min(last)), wanted.reliability))
    };
    let points = |targets: &[&Target]| -> Vec<_> {
        if wanted.whole {
            vec![point(targets, FROM, last)]
        } else {
            steps().map(|at| point(targets, at, at + STEP)).collect()
        }
    };
    let lines = wanted.lines.iter().map(|(labels, targets)| (labels.clone(), points(targets)));
    lines.filter(|(_, points)| points.iter().any(|(_, value)| value.is_some())).collect()
}

/// What Prometheus should answer: windows end at the point's time, with both ends.
fn prom_lines(wanted: &Wanted<'_>, counters: bool) -> Lines {
    let reliable = wanted.reliability;
    let value_at = |targets: &[&Target], end: i64, length: i64| {
        if reliable {
            // An increase is that after the first sample of the window.
            let from = end - length + i64::from(counters);
            return value(targets, &(from..end + 1), true);
        }
        let mean = |target: &&Target| value(&[target], &(end - length..end + 1), false);
        let means: Vec<f64> = targets.iter().filter_map(mean).collect();
        (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64 / 1_000.0)
    };
    let points = |targets: &[&Target]| -> Vec<_> {
        let all: Vec<_> = if wanted.whole {
            vec![(FROM + SPAN, value_at(targets, FROM + SPAN, SPAN))]
        } else {
            steps().map(|at| (at, value_at(targets, at, STEP))).collect()
        };
        all.into_iter().filter(|(_, value)| value.is_some()).collect()
    };
    let lines = wanted.lines.iter().map(|(labels, targets)| (labels.clone(), points(targets)));
    lines.filter(|(_, points)| !points.is_empty()).collect()
}

/// The answer of InfluxDB to a panel's query.
fn ask_influxdb(database: &Database, panel: &Value) -> Lines {
    let text = panel["targets"][0]["query"].as_str().unwrap();
    let filter = format!("time >= {FROM}000ms and time <= {}000ms", FROM + SPAN);
    let query = text.replace("$timeFilter", &filter).replace("$__interval", &format!("{STEP}s"));
    let answer = database.influxql(&query);
    let lines = |series: &Value| {
        let labels: BTreeMap<_, _> = serde_json::from_value(series["tags"].clone()).unwrap();
        let columns: Vec<String> = serde_json::from_value(series["columns"].clone()).unwrap();
        let rows = series["values"].as_array().unwrap().clone();
        let several = columns.len() > 2;
        columns.into_iter().enumerate().skip(1).map(move |(place, column)| {
            let mut labels = labels.clone();
            if several {
                labels.insert("column".to_owned(), column);
            }
            let point = |row: &Value| (row[0].as_i64().unwrap() / 1_000, row[place].as_f64());
            (labels, rows.iter().map(point).collect())
        })
    };
    let lines: Lines = answer.iter().flat_map(lines).collect();
    assert!(!lines.is_empty(), "an empty frame: {query}");
    lines
}

/// The answer of Prometheus to a panel's query.
fn ask_prometheus(database: &Database, panel: &Value) -> Lines {
    let target = &panel["targets"][0];
    let query = target["expr"].as_str().unwrap().replace("$__rate_interval", &format!("{STEP}s"));
    let query =
        query.replace("$__interval", &format!("{STEP}s")).replace("$__range", &format!("{SPAN}s"));
    let end = FROM + SPAN;
    let answer = if target["instant"] == true {
        database.promql("query", &query, &format!("&time={end}"))
    } else {
        database.promql("query_range", &query, &format!("&start={FROM}&end={end}&step={STEP}"))
    };
    let point = |point: &Value| {
        let value: f64 = point[1].as_str().unwrap().parse().unwrap();
        (point[0].as_f64().unwrap() as i64, Some(value))
    };
    let line = |series: &Value| {
        let labels = serde_json::from_value(series["metric"].clone()).unwrap();
        let points = match series["values"].as_array() {
            Some(points) => points.iter().map(point).collect(),
            None => vec![point(&series["value"])],
        };
        (labels, points)
    };
    let lines: Lines = answer.iter().map(line).collect();
    assert!(!lines.is_empty(), "an empty frame: {query}");
    lines
}

fn assert_same(found: &Lines, expected: &Lines, what: &str) {
    let labels = |lines: &Lines| lines.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(labels(found), labels(expected), "{what}");
    for (labels, points) in expected {
        let found = &found[labels];
        let times = |points: &[(i64, Option<f64>)]| points.iter().map(|p| p.0).collect::<Vec<_>>();
        assert_eq!(times(found), times(points), "{what}: {labels:?}");
        for ((at, found), (_, expected)) in found.iter().zip(points) {
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs(),
                (found, expected) => found == expected,
            };
            assert!(same, "{what}: {labels:?} at {at}: {found:?} instead of {expected:?}");
        }
    }
}

fn settings(flavour: Flavour, prometheus: bool) -> Settings {
    let influxdb = || Source::Influxdb { database: "db".into(), user: None };
    let source = if prometheus { Source::Prometheus } else { influxdb() };
    Settings { flavour, source, url: "http://db:1".into(), path: "/dashboards".into() }
}

fn is_board(file: &File) -> bool {
    file.path.starts_with(Settings::DASHBOARDS)
}

/// Runs every query of every panel; gives how many there were.
fn every_panel(
    targets: &[Target],
    prometheus: bool,
    ask: impl Fn(&Value) -> Lines,
    expect: impl Fn(&Wanted<'_>) -> Lines,
) -> usize {
    let mut regions: Vec<&str> = Vec::new();
    for target in targets {
        if !regions.contains(&&*target.region) {
            regions.push(&target.region);
        }
    }
    let boards = std::iter::once(None).chain(regions.into_iter().map(Some));
    let mut count = 0;
    for flavour in Flavour::ALL {
        let watched = Watched { targets: targets.to_vec(), ..Watched::default() };
        let files = export(&settings(flavour, prometheus), &watched);
        let files: Vec<&File> = files.iter().filter(|file| is_board(file)).collect();
        assert_eq!(files.len(), boards.clone().count());
        for (file, region) in files.iter().zip(boards.clone()) {
            let board: Value = serde_json::from_str(&file.text).unwrap();
            let panels = board["panels"].as_array().unwrap().iter().filter(|p| p["type"] != "row");
            let panels: Vec<&Value> = panels.collect();
            let wanted = wanted(targets, region, prometheus);
            assert_eq!(panels.len(), wanted.len(), "{}", board["title"]);
            for (panel, wanted) in panels.iter().zip(&wanted) {
                let expected = expect(wanted);
                // One that never answers has no RTT anywhere.
                if expected.is_empty() {
                    continue;
                }
                let what = format!("{} {} of {}", flavour.name(), panel["title"], board["title"]);
                assert_same(&ask(panel), &expected, &what);
                count += 1;
            }
        }
    }
    count
}

#[test]
fn every_panel_asks_a_real_influxdb_and_gets_the_numbers_of_the_samples() {
    let targets = targets();
    let database = Database::influxd();
    database.write(&line_protocol(&targets));
    let count = every_panel(
        &targets,
        false,
        |panel| ask_influxdb(&database, panel),
        |wanted| {
            let mut lines = influx_lines(wanted);
            if wanted.reliability {
                for points in lines.values_mut() {
                    points.retain(|(_, value)| value.is_some());
                }
            }
            lines
        },
    );
    assert!(count > 200, "{count} queries");
}

#[test]
fn every_panel_asks_a_real_prometheus_and_gets_the_numbers_of_the_samples() {
    let targets = targets();
    for counters in [true, false] {
        let database = Database::prometheus(&open_metrics(&targets, counters));
        let ask = |panel: &Value| ask_prometheus(&database, panel);
        let count = every_panel(&targets, true, ask, |wanted| prom_lines(wanted, counters));
        assert!(count > 200, "{count} queries");
    }
}

#[test]
fn dashboards_have_the_form_that_grafanas_own_types_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (number, flavour) in Flavour::ALL.into_iter().enumerate() {
        for prometheus in [false, true] {
            let watched = Watched { targets: targets(), ..devices::watched() };
            for (place, file) in export(&settings(flavour, prometheus), &watched).iter().enumerate()
            {
                if is_board(file) {
                    let path = folder.path().join(format!("{number}-{prometheus}-{place}.json"));
                    std::fs::write(&path, &file.text).unwrap();
                    paths.push(path);
                }
            }
        }
    }
    let check = |paths: &[std::path::PathBuf]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grafana/check.py");
        let out = Command::new("/usr/bin/python3").arg(script).args(paths).output();
        let out = out.expect("the tests need Debian's python3-jsonschema");
        (
            out.status.code(),
            String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned(),
        )
    };
    let (code, said) = check(&paths);
    assert_eq!(code, Some(0), "{said}");

    // The check sees what is wrong.
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let device = paths.iter().map(read).find(|text| text.contains("\"repeat\"")).unwrap();
    let first = read(&paths[0]);
    for (text, right, wrong) in [
        (&first, "\"graphTooltip\"", "\"graphTolltip\""),
        (&first, "\"lineWidth\"", "\"lineWidht\""),
        (&first, "\"reduceOptions\"", "\"reduceOption\""),
        (&first, "\"spanNulls\": false", "\"spanNulls\": \"no\""),
        (&device, "\"includeAll\"", "\"includeAl\""),
        (&device, "\"maxPerRow\"", "\"maxPerRows\""),
    ] {
        let path = folder.path().join("wrong.json");
        assert!(text.contains(right), "{right}");
        std::fs::write(&path, text.replace(right, wrong)).unwrap();
        assert_eq!(check(&[path]).0, Some(1), "{wrong}");
    }
}
