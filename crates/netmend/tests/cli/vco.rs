//! `netmend vco once` against a stand-in for an orchestrator, which is written in Python apart from us.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Run, netmend};

/// A running stand-in and a config that names it.
struct Peer {
    child: Child,
    folder: TempDir,
    config: PathBuf,
    now: i64,
}

impl Peer {
    /// Starts one with a scenario of the collection.
    fn of(scenario: &str) -> Self {
        Self::start(&assets().join(format!("scenarios/{scenario}.json")))
    }

    /// Starts one with this scenario, which has an `auth` and a `now`.
    fn with(scenario: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the scenario");
        let file = folder.path().join("scenario.json");
        std::fs::write(&file, scenario.to_string()).expect("the scenario is written");
        Self::start(&file)
    }

    fn start(file: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let scenario = read(file);
        let now = scenario["now"].as_i64().expect("a scenario has its time");
        let token = scenario["auth"]["tokens"][0].as_str().expect("a scenario has a token");
        let mut child = Command::new("python3")
            .arg(assets().join("fake_vco.py"))
            .arg("--scenario")
            .arg(file)
            .arg("--tls-dir")
            .arg(folder.path().join("tls"))
            .args(["--port", "0", "--now", &now.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 is one of the packages that the tests need");
        let mut words = BufReader::new(child.stderr.take().expect("it was piped"));
        let mut line = String::new();
        words.read_line(&mut line).expect("the peer says where it listens");
        let at = line.split_whitespace().nth(3).unwrap_or_else(|| panic!("{line}"));
        let config = folder.path().join("netmend.yaml");
        let vco = json!({ "kind": "vco", "url": at, "token": token, "ca": "tls/ca.pem" });
        let text = json!({ "orchestrators": { "corp": vco } }).to_string();
        std::fs::write(&config, text).expect("the config is written");
        Self { child, folder, config, now }
    }

    fn once(&self, more: &[&str]) -> Run {
        let config = self.config.to_str().expect("our paths are UTF-8");
        let now = self.now.to_string();
        let mut args = vec!["vco", "once", "--config", config, "--now", &now];
        args.extend(more);
        netmend(&args)
    }

    /// Puts another key into the config.
    fn set(&self, key: &str, value: &Value) {
        let mut config = read(&self.config);
        config[key] = value.clone();
        std::fs::write(&self.config, config.to_string()).expect("the config is written");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; a test that fails must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = &self.folder;
    }
}

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/orchestrator")
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).expect("the file exists")).expect("it is JSON")
}

/// What names an anomaly.
fn key(anomaly: &Value) -> [String; 4] {
    ["enterprise", "edge", "wan", "metric"]
        .map(|name| anomaly[name].as_str().unwrap_or_else(|| panic!("{anomaly}")).to_owned())
}

fn close(a: &Value, b: &Value) -> bool {
    a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-9)
}

/// A scenario gives exactly the anomalies that it must, with their numbers.
fn check(folder: &Path, scenario: &str) {
    let expected = read(&folder.join(format!("{scenario}.expected.json")));
    let run = Peer::start(&folder.join(format!("{scenario}.json"))).once(&[]);
    let odd = run.err.lines().all(|line| line.starts_with("note: "));
    assert!(run.code == Some(0) && odd, "{scenario}: {}", run.err);
    let mut wanted = expected["alerts"].as_array().expect("a list of alerts").clone();
    wanted.sort_by_key(key);
    let mut found = run.json();
    found.sort_by_key(key);
    let keys = |list: &[Value]| list.iter().map(key).collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&wanted), "{scenario}");
    for (found, wanted) in found.iter().zip(&wanted) {
        for (ours, theirs) in [
            ("present_mean", "present_mean"),
            ("baseline_mean", "baseline_mean"),
            ("baseline_sd", "sd"),
        ] {
            assert!(close(&found[ours], &wanted[theirs]), "{scenario}: {found} {wanted}");
        }
        let number = |name: &str| wanted[name].as_f64().expect("a number");
        let deviation = number("sd");
        let rise = number("present_mean") - number("baseline_mean");
        let sigmas = if deviation == 0.0 { Value::Null } else { json!(rise / deviation) };
        assert!(found["sigmas"] == sigmas || close(&found["sigmas"], &sigmas), "{found}");
        assert_eq!(found.as_object().expect("an object").len(), 8, "{found}");
    }
}

#[test]
fn each_scenario_gives_the_anomalies_that_the_rule_says() {
    for scenario in
        ["p01_quiet", "p02_latency_step", "p03_multi", "p04_edges_of_the_rule", "p05_non_ascii"]
    {
        check(&assets().join("scenarios"), scenario);
    }
}

#[test]
fn ten_more_scenarios_give_what_was_computed_apart_from_us() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("python3")
        .arg(assets().join("more.py"))
        .arg(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let names = String::from_utf8(made.stdout).unwrap();
    assert_eq!(names.lines().count(), 10);
    for scenario in names.lines() {
        check(folder.path(), scenario);
    }
}

