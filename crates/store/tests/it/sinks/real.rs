//! The same against real servers from Debian's packages: influxd 1 and Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{Clock, Secret, SystemClock, UnixMs};
use store::sink::{
    Courier, Credential, Frames, Kind, Limits, Next, RemoteWriteConfig, SinkConfig, Spool, Subject,
};

use super::influxd::{Real, client, free_port};
use super::{Bed, START, endpoint, influx, work};

#[tokio::test]
async fn numbers_and_hostile_names_read_back_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let real = Real::influxd(dir.path(), free_port(), false);
    let mut bed = Bed::new();
    let [mut courier] = bed.couriers([("a", influx(real.url.clone(), Credential::None))]);
    let names = [
        "plain",
        "a b",
        "a,b=c",
        "\"quoted\"",
        r"C:\dir\,x y",
        r"\",
        "Zürich 東京 🦀",
        "'; DROP DATABASE nt; --",
        "#comment",
    ];
    let mut frames = Frames::default();
    frames.begin(1, UnixMs(START));
    for name in names {
        let subject = Arc::new(Subject::new(Kind::Ping, &[("host", name), ("region", "r")], &[]));
        let lost = f64::NAN;
        frames.push(&subject, UnixMs(START), &[1.0, 1.0, 0.0, 0.1, 12.345, 1e-9, 123_456.789]);
        frames.push(&subject, UnixMs(START + 1), &[1.0, 0.0, 100.0, lost, lost, lost, lost]);
    }
    bed.spool.append(&mut frames).unwrap();
    bed.spool.reveal().unwrap();
    bed.batches = 1;
    bed.deliver(&mut courier).await;
    let now = courier.now().read();
    assert_eq!((now.sent, now.partial, now.refused), (18, 0, 0));
    assert!(now.kind.contains("1.6"), "{}", now.kind);
    let mut found = real.select("SELECT * FROM ping_rtt GROUP BY *").await;
    found.sort_unstable();
    let rows = format!(
        "time={START} avg=12.345 jitter=123456.789 loss=0 max=1e-9 min=0.1 received=1 transmitted=1\n\
         time={} loss=100 received=0 transmitted=1\n",
        START + 1
    );
    let series = |name: &str| {
        // The one name that `InfluxDB` has no form for.
        let name = if name == r"\" { "" } else { name };
        format!("{}\n{rows}", serde_json::json!({ "host": name, "region": "r" }))
    };
    let mut expected: Vec<_> = names.into_iter().map(series).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_wrong_password_a_user_without_rights_and_a_missing_database_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let real = Real::influxd(dir.path(), free_port(), true);
    // The first user needs no user to make it.
    let root = "CREATE USER root WITH PASSWORD 'hunter2' WITH ALL PRIVILEGES";
    real.order(root, None).await;
    let weak = "CREATE USER weak WITH PASSWORD 'hunter3'";
    real.order(weak, Some(("root", "hunter2"))).await;
    let mut bed = Bed::new();
    let basic = |name: &str, password: &str| Credential::Basic(name.into(), Secret::new(password));
    let [mut wrong, mut weak, mut root] = bed.couriers([
        ("wrong", influx(real.url.clone(), basic("root", "no"))),
        ("weak", influx(real.url.clone(), basic("weak", "hunter3"))),
        ("root", influx(real.url.clone(), basic("root", "hunter2"))),
    ]);
    bed.store("h", [1.0]);
    assert!(matches!(work(&mut wrong).await, Next::After(_)));
    let failing = wrong.now().read().failing.unwrap();
    assert!(failing.why.contains("401") && failing.fix.contains("password"), "{failing:?}");
    assert!(matches!(work(&mut weak).await, Next::After(_)));
    let failing = weak.now().read().failing.unwrap();
    assert!(failing.why.contains("requires admin privilege"), "{failing:?}");
    assert_eq!(failing.fix, "as administrator: CREATE DATABASE \"nt\"");
    // Who only looks is told the same, and makes nothing.
    let look = async |name: &str, password: &str| {
        influx(real.url.clone(), basic(name, password)).look().await
    };
    let said = look("root", "no").await.unwrap_err();
    assert!(said.why.contains("401") && said.fix.contains("`password`"), "{said:?}");
    let said = look("root", "hunter2").await.unwrap_err();
    assert!(said.why.contains("database not found"), "{said:?}");
    assert!(said.fix.ends_with("as administrator: CREATE DATABASE \"nt\""), "{said:?}");
    bed.deliver(&mut root).await;
    assert_eq!(root.now().read().sent, 1);
    let found = look("root", "hunter2").await.unwrap();
    assert!(found.starts_with("InfluxDB 1.6"), "{found}");
}

