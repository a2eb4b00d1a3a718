//! What holds for every export, whatever the targets: identities, places, and every target in its panels. That
//! the queries are answered is shown by the integration tests, against the databases.

use std::collections::{BTreeMap, BTreeSet};

use model::target::Limits;
use model::{Family, Protocol};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn settings(flavour: Flavour, source: Source) -> Settings {
    let (url, path) = ("http://db:8086".into(), "/var/lib/grafana/dashboards".into());
    Settings { flavour, source, url, path }
}

fn influxdb() -> Source {
    Source::Influxdb { database: "network_telemetry".into(), user: Some("grafana".into()) }
}

/// Each flavour with each source.
fn all() -> impl Iterator<Item = Settings> {
    Flavour::ALL.into_iter().flat_map(|flavour| {
        [influxdb(), Source::Prometheus].map(|source| settings(flavour, source))
    })
}

/// Targets alone.
fn of(targets: &[Target]) -> Watched {
    Watched { targets: targets.to_vec(), ..Watched::default() }
}

fn boards(files: &[File]) -> Vec<Value> {
    let boards = files.iter().filter(|file| file.path.starts_with(Settings::DASHBOARDS));
    boards.map(|file| serde_json::from_str(&file.text).unwrap()).collect()
}

fn panels(board: &Value) -> &[Value] {
    board["panels"].as_array().unwrap()
}

/// What a panel asks, if it asks anything.
fn asked(panel: &Value) -> Option<&str> {
    let target = panel.get("targets")?.get(0)?;
    target.get("query").or_else(|| target.get("expr"))?.as_str()
}

/// No two panels share a cell of the grid, and none leaves it.
fn assert_places(board: &Value) {
    let mut taken = BTreeSet::new();
    for panel in panels(board) {
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{panel}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "two panels at {cell:?}: {panel}");
        }
    }
}

fn assert_identities(files: &[File]) {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths.len(), files.len());
    let (mut uids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for board in boards(files) {
        let uid = board["uid"].as_str().unwrap().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(uid.len() <= 40 && uid.chars().all(plain), "{uid}");
        assert!(uids.insert(uid));
        assert!(titles.insert(board["title"].as_str().unwrap().to_lowercase()), "{board}");
        let ids: BTreeSet<u64> = panels(&board).iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels(&board).len());
        assert_places(&board);
    }
}

/// Two regions: one asked both ways, in both families and at two ports of one host, one with many hosts.
fn targets() -> Vec<Target> {
    let mut targets = vec![
        Target::new("a.example.net", "office", Protocol::Icmp),
        Target::new("a.example.net", "office", Protocol::Tcp(443)),
        Target::new("a.example.net", "office", Protocol::Tcp(22)),
        Target { family: Family::V6, ..Target::new("a.example.net", "office", Protocol::Icmp) },
    ];
    targets
        .extend((0..45).map(|n| Target::new(&format!("h{n}.example.net"), "far", Protocol::Icmp)));
    targets
}

#[test]
fn every_target_is_in_exactly_its_panels() {
    for settings in all() {
        let files = export(&settings, &of(&targets()));
        assert_identities(&files);
        let boards = boards(&files);
        let titled = |title: &str| boards.iter().find(|board| board["title"] == title).unwrap();
        let named = |board, title: &str| {
            panels(board).iter().filter(|panel| panel["title"] == title).count()
        };
        let titles =
            ["a.example.net IPv4", "a.example.net IPv6", "a.example.net:443", "a.example.net:22"];
        for title in titles {
            assert_eq!(named(titled("office"), title), 1, "{title}");
            assert_eq!(named(titled("office"), &format!("{title} %")), 1, "{title} %");
        }
        let queries: Vec<&str> = panels(titled("far")).iter().filter_map(asked).collect();
        for n in 0..45 {
            // Its two figures, and the two graphs of its part of the hosts.
            let host = format!("h{n}.example.net");
            let exact = [format!("\"host\" = '{host}'"), format!("host=\"{host}\"")];
            let figures = queries.iter().filter(|q| exact.iter().any(|e| q.contains(e.as_str())));
            assert_eq!(figures.count(), 2, "{host}");
            let bars = [format!("h{n}\\.example"), format!("h{n}\\\\.example")];
            let graphs = queries.iter().filter(|query| {
                bars.iter().any(|bar| {
                    ["(", "|", "\""].iter().any(|before| query.contains(&format!("{before}{bar}")))
                })
            });
            assert_eq!(graphs.count(), 2, "{host}");
        }
        assert!(!queries.iter().any(|query| query.contains("office")));
    }
}

