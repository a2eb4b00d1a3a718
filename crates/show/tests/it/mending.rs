//! The pages Incident, Run and Remediations, approvals on the front page, the switch, and the same by the API.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use model::event::{EventId, EventState, Mode};
use model::run::{
    Decision, GuardNote, Proof, ProofVerdict, Run, RunId, RunState, Step, StepOutcome,
};
use netmend_show::{MendNow, MendOrder, Paused};
use store::{Answered, AuditNote, Change, EventChange};

use crate::http::{get, get_with, send, text};
use crate::login::{act, add_users, cookie};
use crate::repairs::{
    HOSTILE, ago, begin, end, exchange, mend_now, plan, put, remediation, repaired, report, step,
};
use crate::sim::small_network;
use crate::world::World;

#[tokio::test]
async fn the_run_page_shows_what_was_said_and_why_it_might() {
    let world = repaired();
    let page = get(&world.router, "/runs/1").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    let order: Vec<usize> = [
        "bgp_reset on edge1 success proven run #1 · attempt 1 · 28.0 s · worker 3 the whole incident",
        "the session is established again",
        "check yes in 310 ms 198.51.100.9 is Idle (PfxCt) show bgp summary",
        "198.51.100.9 4 65001 Idle (PfxCt)",
        "fix done in 1.2 s clear bgp 198.51.100.9",
        "verify yes in 4.0 s Established for 00:00:03",
        "proven 10 of 10 probes answered, RTT as usual",
        "edge1.gateway.example.net 2 of 10 10 of 10 31.00 1.21 1.18 yes",
    ]
    .iter()
    .map(|words| text.find(words).unwrap_or_else(|| panic!("no {words:?} in {text}")))
    .collect();
    assert!(order.is_sorted(), "{text}");
    for words in [
        "Approved not needed: its mode is auto",
        "identity passed TCP from its own address",
        "Sent to change it clear bgp 198.51.100.9",
        "worker 3 : login netmend@edge1, key SHA256:abcd",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!page.body.contains("data-from=\"/runs/1\""), "what is over does not move");
    let open = get(&world.router, "/runs/3").await;
    assert!(open.body.contains("data-from=\"/runs/3\""));
    for path in ["/runs/99", "/runs/x", "/runs/-1"] {
        assert_eq!(get(&world.router, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn runs_are_listed_newest_first_and_filtered_by_what_the_url_says() {
    let world = repaired();
    let text = get(&world.router, "/runs").await.text();
    let order: Vec<usize> = [
        "running 2026-11-21 22:48:55 sw3",
        "failure 2026-11-21 22:45:58 sw2 bgp_reset the session stayed Idle",
        "success 2026-11-21 22:39:19 edge1",
    ]
    .iter()
    .map(|words| text.find(words).unwrap_or_else(|| panic!("no {words:?} in {text}")))
    .collect();
    assert!(order.is_sorted(), "{text}");
    for (query, count) in [
        ("?device=edge1", 1),
        ("?state=failure", 1),
        ("?remediation=bgp_reset", 3),
        ("?remediation=x", 0),
        ("?before=2", 1),
    ] {
        let page = get(&world.router, &format!("/runs{query}")).await;
        assert_eq!(page.body.matches("<td class=\"c-worker\"").count(), count, "{query}");
    }
    let empty = get(&World::alarmed().router, "/runs").await.text();
    assert!(empty.contains("Nothing has been run yet."), "{empty}");
}

#[tokio::test]
async fn an_incident_tells_everything_in_one_order_of_time() {
    let world = repaired();
    let page = get(&world.router, "/incidents/event-1").await;
    assert_eq!(page.status, 200);
    let story = text(page.part("<ol class=\"story\""));
    let order: Vec<usize> = [
        "line <187>bgpd[812]: %MAXPFX",
        "event #1 BGP-5-ADJCHANGE 198.51.100.9 neighbor 198.51.100.9 Down",
        "run run #1 of bgp_reset on edge1 began, by worker 3",
        "step check : yes in 310 ms",
        "step fix : done in 1.2 s",
        "event over: BGP-5-ADJCHANGE 198.51.100.9",
        "step verify : yes in 4.0 s",
        "run run #1 ended: success after 28.0 s. the session is established again proven 10 of 10",
    ]
    .iter()
    .map(|words| story.find(words).unwrap_or_else(|| panic!("no {words:?} in {story}")))
    .collect();
    assert!(order.is_sorted(), "{story}");
    assert!(!story.contains("sw2"), "another device: {story}");
    let text = page.text();
    assert!(text.contains("Run #1 of bgp_reset : success, proven"), "{text}");
    for path in ["/incidents/event-99", "/incidents/alert-999", "/incidents/x", "/incidents/run-1"]
    {
        assert_eq!(get(&world.router, path).await.status, 404, "{path}");
    }
    let by_alert = get(&world.router, "/incidents/alert-21").await;
    assert_eq!(by_alert.status, 200, "{}", by_alert.text());
}

#[tokio::test]
async fn a_fault_that_came_back_is_one_incident_whichever_event_is_named() {
    let world = repaired();
    report(&world.state, "edge1", "BGP-5-ADJCHANGE", "198.51.100.9", ago(400), "Down again");
    let page = get(&world.router, "/incidents/event-5").await;
    let text = page.text();
    assert!(text.contains("came back 1×") && text.contains("%MAXPFX"), "{text}");
    let event = get(&world.router, "/events/5").await;
    assert!(event.body.contains("href=\"/incidents/event-5\""), "{}", event.body);
    let alert = get(&world.router, "/alerts/21").await;
    assert!(alert.body.contains("href=\"/incidents/alert-21\""));
}

#[tokio::test]
async fn approvals_wait_on_the_front_page_and_without_users_only_the_socket_answers() {
    let world = repaired();
    let page = get(&world.router, "/").await;
    let waiting = text(page.part("<section id=\"waiting\""));
    for words in [
        "Waiting for approval 1",
        "Run port_bounce on sw1 ? #2",
        "Interface Ethernet1/7 is down (Link failure)",
        "its mode is approve · asked 4 min ago, expires in 26 min",
        "In a shell on netmend's machine: netmend approve 2",
    ] {
        assert!(waiting.contains(words), "no {words:?} in {waiting}");
    }
    assert!(!page.part("<section id=\"waiting\"").contains("hx-post"));
    let refused = send(&world, "POST", "/events/2/approve", "note=yes").await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("netmend user add NAME --role operator"), "{}", refused.body);
    assert_eq!(send(&world, "POST", "/api/v1/events/2/approve", "{}").await.status, 403);
    assert_eq!(world.menders.asked(), []);
    // A question that is void waits for nobody.
    world.clock.advance(Duration::from_mins(27));
    let page = get(&world.router, "/").await;
    assert!(!page.text().contains("Waiting for approval"));
}

#[tokio::test]
async fn operators_answer_and_stop_and_admins_promote_each_by_their_name() {
    let world = repaired();
    add_users(&world);
    let (otto, vera, ada) =
        (cookie(&world, "otto").await, cookie(&world, "vera").await, cookie(&world, "ada").await);
    for path in ["/", "/events/2", "/incidents/event-2"] {
        let page = get_with(&world.router, path, &[("cookie", &otto)]).await;
        assert!(
            page.body.contains("hx-post=\"/events/2/approve\"")
                && page.body.contains("hx-post=\"/events/2/reject\""),
            "{path}"
        );
    }
    let seen = get_with(&world.router, "/", &[("cookie", &vera)]).await;
    assert!(!seen.body.contains("hx-post=\"/events/2/approve\""));
    assert!(seen.text().contains("This needs the role operator."), "{}", seen.text());
    assert_eq!(act(&world, &vera, "/events/2/approve", "note=").await.status, 403);
    let done = act(&world, &otto, "/events/2/approve", "note=go+on").await;
    assert_eq!(
        (done.status.as_u16(), &done.headers["hx-refresh"]),
        (204, &"true".parse().unwrap())
    );
    assert_eq!(act(&world, &otto, "/events/2/reject", "note=").await.status, 204);
    let late = act(&world, &otto, "/events/99/approve", "note=").await;
    assert_eq!(late.status, 409);
    assert!(late.text().contains("nothing is asked about event 99"), "{}", late.text());
    assert_eq!(act(&world, &otto, "/events/2/explode", "").await.status, 404);
    assert_eq!(act(&world, &otto, "/pause", "note=fire").await.status, 204);
    let note_lost = act(&world, &otto, "/api/v1/pause", "note=fire").await;
    assert_eq!(note_lost.status, 415, "what comes as another type is never taken for no body");
    assert_eq!(act(&world, &otto, "/resume", "").await.status, 204);
    assert_eq!(act(&world, &otto, "/remediations/bgp_reset/mode", "mode=auto").await.status, 403);
    assert_eq!(act(&world, &ada, "/remediations/bgp_reset/mode", "mode=approve").await.status, 204);
    assert_eq!(act(&world, &ada, "/remediations/bgp_reset/mode", "mode=config").await.status, 204);
    let wrong = act(&world, &ada, "/api/v1/runs", "{}").await;
    assert_eq!(wrong.json()["error"], "/api/v1/runs does not take POST");
    let bad = act(&world, &ada, "/remediations/bgp_reset/mode", "mode=wild").await;
    assert_eq!(bad.status, 422);
    let event = EventId(2);
    let set = |mode| MendOrder::SetMode { remediation: "bgp_reset".into(), mode };
    let expected = [
        ("otto", MendOrder::Approve { event, note: "go on".into() }),
        ("otto", MendOrder::Reject { event, note: String::new() }),
        ("otto", MendOrder::Pause { note: "fire".into() }),
        ("otto", MendOrder::Resume),
        ("ada", set(Some(Mode::Approve))),
        ("ada", set(None)),
    ];
    let expected = expected.map(|(who, order)| (who.to_owned(), order));
    assert_eq!(world.menders.asked(), expected);
}

#[tokio::test]
async fn the_remediations_page_says_how_far_each_goes_and_what_the_week_says_of_it() {
    let world = repaired();
    let page = get(&world.router, "/remediations").await;
    let text = page.text();
    for words in [
        "bgp_reset observe suggest approve auto BGP-5-ADJCHANGE BGP-3-NOTIFICATION 3 0 of 3, 0 % 2 1 of 2, 50 % 0",
        "port_bounce observe suggest approve auto",
        "lsp_reroute tripped",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let one = get(&world.router, "/remediations/bgp_reset").await;
    let text = one.text();
    for words in [
        "It runs by itself. Decided by the configuration.",
        "Worked 1 of 2, 50 %",
        "neighbor 198.51.100.9 Down - maximum prefixes",
        "netmend remedy run --dry-run bgp_reset",
        "def fix(event, device):",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!one.body.contains("/mode\""), "nobody is an admin here");
    let tripped = get(&world.router, "/remediations/lsp_reroute").await.text();
    assert!(
        tripped.contains("3 of its last 5 runs failed") && tripped.contains("Decided by ada"),
        "{tripped}"
    );
    assert_eq!(get(&world.router, "/remediations/nothing").await.status, 404);
    world.menders.set(MendNow::default());
    let gone = get(&world.router, "/remediations").await.text();
    assert!(gone.contains("bgp_reset its file is gone"), "{gone}");
    add_users(&world);
    world.menders.set(mend_now());
    let ada = cookie(&world, "ada").await;
    let one = get_with(&world.router, "/remediations/bgp_reset", &[("cookie", &ada)]).await;
    assert!(one.body.contains("hx-post=\"/remediations/bgp_reset/mode\""), "{}", one.body);
}

#[tokio::test]
async fn the_switch_stands_on_now_and_system() {
    let world = repaired();
    let by = "anna".to_owned();
    let paused = Some(Paused { by, at: ago(60), note: "fire in room 3".into() });
    world.menders.set(MendNow { paused, ..mend_now() });
    for path in ["/", "/runs", "/remediations", "/remediations/bgp_reset"] {
        let page = get(&world.router, path).await.text();
        assert!(
            page.contains(
                "All repairs are stopped by anna since 2026-11-21 22:48:07 UTC : fire in room 3"
            ),
            "{path}: {page}"
        );
        assert!(page.contains("netmend resume"), "{path}");
    }
    let system = get(&world.router, "/system").await.text();
    assert!(system.contains("Repairs State stopped Workers 1 of 10 at work"), "{system}");
    world
        .menders
        .set(MendNow { storm: Some("61 devices failed within a minute".into()), ..mend_now() });
    let page = get(&world.router, "/").await.text();
    assert!(page.contains("Nothing is run by itself for the moment: 61 devices failed"), "{page}");
}

#[tokio::test]
async fn runs_mark_the_chart_of_the_target_that_was_worked_on() {
    let world = repaired();
    let marks = get(&world.router, "/api/v1/marks?subject=edge1.gateway.example.net").await.json();
    let run = marks["marks"].as_array().unwrap().iter().find(|mark| mark["kind"] == "run");
    let run = run.unwrap_or_else(|| panic!("no run in {marks}"));
    assert_eq!(run["text"], "run #1 of bgp_reset: success, proven");
    assert_eq!(run["time"], "2026-11-21T22:39:19.000Z");
    let others = get(&world.router, "/api/v1/marks?subject=www.tokyo.example.net").await.json();
    assert!(!others.to_string().contains("run #1"), "{others}");
}

#[tokio::test]
async fn the_api_tells_the_same() {
    let world = repaired();
    let runs = get(&world.router, "/api/v1/runs?limit=1").await.json();
    assert_eq!((&runs["runs"][0]["state"], &runs["next"]), (&"running".into(), &3.into()));
    let run = get(&world.router, "/api/v1/runs/1").await.json();
    assert_eq!(run["proof"]["targets"][0]["after"]["received"], 10);
    assert_eq!(run["proof"]["targets"][0]["after"]["rtt_us"], 1_210.0);
    assert_eq!(
        (&run["steps"][1]["step"], &run["ended"]),
        (&"fix".into(), &"2026-11-21T22:39:47.000Z".into())
    );
    assert!(run.get("transcript").is_none());
    let run = get(&world.router, "/api/v1/runs/1?transcript=yes").await.json();
    assert_eq!(run["transcript"][2]["sent"], "clear bgp 198.51.100.9");
    let approvals = get(&world.router, "/api/v1/approvals").await.json();
    assert_eq!(approvals["approvals"][0]["event"], 2);
    assert_eq!(approvals["approvals"][0]["remediation"], "port_bounce");
    let remediations = get(&world.router, "/api/v1/remediations").await.json();
    assert_eq!(remediations["remediations"][0]["week"]["worked"], 1);
    assert_eq!(remediations["remediations"][2]["tripped"], "3 of its last 5 runs failed");
    let incident = get(&world.router, "/api/v1/incidents/event-1").await.json();
    assert_eq!((&incident["runs"][0], &incident["devices"][0]), (&1.into(), &"edge1".into()));
    let kinds: Vec<&str> = incident["moments"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["kind"].as_str())
        .collect();
    assert!(kinds.contains(&"cleared") && kinds.contains(&"run ended"), "{kinds:?}");
    for (path, status) in [
        ("/api/v1/runs/99", 404),
        ("/api/v1/runs?state=sad", 400),
        ("/api/v1/runs?limit=0", 400),
        ("/api/v1/runs?color=red", 400),
        ("/api/v1/runs/1?transcript=maybe", 400),
        ("/api/v1/incidents/event-99", 404),
    ] {
        assert_eq!(get(&world.router, path).await.status.as_u16(), status, "{path}");
    }
    let wrong = get(&world.router, "/api/v1/runs?limit=0").await.json();
    assert_eq!(wrong["error"], "limit=\"0\" is not valid");
}

/// Every text of every record as an attacker would have it, 64 KiB long where nothing forbids it.
fn hostile_records(world: &World) {
    let long = format!("{HOSTILE}{}", "x".repeat(64 * 1_024));
    let state = &world.state;
    report(state, HOSTILE, HOSTILE, HOSTILE, ago(600), &long);
    plan(state, 1, HOSTILE, Mode::Auto, EventState::Queued, ago(590));
    let run = begin(state, 1, HOSTILE, HOSTILE, ago(588));
    let guards = vec![GuardNote { guard: HOSTILE.into(), passed: false, said: long.clone() }];
    let proof =
        Proof { verdict: ProofVerdict::NotProven, reason: long.clone(), targets: Vec::new() };
    let run = Run {
        state: RunState::Failure,
        reason: long.clone(),
        worker: HOSTILE.into(),
        ended: Some(ago(500)),
        sent: vec![long.clone()],
        steps: vec![step(Step::Fix, ago(588), 1, StepOutcome::Failed, &long)],
        guards,
        proof: Some(proof),
        ..run
    };
    let mut said = exchange(Some(Step::Fix), ago(587), &long, &long);
    said.error = Some(long.clone());
    end(state, run, EventState::Failure, vec![said]);
    put(
        state,
        vec![Change::Audit(AuditNote {
            at: ago(587),
            actor: HOSTILE.into(),
            action: HOSTILE.into(),
            event: Some(EventId(1)),
            run: Some(RunId(1)),
            detail: long.clone(),
        })],
    );
    report(state, HOSTILE, "OTHER", HOSTILE, ago(300), &long);
    plan(state, 2, HOSTILE, Mode::Approve, EventState::AwaitingApproval, ago(240));
    let decision =
        Decision { by: HOSTILE.into(), at: ago(100), approved: false, note: long.clone() };
    report(state, HOSTILE, "THIRD", HOSTILE, ago(300), &long);
    plan(state, 3, HOSTILE, Mode::Approve, EventState::AwaitingApproval, ago(240));
    put(
        state,
        vec![Change::Event(EventChange::Answer(Box::new(Answered {
            event: EventId(3),
            decision,
        })))],
    );
    let mut one = (*remediation(HOSTILE, Mode::Auto)).clone();
    (one.path, one.source, one.codes) =
        (long.clone(), long.clone().into(), vec![HOSTILE.into(); 5]);
    (one.tripped, one.mode_by) = (Some(long.clone()), HOSTILE.into());
    world.menders.set(MendNow {
        remediations: vec![Arc::new(one)],
        problems: vec![long.clone()],
        blocked: vec![long.clone()],
        paused: Some(Paused { by: HOSTILE.into(), at: ago(60), note: long.clone() }),
        storm: Some(long.clone()),
        ..mend_now()
    });
}

#[tokio::test]
async fn hostile_text_stays_text_on_every_page_of_repairs() {
    let world = World::alarmed();
    hostile_records(&world);
    let mut name = String::new();
    for byte in HOSTILE.bytes() {
        write!(name, "%{byte:02X}").unwrap();
    }
    for path in [
        "/",
        "/runs",
        "/runs/1",
        "/remediations",
        &format!("/remediations/{name}"),
        "/incidents/event-1",
        "/incidents/event-3",
        "/events/1",
        "/system",
    ] {
        let page = get(&world.router, path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(page.body.contains("&lt;script&gt;alert(1)"), "{path} shows nothing of it");
        assert!(!page.body.contains('\u{202e}'), "{path} turns the direction of text");
        assert!(page.body.len() < 400_000, "{path}: {} bytes", page.body.len());
    }
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_where_the_answer_would_stand() {
    let world = World::with(small_network(), true);
    let gone = "the store cannot answer";
    for (path, status) in [
        ("/", 200),
        ("/runs", 200),
        ("/runs/1", 503),
        ("/remediations", 200),
        ("/incidents/event-1", 503),
    ] {
        let page = get(&world.router, path).await;
        assert_eq!(page.status.as_u16(), status, "{path}");
        assert!(page.text().contains(gone), "{path}: {}", page.text());
    }
}
