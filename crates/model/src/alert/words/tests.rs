//! Tests of the sentences: each is what somebody reads at 3 a.m.

use super::*;
use crate::alert::{AlertId, GroupSubject, Member, MessageKind, Severity};
use crate::{Protocol, SeriesId, Target};

/// Tuesday 2026-11-24 10:06:00 UTC.
const NOW: UnixMs = UnixMs(1_795_514_760_000);
const MINUTE: i64 = 60_000;

fn ago(minutes: i64) -> UnixMs {
    UnixMs(NOW.0 - minutes * MINUTE)
}

fn latency() -> Finding {
    Finding {
        metric: Metric::Rtt,
        series: SeriesId(1),
        rule: Rule::Nm,
        state: AlertState::Firing,
        since: ago(4),
        ended: None,
        value: 62_040.0,
        peak: 71_500.0,
        usual: Some(24_000.0),
        varies: Some(3_000.0),
        limit: Some(36_000.0),
        share: 0.78,
        at: NOW,
    }
}

fn alert(host: &str, findings: Vec<Finding>) -> Alert {
    Alert {
        state: findings.first().map_or(AlertState::NoData, |finding| finding.state),
        raised: ago(2),
        ended: findings.first().and_then(|finding| finding.ended),
        findings,
        normal: vec![Metric::Loss, Metric::Jitter],
        told: true,
        ..Alert::new(
            AlertId(17),
            Subject::Target(TargetSubject::of(&Target::new(host, "r", Protocol::Icmp))),
            Severity::Warning,
            ago(4),
        )
    }
}

#[test]
fn the_facts_are_value_usual_limit_share_since_what_is_normal_and_who_else() {
    let mut alert = alert("edge7/wan1", vec![latency()]);
    alert.neighbours.push(Neighbours {
        tag: "gateway".into(),
        value: "gw1".into(),
        affected: 2,
        total: 8,
    });
    assert_eq!(
        facts(&alert, NOW),
        "Latency edge7/wan1 62 ms, usual 24 ms at Tue 10:00 UTC (varies ±3, limit +12): above the limit \
         for 78 % of the last 4 min, since 10:02 UTC. Loss and jitter normal. 2 of 8 with gateway gw1 \
         affected."
    );
    assert_eq!(headline(&alert), "edge7/wan1: latency 62 ms, usual 24 ms");
    assert_eq!(standing(&alert.findings[0], NOW), "latency above usual since 10:02 UTC");
}

#[test]
fn each_rule_says_what_it_found() {
    let down = Finding { rule: Rule::Down, metric: Metric::Loss, value: 100.0, ..latency() };
    let limit = Finding { rule: Rule::Limit, limit: Some(50_000.0), ..latency() };
    let sigma = Finding { rule: Rule::Sigma, varies: None, limit: Some(30_000.0), ..latency() };
    let unknown = Finding { usual: None, varies: None, ..latency() };
    let loss = Finding {
        metric: Metric::Loss,
        value: 12.345,
        usual: Some(0.1),
        varies: Some(f32::NAN),
        limit: Some(1.1),
        ..latency()
    };
    for (found, brief_words, words) in [
        (&down, "does not answer", "No probe to h is answered, since 10:02 UTC"),
        (
            &limit,
            "latency 62 ms, limit 50 ms",
            "Latency h 62 ms, usual 24 ms at Tue 10:00 UTC (varies ±3, limit 50 ms): above the limit that \
             is set, since 10:02 UTC",
        ),
        (
            &sigma,
            "latency 62 ms, usual 24 ms",
            "Latency h 62 ms, usual 24 ms at Tue 10:00 UTC (limit +6): the last 5 min are above the hour \
             before, since 10:02 UTC",
        ),
        (
            &unknown,
            "latency 62 ms, limit 36 ms",
            "Latency h 62 ms, limit 36 ms: above the limit for 78 % of the last 4 min, since 10:02 UTC",
        ),
        (
            &loss,
            "loss 12.3 %, usual 0.1 %",
            "Loss h 12.3 %, usual 0.1 % at Tue 10:00 UTC (limit +1): above the limit, since 10:02 UTC",
        ),
    ] {
        assert_eq!(brief(found), brief_words);
        assert_eq!(finding(found, Some("h"), NOW), words);
    }
}