#[test]
fn the_same_targets_give_the_same_bytes_and_a_further_region_changes_no_other() {
    for settings in all() {
        let before = export(&settings, &of(&targets()));
        assert_eq!(before, export(&settings, &of(&targets())));
        let mut more = targets();
        more.insert(0, Target::new("new", "new", Protocol::Icmp));
        let after: BTreeMap<_, _> =
            export(&settings, &of(&more)).into_iter().map(|file| (file.path, file.text)).collect();
        let changed =
            before.iter().filter(|file| after.get(&file.path) != Some(&file.text)).count();
        assert_eq!(changed, 1, "the overview alone");
    }
}

#[test]
fn a_limit_of_the_target_is_where_its_rtt_turns_red() {
    let limits = Limits { latency: Some(Duration::from_millis(40)), ..Limits::default() };
    let target = Target { limits, ..Target::new("h", "r", Protocol::Icmp) };
    let drawn = |settings: &Settings| {
        let files = export(settings, &of(std::slice::from_ref(&target)));
        let board = boards(&files).into_iter().find(|board| board["title"] == "r").unwrap();
        panels(&board).iter().find(|panel| panel["title"] == "h").unwrap().clone()
    };
    let panel = drawn(&settings(Flavour::Current, influxdb()));
    let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
    assert_eq!(steps[2], serde_json::json!({ "color": "red", "value": 40.0 }));
    assert_eq!(drawn(&settings(Flavour::Grafana5, influxdb()))["thresholds"], "30,40");
    assert_eq!(drawn(&settings(Flavour::Grafana5, Source::Prometheus))["thresholds"], "0.03,0.04");
}

#[test]
fn passwords_come_from_grafanas_environment_and_nothing_else_does() {
    let mut settings = settings(Flavour::Current, influxdb());
    settings.url = "http://db:8086/$HOME\"\n".into();
    let files = export(&settings, &Watched::default());
    let datasource = &files[0].text;
    assert!(datasource.contains(r#"url: "http://db:8086/$$HOME\"\n""#), "{datasource}");
    assert!(datasource.contains("password: $NETMEND_GRAFANA_PASSWORD"), "{datasource}");
    assert_eq!(datasource.matches('$').count(), 3, "{datasource}");
}

#[test]
fn devices_and_orchestrators_have_a_dashboard_each_with_a_choice_of_what_the_database_knows() {
    for settings in all() {
        let watched = Watched {
            targets: vec![Target::new("h", "sw1", Protocol::Icmp)],
            devices: vec![("sw1".into(), Duration::from_secs(30)), ("sw2".into(), Duration::ZERO)],
            orchestrators: vec!["corp".into()],
        };
        let files = export(&settings, &watched);
        assert_identities(&files);
        let boards = boards(&files);
        for (title, choice, all) in [
            ("Device sw1", "interface", true),
            ("Device sw2", "interface", true),
            ("WAN links of corp", "edge", false),
        ] {
            let board = boards.iter().find(|board| board["title"] == title).unwrap();
            let choices = board["templating"]["list"].as_array().unwrap();
            assert_eq!((choices.len(), &choices[0]["name"]), (1, &choice.into()));
            assert_eq!(choices[0]["includeAll"], all);
            let named = format!("${choice}");
            let queries: Vec<&str> = panels(board).iter().filter_map(asked).collect();
            assert!(queries.len() >= 6 && queries.iter().all(|query| query.contains(&named)));
            let repeated: Vec<_> = panels(board).iter().filter_map(|p| p.get("repeat")).collect();
            assert_eq!(repeated, if all { vec![choice] } else { vec![] });
        }
        // Polls are thirty seconds apart; a rate of what is scraped needs more than one of them.
        let board = boards.iter().find(|board| board["title"] == "Device sw1").unwrap();
        let step = if settings.source == Source::Prometheus { "120s" } else { "30s" };
        assert_eq!(panels(board)[1]["interval"], step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Regions are any text on a line; hosts of a zone hold any sign but `%` and `/`.
    #[test]
    fn no_name_breaks_an_identity_a_place_or_a_query(
        names in prop::collection::vec(("[ -~äλ]{1,20}", "[!-$&-.0-~]{1,15}"), 1..12),
    ) {
        let targets: Vec<Target> = names.iter().enumerate().map(|(number, (region, zone))| {
            let protocol = if number % 2 == 0 { Protocol::Icmp } else { Protocol::Tcp(22) };
            Target::new(&format!("fe80::1%{zone}"), region, protocol)
        }).collect();
        for settings in all() {
            let files = export(&settings, &of(&targets));
            assert_identities(&files);
            for board in boards(&files) {
                for query in panels(&board).iter().filter_map(asked) {
                    // Grafana's own words are the only variables that it finds.
                    let ours = ["$timeFilter", "$__interval", "$__rate_interval", "$__range"];
                    let rest = ours.iter().fold(query.to_owned(), |q, word| q.replace(word, ""));
                    let rest = rest.replace("$/", "");
                    prop_assert!(!rest.contains('$') && !rest.contains("[["), "{}", query);
                }
            }
        }
    }
}
