//! The past out of the real store, from samples to what API and page say.

use std::sync::Arc;
use std::time::Duration;

use model::{Band, ManualClock, Metric, Protocol, Sample, Target, UnixMs};
use netmend_show::{Deps, Token, router};
use store::{Appended, Batch, Change, Mark, Store};

use crate::http::get;
use crate::sim::{Manner, Sim};
use crate::world::NOW;

/// An hour of probes every 3 s: 10.0, 10.1 ... 10.9 ms in turn; all lost in its last ten minutes.
fn hour(target: &Target) -> Vec<Sample> {
    let start = UnixMs(NOW.0 - NOW.0 % 3_600_000 - 3_600_000);
    let id = |metric| target.series(metric).id();
    let mut samples = Vec::new();
    for number in 0..1_200_u32 {
        let at = start + Duration::from_secs(u64::from(number) * 3);
        let lost = number >= 1_000;
        let loss = if lost { 100.0 } else { 0.0 };
        samples.push(Sample { series: id(Metric::Loss), at, value: loss });
        if !lost {
            let value = 10_000.0 + f64::from(number % 10) * 100.0;
            samples.push(Sample { series: id(Metric::Rtt), at, value });
        }
    }
    samples
}

/// A router over a real store that holds that hour of `target`, whose daemon probes `probed`.
fn world(target: &Target, probed: Vec<(Target, Manner)>) -> (axum::Router, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOW.to_ns()));
    let store = Store::open(folder.path(), Arc::<ManualClock>::clone(&clock)).unwrap();
    store.samples().register(&Metric::ALL.map(|metric| target.series(metric))).unwrap();
    let batch = Batch { source: 0, seq: 1, samples: hour(target) };
    assert_eq!(store.samples().append(batch).unwrap(), Appended::Committed);
    let at = NOW - Duration::from_mins(30);
    let (subject, kind, text) = (target.host.clone(), "address".to_owned(), "it moved".to_owned());
    store.state().apply(vec![Change::Mark(Mark { at, subject, kind, text })]).unwrap();
    let router = router(Deps {
        now: Arc::new(Sim::new(probed, NOW)),
        alerts: Arc::new(netmend_show::Unjudged),
        commands: Arc::new(netmend_show::Unjudged),
        mending: Arc::new(netmend_show::Unjudged),
        samples: store.samples(),
        state: store.state(),
        access: netmend_show::Access::usual(store.state(), Arc::clone(&clock) as _).unwrap(),
        clock,
        devices: Arc::new(model::Inventory::default()),
        interfaces: Arc::new(()),
        links: Arc::new(netmend_show::NoLinks),
        listen: "127.0.0.1:8420".parse().unwrap(),
        hosts: Vec::new(),
        token: Token::random().unwrap(),
    });
    (router, folder)
}

#[tokio::test]
async fn a_target_that_left_the_configuration_keeps_its_page_and_its_past() {
    let target = Target::new("db.example.net", "lab", Protocol::Tcp(3306));
    let (router, _folder) = world(&target, Vec::new());
    let id = target.series(Metric::Rtt).id();
    let page = get(&router, &format!("/targets/{id}")).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    for words in [
        "db.example.net:3306",
        "it left the configuration",
        "tcp:3306 over IPv4",
        // Spans end with the last sample: all of the hour is there, its lost end too.
        "Last sample 2026-11-21 21:59:57 UTC",
        "2026-11-21 21:00:00",
        "100 – – – – – –",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let loss = target.series(Metric::Loss).id();
    let lines = Band::ALL.map(|band| target.series(Metric::Rtt).band(band).id().to_string());
    let asked = format!("data-series=\"{id},{loss},{}\"", lines.join(","));
    assert!(page.body.contains(&asked), "no {asked} in {}", page.body);
    assert!(!page.body.contains("data-k="), "nothing of it is live: {}", page.body);
    let past = format!("/targets/{id}?span=30h");
    assert!(
        get(&router, &past).await.text().contains("2026-11-20 15:59:58 to 2026-11-21 21:59:58")
    );
    let jitter = target.series(Metric::Jitter).id();
    let status = get(&router, &format!("/targets/{jitter}")).await.status;
    assert_eq!(status, 404, "a page is named by the RTT series alone");
}

#[tokio::test]
async fn what_was_stored_is_what_is_shown() {
    let target = Target::new("gw", "lab", Protocol::Icmp);
    let id = target.series(Metric::Rtt).id();
    let (router, _folder) = world(&target, vec![(target.clone(), Manner::Answers(10_000))]);

    // 21:00 to 22:00 in steps of ten minutes: five with RTT, six with loss.
    let span = "from=2026-11-21T21:00:00Z&until=2026-11-21T22:00:00Z";
    let path = format!("/api/v1/range?target={id}&metric=rtt,loss&step=600s&{span}");
    let json = get(&router, &path).await.json();
    let (rtt, loss) = (&json["series"][0]["points"], &json["series"][1]["points"]);
    assert_eq!((rtt.as_array().unwrap().len(), loss.as_array().unwrap().len()), (5, 6));
    // Count, least, mean and largest of 200 samples; the median lies between the two in the middle.
    let start = UnixMs(NOW.0 - NOW.0 % 3_600_000 - 3_600_000).0;
    assert_eq!(rtt[0][0], start);
    let numbers: Vec<f64> = (1..7).map(|column| rtt[0][column].as_f64().unwrap()).collect();
    assert_eq!(numbers[..4], [200.0, 10_000.0, 10_450.0, 10_900.0]);
    assert!((10_400.0..=10_500.0).contains(&numbers[5]), "{numbers:?}");
    assert_eq!((&loss[4][3], &loss[5][3]), (&0.0.into(), &100.0.into()));

    let raw = format!("/api/v1/range?target={id}&step=raw&{span}");
    let json = get(&router, &raw).await.json();
    assert_eq!(json["series"][0]["points"].as_array().unwrap().len(), 1_000);

    let page = get(&router, &format!("/targets/{id}?{span}")).await.text();
    assert!(page.contains("2026-11-21 21:00:00 100 0 10.00 10."), "{page}");
    assert!(page.contains("100 – – – – – –"), "{page}");
    assert!(!page.contains("it moved"), "a mark of another hour: {page}");
    let page = get(&router, &format!("/targets/{id}")).await.text();
    assert!(page.contains("address it moved"), "{page}");
}
