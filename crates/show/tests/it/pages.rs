//! The pages as people read them.

use std::time::Duration;

use model::{Metric, Protocol, Target, TargetState, UnixMs};
use store::sink::{Failing, SinkNow, Waiting};

use crate::http::{Answer, get, get_with, text};
use crate::sim::{Manner, fallback_warning, large_network, small_network};
use crate::world::World;

/// A name as an attacker who controls DNS or a targets file might choose it.
const HOSTILE: &str = "<script>alert(1)</script>\"'&.example";

fn one(host: &str, manner: Manner) -> World {
    World::new(vec![(Target::new(host, "lab", Protocol::Icmp), manner)])
}

#[tokio::test]
async fn the_front_page_names_what_is_wrong_first_and_then_every_target() {
    let world = World::new(small_network());
    let page = get(&world.router, "/").await;
    assert_eq!(page.status, 200);
    let wrong = text(page.part("<section id=\"wrong\""));
    let order: Vec<usize> = [
        "down db2.aws-london.example.net aws-london",
        "name not found edge1.tokyo.example.net:443",
        "answers no ping mail.aws-frankfurt.example.net",
        "unknown queue.gateway.example.net",
        "lossy queue.aws-london.example.net",
    ]
    .iter()
    .map(|row| wrong.find(row).unwrap_or_else(|| panic!("no {row:?} in {wrong}")))
    .collect();
    assert!(order.is_sorted(), "the worst comes first: {wrong}");
    assert!(wrong.contains("host unreachable, reported by 192.0.2.1"), "{wrong}");
    let all = page.text();
    for (target, _) in small_network() {
        assert!(all.contains(&target.host), "{} is missing", target.host);
    }
    assert!(all.contains("aws-london 6 of 8 up"), "{all}");
}

#[tokio::test]
async fn a_quiet_network_says_so_and_an_empty_one_says_what_to_do() {
    let quiet = one("gw", Manner::Answers(300));
    let page = get(&quiet.router, "/").await.text();
    assert!(page.contains("Nothing is wrong: all 1 targets answer."), "{page}");
    let empty = World::new(Vec::new());
    let page = get(&empty.router, "/").await.text();
    assert!(page.contains("No targets yet"), "{page}");
}

#[tokio::test]
async fn ten_thousand_targets_are_all_named_on_the_front_page() {
    let world = World::new(large_network(10_000));
    let page = get(&world.router, "/").await.text();
    let words: std::collections::HashSet<&str> = page.split(' ').collect();
    for (target, _) in large_network(10_000) {
        assert!(words.contains(target.host.as_str()), "{} is missing", target.host);
    }
    assert!(page.contains("that are not up"), "the rest of what is wrong is a link");
}

#[tokio::test]
async fn the_machines_own_warnings_stand_on_top_with_their_fix() {
    let world = World::new(small_network());
    world.sim.edit_system(|system| system.warnings.push(fallback_warning()));
    world.sim.stick("no commit for 40 s");
    for path in ["/", "/system"] {
        let page = get(&world.router, path).await.text();
        let stuck = page.find("The stage store stands still: no commit for 40 s");
        assert!(stuck < page.find("ICMP falls back") && stuck.is_some(), "{path}: {page}");
        assert!(page.contains("ICMP falls back to TCP"), "{path}: {page}");
        assert!(page.contains("Fix: setcap cap_net_raw+ep /usr/bin/netmend"), "{path}: {page}");
    }
}

#[tokio::test]
async fn a_fix_in_words_sets_only_its_commands_apart() {
    let world = World::new(small_network());
    let mut warning = fallback_warning();
    warning.fix = "stop it, then run `ss -ltnp` & look".into();
    world.sim.edit_system(|system| system.warnings.push(warning));
    let page = get(&world.router, "/").await.body;
    assert!(page.contains("Fix: stop it, then run <code>ss -ltnp</code> &amp; look"), "{page}");
}

