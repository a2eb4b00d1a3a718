//! The JSON API.

use axum::http::StatusCode;
use model::{Metric, Protocol, Target};
use serde_json::Value;

use crate::http::get;
use crate::sim::{Manner, large_network, small_network};
use crate::world::{NOW, World};

#[tokio::test]
async fn targets_are_listed_with_everything_known_of_them() {
    let world = World::new(small_network());
    let json = get(&world.router, "/api/v1/targets").await.json();
    assert_eq!(
        (&json["total"], &json["matching"], &json["pages"]),
        (&32.into(), &32.into(), &1.into())
    );
    assert_eq!(json["at"], "2026-11-21T22:49:07.000Z");
    let first = &json["targets"][0];
    assert_eq!(first["host"], "www.gateway.example.net");
    assert_eq!(first["state"], "up");
    assert_eq!(first["address"], "198.18.0.0");
    assert_eq!(first["interval_ms"], 1_000);
    assert_eq!(first["tags"]["gateway"], "gw1");
    assert_eq!(first["counts"]["sent"], 60);
    assert!(first["rtt_us"].as_f64().is_some_and(|rtt| rtt > 100.0), "{first}");
    let id = first["id"].as_str().unwrap();
    let alone = get(&world.router, &format!("/api/v1/targets/{id}")).await.json();
    assert_eq!(&alone, first);
}

#[tokio::test]
async fn a_dead_target_is_all_loss_and_its_rtt_is_null() {
    let target = Target::new("dead", "lab", Protocol::Tcp(443));
    let world = World::new(vec![(target, Manner::Silent)]);
    let json = get(&world.router, "/api/v1/targets").await.json();
    let dead = &json["targets"][0];
    assert_eq!((&dead["state"], &dead["loss_pct"]), (&"never_answered".into(), &100.0.into()));
    assert!(dead["rtt_us"].is_null() && dead["median_us"].is_null(), "{dead}");
}

#[tokio::test]
async fn the_list_is_paged_and_the_limit_is_kept() {
    let world = World::new(large_network(300));
    let json = get(&world.router, "/api/v1/targets?limit=7&page=2").await.json();
    assert_eq!(json["targets"].as_array().unwrap().len(), 7);
    assert_eq!(json["targets"][0]["host"], "h00007.region-00.example.net");
    assert_eq!(json["pages"], 43);
    let all = get(&world.router, "/api/v1/targets?limit=10000").await.json();
    assert_eq!(all["targets"].as_array().unwrap().len(), 300);
}

#[tokio::test]
async fn a_range_has_buckets_of_every_metric_asked_for() {
    let world = World::new(small_network());
    let now = world.target("db1.aws-london.example.net");
    let id = now.series.rtt;
    let path = format!("/api/v1/range?target={id}&metric=rtt,loss,jitter&span=3h");
    let json = get(&world.router, &path).await.json();
    assert_eq!(json["step_ms"], 15_000);
    assert_eq!(json["until"].as_i64().unwrap() % 15_000, 0, "spans are whole steps");
    assert!(json["until"].as_i64().unwrap() >= NOW.0);
    let series = json["series"].as_array().unwrap();
    let metrics: Vec<&str> = series.iter().filter_map(|one| one["metric"].as_str()).collect();
    assert_eq!(metrics, ["rtt", "loss", "jitter"]);
    assert_eq!(series[1]["series"], now.series.get(Metric::Loss).to_string());
    let first = series[0]["points"][0].as_array().unwrap();
    assert_eq!(first.len(), json["columns"].as_array().unwrap().len());
    assert_eq!(first[0], json["from"]);
    let (min, median, max) = (&first[2], &first[6], &first[4]);
    assert!(min.as_f64() < median.as_f64() && median.as_f64() < max.as_f64(), "{first:?}");
}

#[tokio::test]
async fn raw_samples_and_series_of_targets_long_gone_can_be_asked_for() {
    let world = World::new(small_network());
    let id = world.target("db1.aws-london.example.net").series.jitter;
    let path = format!("/api/v1/range?series={id}&from=1795301340000&until=1795301346000&step=raw");
    let json = get(&world.router, &path).await.json();
    assert_eq!(json["columns"], serde_json::json!(["at", "value"]));
    assert!(json["step_ms"].is_null());
    assert_eq!(json["series"][0]["points"].as_array().unwrap().len(), 2);
    let unknown = "/api/v1/range?series=00000000000000000000000000000001";
    let json = get(&world.router, unknown).await.json();
    assert_eq!(json["series"][0]["points"], serde_json::json!([]));
}

