//! WAN links as users meet them: the daemon asks a stand-in for an orchestrator, written in Python apart from
//! us, and shows, stores, judges and tells what it says.

pub(crate) mod mail;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use model::{Clock, SystemClock};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Daemon, bare};

/// A running orchestrator.
pub(crate) struct Peer {
    child: Child,
    /// Its URL.
    pub(crate) at: String,
    folder: TempDir,
}

impl Peer {
    /// Starts one over plain HTTP.
    pub(crate) fn start(scenario: &Value) -> Self {
        Self::with(scenario, &["--plain"])
    }

    /// Starts one with a certificate of its own authority.
    pub(crate) fn secure(scenario: &Value) -> Self {
        Self::with(scenario, &[])
    }

    fn with(scenario: &Value, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the scenario");
        let file = folder.path().join("scenario.json");
        fs::write(&file, scenario.to_string()).expect("the scenario is written");
        let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/orchestrator");
        let mut child = Command::new("python3")
            .arg(peer.join("fake_vco.py"))
            .arg("--scenario")
            .arg(&file)
            .args(["--port", "0", "--tls-dir"])
            .arg(folder.path())
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 is one of the packages that the tests need");
        let mut words = BufReader::new(child.stderr.take().expect("it was piped"));
        let mut line = String::new();
        words.read_line(&mut line).expect("the peer says where it listens");
        let at = line.split_whitespace().nth(3).unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, at, folder }
    }

    /// Its authority's certificate.
    fn ca(&self) -> String {
        fs::read_to_string(self.folder.path().join("ca.pem")).expect("the peer wrote it")
    }

    /// What it answers from now on instead of the truth.
    pub(crate) fn set_faults(&self, faults: &Value) {
        let host = self.at.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("the peer listens");
        let body = faults.to_string();
        let request = format!(
            "POST /__fake/faults HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("the peer takes faults");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the peer answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Peer {
    /// What happens now, each with the edge and the severity; nothing else happened before.
    pub(crate) fn tell(&self, all: &[(&str, &str, &str)]) {
        let now = jiff::Timestamp::from_millisecond(SystemClock.now_ms().0).expect("a date");
        let event = |(id, (edge, what, severity)): (usize, &(&str, &str, &str))| {
            json!({ "id": id + 1, "eventTime": now.to_string(), "event": what, "severity": severity,
                "message": format!("{what} <b>"), "detail": "", "edgeName": edge })
        };
        let data: Vec<Value> = all.iter().enumerate().map(event).collect();
        let events = json!({ "metaData": { "more": false }, "data": data });
        self.set_faults(&json!([{ "match": { "method": "event/getEnterpriseEvents" },
            "do": { "type": "result", "value": events } }]));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; a test that fails must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `edges` edges with a link each, behind one gateway; the latency of the first `bad` rose in the last
/// reading.
pub(crate) fn fleet(edges: i64, bad: i64) -> Value {
    let edge = |number: i64| {
        let series = |base: i64| json!({ "base": base, "noise": 1 });
        let mut latency = series(20);
        if number <= bad {
            latency["script"] = json!([{ "from": -460, "add": 155 }]);
        }
        json!({
            "id": number, "name": format!("edge-{number:03}"), "enterpriseId": 4, "gateway": 7,
            "site": format!("site-{number}"),
            "links": [{
                "id": 1_000 + number, "internalId": format!("u-{number}"), "displayName": "WAN <1>",
                "interface": "GE3", "isp": format!("ISP {}", number % 7),
                "series": { "latencyMsTx": series(20), "latencyMsRx": latency, "jitterMsTx": series(3),
                    "jitterMsRx": series(3), "lossPctTx": series(0), "lossPctRx": series(0) }
            }]
        })
    };
    json!({
        "enterprises": [{ "id": 4, "name": "A customer" }],
        "gateways": [{ "id": 7, "name": "gw-lon-1" }],
        "edges": (1..=edges).map(edge).collect::<Vec<_>>(),
        "auth": { "tokens": ["tok"] }
    })
}

/// The daemon that asks this orchestrator; its data do not lag.
fn daemon(folder: &Path, peer: &Peer) -> Daemon {
    let file: PathBuf = folder.join("netmend.yaml");
    let text = format!(
        "orchestrators: {{ corp: {{ kind: vco, url: '{}', token: tok, lag: 0s, backfill: 0s }} }}\n\
         detect: {{ rule: sigma, at_least: {{ latency: 20ms, jitter: 50ms, loss: 5% }} }}\n",
        peer.at
    );
    fs::write(&file, text).expect("the folder is ours");
    let mut command = bare("127.0.0.1:0", &folder.join("data"));
    command.arg("--config").arg(file);
    Daemon::start(command)
}

fn alerts(answer: &Value, kind: &str) -> Vec<Value> {
    let all = answer["alerts"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|alert| alert["subject"]["kind"] == kind).collect()
}

#[test]
fn links_are_shown_stored_judged_and_told() {
    let peer = Peer::start(&fleet(3, 1));
    let folder = tempfile::tempdir().unwrap();
    let daemon_now = daemon(folder.path(), &peer);
    let links = daemon_now.wait_for("/api/v1/links", |answer| {
        let known = answer["links"][0]["link"]["gateway"] == "gw-lon-1";
        (answer["total"] == 3 && known).then(|| answer.clone())
    });
    assert_eq!(links["orchestrators"][0]["name"], "corp");
    assert_eq!(links["links"][0]["link"]["site"], "site-1");
    assert_eq!(links["links"][1]["quality"][2], json!(["transactional", "good"]));
    // Where the link is was found out after the alert was raised.
    let alert = daemon_now.wait_for("/api/v1/alerts", |answer| {
        let mut links = alerts(answer, "link").into_iter();
        links.find(|alert| alert["subject"]["link"]["gateway"] == "gw-lon-1")
    });
    assert_eq!(alert["subject"]["link"]["edge"], "edge-001");
    let wrong = alert["findings"].as_array().unwrap();
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    assert_eq!((&wrong[0]["metric"], &wrong[0]["direction"]), (&json!("rtt"), &json!("download")));
    assert_eq!(wrong[0]["rule"], "sigma");
    let headline = alert["headline"].as_str().unwrap();
    assert!(headline.starts_with("edge-001 WAN <1>: download latency 17"), "{headline}");
    let facts = alert["facts"].as_str().unwrap();
    assert!(facts.contains("gateway gw-lon-1") && facts.contains("of them above"), "{facts}");
    assert!(facts.contains("Upload latency, jitter and loss normal."), "{facts}");

    let id = links["links"][0]["id"].as_str().unwrap();
    let (status, page) = daemon_now.get("/links");
    assert_eq!(status, 200);
    assert!(page.contains("edge-003") && page.contains("WAN &lt;1&gt;"), "{page}");
    let (status, page) = daemon_now.get(&format!("/links/{id}"));
    assert_eq!(status, 200);
    assert!(page.contains("upload above, download below") && page.contains("gw-lon-1"), "{page}");
    let (_, metrics) = daemon_now.get("/metrics");
    assert!(metrics.contains("netmend_orchestrator_up{orchestrator=\"corp\"} 1"), "{metrics}");
    assert!(metrics.contains("netmend_link_latency_seconds{link=\"u-2\",orchestrator=\"corp\""));
    // What the store has comes back as it was sent, each time once.
    let series = links["links"][1]["metrics"][1]["series"].as_str().unwrap();
    let stored =
        daemon_now.wait_for(&format!("/api/v1/range?series={series}&span=3h&step=raw"), |answer| {
            let points = answer["series"][0]["points"].as_array()?;
            (points.len() >= 13).then_some(points.len())
        });
    assert!((13..=14).contains(&stored), "{stored}");
}

#[test]
fn a_gateway_that_fails_is_one_alert_with_the_list() {
    let peer = Peer::start(&fleet(100, 100));
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path(), &peer);
    let group = daemon.wait_for("/api/v1/alerts", |answer| {
        let groups = alerts(answer, "group");
        let whole =
            |group: &Value| group["subject"]["tag"] == "gateway" && group["affected"] == 100;
        groups.into_iter().find(whole)
    });
    assert_eq!((&group["subject"]["value"], &group["total"]), (&json!("gw-lon-1"), &json!(100)));
    let (_, page) = daemon.get(&format!("/alerts/{}", group["id"]));
    assert!(page.contains("100 of 100 links are bad") && page.contains("edge-077"), "{page}");
}

#[test]
fn after_a_restart_nothing_is_stored_twice_and_events_in_between_are_told() {
    let peer = Peer::start(&fleet(2, 0));
    let folder = tempfile::tempdir().unwrap();
    let first = daemon(folder.path(), &peer);
    first.wait_for("/api/v1/links", |answer| (answer["total"] == 2).then_some(()));
    // That it was asked for events is on disk before it stops.
    first.wait_for("/api/v1/links", |answer| {
        answer["links"][0]["link"]["gateway"].as_str().map(drop)
    });
    first.signal(Signal::SIGTERM);
    drop(first);
    peer.tell(&[("edge-002", "EDGE_DOWN", "ALERT"), ("edge-002", "EDGE_NEWS", "INFO")]);
    let second = daemon(folder.path(), &peer);
    let told = second.wait_for("/api/v1/events", |answer| {
        let events = answer["events"].as_array()?;
        events.first().cloned()
    });
    assert_eq!((&told["device"], &told["code"]), (&json!("edge-002"), &json!("EDGE_DOWN")));
    assert_eq!(told["origin"], "orchestrator");
    let (_, metrics) = second.get("/metrics");
    let read = metrics.lines().find(|line| line.starts_with("netmend_orchestrator_readings_total"));
    let new: f64 = read.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(new <= 2.0, "at most what came meanwhile: {new}");
}

#[test]
fn an_orchestrator_that_fails_is_said_and_nothing_is_green() {
    let peer = Peer::start(&fleet(1, 0));
    peer.set_faults(
        &json!([{ "match": {}, "do": { "type": "rpc_error", "message": "tokenError [expired]" } }]),
    );
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path(), &peer);
    let failing = daemon.wait_for("/api/v1/links", |answer| {
        answer["orchestrators"][0]["error"].as_str().map(str::to_owned)
    });
    assert!(failing.contains("does not take the API token"), "{failing}");
    let (_, page) = daemon.get("/links");
    assert!(page.contains("no data") && page.contains("does not take the API token"), "{page}");
    let system = daemon.json("/api/v1/system");
    let warned = system["warnings"].to_string();
    assert!(warned.contains("orchestrator corp"), "{warned}");
}
