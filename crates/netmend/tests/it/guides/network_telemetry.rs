//! The page "From network-telemetry", followed by its words: both targets files and the credentials as that project
//! has them lie where it has them, the commands and the configuration are those of the page, and InfluxDB wants a
//! login. The files name public hosts, which here are addresses of a namespace.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use lab::Namespace;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{block, blocks, follow};
use crate::daemon::{Daemon, bare};
use crate::sinks::influxd::Real;
use crate::telemetry::{DOCS, all_rows, boards, boards_in, every_panel, runtime};

/// The file of the ping probe: regions with lists.
const PING: &str = "\
---
  eu-east-1a:
    - www.facebook.com
    - www.google.com
    - www.youtube.com
    - www.yahoo.co.uk
    - www.openrent.co.uk
    - www.amazon.co.uk
    - www.ticketmaster.co.uk
";
/// The file of the TCP probe: regions with hosts and ports.
const TCP: &str = "\
---
aws-london:
  amazon.com: 443
  google.com: 443
  youtube.com: 443
  yahoo.com: 443
  wikipedia.org: 443
  bbc.co.uk: 443
";
/// Of the database that both probes write to, which the containers know as `db`.
const PASSWORD: &str = "supersecretpassword";

/// What takes the place of the pipeline.
const PIPELINES: [&str; 2] = [
    include_str!("../../../../../packaging/pipelines/gitlab-ci.yml"),
    include_str!("../../../../../packaging/pipelines/github.yml"),
];

/// The command of netmend in a line of a pipeline.
fn command(line: &str) -> Option<&str> {
    let line = line.trim_start_matches([' ', '-']).trim_start_matches("run: ");
    line.starts_with("netmend ").then_some(line)
}

