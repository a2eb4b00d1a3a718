//! A full disk under a daemon that runs or starts: probing goes on, the page says so, and the samples get there
//! once there is space again. The disk is a small tmpfs that the test mounts.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;

use crate::daemon::{Daemon, bare, command};

/// A small disk; unmounted when dropped.
pub(crate) struct Disk<'p>(&'p Path);

impl<'p> Disk<'p> {
    /// Mounts one of so many MiB.
    pub(crate) fn mount(path: &'p Path, mib: u32) -> Self {
        let size = Some(format!("size={mib}m"));
        mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), size.as_deref())
            .expect("the tests run as root, who may mount a tmpfs");
        Self(path)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // A mount that stays is detached with its namespace.
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_disk_stops_nobody_is_said_and_is_recovered_from() {
    let folder = tempfile::tempdir().unwrap();
    let _disk = Disk::mount(folder.path(), 2);
    let mut run = command(&folder.path().join("data"));
    run.args(["--target", "127.0.0.1"]);
    let mut daemon = Daemon::start(run);
    daemon.wait_for("/api/v1/system", |system| system["committed_until"].as_u64());

    let filler = folder.path().join("filler");
    fill(&filler);
    daemon.log_until("the store does not take samples");
    let received = |daemon: &Daemon| {
        let answer = daemon.json("/api/v1/targets");
        let rows = answer["targets"].as_array().expect("a list of targets").clone();
        let row = rows.into_iter().find(|row| row["host"] == "127.0.0.1").expect("the target");
        row["counts"]["received"].as_u64().expect("a number")
    };
    let before = received(&daemon);
    daemon.wait_for("/api/v1/targets", |_| (received(&daemon) > before).then_some(()));
    assert_eq!(daemon.get("/healthz").0, 503, "a stage that does not move is not healthy");
    let system = daemon.json("/api/v1/system").to_string();
    assert!(system.contains("samples wait in memory"), "{system}");

    fs::remove_file(&filler).unwrap();
    daemon.log_until("the store takes samples again");
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains("netmend_samples_dropped_total 0"), "nothing was given up");
    // Repairs try the store in a round of their own.
    daemon.wait_for("/api/v1/system", |_| (daemon.get("/healthz").0 == 200).then_some(()));
}

#[test]
fn a_daemon_starts_on_a_full_disk_probes_and_stores_once_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let _disk = Disk::mount(folder.path(), 2);
    let config = folder.path().join("netmend.yaml");
    fs::write(&config, "sinks: [{ influxdb: { url: 'http://127.0.0.1:1', database: d } }]\n")
        .unwrap();
    let run = |targets: &[&str]| {
        let mut run = bare("127.0.0.1:0", &folder.path().join("data"));
        run.arg("--config").arg(&config);
        for target in targets {
            run.args(["--target", target]);
        }
        Daemon::start(run)
    };
    let daemon = run(&["127.0.0.1"]);
    daemon.wait_for("/api/v1/system", |system| system["committed_until"].as_u64());
    daemon.signal(Signal::SIGKILL);
    daemon.wait();

    let filler = folder.path().join("filler");
    fill(&filler);
    // Even the name of the second one is new to the store.
    let mut daemon = run(&["127.0.0.1", "127.0.0.2"]);
    daemon.log_until("the store does not take samples");
    daemon.wait_for("/api/v1/targets", |answer| {
        let mut rows = answer["targets"].as_array()?.iter();
        rows.find(|row| row["host"] == "127.0.0.2" && row["state"] == "up").map(drop)
    });
    let (status, health) = daemon.get("/healthz");
    assert_eq!(status, 503, "{health}");
    assert!(health.contains("\"mend: "), "nobody says that nothing is repaired: {health}");
    let system = daemon.json("/api/v1/system").to_string();
    assert!(system.contains("nothing is repaired, the store cannot be written"), "{system}");

    fs::remove_file(&filler).unwrap();
    daemon.wait_for("/api/v1/system", |_| (daemon.get("/healthz").0 == 200).then_some(()));
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains("netmend_samples_dropped_total 0"), "nothing was given up");
}

/// Writes until nothing fits any more, to the last page.
pub(crate) fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file on the small disk");
    for size in [64 * 1024, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}