#[tokio::test]
async fn a_field_of_another_type_costs_its_points_alone() {
    let dir = tempfile::tempdir().unwrap();
    let real = Real::influxd(dir.path(), free_port(), false);
    let client = client();
    real.order("CREATE DATABASE nt", None).await;
    let integer = format!("ping_rtt,host=old,region=r jitter=1i {}\n", START + 1_000_000);
    let url = format!("{}/write?db=nt&precision=ms", real.url);
    assert_eq!(client.post(url).body(integer).send().await.unwrap().status(), 204);
    let mut bed = Bed::new();
    let [mut courier] = bed.couriers([("a", influx(real.url.clone(), Credential::None))]);
    let subject = Arc::new(Subject::new(Kind::Ping, &[("host", "h"), ("region", "r")], &[]));
    let mut frames = Frames::default();
    frames.begin(1, UnixMs(START));
    let at = |offset| UnixMs(START + 1_000_000 + offset);
    frames.push(&subject, at(0), &[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]);
    frames.push(&subject, at(1), &[1.0, 1.0, 0.0, 3.0, 3.0, 3.0, 0.5]);
    frames.push(&subject, at(2), &[1.0, 1.0, 0.0, 4.0, 4.0, 4.0]);
    bed.spool.append(&mut frames).unwrap();
    bed.spool.reveal().unwrap();
    bed.batches = 1;
    bed.deliver(&mut courier).await;
    let now = courier.now().read();
    assert_eq!((now.partial, now.sent, now.failing), (3, 0, None));
    assert!(now.refusal.unwrap().0.contains("field type conflict"));
    bed.store("h", [5.0]);
    bed.deliver(&mut courier).await;
    let found = real.select("SELECT avg FROM ping_rtt WHERE host = 'h'").await;
    for kept in ["avg=2\n", "avg=4\n", "avg=5\n"] {
        assert!(found[0].contains(kept), "{found:?}");
    }
}

#[tokio::test]
async fn an_influxd_killed_in_mid_write_has_every_point_after_its_restart() {
    const BATCHES: u32 = 30;
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let real = Real::influxd(dir.path(), port, false);
    let mut bed = Bed::new();
    let [mut courier] = bed.couriers([("a", influx(real.url.clone(), Credential::None))]);
    let killed = AtomicBool::new(false);
    let mut real = Some(real);
    for batch in 0..BATCHES {
        bed.store(&format!("h{batch}"), (0..1_000).map(f64::from));
        if batch == BATCHES / 2 {
            // The write and the kill race; whoever wins, nothing may be missing.
            let victim = real.take().unwrap();
            let (_, ()) = tokio::join!(work(&mut courier), async { victim.kill() });
            killed.store(true, Ordering::SeqCst);
            work(&mut courier).await;
            real = Some(Real::influxd(dir.path(), port, false));
        }
        bed.deliver(&mut courier).await;
    }
    assert!(killed.load(Ordering::SeqCst));
    let found = real.unwrap().select("SELECT count(avg) FROM ping_rtt GROUP BY host").await;
    assert_eq!(found.len(), BATCHES as usize);
    for series in found {
        assert!(series.contains("count=1000\n"), "{series}");
    }
}

