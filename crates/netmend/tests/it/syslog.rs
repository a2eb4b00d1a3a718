//! Syslog through the daemon: what is sent by real senders is found by `netmend lines` and `netmend events`,
//! and survives `kill -9`.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use model::{Clock, SystemClock};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::daemon::{Daemon, bare, free};
use crate::disk::{Disk, fill};

mod storm;

const DOWN: &str =
    "<187>45: sw1: Nov 22 02:00:00.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down";

/// A daemon with this config, its data beside it.
fn start(folder: &Path, config: &str) -> Daemon {
    let file = folder.join("netmend.yaml");
    std::fs::write(&file, config).expect("a folder for the test");
    let mut run = bare("127.0.0.1:0", &folder.join("data"));
    run.arg("--config").arg(file);
    Daemon::start(run)
}

/// What a command prints about the data of `folder`, as JSON lines.
fn ask(folder: &Path, args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
    command.args(args).args(["--output", "json", "--data"]).arg(folder.join("data"));
    let out = command.output().expect("the binary was built for this test");
    let text = String::from_utf8(out.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Asks until so many are found.
fn ask_for(folder: &Path, args: &[&str], count: usize) -> Vec<Value> {
    let start = SystemClock.monotonic();
    loop {
        let found = ask(folder, args);
        if found.len() >= count {
            return found;
        }
        let waited = SystemClock.monotonic().saturating_sub(start);
        assert!(waited.as_secs() < 30, "{args:?} finds {found:#?}, not {count}");
    }
}

#[test]
fn lines_and_events_of_known_devices_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = free();
    let config = format!(
        "syslog: {{ udp: '{at}', tcp: '{at}' }}\n\
         devices:\n  sw1: {{ addresses: 127.0.0.1 }}\n  mx1: {{ addresses: 192.0.2.1 }}\n"
    );
    let daemon = start(folder.path(), &config);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(DOWN.as_bytes(), at).unwrap();
    socket.send_to(DOWN.replace("sw1:", "mx1:").as_bytes(), at).unwrap();
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(b"<189>46: sw1: %SYS-5-CONFIG_I: Configured from console by bob\n").unwrap();
    let lines = ask_for(folder.path(), &["lines"], 3);
    assert!(lines.iter().all(|line| line["device"] == "sw1"), "{lines:#?}");
    let bob = ask(folder.path(), &["lines", "BOB", "--code", "SYS-*", "--device", "sw1"]);
    assert_eq!(bob.len(), 1);
    assert_eq!((&bob[0]["severity"], &bob[0]["code"]), (&5.into(), &"SYS-5-CONFIG_I".into()));
    let glued = format!("<190>47: sw1: %SEC-6-X: user x{DOWN}");
    socket.send_to(glued.replace("Gi0/1", "Gi0/9").as_bytes(), at).unwrap();
    let events = ask_for(folder.path(), &["events", "list"], 3);
    let said = events.iter().map(|event| {
        let texts = ["device", "object", "state", "evidence"].map(|key| event[key].as_str());
        texts.map(Option::unwrap_or_default)
    });
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            ["sw1", "Gi0/1", "new", "datagram"],
            ["sw1", "Gi0/1", "recorded", "conflict"],
            ["sw1", "Gi0/9", "recorded", "conflict"],
        ],
        "another name, or a place within another line, puts a line in doubt: {events:#?}"
    );
    for (device, count) in [("SW1", 3), ("Sw1.example.com", 3), ("sw2", 0)] {
        let found = ask(folder.path(), &["events", "list", "--device", device]);
        assert_eq!(found.len(), count, "{device}: {found:#?}");
    }
    assert_eq!(ask(folder.path(), &["lines", "--device", "sw1.example.com"]).len(), 5);
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains("netmend_lines_conflict_total 1"), "{metrics}");
    assert!(metrics.contains(&format!("netmend_syslog_lines_total{{listener=\"udp {at}\"}} 4")));
}

