//! The stand-in for an orchestrator, written in Python apart from the client: started on loopback, asked
//! what it was asked, ended with its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use measure::vco::{Address, Client, Config, Credential, Login, Scope, Secret, Window};
use model::UnixMs;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The time at which all scenarios of these tests stand, in seconds.
pub(crate) const NOW: i64 = 1_767_312_000;
pub(crate) const TOKEN: &str = "tok-hunter2";
pub(crate) const PASSWORD: &str = "pw-hunter2";

/// A running orchestrator.
pub(crate) struct Peer {
    child: Child,
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
        std::fs::write(&file, scenario.to_string()).expect("the scenario is written");
        let mut child = Command::new("python3")
            .arg(assets().join("fake_vco.py"))
            .arg("--scenario")
            .arg(&file)
            .arg("--tls-dir")
            .arg(folder.path().join("tls"))
            .args(["--port", "0", "--now", &NOW.to_string()])
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

    /// The authority's certificate.
    pub(crate) fn ca(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("tls/ca.pem")).expect("the peer wrote it")
    }

    /// A client with the peer's token.
    pub(crate) fn client(&self) -> Arc<Client> {
        self.client_with(Credential::Token(Secret::new(TOKEN)), None)
    }

    /// A client that logs in by name and password.
    pub(crate) fn client_of(&self, username: &str, password: &str) -> Arc<Client> {
        let password = Secret::new(password);
        let credential =
            Credential::Password { username: username.to_owned(), password, login: None };
        self.client_with(credential, None)
    }

    /// A client of an operator, who says so.
    pub(crate) fn client_of_operator(&self) -> Arc<Client> {
        let (username, password) = ("operator".to_owned(), Secret::new(PASSWORD));
        let login = Some(Login::Operator);
        self.client_with(Credential::Password { username, password, login }, None)
    }

    pub(crate) fn client_with(&self, credential: Credential, ca: Option<Vec<u8>>) -> Arc<Client> {
        let address = Address::parse(&self.at).expect("the peer's address is one");
        let timeout = std::time::Duration::from_secs(20);
        let config = Config { address, credential, ca, proxy: None, timeout };
        Arc::new(Client::new(config).expect("the test's config is good"))
    }

    /// How often it was asked, by method; only over plain HTTP.
    pub(crate) fn counts(&self) -> Value {
        self.stats()["by_method"].clone()
    }

    /// What it counted since its start; only over plain HTTP.
    pub(crate) fn stats(&self) -> Value {
        let host = self.at.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("the peer listens");
        let request =
            format!("GET /__fake/stats HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the peer takes questions");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the peer answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        serde_json::from_str(body).expect("the peer answers in JSON")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; a test that fails must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The scenarios and the peer itself.
pub(crate) fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/orchestrator")
}

/// `edges` edges with `links` links each; a reading every 5 min, and the given faults.
pub(crate) fn fleet(edges: i64, links: i64, faults: &Value) -> Value {
    let link = |edge: i64, link: i64| {
        let series = |base: i64| json!({ "base": base, "noise": 1 });
        json!({
            "id": edge * 1_000 + link, "internalId": format!("u-{edge}-{link}"),
            "displayName": format!("WAN {link}"), "interface": format!("GE{link}"), "isp": "An ISP",
            "series": { "latencyMsTx": series(20), "latencyMsRx": series(21), "jitterMsTx": series(3),
                "jitterMsRx": series(3), "lossPctTx": series(0), "lossPctRx": series(0) }
        })
    };
    let edge = |number: i64| {
        let links: Vec<Value> = (1..=links).map(|one| link(number, one)).collect();
        json!({ "id": number, "name": format!("edge-{number:03}"), "enterpriseId": 4, "links": links })
    };
    let edges: Vec<Value> = (1..=edges).map(edge).collect();
    json!({
        "enterprises": [{ "id": 4, "name": "A customer" }], "edges": edges, "faults": faults,
        "auth": { "tokens": [TOKEN], "users": [
            { "username": "customer", "password": PASSWORD, "type": "enterprise" },
            { "username": "operator", "password": PASSWORD, "type": "operator" }
        ] }
    })
}

/// The last hour up to [`NOW`].
pub(crate) fn last_hour() -> Scope {
    let (start, end) = (UnixMs((NOW - 3_600) * 1_000), UnixMs(NOW * 1_000));
    Scope { window: Window { start, end }, minutes: 5, enterprises: Vec::new() }
}