#[tokio::test]
async fn an_influxd_whose_disk_is_full_has_all_that_waited_once_it_has_a_larger_one() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let small = Real::influxd_on_a_small_disk(dir.path(), port, 64);
    let mut bed = Bed::new();
    let [mut courier] = bed.couriers([("a", influx(small.url.clone(), Credential::None))]);
    bed.store("before", [1.0, 2.0]);
    bed.deliver(&mut courier).await;
    let filler = small.inside(&dir.path().join("small/filler"));
    let mut file = std::fs::File::create(filler).unwrap();
    let full = std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    bed.store("meanwhile", (0..1_000).map(f64::from));
    assert!(matches!(work(&mut courier).await, Next::After(_)));
    let now = courier.now().read();
    assert_eq!((now.sent, now.waiting.points, now.partial, now.refused), (2, 1_000, 0, 0));
    let failing = now.failing.unwrap();
    assert!(failing.why.contains("no space left"), "{failing:?}");
    assert!(failing.fix.contains("make room"), "{failing:?}");
    small.kill();
    let large = Real::influxd(dir.path(), port, false);
    bed.deliver(&mut courier).await;
    let found = large.select("SELECT count(avg) FROM ping_rtt GROUP BY host").await;
    assert!(found.len() == 1 && found[0].contains("count=1000\n"), "{found:?}");
}

#[tokio::test]
async fn a_prometheus_has_every_sample_under_the_names_of_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let real = Real::prometheus(dir.path(), "");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let spooled = tempfile::tempdir().unwrap();
    let (spool, _) =
        Spool::open(spooled.path(), Limits::DEFAULT, None, Arc::clone(&clock)).unwrap();
    let spool = Arc::new(spool);
    spool.keep_for(&["p".to_owned()]).unwrap();
    let endpoint = endpoint(format!("{}/api/v1/write", real.url), Credential::None);
    let labels =
        vec![("instance".to_owned(), "london 1".to_owned()), ("job".into(), "netmend".into())];
    let config = SinkConfig::RemoteWrite(RemoteWriteConfig { endpoint, labels });
    assert_eq!(config.look().await.as_deref(), Ok("remote write"));
    let mut courier = Courier::new("p", config, Arc::clone(&spool), Arc::clone(&clock)).unwrap();
    // A Prometheus takes what is younger than an hour.
    let start = clock.now_ms() - Duration::from_mins(1);
    let hosts = ["a b", "\"q\"\\", "Zürich"];
    let mut frames = Frames::default();
    frames.begin(1, start);
    for second in 0..20_u32 {
        for host in hosts {
            let labels = [("host", host), ("region", "r"), ("protocol", "icmp"), ("family", "4")];
            let subject = Arc::new(Subject::new(Kind::Ping, &[], &labels));
            let rtt = f64::from(second) + 0.5;
            let at = start + Duration::from_secs(second.into());
            frames.push(&subject, at, &[1.0, 1.0, 0.0, rtt, rtt, rtt]);
        }
    }
    spool.append(&mut frames).unwrap();
    spool.reveal().unwrap();
    assert_eq!(work(&mut courier).await, Next::Idle);
    let now = courier.now().read();
    assert_eq!((now.sent, now.refused, now.failing), (60, 0, None));
    let answer = real
        .ask(
            "/api/v1/query",
            &[("query", "netmend_target_rtt_seconds{instance=\"london 1\"}[10m]")],
        )
        .await;
    let series = answer["data"]["result"].as_array().unwrap();
    let mut found: Vec<&str> =
        series.iter().map(|one| one["metric"]["host"].as_str().unwrap()).collect();
    found.sort_unstable();
    let mut expected = hosts;
    expected.sort_unstable();
    assert_eq!(found, expected);
    for one in series {
        let values: Vec<f64> = one["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| pair[1].as_str().unwrap().parse().unwrap())
            .collect();
        let expected: Vec<f64> = (0..20).map(|second| (f64::from(second) + 0.5) * 0.001).collect();
        assert_eq!(values, expected);
        assert_eq!(one["metric"]["job"], "netmend");
    }
}
