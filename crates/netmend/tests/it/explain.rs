//! `netmend explain` and `netmend availability` beside a running daemon and without one.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use model::alert::{AlertId, TargetSubject};
use model::{Alert, Clock as _, Protocol, Severity, Subject, SystemClock, Target, UnixMs};
use nix::sys::signal::Signal;
use serde_json::Value;
use store::{Change, Store};

use crate::daemon::{Daemon, command};

/// Region of targets of the command line.
const REGION: &str = "command line";

fn ask(data: &Path, args: &[&str]) -> Output {
    let mut asked = Command::new(env!("CARGO_BIN_EXE_netmend"));
    asked.args(args).arg("--data").arg(data).stdin(Stdio::null());
    asked.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_host_is_explained_from_the_daemon_and_from_its_store_after_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let mut run = command(data);
    run.args(["--target", "127.0.0.1"]);
    let daemon = Daemon::start(run);
    daemon.wait_for("/api/v1/system", |system| {
        let counters = system["counters"].as_array()?;
        let stored = counters.iter().find(|c| c["name"] == "netmend_samples_stored_total")?;
        stored["value"].as_f64().filter(|samples| *samples > 1.0)
    });

    let live = ask(data, &["explain", "--output", "json", "127.0.0.1"]);
    assert!(live.status.success(), "{}", text(&live.stderr));
    let story: Value = serde_json::from_slice(&live.stdout).expect("JSON");
    assert_eq!((&story["host"], &story["live"]), (&"127.0.0.1".into(), &true.into()), "{story}");
    assert_eq!(story["targets"][0]["health"], "usual", "{story}");
    let unknown = ask(data, &["explain", "192.0.2.1"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("nothing is stored of a host 192.0.2.1"));
    let unknown = ask(data, &["explain", "#4711"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("there is no alert #4711"));
    let refused = ask(data, &["explain", "--ticket", "127.0.0.1"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    let month = &text(&ask(data, &["availability"]).stdout);
    assert!(month.starts_with("host,region,protocol,family,month,availability_pct,"), "{month}");
    assert_eq!(month.lines().count(), 2, "{month}");

    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    let after = ask(data, &["explain", "127.0.0.1"]);
    let said = text(&after.stdout);
    assert!(said.starts_with("127.0.0.1: Ping is as usual: it is not the network."), "{said}");
    assert!(said.contains("netmend does not run"), "{said}");
}

#[test]
fn without_a_store_there_is_nothing_to_explain_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    for args in [&["explain", "127.0.0.1"][..], &["availability"]] {
        let run = ask(folder.path(), args);
        assert_eq!(run.status.code(), Some(1));
        assert!(text(&run.stderr).contains("holds no store of netmend"), "{}", text(&run.stderr));
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
    for (args, words) in
        [(&["availability", "--month", "2026-13"][..], "2026-10"), (&["explain", "a b"], "a b")]
    {
        let run = ask(folder.path(), args);
        assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
        assert!(text(&run.stderr).contains(words), "{}", text(&run.stderr));
    }
}

#[test]
fn an_alert_that_was_just_raised_has_its_path_traced_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let now = SystemClock.now_ms();
    {
        let store = Store::open(data, Arc::new(SystemClock)).expect("a store");
        let raised = Change::Alert(Box::new(alert(17, now)));
        store.state().apply(vec![raised]).expect("stored");
    }
    let mut run = command(data);
    run.args(["--target", "127.0.0.1"]);
    let daemon = Daemon::start(run);
    daemon.wait_for("/api/v1/system", |system| {
        let counters = system["counters"].as_array()?;
        let traced = counters.iter().find(|c| c["name"] == "netmend_traces_total")?;
        traced["value"].as_f64().filter(|traces| *traces > 0.0)
    });
    let told = text(&ask(data, &["explain", "17"]).stdout);
    assert!(told.contains("The path reaches the target after 1 hop;"), "{told}");
    assert!(told.contains("path when the alert was raised"), "{told}");
    let ticket = text(&ask(data, &["explain", "--ticket", "17"]).stdout);
    assert!(ticket.starts_with("Fault on the path to 127.0.0.1\n"), "{ticket}");
    assert!(ticket.contains("Source:     127.0.0.1 ("), "{ticket}");
}

/// An open alert about 127.0.0.1.
fn alert(id: u64, raised: UnixMs) -> Alert {
    let target = Target::new("127.0.0.1", REGION, Protocol::Icmp);
    Alert::new(AlertId(id), Subject::Target(TargetSubject::of(&target)), Severity::Critical, raised)
}
