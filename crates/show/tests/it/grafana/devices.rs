//! The dashboards of devices and of WAN links: the choice above the panels lists what the database has, and for each
//! of it, chosen as Grafana does it, every query gives the numbers computed here from what was written.

use super::*;

/// Interfaces of each device, by names as devices have them and as none should.
const INTERFACES: [&str; 5] =
    ["TenGigabitEthernet0/1/5", "ge-0/0/0.0", "Po 1, a=b [x]", "(.*)|$'/", "Türme 東京"];
/// The interface that restarts its counters in the middle of the hour.
const RESTARTS: usize = 1;
/// The second one has the name of the first within its own.
const DEVICES: [&str; 2] = ["sw1", "sw1.example.net"];
const EDGES: [&str; 3] = ["LDN-1", "LDN-10", "Zürich (main)/2"];
/// Time between two readings of links; one reading of each is missing.
const READINGS: i64 = 300;

pub(super) fn watched() -> Watched {
    let second = std::time::Duration::from_secs(1);
    Watched {
        targets: Vec::new(),
        devices: DEVICES.map(|name| (name.to_owned(), STEP as u32 * second)).into(),
        orchestrators: vec!["corp".to_owned(), "it's \"b\"".to_owned()],
    }
}

/// When devices are polled: with each step of the graphs.
fn polls() -> impl Iterator<Item = i64> {
    (FROM - 10 * STEP..=FROM + SPAN + 10 * STEP).step_by(STEP as usize)
}

/// The rate of a counter between the poll at `at` and the one before: octets, errors or discards a second.
fn rate(device: &str, interface: usize, counter: &str, at: i64) -> u64 {
    let number = xxhash(&format!("{device} {interface} {counter} {at}"));
    if counter.ends_with("Octets") { number % 100_000_000 } else { number % 7 }
}

const fn bits(interface: usize) -> u64 {
    // The third one does not tell its speed.
    if interface == 2 { 0 } else { 10_000_000_000 }
}

fn oper(device: &str, interface: usize, at: i64) -> u64 {
    1 + xxhash(&format!("{device} {interface} {at}")) % 2
}

const COUNTERS: [(&str, &str); 6] = [
    ("ifInOctets", "receive_bytes"),
    ("ifOutOctets", "transmit_bytes"),
    ("ifInErrors", "receive_errors"),
    ("ifOutErrors", "transmit_errors"),
    ("ifInDiscards", "receive_discards"),
    ("ifOutDiscards", "transmit_discards"),
];

/// A value of each device and interface over time.
type Values<'a> = &'a dyn Fn(&str, usize) -> Vec<(i64, u64)>;

/// The values of a counter. Far from zero, where Prometheus guesses; the one that restarts begins at 0.
fn counts(device: &str, interface: usize, counter: &str) -> Vec<(i64, u64)> {
    let mut count = 1_000_000_000_000;
    polls()
        .map(|at| {
            count += STEP as u64 * rate(device, interface, counter, at);
            if interface == RESTARTS && at == FROM + SPAN / 2 {
                count = 0;
            }
            (at, count)
        })
        .collect()
}

/// What a graph of the rates of some counters shows, with the sum of both ways.
fn rates(device: &str, interface: usize, counters: &[&str], steps: bool) -> Vec<(i64, f64)> {
    let restarts = interface == RESTARTS;
    // InfluxDB has a gap after a restart; Prometheus takes it for a count from 0, which it is here.
    let known = |at: &i64| !(restarts && steps && *at == FROM + SPAN / 2);
    let sum = |at: i64| {
        let zero = restarts && at == FROM + SPAN / 2;
        let of = |counter: &&str| if zero { 0 } else { rate(device, interface, counter, at) };
        counters.iter().map(of).sum::<u64>() as f64
    };
    super::steps().filter(known).map(|at| (at, sum(at))).collect()
}

fn escaped(text: &str) -> String {
    text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
}

