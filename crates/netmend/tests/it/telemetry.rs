//! What stands around network-telemetry goes on with netmend in its place: the queries of its README, as the docs
//! have them, on what netmend wrote to a real influxd; a Prometheus that scrapes netmend; and every panel of the
//! dashboards that netmend makes, on both.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};

use lab::{Agent, AgentOptions, Namespace};
use model::SystemClock;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::daemon::{Daemon, bare};
use crate::sinks::influxd::{Real, free_port};
use crate::wan::{Peer, fleet};

/// The page whose queries are asked.
pub(crate) const DOCS: &str = include_str!("../../../../docs/from-network-telemetry.md");
/// `$__interval` of the queries, in milliseconds.
const INTERVAL: i64 = 2_000;

/// A simulated agent with so many interfaces; its port.
pub(crate) fn agent(runtime: &Runtime, interfaces: u32) -> u16 {
    let socket = runtime.block_on(tokio::net::UdpSocket::bind("127.0.0.1:0")).unwrap();
    let port = socket.local_addr().unwrap().port();
    let ports = "TenGigabitEthernet0/1/".to_owned();
    let agent = Agent::new(AgentOptions { ports, ..AgentOptions::new("sim1", interfaces) });
    runtime.spawn(async move { agent.serve(socket, &SystemClock).await });
    port
}

/// For what a test asks by itself.
pub(crate) fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// Watches these targets and the agent on this port.
pub(crate) fn daemon(folder: &Path, targets: &str, agent: u16, more: &str) -> Daemon {
    std::fs::write(folder.join("community"), "public\n").unwrap();
    // A port that nobody has now.
    let traps = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "targets: {{ {targets} }}\n\
         defaults: {{ interval: 500ms, timeout: 400ms }}\n\
         syslog: {{ udp: [], tcp: [] }}\n\
         snmp: {{ community: '${{file:community}}', interval: 1s, traps: {{ listen: '{traps}' }} }}\n\
         devices: {{ my.device.fqdn: {{ addresses: [127.0.0.1], snmp: {{ port: {agent} }} }} }}\n\
         {more}"
    );
    let file = folder.join("netmend.yaml");
    std::fs::write(&file, config).unwrap();
    let mut run = bare("127.0.0.1:0", &folder.join("data"));
    run.arg("--config").arg(file);
    Daemon::start(run)
}

/// A Prometheus that scrapes the daemon.
pub(crate) fn prometheus(folder: &Path, daemon: &Daemon) -> Real {
    let job = format!(
        "{{ job_name: netmend, scrape_interval: 1s, static_configs: [{{ targets: ['{}'] }}] }}",
        daemon.address
    );
    Real::prometheus(folder, &job)
}

/// What a Prometheus answers now: labels and value of each series.
pub(crate) fn instant(runtime: &Runtime, real: &Real, query: &str) -> Vec<(Value, f64)> {
    let answer = runtime.block_on(real.ask("/api/v1/query", &[("query", query)]));
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    let one =
        |one: &Value| (one["metric"].clone(), one["value"][1].as_str().unwrap().parse().unwrap());
    answer["data"]["result"].as_array().unwrap().iter().map(one).collect()
}

/// The rows of the only series that an influxd answers with: time, and the first value of each.
fn rows(runtime: &Runtime, real: &Real, query: &str) -> Vec<(i64, Option<f64>)> {
    let query = query
        .replace("$timeFilter", "time > now() - 1h")
        .replace("$__interval", &format!("{INTERVAL}ms"));
    let asked = [("db", "network_telemetry"), ("epoch", "ms"), ("q", query.as_str())];
    let answer = runtime.block_on(real.ask("/query", &asked));
    let series = answer["results"][0]["series"].as_array();
    let [series] = series.map_or(&[][..], Vec::as_slice) else { panic!("{query}: {answer}") };
    let values = series["values"].as_array().unwrap();
    values.iter().map(|row| (row[0].as_i64().unwrap(), row[1].as_f64())).collect()
}

