//! What an orchestrator does to a client that polls it for hours: storms of 429, answers that never come, sessions
//! that end. Time is paused: what waits, waits no longer than the machine takes.

use std::time::Duration;

use lab::{Failing, OrchestratorFault, OrchestratorOptions};
use measure::vco::{Error, Poll, poll};
use tokio::time::Instant;

use super::peer::last_hour;
use super::simulated::Simulated;
use super::{LINKS, QUALITY};

fn options(edges: u32, links: u32, faults: Vec<OrchestratorFault>) -> OrchestratorOptions {
    OrchestratorOptions { faults, ..OrchestratorOptions::new(edges, links) }
}

/// This, to so many questions of a method after `after` were answered.
fn fault(does: Failing, method: &'static str, after: u64, times: u64) -> OrchestratorFault {
    OrchestratorFault { method: Some(method), after, times, ..OrchestratorFault::always(does) }
}

/// Whether every link has its twelve readings.
fn is_whole(poll: &Poll, links: usize) -> bool {
    poll.failures.is_empty()
        && poll.links.len() == links
        && poll.links.iter().all(|(_, readings)| readings.len() == 12)
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_429_is_waited_out_and_its_end_brings_everything() {
    let storms =
        vec![fault(Failing::TooMany, QUALITY, 3, 30), fault(Failing::TooMany, LINKS, 0, 2)];
    let peer = Simulated::start(options(20, 2, storms)).await;
    let start = Instant::now();
    let found = poll(&peer.client(), &last_hour()).await.unwrap();
    assert!(is_whole(&found, 40), "{:?}", found.failures);
    // Each refusal stops all questions for 5 s; at most four were on their way.
    assert!(start.elapsed() >= Duration::from_secs(5 * (2 + 30 / 4)), "{:?}", start.elapsed());
    assert_eq!(peer.asked(QUALITY), 20 + 30);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_429_without_an_end_is_given_up_and_told() {
    let storm = vec![OrchestratorFault::always(Failing::TooMany)];
    let peer = Simulated::start(options(3, 1, storm)).await;
    let start = Instant::now();
    let why = poll(&peer.client(), &last_hour()).await.unwrap_err();
    assert!(matches!(why, Error::Limited { .. }), "{why}");
    assert!(why.to_string().contains("too many requests (429), again and again"), "{why}");
    assert!(start.elapsed() >= Duration::from_mins(1));
    assert_eq!(peer.asked(LINKS), 13);
}

#[tokio::test(start_paused = true)]
async fn what_passes_of_any_question_leaves_no_trace() {
    // Whoever has a token has no session that could end.
    let passing = Failing::ALL.into_iter().filter(|(_, does)| *does != Failing::Expired);
    for (name, does) in passing {
        let faults = vec![fault(does, LINKS, 0, 2), fault(does, QUALITY, 4, 2)];
        let peer = Simulated::start(options(6, 2, faults)).await;
        let found = poll(&peer.client(), &last_hour()).await;
        let found = found.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(is_whole(&found, 12), "{name}: {:?}", found.failures);
        assert_eq!((peer.asked(LINKS), peer.asked(QUALITY)), (1 + 2, 6 + 2), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_edge_without_an_answer_costs_the_others_nothing() {
    let silent = OrchestratorFault { edge: Some(2), ..OrchestratorFault::always(Failing::Silent) };
    let peer = Simulated::start(options(4, 1, vec![silent])).await;
    let start = Instant::now();
    let found = poll(&peer.client(), &last_hour()).await.unwrap();
    assert_eq!(found.failures.len(), 1);
    let told = found.failures[0].to_string();
    assert!(
        told.contains("edge edge-0002 of SIMULATION") && told.contains("within 60 s"),
        "{told}"
    );
    assert_eq!(found.links.iter().filter(|(_, readings)| readings.len() == 12).count(), 3);
    assert_eq!(start.elapsed().as_secs() / 60, 4, "a minute for each of four tries");
}

#[tokio::test(start_paused = true)]
async fn an_orchestrator_that_falls_silent_is_given_up_soon_however_many_edges_it_has() {
    let silent = fault(Failing::Silent, QUALITY, 0, u64::MAX);
    let peer = Simulated::start(options(500, 2, vec![silent])).await;
    let start = Instant::now();
    let why = poll(&peer.client(), &last_hour()).await.unwrap_err();
    assert!(matches!(why, Error::Timeout { .. }), "{why}");
    assert!(start.elapsed() < Duration::from_mins(9), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn sessions_that_end_at_once_are_told_and_no_storm_of_logins() {
    let peer = Simulated::start(options(50, 1, vec![fault(Failing::Expired, QUALITY, 0, 1_000)]));
    let peer = peer.await;
    let why = poll(&peer.client_of("lab", "lab"), &last_hour()).await.unwrap_err();
    assert!(matches!(why, Error::Session { .. }), "{why}");
    assert!(why.to_string().contains("ended the session"), "{why}");
    assert!(peer.asked("login") <= 24, "{} logins", peer.asked("login"));
}

#[tokio::test]
async fn an_orchestrator_that_knows_no_paths_is_asked_by_json_rpc() {
    let peer = OrchestratorOptions { rpc_alone: true, ..OrchestratorOptions::new(3, 2) };
    let peer = Simulated::start(peer).await;
    for client in [peer.client(), peer.client_of("lab", "lab")] {
        let found = poll(&client, &last_hour()).await.unwrap();
        assert!(is_whole(&found, 6), "{:?}", found.failures);
        assert!(is_whole(&poll(&client, &last_hour()).await.unwrap(), 6));
    }
    assert_eq!((peer.asked(LINKS), peer.asked(QUALITY)), (4, 12));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_meets_trouble_is_tried_again_and_one_that_is_refused_is_not() {
    let trouble =
        vec![fault(Failing::Error, "login", 0, 1), fault(Failing::TooMany, "login", 1, 1)];
    let peer = Simulated::start(options(2, 1, trouble)).await;
    let found = poll(&peer.client_of("lab", "lab"), &last_hour()).await.unwrap();
    assert!(is_whole(&found, 2));
    assert_eq!(peer.asked("login"), 3);

    let client = peer.client_of("lab", "wrong");
    let refused = async |client| {
        let why = poll(client, &last_hour()).await.unwrap_err();
        assert!(matches!(why, Error::Login { .. }), "{why}");
    };
    for _ in 0..5 {
        refused(&client).await;
    }
    assert_eq!(peer.asked("login"), 3 + 2, "once as a customer, once as an operator");
    tokio::time::advance(Duration::from_mins(61)).await;
    refused(&client).await;
    assert_eq!(peer.asked("login"), 3 + 4, "and again after an hour");
}

#[tokio::test]
async fn ten_thousand_links_of_five_thousand_edges_come_in_one_poll() {
    let peer = Simulated::start(options(5_000, 2, Vec::new())).await;
    let mut scope = last_hour();
    scope.window.start.0 = scope.window.end.0 - 300_000;
    let found = poll(&peer.client(), &scope).await.unwrap();
    assert_eq!(found.links.len(), 10_000);
    assert!(found.links.iter().all(|(_, readings)| readings.len() == 1));
    assert_eq!((found.failures.len(), found.odd), (0, 0));
    assert_eq!((peer.asked(LINKS), peer.asked(QUALITY)), (1, 5_000));
}
