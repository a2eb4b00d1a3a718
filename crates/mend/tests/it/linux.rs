//! Sessions on Linux and on `FRRouting`'s vtysh through a real OpenSSH server.

use std::sync::Arc;

use mend::session::{Change, HostKeyError, HostKeys, Limits, Session, SessionError};
use mend::{Endpoint, Platform};
use model::{Login, Secret, SystemClock};

use crate::sshd::Sshd;

async fn open(endpoint: &Endpoint, keys: &HostKeys) -> Result<Session, SessionError> {
    Session::open(endpoint, keys, Limits::default(), Arc::new(SystemClock)).await
}

#[tokio::test]
async fn a_command_that_only_reads_is_answered_and_others_are_not_sent() {
    let sshd = Sshd::start("ed25519");
    let endpoint = sshd.endpoint("host1");
    sshd.trust(&endpoint).await;
    let mut session = open(&endpoint, &sshd.keys()).await.unwrap();
    assert_eq!(session.show("uname -s").await.unwrap().text, "Linux\n");
    assert_eq!(session.show("id -un").await.unwrap().text, "root\n");
    assert!(matches!(session.show("reboot").await, Err(SessionError::NotReading(_))));
    let refused = session.show("ip link show no-such-link").await.unwrap_err().to_string();
    assert!(refused.contains("status 1") && refused.contains("does not exist"), "{refused}");
    let transcript = session.close().await.to_string();
    assert!(transcript.contains("uname -s") && !transcript.contains("reboot"), "{transcript}");
}

#[tokio::test]
async fn a_host_that_nobody_trusts_is_refused() {
    let sshd = Sshd::start("ed25519");
    let refused = open(&sshd.endpoint("host1"), &sshd.keys()).await.unwrap_err();
    assert!(matches!(refused, SessionError::HostKey(HostKeyError::Unknown { .. })), "{refused}");
}

#[tokio::test]
async fn another_host_at_the_same_address_is_refused_whatever_the_kind_of_its_key() {
    for (ours, theirs) in [("ed25519", "ed25519"), ("rsa", "ed25519"), ("ed25519", "ecdsa")] {
        let sshd = Sshd::start(ours);
        let (keys, endpoint) = (sshd.keys(), sshd.endpoint("host1"));
        sshd.trust(&endpoint).await;
        // A server in between shows a key of its own at another port: the device is known by name.
        let between = Sshd::start(theirs);
        let mut diverted = endpoint.clone();
        diverted.login.port = between.port;
        let refused = open(&diverted, &keys).await.unwrap_err();
        let changed = matches!(refused, SessionError::HostKey(HostKeyError::Changed { .. }));
        assert!(changed, "{ours} {theirs}: {refused}");
        open(&endpoint, &keys).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn a_login_that_is_refused_says_what_was_tried_and_shows_no_secret() {
    let sshd = Sshd::start("ed25519");
    let mut endpoint = sshd.endpoint("host1");
    sshd.trust(&endpoint).await;
    endpoint.login = Login::new("root");
    endpoint.login.port = sshd.port;
    endpoint.login.password = Some(Secret::new("hunter2-is-wrong"));
    let refused = open(&endpoint, &sshd.keys()).await.unwrap_err();
    let told = format!("{refused} {refused:?}");
    assert!(told.contains("tried password") && told.contains("publickey"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    endpoint.login.password = None;
    endpoint.login.key = Some(Secret::new("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"));
    let refused = open(&endpoint, &sshd.keys()).await.unwrap_err();
    let told = format!("{refused} {refused:?} {endpoint:?}");
    assert!(told.contains("private key") && !told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_device_is_reached_through_another_one() {
    let bastion = Sshd::start("ed25519");
    let inner = Sshd::start("ecdsa");
    let (keys, jump) = (bastion.keys(), bastion.endpoint("bastion"));
    bastion.trust(&jump).await;
    let mut endpoint = inner.endpoint("inner");
    endpoint.jump = Some(Box::new(jump));
    let refused = open(&endpoint, &keys).await.unwrap_err();
    assert!(matches!(refused, SessionError::HostKey(HostKeyError::Unknown { .. })), "{refused}");
    let shown = mend::session::ask_host_key(&endpoint, &keys, &Limits::default()).await.unwrap();
    keys.trust("inner", &shown, false).unwrap();
    let mut session = open(&endpoint, &keys).await.unwrap();
    assert_eq!(session.show("uname -s").await.unwrap().text, "Linux\n");
    session.close().await;
}

#[tokio::test]
async fn a_real_vtysh_is_asked_and_changed() {
    let sshd = Sshd::start_with_frr();
    let mut endpoint = sshd.endpoint("frr1");
    sshd.trust(&endpoint).await;
    endpoint.platform = Platform::Frr;
    let mut session = open(&endpoint, &sshd.keys()).await.unwrap();
    let summary = session.show("show bgp summary").await.unwrap().text;
    assert!(summary.contains("local AS number 65000") && !summary.contains("frr1#"), "{summary}");
    let refused = session.show("show nonsense").await.unwrap_err();
    assert!(matches!(refused, SessionError::Rejected { .. }), "{refused}");
    let lines =
        ["router bgp 65000", "neighbor 127.0.0.9 shutdown", "neighbor 127.0.0.9 description x"];
    let lines = lines.map(str::to_owned).to_vec();
    session.configure(&Change { lines, revert_after: None }).await.unwrap();
    let running = session.show("show running-config").await.unwrap().text;
    assert!(running.contains("neighbor 127.0.0.9 shutdown"), "{running}");
    assert!(running.contains("neighbor 127.0.0.9 description x"), "{running}");
    let transcript = session.close().await.to_string();
    assert!(transcript.contains("configure terminal"), "{transcript}");
}
