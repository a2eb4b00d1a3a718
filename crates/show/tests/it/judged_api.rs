//! The JSON API of alerts and silences, their metrics, and their part of the live feed.

use netmend_show::{Command, Refusal};
use serde_json::json;

use crate::http::{ask, get, send};
use crate::world::World;

#[tokio::test]
async fn alerts_are_listed_with_their_numbers_in_the_unit_of_the_metric() {
    let world = World::alarmed();
    let json = get(&world.router, "/api/v1/alerts?severity=warning&quiet=no").await.json();
    assert_eq!(
        (&json["calling"], &json["open"], &json["matching"]),
        (&4.into(), &12.into(), &3.into())
    );
    let alert = &json["alerts"][0];
    assert_eq!(alert["id"], 21);
    assert_eq!(alert["subject"]["target"]["host"], "db1.aws-london.example.net");
    assert_eq!(alert["subject"]["target"]["tags"]["gateway"], "gw1");
    assert_eq!((&alert["state"], &alert["cause"]), (&"firing".into(), &"path".into()));
    assert_eq!(alert["since"], "2026-11-21T22:22:07.000Z");
    assert!(alert["ended"].is_null() && alert["ack"].is_null());
    let finding = &alert["findings"][0];
    assert_eq!((&finding["value"], &finding["unit"]), (&41_300.0.into(), &"us".into()));
    assert_eq!((&finding["rule"], &finding["limit"]), (&"nm".into(), &19_800.0.into()));
    assert!(
        alert["facts"].as_str().unwrap().starts_with("Latency db1.aws-london.example.net 41.3 ms")
    );
    let group = get(&world.router, "/api/v1/alerts?tag=kind%3Dgroup").await.json();
    assert_eq!(group["alerts"][0]["subject"]["tag"], "region");
    let quiet = get(&world.router, "/api/v1/alerts?text=%2318").await.json();
    assert_eq!(quiet["alerts"][0]["quiet"], json!([{ "by": "silence", "id": 2, "name": null }]));
}

#[tokio::test]
async fn the_past_of_a_target_is_asked_for_by_span() {
    let world = World::alarmed();
    let id = world.target("db1.aws-london.example.net").series.rtt;
    let all = "state=firing,no_data,resolved,accepted";
    let ids = |json: &serde_json::Value| -> Vec<u64> {
        json["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| alert["id"].as_u64().unwrap())
            .collect()
    };
    let json =
        get(&world.router, &format!("/api/v1/alerts?{all}&target={id}&span=30h")).await.json();
    assert_eq!(ids(&json), [21, 5]);
    let json = get(&world.router, &format!("/api/v1/alerts?{all}&target={id}")).await.json();
    assert_eq!(ids(&json), [21, 5, 4, 3, 2, 1]);
    let json =
        get(&world.router, &format!("/api/v1/alerts?{all}&target={id}&limit=2")).await.json();
    assert_eq!((ids(&json), &json["next"]), (vec![21, 5], &5.into()));
    let refused = get(&world.router, "/api/v1/alerts?target=x").await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(get(&world.router, "/api/v1/alerts?colour=red").await.status, 400);
}

#[tokio::test]
async fn one_alert_comes_with_history_notices_and_evidence() {
    let world = World::alarmed();
    let json = get(&world.router, "/api/v1/alerts/21").await.json();
    assert_eq!(json["alert"]["id"], 21);
    assert_eq!(
        json["history"][0],
        json!({ "at": "2026-11-21T22:23:57.000Z", "text": "raised as warning" })
    );
    assert_eq!(json["notices"][0]["receiver"], "chat");
    assert_eq!(json["notices"][0]["state"], "waiting");
    assert!(json["notices"][0]["next_try"].is_string() && json["notices"][1]["next_try"].is_null());
    assert_eq!(json["clears"], "10 min with latency below 15.8 ms.");
    assert_eq!(json["traces"].as_array().unwrap().len(), 2);
    let group = get(&world.router, "/api/v1/alerts/30").await.json();
    assert_eq!(group["members"][0]["alert"], 24);
    assert_eq!(get(&world.router, "/api/v1/alerts/999").await.status, 404);
}

#[tokio::test]
async fn what_changes_something_needs_origin_and_token_and_says_what_it_did() {
    let world = World::alarmed();
    let body = r#"{"by":"cron","note":"known","ticket":"INC-1"}"#;
    let bare = [("content-type", "application/json")];
    let refused = ask(&world.router, "POST", "/api/v1/alerts/21/ack", &bare, body).await;
    assert_eq!(refused.status, 403);
    assert!(refused.json()["error"].as_str().unwrap().contains("Origin"), "{}", refused.body);
    let done = send(&world, "POST", "/api/v1/alerts/21/ack", body).await;
    assert_eq!((done.status.as_u16(), done.json()), (200, json!({ "acked": 21 })));
    let silence = r#"{"matchers":[{"label":"region","operator":"=~","value":"aws-.*"}],
                      "duration":"2h","note":"work","by":"cron"}"#;
    let done = send(&world, "POST", "/api/v1/silences", silence).await;
    assert_eq!((done.status.as_u16(), done.json()), (201, json!({ "silence": 4 })));
    let listed = get(&world.router, "/api/v1/silences").await.json();
    let newest = &listed["silences"][0];
    assert_eq!(
        (&newest["id"], &newest["holds"], &newest["by"]),
        (&4.into(), &true.into(), &"cron, by the pages".into())
    );
    assert_eq!(
        newest["matchers"],
        json!([{ "label": "region", "operator": "=~", "value": "aws-.*" }])
    );
    assert_eq!(listed["maintenance"][0]["weekly"]["from"], "22:00");
    let done = send(&world, "DELETE", "/api/v1/silences/4", "").await;
    assert_eq!(done.status, 200, "{}", done.body);
    let listed = get(&world.router, "/api/v1/silences").await.json();
    assert_ne!(listed["silences"][0]["id"], 4);
    let ended = get(&world.router, "/api/v1/silences?ended=yes").await.json();
    assert_eq!(ended["silences"][0]["expired_by"], "somebody, by the pages");
    assert_eq!(world.alarms.asked().len(), 3);
}

