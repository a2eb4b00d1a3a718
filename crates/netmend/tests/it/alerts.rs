//! Alerts from the outside: the commands, and a test message that arrives at a real web server.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::daemon::{Daemon, bare};

/// A command to the daemon of `data`.
fn tell(data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
    command.args(words).arg("--data").arg(data);
    command.output().expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The daemon with this configuration.
fn daemon(folder: &Path, config: &str) -> Daemon {
    let file = folder.join("netmend.yaml");
    fs::write(&file, config).expect("the folder is ours");
    let mut command = bare("127.0.0.1:0", &folder.join("data"));
    command.arg("--config").arg(file);
    Daemon::start(command)
}

/// The body of one HTTP request, which is answered with 204.
fn take_request(mut stream: TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).expect("the daemon sends its request");
        request.extend_from_slice(&buffer[..read]);
        let so_far = text(&request);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
                .expect("the daemon reads the answer");
            return body.to_owned();
        }
    }
}

#[test]
fn a_test_message_reaches_a_web_server_and_who_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = server.local_addr().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = gone.local_addr().unwrap();
    drop(gone);
    let config = format!(
        "site: here\nnotify:\n  - {{ name: chat, webhook: {{ url: \"http://{there}/hook\" }} }}\n  \
         - {{ name: dead, webhook: {{ url: \"http://{nobody}/hook\" }} }}\n"
    );
    let _daemon = daemon(folder.path(), &config);
    let data = folder.path().join("data");
    let body = std::thread::spawn(move || take_request(server.accept().unwrap().0));
    let out = tell(&data, &["notify", "test", "chat"]);
    assert_eq!((out.status.code(), text(&out.stdout).as_str()), (Some(0), "chat: sent\n"));
    let body: Value = serde_json::from_str(&body.join().unwrap()).unwrap();
    assert_eq!((&body["kind"], &body["site"]), (&"test".into(), &"here".into()), "{body}");

    let out = tell(&data, &["notify", "test", "dead"]);
    let words = text(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{words}");
    assert!(words.starts_with("dead: not sent, it is tried again: cannot connect"), "{words}");
    let out = tell(&data, &["notify", "test", "nobody"]);
    let words = text(&out.stderr);
    assert!(out.status.code() == Some(1) && words.contains("chat, dead"), "{words}");
}

#[test]
fn alerts_are_listed_and_silences_are_set_listed_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(folder.path(), "targets: { a: [127.0.0.1] }\n");
    let data = folder.path().join("data");
    let out = tell(&data, &["alerts", "list"]);
    assert_eq!((out.status.code(), text(&out.stdout).as_str()), (Some(0), "nothing is wrong\n"));
    for words in [["alerts", "show", "17"], ["ack", "17", "--note=x"], ["silence", "expire", "17"]]
    {
        let out = tell(&data, &words);
        let said = text(&out.stderr);
        assert!(out.status.code() == Some(1) && said.contains("17"), "{words:?}: {said}");
    }
    let out =
        tell(&data, &["silence", "add", "host=~127.*", "--for=1h", "--note", "a \u{1b}[31mtest"]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(text(&out.stdout).starts_with("silence 1 is set"), "{}", text(&out.stdout));
    let listed = text(&tell(&data, &["silence", "list"]).stdout);
    assert!(listed.contains("host=~\"127.*\"") && listed.contains("uid "), "{listed}");
    assert!(!listed.contains('\u{1b}'), "no control characters: {listed}");
    let json = tell(&data, &["silence", "list", "--output", "json"]).stdout;
    let silence: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&silence["holds"], &silence["silence"]["id"]), (&true.into(), &1.into()));
    let out = tell(&data, &["silence", "add", "host=~("]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("regular expression"));
    assert_eq!(tell(&data, &["silence", "add", "nonsense"]).status.code(), Some(3));
    assert_eq!(tell(&data, &["silence", "expire", "1"]).status.code(), Some(0));
    assert_eq!(text(&tell(&data, &["silence", "list"]).stdout), "no silence is set\n");

    let health = daemon.get("/healthz").1;
    assert!(health.contains("judge") && health.contains("alert"), "{health}");
    let metrics = daemon.get("/metrics").1;
    assert!(metrics.contains("netmend_samples_judged_total"), "{metrics}");
}