/// The hosts of a targets file.
fn hosts(targets: &'static str) -> Vec<&'static str> {
    let entries = targets.lines().filter(|line| line.contains('.'));
    entries.map(|line| line.trim_start_matches([' ', '-']).trim_end_matches(": 443")).collect()
}

/// Lays out the folder of network-telemetry, and the addresses of its hosts in this namespace.
fn lay_out(folder: &Path, namespace: &Namespace) {
    for (probe, targets) in [("ping-probes", PING), ("tcp-probes", TCP)] {
        fs::create_dir_all(folder.join(probe).join("var")).unwrap();
        fs::write(folder.join(probe).join("var/targets.yaml"), targets).unwrap();
    }
    let login = format!(
        "{{\n  \"db\":\n    {{ \"username\": \"root\", \"password\": \"{PASSWORD}\" }}\n}}\n"
    );
    fs::write(folder.join("ping-probes/.credentials.json"), login).unwrap();
    let mut known = "127.0.0.1 localhost db\n".to_owned();
    for (number, host) in (1..).zip(hosts(PING).into_iter().chain(hosts(TCP))) {
        let address = format!("198.51.100.{number}");
        namespace.run("ip", ["address", "add", &format!("{address}/32"), "dev", "lo"]).unwrap();
        writeln!(known, "{address} {host}").unwrap();
    }
    fs::write(folder.join("hosts"), known).unwrap();
}

/// Runs the daemon in `folder`, with its file of hosts in the place of the machine's.
fn run(folder: &Path) -> Daemon {
    let plain = bare("127.0.0.1:0", &folder.join("data"));
    let mut command = Command::new("unshare");
    let script = "mount --bind hosts /etc/hosts && exec \"$0\" \"$@\"";
    command.args(["--mount", "sh", "-c", script]).arg(plain.get_program());
    command.args(plain.get_args()).args(["--config", "netmend.yaml"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.current_dir(folder).env("INFLUX_PASSWORD", PASSWORD);
    Daemon::start(command)
}

/// Runs netmend for three rounds, and holds what is in the database against the page and the targets files.
fn replaced(folder: &Path, influxd: &Real, runtime: &Runtime) {
    let daemon = run(folder);
    // Three rounds of every target.
    let all = (hosts(PING).len() + hosts(TCP).len()) as u64;
    daemon.wait_for("/api/v1/system", |system| {
        let sink = &system["sinks"][0];
        (sink["sent"].as_u64()? >= 3 * all && sink["waiting"] == 0).then_some(())
    });
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());

    let ask = |query: &str| all_rows(runtime, influxd, query);
    let reliability = DOCS.lines().map(str::trim).find(|line| line.starts_with("SELECT")).unwrap();
    for host in hosts(PING) {
        let query = reliability.replace("8.8.8.8", host);
        let found = ask(&query);
        assert!(!found.is_empty() && found.iter().all(|row| row[1] == 100.0), "{query}: {found:?}");
    }
    for (measurement, region, targets) in
        [("ping_rtt", "eu-east-1a", PING), ("tcp_rtt", "aws-london", TCP)]
    {
        let known = ask(&format!(
            "SHOW TAG VALUES FROM {measurement} WITH KEY = host WHERE region = '{region}'"
        ));
        let mut known: Vec<_> = known.iter().map(|row| row[1].as_str().unwrap()).collect();
        let mut expected = hosts(targets);
        known.sort_unstable();
        expected.sort_unstable();
        assert_eq!(known, expected, "{measurement}");
    }
    let count = |query: &str| ask(query).len() as u64;
    let sent = count("SELECT transmitted FROM ping_rtt") + count("SELECT packet_sent FROM tcp_rtt");
    assert!(sent >= 3 * all, "{sent} points");
}

/// Every panel has figures in that database.
fn answered(boards: &[Value], influxd: &Real, runtime: &Runtime) {
    assert_eq!(boards.len(), 3, "an overview and two regions");
    let ask = |query: &str| all_rows(runtime, influxd, query);
    let is_answered = |query: &str| ask(query).iter().any(|row| row[1].is_number());
    let count = every_panel(boards, |_| unreachable!("no choices"), is_answered);
    assert!(count >= 2 * (hosts(PING).len() + hosts(TCP).len()), "{count} queries");
}

fn migrate(namespace: &Namespace) {
    let (folder, database) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    lay_out(folder, namespace);
    let _listener = TcpListener::bind("0.0.0.0:443").unwrap();
    let runtime = runtime();
    let mut influxd = Real::influxd(database.path(), 8086, true);
    let create = format!("CREATE USER root WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES");
    runtime.block_on(influxd.order(&create, None));
    influxd.url = format!("http://root:{PASSWORD}@127.0.0.1:8086");

    let (blocks, env) = (blocks(DOCS, "        "), [("INFLUX_PASSWORD", PASSWORD)]);
    follow(folder, block(&blocks, "netmend init"), &env);
    replaced(folder, &influxd, &runtime);
    for flavour in ["grafana5", "current"] {
        answered(&boards(folder, flavour, "influxdb"), &influxd, &runtime);
    }

    fs::write(folder.join("netmend.yaml"), block(&blocks, "include:")).unwrap();
    for pipeline in PIPELINES {
        let commands: Vec<&str> = pipeline.lines().filter_map(command).collect();
        let [check, export] = commands[..] else { panic!("{commands:?}") };
        assert_eq!(check, "netmend check netmend.yaml");
        follow(folder, check, &env);
        follow(folder, export, &env);
    }
    fs::remove_dir_all(folder.join("data")).unwrap();
    replaced(folder, &influxd, &runtime);
    // What Grafana is given, in the place of `grafana/json` and `grafana/dashboards`.
    answered(&boards_in(&folder.join("grafana")), &influxd, &runtime);
    assert!(folder.join("grafana/provisioning/dashboards/netmend.yaml").exists());
}

#[test]
fn the_page_from_network_telemetry_is_true_to_the_word_with_its_own_files() {
    let namespace = Namespace::create().unwrap();
    namespace.enter(|| migrate(&namespace)).unwrap();
}
