//! Cisco Meraki's dashboard over HTTP: a server answers with the documented answers, and badly where it is told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use measure::meraki::{Client, Config};
use measure::sdwan::{Error, Poll, Scope, Window};
use measure::vco::{Address, Secret};
use model::UnixMs;
use model::wan::WanMetric;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nothing of it can fail but by our own doing.
const WORKS: &str = "loopback, and what the test itself wrote, is good";
/// When the documented readings were taken.
const START: UnixMs = UnixMs(1_540_334_400_000);
const KEY: &str = "key-hunter2";
const ORGANIZATIONS: &str = include_str!("../orchestrator/meraki/organizations.json");
const DEVICES: &str = include_str!("../orchestrator/meraki/devices.json");
const UPLINKS: &str = include_str!("../orchestrator/meraki/uplinksLossAndLatency.json");

/// The dashboard: answers by path, each with its status, in turn; of the last one more than once.
#[derive(Clone, Default)]
struct Dashboard {
    answers: HashMap<&'static str, Vec<(u16, String)>>,
    /// The heads of all requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Dashboard {
    /// One that knows the documented answers.
    fn documented() -> Self {
        let mut dashboard = Self::default();
        let uplinks = "/api/v1/organizations/2930418/devices/uplinksLossAndLatency?t0=1540334400&t1=1540334700";
        for (path, body) in [
            ("/api/v1/organizations", ORGANIZATIONS),
            ("/api/v1/organizations/2930418/devices?perPage=1000", DEVICES),
            (uplinks, UPLINKS),
        ] {
            dashboard.answers.insert(path, vec![(200, body.to_owned())]);
        }
        dashboard
    }

    /// The same, but first this answer to a path.
    fn first(mut self, path: &'static str, status: u16, body: &str) -> Self {
        self.answers.entry(path).or_default().insert(0, (status, body.to_owned()));
        self
    }

    /// Listens; a client that asks it.
    async fn client(&self) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect(WORKS);
        let at = format!("http://{}", listener.local_addr().expect(WORKS));
        let mut this = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect(WORKS);
                this.serve(stream).await;
            }
        });
        let (address, token) = (Address::parse(&at).expect(WORKS), Secret::new(KEY));
        let timeout = std::time::Duration::from_mins(1);
        Client::new(Config { address, token, ca: None, proxy: None, timeout }).expect(WORKS)
    }

    /// Answers one request and hangs up.
    async fn serve(&mut self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.expect(WORKS) > 0 {}
        let head = String::from_utf8(head).expect(WORKS);
        let path = head.split(' ').nth(1).expect(WORKS);
        let (status, body) = match self.answers.get_mut(path) {
            None => (404, String::from(r#"{"errors":["no such thing"]}"#)),
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
        };
        self.asked.lock().expect(WORKS).push(head);
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.expect(WORKS);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect(WORKS).clone()
    }
}

/// Five minutes of one organization.
fn scope() -> Scope {
    let window = Window { start: START, end: UnixMs(START.0 + 300_000) };
    Scope { window, minutes: 5, enterprises: vec!["My organization".to_owned()] }
}

fn names(poll: &Poll) -> Vec<(&str, &str)> {
    poll.links.iter().map(|(link, _)| (&*link.edge_name, &*link.name)).collect()
}

#[tokio::test]
async fn each_uplink_is_a_link_with_the_name_of_its_appliance() {
    let dashboard = Dashboard::documented();
    let poll = dashboard.client().await.poll(&scope()).await.unwrap();
    let found = [
        ("Branch-1", "wan1 to 8.8.8.8"),
        ("Q2QN-9J8L-SLPE", "wan2 to 8.8.8.8"),
        ("Q2QN-9J8L-SLPF", "cellular"),
    ];
    assert_eq!(names(&poll), found);
    let (link, readings) = &poll.links[0];
    assert_eq!((&*link.customer, link.enterprise), ("My organization", Some(2_930_418)));
    assert_eq!(link.interface.as_deref(), Some("wan1"));
    assert_eq!((readings.len(), readings[0].get(WanMetric::LatencyRx)), (1, Some(200.0)));
    assert!(poll.failures.is_empty());
    let asked = dashboard.asked();
    assert_eq!(asked.len(), 3);
    let key = format!("authorization: Bearer {KEY}\r\n");
    assert!(asked.iter().all(|head| head.contains(&key)), "{asked:?}");
}

#[tokio::test]
async fn an_organization_that_fails_costs_the_others_nothing() {
    let dashboard = Dashboard::documented();
    let poll = dashboard.client().await.poll(&Scope { enterprises: Vec::new(), ..scope() }).await;
    let poll = poll.unwrap();
    assert_eq!(poll.links.len(), 3);
    assert_eq!(poll.failures.len(), 1);
    let told = poll.failures[0].to_string();
    assert!(told.starts_with("Another organization: http://127.0.0.1:"), "{told}");
    assert!(told.contains("HTTP 404") && told.contains("no such thing"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again() {
    let devices = "/api/v1/organizations/2930418/devices?perPage=1000";
    let dashboard = Dashboard::documented()
        .first(devices, 500, "oops")
        .first(devices, 200, "[{\"serial\":")
        .first(devices, 200, "<html><body><h1>Sign in</h1></body></html>")
        .first("/api/v1/organizations", 429, "");
    let poll = dashboard.client().await.poll(&scope()).await.unwrap();
    assert_eq!(poll.links.len(), 3);
    assert_eq!(dashboard.asked().len(), 3 + 4);
}

#[tokio::test]
async fn a_key_that_is_refused_ends_the_poll_and_is_never_shown() {
    let refusal = format!(r#"{{"errors":["Invalid API key {KEY}"]}}"#);
    let dashboard = Dashboard::documented().first("/api/v1/organizations", 401, &refusal);
    let client = dashboard.client().await;
    let why = client.poll(&scope()).await.unwrap_err();
    assert!(matches!(why, Error::Token { .. }), "{why}");
    assert!(!format!("{why} {client:?}").contains(KEY));
    assert_eq!(dashboard.asked().len(), 1);
}