fn interface_lines() -> String {
    let mut out = String::new();
    for device in DEVICES {
        for (number, name) in INTERFACES.into_iter().enumerate() {
            let counts = COUNTERS.map(|(field, _)| (field, counts(device, number, field)));
            for (place, at) in polls().enumerate() {
                let fields: Vec<String> = counts
                    .iter()
                    .map(|(field, counts)| format!("{field}={}", counts[place].1))
                    .chain([format!("ifOperStatus={}", oper(device, number, at))])
                    .chain((bits(number) > 0).then(|| format!("ifSpeed={}", bits(number))))
                    .collect();
                let (name, fields) = (escaped(name), fields.join(","));
                writeln!(
                    out,
                    "interface,hostname={device},ifDescr=d,ifName={name} {fields} {at}000"
                )
                .unwrap();
            }
        }
    }
    out
}

/// The value of a label in the text format.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn interface_metrics() -> String {
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, values: Values<'_>| {
        let suffix = if kind == "counter" { "_total" } else { "" };
        writeln!(out, "# TYPE netmend_interface_{name} {kind}").unwrap();
        for device in DEVICES {
            for (number, interface) in INTERFACES.into_iter().enumerate() {
                let interface = label(interface);
                for (at, value) in values(device, number) {
                    writeln!(
                        out,
                        "netmend_interface_{name}{suffix}{{device=\"{device}\",interface=\"{interface}\"}} {value} {at}"
                    )
                    .unwrap();
                }
            }
        }
    };
    for (field, name) in COUNTERS {
        family(name, "counter", &|device, number| counts(device, number, field));
    }
    family("speed_bytes", "gauge", &|_, number| {
        let speed = bits(number) / 8;
        polls().filter(|_| speed > 0).map(|at| (at, speed)).collect()
    });
    family("up", "gauge", &|device, number| {
        polls().map(|at| (at, u64::from(oper(device, number, at) == 1))).collect()
    });
    out
}

/// A reading of a link in a direction: milliseconds and percent.
fn reading(edge: &str, wan: usize, field: &str, way: &str, at: i64) -> f64 {
    (xxhash(&format!("{edge} {wan} {field} {way} {at}")) % 1_000) as f64 / 16.0
}

fn readings() -> impl Iterator<Item = i64> {
    let all = (FROM - 3_600..FROM + SPAN + 3_600).step_by(READINGS as usize);
    all.filter(|at| *at != FROM + 2 * READINGS)
}

const WAYS: [&str; 2] = ["upload", "download"];
const FIELDS: [(&str, &str, f64); 3] = [
    ("latency", "latency_seconds", 1e-3),
    ("jitter", "jitter_seconds", 1e-3),
    ("loss", "loss_ratio", 1e-2),
];

fn link_lines() -> String {
    let mut out = String::new();
    for orchestrator in watched().orchestrators {
        for (edge, way) in EDGES.into_iter().flat_map(|edge| WAYS.map(|way| (edge, way))) {
            for (wan, at) in (0..2).flat_map(|wan| readings().map(move |at| (wan, at))) {
                let fields = FIELDS
                    .map(|(field, ..)| format!("{field}={}", reading(edge, wan, field, way, at)));
                writeln!(
                    out,
                    "wan_link,direction={way},edge={},link=u-{wan},orchestrator={},wan=WAN\\ {wan} {} {at}000",
                    escaped(edge),
                    escaped(&orchestrator),
                    fields.join(",")
                )
                .unwrap();
            }
        }
    }
    out
}

fn link_metrics() -> String {
    let mut out = String::new();
    for (field, metric, scale) in FIELDS {
        writeln!(out, "# TYPE netmend_link_{metric} gauge").unwrap();
        for orchestrator in watched().orchestrators {
            for (edge, way) in EDGES.into_iter().flat_map(|edge| WAYS.map(|way| (edge, way))) {
                for (wan, at) in (0..2).flat_map(|wan| readings().map(move |at| (wan, at))) {
                    let value = reading(edge, wan, field, way, at) * scale;
                    let (edge, of) = (label(edge), label(&orchestrator));
                    writeln!(
                        out,
                        "netmend_link_{metric}{{direction=\"{way}\",edge=\"{edge}\",link=\"u-{wan}\",\
                         orchestrator=\"{of}\",wan=\"WAN {wan}\"}} {value} {at}"
                    )
                    .unwrap();
                }
            }
        }
    }
    out
}