/// The values of rows by the interval that they fall into.
fn by_interval(rows: &[(i64, Option<f64>)]) -> BTreeMap<i64, Vec<f64>> {
    let mut found = BTreeMap::<i64, Vec<f64>>::new();
    for (at, value) in rows {
        found.entry(at - at % INTERVAL).or_default().extend(value);
    }
    found
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// How much a value rises a second from each interval to the next that has one.
fn rises(values: &BTreeMap<i64, f64>) -> BTreeMap<i64, f64> {
    let pairs = values.iter().zip(values.iter().skip(1));
    pairs
        .map(|((from, before), (at, now))| (*at, (now - before) / (at - from) as f64 * 1e3))
        .collect()
}

fn assert_same(query: &str, found: &[(i64, Option<f64>)], expected: &BTreeMap<i64, f64>) {
    let found: BTreeMap<i64, f64> =
        found.iter().filter_map(|(at, value)| Some((*at, (*value)?))).collect();
    assert!(
        found.len() >= 2 && found.keys().eq(expected.keys()),
        "{query}: {found:?}, not {expected:?}"
    );
    for (found, expected) in found.values().zip(expected.values()) {
        assert!(
            (found - expected).abs() < 1e-6 * expected.abs(),
            "{query}: {found}, not {expected}"
        );
    }
}

/// All of it, in a network where 8.8.8.8 is this machine and loses every third packet.
fn readme(namespace: &Namespace) {
    let (folder, database) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = runtime();
    let real = Real::influxd(database.path(), free_port(), false);
    let sink = format!("sinks: [{{ influxdb: {{ url: '{}' }} }}]\n", real.url);
    let daemon = daemon(folder.path(), "dns: [8.8.8.8]", agent(&runtime, 5), &sink);
    let sent = |more: u64| {
        daemon.wait_for("/api/v1/system", |system| {
            let sink = &system["sinks"][0];
            let sent = sink["sent"].as_u64()?;
            (sent > more && sink["waiting"] == 0).then_some(sent)
        })
    };
    sent(20);
    let drops = "add table inet t; add chain inet t in { type filter hook input priority 0; }; \
                 add rule inet t in icmp type echo-request numgen inc mod 3 0 drop";
    namespace.run("nft", [drops]).unwrap();
    sent(60);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());

    let ask = |query: &str| rows(&runtime, &real, query);
    let queries: Vec<&str> =
        DOCS.lines().map(str::trim).filter(|line| line.starts_with("SELECT")).collect();
    let [reliability, bits, utilisation] = queries[..] else { panic!("{queries:?}") };

    let raw = ask("SELECT 100*received/transmitted FROM ping_rtt WHERE host = '8.8.8.8'");
    for value in [0.0, 100.0] {
        assert!(raw.iter().any(|row| row.1 == Some(value)), "{raw:?}");
    }
    let percent = by_interval(&raw).into_iter().map(|(at, values)| (at, mean(&values)));
    assert_same(reliability, &ask(reliability), &percent.collect());

    let port = "hostname = 'my.device.fqdn' AND \"ifName\" = 'Ethernet1/5'";
    let octets = ask(&format!("SELECT ifInOctets FROM interface WHERE {port}"));
    let octets = by_interval(&octets);
    let means = octets.iter().map(|(at, values)| (*at, mean(values))).collect();
    let expected: BTreeMap<_, _> =
        rises(&means).into_iter().map(|(at, rise)| (at, rise * 8.0)).collect();
    assert_same(bits, &ask(bits), &expected);
    // The port receives 6 Mbit/s by the agent's clock; polls come a little early or late.
    let all = mean(&expected.values().copied().collect::<Vec<_>>());
    assert!((all - 6e6).abs() < 2e6, "{expected:?}");

    let last = octets.iter().filter_map(|(at, values)| Some((*at, *values.last()?))).collect();
    let speed = 1e9;
    let percent = rises(&last).into_iter().map(|(at, rise)| (at, rise * 800.0 / speed));
    let found = ask(utilisation);
    // An interval without a rise before it has a speed and no share of it.
    assert_same(utilisation, &found, &percent.collect());
}

