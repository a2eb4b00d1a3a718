//! `kill -9` at any moment under load: every acknowledged sample is there after the next start. The tests
//! run a few kills; `cargo xtask soak` runs a hundred (`NETMEND_KILLS`).

use std::path::Path;
use std::sync::Arc;

use model::{SystemClock, UnixMs};
use nix::sys::signal::Signal;
use store::{RangeAnswer, RangeQuery, Samples, Store};

use crate::daemon::{Daemon, command};

/// Addresses of loopback that are probed.
const TARGETS: u32 = 200;

#[test]
fn no_acknowledged_sample_is_lost_by_kill_9() {
    let kills = std::env::var("NETMEND_KILLS").map_or(5, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let (data, targets) = (folder.path().join("data"), folder.path().join("targets.yaml"));
    let hosts: Vec<String> = (1..=TARGETS).map(|host| format!("127.0.1.{host}")).collect();
    std::fs::write(&targets, format!("load: [{}]\n", hosts.join(", "))).unwrap();
    let (mut batches, mut samples) = (0, 0);
    for kill in 1..=kills {
        let mut run = command(&data);
        run.arg("--targets").arg(&targets);
        let daemon = Daemon::start(run);
        // A varying number of batches of this life, so that kills fall at different moments.
        let floor = batches + 1 + kill % 3;
        let until = daemon.wait_for("/api/v1/system", |system| {
            system["committed_until"].as_u64().filter(|until| *until >= floor)
        });
        let acknowledged = stored(&daemon);
        daemon.signal(Signal::SIGKILL);
        assert!(!daemon.wait().success());

        let store = Store::open(&data, Arc::new(SystemClock)).unwrap().samples();
        batches = store.committed_until(0).unwrap().unwrap_or(0);
        assert!(batches >= until, "kill {kill}: batch {until} was acknowledged, {batches} on disk");
        let found = count(&*store);
        let wanted = samples + acknowledged;
        assert!(found >= wanted, "kill {kill}: {wanted} samples acknowledged, {found} on disk");
        println!("kill {kill}: {acknowledged} samples acknowledged in this life, {found} on disk");
        samples = found;
    }
}

/// Samples that the daemon says the store has acknowledged in this life.
fn stored(daemon: &Daemon) -> u64 {
    let (_, metrics) = daemon.get("/metrics");
    let value = metrics.lines().find_map(|line| line.strip_prefix("netmend_samples_stored_total "));
    value.expect("the counter is there").trim().parse().expect("a whole number")
}

/// Samples of all series on disk.
fn count(store: &dyn Samples) -> u64 {
    let series = store
        .list(None)
        .expect("the store lists its series")
        .iter()
        .map(model::Series::id)
        .collect();
    let all =
        RangeQuery { series, from: UnixMs(0), until: UnixMs(i64::MAX), step: None, exact: true };
    let answers = store.range(&all).expect("the store answers");
    let lengths = answers.iter().map(|answer| match answer {
        RangeAnswer::Samples(samples) => samples.len() as u64,
        RangeAnswer::Buckets(_) => unreachable!("no step was asked for"),
    });
    lengths.sum()
}

/// The folder is the daemon's alone while it runs: a second store on it is refused.
#[test]
fn the_data_folder_of_a_running_daemon_cannot_be_locked() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(command(data.path()));
    assert!(locked(data.path()));
    daemon.signal(Signal::SIGKILL);
    assert!(!daemon.wait().success());
    assert!(!locked(data.path()), "the lock goes with its process");
}

fn locked(data: &Path) -> bool {
    store::DataLock::acquire(data).is_err()
}
