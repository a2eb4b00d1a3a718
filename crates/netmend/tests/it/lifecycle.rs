//! Start, stop, and what stands in the way of both.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, command, command_on};

#[test]
fn every_target_is_on_the_front_page_and_gets_live_figures() {
    let data = tempfile::tempdir().unwrap();
    let mut run = command(data.path());
    run.args(["--target", "127.0.0.1", "--target", "localhost", "--target", "127.0.0.2:9"]);
    let daemon = Daemon::start(run);
    let (status, page) = daemon.get("/");
    assert_eq!(status, 200);
    for host in ["127.0.0.1", "localhost", "127.0.0.2"] {
        assert!(page.contains(host), "{host} is missing on the front page");
    }
    assert_eq!(daemon.get("/healthz").0, 200);
    daemon.wait_for("/api/v1/targets", |answer| {
        let rows = answer["targets"].as_array()?;
        let row = rows.iter().find(|row| row["host"] == "127.0.0.1")?;
        (row["state"] == "up" && row["rtt_us"].as_f64()? > 0.0).then_some(())
    });
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains("netmend_probes_sent_total"), "{metrics}");
}

#[test]
fn samples_are_acknowledged_and_survive_a_stop_and_a_start() {
    let data = tempfile::tempdir().unwrap();
    let run = || {
        let mut run = command(data.path());
        run.args(["--target", "127.0.0.1"]);
        Daemon::start(run)
    };
    let first = run();
    let committed = first.wait_for("/api/v1/system", |system| system["committed_until"].as_u64());
    first.signal(Signal::SIGTERM);
    assert!(first.wait().success(), "SIGTERM is a clean stop");
    let second = run();
    let again = second.wait_for("/api/v1/system", |system| system["committed_until"].as_u64());
    assert!(again >= committed, "{again} after {committed}");
}

#[test]
fn a_second_netmend_on_the_same_folder_is_refused_and_says_who_holds_it() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(command(data.path()));
    let second = command(data.path()).output().unwrap();
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(4), "{words}");
    assert!(words.contains("error: cannot use"), "{words}");
    drop(daemon);
}

#[test]
fn a_port_that_is_taken_is_named_with_the_way_out() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let out = command_on(&address, data.path()).output().unwrap();
    let words = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(4), "{words}");
    assert!(words.contains(&format!("cannot listen on {address}")), "{words}");
    assert!(words.contains("help:"), "{words}");
}

#[test]
fn the_folder_and_the_socket_are_the_owners_alone() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("fresh");
    let daemon = Daemon::start(command(&folder));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("netmend.sock")), 0o600);
    daemon.signal(Signal::SIGINT);
    assert!(daemon.wait().success());
    assert!(!folder.join("netmend.sock").exists(), "the socket goes with the daemon");
}
