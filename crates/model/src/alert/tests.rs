//! Tests of the nouns: what is stored reads back, words are found again, histories stay short.

use super::*;

fn subject() -> Subject {
    let mut target = Target::new("h", "r", Protocol::Tcp(443));
    target.tags.insert("gateway".into(), "gw1".into());
    target.tags.insert("host".into(), "not this".into());
    Subject::Target(TargetSubject::of(&target))
}

fn alert() -> Alert {
    let Subject::Target(target) = subject() else { unreachable!("it is a target") };
    let finding = Finding {
        metric: Metric::Rtt,
        series: target.series,
        rule: Rule::Nm,
        state: AlertState::Firing,
        since: UnixMs(1),
        ended: None,
        value: 62_000.1,
        peak: 70_000.5,
        usual: Some(24_000.25),
        varies: None,
        limit: Some(36_000.0),
        share: 0.78,
        at: UnixMs(9),
    };
    Alert {
        cause: Some(Cause::Path),
        raised: UnixMs(5),
        findings: vec![finding],
        normal: vec![Metric::Loss],
        quiet: vec![QuietBy::Silence(SilenceId(3)), QuietBy::Maintenance("w".into())],
        told: true,
        history: vec![Entry { at: UnixMs(5), what: Happening::Raised(Severity::Warning) }],
        ..Alert::new(AlertId(17), subject(), Severity::Warning, UnixMs(1))
    }
}

#[test]
fn an_alert_reads_back_from_json_bit_for_bit() {
    let text = serde_json::to_string(&alert()).unwrap();
    assert_eq!(serde_json::from_str::<Alert>(&text).unwrap(), alert());
    assert!(text.contains(r#""protocol":{"tcp":443}"#), "{text}");
    assert!(text.contains(&format!(r#""series":"{}""#, alert().findings[0].series)), "{text}");
}

#[test]
fn labels_are_the_subjects_and_no_tag_hides_one() {
    let alert = alert();
    for (label, value) in [
        ("alert", "17"),
        ("severity", "warning"),
        ("kind", "target"),
        ("target", "h:443"),
        ("host", "h"),
        ("protocol", "tcp:443"),
        ("gateway", "gw1"),
    ] {
        assert_eq!(alert.label(label).as_deref(), Some(value), "{label}");
    }
    assert_eq!(alert.label("nothing"), None);
    let group = Subject::Group(GroupSubject { tag: "gateway".into(), value: "gw1".into() });
    assert_eq!(group.label("gateway").as_deref(), Some("gw1"));
    assert_eq!(group.to_string(), "gateway gw1");
}

#[test]
fn a_long_history_keeps_its_beginning_and_its_end() {
    let mut alert = alert();
    for at in 0..1_000 {
        alert.note(UnixMs(at), Happening::Reopened);
    }
    assert_eq!(alert.history.len(), Alert::ENTRIES);
    assert_eq!(alert.history[0].what, Happening::Raised(Severity::Warning));
    assert_eq!(alert.history.last().unwrap().at, UnixMs(999));
    let kept = alert.history.iter().filter(|entry| entry.what == Happening::Reopened).count();
    let omitted = alert.history.iter().find_map(|entry| match entry.what {
        Happening::Omitted(count) => Some(count),
        _ => None,
    });
    assert_eq!(kept + omitted.unwrap() as usize, 1_000);
}

#[test]
fn every_word_is_found_again() {
    for state in AlertState::ALL {
        assert_eq!(AlertState::from_name(state.name()), Some(state));
    }
    for severity in Severity::ALL {
        assert_eq!(Severity::from_name(severity.as_str()), Some(severity));
    }
    for day in Weekday::ALL {
        assert_eq!(Weekday::from_name(day.as_str()), Some(day));
    }
    assert_eq!(Weekday::from_name("Thursday"), Some(Weekday::Thu));
    assert!(Severity::Critical > Severity::Info);
    assert_eq!("#17".parse(), Ok(AlertId(17)));
}
