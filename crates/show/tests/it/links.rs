//! The pages of WAN links, over links that a test sets.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::alert::{Finding, LinkSubject};
use model::series::Band;
use model::wan::{self, Link, LinkState, Reading, WanMetric};
use model::{Severity, Subject};
use netmend_show::{LinkNow, Links, LinksNow, OrchestratorNow};
use store::Samples as _;

use crate::alarms::{firing, slow};
use crate::http::get;
use crate::repairs::{HOSTILE, ago};
use crate::sim::small_network;
use crate::world::{NOW, World};

/// The stage that watches links, as the pages see it.
#[derive(Debug, Default)]
pub(crate) struct Uplinks(Mutex<Arc<LinksNow>>);

impl Uplinks {
    pub(crate) fn set(&self, now: LinksNow) {
        *self.0.lock().unwrap() = Arc::new(now);
    }
}

impl Links for Uplinks {
    fn links(&self) -> Arc<LinksNow> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

fn link(edge: &str, name: &str, state: LinkState, values: [f64; 6]) -> Arc<LinkNow> {
    let link = Link {
        enterprise: Some(7),
        customer: "Example Retail".into(),
        edge: edge.into(),
        edge_name: edge.into(),
        id: format!("{edge}-{name}"),
        name: name.into(),
        interface: Some("GE3".into()),
        isp: Some("Example Broadband".into()),
        gateway: Some("vcg-lon-2".into()),
        site: Some(edge.into()),
        state,
    };
    let readings =
        (0..12).rev().map(|polls| Reading { at: ago(720 + polls * 300), values: values.map(Some) });
    let subject = Arc::new(LinkSubject::of("corp", &link));
    Arc::new(LinkNow {
        subject,
        state,
        fresh: state == LinkState::Active,
        recent: readings.collect(),
    })
}

/// Links of some shops: good, bad, dead and waiting ones, with their past, and an alert of one.
pub(crate) fn fill(world: &World) {
    let good = [14.2, 16.8, 0.4, 0.7, 0.0, 0.0];
    let links = vec![
        link("london-1", "Example Broadband", LinkState::Active, good),
        link("london-1", "LTE backup", LinkState::Standby, [61.0, 70.0, 9.0, 12.0, 0.0, 0.0]),
        link(
            "manchester-retail-park-12",
            "MPLS",
            LinkState::Active,
            [41.0, 190.0, 3.2, 31.0, 0.2, 4.25],
        ),
        link(
            "manchester-retail-park-12",
            "Fibre",
            LinkState::Active,
            [9.0, 62.0, 2.0, 5.0, 0.0, 0.4],
        ),
        link("tokyo-3", "Example Fiber Premium Business 1000/1000", LinkState::Dead, good),
        link("york-2", "GE4", LinkState::Disconnected, good),
    ];
    for link in &links {
        let of = &link.subject;
        let all = WanMetric::ALL.map(|metric| wan::series(&of.orchestrator, &of.id, metric));
        let lines = all.iter().flat_map(|series| Band::ALL.map(|band| series.band(band)));
        world.past.register(&lines.chain(all.clone()).collect::<Vec<_>>()).unwrap();
    }
    let bad = &links[2].subject;
    let series = wan::key(&bad.orchestrator, &bad.id);
    world.past.slow_down(series, NOW - Duration::from_mins(47));
    let target = world.target("www.tokyo.example.net");
    let finding = Finding { series, ..slow(&target, NOW, 47) };
    let mut alert = firing(901, &target.target, Severity::Warning, vec![finding]);
    alert.subject = Subject::Link((**bad).clone());
    alert.normal.clear();
    world.alarms.put(alert);
    let orchestrator = OrchestratorNow {
        name: "corp".into(),
        at: "https://vco.example.com".into(),
        product: "VeloCloud Orchestrator",
        answered: Some(ago(40)),
        until: Some(ago(720)),
        failing: None,
        edges_failing: 1,
        past_left: 3,
    };
    let silent = OrchestratorNow {
        name: "lab".into(),
        at: "https://vco.lab.example.com".into(),
        failing: Some(("connecting timed out after 10 s".into(), ago(4_000))),
        ..orchestrator.clone()
    };
    world.links.set(LinksNow { version: 1, orchestrators: vec![orchestrator, silent], links });
}

#[tokio::test]
async fn links_stand_edge_by_edge_with_what_they_are_good_for() {
    let world = World::new(small_network());
    assert!(!get(&world.router, "/").await.body.contains("href=\"/links\""), "nobody watches any");
    fill(&world);
    let page = get(&world.router, "/links").await;
    let text = page.text();
    for words in [
        "corp VeloCloud Orchestrator at https://vco.example.com · data up to 12 min ago",
        "lab VeloCloud Orchestrator at https://vco.lab.example.com · no data for 1 h 6 min",
        "MPLS GE3, Example Broadband",
        "standby",
        "disconnected",
        "41.0 190 3.20 31.0 0.20 4.25",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let alert = get(&world.router, "/alerts/901").await;
    for words in ["Latency, ms upload above, download below", "upload download usual limit alert"] {
        assert!(alert.text().contains(words), "no {words:?} in {}", alert.text());
    }
    assert_eq!(alert.body.matches("class=\"wrong\"").count(), 1, "the time of the alert is marked");
    let worst = get(&world.router, "/links?sort=worst").await.text();
    assert!(worst.find("dead").unwrap() < worst.find("MPLS").unwrap(), "{worst}");
    assert!(get(&world.router, "/").await.body.contains("href=\"/links\""));
}

#[tokio::test]
async fn what_an_orchestrator_sends_stays_text_and_floods_no_page() {
    let world = World::new(small_network());
    let long = format!("{HOSTILE}\u{1b}[31m{}", "x".repeat(10_000));
    let hostile = Link {
        enterprise: None,
        customer: long.clone(),
        edge: long.clone(),
        edge_name: long.clone(),
        id: long.clone(),
        name: long.clone(),
        interface: Some(long.clone()),
        isp: Some(long.clone()),
        gateway: Some(long.clone()),
        site: Some(long.clone()),
        state: LinkState::Active,
    };
    let subject = Arc::new(LinkSubject::of(HOSTILE, &hostile));
    let values = [Some(f64::MAX), Some(f64::MIN_POSITIVE), None, Some(1e300), Some(1e9), Some(0.0)];
    let recent = vec![Reading { at: ago(300), values }];
    let series = subject.series;
    let link = LinkNow { subject, state: LinkState::Active, fresh: true, recent };
    let orchestrator = OrchestratorNow {
        name: HOSTILE.into(),
        at: long.clone(),
        product: "VeloCloud Orchestrator",
        failing: Some((long, ago(60))),
        ..OrchestratorNow::default()
    };
    let orchestrators = vec![orchestrator.clone(), orchestrator];
    world.links.set(LinksNow { version: 1, orchestrators, links: vec![Arc::new(link)] });
    let mut query = String::new();
    for byte in HOSTILE.bytes() {
        write!(query, "%{byte:02X}").unwrap();
    }
    for path in [
        "/links",
        &format!("/links?text={query}"),
        &format!("/links/{series}"),
        "/links?sort=worst",
    ] {
        let page = get(&world.router, path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(page.body.contains("&lt;script&gt;alert(1)"), "{path} shows nothing of it");
        assert!(!page.body.contains('\u{1b}'), "{path}");
        assert!(page.body.len() < 90_000, "{path}: {} bytes", page.body.len());
    }
    for path in ["/links?quality=%3Cscript%3Ealert", "/links/%3Cscript%3Ealert"] {
        let page = get(&world.router, path).await;
        assert!(page.status.is_client_error(), "{path}: {}", page.status);
        assert!(!page.body.contains("<script>alert"), "{path}");
    }
}
