//! The page "From vco-api-wan-anomaly-alert", with a `.env` as that project has it, beside a stand-in for the
//! orchestrator whose authority is its own, and a mail server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::{block, blocks, follow, run, shell};
use crate::daemon::Daemon;
use crate::mail_server::{MailServer, header};
use crate::wan::mail::{late, original};
use crate::wan::{Peer, fleet};

const PAGE: &str = include_str!("../../../../../docs/from-vco-api-wan-anomaly-alert.md");

/// The daemon shows the links of the `.env` and says what is unusual.
fn judges(daemon: &Daemon) {
    let headline = daemon.wait_for("/api/v1/alerts", |answer| {
        let alert = answer["alerts"].as_array()?.first()?;
        alert["headline"].as_str().map(str::to_owned)
    });
    assert!(headline.starts_with("edge-001 WAN <1>: download latency 1"), "{headline}");
    let (status, page) = daemon.get("/links");
    assert!(status == 200 && page.contains("edge-003"), "{page}");
}

#[test]
fn the_page_from_vco_api_wan_anomaly_alert_is_true_to_the_word() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (peer, server) = (Peer::secure(&late(fleet(3, 1))), MailServer::start(folder));
    let trusted = original(folder, &peer, &server).display().to_string();
    let env = [("SSL_CERT_FILE", trusted.as_str())];
    let blocks = blocks(PAGE, "        ");

    let once = block(&blocks, "netmend vco once");
    let said = shell(folder, once, &[]);
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && words.contains("is not trusted"), "{words}");
    let said = follow(folder, once, &env);
    let anomalies: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_it = |one: &Value| one["edge"] == "edge-001" && one["metric"] == "latencyMsRx";
    assert!(anomalies.iter().any(is_it), "{anomalies:#?}");

    // The line of cron, without the times and the folder.
    let (times, line) = block(&blocks, "*/5").split_once(" && ").unwrap();
    assert!(times.starts_with("*/5 * * * *  cd /"), "{times}");
    assert_eq!(follow(folder, line, &env), "");
    let mail = server.mail();
    assert_eq!(mail["to"], serde_json::json!(["noc@example.net", "boss@example.net"]));
    let subject = header(&mail, "Subject");
    assert!(subject.starts_with("WAN Anomaly Alert: "), "{subject}");

    assert_eq!(block(&blocks, "netmend run").trim(), "netmend run --env-file .env");
    judges(&run(folder, "127.0.0.1:0", &["--env-file", ".env"], &env));

    let configured = block(&blocks, "netmend init");
    let (commands, last) = configured.trim().rsplit_once('\n').unwrap();
    follow(folder, commands, &env);
    let mode = fs::metadata(folder.join("netmend.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner can read it");
    assert_eq!(last, "netmend run --config netmend.yaml");
    fs::remove_dir_all(folder.join("data")).unwrap();
    judges(&run(folder, "127.0.0.1:0", &["--config", "netmend.yaml"], &env));
}