#[test]
fn a_clear_ends_the_fault_of_its_object_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = free();
    let _daemon = start(folder.path(), &format!("syslog: {{ tcp: '{at}' }}\n"));
    let mut stream = TcpStream::connect(at).unwrap();
    let other = DOWN.replace("Gi0/1", "Gi0/2");
    let up = DOWN.replace("to down", "to up");
    stream.write_all(format!("{DOWN}\n{other}\n{up}\n").as_bytes()).unwrap();
    let over = ask_for(folder.path(), &["events", "list", "--state", "suppressed"], 1);
    assert_eq!((over.len(), &over[0]["object"]), (1, &"Gi0/1".into()), "{over:#?}");
    assert!(!over[0]["cleared"].is_null(), "{over:#?}");
    let all = ask(folder.path(), &["events", "list"]);
    let left: Vec<_> = all.iter().filter(|event| event["cleared"].is_null()).collect();
    assert_eq!((left.len(), &left[0]["object"]), (1, &"Gi0/2".into()), "{all:#?}");
}

#[test]
fn what_a_relay_tells_of_several_messages_at_once_counts_as_so_many_reports() {
    let folder = tempfile::tempdir().unwrap();
    let at = free();
    let _daemon = start(folder.path(), &format!("syslog: {{ tcp: '{at}' }}\n"));
    let mut stream = TcpStream::connect(at).unwrap();
    let once = "<187>Nov 22 02:00:00 sw1 %LINK-3-UPDOWN: Interface Gi0/1, changed state to down";
    let (head, text) = once.split_once(": ").unwrap();
    let more = format!("{head}:  message repeated 3 times: [ {text}]");
    let last = once.replace("Gi0/1", "Gi0/2");
    stream.write_all(format!("{once}\n{more}\n{last}\n").as_bytes()).unwrap();
    let mut events = ask_for(folder.path(), &["events", "list"], 2);
    events.sort_by_key(|event| event["object"].to_string());
    let found: Vec<_> = events.iter().map(|event| (&event["object"], &event["count"])).collect();
    assert_eq!(found, [(&"Gi0/1".into(), &4.into()), (&"Gi0/2".into(), &1.into())], "{events:#?}");
}

#[test]
fn events_are_opened_and_cancelled_by_people() {
    let folder = tempfile::tempdir().unwrap();
    let at = free();
    let daemon = start(folder.path(), &format!("syslog: {{ tcp: '{at}', settle: 1s }}\n"));
    TcpStream::connect(at).unwrap().write_all(format!("{DOWN}\n").as_bytes()).unwrap();
    ask_for(folder.path(), &["events", "list", "--state", "over"], 1);
    let change = |what: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
        command.args(["events", what, "1", "--data"]).arg(folder.path().join("data"));
        let out = command.output().unwrap();
        (
            out.status.code(),
            String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap(),
        )
    };
    let (code, text) = change("cancel");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("event 1 cannot be cancelled: it does not exist or is over"), "{text}");
    assert_eq!(change("retry"), (Some(0), "event 1 is open again\n".into()));
    let shown = ask(folder.path(), &["events", "show", "1"]);
    assert_eq!(shown[0]["device"], "127.0.0.1");
    assert!(shown[1]["raw"].as_str().unwrap().contains("LINK-3-UPDOWN"));
    drop(daemon);
}

#[test]
fn what_had_arrived_over_tcp_when_the_daemon_was_stopped_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let at = free();
    let daemon = start(folder.path(), &format!("syslog: {{ tcp: '{at}' }}\n"));
    let lines = "<189>46: sw1: %SYS-5-CONFIG_I: Configured by bob\n".repeat(200_000);
    // Most of it is still with the kernel when the signal comes.
    TcpStream::connect(at).unwrap().write_all(lines.as_bytes()).unwrap();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    assert_eq!(ask(folder.path(), &["lines", "-n", "300000"]).len(), 200_000);
}

