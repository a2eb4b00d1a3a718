//! Tests of which remediation is meant for an event.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Event, EventId, EventState, Origin as Told, UnixMs};

use super::*;
use crate::script::meta::{Condition, Step};
use crate::script::pattern::Pattern;

fn remediation(name: &str, codes: &[&str], change: impl FnOnce(&mut Meta)) -> Arc<Remediation> {
    let mut meta = Meta {
        about: String::new(),
        codes: codes.iter().map(|code| Pattern::new(code)).collect(),
        when: Vec::new(),
        platforms: Vec::new(),
        timeout: Duration::from_mins(1),
        idempotent: false,
        priority: 0,
        settle: Duration::ZERO,
        retries: 0,
        steps: vec![Step::Check],
    };
    change(&mut meta);
    Arc::new(Remediation {
        name: name.into(),
        path: format!("{name}.star"),
        origin: Origin::Folder,
        sha256: String::new(),
        source: "".into(),
        meta,
        templates: Arc::from([]),
        place: (0, 0),
    })
}

fn facts(code: &str, code_norm: &str, state: &str) -> Facts {
    let event = Event {
        id: EventId(1),
        device: "r1".into(),
        code: code.into(),
        code_norm: code_norm.into(),
        object: String::new(),
        severity: Some(5),
        first: UnixMs(0),
        last: UnixMs(0),
        count: 1,
        state: EventState::New,
        reason: String::new(),
        cleared: None,
        not_before: UnixMs(0),
        parent: None,
        origin: Told::Line,
        message: String::new(),
        fields: BTreeMap::new(),
        evidence: model::Evidence::Stream,
        plan: None,
    };
    Facts { event, fields: BTreeMap::from([("state".into(), state.into())]) }
}

/// The name of what is found, several joined by `+`.
fn found(library: &Remediations, facts: &Facts, platform: Option<Platform>) -> String {
    match library.matching(facts, platform) {
        Found::One(one) => one.name.clone(),
        Found::Default(_) => "(default)".into(),
        Found::Nothing => "(nothing)".into(),
        Found::Several(several) => {
            several.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join("+")
        }
    }
}

#[test]
fn a_code_finds_its_remediation_as_printed_and_in_normal_form() {
    let library = Remediations::new([
        remediation("link", &["LINK-3-UPDOWN"], |_| ()),
        remediation("ports", &["ETHPORT-5-IF_DOWN_*"], |_| ()),
        remediation("default", &["*"], |_| ()),
    ]);
    let of = |code, norm| found(&library, &facts(code, norm, "down"), Some(Platform::Ios));
    assert_eq!(of("LINK-SW2-3-UPDOWN", "LINK-3-UPDOWN"), "link");
    assert_eq!(of("ETHPORT-5-IF_DOWN_NONE", "ETHPORT-5-IF_DOWN_NONE"), "ports");
    assert_eq!(of("SYS-5-RESTART", "SYS-5-RESTART"), "(default)");
    assert_eq!(of("", ""), "(default)");
}

#[test]
fn conditions_and_platforms_must_fit() {
    let down = |meta: &mut Meta| {
        let values = vec![Pattern::new("down*")];
        meta.when = vec![Condition { field: "state".into(), values }];
        meta.platforms = vec![Platform::Ios];
    };
    let library = Remediations::new([remediation("link", &["A-3-B"], down)]);
    let of = |state, platform| found(&library, &facts("A-3-B", "A-3-B", state), platform);
    assert_eq!(of("Down (notconnect)", Some(Platform::Ios)), "link");
    assert_eq!(of("up", Some(Platform::Ios)), "(nothing)");
    assert_eq!(of("down", Some(Platform::Junos)), "(nothing)");
    assert_eq!(of("down", None), "(nothing)", "nobody knows what runs there");
}

#[test]
fn of_two_the_higher_priority_counts_and_of_equals_none() {
    let facts = facts("A-3-B", "A-3-B", "down");
    let low = remediation("low", &["A-3-B"], |_| ());
    let same = remediation("same", &["A-*"], |_| ());
    let high = remediation("high", &["A-3-*", "A-3-B"], |meta| meta.priority = 10);
    let two = Remediations::new([Arc::clone(&low), Arc::clone(&same)]);
    assert_eq!(found(&two, &facts, None), "low+same");
    let three = Remediations::new([low, same, high]);
    assert_eq!(found(&three, &facts, None), "high");
}

#[test]
fn the_folder_comes_before_what_is_shipped() {
    let mut shipped = remediation("shipped", &["A-3-B"], |meta| meta.priority = 99);
    Arc::make_mut(&mut shipped).origin = Origin::Shipped;
    let library = Remediations::new([shipped, remediation("mine", &["A-3-B"], |_| ())]);
    assert_eq!(found(&library, &facts("A-3-B", "A-3-B", ""), None), "mine");
}
