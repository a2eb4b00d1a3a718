//! What is measured reaches a real database of others, whatever is killed meanwhile.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::{Metric, Series, SystemClock, UnixMs};
use nix::sys::signal::Signal;
use serde_json::Value;
use store::{RangeAnswer, RangeQuery, Samples, Store};

use crate::daemon::{Daemon, bare};

// A real influxd is the same for the store's tests and for these.
#[path = "../../../store/tests/it/sinks/influxd.rs"]
#[expect(dead_code, reason = "what only the store's tests need")]
pub(crate) mod influxd;

use influxd::{Real, free_port};

/// Both targets files as network-telemetry has them, pointed at loopback: nobody listens on the ports, so they
/// refuse, which is an answer.
const ICMP: &str = "aws-london:\n  - 127.0.2.1\n  - 127.0.2.2\nprem lon:\n  - 127.0.2.3\n";
const TCP: &str = "aws-london:\n  127.0.2.1: 1\n  127.0.2.4: 2\n";

fn daemon(folder: &Path) -> Daemon {
    let mut run = bare("127.0.0.1:0", &folder.join("data"));
    run.arg("--config").arg(folder.join("netmend.yaml"));
    Daemon::start(run)
}

/// Writes a config with both targets files, if wanted, and sinks for influxd on these ports.
fn configure(folder: &Path, targets: bool, ports: &[u16]) {
    let sinks: Vec<String> = ports
        .iter()
        .map(|port| {
            let url = format!("http://127.0.0.1:{port}");
            format!("{{ influxdb: {{ url: '{url}', database: nt, tags: {{ site: x }} }} }}")
        })
        .collect();
    let include = if targets { "include: [icmp.yaml, tcp.yaml]\n" } else { "" };
    let defaults = "defaults: { interval: 500ms, timeout: 400ms }\nsyslog: { udp: [], tcp: [] }\n";
    let text = format!("{include}{defaults}sinks: [{}]\n", sinks.join(", "));
    fs::write(folder.join("icmp.yaml"), ICMP).unwrap();
    fs::write(folder.join("tcp.yaml"), TCP).unwrap();
    fs::write(folder.join("netmend.yaml"), text).unwrap();
}

/// How many points each sink took, if nothing waits for it.
fn settled(system: &Value) -> Option<Vec<u64>> {
    let sinks = system["sinks"].as_array().expect("a list of sinks");
    let settled = sinks.iter().all(|sink| sink["waiting"] == 0 && sink["failing"].is_null());
    settled.then(|| sinks.iter().map(|sink| sink["sent"].as_u64().unwrap()).collect())
}

/// Samples of a series on disk.
fn samples(store: &dyn Samples, series: &Series) -> Vec<(i64, f64)> {
    let series = vec![series.id()];
    let all =
        RangeQuery { series, from: UnixMs(0), until: UnixMs(i64::MAX), step: None, exact: true };
    match store.range(&all).unwrap().remove(0) {
        RangeAnswer::Samples(samples) => samples.into_iter().map(|(at, v)| (at.0, v)).collect(),
        RangeAnswer::Buckets(_) => unreachable!("no step was asked for"),
    }
}