#[test]
fn a_followed_file_loses_and_doubles_no_line_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("messages");
    std::fs::write(&log, "").unwrap();
    let config = "syslog: { files: messages }\n";
    let mut written = 0;
    let mut write = |rotate: bool| {
        if rotate {
            std::fs::rename(&log, log.with_extension(written.to_string())).unwrap();
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&log).unwrap();
        for _ in 0..2000 {
            written += 1;
            writeln!(file, "<187>{written}: sw{}: %TEST-3-LINE: number {written}", written % 50)
                .unwrap();
        }
        written
    };
    let kills = std::env::var("NETMEND_KILLS").map_or(5, |text| text.parse().expect("a number"));
    for kill in 0..kills {
        let daemon = start(folder.path(), config);
        let total = write(kill % 2 == 1);
        // The kill falls while they are read and stored.
        ask_for(folder.path(), &["lines", "-n", "1"], 1);
        daemon.signal(Signal::SIGKILL);
        assert!(!daemon.wait().success());
        let before = count(folder.path());
        let daemon = start(folder.path(), config);
        let lines = ask_for(folder.path(), &["lines", "-n", "10000000"], total);
        println!("kill {kill}: {before} of {total} lines were stored, then all");
        let numbers: Vec<u64> = lines.iter().map(number).collect();
        let expected: Vec<u64> = (1..=total as u64).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "kill {kill}");
        // A line and what it did to its event are one transaction.
        let events = ask(folder.path(), &["events", "list", "-n", "1000"]);
        let told: u64 = events.iter().filter_map(|event| event["count"].as_u64()).sum();
        assert_eq!(told, total as u64, "kill {kill}: reports of {} events", events.len());
        daemon.signal(Signal::SIGKILL);
        assert!(!daemon.wait().success());
    }
}

fn number(line: &Value) -> u64 {
    let raw = line["raw"].as_str().expect("a line has its text");
    raw.rsplit(' ').next().and_then(|last| last.parse().ok()).expect("a line ends with its number")
}

fn count(folder: &Path) -> usize {
    ask(folder, &["lines", "-n", "10000000"]).len()
}

/// Text that does not compress much, so that whoever keeps it needs room for it.
fn noise(seed: u64) -> String {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (state >> 58) as u8)
    };
    std::iter::repeat_with(next).take(20_000).collect()
}

#[test]
fn lines_wait_while_the_disk_is_full_and_none_is_lost() {
    const LINES: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let _disk = Disk::mount(folder.path(), 8);
    let at = free();
    let mut daemon = start(folder.path(), &format!("syslog: {{ tcp: '{at}' }}\n"));
    let filler = folder.path().join("filler");
    fill(&filler);
    let mut stream = TcpStream::connect(at).unwrap();
    for number in 0..LINES {
        let noise = noise(number as u64);
        stream.write_all(format!("<187>noise {noise} {number}\n").as_bytes()).unwrap();
    }
    daemon.log_until("the store does not take syslog lines");
    std::fs::remove_file(&filler).unwrap();
    daemon.log_until("the store takes syslog lines again");
    let lines = ask_for(folder.path(), &["lines", "noise"], LINES);
    let numbers: Vec<u64> = lines.iter().map(number).collect();
    assert_eq!(numbers, (0..LINES as u64).collect::<Vec<_>>());
}

#[test]
fn a_stop_with_a_full_disk_ends_and_says_that_lines_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let _disk = Disk::mount(folder.path(), 8);
    let at = free();
    let mut daemon = start(folder.path(), &format!("syslog: {{ tcp: '{at}' }}\n"));
    fill(&folder.path().join("filler"));
    let mut stream = TcpStream::connect(at).unwrap();
    for number in 0..100 {
        let noise = noise(number);
        stream.write_all(format!("<187>noise {noise} {number}\n").as_bytes()).unwrap();
    }
    daemon.log_until("the store does not take syslog lines");
    daemon.signal(Signal::SIGTERM);
    daemon.log_until("what waited is lost");
    assert!(daemon.wait().success());
}