#[test]
fn the_queries_of_network_telemetrys_readme_are_answered_as_written() {
    let namespace = Namespace::create().unwrap();
    namespace.run("ip", ["address", "add", "8.8.8.8/32", "dev", "lo"]).unwrap();
    namespace.enter(|| readme(&namespace)).unwrap();
}

#[test]
fn a_prometheus_scrapes_targets_and_interfaces() {
    let (folder, database) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = runtime();
    let daemon = daemon(folder.path(), "dns: [127.0.2.1]", agent(&runtime, 3), "");
    let real = prometheus(database.path(), &daemon);
    let ask = |query: &str| instant(&runtime, &real, query);
    // The live feed gives the pace.
    let until = |query: &str| {
        daemon.wait_for("/healthz", |_| Some(ask(query)).filter(|found| !found.is_empty()))
    };
    let rate = "sum by (interface) (rate(netmend_interface_receive_bytes_total[1m])) > 0";
    assert_eq!(until(rate).len(), 3);
    let median = "histogram_quantile(0.5, rate(netmend_target_probe_rtt_seconds_bucket[1m])) > 0";
    let found = until(median);
    assert!(found.len() == 1 && found[0].1 < 0.4, "{found:?}");
    let up = ask("netmend_target_up");
    let labels = serde_json::json!({
        "__name__": "netmend_target_up", "host": "127.0.2.1", "region": "dns", "protocol": "icmp",
        "family": "4", "job": "netmend", "instance": daemon.address.to_string(),
    });
    assert_eq!(up, [(labels, 1.0)]);
    assert_eq!(ask("up == 1").len(), 1);
    assert_eq!(ask("sum(netmend_interface_up) == 3").len(), 1);
    let answer = runtime.block_on(real.ask("/api/v1/targets", &[]));
    assert_eq!(answer["data"]["activeTargets"][0]["lastError"], "", "{answer}");
    // What it knows of the metrics is what we say of them: units, kinds and help.
    let answer = runtime.block_on(real.ask("/api/v1/metadata", &[]));
    let known = &answer["data"]["netmend_target_probe_rtt_seconds"][0];
    assert_eq!(known["type"], "histogram", "{answer}");
}

/// The dashboards of an export, as `netmend grafana export` writes them.
pub(crate) fn boards(folder: &Path, flavour: &str, source: &str) -> Vec<Value> {
    let dir = folder.join(format!("{flavour}-{source}"));
    let ended = Command::new(env!("CARGO_BIN_EXE_netmend"))
        .args(["grafana", "export", "--flavour", flavour, "--source", source])
        .arg(&dir)
        .arg("--config")
        .arg(folder.join("netmend.yaml"))
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    boards_in(&dir)
}

/// The dashboards below a folder of Grafana's files.
pub(crate) fn boards_in(dir: &Path) -> Vec<Value> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap()
    };
    std::fs::read_dir(dir.join("dashboards")).unwrap().map(read).collect()
}

/// Runs each query of each panel, for each choice that the database offers; gives how many there were. None may
/// come back empty.
pub(crate) fn every_panel(
    boards: &[Value],
    choices: impl Fn(&str) -> Vec<String>,
    is_answered: impl Fn(&str) -> bool,
) -> usize {
    let mut count = 0;
    for board in boards {
        let choice = &board["templating"]["list"][0];
        let name = choice["name"].as_str().unwrap_or_default();
        let values = choice["query"].as_str().map_or_else(|| vec![String::new()], &choices);
        assert!(!values.is_empty(), "{choice}");
        let panels = board["panels"].as_array().unwrap().iter();
        for panel in panels.filter(|panel| panel["type"] != "row") {
            let target = &panel["targets"][0];
            let query = target.get("query").or_else(|| target.get("expr")).unwrap();
            for value in &values {
                let query = query.as_str().unwrap();
                // Of what Grafana would escape names here have nothing but slashes and dots: any sign fits them.
                let value = value.replace('/', ".");
                let query = if name.is_empty() {
                    query.to_owned()
                } else {
                    query.replace(&format!("${name}"), &value)
                };
                assert!(is_answered(&query), "{} of {}: {query}", panel["title"], board["title"]);
                count += 1;
            }
        }
    }
    count
}

