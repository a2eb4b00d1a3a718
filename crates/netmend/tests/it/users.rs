//! Users of the pages: made by the command, beside the daemon and without it; what they open.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::daemon::{Daemon, command};

const NETMEND: &str = env!("CARGO_BIN_EXE_netmend");

/// Runs `netmend user ...` with this on its standard input.
pub(crate) fn user(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(NETMEND);
    command.arg("user").args(arguments).arg("--data").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("netmend starts");
    let mut pipe = child.stdin.take().expect("stdin is piped");
    // A command that reads nothing may be over already.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    child.wait_with_output().expect("netmend ends")
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Asks the pages in clear; gives head and body.
fn ask(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the pages listen");
    let length = body.len();
    let request = format!(
        "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("the pages read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the pages answer");
    answer
}

fn log_in(address: SocketAddr, form: &str) -> String {
    let head = format!(
        "POST /login HTTP/1.1\r\norigin: http://{address}\r\ncontent-type: application/x-www-form-urlencoded"
    );
    ask(address, &head, form)
}

/// The cookie of an answer.
fn cookie(answer: &str) -> String {
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    cookie.expect("a cookie").split(';').next().expect("its value").to_owned()
}

/// Somebody who has logged in with a browser.
pub(crate) struct Visitor {
    address: SocketAddr,
    cookie: String,
}

impl Visitor {
    /// Logs in with the fields of the form.
    pub(crate) fn new(address: SocketAddr, form: &str) -> Self {
        Self { address, cookie: cookie(&log_in(address, form)) }
    }

    /// A page.
    pub(crate) fn get(&self, path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\ncookie: {}", self.cookie);
        ask(self.address, &head, "")
    }

    /// Sends a form as a page of ours does; gives the answer.
    pub(crate) fn post(&self, path: &str, form: &str) -> String {
        let page = self.get("/");
        let token = page.split_once("netmend-token\" content=\"").expect("pages carry a token").1;
        let token = &token[..32];
        let Self { address, cookie } = self;
        let head = format!(
            "POST {path} HTTP/1.1\r\norigin: http://{address}\r\ncookie: {cookie}\r\n\
             x-netmend-token: {token}\r\ncontent-type: application/x-www-form-urlencoded"
        );
        ask(*address, &head, form)
    }
}

#[test]
fn a_user_made_before_the_start_closes_the_pages_and_opens_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let out = user(&data, &["add", "Anna", "--role", "operator"], "correct horse\n");
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&out.stdout), "anna may log in as operator\n");
    assert!(String::from_utf8_lossy(&out.stderr).contains("it is made now"), "{}", said(&out));
    let daemon = Daemon::start(command(&data));
    let at = daemon.address;
    assert!(ask(at, "GET / HTTP/1.1", "").starts_with("HTTP/1.1 303"));
    assert!(ask(at, "GET /api/v1/targets HTTP/1.1", "").starts_with("HTTP/1.1 401"));
    assert!(ask(at, "GET /metrics HTTP/1.1", "").starts_with("HTTP/1.1 401"));
    assert!(ask(at, "GET /healthz HTTP/1.1", "").starts_with("HTTP/1.1 200"));
    assert!(log_in(at, "name=anna&password=wrong+horse").starts_with("HTTP/1.1 401"));
    let entered = log_in(at, "name=anna&password=correct+horse");
    assert!(entered.starts_with("HTTP/1.1 303"), "{entered}");
    let cookie = cookie(&entered);
    let me = ask(at, &format!("GET /api/v1/me HTTP/1.1\r\ncookie: {cookie}"), "");
    assert!(me.contains("\"name\":\"anna\",\"role\":\"operator\""), "{me}");

    // Beside the daemon: at once.
    let out = user(&data, &["token", "add", "grafana"], "");
    let token = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    assert!(token.starts_with("netmend_"), "{}", said(&out));
    let metrics = ask(at, &format!("GET /metrics HTTP/1.1\r\nauthorization: Bearer {token}"), "");
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    let out = user(&data, &["passwd", "anna"], "another horse");
    assert!(said(&out).contains("the sessions of anna are over"), "{}", said(&out));
    assert!(
        ask(at, &format!("GET / HTTP/1.1\r\ncookie: {cookie}"), "").starts_with("HTTP/1.1 303")
    );
    let listed = user(&data, &["list", "--output", "json"], "");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed["name"], &listed["role"]), (&"anna".into(), &"operator".into()));
    assert_eq!(listed["by"], format!("uid {}", nix::unistd::geteuid()));
    let status = Command::new(NETMEND).arg("status").arg("--data").arg(&data).output().unwrap();
    assert_eq!(status.status.code(), Some(0), "the socket needs no login: {}", said(&status));
    let out = user(&data, &["remove", "anna"], "");
    assert!(said(&out).contains("nobody has to log in any more"), "{}", said(&out));
    assert!(ask(at, "GET / HTTP/1.1", "").starts_with("HTTP/1.1 200"));

    // What was typed stands nowhere.
    drop(daemon);
    for entry in std::fs::read_dir(&data).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        for secret in ["correct horse", "another horse", token.as_str(), &token[8..]] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in the data folder");
        }
    }
}

#[test]
fn what_cannot_be_a_user_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, input, code, words) in [
        (&["add", "anna"][..], "short\n", 1, "at least 8 characters"),
        (&["add", "anna"], "", 1, "at least 8 characters"),
        (&["add", "an na"], "correct horse\n", 3, "1 to 64 of the letters"),
        (&["add", "anna", "--role", "root"], "correct horse\n", 3, "viewer, operator or admin"),
        (&["list"], "", 1, "holds no store of netmend"),
        (&["remove", "anna"], "", 1, "holds no store of netmend"),
        (&["add", "bob"], "correct horse\n", 0, "bob may log in as viewer"),
        (&["remove", "anna"], "", 1, "no user is called anna"),
        (&["token", "remove", "ci"], "", 1, "no token is called"),
    ] {
        let out = user(folder.path(), arguments, input);
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {}", said(&out));
        assert!(said(&out).contains(words), "{arguments:?}: {}", said(&out));
    }
}
