//! Whose messages are clues, and which of them, on a real store of lines.

use std::sync::Arc;

use measure::wire::syslog;
use model::alert::Member;
use model::{Device, ManualClock, UnixMs, UnixNs};
use store::{Change, StateFile};
use tempfile::TempDir;

use super::super::tests::alert;
use super::*;
use crate::config;

/// When the alerts of the tests began.
const START: UnixMs = super::super::tests::START;

fn device(name: &str, address: [u8; 4]) -> Device {
    Device { name: name.into(), addresses: vec![address.into()], ..Device::default() }
}

fn inventory() -> Inventory {
    let devices = vec![
        device("gw1", [10, 0, 0, 1]),
        device("sw1", [10, 0, 0, 2]),
        device("core1", [10, 0, 0, 3]),
        device("server", [10, 0, 0, 4]),
        device("elsewhere", [10, 0, 0, 5]),
    ];
    Inventory::new(devices, []).unwrap()
}

fn target_of(alert: &mut Alert) -> &mut TargetSubject {
    let Subject::Target(target) = &mut alert.subject else { panic!("a target") };
    target
}

#[test]
fn devices_on_the_path_are_those_of_addresses_tags_parents_and_hops() {
    let inventory = inventory();
    let mut one = alert(1, SeriesId(1));
    let target = target_of(&mut one);
    target.tags.insert("gateway".into(), "GW1".into());
    target.tags.insert("rack".into(), "7".into());
    target.parent = Some("sw1.example.com".into());
    let address = |series: SeriesId| (series.0 == 1).then(|| [10, 0, 0, 4].into());
    let hops = |_| vec![[10, 0, 0, 3].into(), [192, 0, 2, 1].into()];
    let found = devices(&inventory, &one, address, hops);
    assert_eq!(found, ["core1", "gw1", "server", "sw1"]);

    let mut group = alert(2, SeriesId(2));
    group.subject =
        Subject::Group(model::alert::GroupSubject { tag: "gateway".into(), value: "gw1".into() });
    let subject = one.subject;
    let state = model::AlertState::Firing;
    group.members = vec![Member { subject, alert: None, since: START, state }];
    let found = devices(&inventory, &group, address, |_| Vec::new());
    assert_eq!(found, ["gw1", "server", "sw1"], "its own and those of its members");
}

fn store(lines: &[(i64, &str, &str)]) -> (TempDir, Arc<StateFile>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(UnixNs(START.0 * 1_000_000));
    let state = Arc::new(StateFile::open(folder.path(), &clock).unwrap());
    let lines = lines.iter().map(|(seconds, device, raw)| {
        let at = UnixMs(START.0 + seconds * 1_000);
        let code = syslog::parse(raw.as_bytes(), at).code.map_or("", |code| code.printed);
        StoredLine {
            at,
            device: (*device).to_owned(),
            code: code.to_owned(),
            severity: None,
            raw: raw.as_bytes().to_vec(),
        }
    });
    state.apply(vec![Change::lines(lines)]).unwrap();
    (folder, state)
}

const DOWN: &str =
    "<187>9: Nov 22 10:00:00: %LINK-3-UPDOWN: Interface Gi1/1, changed state to down";
const CHANGED: &str =
    "<189>9: Nov 22 10:00:00: %SYS-5-CONFIG_I: Configured from console by admin on vty0 (10.9.9.9)";

#[test]
fn links_and_changes_of_the_half_hour_before_are_clues_and_others_are_not() {
    let link = |name: &str| DOWN.replace("Gi1/1", name);
    let (up, other) = (link("Gi1/1").replace("down", "up"), link("Gi1/2"));
    let (_folder, state) = store(&[
        (-1_801, "sw1", &other),
        (-1_700, "sw1", CHANGED),
        (-60, "sw1", DOWN),
        (-50, "sw1", &up),
        (-40, "sw1", DOWN),
        (
            -30,
            "gw1",
            "<190>9: Nov 22 10:00:00: %SEC-6-IPACCESSLOGP: list 101 denied tcp 1.2.3.4(5) -> 6.7.8.9(10), 1 packet",
        ),
        (-20, "elsewhere", DOWN),
        (1, "sw1", &other),
    ]);
    let meanings = config::load_patterns(None).unwrap();
    let devices = ["gw1".to_owned(), "sw1".to_owned()];
    let found = clues(&*state, &meanings, &devices, &alert(1, SeriesId(1))).unwrap();
    let shown: Vec<String> =
        found.iter().map(|clue| model::alert::words::clue(clue, START)).collect();
    assert_eq!(
        shown,
        [
            "07:31 UTC sw1 SYS-5-CONFIG_I: Configured from console by admin on vty0 (10.9.9.9)",
            "07:59 UTC sw1 LINK-3-UPDOWN: Interface Gi1/1, changed state to down (3 times)",
        ]
    );
}

#[test]
fn a_storm_of_links_does_not_hide_who_changed_what() {
    let mut lines = vec![(-1_700, "sw1", CHANGED.to_owned())];
    lines.extend((0..500).map(|n| (-600 + n, "sw1", DOWN.replace("Gi1/1", &format!("Gi{n}")))));
    let lines: Vec<(i64, &str, &str)> =
        lines.iter().map(|(at, device, line)| (*at, *device, line.as_str())).collect();
    let (_folder, state) = store(&lines);
    let meanings = config::load_patterns(None).unwrap();
    let found = clues(&*state, &meanings, &["sw1".to_owned()], &alert(1, SeriesId(1))).unwrap();
    assert_eq!(found.len(), Alert::CLUES);
    assert_eq!(found[0].code, "SYS-5-CONFIG_I");
    assert!(found[9].text.contains("Gi499"), "{:?}", found[9]);
}
