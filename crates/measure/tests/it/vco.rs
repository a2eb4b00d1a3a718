//! The client and the poll against a stand-in for an orchestrator: what it serves, and each way in which it
//! can fail.

mod faults;
mod peer;
mod proxies;
mod simulated;

use measure::vco::{Credential, Error, Poll, Secret, WanMetric, poll};
use serde_json::{Value, json};

use peer::{NOW, PASSWORD, Peer, TOKEN, assets, fleet, last_hour};

const QUALITY: &str = "linkQualityEvent/getLinkQualityEvents";
const LINKS: &str = "monitoring/getAggregateEdgeLinkMetrics";

async fn polled(peer: &Peer) -> Poll {
    poll(&peer.client(), &last_hour()).await.expect("the orchestrator answers")
}

/// How many readings each link has.
fn readings(poll: &Poll) -> Vec<usize> {
    poll.links.iter().map(|(_, readings)| readings.len()).collect()
}

#[tokio::test]
async fn a_poll_brings_each_link_with_its_names_and_readings() {
    let file = assets().join("scenarios/p05_non_ascii.json");
    let scenario: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let peer = Peer::start(&scenario);
    let token = Credential::Token(Secret::new("tok-p05_non_ascii"));
    let mut scope = last_hour();
    (scope.window.start.0, scope.window.end.0) = ((NOW - 4_500) * 1_000, (NOW - 600) * 1_000);
    let found = poll(&peer.client_with(token, None), &scope).await.unwrap();
    assert_eq!(readings(&found), [13; 4]);
    let names: Vec<_> =
        found.links.iter().map(|(link, _)| (&*link.edge_name, &*link.name)).collect();
    assert_eq!(names[0], ("Zürich-Höhe", "Sunrise"));
    assert_eq!(names[3], ("東京-01", "NTT フレッツ光"));
    assert_eq!(found.links[0].0.customer, "Customer p05_non_ascii");
}