#[tokio::test]
async fn marks_are_those_of_a_target_and_of_netmend_or_all() {
    let world = World::new(small_network());
    world.mark(10, "db1.aws-london.example.net", "address", "a");
    world.mark(20, "netmend", "reload", "b");
    world.mark(30, "www.tokyo.example.net", "address", "c");
    world.mark(500, "netmend", "start", "too long ago");
    let texts = async |query: &str| {
        let json = get(&world.router, &format!("/api/v1/marks{query}")).await.json();
        let marks = json["marks"].as_array().unwrap().clone();
        marks.iter().map(|mark| mark["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts("").await, ["a", "b", "c"], "newest first");
    let id = world.target("db1.aws-london.example.net").series.rtt;
    assert_eq!(texts(&format!("?target={id}")).await, ["a", "b"]);
    assert_eq!(texts("?subject=www.tokyo.example.net").await, ["b", "c"]);
    assert_eq!(texts("?subject=netmend").await, ["b"], "none is told twice");
}

#[tokio::test]
async fn the_system_says_what_is_on_disk() {
    let world = World::new(small_network());
    let json = get(&world.router, "/api/v1/system").await.json();
    assert_eq!(json["committed_until"], 190_800);
    assert_eq!(json["committed_at"], "2026-11-21T22:49:07.000Z");
    assert_eq!(json["targets"]["down"], 1);
    assert_eq!(json["stages"][0]["name"], "measure");
    assert_eq!(json["counters"][0]["labels"]["protocol"], "icmp");
}

#[tokio::test]
async fn errors_are_json_and_say_what_is_allowed() {
    let world = World::new(small_network());
    let id = world.target("db1.aws-london.example.net").series.rtt;
    for (path, allowed) in [
        ("/api/v1/nothing".to_owned(), "/api/v1/targets"),
        ("/api/v2/targets".to_owned(), "/api/v1/targets"),
        ("/api/v1/targets/xyz".to_owned(), "32 hexadecimal digits"),
        ("/api/v1/targets?limit=0".to_owned(), "from 1 to 10000"),
        ("/api/v1/targets?limit=10001".to_owned(), "from 1 to 10000"),
        ("/api/v1/targets?regoin=x".to_owned(), "host, region, tag"),
        ("/api/v1/targets?state=up,odd".to_owned(), "no_data"),
        ("/api/v1/range".to_owned(), "an `id` of /api/v1/targets"),
        (format!("/api/v1/range?target={id}&metric=rtt,colour"), "rtt, jitter, loss"),
        (format!("/api/v1/range?target={id}&from=never"), "RFC 3339"),
        (format!("/api/v1/range?target={id}&from=5&until=4"), "before `until`"),
        (format!("/api/v1/range?target={id}&step=1s&span=360d"), "at most 5000"),
        (format!("/api/v1/range?target={id}&step=0s"), "a whole number and s"),
        (format!("/api/v1/range?target={id}&step=raw&span=10d"), "at most 6 h"),
        ("/api/v1/range?series=12".to_owned(), "32 hexadecimal digits"),
        (format!("/api/v1/range?series={}", vec![id.to_string(); 21].join(",")), "at most 20"),
        ("/api/v1/marks?target=12".to_owned(), "an `id`"),
        ("/api/v1/system?colour=red".to_owned(), "no parameter"),
        (format!("/api/v1/targets/{id}?span=3h"), "no parameter"),
    ] {
        let answer = get(&world.router, &path).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        let json = answer.json();
        assert!(json["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}: {json}");
        let told = json["allowed"].as_str().unwrap_or_default();
        assert!(told.contains(allowed), "{path}: {json}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_answer_is_an_error_of_the_server() {
    let world = World::with(small_network(), true);
    let id = world.target("db1.aws-london.example.net").series.rtt;
    let answer = get(&world.router, &format!("/api/v1/range?target={id}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let error: Value = answer.json()["error"].clone();
    assert_eq!(error, "the store cannot answer: the store is closed");
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "it is what makes the store slow")]
async fn a_crowd_before_a_slow_store_is_turned_away_and_the_first_are_served() {
    let world = World::new(small_network());
    let id = world.target("db1.aws-london.example.net").series.rtt;
    let path = format!("/api/v1/range?target={id}");
    let slow = world.past.series.lock().unwrap();
    let ask = || {
        let (router, path) = (world.router.clone(), path.clone());
        tokio::spawn(async move { get(&router, &path).await.status })
    };
    let first: Vec<_> = (0..64).map(|_| ask()).collect();
    // On this one thread the tasks before run until they wait for the store.
    let refused = ask().await.unwrap();
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&world.router, "/api/v1/targets").await.status, StatusCode::OK);
    drop(slow);
    for asked in first {
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn health_is_the_stages_and_names_the_one_that_is_stuck() {
    let world = World::new(small_network());
    let answer = get(&world.router, "/healthz").await;
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &"ok".into()));
    world.sim.stick("no space left on the disk of samples.db");
    let answer = get(&world.router, "/healthz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["reasons"][0], "store: no space left on the disk of samples.db");
}
