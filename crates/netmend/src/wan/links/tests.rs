//! Tests of what is new: nothing twice, nothing lost, nothing judged out of order.

use super::*;

const MINUTE: i64 = 60_000;

fn link(id: &str) -> Link {
    Link {
        enterprise: Some(4),
        customer: "A".to_owned(),
        edge: "7".to_owned(),
        edge_name: "LDN".to_owned(),
        id: id.to_owned(),
        name: format!("WAN {id}"),
        interface: Some("GE3".to_owned()),
        isp: None,
        gateway: None,
        site: None,
        state: LinkState::Active,
    }
}

fn reading(minute: i64, latency: f64) -> Reading {
    let values = [Some(latency), Some(latency), Some(1.0), Some(1.0), Some(0.0), None];
    Reading { at: UnixMs(minute * MINUTE), values }
}

fn links() -> Links {
    let mut links = Links::default();
    links.set([("corp", Duration::from_mins(10))].into_iter());
    links
}

fn poll(readings: Vec<Reading>) -> Poll {
    Poll { links: vec![(link("u-1"), readings)], ..Poll::default() }
}

fn at(minute: i64) -> UnixMs {
    UnixMs(minute * MINUTE)
}

#[test]
fn the_same_window_again_changes_nothing() {
    let mut links = links();
    let window = || poll(vec![reading(0, 20.0), reading(5, 21.5)]);
    let first = links.take("corp", &window(), at(15));
    assert_eq!((first.store.len(), first.judge.len(), first.roster), (10, 12, true));
    assert_eq!(first.new.len(), 1);
    let stored = first.store[0].value;
    assert!((stored - 20_000.0).abs() < 1e-6, "the store has microseconds, not {stored}");
    let again = links.take("corp", &window(), at(20));
    assert_eq!((again.store.len(), again.judge.len(), again.roster), (0, 0, false));
    assert_eq!(again.repeated, 2);
}

#[test]
fn what_is_new_is_passed_on_once_as_a_point_for_each_direction() {
    let lines = |news: &News| {
        let mut out = Vec::new();
        for (subject, at, values) in &news.pass_on {
            let point = store::sink::Point { subject: subject.view(), at: *at, values };
            store::sink::line_protocol::write(&mut out, point, &[]);
        }
        String::from_utf8(out).unwrap()
    };
    let mut links = links();
    let one_way = Reading { values: [None, Some(21.5), None, None, None, None], ..reading(5, 0.0) };
    let window = || poll(vec![reading(0, 20.0), one_way]);
    let first = lines(&links.take("corp", &window(), at(15)));
    let named = |way| {
        format!(
            "wan_link,direction={way},edge=LDN,enterprise=A,interface=GE3,link=u-1,\
             orchestrator=corp,wan=WAN\\ u-1"
        )
    };
    let (up, down) = (named("upload"), named("download"));
    assert_eq!(
        first,
        format!(
            "{up} latency=20,jitter=1,loss=0 0\n{down} latency=20,jitter=1 0\n\
             {down} latency=21.5 300000\n"
        )
    );
    assert_eq!(lines(&links.take("corp", &window(), at(20))), "");
    let place = Place { gateway: Some("gw".to_owned()), site: None };
    links.place("corp", &BTreeMap::from([(EdgeId::of(&link("u-1")), place)]));
    let moved = lines(&links.take("corp", &poll(vec![reading(10, 20.0)]), at(25)));
    assert!(moved.contains("edge=LDN,enterprise=A,gateway=gw,"), "{moved}");
}

#[test]
fn what_comes_late_is_stored_and_not_judged_out_of_order() {
    let mut links = links();
    links.take("corp", &poll(vec![reading(0, 20.0), reading(10, 20.0)]), at(20));
    let late = links.take("corp", &poll(vec![reading(5, 99.0), reading(15, 20.0)]), at(25));
    let times: Vec<i64> = late.judge.iter().map(|sample| sample.at.0 / MINUTE).collect();
    assert_eq!(times, [15; 6]);
    let stored: std::collections::BTreeSet<i64> =
        late.store.iter().map(|sample| sample.at.0 / MINUTE).collect();
    assert_eq!(stored.into_iter().collect::<Vec<_>>(), [5, 15]);
}

#[test]
fn a_value_that_is_corrected_is_stored_again() {
    let mut links = links();
    links.take("corp", &poll(vec![reading(0, 20.0)]), at(10));
    let corrected = links.take("corp", &poll(vec![reading(0, 30.0)]), at(15));
    assert_eq!((corrected.store.len(), corrected.judge.len()), (5, 0));
}

