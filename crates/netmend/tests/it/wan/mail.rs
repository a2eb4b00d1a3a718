//! The mails of the daemon about WAN links, as a mail server gets them: opened by Python's own email package.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Peer, fleet};
use crate::daemon::{Daemon, bare};
use crate::mail_server::{MailServer, PASSWORD, SENDER, header};

/// Writes the original's `.env`, which names these two, into a folder; gives the file of the authorities that both
/// need.
pub(crate) fn original(folder: &Path, peer: &Peer, server: &MailServer) -> PathBuf {
    // As in the README of vco-api-wan-anomaly-alert.
    let host = peer.at.trim_start_matches("https://");
    let text = format!(
        "VCO_HOSTNAME = '{host}/'\n\n# Either the API token\nVCO_TOKEN = ''\n\n\
         # Or the username and password\nVCO_USERNAME = 'me@example.com'\nVCO_PASSWORD = 'vco-hunter2'\n\n\
         EMAIL_SMTP_SERVER = '127.0.0.1'\nEMAIL_SSL_PORT = {}\nEMAIL_SENDER = '{SENDER}'\n\
         EMAIL_SENDER_PASSWORD = '{PASSWORD}'\nEMAIL_RECEIVER = 'noc@example.net, boss@example.net'\n",
        server.port
    );
    let trusted = folder.join("trusted.pem");
    fs::write(folder.join(".env"), text).expect("the folder is ours");
    fs::write(&trusted, format!("{}{}", peer.ca(), server.ca)).expect("the folder is ours");
    trusted
}

/// The daemon with that `.env`.
fn drop_in(folder: &Path, peer: &Peer, server: &MailServer) -> Daemon {
    let trusted = original(folder, peer, server);
    let mut command = bare("127.0.0.1:0", &folder.join("data"));
    command.arg("--env-file").arg(folder.join(".env")).env("SSL_CERT_FILE", trusted);
    Daemon::start(command)
}

/// These links, with the original's login, ten minutes late as it takes them.
pub(crate) fn late(mut scenario: Value) -> Value {
    scenario["auth"] = json!({ "users": [
        { "username": "me@example.com", "password": "vco-hunter2", "type": "enterprise" } ] });
    for edge in scenario["edges"].as_array_mut().expect("a fleet has edges") {
        let series = &mut edge["links"][0]["series"];
        if series["latencyMsRx"]["script"].is_array() {
            series["latencyMsRx"]["script"][0]["from"] = json!(-1_060);
        }
        // The original's rule takes any rise for one where nothing varies.
        for metric in series.as_object_mut().expect("a link has series").values_mut() {
            metric["noise"] = json!(0);
        }
        series["latencyMsRx"]["noise"] = json!(2);
    }
    scenario
}

fn part<'m>(mail: &'m Value, kind: &str) -> &'m str {
    let parts = mail["parts"].as_array().expect("a mail has parts");
    let found = parts.iter().find(|part| part["type"] == kind);
    found.and_then(|part| part["content"].as_str()).unwrap_or_else(|| panic!("no {kind}: {mail:#}"))
}

#[test]
fn the_env_file_of_the_original_brings_a_readable_mail_of_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = late(fleet(3, 1));
    scenario["edges"][0]["name"] = json!("Zürich-Höhe <b>");
    // What rose less is not what the mail begins with.
    scenario["edges"][0]["links"][0]["series"]["latencyMsTx"]["script"] =
        json!([{ "from": -1_060, "add": 5 }]);
    let (peer, server) = (Peer::secure(&scenario), MailServer::start(folder.path()));
    let _daemon = drop_in(folder.path(), &peer, &server);
    let mail = server.mail();
    assert_eq!(mail["to"], json!(["noc@example.net", "boss@example.net"]));
    assert_eq!((&mail["encrypted"], &mail["authenticated"]), (&json!(true), &json!(true)));
    assert_eq!(mail["defects"], json!([]));
    let subject = header(&mail, "Subject");
    let wanted = "WAN Anomaly Alert: WARNING Zürich-Höhe <b> WAN <1>: download latency 1";
    assert!(subject.starts_with(wanted), "{subject}");
    assert!(header(&mail, "From").contains(SENDER), "{mail:#}");

    let text = part(&mail, "text/plain");
    let link = "Edge Zürich-Höhe <b>, link WAN <1> (GE3, ISP 1) of A customer at site-1, gateway gw-lon-1.";
    assert!(text.contains(link), "{text}");
    assert!(text.contains("Download latency 1"), "{text}");
    assert!(
        text.contains(" ms, before ") && text.contains(" with a standard deviation of "),
        "{text}"
    );
    assert!(text.contains(" of them above, since "), "{text}");
    assert!(text.contains(". Upload latency 25 ms, before 20"), "{text}");
    assert!(text.contains(". Jitter and loss normal."), "{text}");
    let page = part(&mail, "text/html");
    assert!(page.contains("Zürich-Höhe &lt;b&gt;, link WAN &lt;1&gt;"), "{page}");
    assert!(!page.contains("src=\"http"), "nothing is loaded from elsewhere: {page}");
    assert!(!mail["raw"].as_str().unwrap().contains("hunter2"), "no secret is in it: {mail:#}");
}

