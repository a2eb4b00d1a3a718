//! Orchestrators behind a proxy (HTTP CONNECT) and with certificates of a private authority.

use std::sync::{Arc, Mutex};

use lab::{Certificate, OrchestratorOptions};
use measure::vco::{Address, Client, Config, Error, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::peer::last_hour;
use super::simulated::{Simulated, WORKS};

/// A proxy that brings everybody to one port of this machine, or nobody anywhere.
struct Proxy {
    at: String,
    /// The heads of what it was asked.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that leads to `port`; without one it refuses with this status.
    async fn start(port: Option<u16>, status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect(WORKS);
        let at = listener.local_addr().expect(WORKS).to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heads = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect(WORKS);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n")
                    && stream.read_buf(&mut head).await.expect(WORKS) > 0
                {}
                heads.lock().expect(WORKS).push(String::from_utf8(head).expect(WORKS));
                let answer = format!("HTTP/1.1 {status}\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.expect(WORKS);
                if let Some(port) = port {
                    let mut onward = TcpStream::connect(("127.0.0.1", port)).await.expect(WORKS);
                    tokio::spawn(async move {
                        drop(tokio::io::copy_bidirectional(&mut stream, &mut onward).await);
                    });
                }
            }
        });
        Self { at, asked }
    }
}

/// An orchestrator that is called so in its certificate, and a config that trusts it.
async fn called(name: &str) -> (Simulated, Config) {
    let certificate = Certificate::new(&[name]).expect(WORKS);
    let ca = certificate.authority().as_bytes().to_vec();
    let peer = Simulated::with(OrchestratorOptions::new(3, 2), Some(certificate)).await;
    let config = Config { ca: Some(ca), ..peer.config() };
    (peer, config)
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_and_sees_nothing_else() {
    let (peer, config) = called("vco.example.com").await;
    let proxy = Proxy::start(Some(peer.port), "200 Connection established").await;
    let address = Address::parse("vco.example.com:8443").unwrap();
    let through = Some(format!("http://me:proxy-hunter2@{}", proxy.at));
    let client = Client::new(Config { address, proxy: through, ..config }).unwrap();
    let found = poll(&Arc::new(client), &last_hour()).await.unwrap();
    assert_eq!((found.links.len(), found.failures.len()), (6, 0));
    let asked = proxy.asked.lock().unwrap().clone();
    assert!((1..=8).contains(&asked.len()), "tunnels are used again: {asked:?}");
    for head in asked {
        assert!(head.starts_with("CONNECT vco.example.com:8443 HTTP/1.1\r\n"), "{head}");
        // `me:proxy-hunter2` in Base64.
        assert!(head.contains("Basic bWU6cHJveHktaHVudGVyMg=="), "{head}");
        assert!(!head.contains("lab"), "the token is for the orchestrator alone: {head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_is_told_without_its_password() {
    let (_peer, config) = called("vco.example.com").await;
    for (status, words) in [
        ("407 Proxy Authentication Required", "proxy authorization required"),
        ("403 Forbidden", "unsuccessful"),
    ] {
        let proxy = Proxy::start(None, status).await;
        let address = Address::parse("vco.example.com").unwrap();
        let through = Some(format!("http://me:proxy-hunter2@{}", proxy.at));
        let client = Client::new(Config { address, proxy: through, ..config.clone() }).unwrap();
        let why = poll(&Arc::new(client), &last_hour()).await.unwrap_err();
        assert!(matches!(why, Error::Connect { .. }), "{why:?}");
        let told = why.to_string();
        assert!(told.contains("https://vco.example.com") && told.contains("proxy"), "{told}");
        assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn only_the_given_authority_is_trusted_and_only_for_its_name() {
    let (peer, config) = called("127.0.0.1").await;
    let asked = async |config: Config| {
        let client = Arc::new(Client::new(config).unwrap());
        poll(&client, &last_hour()).await.map(|found| found.links.len())
    };
    assert_eq!(asked(config.clone()).await.unwrap(), 6);
    let other = Certificate::new(&["127.0.0.1"]).unwrap().authority().as_bytes().to_vec();
    for (what, config) in [
        ("another authority", Config { ca: Some(other), ..config.clone() }),
        ("the system's", Config { ca: None, ..config.clone() }),
    ] {
        let why = asked(config).await.unwrap_err();
        assert!(matches!(why, Error::Untrusted { .. }), "{what}: {why:?}");
    }
    let named = Address::parse(&format!("https://localhost:{}", peer.port)).unwrap();
    let why = asked(Config { address: named, ..config }).await.unwrap_err();
    assert!(matches!(why, Error::Untrusted { .. }), "{why:?}");
    assert!(why.to_string().contains("localhost"), "{why}");
}
