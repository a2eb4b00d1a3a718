//! Logins to a real OpenSSH server that takes one way alone: kinds of keys, and the algorithms of old devices.

use std::sync::Arc;

use mend::Endpoint;
use mend::session::{Limits, Session, SessionError};
use model::{Secret, SystemClock};

use crate::sshd::Sshd;

/// What old devices speak: key exchange, cipher. The host key is RSA and signs with SHA-1. With what our own key
/// signs is not theirs to say: OpenSSH tells of SHA-2 whatever it was told to take.
const OLD: [(&str, &str); 4] = [
    ("diffie-hellman-group1-sha1", "3des-cbc"),
    ("diffie-hellman-group14-sha1", "aes128-cbc"),
    ("diffie-hellman-group14-sha1", "aes256-cbc"),
    ("diffie-hellman-group-exchange-sha1", "aes192-cbc"),
];

async fn open(sshd: &Sshd, endpoint: &Endpoint) -> Result<Session, SessionError> {
    Session::open(endpoint, &sshd.keys(), Limits::default(), Arc::new(SystemClock)).await
}

async fn works(sshd: &Sshd, endpoint: &Endpoint, what: &str) {
    let mut session = open(sshd, endpoint).await.unwrap_or_else(|why| panic!("{what}: {why}"));
    assert_eq!(session.show("uname -s").await.unwrap().text, "Linux\n", "{what}");
    session.close().await;
}

#[tokio::test]
async fn keys_of_all_kinds_let_us_in_with_a_passphrase_and_without() {
    let sshd = Sshd::start("ed25519");
    let mut endpoint = sshd.endpoint("host1");
    sshd.trust(&endpoint).await;
    for kind in ["rsa", "ecdsa", "ed25519"] {
        for passphrase in ["", "hunter2 of the key"] {
            endpoint.login.key = Some(Secret::new(sshd.let_in(kind, passphrase)));
            endpoint.login.passphrase =
                Some(passphrase).filter(|some| !some.is_empty()).map(Secret::new);
            works(&sshd, &endpoint, kind).await;
        }
        // The last one is locked.
        endpoint.login.passphrase = Some(Secret::new("hunter3"));
        let refused = open(&sshd, &endpoint).await.unwrap_err();
        assert!(matches!(refused, SessionError::Credential { .. }), "{kind}: {refused}");
        assert!(!format!("{refused} {refused:?}").contains("hunter"), "{kind}: {refused:?}");
    }
}

#[tokio::test]
async fn old_algorithms_are_spoken_with_devices_that_may_speak_them_and_no_others() {
    for (exchange, cipher) in OLD {
        let sshd = Sshd::start_with(
            "rsa",
            &format!(
                "KexAlgorithms {exchange}\nCiphers {cipher}\nMACs hmac-sha1\n\
                 HostKeyAlgorithms ssh-rsa"
            ),
        );
        let mut endpoint = sshd.endpoint("old1");
        endpoint.login.key = Some(Secret::new(sshd.let_in("rsa", "")));
        endpoint.login.legacy = true;
        sshd.trust(&endpoint).await;
        works(&sshd, &endpoint, &format!("{exchange} {cipher}")).await;
        endpoint.login.legacy = false;
        let refused = open(&sshd, &endpoint).await.unwrap_err();
        let SessionError::Algorithm { theirs, .. } = &refused else {
            panic!("{exchange} {cipher}: {refused}")
        };
        let old = [exchange, cipher, "ssh-rsa"].iter().any(|name| theirs.contains(name));
        assert!(old && refused.to_string().contains("legacy"), "{refused}");
    }
}

#[tokio::test]
async fn an_old_host_key_alone_is_refused_too() {
    let sshd = Sshd::start_with("rsa", "HostKeyAlgorithms ssh-rsa");
    let mut endpoint = sshd.endpoint("old1");
    endpoint.login.legacy = true;
    sshd.trust(&endpoint).await;
    works(&sshd, &endpoint, "ssh-rsa").await;
    endpoint.login.legacy = false;
    let refused = open(&sshd, &endpoint).await.unwrap_err();
    assert!(matches!(refused, SessionError::Algorithm { .. }), "{refused}");
}
