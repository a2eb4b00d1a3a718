//! The Availability page, its CSV and the API.

use netmend_show::{Minutes, Uptime, Uptimes};

use crate::http::get;
use crate::sim::small_network;
use crate::world::World;

fn uptime(host: &str, availability_pct: Option<f64>) -> Uptime {
    Uptime {
        host: host.into(),
        region: "emea".into(),
        protocol: "tcp:443".into(),
        family: "6".into(),
        month: "2026-10".into(),
        availability_pct,
        minutes: Minutes {
            up_minutes: 44_000,
            down_minutes: 30,
            maintenance_minutes: 120,
            no_data_minutes: 490,
            outages: 2,
            longest_outage_minutes: 25,
        },
        loss_pct: Some(0.07),
    }
}

fn world() -> World {
    let world = World::new(small_network());
    let rows = vec![uptime("=cmd|x", Some(99.999_99)), uptime("<script>\u{202e}b", None)];
    world.alarms.count_as(Uptimes { rows, total: 1_502 });
    world
}

#[tokio::test]
async fn the_page_counts_the_running_month_unless_asked_for_another() {
    let world = world();
    let page = get(&world.router, "/availability").await.text();
    assert!(page.contains("99.999 2 30 min 25 min 2 h 8 h 10 min 0.1"), "{page}");
    assert!(page.contains("and 1\u{202f}500 more") || page.contains("and 1 500 more"), "{page}");
    let page = get(&world.router, "/availability?month=2026-10&text=EMEA").await;
    assert!(page.body.contains("<option value=\"2026-10\" selected>"), "{}", page.body);
    assert!(page.body.contains("&lt;script&gt;\u{fffd}b"), "{}", page.body);
    let counted = world.alarms.counted();
    assert_eq!(counted[0], ("2026-11".into(), String::new(), 200));
    assert_eq!(counted[1], ("2026-10".into(), "EMEA".into(), 200));
}

#[tokio::test]
async fn a_month_that_is_none_or_not_here_yet_is_refused_with_what_is_allowed() {
    let world = world();
    for month in ["2026-13", "2026-12", "x", "1969-12"] {
        for place in ["/availability", "/api/v1/availability"] {
            let answer = get(&world.router, &format!("{place}?month={month}")).await;
            assert_eq!(answer.status, 400, "{place} {month}");
            assert!(answer.body.contains("2026-10"), "{}", answer.body);
        }
    }
    let answer = get(&world.router, "/api/v1/availability?moth=2026-10").await;
    assert_eq!(answer.status, 400, "a misspelt parameter");
    assert_eq!(world.alarms.counted(), [], "nothing was counted");
}

#[tokio::test]
async fn the_csv_is_safe_to_open_and_the_json_has_the_same_numbers() {
    let world = world();
    let csv = get(&world.router, "/api/v1/availability?month=2026-10&format=csv").await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        csv.headers["content-disposition"],
        "attachment; filename=\"availability-2026-10.csv\""
    );
    let mut lines = csv.body.lines();
    assert!(lines.next().is_some_and(|head| head.starts_with("host,region,protocol,family,month")));
    assert_eq!(
        lines.next(),
        Some("'=cmd|x,emea,tcp:443,6,2026-10,99.9999,44000,30,120,490,0.0700,2,25")
    );
    let json = get(&world.router, "/api/v1/availability?month=2026-10").await;
    let json: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(json["total"], 1_502);
    assert_eq!(json["targets"][0]["maintenance_minutes"], 120);
    assert_eq!(json["targets"][1]["availability_pct"], serde_json::Value::Null);
}