#[test]
fn a_full_disk_under_the_archive_loses_no_line_of_the_store_and_is_told_and_recovered_from() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    let _disk = Disk::mount(&archive, 1);
    let at = free();
    let mut daemon =
        start(folder.path(), &format!("syslog: {{ tcp: '{at}', archive: archive }}\n"));
    let mut stream = TcpStream::connect(at).unwrap();
    let mut send = |text: &str| stream.write_all(format!("<190>sw1 {text}\n").as_bytes()).unwrap();
    send("before");
    ask_for(folder.path(), &["lines"], 1);
    let filler = archive.join("filler");
    fill(&filler);
    send(&format!("meanwhile {}", noise(7)));
    let entry = daemon.log_until("the archive of lines cannot be written; the store has them");
    assert!(entry["why"].as_str().unwrap().contains("No space left"), "{entry}");
    ask_for(folder.path(), &["lines"], 2);
    std::fs::remove_file(&filler).unwrap();
    send("after");
    daemon.log_until("the archive of lines is written again");
    ask_for(folder.path(), &["lines"], 3);
    let mut texts = Vec::new();
    for day in std::fs::read_dir(&archive).unwrap() {
        for hour in std::fs::read_dir(day.unwrap().path()).unwrap() {
            let bytes = std::fs::read(hour.unwrap().path()).unwrap();
            let plain = zstd::stream::decode_all(&bytes[..]).expect("every frame is whole");
            texts.push(String::from_utf8(plain).unwrap());
        }
    }
    let texts = texts.concat();
    assert!(texts.contains("before") && texts.contains("after"), "{texts}");
    assert!(!texts.contains("meanwhile"), "there was no room for it: {texts}");
}

#[test]
fn patterns_that_are_written_beside_a_running_daemon_count_from_then_on() {
    const PATTERNS: &str = "\
messages:
  - kind: link
    code: [ACME-5-PORT]
    text: ['Port {interface} went {state}']
    object: [interface]
    fault: [down]
    clear: [up]
";
    let folder = tempfile::tempdir().unwrap();
    let patterns = folder.path().join("patterns.d");
    std::fs::create_dir(&patterns).unwrap();
    let write = |text: &str| {
        std::fs::write(patterns.join("half"), text).unwrap();
        std::fs::rename(patterns.join("half"), patterns.join("acme.yaml")).unwrap();
    };
    let at = free();
    let mut daemon =
        start(folder.path(), &format!("syslog: {{ tcp: '{at}', patterns: patterns.d }}\n"));
    let mut stream = TcpStream::connect(at).unwrap();
    let mut say = |state: &str| {
        let line = format!("<189>1: acme1: Nov 22 02:00:00: %ACME-5-PORT: Port 7 went {state}\n");
        stream.write_all(line.as_bytes()).unwrap();
    };
    say("down");
    ask_for(folder.path(), &["lines"], 1);
    assert_eq!(ask(folder.path(), &["events", "list"]).len(), 0, "nobody knows what it means");
    write(PATTERNS);
    daemon.log_until("configuration taken over");
    say("down");
    let events = ask_for(folder.path(), &["events", "list"], 1);
    assert_eq!((&events[0]["object"], &events[0]["count"]), (&"7".into(), &1.into()));
    write(&PATTERNS.replace("{interface}", "{interfce}"));
    let entry = daemon.log_until("is refused");
    assert!(entry["report"].as_str().unwrap().contains("acme.yaml:4:"), "{entry}");
    // What was known before still is.
    say("up");
    let over = ask_for(folder.path(), &["events", "list", "--state", "suppressed"], 1);
    assert_eq!(over[0]["object"], "7", "{over:#?}");
}

