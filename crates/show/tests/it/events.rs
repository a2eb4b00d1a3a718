//! The Events page, the page of an event and that of a device.

use std::time::Duration;

use model::UnixMs;
use model::event::{EventState, Evidence, Origin};
use store::{Change, EventChange, EventReport, State as _, StoredLine};

use crate::http::{Answer, get, text};
use crate::sim::small_network;
use crate::world::{NOW, World};

fn report(device: &str, code: &str, object: &str, severity: u8, at: UnixMs) -> EventReport {
    EventReport {
        device: device.into(),
        code: code.into(),
        code_norm: code.into(),
        object: object.into(),
        severity: Some(severity),
        at,
        state: EventState::Recorded,
        reason: "no rule is for it".into(),
        not_before: at,
        origin: Origin::Line,
        message: format!("Interface {object}, changed state to down"),
        fields: [("interface".to_owned(), object.to_owned())].into(),
        evidence: Evidence::Datagram,
    }
}

fn line(device: &str, code: &str, severity: u8, at: UnixMs, raw: &[u8]) -> Change {
    let (device, code, severity) = (device.to_owned(), code.to_owned(), Some(severity));
    Change::lines(vec![StoredLine { at, device, code, severity, raw: raw.to_vec() }])
}

fn apply(world: &World, changes: Vec<Change>) {
    world.state.apply(changes).unwrap();
}

fn tell(world: &World, reports: Vec<EventReport>) {
    let change = |report| Change::Event(EventChange::Report(Box::new(report)));
    apply(world, reports.into_iter().map(change).collect());
}

/// What devices of the small network said: single faults, a storm, and lines around them.
pub(crate) fn fill(world: &World) {
    let ago = |seconds: u64| NOW - Duration::from_secs(seconds);
    let mut reports = vec![
        report("core1", "SYS-5-CONFIG_I", "", 5, ago(4_000)),
        report("edge1", "PLATFORM-2-FAN", "Fan 3", 2, ago(3_500)),
    ];
    for number in 0..12_u64 {
        let device = format!("sw{}", number % 4 + 1);
        let object = format!("GigabitEthernet1/0/{number}");
        reports.push(report(&device, "LINEPROTO-5-UPDOWN", &object, 5, ago(900 - number * 7)));
    }
    reports.push(report("db1", "BGP-3-NOTIFICATION", "198.51.100.9", 3, ago(60)));
    reports.push(report("db1", "BGP-3-NOTIFICATION", "198.51.100.9", 3, ago(30)));
    tell(world, reports);
    apply(
        world,
        vec![
            line("db1", "BGP-3-NOTIFICATION", 3, ago(60),
                b"<187>91: Nov 21 22:48:07: %BGP-3-NOTIFICATION: received from neighbor 198.51.100.9"),
            line("db1", "", 6, ago(45), b"<190>92: login of <b>anna</b>\x1b[31m \xff\xfe from 192.0.2.7"),
            line("db1", "OLD-6-LINE", 6, ago(90_000), b"of yesterday"),
            line("other", "", 6, ago(40), b"of somebody else"),
        ],
    );
}

fn listed(page: &Answer) -> String {
    text(page.part("<div id=\"events\""))
}

#[tokio::test]
async fn events_are_newest_first_and_many_of_one_kind_are_a_storm() {
    let world = World::new(small_network());
    fill(&world);
    let page = get(&world.router, "/events").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    let order: Vec<usize> = [
        "error 2026-11-21 22:48:37 db1 BGP-3-NOTIFICATION 198.51.100.9 Interface 198.51.100.9, changed \
         state to down 2× recorded",
        "notice LINEPROTO-5-UPDOWN 12 events, told 12 times by 4 devices: sw1, sw2, sw3 and 1 more",
        "critical 2026-11-21 21:50:47 edge1 PLATFORM-2-FAN Fan 3",
        "notice 2026-11-21 21:42:27 core1 SYS-5-CONFIG_I",
    ]
    .iter()
    .map(|words| text.find(words).unwrap_or_else(|| panic!("no {words:?} in {text}")))
    .collect();
    assert!(order.is_sorted(), "{text}");
    assert_eq!(page.body.matches("<details class=\"storm\"").count(), 1);
}

#[tokio::test]
async fn events_are_filtered_by_what_the_url_says() {
    let world = World::new(small_network());
    fill(&world);
    for (query, count) in [
        ("", 15),
        ("?device=db1", 1),
        ("?code=LINEPROTO-*", 12),
        ("?code=SYS-5-CONFIG_I", 1),
        ("?severity=3", 2),
        ("?text=GIGABITETHERNET1/0/1", 3),
        ("?state=recorded", 15),
        ("?state=new,queued", 0),
        ("?span=1h", 14),
        ("?device=nobody", 0),
    ] {
        let page = get(&world.router, &format!("/events{query}")).await;
        let rows = page.body.matches("<tr class=\"sev-").count();
        assert_eq!(rows, count, "{query}");
    }
    let few = get(&world.router, "/events?limit=2").await;
    assert!(few.body.contains("/events?before=14&amp;limit=2"), "{}", few.body);
    let older = get(&world.router, "/events?before=3").await;
    assert_eq!(older.body.matches("<tr class=\"sev-").count(), 2);
    assert!(!older.part("<div id=\"events\"").contains("data-events="), "what is older stays");
    for (query, words) in [
        ("?severity=9", "a number from 0"),
        ("?state=sad", "awaiting_approval"),
        ("?span=soon", "up to ten years"),
        ("?before=x", "the number of an event"),
    ] {
        let page = get(&world.router, &format!("/events{query}")).await;
        assert_eq!(page.status, 400, "{query}");
        assert!(page.text().contains(words), "{query}: {}", page.text());
    }
}