#[tokio::test]
async fn an_alert_is_acknowledged_without_a_word() {
    let world = World::alarmed();
    let done = send(&world, "POST", "/api/v1/alerts/21/ack", "").await;
    assert_eq!((done.status.as_u16(), done.json()), (200, json!({ "acked": 21 })));
}

#[tokio::test]
async fn wrong_requests_are_refused_with_what_is_allowed() {
    let world = World::alarmed();
    for (path, body, status, words) in [
        ("/api/v1/alerts/21/ack", r#"{"notes":"x"}"#, 422, "unknown field `notes`"),
        ("/api/v1/alerts/21/ack", "{", 400, "Failed to parse"),
        ("/api/v1/alerts/21/ack", "note=x", 415, "content-type: application/json"),
        ("/api/v1/alerts/999/ack", "{}", 409, "alert 999 is over"),
        (
            "/api/v1/silences",
            r#"{"matchers":[],"duration":"2h","note":"n"}"#,
            422,
            "needs a matcher",
        ),
        (
            "/api/v1/silences",
            r#"{"matchers":[{"label":"host","value":""}],"duration":"2h","note":"n"}"#,
            422,
            "host has no value; what has no host at all is host!~.+",
        ),
        (
            "/api/v1/silences",
            r#"{"matchers":[{"label":"a","value":"b"}],"note":"n"}"#,
            422,
            "needs an end",
        ),
        (
            "/api/v1/silences",
            r#"{"matchers":[{"label":"a","value":"b"}],"note":"n","duration":"2h","until":"2030-01-01T00:00:00Z"}"#,
            422,
            "not both",
        ),
    ] {
        let answer = send(&world, "POST", path, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        assert!(answer.body.contains(words), "{path} {body}: {}", answer.body);
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(send(&world, "DELETE", "/api/v1/silences/99", "").await.status, 404);
    let huge = format!(r#"{{"note":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(send(&world, "POST", "/api/v1/alerts/21/ack", &huge).await.status, 413);
    world.alarms.refuse(Refusal::Invalid("region=~\"[\": unclosed character class".to_owned()));
    let silence = r#"{"matchers":[{"label":"region","operator":"=~","value":"["}],"duration":"2h","note":"n"}"#;
    let answer = send(&world, "POST", "/api/v1/silences", silence).await;
    assert_eq!(answer.status, 422);
    assert!(answer.json()["error"].as_str().unwrap().contains("unclosed character class"));
    let last = world.alarms.asked().pop().unwrap();
    assert!(matches!(last.1, Command::Silence(_)), "{last:?}");
}

#[tokio::test]
async fn metrics_count_open_alerts_by_severity() {
    let world = World::alarmed();
    let text = get(&world.router, "/metrics").await.body;
    for line in [
        "# TYPE netmend_alerts gauge",
        "netmend_alerts{severity=\"critical\",state=\"firing\",quiet=\"no\"} 2",
        "netmend_alerts{severity=\"warning\",state=\"firing\",quiet=\"no\"} 2",
        "netmend_alerts{severity=\"warning\",state=\"firing\",quiet=\"yes\"} 6",
        "netmend_alerts{severity=\"warning\",state=\"no_data\",quiet=\"no\"} 1",
        "netmend_alerts{severity=\"info\",state=\"no_data\",quiet=\"no\"} 0",
    ] {
        assert!(text.lines().any(|known| known == line), "no {line}");
    }
}

#[tokio::test]
async fn the_lines_of_the_detector_come_with_the_metric() {
    let world = World::alarmed();
    let id = world.target("db1.aws-london.example.net").series.rtt;
    let json =
        get(&world.router, &format!("/api/v1/range?target={id}&metric=rtt,loss&band=usual,limit"))
            .await
            .json();
    let kinds: Vec<_> = json["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["metric"].as_str().unwrap(), one["band"].as_str()))
        .collect();
    assert_eq!(
        kinds,
        [("rtt", None), ("loss", None), ("rtt", Some("usual")), ("rtt", Some("limit"))]
    );
    let mean = |place: usize| json["series"][place]["points"][0][3].as_f64().unwrap();
    assert_eq!((mean(2), mean(3)), (11_350.0, 19_350.0));
    let refused = get(&world.router, &format!("/api/v1/range?target={id}&band=median")).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("usual, limit"), "{}", refused.body);
}