#[test]
fn a_restart_stores_nothing_twice() {
    let mut before = links();
    before.take("corp", &poll(vec![reading(0, 20.1), reading(5, 0.3)]), at(15));
    before.set_backfilled("corp", None, true);
    let kept = before.keep("corp");
    let mut after = links();
    after.take_up("corp", &kept).unwrap();
    assert!(after.edges_without_past("corp").is_empty(), "its past was fetched before");
    for metric in WanMetric::ALL {
        let value = |latency: f64| metric.stored(reading(0, latency).get(metric).unwrap_or(0.0));
        if metric != WanMetric::LossRx {
            let values = [(at(0), value(20.1)), (at(5), value(0.3))];
            after.recall(("corp", "u-1"), metric, &values);
        }
    }
    let again = after.take("corp", &poll(vec![reading(0, 20.1), reading(5, 0.3)]), at(20));
    assert_eq!((again.store.len(), again.roster), (0, false));
    assert_eq!(again.repeated, 2);
}

#[test]
fn links_that_wait_are_stored_and_not_judged() {
    let mut links = links();
    let mut poll = poll(vec![reading(0, 20.0)]);
    poll.links[0].0.state = LinkState::Standby;
    let news = links.take("corp", &poll, at(10));
    assert_eq!((news.store.len(), news.judge.len()), (5, 0));
    let mut reaches = Vec::new();
    links.reaches(at(10), true, &mut |_, reach| reaches.push(reach));
    assert_eq!(reaches, [Reach::Hidden]);
}

#[test]
fn a_new_name_is_told_and_where_an_edge_is_outlives_a_listing() {
    let mut links = links();
    links.take("corp", &poll(vec![]), at(10));
    let edge = EdgeId { enterprise: Some(4), edge: "7".to_owned() };
    let place = Place { gateway: Some("gw1".to_owned()), site: Some("Docks".to_owned()) };
    let places = BTreeMap::from([(edge, place)]);
    assert!(links.place("corp", &places) && !links.place("corp", &places));
    assert!(!links.take("corp", &poll(vec![]), at(15)).roster);
    let mut renamed = poll(vec![]);
    renamed.links[0].0.edge_name = "London".to_owned();
    assert!(links.take("corp", &renamed, at(20)).roster);
    let (_, known) = links.all().next().unwrap();
    assert_eq!((&*known.subject.edge, known.subject.gateway.as_deref()), ("London", Some("gw1")));
}

#[test]
fn a_link_that_is_not_listed_any_more_goes_after_a_day() {
    let mut links = links();
    links.take("corp", &poll(vec![reading(0, 20.0)]), at(10));
    let empty = Poll::default();
    assert!(!links.take("corp", &empty, at(60)).roster);
    assert!(links.take("corp", &empty, at(10 + 24 * 60 + 1)).roster);
    assert_eq!(links.all().count(), 0);
}

#[test]
fn an_orchestrator_that_is_silent_accuses_no_link() {
    let mut links = links();
    let said = |links: &mut Links, minute| {
        let mut reaches = Vec::new();
        links.reaches(at(minute), true, &mut |_, reach| reaches.push(reach));
        reaches
    };
    links.take("corp", &poll(vec![reading(0, 20.0)]), at(10));
    assert_eq!(said(&mut links, 11), [Reach::Seen]);
    assert_eq!(said(&mut links, 26), [Reach::Hidden], "nobody answers");
    links.take("corp", &poll(vec![]), at(31));
    assert_eq!(said(&mut links, 31), [Reach::Silent], "it answers, and has nothing of the link");
    let why = measure::sdwan::Error::Limited { at: "h".to_owned(), method: "m" };
    let failed = |links: &mut Links, edge: Option<&str>, minute| {
        let (customer, edge) = ("A".to_owned(), edge.map(str::to_owned));
        let failures = vec![measure::sdwan::Failure { customer, edge, why: why.clone() }];
        links.take("corp", &Poll { failures, ..poll(vec![]) }, at(minute));
        said(links, minute)
    };
    assert_eq!(failed(&mut links, Some("LDN"), 36), [Reach::Hidden], "its edge was not asked");
    assert_eq!(failed(&mut links, Some("AMS"), 41), [Reach::Silent], "another was not");
    assert_eq!(failed(&mut links, None, 46), [Reach::Hidden], "no edge of its customer was");
}

#[test]
fn the_past_is_stored_once() {
    let mut links = links();
    links.take("corp", &poll(vec![]), at(0));
    let readings = Readings::from([("u-1".to_owned(), vec![reading(-10, 5.0), reading(-5, 6.0)])]);
    let all = links.past("corp", &readings, &BTreeMap::new());
    assert_eq!(all.len(), 10);
    let stored: BTreeMap<SeriesId, Vec<UnixMs>> =
        all.iter().map(|sample| (sample.series, vec![at(-10), at(-5)])).collect();
    assert_eq!(links.past("corp", &readings, &stored), []);
}
