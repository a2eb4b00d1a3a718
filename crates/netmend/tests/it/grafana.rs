//! The folder of Grafana's files that the daemon keeps up to date.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::daemon::{Daemon, bare};

/// Titles of the dashboards in the folder.
fn titles(folder: &Path) -> BTreeSet<String> {
    let boards = fs::read_dir(folder.join("grafana/dashboards")).unwrap();
    let title = |entry: std::io::Result<fs::DirEntry>| {
        let board: Value =
            serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        board["title"].as_str().unwrap().to_owned()
    };
    boards.map(title).collect()
}

#[test]
fn the_folder_follows_the_configuration_and_says_when_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| {
        let text = format!("grafana: {{ dir: grafana }}\nsyslog: {{ udp: [], tcp: [] }}\n{text}");
        fs::write(folder.path().join("netmend.yaml"), text).unwrap();
    };
    write("targets: { london: [127.0.2.1], paris: [127.0.2.2] }\n");
    let mut run = bare("127.0.0.1:0", &folder.path().join("data"));
    run.arg("--config").arg(folder.path().join("netmend.yaml"));
    let mut daemon = Daemon::start(run);
    daemon.log_until("dashboards are up to date");
    let of =
        |titles: &[&str]| titles.iter().map(|&title| title.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(titles(folder.path()), of(&["netmend", "london", "paris"]));

    fs::write(folder.path().join("community"), "public\n").unwrap();
    write(
        "targets: { london: [127.0.2.1] }\nsnmp: { community: '${file:community}' }\n\
         devices: { sw1: { addresses: [127.0.2.9] } }\n",
    );
    daemon.signal(Signal::SIGHUP);
    daemon.log_until("dashboards are up to date");
    assert_eq!(titles(folder.path()), of(&["netmend", "london", "Device sw1"]));

    fs::remove_dir_all(folder.path().join("grafana")).unwrap();
    fs::write(folder.path().join("grafana"), "no folder").unwrap();
    write("targets: { london: [127.0.2.1], rome: [127.0.2.3] }\n");
    daemon.signal(Signal::SIGHUP);
    daemon.log_until("dashboards are not up to date");
    daemon.wait_for("/api/v1/system", |system| {
        let warnings = system["warnings"].as_array().unwrap();
        let about = |one: &&Value| one["text"].to_string().contains("for Grafana");
        warnings.iter().find(about).map(|_| ())
    });
}