/// The rows of all series that an influxd answers with.
pub(crate) fn all_rows(runtime: &Runtime, influxd: &Real, query: &str) -> Vec<Value> {
    let query = query.replace("$timeFilter", "time > now() - 1h").replace("$__interval", "1s");
    let asked = [("db", "network_telemetry"), ("epoch", "ms"), ("q", query.as_str())];
    let answer = runtime.block_on(influxd.ask("/query", &asked));
    let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
    series.iter().flat_map(|series| series["values"].as_array().unwrap().clone()).collect()
}

/// Holds what Prometheus scrapes against its own rules.
fn check(metrics: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is of Debian's prometheus, which `cargo xtask test` installs");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(said.status.success() && words.is_empty(), "{words}");
}

#[test]
fn every_generated_panel_is_answered_from_what_netmend_wrote() {
    let (folder, databases) = (
        tempfile::tempdir().unwrap(),
        [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
    );
    let runtime = runtime();
    let peer = Peer::start(&fleet(2, 0));
    let influxd = Real::influxd(databases[0].path(), free_port(), false);
    let more = format!(
        "orchestrators: {{ corp: {{ kind: vco, url: '{}', token: tok, lag: 0s, backfill: 0s }} }}\n\
         sinks: [{{ influxdb: {{ url: '{}' }} }}]\n",
        peer.at, influxd.url
    );
    let targets = "aws-london: [127.0.2.1, 127.0.2.2], prem lon: { 127.0.2.3: 1, 127.0.2.4: 2 }";
    let daemon = daemon(folder.path(), targets, agent(&runtime, 3), &more);
    let prometheus = prometheus(databases[1].path(), &daemon);
    // Four targets twice a second, three interfaces once, links at the first poll.
    daemon.wait_for("/api/v1/system", |system| {
        (system["sinks"][0]["sent"].as_u64()? > 80).then_some(())
    });
    let links = "count(netmend_link_latency_seconds) == 4 and on() count(rate(netmend_interface_receive_bytes_total[10m])) == 3";
    daemon.wait_for("/healthz", |_| instant(&runtime, &prometheus, links).first().map(|_| ()));

    let ask = |query: &str| all_rows(&runtime, &influxd, query);
    let listed = |query: &str| -> Vec<String> {
        ask(query).iter().map(|row| row[1].as_str().unwrap().to_owned()).collect()
    };
    let is_answered = |query: &str| ask(query).iter().any(|row| row[1].is_number());
    for flavour in ["current", "grafana5"] {
        let boards = boards(folder.path(), flavour, "influxdb");
        assert_eq!(boards.len(), 5, "an overview, two regions, a device, an orchestrator");
        let count = every_panel(&boards, listed, is_answered);
        assert!(count > 35, "{count} queries");
    }
    let filled = |query: &str| {
        let windows = ["$__rate_interval", "$__interval", "$__range"].into_iter();
        windows.fold(query.to_owned(), |query, name| query.replace(name, "10m"))
    };
    let ask = |query: &str| instant(&runtime, &prometheus, &filled(query));
    let listed = |query: &str| -> Vec<String> {
        let inside = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (selector, label) = inside.rsplit_once(", ").unwrap();
        let found = ask(&format!("count by ({label}) ({selector})"));
        found.iter().map(|(labels, _)| labels[label].as_str().unwrap().to_owned()).collect()
    };
    for flavour in ["current", "grafana5"] {
        let boards = boards(folder.path(), flavour, "prometheus");
        let count = every_panel(&boards, listed, |query| {
            ask(query).iter().any(|(_, value)| value.is_finite())
        });
        assert!(count > 35, "{count} queries");
    }
    // What it scrapes is in the form that its own checker wants, links and interfaces too.
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains("netmend_link_up{") && metrics.contains("netmend_interface_up{"));
    check(&metrics);
}