#[tokio::test]
async fn one_question_for_all_links_and_one_for_each_edge_is_all_it_takes() {
    let peer = Peer::start(&fleet(5, 2, &json!([])));
    let found = polled(&peer).await;
    assert_eq!(readings(&found), [12; 10]);
    assert!(found.failures.is_empty());
    assert_eq!(found.odd, 0);
    let (_, first) = &found.links[0];
    assert!(first.windows(2).all(|pair| pair[1].at.0 - pair[0].at.0 == 300_000));
    assert!((18.0..=22.0).contains(&first[0].get(WanMetric::LatencyTx).unwrap()));
    assert_eq!(peer.counts(), json!({ LINKS: 1, QUALITY: 5 }));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_leaves_no_trace() {
    let kinds = [
        json!({ "type": "http", "status": 500, "body": "oops" }),
        json!({ "type": "html" }),
        json!({ "type": "truncate", "bytes": 100 }),
        json!({ "type": "empty" }),
        json!({ "type": "reset" }),
        json!({ "type": "null" }),
    ];
    let fault = |(edge, what): (usize, &Value)| json!({ "match": { "method": QUALITY, "edgeId": edge + 1, "nth": [1] }, "do": what });
    let mut faults: Vec<Value> = kinds.iter().enumerate().map(fault).collect();
    faults.push(json!({ "match": { "method": LINKS, "nth": [1] }, "do": { "type": "reset" } }));
    let peer = Peer::start(&fleet(6, 1, &json!(faults)));
    let found = polled(&peer).await;
    assert_eq!(readings(&found), [12; 6], "{:?}", found.failures);
    assert_eq!(peer.counts()[QUALITY], 12);
}

#[tokio::test]
async fn what_fails_of_one_edge_stays_with_that_edge() {
    let all = |edge: i64, what: Value| json!({ "match": { "method": QUALITY, "edgeId": edge }, "do": what });
    let denied =
        json!({ "type": "rpc_error", "message": "user does not have privilege [READ:EDGE]" });
    let peer = Peer::start(&fleet(
        6,
        1,
        &json!([
            all(1, json!({ "type": "http", "status": 500, "body": "oops" })),
            all(2, json!({ "type": "html" })),
            all(3, json!({ "type": "truncate", "bytes": 100 })),
            all(4, denied),
            all(5, json!({ "type": "result", "value": ["no", "map"] })),
        ]),
    ));
    let found = polled(&peer).await;
    assert_eq!(readings(&found), [0, 0, 0, 0, 0, 12]);
    let told: Vec<String> = found
        .failures
        .iter()
        .map(|failure| failure.to_string().replace(&peer.at, "VCO").replace(QUALITY, "METHOD"))
        .collect();
    assert_eq!(told[0], "edge edge-001 of A customer: VCO answered METHOD with HTTP 500: oops");
    assert_eq!(
        told[1],
        "edge edge-002 of A customer: VCO answered METHOD with HTTP 502: 502 Bad Gateway"
    );
    assert!(told[2].starts_with("edge edge-003 of A customer: VCO broke off"), "{}", told[2]);
    assert_eq!(
        told[3],
        "edge edge-004 of A customer: VCO refused METHOD: user does not have privilege [READ:EDGE]"
    );
    assert!(told[4].ends_with("makes no sense: it is not a map of links"), "{}", told[4]);
    // A refusal is an answer: asking again would change nothing.
    assert_eq!(peer.counts()[QUALITY], 4 + 4 + 4 + 1 + 1 + 1);
}

#[tokio::test]
async fn a_429_stops_every_question_until_the_penalty_is_over() {
    let mut scenario = fleet(12, 1, &json!([]));
    scenario["rate_limit"] = json!({ "max": 8, "window": 5, "penalty": 5 });
    let peer = Peer::start(&scenario);
    let found = polled(&peer).await;
    assert_eq!(readings(&found), [12; 12], "{:?}", found.failures);
    let refused = peer.stats()["by_status"]["429"].as_u64().unwrap();
    assert!((1..=4).contains(&refused), "no more than were in flight, not {refused}");
}

#[tokio::test]
async fn a_session_that_ends_in_mid_poll_is_renewed_once_for_all() {
    let expire =
        json!([{ "match": { "method": QUALITY, "nth": [3] }, "do": { "type": "expire" } }]);
    let peer = Peer::start(&fleet(8, 1, &expire));
    let client = peer.client_of("customer", PASSWORD);
    let found = poll(&client, &last_hour()).await.unwrap();
    assert_eq!(readings(&found), [12; 8], "{:?}", found.failures);
    assert_eq!(peer.counts()["login"], 2);
}

#[tokio::test]
async fn operators_log_in_too_whatever_the_status_of_a_login_is() {
    let mut scenario = fleet(1, 1, &json!([]));
    scenario["auth"]["login_status"] = json!(302);
    let peer = Peer::start(&scenario);
    for client in [peer.client_of("operator", PASSWORD), peer.client_of_operator()] {
        assert_eq!(readings(&poll(&client, &last_hour()).await.unwrap()), [12]);
    }
    assert_eq!(peer.counts()["login"], 3, "one as a customer, then two as operators");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_tried_until_the_account_is_locked() {
    let mut scenario = fleet(3, 1, &json!([]));
    scenario["auth"]["fail_empty_session"] = json!(true);
    let peer = Peer::start(&scenario);
    let client = peer.client_of("customer", "hunter3");
    for _ in 0..3 {
        let why = poll(&client, &last_hour()).await.unwrap_err();
        assert!(matches!(why, Error::Login { .. }));
        let told = why.to_string();
        assert!(told.contains("takes no login of customer: Invalid credentials"), "{told}");
        assert!(!told.contains("hunter3") && !format!("{client:?}").contains("hunter3"), "{told}");
    }
    assert_eq!(peer.counts()["login"], 2, "once as a customer, once as an operator");
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_poll_and_is_never_shown() {
    let message = format!("tokenError [{TOKEN} has expired]");
    let fault = json!([{ "match": {}, "do": { "type": "rpc_error", "message": message } }]);
    let peer = Peer::start(&fleet(3, 1, &fault));
    let why = poll(&peer.client(), &last_hour()).await.unwrap_err();
    assert!(matches!(why, Error::Token { .. }), "{why}");
    assert!(why.to_string().contains("tokenError [*** has expired]"), "{why}");
    assert_eq!(peer.counts(), json!({ LINKS: 1 }));
}

#[tokio::test]
async fn an_unknown_authority_is_refused_until_it_is_given() {
    let peer = Peer::secure(&fleet(1, 1, &json!([])));
    let why = poll(&peer.client(), &last_hour()).await.unwrap_err();
    assert!(matches!(why, Error::Untrusted { .. }), "{why}");
    assert!(why.to_string().contains("give that with `ca: FILE`"), "{why}");
    let token = || Credential::Token(Secret::new(TOKEN));
    let client = peer.client_with(token(), Some(peer.ca()));
    assert_eq!(readings(&poll(&client, &last_hour()).await.unwrap()), [12]);
}

#[tokio::test]
async fn an_orchestrator_that_is_not_there_is_told_soon() {
    let peer = Peer::start(&fleet(1, 1, &json!([])));
    let client = peer.client();
    drop(peer);
    let why = poll(&client, &last_hour()).await.unwrap_err();
    assert!(matches!(why, Error::Connect { .. }), "{why}");
}

#[tokio::test]
async fn customers_can_be_chosen_by_name_and_number() {
    let mut scenario = fleet(2, 1, &json!([]));
    scenario["enterprises"] = json!([{ "id": 4, "name": "A" }, { "id": 5, "name": "B" }]);
    scenario["edges"][1]["enterpriseId"] = json!(5);
    let peer = Peer::start(&scenario);
    for (chosen, edges) in [
        (vec![], vec!["1", "2"]),
        (vec!["B"], vec!["2"]),
        (vec!["4"], vec!["1"]),
        (vec!["A", "5"], vec!["1", "2"]),
    ] {
        let mut scope = last_hour();
        scope.enterprises = chosen.into_iter().map(str::to_owned).collect();
        let found = poll(&peer.client(), &scope).await.unwrap();
        assert_eq!(found.links.iter().map(|(link, _)| &*link.edge).collect::<Vec<_>>(), edges);
    }
}

#[tokio::test]
async fn odd_links_and_odd_readings_cost_only_themselves() {
    let mut scenario = fleet(4, 1, &json!([]));
    // No links at all; no names; a link that the list of links does not have.
    scenario["edges"][0]["links"] = json!([]);
    scenario["edges"][1]["links"][0]["omit_link"] = json!(["displayName", "isp", "linkState"]);
    scenario["edges"][2]["links"][0]["no_timeseries"] = json!(true);
    let link = &mut scenario["edges"][3]["links"][0];
    link["series"] = json!({});
    let raw = |t: i64, body: Value| json!({ "t": t, "raw": body });
    let detail = |ms: i64| json!({ "detail": { "latencyMsTx": ms, "latencyMsRx": "21.5", "lossPctTx": null } });
    link["points"] = json!([
        raw(-900, json!({ "timestamp": (NOW - 600) * 1_000, "metadata": detail(7) })),
        raw(-800, json!({ "timestamp": (NOW - 900) * 1_000, "metadata": detail(5) })),
        raw(-700, json!({ "timestamp": "@ts", "metadata": null })),
        raw(-600, json!({ "timestamp": (NOW - 600) * 1_000, "metadata": detail(6) })),
        // An edge whose clock is 10 min ahead.
        raw(-300, json!({ "timestamp": (NOW + 300) * 1_000, "metadata": detail(9) })),
    ]);
    scenario["sampling"] = json!("all");
    let peer = Peer::start(&scenario);
    let found = polled(&peer).await;
    assert_eq!(readings(&found), [12, 0, 2]);
    assert_eq!(found.links[0].0.name, "GE1");
    let values: Vec<_> = found.links[2].1.iter().map(|reading| reading.values[0]).collect();
    assert_eq!(values, [Some(5.0), Some(6.0)], "ascending, and of doubles the later one");
    assert_eq!(found.links[2].1[0].get(WanMetric::LatencyRx), Some(21.5));
    assert!(found.odd >= 5, "{}", found.odd);
}

#[tokio::test]
async fn string_numbers_stand_for_numbers() {
    let row = json!([{ "linkId": "1", "linkLogicalId": "u-1-1", "name": "GE1",
        "link": { "edgeId": "1", "enterpriseId": "4", "displayName": "WAN 1", "edgeName": "e" } }]);
    let fault = json!([{ "match": { "method": LINKS }, "do": { "type": "result", "value": row } }]);
    let peer = Peer::start(&fleet(1, 1, &fault));
    assert_eq!(readings(&polled(&peer).await), [12]);
}

#[tokio::test]
async fn a_dead_link_has_no_latency_and_a_standby_link_says_so() {
    let mut scenario = fleet(2, 1, &json!([]));
    let zero = json!({ "base": 0, "noise": 0 });
    scenario["edges"][0]["links"][0]["state"] = json!("DEAD");
    for metric in ["latencyMsTx", "latencyMsRx", "jitterMsTx", "jitterMsRx"] {
        scenario["edges"][0]["links"][0]["series"][metric] = zero.clone();
    }
    scenario["edges"][1]["links"][0]["state"] = json!("STANDBY");
    let peer = Peer::start(&scenario);
    let found = polled(&peer).await;
    let (dead, readings) = &found.links[0];
    assert!(dead.state.is_judged());
    assert!(readings.iter().all(|reading| reading.values[..4] == [None; 4]));
    assert!(readings.iter().all(|reading| reading.get(WanMetric::LossTx).is_some()));
    assert!(!found.links[1].0.state.is_judged());
}

#[tokio::test]
async fn ten_thousand_links_come_in_one_poll() {
    let peer = Peer::start(&fleet(100, 100, &json!([])));
    let mut scope = last_hour();
    scope.window.start.0 = scope.window.end.0 - 300_000;
    let found = poll(&peer.client(), &scope).await.unwrap();
    assert_eq!(readings(&found), vec![1; 10_000]);
    assert_eq!(peer.counts(), json!({ LINKS: 1, QUALITY: 100 }));
}
