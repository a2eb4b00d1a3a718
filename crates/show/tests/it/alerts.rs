//! The Alerts page, the page of one alert, and what other pages say of alerts.

use std::time::Duration;

use model::alert::{
    Finding, GroupSubject, Happening, Member, Neighbours, NoticeState, TargetSubject,
};
use model::{AlertId, AlertState, Protocol, Severity, Subject, Target};
use netmend_show::{Command, Refusal};

use crate::alarms::{self, dead, firing, notice, over, slow};
use crate::http::{Answer, ask, get, send, text};
use crate::sim::{Manner, small_network};
use crate::world::{NOW, World};

fn rows(page: &Answer) -> Vec<String> {
    let list = page.part("<div id=\"alerts\"");
    let body = list.split("<tbody>").nth(1).unwrap_or_default();
    body.split("</tr>").map(text).filter(|row| !row.is_empty()).collect()
}

#[tokio::test]
async fn what_is_open_comes_worst_first_with_what_a_group_speaks_for_below_it() {
    let world = World::alarmed();
    let page = get(&world.router, "/alerts").await;
    assert_eq!(page.status, 200);
    let rows = rows(&page);
    assert_eq!(
        rows[..2],
        [
            "critical region aws-frankfurt 7 of 8 targets are bad aws-frankfurt 12 min 30",
            "warning queue.aws-frankfurt.example.net latency 41.3 ms, usual 11.8 ms aws-frankfurt 10 min 29",
        ]
    );
    assert_eq!(rows[5], "and 2 more");
    assert_eq!(rows[6], "critical db2.aws-london.example.net does not answer aws-london 6 min 23");
    assert_eq!(
        rows[7],
        "warning db1.aws-london.example.net latency 41.3 ms, usual 11.8 ms aws-london 27 min 21"
    );
    assert!(rows[8].contains("known to anna, by the pages · INC-20931 comes and goes"), "{rows:?}");
    assert!(rows[9].contains("info mail.tokyo.example.net") && rows[9].contains("silence #2"));
    assert!(rows[10].starts_with("no data queue.gateway.example.net no data"), "{rows:?}");
    assert_eq!(rows.len(), 11);
    assert!(page.text().contains("1–6 of 6, which speak for 6 more"), "{}", page.text());
    // What is silenced or spoken for calls for nobody.
    assert_eq!(text(page.part("<b class=\"calling")), "4");
}

#[tokio::test]
async fn every_filter_is_in_the_url_and_takes_what_it_says() {
    let world = World::alarmed();
    for (query, ids) in [
        ("?severity=critical", &[30, 23][..]),
        ("?severity=critical,info", &[30, 23, 18]),
        ("?state=no_data", &[16]),
        ("?region=tokyo", &[18]),
        ("?region=aws-frankfurt&severity=critical", &[30]),
        ("?tag=gateway%3Dgw2&region=aws-london", &[23, 17]),
        ("?tag=kind%3Dgroup", &[30]),
        ("?text=DB1.aws-london", &[21]),
        ("?text=%2317", &[17]),
        ("?text=inc-209", &[17]),
        ("?text=queue.aws-frankfurt&severity=critical", &[30]),
        ("?quiet=yes&region=tokyo", &[18]),
        ("?quiet=no&acked=no&severity=warning", &[21, 16]),
        ("?acked=yes", &[17]),
        // Without its group, one that a group speaks for stands for itself.
        ("?text=%2329", &[29]),
        ("?severity=", &[30, 29, 28, 27, 26, 23, 21, 17, 18, 16]),
    ] {
        let page = get(&world.router, &format!("/alerts{query}")).await;
        let found: Vec<u64> =
            rows(&page).iter().filter_map(|row| row.rsplit(' ').next()?.parse().ok()).collect();
        assert_eq!(found, ids, "{query}");
    }
    for (query, words) in [
        ("?severity=bad", "critical, warning, info"),
        ("?state=up", "firing, no_data, accepted, resolved"),
        ("?quiet=perhaps", "yes or no"),
        ("?before=x", "the number of an alert"),
        ("?page=0", "a number from 1"),
    ] {
        let page = get(&world.router, &format!("/alerts{query}")).await;
        assert_eq!(page.status, 400, "{query}");
        assert!(page.text().contains(words), "{query}: {}", page.text());
    }
}

