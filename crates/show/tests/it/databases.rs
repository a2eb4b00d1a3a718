//! Real databases for the tests, from Debian's packages: an `influxd` and a `prometheus` on free ports of loopback,
//! with their data in a folder that goes with the test.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A running database.
pub(crate) struct Database {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Database {
    /// An InfluxDB 1.x with one database, `db`.
    pub(crate) fn influxd() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n\
             [meta]\ndir = \"{path}/meta\"\n\
             [data]\ndir = \"{path}/data\"\nwal-dir = \"{path}/wal\"\nquery-log-enabled = false\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:0\"\nlog-enabled = false\n"
        );
        let file = folder.path().join("influxdb.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("influxd");
        command.arg("-config").arg(&file);
        let database = Self::start(command, "msg=\"Listening on HTTP\"", "addr=", folder);
        database.post("/query", &format!("q={}", encode("CREATE DATABASE db")));
        database
    }

    /// A Prometheus that has these metrics, in the text format `OpenMetrics`, with times.
    pub(crate) fn prometheus(metrics: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (text, data) = (folder.path().join("metrics.om"), folder.path().join("data"));
        std::fs::write(&text, metrics).unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&text, &data])
            .output()
            .expect("the tests need promtool of Debian's prometheus");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "{}\n").unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args(["--storage.tsdb.retention.time=100y", "--web.listen-address=127.0.0.1:0"]);
        Self::start(command, "msg=\"Listening on\"", "address=", folder)
    }

    fn start(mut command: Command, listens: &str, at: &str, folder: TempDir) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tests need Debian's influxdb and prometheus");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        // Two of its threads tell that it listens and that it is ready, in any order.
        let (mut address, mut ready) = (None, listens.contains("HTTP"));
        while address.is_none() || !ready {
            let line = lines.next().expect("it listens and is ready");
            ready |= line.contains("Server is ready to receive web requests");
            if line.contains(listens) {
                let at = line.rsplit_once(at).unwrap().1;
                address = at.split_whitespace().next().map(str::to_owned);
            }
        }
        let address = address.unwrap();
        // Nobody may wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _folder: folder }
    }

    /// Points in line protocol, times in milliseconds.
    pub(crate) fn write(&self, lines: &str) {
        self.post("/write?db=db&precision=ms", lines);
    }

    /// The answer to a query of InfluxQL: its series.
    pub(crate) fn influxql(&self, query: &str) -> Vec<Value> {
        let mut answer = self.get(&format!("/query?db=db&epoch=ms&q={}", encode(query)));
        let result = &mut answer["results"][0];
        assert!(result.get("error").is_none(), "{query}: {result}");
        serde_json::from_value(result["series"].take()).unwrap_or_default()
    }

    /// The answer to a query of PromQL; `path` and `more` say which kind. Its series.
    pub(crate) fn promql(&self, path: &str, query: &str, more: &str) -> Vec<Value> {
        let body = format!("query={}{more}", encode(query));
        let mut answer = self.post(&format!("/api/v1/{path}"), &body);
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        serde_json::from_value(answer["data"]["result"].take()).unwrap()
    }

    fn get(&self, path: &str) -> Value {
        self.ask(&format!("GET {path} HTTP/1.0\r\n\r\n"))
    }

    fn post(&self, path: &str, body: &str) -> Value {
        self.ask(&format!(
            "POST {path} HTTP/1.0\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn ask(&self, request: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        assert!(status.starts_with('2'), "{request}\n{answer}");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Text for a URL.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(byte.into()),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
    }
    out
}