/// What Grafana makes of a chosen value for an InfluxDB where several may be chosen: `kbn.regexEscape`.
fn for_influxdb(value: &str) -> String {
    let special = |c| "\\^$*+?.()|[]{}/".contains(c);
    value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The same for a Prometheus: `prometheusSpecialRegexEscape`.
fn for_prometheus(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\\\\\"),
            c if "$^*{}[]'+?.()|".contains(c) => out.extend(['\\', '\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// A dashboard with one of its choices made.
fn chosen(board: &Value, value: &str) -> Vec<Value> {
    let name = board["templating"]["list"][0]["name"].as_str().unwrap();
    let panels = board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    panels
        .map(|panel| {
            let mut panel = panel.clone();
            for key in ["query", "expr"] {
                if let Some(text) = panel["targets"][0].get(key) {
                    let text = text.as_str().unwrap().replace(&format!("${name}"), value);
                    panel["targets"][0][key] = text.into();
                }
            }
            panel
        })
        .collect()
}

/// What the choice of a dashboard lists.
fn choices(database: &Database, board: &Value, prometheus: bool) -> BTreeSet<String> {
    let query = board["templating"]["list"][0]["query"].as_str().unwrap();
    if prometheus {
        let inside = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (selector, label) = inside.rsplit_once(", ").unwrap();
        let query = format!("count by ({label}) (last_over_time({selector}[2h]))");
        let answer = database.promql("query", &query, &format!("&time={}", FROM + SPAN));
        return answer.iter().map(|one| one["metric"][label].as_str().unwrap().into()).collect();
    }
    let answer = database.influxql(query);
    let values = answer.iter().flat_map(|series| series["values"].as_array().unwrap());
    values.map(|value| value[1].as_str().unwrap().to_owned()).collect()
}

/// The answer to each panel of each dashboard whose title begins so, for each choice, given to `check` with the
/// name of its device or orchestrator, what is chosen and the panel's title.
fn every_choice(
    database: &Database,
    title: &str,
    prometheus: bool,
    known: &[&str],
    check: impl Fn(&str, &str, &str, Option<Lines>),
) -> usize {
    let mut count = 0;
    for flavour in Flavour::ALL {
        let files = export(&settings(flavour, prometheus), &watched());
        let boards = files.iter().filter(|file| is_board(file));
        let boards = boards.map(|file| serde_json::from_str::<Value>(&file.text).unwrap());
        for board in boards {
            let Some(of) = board["title"].as_str().unwrap().strip_prefix(title) else { continue };
            let expected: BTreeSet<String> = known.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(choices(database, &board, prometheus), expected, "{of}");
            for name in known {
                let value = if prometheus { for_prometheus(name) } else { for_influxdb(name) };
                for panel in chosen(&board, &value) {
                    let title = panel["title"].as_str().unwrap();
                    // The one whose speed nobody knows has no utilisation.
                    let empty = title.starts_with("Utilisation") && *name == INTERFACES[2];
                    let lines = (!empty).then(|| {
                        if prometheus {
                            ask_prometheus(database, &panel)
                        } else {
                            ask_influxdb(database, &panel)
                        }
                    });
                    check(of, name, title, lines);
                    count += 1;
                }
            }
        }
    }
    count
}

fn some(points: impl IntoIterator<Item = (i64, f64)>) -> Vec<(i64, Option<f64>)> {
    points.into_iter().map(|(at, value)| (at, Some(value))).collect()
}

/// What a panel of a device shows of an interface.
fn wanted(device: &str, name: &str, title: &str, prometheus: bool) -> Lines {
    let number = INTERFACES.into_iter().position(|known| known == name).unwrap();
    let of = |counters: &[&str], times: f64| {
        let rates: BTreeMap<_, _> =
            rates(device, number, counters, !prometheus).into_iter().collect();
        steps().map(|at| (at, rates.get(&at).map(|rate| times * rate))).collect::<Vec<_>>()
    };
    let key = if prometheus { "interface" } else { "ifName" };
    let one = |points| BTreeMap::from([(pairs([(key, name)]), points)]);
    let percent = 800.0 / bits(0) as f64;
    match title {
        "Utilisation, received" => one(of(&["ifInOctets"], percent)),
        "Utilisation, sent" => one(of(&["ifOutOctets"], percent)),
        "Errors" => one(of(&["ifInErrors", "ifOutErrors"], 1.0)),
        "Discards" => one(of(&["ifInDiscards", "ifOutDiscards"], 1.0)),
        _ if title.starts_with("Status") => one(some(steps().map(|at| {
            let up = oper(device, number, at);
            (at, if prometheus { f64::from(up == 1) } else { up as f64 })
        }))),
        "$interface" => {
            let way = if prometheus { "direction" } else { "column" };
            let line =
                |word, field, times| (pairs([(key, name), (way, word)]), of(&[field], times));
            [line("received", "ifInOctets", 8.0), line("sent", "ifOutOctets", -8.0)].into()
        }
        other => panic!("an unknown panel: {other}"),
    }
}

/// What a panel of links shows of an edge: InfluxDB has a gap where there is no reading, Prometheus what is within
/// the step before.
fn wanted_links(edge: &str, title: &str, prometheus: bool) -> Lines {
    let (figure, way) = title.split_once(", ").unwrap();
    let (field, _, scale) =
        FIELDS.into_iter().find(|(field, ..)| *field == figure.to_lowercase()).unwrap();
    let scale = if prometheus && field != "loss" { scale } else { 1.0 };
    let known: BTreeSet<i64> = readings().collect();
    let line = |wan: usize| {
        let at_reading =
            |at: i64| known.contains(&at).then(|| scale * reading(edge, wan, field, way, at));
        let points = steps().filter_map(|at| {
            if prometheus {
                // A window has both its ends.
                let found = at_reading(at).or_else(|| at_reading(at - STEP));
                found.map(|value| (at, Some(value)))
            } else {
                Some((at, at_reading(at)))
            }
        });
        let (link, wan) = (format!("u-{wan}"), format!("WAN {wan}"));
        (pairs([("edge", edge), ("link", &link), ("wan", &wan)]), points.collect())
    };
    (0..2).map(line).collect()
}

#[test]
fn dashboards_of_devices_ask_a_real_influxdb_and_get_the_numbers_of_the_counters() {
    let database = Database::influxd();
    database.write(&interface_lines());
    let count =
        every_choice(&database, "Device ", false, &INTERFACES, |device, name, title, found| {
            let Some(found) = found else { return };
            assert_same(
                &found,
                &wanted(device, name, title, false),
                &format!("{device} {name} {title}"),
            );
        });
    assert_eq!(count, 2 * 2 * 5 * 6);
}

#[test]
fn dashboards_of_devices_ask_a_real_prometheus_and_get_the_numbers_of_the_counters() {
    let database = Database::prometheus(&(interface_metrics() + "# EOF\n"));
    let count =
        every_choice(&database, "Device ", true, &INTERFACES, |device, name, title, found| {
            let Some(found) = found else { return };
            assert_same(
                &found,
                &wanted(device, name, title, true),
                &format!("{device} {name} {title}"),
            );
        });
    assert_eq!(count, 2 * 2 * 5 * 6);
}

#[test]
fn dashboards_of_links_ask_both_databases_and_get_the_numbers_of_the_readings() {
    for prometheus in [false, true] {
        let database = if prometheus {
            Database::prometheus(&(link_metrics() + "# EOF\n"))
        } else {
            let database = Database::influxd();
            database.write(&link_lines());
            database
        };
        let count = every_choice(
            &database,
            "WAN links of ",
            prometheus,
            &EDGES,
            |_, edge, title, found| {
                let wanted = wanted_links(edge, title, prometheus);
                assert_same(&found.unwrap(), &wanted, &format!("{edge} {title}"));
            },
        );
        assert_eq!(count, 2 * 2 * 3 * 6);
    }
}