/// The rows of a series in the database: time, loss, RTT in microseconds.
async fn rows(real: &Real, series: &Series) -> Vec<(i64, f64, Option<f64>)> {
    let label = |name: &str| series.labels.get(name).unwrap();
    let (loss, rtt, measurement) = match label("protocol") {
        "icmp" => ("loss", "avg", "ping_rtt"),
        _ => ("packet_lost_percent", "avg_rtt", "tcp_rtt"),
    };
    let (host, region) = (label("host"), label("region"));
    let statement = format!(
        "SELECT {loss}, {rtt} FROM {measurement} \
         WHERE host = '{host}' AND region = '{region}' AND site = 'x'"
    );
    let query = [("db", "nt"), ("epoch", "ms"), ("q", &statement)];
    let answer = real.ask("/query", &query).await;
    let found = answer["results"][0]["series"][0]["values"].as_array().cloned();
    let found = found.unwrap_or_else(|| panic!("{statement}: {answer}"));
    let row = |row: &Value| {
        let rtt_us = row[2].as_f64().map(|ms| (ms * 1e3).round());
        (row[0].as_i64().unwrap(), row[1].as_f64().unwrap(), rtt_us)
    };
    found.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_targets_files_reach_influxd_and_kills_of_either_lose_no_stored_probe() {
    let folder = tempfile::tempdir().unwrap();
    let database = tempfile::tempdir().unwrap();
    let port = free_port();
    configure(folder.path(), true, &[port]);
    let mut real = Some(Real::influxd(database.path(), port, false));
    for life in 0..3_u64 {
        let running = daemon(folder.path());
        if life == 1 {
            // The database dies and comes back while probes go on.
            running
                .wait_for("/api/v1/system", |system| settled(system).filter(|sent| sent[0] > 10));
            real.take().unwrap().kill();
            running.wait_for("/api/v1/system", |system| {
                system["sinks"][0]["failing"].is_string().then_some(())
            });
            real = Some(Real::influxd(database.path(), port, false));
        }
        running.wait_for("/api/v1/system", |system| {
            settled(system).filter(|sent| sent[0] > 20 + life)
        });
        running.signal(Signal::SIGKILL);
        assert!(!running.wait().success());
    }
    // What waited when it was killed goes out without a probe being sent.
    configure(folder.path(), false, &[port]);
    let last = daemon(folder.path());
    last.wait_for("/api/v1/system", settled);
    last.signal(Signal::SIGTERM);
    assert!(last.wait().success());

    let real = real.unwrap();
    let store = Store::open(&folder.path().join("data"), Arc::new(SystemClock)).unwrap().samples();
    let all = store.list(Some(Metric::Loss)).unwrap();
    let all: Vec<_> = all.iter().filter(|series| series.labels.get("band").is_none()).collect();
    assert_eq!(all.len(), 5, "{all:?}");
    for series in all {
        let rtt = Series { metric: Metric::Rtt, labels: series.labels.clone() };
        let mut rtts = samples(&*store, &rtt).into_iter().peekable();
        let expected: Vec<_> = samples(&*store, series)
            .into_iter()
            .map(|(at, loss)| {
                (at, loss, rtts.next_if(|(other, _)| *other == at).map(|(_, rtt)| rtt))
            })
            .collect();
        assert!(expected.len() > 5, "{series:?}: {expected:?}");
        assert_eq!(rows(&real, series).await, expected, "{series:?}");
    }
    let keys = real.select("SHOW FIELD KEYS").await;
    assert!(keys.iter().all(|keys| !keys.contains("integer")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_adds_and_removes_sinks_and_the_others_notice_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let databases = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ports = [free_port(), free_port()];
    let [first, second] =
        [0, 1].map(|place: usize| Real::influxd(databases[place].path(), ports[place], false));
    configure(folder.path(), true, &ports[..1]);
    let daemon = daemon(folder.path());
    daemon.wait_for("/api/v1/system", |system| settled(system).filter(|sent| sent[0] > 10));
    configure(folder.path(), true, &ports);
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for("/api/v1/system", |system| {
        settled(system).filter(|sent| sent.len() == 2 && sent.iter().all(|sent| *sent > 10))
    });
    configure(folder.path(), true, &ports[..1]);
    daemon.signal(Signal::SIGHUP);
    let sent =
        daemon.wait_for("/api/v1/system", |system| settled(system).filter(|sent| sent.len() == 1));
    daemon.wait_for("/api/v1/system", |system| settled(system).filter(|now| now[0] > sent[0] + 10));
    let (_, metrics) = daemon.get("/metrics");
    let name = format!("netmend_sink_up{{sink=\"127.0.0.1:{}/nt\"}} 1\n", ports[0]);
    assert!(metrics.contains(&name), "{metrics}");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    let count = async |real: &Real| {
        let found = real.select("SELECT count(transmitted) FROM ping_rtt").await;
        found[0].trim().rsplit('=').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(count(&first).await > count(&second).await);
}
