//! The live feed, with a clock that runs only when told.

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tokio_stream::StreamExt;
use tower::ServiceExt;

use crate::http::get;
use crate::sim::{Manner, large_network, small_network};
use crate::world::World;

/// An open feed.
struct Feed(BodyDataStream);

impl Feed {
    async fn open(world: &World, query: &str) -> Self {
        let request = Request::get(format!("/live?{query}")).header("host", "localhost");
        let request = request.body(Body::empty()).unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body().into_data_stream())
    }

    /// The next event and its size on the wire.
    async fn next(&mut self) -> (Value, usize) {
        let bytes = self.0.next().await.expect("the feed goes on").unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let data = text.strip_prefix("data: ").expect("an event").trim_end();
        (serde_json::from_str(data).unwrap(), bytes.len())
    }
}

fn keys(world: &World, count: usize) -> String {
    use netmend_show::Now;
    let targets = world.sim.targets();
    let keys = targets.targets.iter().take(count);
    keys.map(|now| now.series.rtt.to_string()[..16].to_owned()).collect::<Vec<_>>().join(",")
}

#[tokio::test(start_paused = true)]
async fn a_feed_sends_the_rows_in_view_and_then_only_what_changed() {
    let world = World::new(small_network());
    let mut feed = Feed::open(&world, &format!("rows={}", keys(&world, 3))).await;
    let (first, _) = feed.next().await;
    assert_eq!(first["rows"].as_array().unwrap().len(), 3);
    assert_eq!(first["counts"]["down"], 1);
    let row = first["rows"][0].as_array().unwrap();
    assert_eq!((row[1].as_str(), row.len()), (Some("up"), 10));
    let (quiet, _) = feed.next().await;
    assert_eq!(quiet["rows"], serde_json::json!([]), "the heartbeat has no rows");

    world.sim.turn(1, Manner::Died);
    for _ in 0..3 {
        world.second();
    }
    let (changed, _) = feed.next().await;
    let died = changed["rows"].as_array().unwrap().iter().find(|row| row[1] == "down").unwrap();
    assert_eq!(died[3], "–", "no RTT any more: {died}");
    assert_ne!(changed["wrong"], first["wrong"]);
    assert_eq!(changed["counts"]["down"], 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_never_exceeds_its_share_and_every_row_gets_its_turn() {
    let world = World::new(large_network(400));
    let mut feed = Feed::open(&world, &format!("parts=full&rows={}", keys(&world, 400))).await;
    let mut seen = std::collections::BTreeSet::new();
    let start = tokio::time::Instant::now();
    let mut events = 0_u32;
    while seen.len() < 400 {
        // Everything changes each second, so that the feed is always behind.
        world.second();
        let (event, bytes) = feed.next().await;
        assert!(bytes <= 20_000, "{bytes} bytes in a second");
        for row in event["rows"].as_array().unwrap() {
            seen.insert(row[0].as_str().unwrap().to_owned());
        }
        events += 1;
        assert!(events < 20, "only {} rows of 400 came in {events} s", seen.len());
    }
    assert!(start.elapsed().as_secs() + 1 >= u64::from(events), "at most one event a second");
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_the_latest_state_and_no_queue() {
    let world = World::new(small_network());
    let mut feed = Feed::open(&world, &format!("rows={}", keys(&world, 1))).await;
    feed.next().await;
    for _ in 0..30 {
        world.second();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    // One event may have been made before the client stopped reading; the next one is the present.
    feed.next().await;
    let (event, _) = feed.next().await;
    let now = world.target("www.gateway.example.net");
    assert_eq!(event["at"], model::Clock::now_ms(&*world.clock).0);
    assert_eq!(event["rows"][0][3], format!("{:.3}", now.rtt_us.unwrap() / 1_000.0));
}

#[tokio::test(start_paused = true)]
async fn feeds_are_counted_and_a_client_that_leaves_makes_room() {
    let world = World::new(small_network());
    let mut feeds = Vec::new();
    for _ in 0..128 {
        feeds.push(Feed::open(&world, "rows=").await);
    }
    let refused = get(&world.router, "/live?rows=").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["retry-after"], "10");
    assert!(refused.json()["error"].as_str().unwrap().contains("128 live feeds"));
    feeds.pop();
    // The time is paused: this only lets every other task come to rest.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let mut feed = Feed::open(&world, "rows=").await;
    assert_eq!(feed.next().await.0["rows"], serde_json::json!([]));
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_unknown_keys_are_left_out() {
    let world = World::new(small_network());
    let many = vec!["0"; 401].join(",");
    for rows in ["xyz", "1,,2", "11111111111111111", &many] {
        let answer = get(&world.router, &format!("/live?rows={rows}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{rows}");
    }
    let mut feed = Feed::open(&world, "rows=1,2,3").await;
    assert_eq!(feed.next().await.0["rows"], serde_json::json!([]));
}