#[tokio::test]
async fn an_empty_list_teaches() {
    let quiet = World::new(vec![(Target::new("gw", "lab", Protocol::Icmp), Manner::Answers(300))]);
    let page = get(&quiet.router, "/alerts").await.text();
    assert!(page.contains("Nothing is firing.") && page.contains("netmend notify test"), "{page}");
    let page = get(&quiet.router, "/alerts?state=resolved,accepted").await.text();
    assert!(page.contains("No alert has ended yet."), "{page}");
    let empty = World::new(Vec::new());
    let page = get(&empty.router, "/alerts").await.text();
    assert!(page.contains("No targets, so nothing to judge"), "{page}");
    let page = get(&World::alarmed().router, "/alerts?text=nowhere").await.text();
    assert!(page.contains("No alert matches; 12 are open. Show all"), "{page}");
}

#[tokio::test]
async fn the_page_of_an_alert_tells_everything_that_is_known() {
    let world = World::alarmed();
    let page = get(&world.router, "/alerts/21").await;
    let text = page.text();
    for words in [
        "db1.aws-london.example.net: latency 41.3 ms, usual 11.8 ms · SIMULATION · netmend",
        "Latency db1.aws-london.example.net 41.3 ms, usual 11.8 ms at Sat 22:00 UTC (varies ±0.9, limit +8): \
         above the limit for 93 % of the last 4 min, since 22:22 UTC.",
        "Loss normal. 2 of 16 with gateway gw1 affected. Ping and TCP are both bad: it is the path.",
        "Clears when: 10 min with latency below 15.8 ms.",
        "The path changed at hop 5",
        "Latency firing 41.3 ms 52.7 ms 11.8 ms ±0.9 ms 19.8 ms 93.0 % 22:22 UTC above usual at this hour",
        "while all was well · 2026-11-21 13:49:07 UTC",
        "Region aws-london",
        "2026-11-21 22:26:07 queued for noc: firing",
        "noc firing: sent",
        "chat firing: waits for another try",
        "could not connect to hooks.example.net:443",
        "accepted 2026-11-14",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(page.body.contains("/silences?label=target&amp;value=db1.aws-london.example.net#new"));
    let group = get(&world.router, "/alerts/30").await.text();
    assert!(group.contains("It speaks for 7 of 8"), "{group}");
    assert!(
        group.contains("firing www.aws-frankfurt.example.net aws-frankfurt 22:37 UTC 24"),
        "{group}"
    );
    for path in ["/alerts/999", "/alerts/0", "/alerts/x", "/alerts/18446744073709551616"] {
        assert_eq!(get(&world.router, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_alert_that_is_over_keeps_its_page_and_asks_nobody_to_do_anything() {
    let world = World::alarmed();
    let page = get(&world.router, "/alerts/5").await;
    let text = page.text();
    assert!(text.contains("resolved") && text.contains("was up to 52.7 ms"), "{text}");
    assert!(!text.contains("Acknowledge") && !text.contains("Silence this"), "{text}");
    let accepted = get(&world.router, "/alerts/3").await.text();
    assert!(accepted.contains("this is the new usual") && !accepted.contains("resolved warning"));
    // The figure ends where the alert did, and some after it.
    let figure = page.part("<figure id=\"chart\"");
    assert!(figure.contains("data-until="), "{figure}");
    let open = get(&world.router, "/alerts/21").await;
    assert!(!open.part("<figure id=\"chart\"").contains("data-until="), "it goes on with time");
}

#[tokio::test]
async fn the_past_is_listed_newest_first_page_by_page() {
    let world = World::new(small_network());
    let now = world.target("db1.aws-london.example.net");
    let past = (1..=250_u64).map(|id| {
        let minutes = 10_000 - id * 30;
        let severity = if id % 50 == 0 { Severity::Critical } else { Severity::Warning };
        let alert = firing(id, &now.target, severity, vec![slow(&now, NOW, minutes)]);
        over(alert, AlertState::Resolved, NOW - Duration::from_mins(minutes - 5))
    });
    world.alarms.put_all(past.collect());
    let page = get(&world.router, "/alerts?state=resolved,accepted").await;
    let first = rows(&page);
    assert_eq!(first.len(), 100);
    assert!(first[0].ends_with(" 5 min 250"), "{}", first[0]);
    let next = "/alerts?state=resolved%2Caccepted&amp;before=151";
    assert!(page.body.contains(next), "{}", page.body);
    let last = get(&world.router, "/alerts?state=resolved,accepted&before=51").await;
    assert_eq!(rows(&last).len(), 50);
    assert!(!last.body.contains("before=1\""), "nothing is older");
    let few = get(&world.router, "/alerts?state=resolved&severity=critical&limit=2").await;
    let ids: Vec<_> =
        rows(&few).iter().map(|row| row.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(ids, ["250", "200"]);
    assert!(few.body.contains("limit=2&amp;before=200"), "{}", few.body);
}

#[tokio::test]
async fn acknowledging_needs_our_origin_and_token_and_is_seen_at_once() {
    let world = World::alarmed();
    let form = "by=anna&ticket=INC-7&note=Carrier+knows";
    let path = "/alerts/21/ack";
    for headers in [
        &[][..],
        &[("origin", "http://localhost:8420")],
        &[("origin", "http://evil.example"), ("x-netmend-token", world.token.as_str())],
        &[("origin", "http://localhost:8420"), ("x-netmend-token", "0")],
    ] {
        let answer = ask(&world.router, "POST", path, headers, form).await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    assert_eq!(world.alarms.asked(), []);
    let answer = send(&world, "POST", path, form).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(answer.headers["hx-redirect"], "/alerts/21");
    let (actor, command) = world.alarms.asked().remove(0);
    assert_eq!(actor, "anna, by the pages");
    let note = Some("Carrier knows".to_owned());
    let ticket = Some("INC-7".to_owned());
    assert_eq!(command, Command::Ack { alert: AlertId(21), note, ticket });
    let page = get(&world.router, "/alerts/21").await.text();
    assert!(page.contains("known to anna, by the pages · INC-7"), "{page}");
    assert!(page.contains("Add to what is known"), "{page}");
}

#[tokio::test]
async fn what_cannot_be_acknowledged_says_why_in_the_form() {
    let world = World::alarmed();
    for (path, form, status, words) in [
        ("/alerts/5/ack", "by=anna", 409, "alert 5 is over"),
        ("/alerts/x/ack", "by=anna", 404, "No alert has this number"),
        (
            "/alerts/21/ack",
            &*format!("note={}", "x".repeat(2_001)),
            422,
            "2001 characters; at most 2000",
        ),
        ("/alerts/21/ack", &*format!("note={}", "x".repeat(70_000)), 413, ""),
    ] {
        let answer = send(&world, "POST", path, form).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.text().contains(words), "{path}: {}", answer.body);
    }
    world.alarms.refuse(Refusal::Unavailable("the disk is <full>".to_owned()));
    let answer = send(&world, "POST", "/alerts/21/ack", "by=").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("the disk is &lt;full&gt;"), "{}", answer.body);
    assert_eq!(world.alarms.asked().last().unwrap().0, "somebody, by the pages");
}

#[tokio::test]
async fn targets_say_beside_their_state_what_the_detector_says() {
    let world = World::alarmed();
    for path in ["/", "/targets"] {
        let page = get(&world.router, path).await;
        assert!(
            page.text().contains("up latency above usual db1.aws-london.example.net"),
            "{path}"
        );
        assert!(page.body.contains("latency above usual since 22:22 UTC"), "{path}");
    }
    let id = world.target("db1.aws-london.example.net").series.rtt;
    let page = get(&world.router, &format!("/targets/{id}?span=10d&metric=jitter")).await;
    let words = page.text();
    assert!(words.contains("Usual RTT 11.8 ms ±0.9 ms, too high above 19.8 ms"), "{words}");
    assert!(page.part("<figure id=\"chart\"").contains("data-metric=\"jitter\""));
    let past = text(page.part("<section id=\"past-alerts\""));
    assert!(
        past.contains("2026-11-21 22:22:07 latency 41.3 ms, usual 11.8 ms for 27 min"),
        "{past}"
    );
    assert!(past.contains("accepted 2026-11-14"), "{past}");
    // A target that is down says so by its state alone.
    let down = world.target("db2.aws-london.example.net").series.rtt;
    assert!(!get(&world.router, &format!("/targets/{down}")).await.body.contains("v-alert"));
}

#[tokio::test]
async fn nothing_is_wrong_is_said_only_while_no_alert_calls() {
    let world = World::new(vec![(Target::new("gw", "lab", Protocol::Icmp), Manner::Answers(300))]);
    let words = |page: Answer| text(page.part("<section id=\"wrong\""));
    assert_eq!(words(get(&world.router, "/").await), "Nothing is wrong: all 1 targets answer.");
    let now = world.target("gw");
    world.alarms.put(firing(1, &now.target, Severity::Warning, vec![slow(&now, NOW, 5)]));
    assert_eq!(words(get(&world.router, "/?part=wrong").await), "All 1 targets answer.");
}

#[tokio::test]
async fn a_store_that_is_gone_leaves_what_is_open_standing() {
    let world = World::with(small_network(), true);
    alarms::fill(&world.alarms, &netmend_show::Now::targets(&*world.sim).targets, NOW);
    let page = get(&world.router, "/alerts").await;
    assert_eq!(rows(&page).len(), 11);
    let page = get(&world.router, "/alerts/21").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("the store cannot answer: the store is closed"),
        "{}",
        page.text()
    );
    let page = get(&world.router, "/alerts?state=resolved").await;
    assert!(page.text().contains("the store cannot answer"), "{}", page.text());
    assert_eq!(get(&world.router, "/alerts/5").await.status, 503);
}

/// Names and words as an attacker chooses them, in every place that can hold one.
#[tokio::test]
async fn hostile_text_is_shown_as_text_and_never_floods_a_page() {
    let long = format!(
        "<script>alert(1)</script>\"'&\u{202e}evil\u{200b}\u{1b}[31m{}",
        "x".repeat(10_000)
    );
    let mut target = Target::new(&long, &long, Protocol::Icmp);
    target.tags.insert(long.clone(), long.clone());
    target.parent = Some(long.clone());
    let world = World::new(vec![(target, Manner::Answers(300))]);
    let now = netmend_show::Now::targets(&*world.sim).targets[0].clone();
    let mut alert = firing(1, &now.target, Severity::Critical, vec![slow(&now, NOW, 5)]);
    let (tag, value) = (long.clone(), long.clone());
    alert.neighbours.push(Neighbours { tag, value, affected: 1, total: 2 });
    let said = Some(long.clone());
    let ack = model::alert::Ack { at: NOW, by: long.clone(), note: said.clone(), ticket: said };
    alert.note(NOW, Happening::Acked(ack.clone()));
    alert.ack = Some(ack);
    let member = TargetSubject::of(&now.target);
    let (since, state) = (NOW, AlertState::Firing);
    alert.members.push(Member { subject: Subject::Target(member), alert: None, since, state });
    let group = GroupSubject { tag: long.clone(), value: long.clone() };
    let mut other = firing(2, &now.target, Severity::Warning, vec![]);
    other.subject = Subject::Group(group);
    let mut sent = notice(1, &long, &alert, NoticeState::Waiting);
    sent.last_error = Some(long.clone());
    world.alarms.notice(sent);
    let mut silence = alarms::silence(1, (&long, &long), NOW, (-5, 5));
    (silence.by, silence.note) = (long.clone(), long.clone());
    world.alarms.silence(silence, true);
    world.alarms.put_all(vec![alert, other]);
    for path in ["/", "/alerts", "/alerts/1", "/alerts/2", "/silences", "/alerts?text=%3Cscript%3E"]
    {
        let page = get(&world.router, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("<script>alert"), "{path}");
        // The pages of alerts cut names; the filter of regions holds the one that is to be sent back.
        assert!(page.body.len() < 90_000, "{path}: {} bytes", page.body.len());
    }
    for path in ["/alerts/1", "/alerts/2"] {
        let main = get(&world.router, path).await;
        let said = main.part("<section id=\"alert-now\"");
        assert!(!said.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{path}");
        assert!(said.contains("&lt;script&gt;"), "{path}");
    }
}

#[tokio::test]
async fn ten_thousand_alerts_fit_on_pages_of_a_hundred() {
    let world = World::new(small_network());
    let now = world.target("db1.aws-london.example.net");
    let one = |id: u64| {
        let target = Target::new(&format!("h{id:05}.example.net"), "r", Protocol::Icmp);
        firing(id, &target, Severity::Warning, vec![Finding { ..dead(&now, NOW, id % 500) }])
    };
    world.alarms.put_all((1..=10_000).map(one).collect());
    let page = get(&world.router, "/alerts").await;
    assert_eq!(rows(&page).len(), 100);
    assert!(page.body.len() < 100_000, "{} bytes", page.body.len());
    assert!(page.text().contains("1–100 of 10 000 Previous page 1 of 100 Next"), "{}", page.text());
    assert!(page.body.contains("href=\"/alerts?page=2\""));
    let last = get(&world.router, "/alerts?page=100").await;
    assert!(rows(&last)[99].ends_with(" 1"), "{:?}", rows(&last)[99]);
    let front = get(&world.router, "/").await.text();
    assert!(front.contains("All 10 000 alerts"), "{front}");
    let api = get(&world.router, "/api/v1/alerts?limit=10000").await.json();
    assert_eq!(api["alerts"].as_array().unwrap().len(), 10_000);
}
