//! A storm of lines over TCP and TLS while the daemon is killed: what it had acknowledged is there, in the
//! order it was sent, each line with what it did to its event.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Clock, SystemClock};
use nix::sys::signal::Signal;
use rustls::pki_types::ServerName;

use super::{ask, number, start};
use crate::daemon::{Daemon, free};

/// Said where the machine of the test would have to be broken.
const WORKS: &str = "a machine that tests can run on";
/// Lines that the daemon must have acknowledged before it is killed.
const ENOUGH: u64 = 3000;

#[test]
fn what_a_storm_over_tcp_and_tls_had_acknowledged_outlives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let (tcp, tls) = (free(), free());
    let tls_client = certificate(folder.path());
    let config = format!(
        "syslog: {{ tcp: '{tcp}', tls: {{ listen: '{tls}', cert: cert.pem, key: key.pem }}, relays: [127.0.0.1] }}\n"
    );
    let kills = std::env::var("NETMEND_KILLS").map_or(3, |text| text.parse().expect("a number"));
    let mut known = 0;
    for kill in 0..kills {
        let daemon = start(folder.path(), &config);
        let dead = AtomicBool::new(false);
        let acknowledged = std::thread::scope(|scope| {
            scope.spawn(|| storm(TcpStream::connect(tcp).unwrap(), &format!("tcp{kill}"), &dead));
            scope.spawn(|| {
                let name = ServerName::try_from("localhost").expect("it is a name");
                let session = rustls::ClientConnection::new(Arc::clone(&tls_client), name).unwrap();
                let stream = rustls::StreamOwned::new(session, TcpStream::connect(tls).unwrap());
                storm(stream, &format!("tls{kill}"), &dead);
            });
            let acknowledged = until_stored(&daemon);
            dead.store(true, Ordering::Relaxed);
            daemon.signal(Signal::SIGKILL);
            assert!(!daemon.wait().success());
            acknowledged
        });
        let (lines, told) = stored(folder.path());
        println!(
            "kill {kill}: {acknowledged} lines were acknowledged, {} are stored",
            lines - known
        );
        assert!(lines - known >= acknowledged, "kill {kill}: {acknowledged} were acknowledged");
        assert_eq!(told, lines, "kill {kill}: a line and its report are one transaction");
        known = lines;
    }
}

/// Sends numbered lines until the daemon is killed, each a report of one of fifty events.
fn storm(mut stream: impl Write, device: &str, dead: &AtomicBool) {
    for number in 1_u64.. {
        let code = format!("TEST-3-LINE{}", number % 50);
        let line = format!("<187>Nov 22 02:00:00 {device} %{code}: number {number}\n");
        if let Err(why) = stream.write_all(line.as_bytes()) {
            assert!(dead.load(Ordering::Relaxed), "{device} broke off at {number}: {why}");
            return;
        }
    }
}

/// Waits until the daemon has acknowledged enough of both senders; returns how many lines those are.
fn until_stored(daemon: &Daemon) -> u64 {
    let begun = SystemClock.monotonic();
    loop {
        let (_, metrics) = daemon.get("/metrics");
        let value = |start: &str| {
            let line = metrics.lines().find(|line| line.starts_with(start));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let stored = value("netmend_lines_stored_total ");
        let heard =
            |listener: &str| value(&format!("netmend_syslog_lines_total{{listener=\"{listener} "));
        if stored >= ENOUGH && heard("tcp") > 0 && heard("tls") > 0 {
            return stored;
        }
        let waited = SystemClock.monotonic().saturating_sub(begun);
        assert!(waited.as_secs() < 60, "{stored} lines are stored, not {ENOUGH}:\n{metrics}");
    }
}

/// Lines that are stored, and reports of the events that they made. Of each sender the lines are the first
/// that it sent, in their order: none is lost, doubled or cut.
fn stored(folder: &Path) -> (u64, u64) {
    let lines = ask(folder, &["lines", "-n", "10000000"]);
    let mut next: HashMap<&str, u64> = HashMap::new();
    for line in &lines {
        let device = line["device"].as_str().expect("a line has a device");
        let next = next.entry(device).or_insert(1);
        assert_eq!(number(line), *next, "{line}");
        *next += 1;
    }
    let events = ask(folder, &["events", "list", "-n", "10000000"]);
    let told = events.iter().filter_map(|event| event["count"].as_u64()).sum();
    (lines.len() as u64, told)
}

/// Writes a certificate and its key; returns who believes it.
fn certificate(folder: &Path) -> Arc<rustls::ClientConfig> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect(WORKS);
    std::fs::write(folder.join("cert.pem"), own.cert.pem()).expect(WORKS);
    std::fs::write(folder.join("key.pem"), own.signing_key.serialize_pem()).expect(WORKS);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.cert.der().clone()).expect(WORKS);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect(WORKS)
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
