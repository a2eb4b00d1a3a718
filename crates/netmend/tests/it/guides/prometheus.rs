//! The page "Prometheus": its scrape, its alerts and its remote write, taken by a real Prometheus.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use lab::Namespace;

use super::{block, blocks, follow, run};
use crate::sinks::influxd::Real;
use crate::telemetry::{instant, runtime};

const PAGE: &str = include_str!("../../../../../docs/prometheus.md");
/// Answers, or answers nothing.
const TARGETS: &str = "targets: { lab: [127.0.2.1, 127.0.2.9] }\n\
                       defaults: { interval: 500ms, timeout: 400ms }\nsyslog: { udp: [], tcp: [] }\n";

/// The metrics in the first column of the tables of this part of the page; of a shortened one only its end.
fn metrics(part: &str) -> Vec<&str> {
    let cells = part.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    cells.flat_map(|cell| cell.split('`')).filter(|name| name.contains('_')).collect()
}

/// Each way of the page, one after the other.
fn connect() {
    let (folder, databases) = (
        tempfile::tempdir().unwrap(),
        [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
    );
    let folder = folder.path();
    let (page, runtime) = (blocks(PAGE, "    "), runtime());
    let (before, after) = PAGE.split_once("\n## Remote write\n").unwrap();
    fs::write(folder.join("netmend.yaml"), TARGETS).unwrap();
    let daemon = run(folder, "127.0.0.1:8420", &["--config", "netmend.yaml"], &[]);
    let until = |real: &Real, query: &str| {
        daemon.wait_for("/healthz", |_| {
            let found = instant(&runtime, real, query);
            (!found.is_empty()).then_some(found)
        })
    };

    let scrape = block(&page, "scrape_configs:");
    let rules = databases[0].path().join("rules.yml");
    fs::write(&rules, block(&page, "groups:")).unwrap();
    is_right("rules", &rules);
    let often =
        "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [rules.yml]\n";
    let scraping = Real::prometheus_of(databases[0].path(), &format!("{often}{scrape}"));
    is_right("config", &databases[0].path().join("prometheus.yml"));
    let listed = metrics(before);
    assert!(listed.len() > 8, "{listed:?}");
    for name in listed {
        // A histogram is there as its parts.
        let name =
            name.strip_prefix("...").map_or_else(|| name.to_owned(), |end| format!(".*{end}"));
        until(&scraping, &format!("count({{job=\"netmend\", __name__=~\"{name}(_bucket)?\"}})"));
    }
    let dead = "host=\"127.0.2.9\", region=\"lab\", protocol=\"icmp\", family=\"4\"";
    until(&scraping, &format!("ALERTS{{alertname=\"TargetDown\", {dead}}}"));
    until(
        &scraping,
        &format!("ALERTS{{alertname=\"LossyTarget\", alertstate=\"firing\", {dead}}}"),
    );
    let others = "ALERTS{host!=\"127.0.2.9\"} or ALERTS{alertname=\"SlowTarget\"}";
    assert_eq!(instant(&runtime, &scraping, others), []);

    let taking = Real::prometheus_of(databases[1].path(), "");
    let sinks = block(&page, "sinks:");
    let there = "http://prometheus:9090";
    assert!(sinks.contains(there), "{sinks}");
    let config = format!("{TARGETS}{}", sinks.replace(there, &taking.url));
    fs::write(folder.join("netmend.yaml"), config).unwrap();
    follow(folder, "netmend reload", &[]);
    let listed = metrics(after.split_once("\nLabels are").unwrap().0);
    assert_eq!(listed.len(), 4, "{listed:?}");
    for name in listed {
        until(&taking, &format!("count({name}{{job=\"netmend\", host=\"127.0.2.1\"}})"));
    }
    let loss = "avg_over_time(netmend_target_loss_ratio[1h])";
    let found = until(&taking, &format!("{loss} == 1 and on(host) count by (host) ({loss})"));
    assert_eq!(found[0].0["host"], "127.0.2.9");
}

/// Holds a file against Prometheus' own checker.
fn is_right(what: &str, file: &Path) {
    let said = Command::new("promtool").args(["check", what]).arg(file).output();
    let said = said.expect("promtool is of Debian's prometheus, which `cargo xtask test` installs");
    assert!(said.status.success(), "{}: {said:?}", file.display());
}

#[test]
fn the_page_of_prometheus_is_true_to_the_word() {
    let namespace = Namespace::create().unwrap();
    let drops = "add table inet t; add chain inet t in { type filter hook input priority 0; }; \
                 add rule inet t in ip daddr 127.0.2.9 drop";
    namespace.run("nft", [drops]).unwrap();
    namespace.enter(connect).unwrap();
}