#[tokio::test]
async fn no_event_teaches_and_no_match_says_so() {
    let world = World::new(small_network());
    let page = listed(&get(&world.router, "/events").await);
    assert!(page.contains("No device has told of anything") && page.contains("5514"), "{page}");
    let page = listed(&get(&world.router, "/events?device=x").await);
    assert!(page.contains("No event matches. Show all"), "{page}");
}

#[tokio::test]
async fn an_event_comes_with_the_lines_around_it() {
    let world = World::new(small_network());
    fill(&world);
    let page = get(&world.router, "/events/15").await;
    let text = page.text();
    for words in [
        "db1 BGP-3-NOTIFICATION error recorded · told 2 times · #15",
        "%BGP-3-NOTIFICATION: received from neighbor 198.51.100.9",
        "First 2026-11-21 22:48:07 UTC Last 2026-11-21 22:48:37 UTC Told by line",
        "Why no rule is for it",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!text.contains("of yesterday") && !text.contains("of somebody else"), "{text}");
    for path in ["/events/99", "/events/x"] {
        assert_eq!(get(&world.router, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn devices_of_the_inventory_come_first_and_strangers_are_named_too() {
    let world = World::new(small_network());
    fill(&world);
    let page = get(&world.router, "/devices").await.text();
    let order: Vec<usize> = [
        "edge1 ios 198.18.0.7 core up of 1 – 1, worst critical 2026-11-21 21:50:47",
        "sw1 nxos 10.0.0.1 core – – 3, worst notice",
        "db1 not in the inventory 1, worst error 2026-11-21 22:48:37",
    ]
    .iter()
    .map(|words| page.find(words).unwrap_or_else(|| panic!("no {words:?} in {page}")))
    .collect();
    assert!(order.is_sorted(), "{page}");
    let found = get(&world.router, "/devices?text=NXOS").await.text();
    assert!(found.contains("sw1 nxos") && !found.contains("edge1 ios"), "{found}");
    let none = get(&world.router, "/devices?text=nowhere").await.text();
    assert!(none.contains("No device matches. Show all"), "{none}");
    let edge = get(&world.router, "/devices/edge1").await.text();
    assert!(
        edge.contains("ios 198.18.0.7 · also edge1.example.net · in core · pair of sw1"),
        "{edge}"
    );
    assert!(
        edge.contains("up edge1.gateway.example.net") && !edge.contains("edge1.tokyo"),
        "{edge}"
    );
    let stranger = get(&world.router, "/devices/db1").await.text();
    assert!(stranger.contains("not in the inventory: this is what was heard"), "{stranger}");
}

#[tokio::test]
async fn the_api_tells_events_and_lines() {
    let world = World::new(small_network());
    fill(&world);
    let json = get(&world.router, "/api/v1/events?severity=3&limit=1").await.json();
    assert_eq!((&json["events"][0]["id"], &json["next"]), (&15.into(), &15.into()));
    let event = &json["events"][0];
    assert_eq!((&event["count"], &event["state"]), (&2.into(), &"recorded".into()));
    assert_eq!(event["last"], "2026-11-21T22:48:37.000Z");
    assert!(event["cleared"].is_null() && event["parent"].is_null());
    let alone = get(&world.router, "/api/v1/events/15").await.json();
    assert_eq!(&alone, event);
    assert_eq!(get(&world.router, "/api/v1/events/99").await.status, 404);
    let lines = get(&world.router, "/api/v1/lines?device=db1&severity=5").await.json();
    assert_eq!(lines["lines"].as_array().unwrap().len(), 1);
    assert_eq!(lines["lines"][0]["code"], "BGP-3-NOTIFICATION");
    let lines = get(&world.router, "/api/v1/lines?text=LOGIN").await.json();
    assert!(
        lines["lines"][0]["raw"].as_str().unwrap().ends_with("\u{fffd}\u{fffd} from 192.0.2.7")
    );
    assert_eq!(get(&world.router, "/api/v1/lines?severity=8").await.status, 400);
    assert_eq!(get(&world.router, "/api/v1/lines?host=x").await.status, 400);
}

#[tokio::test]
async fn a_device_has_its_targets_events_and_lines() {
    let world = World::new(small_network());
    fill(&world);
    let page = get(&world.router, "/devices/db1").await;
    let text = page.text();
    assert!(text.contains("up db1.aws-london.example.net") && !text.contains("db2."), "{text}");
    assert!(text.contains("BGP-3-NOTIFICATION") && !text.contains("LINEPROTO"), "{text}");
    let lines = crate::http::text(page.part("<section id=\"device-lines\""));
    assert!(lines.contains("<190>92: login of <b>anna</b>�[31m �� from 192.0.2.7"), "{lines}");
    assert!(!page.body.contains("<b>anna"), "a line is text");
    assert!(!lines.contains("of yesterday"), "{lines}");
    let week = get(&world.router, "/devices/db1?span=7d&text=YESTERDAY").await;
    assert!(week.text().contains("of yesterday") && !week.text().contains("login of"));
    // By its address, and by a name that is none.
    let by_address = get(&world.router, "/devices/198.18.0.10").await.text();
    assert!(by_address.contains("db1.aws-london.example.net"), "{by_address}");
    let hostile = get(&world.router, "/devices/%3Cscript%3E%2F%22").await;
    assert_eq!(hostile.status, 200);
    assert!(hostile.text().contains("It has told of nothing that matters."));
    assert!(!hostile.body.contains("<script>/"));
    assert!(hostile.body.contains("action=\"/devices/%3Cscript%3E%2F%22\""), "{}", hostile.body);
}