#[tokio::test]
async fn hostile_names_are_text_everywhere() {
    let mut target = Target::new(HOSTILE, HOSTILE, Protocol::Icmp);
    target.tags.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    let world = World::new(vec![(target, Manner::Died)]);
    world.sim.edit(0, |now| now.note = Some(HOSTILE.to_owned()));
    world.sim.edit_system(|system| system.site = HOSTILE.to_owned());
    world.mark(5, HOSTILE, HOSTILE, HOSTILE);
    let id = world.target(HOSTILE).series.rtt;
    for path in ["/", "/targets", "/system", &format!("/targets/{id}")] {
        let page = get(&world.router, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("<script>alert"), "{path}: {}", page.body);
        assert!(page.text().contains(HOSTILE), "{path} shows it as it is");
    }
    let query = "%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [format!("/targets?host={query}"), format!("/targets?sort={query}")] {
        let page = get(&world.router, &path).await;
        assert!(!page.body.contains("<script>alert"), "{path}: {}", page.body);
    }
}

#[tokio::test]
async fn no_page_holds_a_script_or_style_of_its_own() {
    let world = World::new(small_network());
    let id = world.target("db1.aws-london.example.net").series.rtt;
    for path in ["/", "/targets", "/system", &format!("/targets/{id}"), "/nowhere"] {
        let body = get(&world.router, path).await.body;
        for tag in body.split("<script").skip(1) {
            assert!(tag.starts_with(" src=\"/assets/") || tag.starts_with(" defer src=\"/assets/"));
        }
        let twice = body.split('<').find(|tag| {
            tag.split('>').next().is_some_and(|tag| tag.matches(" class=\"").count() > 1)
        });
        assert_eq!(twice, None, "{path}: browsers leave out a second class attribute");
        assert!(!body.contains("<style") && !body.contains(" style=\""), "{path}");
        assert!(!body.contains(" onclick=") && !body.contains("javascript:"), "{path}");
    }
}

fn listed(page: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    for row in page.body.split("scope=\"row\">").skip(1) {
        found.push(text(row.split("</th>").next().unwrap()));
    }
    found
}

#[tokio::test]
async fn the_list_is_filtered_ordered_and_cut_by_the_url() {
    let world = World::new(small_network());
    let rows = async |query: &str| listed(&get(&world.router, &format!("/targets{query}")).await);
    assert_eq!(rows("").await.len(), 32);
    assert_eq!(rows("?region=tokyo").await.len(), 8);
    assert_eq!(rows("?tag=gateway%3Dgw1").await.len(), 16);
    assert_eq!(rows("?tag=gateway").await.len(), 32);
    assert_eq!(rows("?state=down").await, ["db2.aws-london.example.net"]);
    assert_eq!(rows("?state=down&state=unresolved").await.len(), 2);
    assert_eq!(rows("?host=DB2.aws").await.len(), 2);
    assert_eq!(rows("?host=198.18.0.7").await, ["edge1.gateway.example.net"]);
    assert_eq!(rows("?host=nobody").await.len(), 0);
    let top = rows("?sort=loss&top=3").await;
    assert_eq!(top.len(), 3);
    assert_eq!(top[0], "mail.aws-frankfurt.example.net", "100 % comes first: {top:?}");
    let first = rows("?sort=median&order=reverse").await;
    assert!(first[0].ends_with("gateway.example.net"), "the nearest first: {first:?}");
    let last = rows("?sort=rtt").await;
    assert!(last[0].contains("tokyo"), "the farthest first: {last:?}");
}

#[tokio::test]
async fn a_page_of_the_list_has_a_hundred_rows_and_links_that_keep_the_filter() {
    let world = World::new(large_network(1_000));
    let page = get(&world.router, "/targets?region=region-01&sort=host").await;
    assert_eq!(listed(&page).len(), 100);
    assert!(page.text().contains("1–100 of 250"), "{}", page.text());
    let next = "/targets?region=region-01&amp;sort=host&amp;page=2";
    assert!(page.body.contains(next), "{}", page.body);
    let last = get(&world.router, "/targets?region=region-01&sort=host&page=3").await;
    assert_eq!(listed(&last).len(), 50);
    let beyond = get(&world.router, "/targets?region=region-01&page=99").await;
    assert!(beyond.text().contains("201–250 of 250"), "a page beyond the last is the last");
}

