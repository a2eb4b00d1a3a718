//! The page "Grafana": the folder is where it says and has what it says, and the queries for panels by hand are
//! answered by a real influxd and a real Prometheus.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use super::{block, blocks, follow};
use crate::sinks::influxd::{Real, free_port};
use crate::telemetry::{agent, all_rows, daemon, instant, prometheus, runtime};

const PAGE: &str = include_str!("../../../../../docs/grafana.md");
/// Where the page puts the files.
const THERE: &str = "/srv/grafana";

/// Whether the files are there that the page lists, those of a region by any uid.
fn is_there(listed: &str, folder: &str) -> bool {
    listed.lines().all(|line| {
        let path = line.split(" #").next().unwrap().trim().replace(THERE, folder);
        let Some((start, _)) = path.split_once("0123456789abcdef") else {
            return Path::new(&path).exists();
        };
        let (dir, start) = start.rsplit_once('/').unwrap();
        let Ok(found) = fs::read_dir(dir) else { return false };
        let mut names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.any(|name| name.starts_with(start) && name.len() == start.len() + 16 + ".json".len())
    })
}

#[test]
fn the_page_of_grafana_is_true_to_the_word() {
    let (folder, databases) = (
        tempfile::tempdir().unwrap(),
        [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
    );
    let (folder, runtime) = (folder.path(), runtime());
    let influxd = Real::influxd(databases[0].path(), free_port(), false);
    let sink = format!("sinks: [{{ influxdb: {{ url: '{}' }} }}]\n", influxd.url);
    let daemon = daemon(folder, "aws-london: [127.0.2.1]", agent(&runtime, 3), &sink);
    let prometheus = prometheus(databases[1].path(), &daemon);

    let page = blocks(PAGE, "    ");
    let (once, kept) = block(&page, "netmend grafana export").split_once('\n').unwrap();
    let listed = block(&page, THERE);
    let dir = folder.join("srv").display().to_string();
    follow(folder, &once.replace(THERE, &dir), &[]);
    assert!(is_there(listed, &dir), "{listed}");
    fs::remove_dir_all(&dir).unwrap();
    let mut config = OpenOptions::new().append(true).open(folder.join("netmend.yaml")).unwrap();
    config.write_all(kept.replace(THERE, &dir).as_bytes()).unwrap();
    follow(folder, "netmend reload", &[]);
    daemon.wait_for("/healthz", |_| is_there(listed, &dir).then_some(()));

    let queries: Vec<&str> = block(&page, "SELECT").lines().collect();
    assert_eq!(queries.len(), 4, "{queries:?}");
    for query in queries {
        let query = query.replace("8.8.8.8", "127.0.2.1").replace("sw1", "my.device.fqdn");
        let is_answered = || {
            if query.starts_with("SELECT") {
                let rows = all_rows(&runtime, &influxd, &query);
                return rows.iter().any(|row| row[1].is_number());
            }
            let found = instant(&runtime, &prometheus, &query.replace("$__rate_interval", "10m"));
            found.iter().any(|(_, value)| value.is_finite())
        };
        daemon.wait_for("/healthz", |_| is_answered().then_some(()));
    }
}