#[test]
fn the_labs_orchestrator_is_asked_as_it_says() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_netmend"))
        .args(["lab", "orchestrator", "--edges", "5", "--links", "3", "--listen", "127.0.0.1:0"])
        .args(["--fault", "500", "--calm"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(
        first.starts_with("SIMULATION, not a real orchestrator: 5 edges of 3 links"),
        "{first}"
    );
    let config = lines.skip(1).take(2).collect::<Vec<_>>().join("\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("netmend.yaml");
    std::fs::write(&file, config + "\n").unwrap();
    let once = || netmend(&["vco", "once", "--verbose", "--config", file.to_str().unwrap()]);
    let (first, second) = (once(), once());
    child.kill().unwrap();
    child.wait().unwrap();
    // Five questions meet the fault: the first poll gives up after its fourth.
    assert_eq!((first.code, &*first.out), (Some(4), ""), "{}", first.err);
    assert!(first.err.contains("HTTP 500: SIMULATION of an error"), "{}", first.err);
    assert_eq!(second.code, Some(0), "{}", second.err);
    assert!(second.err.starts_with("note: 15 links, asked for in "), "{}", second.err);
}

/// A proxy of the environment is asked for the orchestrator's name; this one says no.
#[test]
fn the_proxy_of_the_environment_is_gone_through() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let proxy = std::thread::spawn(move || {
        // What may pass is tried again.
        let asked = listener.incoming().take(4).map(|stream| {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).unwrap() > 0 {}
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
            head
        });
        asked.collect::<Vec<_>>()
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("netmend.yaml");
    let vco = json!({ "kind": "vco", "url": "vco.example.com", "token": "tok-1" });
    std::fs::write(&file, json!({ "orchestrators": { "corp": vco } }).to_string()).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_netmend"))
        .args(["vco", "once", "--config"])
        .arg(&file)
        .env("HTTPS_PROXY", format!("http://{at}"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let err = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(4), "{err}");
    assert!(
        err.contains("cannot connect to https://vco.example.com: by way of its proxy: "),
        "{err}"
    );
    let asked = proxy.join().unwrap();
    assert!(asked[0].starts_with("CONNECT vco.example.com:443 HTTP/1.1\r\n"), "{asked:?}");
}

#[test]
fn anomalies_can_be_had_in_words() {
    let run = Peer::of("p02_latency_step").once(&["--output", "text"]);
    assert_eq!(
        run.out,
        "Customer p02_latency_step: edge LDN-vVCE, link BT Business Broadband: download latency 100.00 ms, \
         before 75.00 ms with a standard deviation of 0.74 ms: 33.9 of them above\n"
    );
}

#[test]
fn the_windows_and_the_factor_can_be_set() {
    let peer = Peer::of("p02_latency_step");
    peer.set("detect", &json!({ "sigma": { "k": 34 } }));
    assert_eq!(peer.once(&[]).out, "");
    peer.set("detect", &json!({ "sigma": { "baseline": "10m" } }));
    let found = peer.once(&[]).json();
    assert_eq!(found[0]["present_mean"], json!(100.0));
    assert_ne!(found[0]["baseline_sd"], json!(0.738_548_945_875_996_4));
}

/// A mail server that takes everything; what it took is told once it has ended.
struct MailServer {
    child: Child,
    words: BufReader<std::process::ChildStdout>,
    port: u64,
}

impl MailServer {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alert/tests/it/smtp_server.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .args(["--tls", "none"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3-aiosmtpd is one of the packages that the tests need");
        let mut words = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut line = String::new();
        words.read_line(&mut line).expect("the server says its port");
        let said: Value = serde_json::from_str(&line).expect("the server speaks JSON");
        let port = said["port"].as_u64().expect("a port");
        Self { child, words, port }
    }

    /// Ends it; the mails that it took.
    fn mails(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let lines = self.words.by_ref().lines().map(|line| line.expect("the server speaks UTF-8"));
        let said = lines.map(|line| serde_json::from_str(&line).expect("the server speaks JSON"));
        let mails = said.filter(|said: &Value| said["event"] == "mail").collect();
        self.child.wait().expect("the server ends");
        mails
    }
}

#[test]
fn anomalies_are_mailed_to_all_whom_they_concern_and_to_nobody_else() {
    let peer = Peer::of("p05_non_ascii");
    let server = MailServer::start();
    let smtp = |to: &[&str]| json!({ "server": format!("smtp://127.0.0.1:{}", server.port), "from": "netmend@example.net", "to": to });
    peer.set("notify", &json!([
        { "name": "all", "smtp": smtp(&["noc@example.net", "ops@example.net"]) },
        { "name": "tokyo", "match": { "edge": "東京-01" }, "smtp": smtp(&["tokyo@example.net"]) },
        { "name": "nobody", "match": { "severity": "critical" }, "smtp": smtp(&["boss@example.net"]) },
    ]));
    let run = peer.once(&["--notify"]);
    assert_eq!((run.code, &*run.err), (Some(0), ""));
    assert_eq!(run.json().len(), 2);
    let mails = server.mails();
    let text = format!("{mails:#?}");
    assert_eq!(mails.len(), 2, "{text}");
    assert!(text.contains("WAN Anomaly Alert: Zürich-Höhe"), "{text}");
    assert!(text.contains("ops@example.net") && text.contains("tokyo@example.net"), "{text}");
    assert!(!text.contains("boss@example.net"), "{text}");
    assert!(text.contains("- upload loss 3.20 %, before 0.00 %"), "{text}");
    assert!(text.contains("As usual: upload latency"), "{text}");
}

#[test]
fn a_mail_server_that_is_not_there_is_told_and_the_output_still_comes() {
    let peer = Peer::of("p02_latency_step");
    // Port 1 of this machine: nobody listens there.
    let smtp =
        json!({ "server": "smtp://127.0.0.1:1", "from": "a@example.net", "to": ["b@example.net"] });
    peer.set("notify", &json!({ "smtp": smtp }));
    let run = peer.once(&["--notify"]);
    assert_eq!((run.code, run.json().len()), (Some(2), 1));
    assert!(
        run.err.starts_with("error: b@example.net was not told: cannot connect"),
        "{}",
        run.err
    );
}

#[test]
fn an_edge_that_fails_is_told_and_costs_the_others_nothing() {
    let mut scenario = read(&assets().join("scenarios/p03_multi.json"));
    scenario["edges"][1]["quality_error"] = json!({ "code": -32603, "message": "no such luck" });
    let run = Peer::with(&scenario).once(&[]);
    assert_eq!(run.code, Some(2), "{}", run.err);
    let edges: std::collections::BTreeSet<_> =
        run.json().iter().map(|one| one["edge"].as_str().unwrap().to_owned()).collect();
    assert_eq!(edges.into_iter().collect::<Vec<_>>(), ["AMS-01", "PAR-03"]);
    assert!(run.err.starts_with("warning: edge FRA-02 of Customer p03_multi: "), "{}", run.err);
    assert!(run.err.contains("no such luck"), "{}", run.err);
}

#[test]
fn an_enterprise_that_is_not_there_is_an_error_that_names_those_that_are() {
    let peer = Peer::of("p03_multi");
    let mut vco = read(&peer.config)["orchestrators"].clone();
    for (wanted, found) in
        [(json!(["Custmer"]), 0), (json!(["Custmer", "Customer p03_multi"]), 1), (json!([99]), 0)]
    {
        vco["corp"]["enterprises"] = wanted.clone();
        peer.set("orchestrators", &vco);
        let run = peer.once(&[]);
        assert_eq!((run.code, run.json().len().min(1)), (Some(2), found), "{wanted}: {run:?}");
        let name = wanted[0].as_str().unwrap_or("99");
        let told =
            format!("error: orchestrator corp: there is no enterprise `{name}` that this login");
        assert!(run.err.starts_with(&told), "{wanted}: {}", run.err);
        assert!(run.err.ends_with("; there are Customer p03_multi (4)\n"), "{wanted}: {}", run.err);
    }
}

#[test]
fn a_refused_token_is_told_without_being_shown() {
    let peer = Peer::of("p01_quiet");
    let mut vco = read(&peer.config)["orchestrators"].clone();
    vco["corp"]["token"] = json!("hunter2");
    peer.set("orchestrators", &vco);
    let run = peer.once(&[]);
    assert_eq!((run.code, &*run.out), (Some(4), ""));
    assert!(
        run.err.contains("orchestrator corp: ") && run.err.contains("make a new one"),
        "{}",
        run.err
    );
    assert!(!run.err.contains("hunter2"), "{}", run.err);
}

#[test]
fn the_env_file_of_the_original_serves_as_it_is() {
    let peer = Peer::of("p02_latency_step");
    let at = read(&peer.config)["orchestrators"]["corp"]["url"].as_str().unwrap().to_owned();
    let file = peer.folder.path().join(".env");
    let (name, password) = ("ops@p02_latency_step", "pw-p02_latency_step");
    let text =
        format!("VCO_HOSTNAME = '{at}/'\nVCO_USERNAME = '{name}'\nVCO_PASSWORD = '{password}'\n");
    std::fs::write(&file, text).unwrap();
    let run = netmend(&[
        "vco",
        "once",
        "--env-file",
        file.to_str().unwrap(),
        "--now",
        &peer.now.to_string(),
    ]);
    // The stand-in's authority is its own, and an .env cannot name one: so far and no further it gets.
    assert_eq!((run.code, &*run.out), (Some(4), ""));
    assert!(run.err.contains(&format!("orchestrator vco: {at} is not trusted")), "{}", run.err);
    let run = netmend(&["vco", "once", "--env-file", file.to_str().unwrap(), "--notify"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("names nobody to tell"), "{}", run.err);
    let run = netmend(&["vco", "once"]);
    assert_eq!(run.code, Some(3), "a config or an .env is needed: {}", run.err);
}

#[test]
fn a_config_without_an_orchestrator_says_how_to_add_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.yaml");
    std::fs::write(&config, "site: here\n").unwrap();
    let run = netmend(&["vco", "once", "--config", config.to_str().unwrap()]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.err.contains("names no orchestrator") && run.err.contains("help: add"),
        "{}",
        run.err
    );
}