#[tokio::test]
async fn what_cannot_be_shown_says_what_is_allowed() {
    let world = World::new(small_network());
    for (path, words) in [
        ("/targets?sort=colour", "config, state, host, region, rtt, median, jitter, loss"),
        ("/targets?state=sad", "never_answered"),
        ("/targets?page=0", "a number from 1"),
    ] {
        let page = get(&world.router, path).await;
        assert_eq!(page.status, 400, "{path}");
        assert!(page.text().contains(words), "{path}: {}", page.text());
    }
    for path in ["/nowhere", "/targets/0", "/targets/ffffffffffffffffffffffffffffffff"] {
        assert_eq!(get(&world.router, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_page_of_a_target_tells_facts_numbers_and_marks() {
    let world = World::new(small_network());
    world.mark(40, "db1.aws-london.example.net", "address", "the address changed");
    world.mark(50, "netmend", "reload", "the configuration was read again");
    world.mark(60, "www.tokyo.example.net", "address", "of another target");
    let now = world.target("db1.aws-london.example.net");
    let page = get(&world.router, &format!("/targets/{}?span=30h", now.series.rtt)).await;
    let text = page.text();
    for words in [
        "db1.aws-london.example.net",
        "Address 198.18.0.10",
        "icmp over IPv4",
        "ICMP (raw socket)",
        "60 sent, 60 answered, 0 lost",
        "2026-11-21 22:09:07 address the address changed",
        "reload the configuration was read again",
        // A bucket of the table: probes, no loss, and five numbers of the RTT.
        "2026-11-21 20:00:00 2400 2.0 11.",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!text.contains("of another target"), "{text}");
}

#[tokio::test]
async fn interval_and_timeout_are_shown_to_their_last_part() {
    let mut target = Target::new("gw", "lab", Protocol::Icmp);
    (target.interval, target.timeout) =
        (Duration::from_millis(2_500), Duration::from_millis(1_750));
    let id = target.series(Metric::Rtt).id();
    let world = World::new(vec![(target, Manner::Answers(300))]);
    let page = get(&world.router, &format!("/targets/{id}")).await.text();
    assert!(page.contains("Interval 2.5 s Timeout 1.75 s"), "{page}");
}

#[tokio::test]
async fn hours_of_total_loss_have_a_row_with_loss_and_without_rtt() {
    let world = World::new(small_network());
    let id = world.target("db1.aws-london.example.net").series.rtt;
    // 09:30 to 09:39 of that day all was lost.
    let span = "from=2026-11-21T09:30:00Z&until=2026-11-21T09:38:00Z";
    let page = get(&world.router, &format!("/targets/{id}?{span}")).await.text();
    assert!(page.contains("2026-11-21 09:37:30 10 100 – – – – – –"), "{page}");
}

#[tokio::test]
async fn a_store_that_cannot_answer_leaves_the_present_standing() {
    let world = World::with(small_network(), true);
    let id = world.target("db1.aws-london.example.net").series.rtt;
    let page = get(&world.router, &format!("/targets/{id}")).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("the store cannot answer: the store is closed"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("Address 198.18.0.10"));
}

#[tokio::test]
async fn a_dead_or_silent_target_shows_no_rtt_and_never_zero() {
    let world = one("dead", Manner::Died);
    world.sim.edit(0, |now| now.loss_pct = Some(100.0));
    let page = listed_row(&get(&world.router, "/targets").await);
    assert!(page.starts_with("down dead lab icmp 198.18.0.0 – – – 100"), "{page}");
    world.sim.edit(0, |now| now.state = TargetState::NoData);
    let page = listed_row(&get(&world.router, "/targets").await);
    assert!(page.starts_with("no data dead lab icmp 198.18.0.0 – – – –"), "{page}");
}

fn listed_row(page: &Answer) -> String {
    text(page.part("<tbody"))
}

#[tokio::test]
async fn numbers_that_are_none_are_shown_as_unknown() {
    let world = one("odd", Manner::Answers(1_000));
    world.sim.edit(0, |now| {
        now.rtt_us = Some(f32::NAN);
        now.median_us = Some(f32::INFINITY);
        now.jitter_us = None;
        now.loss_pct = Some(f32::NAN);
    });
    let row = listed_row(&get(&world.router, "/targets").await);
    assert!(row.starts_with("up odd lab icmp 198.18.0.0 – – – –"), "{row}");
    let json = get(&world.router, "/api/v1/targets").await.json();
    for name in ["rtt_us", "median_us", "jitter_us", "loss_pct"] {
        assert!(json["targets"][0][name].is_null(), "{name}: {json}");
    }
}

#[tokio::test]
async fn the_system_page_tells_version_store_and_counters() {
    let world = World::new(small_network());
    world.sim.stick("no commit for 40 s");
    let page = get(&world.router, "/system").await.text();
    for words in [
        "Version 0.1.0",
        "Running for 2 d 5 h",
        "measure moving",
        "store stuck no commit for 40 s",
        "/var/lib/netmend",
        "batch 190800",
        "Size 14.0 MiB",
        "netmend_probes_sent_total{protocol=\"icmp\"} 1\u{202f}234\u{202f}567",
    ] {
        // White space of any kind was folded.
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&words), "no {words:?} in {page}");
    }
}

#[tokio::test]
async fn the_system_page_tells_how_each_sink_is() {
    let world = World::new(small_network());
    let well = SinkNow {
        name: "db:8086/nt".into(),
        kind: "InfluxDB 1.6.7".into(),
        at: "http://db:8086".into(),
        sent: 1_234,
        ..SinkNow::default()
    };
    let failing = Failing {
        why: format!("answers 500 {HOSTILE}"),
        fix: String::new(),
        since: UnixMs(1_700_000_000_000),
    };
    let waiting = Waiting { points: 70, bytes: 2_048, dropped: 3, damaged: 0 };
    let ill = SinkNow { name: HOSTILE.into(), failing: Some(failing), waiting, ..well.clone() };
    world.sim.edit_system(|system| system.sinks = vec![well, ill]);
    let page = get(&world.router, "/system").await;
    assert!(!page.body.contains(HOSTILE), "{}", page.body);
    let text = page.text();
    for words in ["db:8086/nt taking InfluxDB 1.6.7 at http://db:8086 1\u{202f}234", "70 · 2.0 KiB"]
    {
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&words), "no {words:?} in {text}");
    }
    assert!(text.contains("failing since"), "{text}");
    let json = get(&world.router, "/api/v1/system").await.json();
    assert_eq!(json["sinks"][0]["failing"], serde_json::Value::Null);
    assert_eq!(
        (&json["sinks"][1]["waiting"], &json["sinks"][1]["dropped"]),
        (&70.into(), &3.into())
    );
}