#[test]
fn the_outage_of_a_gateway_is_one_mail_with_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::secure(&late(fleet(40, 40)));
    let server = MailServer::start(folder.path());
    let _daemon = drop_in(folder.path(), &peer, &server);
    let mail = server.mail();
    let subject = header(&mail, "Subject");
    assert!(subject.starts_with("WAN Anomaly Alert: WARNING gateway gw-lon-1"), "{subject}");
    assert!(subject.contains("40 of 40 links are bad"), "{subject}");
    let text = part(&mail, "text/plain");
    assert!(text.contains("edge-001") && text.contains("edge-017"), "{text}");
    let more = server.mails.try_recv().map(|more| header(&more, "Subject").to_owned());
    assert!(more.is_err(), "there is one mail, and not also {more:?}");
}

/// The configuration by which a daemon asks this orchestrator for what is so old, and mails at once.
fn lagging(folder: &Path, peer: &Peer, server: &MailServer, lag: &str) -> PathBuf {
    let (vco, mail) = (folder.join("vco.pem"), folder.join("authority.pem"));
    fs::write(&vco, peer.ca()).expect("the folder is ours");
    fs::write(&mail, &server.ca).expect("the folder is ours");
    let config = json!({
        "orchestrators": { "corp": { "kind": "vco", "url": peer.at, "token": "tok", "ca": vco, "lag": lag, "backfill": "0s" } },
        "detect": { "rule": "sigma", "at_least": { "latency": "20ms", "jitter": "50ms", "loss": "5%" } },
        "notify": [{ "name": "noc", "wait": "1s", "smtp": {
            "server": format!("smtps://127.0.0.1:{}", server.port), "from": SENDER, "to": ["noc@example.net"],
            "password": PASSWORD, "ca": mail } }],
    });
    let file = folder.join("netmend.yaml");
    fs::write(&file, config.to_string()).expect("the folder is ours");
    file
}

#[test]
fn the_end_of_a_links_trouble_is_mailed_in_the_thread_of_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = fleet(3, 1);
    // Bad is what was measured a quarter of an hour ago; what came since is good, and seen once the data lag less.
    let latency = &mut scenario["edges"][0]["links"][0]["series"]["latencyMsRx"];
    latency["script"] = json!([{ "from": -1_380, "to": -1_000, "add": 155 }]);
    let (peer, server) = (Peer::secure(&scenario), MailServer::start(folder.path()));
    let mut command = bare("127.0.0.1:0", &folder.path().join("data"));
    command.arg("--config").arg(lagging(folder.path(), &peer, &server, "15m"));
    let daemon = Daemon::start(command);
    let first = server.mail();
    let subject = header(&first, "Subject");
    let link = "edge-001 WAN <1>";
    assert!(subject.starts_with(&format!("WAN Anomaly Alert: WARNING {link}: ")), "{subject}");

    lagging(folder.path(), &peer, &server, "0s");
    daemon.signal(Signal::SIGHUP);
    let last = server.mail();
    let subject = header(&last, "Subject");
    assert!(subject.starts_with(&format!("WAN Anomaly Alert: RESOLVED {link}: ")), "{subject}");
    assert_eq!(header(&last, "X-Netmend-Kind"), "resolved");
    for name in ["In-Reply-To", "References"] {
        assert_eq!(header(&last, name), header(&first, "Message-ID"), "{name}");
    }
    let text = part(&last, "text/plain");
    assert!(text.contains("resolved") && text.contains("edge-001"), "{text}");
    assert_eq!(daemon.json("/api/v1/alerts")["open"], json!(0));
}
