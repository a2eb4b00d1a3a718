//! What starts a repair besides a line: outages that our own probes see, verdicts of the detectors, events of
//! orchestrators. And what such sight is worth where a line alone is not enough.

use std::net::UdpSocket;

use nix::sys::signal::Signal;

use super::*;
use crate::wan::{Peer, fleet};

/// A port that answers, and at some time nothing any more: its only place for those that wait to be accepted is
/// taken.
struct Silent {
    at: SocketAddr,
    _listener: tokio::net::TcpListener,
    waits: Option<tokio::net::TcpStream>,
    runtime: tokio::runtime::Runtime,
}

impl Silent {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind((Ipv4Addr::new(127, 0, 99, 1), 0).into()).expect("loopback is wide");
            socket.listen(0).expect("it is bound")
        });
        let at = listener.local_addr().expect("it is bound");
        Self { at, _listener: listener, waits: None, runtime }
    }

    /// Answers nothing from now on, once it has answered probes of this daemon.
    fn fall(&mut self, world: &World) {
        let known = |state: &'static str| {
            move |answer: &Value| {
                let targets = answer["targets"].as_array()?;
                targets
                    .iter()
                    .any(|one| one["host"] == "127.0.99.1" && one["state"] == state)
                    .then_some(())
            }
        };
        world.daemon().wait_for("/api/v1/targets", known("up"));
        let waits = self.runtime.block_on(tokio::net::TcpStream::connect(self.at));
        self.waits = Some(waits.expect("one may wait"));
        world.daemon().wait_for("/api/v1/targets", known("down"));
    }

    /// It as a target, beside others that answer: of one alone it could be our own sight that fails.
    fn targets(&self, limits: &str) -> String {
        let others: Vec<String> = (101..105)
            .map(|number| format!("{{ host: 127.0.99.{number}, interval: 1s }}"))
            .collect();
        format!(
            "targets: {{ lab: [{{ host: {}, tcp: [{}], interval: 1s{limits} }}, {}] }}",
            self.at.ip(),
            self.at.port(),
            others.join(", ")
        )
    }
}

/// What makes the silent target one of a device's.
const SHOWN: &str = "targets: [127.0.99.1]";

#[test]
fn an_outage_that_our_own_probes_see_starts_a_repair_and_says_that_it_did_not_help() {
    let mut silent = Silent::new();
    let (more, bounce) = (silent.targets(""), literal("TARGET_DOWN"));
    let world =
        World::new(&Plan { more: &more, bounce: &bounce, keys: &[SHOWN], ..Plan::default() });
    silent.fall(&world);
    let event = world.event(1, "failure");
    assert_eq!((&event["code"], &event["device"]), (&"TARGET_DOWN".into(), &"r1".into()));
    assert_eq!(event["object"], silent.at.to_string());
    assert_eq!(event["origin"], "judgement");
    assert_eq!(world.changes(0), ["shutdown", "no shutdown"]);
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.starts_with("not proven: ") && reason.contains("0 of 10"), "{event:#}");
    let run = &world.ask(&["runs", "show", "1"])[0];
    assert_eq!(run["proof"]["verdict"], "not_proven", "{run:#}");
}

#[test]
fn a_verdict_of_the_detectors_starts_a_repair() {
    let mut silent = Silent::new();
    let (more, bounce) = (silent.targets(", limits: { loss: 1% }"), literal("TARGET_LOSS"));
    let world =
        World::new(&Plan { more: &more, bounce: &bounce, keys: &[SHOWN], ..Plan::default() });
    silent.fall(&world);
    let event = world.event(1, "failure");
    assert_eq!((&event["code"], &event["origin"]), (&"TARGET_LOSS".into(), &"judgement".into()));
    assert_eq!(world.changes(0), ["shutdown", "no shutdown"]);
}

#[test]
fn an_event_of_an_orchestrator_starts_a_repair() {
    let peer = Peer::start(&fleet(1, 0));
    let more = format!(
        "orchestrators: {{ corp: {{ kind: vco, url: '{}', token: tok, lag: 0s, backfill: 0s }} }}",
        peer.at
    );
    let mut world =
        World::new(&Plan { more: &more, bounce: &literal("EDGE_DOWN"), ..Plan::default() });
    // What happened before it was asked first is no news: that it was is on disk before it stops.
    world.daemon().wait_for("/api/v1/links", |answer| {
        answer["links"][0]["link"]["gateway"].as_str().map(drop)
    });
    world.daemon().signal(Signal::SIGTERM);
    world.daemon.take().unwrap().wait();
    peer.tell(&[("r1", "EDGE_DOWN", "ALERT")]);
    world.start();
    let event = world.event(1, "success");
    assert_eq!((&event["device"], &event["origin"]), (&"r1".into(), &"orchestrator".into()));
    assert_eq!(world.changes(0), ["shutdown", "no shutdown"]);
}

#[test]
fn a_datagram_needs_no_yes_where_our_own_probes_say_the_same() {
    let mut silent = Silent::new();
    let more = silent.targets("");
    let world = World::new(&Plan { more: &more, keys: &[SHOWN], ..Plan::default() });
    silent.fall(&world);
    let socket = UdpSocket::bind((address(0), 0)).unwrap();
    socket.send_to(format!("<187>7: r1: {}", down(PORT)).as_bytes(), world.syslog).unwrap();
    let run = &world.until(&["runs", "list"], |runs| !runs.is_empty())[0];
    assert!(run["approved_by"].is_null(), "{run:#}");
    let run = &world.ask(&["runs", "show", "1"])[0];
    let told = run["guards"].to_string();
    assert!(told.contains("r1 is in trouble: 127.0.99.1:"), "{told}");
}

#[test]
fn while_no_probe_reaches_its_partner_a_device_is_left_alone() {
    let mut silent = Silent::new();
    let more = silent.targets("");
    let second = format!("{SHOWN}, pair: r1");
    let keys = ["pair: r2", second.as_str()];
    let world = World::new(&Plan { devices: 2, more: &more, keys: &keys, ..Plan::default() });
    silent.fall(&world);
    world.say(0, &down(PORT));
    world.held(1, "held", "its partner r2 is in trouble: 127.0.99.1:");
}