#[test]
fn what_is_over_tells_its_peak_and_its_span_and_what_was_accepted_is_never_called_resolved() {
    let over = Finding { state: AlertState::Resolved, ended: Some(ago(1)), ..latency() };
    let text = facts(&alert("h", vec![over]), NOW);
    assert!(text.starts_with("Latency h was up to 71.5 ms, usual 24 ms"), "{text}");
    assert!(text.contains("from 10:02 to 10:05 UTC."), "{text}");
    let accepted = Finding { state: AlertState::Accepted, ended: Some(ago(1)), ..latency() };
    let text = facts(&alert("h", vec![accepted]), NOW);
    assert!(text.contains("stayed at 62 ms") && text.contains("this is the new usual"), "{text}");
    assert!(!text.contains("resolved"), "{text}");
}

#[test]
fn a_silent_target_is_neither_right_nor_wrong() {
    let text = facts(&alert("h", vec![]), NOW);
    let start =
        "Nothing has been heard of h since 10:02 UTC: nobody can say whether it is right or wrong.";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(headline(&alert("h", vec![])), "h: no data");
}

#[test]
fn a_group_names_some_members_and_counts_the_rest() {
    let mut alert = alert("h", vec![]);
    alert.normal.clear();
    alert.state = AlertState::Firing;
    alert.subject = Subject::Group(GroupSubject { tag: "gateway".into(), value: "gw1".into() });
    (alert.affected, alert.total) = (12, 40);
    for number in 0..5 {
        let target = Target::new(&format!("h{number}"), "r", Protocol::Icmp);
        let subject = TargetSubject::of(&target);
        alert.members.push(Member {
            subject: Subject::Target(subject),
            alert: None,
            since: ago(4),
            state: AlertState::Firing,
        });
    }
    assert_eq!(headline(&alert), "gateway gw1: 12 of 40 targets are bad");
    assert_eq!(
        facts(&alert, NOW),
        "gateway gw1: 12 of 40 targets are bad (h0, h1, h2 and 9 more), since 10:02 UTC."
    );
    alert.subject = Subject::Site { site: "london-1".into() };
    let text = facts(&alert, NOW);
    assert!(text.starts_with("site london-1 cannot see, since 10:02 UTC: 12 of 40"), "{text}");
}

#[test]
fn a_name_cannot_turn_break_or_flood_a_sentence() {
    let hostile = format!("a\u{202e}b\r\nc\u{1b}[31m{}", "x".repeat(10_000));
    let mut alert = alert(&hostile, vec![latency()]);
    alert.neighbours.push(Neighbours {
        tag: "t\n".into(),
        value: hostile.clone(),
        affected: 1,
        total: 1,
    });
    for text in [facts(&alert, NOW), headline(&alert)] {
        assert!(text.chars().count() < 600, "{}", text.len());
        assert!(!text.contains(['\u{202e}', '\r', '\n', '\u{1b}']), "{text:?}");
    }
}

#[test]
fn values_have_three_digits_and_no_zeros_at_the_end() {
    for (us, text) in [
        (62_040.0, "62 ms"),
        (62_140.0, "62.1 ms"),
        (350.0, "0.35 ms"),
        (26.4, "0.026 ms"),
        (254_488.0, "254 ms"),
        (9_999.0, "10 ms"),
        (0.0, "0 ms"),
        (-0.1, "0 ms"),
        (f32::NAN, "? ms"),
        (f32::INFINITY, "? ms"),
    ] {
        assert_eq!(value(Metric::Rtt, us), text, "{us}");
    }
    assert_eq!(value(Metric::Loss, 100.0), "100 %");
}

#[test]
fn times_say_as_much_as_is_needed() {
    assert_eq!(moment(ago(4), NOW), "10:02 UTC");
    assert_eq!(moment(ago(13 * 60), NOW), "Mon 21:06 UTC");
    assert_eq!(moment(ago(9 * 24 * 60), NOW), "2026-11-15 10:06 UTC");
    assert_eq!(moment(UnixMs(0), NOW), "1970-01-01 00:00 UTC");
    assert_eq!(moment(UnixMs(951_782_400_000), NOW), "2000-02-29 00:00 UTC");
}

#[test]
fn what_people_wrote_is_told_printable() {
    let ack = crate::alert::Ack {
        at: NOW,
        by: "anna".into(),
        note: Some("carrier\nknows".into()),
        ticket: Some("INC-7".into()),
    };
    let words = happening(&Happening::Acked(ack));
    assert_eq!(words, "acknowledged by anna, ticket INC-7: carrier knows");
    let told = Happening::Told { receiver: "ops\n".into(), kind: MessageKind::Firing };
    assert_eq!(happening(&told), "queued for ops: firing");
    assert_eq!(quiet(&QuietBy::Alert(AlertId(3))), "alert #3 speaks for it");
}