#[test]
fn a_listener_that_was_asked_for_and_cannot_be_had_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let file = folder.path().join("netmend.yaml");
    std::fs::write(&file, format!("syslog: {{ tcp: '{at}' }}\n")).unwrap();
    let mut run = bare("127.0.0.1:0", &folder.path().join("data"));
    let out = run.arg("--config").arg(file).output().unwrap();
    assert_eq!(out.status.code(), Some(4));
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(text.contains(&format!("cannot listen for syslog on tcp {at}")), "{text}");
    let help = format!("`ss -ltnp 'sport = :{}'`", at.port());
    assert!(text.contains(&help) && !text.contains("netmend check"), "{text}");
}

#[test]
fn a_listener_that_could_not_be_had_is_tried_again_at_the_next_reload() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), &format!("syslog: {{ udp: '{}' }}\n", free()));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let wanted = format!("syslog: {{ tcp: '{at}' }}\n");
    std::fs::write(folder.path().join("netmend.yaml"), wanted).unwrap();
    daemon.log_until("is refused");
    let reload = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
        let out = command.args(["reload", "--data"]).arg(folder.path().join("data")).output();
        let out = out.unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let (code, words) = reload();
    assert_eq!(code, Some(1), "the port is still taken");
    let help = format!("`ss -ltnp 'sport = :{}'`", at.port());
    assert!(words.contains(&help) && !words.contains("netmend check"), "{words}");
    drop(taken);
    assert_eq!(reload().0, Some(0));
    TcpStream::connect(at).unwrap().write_all(format!("{DOWN}\n").as_bytes()).unwrap();
    ask_for(folder.path(), &["lines"], 1);
}

#[test]
fn rsyslog_is_heard_by_udp_and_tcp_and_believed_as_a_relay() {
    let folder = tempfile::tempdir().unwrap();
    let (at, from) = (free(), free());
    let config = format!(
        "syslog: {{ udp: '{at}', tcp: '{at}', relays: [127.0.0.1] }}\n\
         devices: {{ sw1: {{ addresses: 192.0.2.1 }} }}\n"
    );
    let daemon = start(folder.path(), &config);
    let (own, port, work) = (at.ip(), at.port(), folder.path().display());
    let rsyslog = folder.path().join("rsyslog.conf");
    let text = format!(
        "global(workDirectory=\"{work}\")\n\
         module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"{}\" address=\"{own}\")\n\
         action(type=\"omfwd\" target=\"{own}\" port=\"{port}\" protocol=\"udp\")\n\
         action(type=\"omfwd\" target=\"{own}\" port=\"{port}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\")\n",
        from.port()
    );
    std::fs::write(&rsyslog, text).unwrap();
    let mut sender = Command::new("/usr/sbin/rsyslogd")
        .arg("-n")
        .arg("-f")
        .arg(&rsyslog)
        .arg("-i")
        .arg(folder.path().join("rsyslog.pid"))
        .stdin(Stdio::null())
        .spawn()
        .expect("rsyslog from Debian's packages; `cargo xtask test` installs it");
    let start = SystemClock.monotonic();
    let mut stream = loop {
        match TcpStream::connect(from) {
            Ok(stream) => break stream,
            Err(why) => {
                let waited = SystemClock.monotonic().saturating_sub(start);
                assert!(waited.as_secs() < 30, "rsyslog does not listen: {why}");
                std::thread::yield_now();
            }
        }
    };
    stream
        .write_all(b"<187>Nov 22 02:00:00 sw1 bgpd[7]: %BGP-3-NOTIFICATION: sent to 10.0.0.1\n")
        .unwrap();
    let lines = ask_for(folder.path(), &["lines", "NOTIFICATION"], 2);
    drop(sender.kill());
    drop(sender.wait());
    assert!(lines.iter().all(|line| line["device"] == "sw1"), "{lines:#?}");
    let (_, metrics) = daemon.get("/metrics");
    for transport in ["udp", "tcp"] {
        let wanted = format!("netmend_syslog_misframed_total{{listener=\"{transport} {at}\"}} 0");
        assert!(metrics.contains(&wanted), "{metrics}");
    }
}