#[tokio::test]
async fn assets_are_kept_for_good_and_asked_for_once() {
    let world = World::new(Vec::new());
    let page = get(&world.router, "/").await;
    let address = page.body.split("href=\"").find(|part| part.starts_with("/assets/netmend.css"));
    let address = address.unwrap().split('"').next().unwrap();
    let first = get(&world.router, address).await;
    assert_eq!(first.headers["content-type"], "text/css; charset=utf-8");
    assert!(first.headers["cache-control"].to_str().unwrap().contains("immutable"));
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = get_with(&world.router, address, &[("if-none-match", &tag)]).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let packed = get_with(&world.router, address, &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert_eq!(get(&world.router, "/assets/../Cargo.toml").await.status, 404);
}

#[tokio::test]
async fn pages_are_never_kept_and_foreign_hosts_are_refused() {
    let world = World::new(small_network());
    let page = get(&world.router, "/").await;
    assert_eq!(page.headers["cache-control"], "no-store");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'"), "{policy}");
    let request = axum::http::Request::get("/").header("host", "evil.example");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
    assert_eq!(answer.status(), 421);
}

#[tokio::test]
async fn whatever_could_change_something_needs_origin_and_token_even_where_nothing_listens() {
    let world = World::new(small_network());
    let page = get(&world.router, "/").await;
    let token = page.body.split("netmend-token\" content=\"").nth(1).expect("a token");
    let token = token[..32].to_owned();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/alerts", "/api/v1/alerts", "/silences/nowhere"] {
            let ask = |headers: &[(&str, &str)]| {
                let mut request = axum::http::Request::builder().method(method).uri(path);
                request = request.header("host", "localhost:8420");
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let request = request.body(axum::body::Body::empty()).unwrap();
                tower::ServiceExt::oneshot(world.router.clone(), request)
            };
            let ours = ("origin", "http://localhost:8420");
            let status = ask(&[ours]).await.unwrap().status();
            assert_eq!(status, 403, "{method} {path} without token");
            let with_token = ("x-netmend-token", token.as_str());
            let status = ask(&[with_token]).await.unwrap().status();
            assert_eq!(status, 403, "{method} {path} without origin");
            let status = ask(&[ours, with_token]).await.unwrap().status();
            assert!(status == 404 || status == 405, "{method} {path}: {status}");
        }
    }
}
