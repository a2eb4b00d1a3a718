//! `netmend syslog parse` and `receive`: what goes in by standard input or a socket comes out as JSON, whole. And
//! `netmend lab syslog`, which makes lines for them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStderr, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{Run, command, netmend};

const DOWN: &str =
    "<187>45: sw1: Nov 22 02:00:00.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down";

#[test]
fn every_line_of_standard_input_is_an_object_with_the_keys_in_order() {
    let mut child = command(&["syslog", "parse", "--received", "2026-11-22T03:00:00Z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let hostile = b"\xFF\xFE \x1b[2J\x00 %LINK";
    input.write_all(&[DOWN.as_bytes(), b"\n", hostile, b"\n"].concat()).expect("it reads");
    drop(input);
    let run = Run::of(child.wait_with_output().expect("it ends"));
    assert_eq!((run.code, run.json().len()), (Some(0), 2), "{run:?}");
    assert_eq!(
        run.out.lines().next(),
        Some(
            r#"{"format":"ios","device":"sw1","relay":null,"app":null,"pid":null,"seq":45,"facility":23,"severity":3,"code":"LINK-3-UPDOWN","code_norm":"LINK-3-UPDOWN","device_time":"2026-11-22T02:00:00.123","time_quality":"no_year","message":"Interface Gi0/1, changed state to down","raw":"<187>45: sw1: Nov 22 02:00:00.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down"}"#
        )
    );
    assert_eq!(run.json()[1]["raw"], String::from_utf8_lossy(hostile).as_ref());
}

/// Receives over TCP; with the stream to send on.
fn receiver(output: &str) -> (Child, TcpStream, BufReader<ChildStderr>) {
    let mut child = command(&["syslog", "receive", "--tcp", "127.0.0.1:0", "--output", output])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    let address = line.trim().strip_prefix("receiving on tcp ").expect("it says where");
    (child, TcpStream::connect(address).expect("it listens"), said)
}

#[test]
fn what_was_sent_before_sigterm_is_written_whole_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("lines.json");
    let (mut child, mut stream, mut said) = receiver(output.to_str().expect("UTF-8"));
    // More than fits into what is written at once, and not ended by a line feed.
    let lines: Vec<String> = (0..100_000).map(|n| DOWN.replace("45", &n.to_string())).collect();
    stream.write_all(lines.join("\n").as_bytes()).expect("it reads");
    drop(stream);
    // Only what has arrived counts, so the signal comes once the start of the lines is written.
    while std::fs::metadata(&output).expect("it was opened").len() == 0 {
        std::thread::yield_now();
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it is there");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{rest}");
    assert!(rest.starts_with("100000 lines on tcp "), "{rest}");
    let written = std::fs::read_to_string(&output).expect("UTF-8");
    let raw = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["raw"].clone();
    assert!(written.lines().map(raw).eq(lines.iter().map(|line| Value::from(line.as_str()))));
}

#[test]
fn a_full_disk_ends_it_with_a_reason() {
    let (mut child, mut stream, mut said) = receiver("/dev/full");
    stream.write_all(DOWN.as_bytes()).expect("it reads");
    stream.write_all(b"\n").expect("it reads");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("it ends by itself").code(), Some(4), "{rest}");
    assert!(rest.contains("cannot write to /dev/full") && rest.contains("No space left"), "{rest}");
}

#[test]
fn simulated_lines_come_at_a_rate_until_there_are_enough_or_for_ever() {
    let run = netmend(&["lab", "syslog", "--rate", "1000", "-c", "30"]);
    assert_eq!((run.code, run.out.lines().count()), (Some(0), 30), "{run:?}");
    let mut child = command(&["lab", "syslog", "--continuous", "--rate", "1000"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.map_while(Result::ok).take(200).count(), 200);
    // The reader has gone away.
    assert_eq!(child.wait().expect("it ends by itself").code(), Some(0));
}

#[test]
fn simulated_lines_go_to_datagrams_streams_and_files() {
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    let to = datagrams.local_addr().expect("it is bound").to_string();
    assert_eq!(netmend(&["lab", "syslog", "-c", "3", "--to", &to]).code, Some(0));
    let mut room = [0; 2048];
    for _ in 0..3 {
        assert!(datagrams.recv(&mut room).expect("a line") > 0);
    }
    let streams = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let to = format!("tcp:{}", streams.local_addr().expect("it is bound"));
    assert_eq!(netmend(&["lab", "syslog", "-c", "3", "--to", &to]).code, Some(0));
    let stream = streams.accept().expect("it connected").0;
    assert_eq!(BufReader::new(stream).lines().count(), 3);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("messages");
    let to = file.to_str().expect("UTF-8");
    for _ in 0..2 {
        assert_eq!(netmend(&["lab", "syslog", "-c", "3", "--to", to]).code, Some(0));
    }
    assert_eq!(std::fs::read_to_string(&file).expect("text").lines().count(), 6, "appended");
}

#[test]
fn an_address_in_use_and_none_at_all_are_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = taken.local_addr().expect("it is bound").to_string();
    let run = netmend(&["syslog", "receive", "--tcp", &address]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains(&address) && run.err.contains("in use"), "{run:?}");
    let run = netmend(&["syslog", "receive"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(["--udp", "--tcp", "--tls", "--file"].iter().all(|way| run.err.contains(way)));
}
