//! Scenes: what people are told when this and that happens.

use super::*;

#[test]
fn a_bad_target_is_told_once_after_the_wait_and_its_end_at_once() {
    let mut world = World::new(three());
    world.bad("a");
    world.pass(29);
    assert_eq!(world.told("noc"), [""; 0]);
    world.pass(1);
    assert_eq!(world.told("noc"), ["firing a"]);
    world.pass(3600);
    assert_eq!(world.told("noc"), ["firing a"]);
    world.good("a");
    world.pass(1);
    assert_eq!(world.told("noc"), ["firing a", "resolved a"]);
    let messages = world.messages();
    assert_eq!(messages[0].thread, messages[1].thread);
    assert_eq!((messages[0].number, messages[1].number, messages[1].resolved), (1, 2, 1));
    world.pass(100_000);
    assert_eq!(world.told("noc").len(), 2);
}

#[test]
fn three_metrics_of_a_target_are_one_alert_with_three_findings() {
    let mut world = World::new(three());
    for metric in Metric::ALL {
        world.bad_at(0, metric);
    }
    world.pass(60);
    assert_eq!(world.told("noc"), ["firing a"]);
    let alert = world.alert("a");
    let metrics: Vec<Metric> = alert.findings.iter().map(|found| found.metric).collect();
    assert_eq!(metrics, [Metric::Loss, Metric::Rtt, Metric::Jitter]);
    assert_eq!(alert.severity, Severity::Critical, "more than half is lost");
    for metric in [Metric::Jitter, Metric::Loss] {
        world.judge(0, metric, Standing::Usual, Changed::Cleared);
        world.pass(400);
    }
    assert_eq!(world.told("noc").len(), 1, "that a part is better is no news");
    world.judge(0, Metric::Rtt, Standing::Usual, Changed::Cleared);
    world.pass(1);
    assert_eq!(world.told("noc"), ["firing a", "resolved a"]);
    assert_eq!(world.alert("a").normal, Metric::ALL);
}

#[test]
fn what_is_over_before_the_wait_is_told_to_nobody_and_kept() {
    let mut world = World::new(three());
    world.bad("a");
    world.pass(20);
    world.good("a");
    world.pass(1000);
    assert_eq!(world.told("noc"), [""; 0]);
    assert_eq!((world.alert("a").state, world.alert("a").told), (AlertState::Resolved, false));
}

#[test]
fn what_stays_is_accepted_and_not_resolved() {
    let mut world = World::new(three());
    world.bad("a");
    world.pass(60);
    world.judge(0, Metric::Rtt, Standing::Usual, Changed::Accepted);
    world.pass(1);
    assert_eq!(world.told("noc"), ["firing a", "accepted a"]);
    assert_eq!(world.alert("a").state, AlertState::Accepted);
    assert_eq!(world.engine.counts().accepted, 1);
}

#[test]
fn it_is_repeated_every_four_hours_until_somebody_knows_and_again_when_it_gets_worse() {
    let mut world = World::new(three());
    world.bad("a");
    world.pass(30 + 4 * 3600);
    assert_eq!(world.told("noc"), ["firing a", "repeat a"]);
    let id = world.alert("a").id;
    world.ack(id).unwrap();
    world.pass(10 * 3600);
    assert_eq!(world.told("noc").len(), 2);
    world.bad_at(0, Metric::Jitter);
    world.pass(400);
    assert_eq!(world.told("noc")[2..], ["update a"]);
    assert_eq!(world.alert("a").ack, None);
    world.good("a");
    world.judge(0, Metric::Jitter, Standing::Usual, Changed::Cleared);
    world.pass(1);
    assert_eq!(world.told("noc")[3..], ["resolved a"]);
    assert_eq!(world.ack(id), Err(CommandError::Over(id)));
    assert_eq!(world.ack(AlertId(99)), Err(CommandError::NoAlert(AlertId(99))));
}

#[test]
fn what_was_said_with_an_acknowledgement_stays_until_something_else_is() {
    let mut world = World::new(three());
    world.bad("a");
    world.pass(60);
    let id = world.alert("a").id;
    let mut ack = |by: &str, note: Option<&str>, ticket: Option<&str>| {
        let (note, ticket) = (note.map(str::to_owned), ticket.map(str::to_owned));
        let ack = Ack { at: world.now, by: by.to_owned(), note, ticket };
        world.engine.acknowledge(id, ack, world.now).unwrap();
        world.store();
        let ack = world.alert("a").ack.unwrap();
        (ack.by, ack.note.unwrap_or_default(), ack.ticket.unwrap_or_default())
    };
    let known = |by: &str, note: &str| (by.to_owned(), note.to_owned(), "T1".to_owned());
    assert_eq!(ack("anna", Some("carrier knows"), Some("T1")), known("anna", "carrier knows"));
    assert_eq!(ack("anna", None, None), known("anna", "carrier knows"));
    assert_eq!(ack("ben", None, None), known("ben", "anna: carrier knows"));
    assert_eq!(ack("ben", None, None), known("ben", "anna: carrier knows"));
    assert_eq!(ack("ben", Some("on site"), None), known("ben", "on site"));
    assert_eq!(ack("anna", None, None), known("anna", "ben: on site"));
}

#[test]
fn a_silence_stops_the_beginning_but_never_the_end() {
    let mut world = World::new(three());
    world.bad("a");
    world.pass(60);
    world.silence("host=~a|b", 7200);
    world.bad("b");
    world.pass(3600);
    assert_eq!(world.told("noc"), ["firing a"]);
    assert_eq!(world.alert("b").quiet, [QuietBy::Silence(SilenceId(1))]);
    world.good("a");
    world.pass(1);
    assert_eq!(world.told("noc"), ["firing a", "resolved a"]);
    world.pass(3700);
    assert_eq!(world.told("noc")[2..], ["firing b"], "it is still wrong when the silence ends");
}

#[test]
fn a_silence_ends_when_somebody_ends_it_and_only_once() {
    let mut world = World::new(three());
    let id = world.silence("region=r", 7200);
    world.bad("a");
    world.pass(60);
    assert_eq!(world.told("noc"), [""; 0]);
    world.engine.expire(id, "uid 7", world.now).unwrap();
    world.pass(1);
    assert_eq!(world.told("noc"), ["firing a"]);
    assert_eq!(world.engine.expire(id, "uid 7", world.now), Err(CommandError::NoSilence(id)));
    let kept = world.memory.silences.lock().unwrap();
    assert_eq!(kept[&id].expired.as_ref().unwrap().1, "uid 7");
}

#[test]
fn silences_that_would_hold_for_ever_or_for_all_are_refused() {
    let mut world = World::new(three());
    let silence = |matchers, until| NewSilence {
        matchers,
        from: None,
        until,
        weekly: None,
        note: String::new(),
    };
    let of_a = || vec![parse("host=a").unwrap()];
    let mut refused = |new| world.engine.silence(new, "x", world.now).unwrap_err().to_string();
    let later = Some(UnixMs(START + 1));
    assert!(refused(silence(vec![], later)).contains("needs a matcher"));
    assert!(refused(silence(of_a(), None)).contains("needs an end"));
    assert!(refused(silence(of_a(), Some(UnixMs(START)))).contains("before it begins"));
    let bad = Matcher { label: "host".into(), operator: Operator::Fits, value: "(".into() };
    assert!(refused(silence(vec![bad], later)).contains("regular expression"));
}

#[test]
fn silence_of_a_source_is_no_data_and_a_firing_alert_is_neither_repeated_nor_resolved() {
    let mut world = World::new(strangers(9));
    world.bad("h0");
    world.pass(60);
    world.reach("h0", Reach::Silent);
    world.reach("h1", Reach::Silent);
    world.pass(9 * 3600);
    assert_eq!(world.told("noc"), ["firing h0", "firing h1"]);
    assert_eq!(
        (world.alert("h0").state, world.alert("h1").state),
        (AlertState::NoData, AlertState::NoData)
    );
    world.reach("h0", Reach::Seen);
    world.reach("h1", Reach::Seen);
    world.pass(1);
    assert_eq!(world.alert("h0").state, AlertState::Firing);
    assert_eq!(world.told("noc")[2..], ["repeat h0", "resolved h1"]);
}

#[test]
fn what_is_found_good_while_it_is_silent_is_over_once_it_is_heard_of() {
    let mut world = World::new(three());
    world.reach("a", Reach::Silent);
    world.bad("a");
    world.good("a");
    assert!(world.alert("a").is_open(), "nobody knows whether it is good now");
    world.reach("a", Reach::Seen);
    assert_eq!(world.alert("a").state, AlertState::Resolved);
}

#[test]
fn a_target_that_was_never_heard_of_gets_its_three_intervals() {
    let mut world = World::new(strangers(9));
    world.engine = Engine::default();
    world.set();
    world.reach("h0", Reach::Silent);
    world.pass(35);
    assert!(world.memory.alerts.lock().unwrap().is_empty());
    world.pass(5);
    assert_eq!(world.alert("h0").state, AlertState::NoData);
}

#[test]
fn a_target_that_nobody_asked_for_and_that_never_answered_is_no_fault() {
    let mut world = World::new(strangers(9));
    world.engine = Engine::default();
    let mut watched: Vec<Watched> = world.targets.iter().map(Watched::of).collect();
    watched[0].discovered = true;
    world.engine.set(world.settings.clone(), watched, world.now);
    world.reach("h0", Reach::Never);
    let standing = Standing::Firing { since: world.now, rule: Rule::Down };
    world.judge(0, Metric::Loss, standing, Changed::Raised);
    world.pass(3600);
    assert_eq!(world.told("noc"), [""; 0]);
}

#[test]
fn a_target_whose_probes_do_not_get_out_is_no_data_and_nothing_worse() {
    let mut world = World::new(strangers(9));
    world.reach("h0", Reach::Unknown);
    world.pass(29);
    assert!(world.memory.alerts.lock().unwrap().is_empty());
    world.pass(5);
    assert_eq!(world.alert("h0").state, AlertState::NoData);
    world.reach("h0", Reach::Seen);
    assert_eq!(world.alert("h0").state, AlertState::Resolved);
}

#[test]
fn what_nobody_asked_for_is_a_fault_once_it_is_known_to_have_answered() {
    for (reach, told) in [(Reach::Never, &[""; 0][..]), (Reach::Lost, &["firing h0"])] {
        let mut world = World::new(strangers(9));
        world.engine = Engine::default();
        let mut watched: Vec<Watched> = world.targets.iter().map(Watched::of).collect();
        watched[0].discovered = true;
        world.engine.set(world.settings.clone(), watched, world.now);
        // As after a restart: it is judged by what was learned before, and nothing was heard of it yet.
        let standing = Standing::Firing { since: world.now, rule: Rule::Down };
        world.judge(0, Metric::Loss, standing, Changed::Raised);
        world.pass(2);
        world.reach("h0", Reach::Silent);
        world.pass(2);
        world.reach("h0", reach);
        world.pass(3600);
        let firing: Vec<_> = world.told("noc").into_iter().take(1).collect();
        assert_eq!(firing, told, "{reach:?}");
    }
}

#[test]
fn short_flaps_are_silent_and_the_third_is_held_for_an_hour() {
    let mut world = World::new(three());
    world.bad("a");
    world.pass(60);
    for _ in 0..3 {
        world.good("a");
        world.pass(120);
        world.bad("a");
        world.pass(120);
    }
    assert_eq!(world.told("noc"), ["firing a", "resolved a"], "three reopenings, all short");
    let alert = world.alert("a");
    assert_eq!((alert.reopened, alert.flapping), (3, true));
    world.pass(300);
    assert_eq!(world.told("noc")[2..], ["firing a"], "it lasts: people have to know");
    for _ in 0..8 {
        world.good("a");
        world.pass(600);
        world.bad("a");
        world.pass(600);
    }
    assert_eq!(world.told("noc")[2..], ["firing a"], "held open");
    world.good("a");
    world.pass(1800);
    world.restart();
    world.reach("a", Reach::Seen);
    world.pass(1799);
    assert!(world.alert("a").is_open(), "a restart makes the hour neither shorter nor longer");
    world.pass(1);
    assert_eq!(world.told("noc")[3..], ["resolved a"]);
    assert_eq!(world.memory.alerts.lock().unwrap().len(), 1);
}

#[test]
fn routes_pick_by_severity_region_tag_and_hours() {
    let targets = vec![
        target("a", "aws-london", &[("owner", "dba")]),
        target("b", "lab", &[]),
        target("c", "lab", &[]),
    ];
    let mut office = route("office", &[]);
    office.hours = Some(
        crate::calendar::Hours::new(&model::alert::Weekly {
            days: vec![model::alert::Weekday::Mon],
            from: 11 * 60,
            until: 12 * 60,
            zone: "UTC".into(),
        })
        .unwrap(),
    );
    let routes = vec![
        route("pager", &["severity=critical"]),
        route("cloud", &["region=~aws-.*"]),
        route("dba", &["owner=dba"]),
        office,
    ];
    let mut world = World::with(targets, routes);
    world.bad("a");
    world.pass(1);
    world.down("b");
    world.pass(60);
    assert_eq!(world.told("pager"), ["firing b"]);
    assert_eq!(world.told("cloud"), ["firing a"]);
    assert_eq!(world.told("dba"), ["firing a"]);
    assert_eq!(world.told("office"), [""; 0], "it is ten o'clock");
    world.pass(3600);
    assert_eq!(world.told("office"), ["firing a", "firing b"]);
    world.pass(2 * 3600);
    world.up("b");
    world.pass(1);
    assert_eq!(world.told("office").last().unwrap(), "resolved b", "whoever heard hears the end");
}

#[test]
fn filtered_icmp_is_a_note_that_wakes_nobody() {
    let routes = vec![route("noc", &[]), route("log", &["severity=~.*"])];
    let mut world = World::with(three(), routes);
    world.bad("a");
    let id = world.alert("a").id;
    world.engine.set_cause(id, Cause::IcmpFiltered, world.now);
    world.pass(60);
    assert_eq!(world.told("noc"), [""; 0]);
    assert_eq!(world.told("log"), ["firing a"]);
    assert_eq!(world.alert("a").severity, Severity::Info);
}

#[test]
fn a_restart_in_mid_alert_tells_nobody_twice_and_loses_no_end() {
    let mut world = World::new(three());
    world.bad("a");
    world.bad("b");
    world.pass(60);
    world.restart();
    world.reach("a", Reach::Silent);
    world.pass(20);
    assert_eq!(world.alert("a").state, AlertState::Firing, "it has just begun to listen");
    world.reach("a", Reach::Lost);
    world.pass(3600);
    assert_eq!(world.told("noc"), ["firing a", "firing b"]);
    world.restart();
    world.good("a");
    world.pass(1);
    world.restart();
    world.pass(60);
    assert_eq!(world.told("noc"), ["firing a", "firing b", "resolved a"]);
    world.restart();
    world.good("b");
    world.bad("c");
    world.pass(60);
    assert_eq!(world.told("noc")[3..], ["resolved b", "firing c"]);
    let ids: Vec<u64> = world.memory.alerts.lock().unwrap().keys().map(|id| id.0).collect();
    assert_eq!(ids, [1, 2, 3], "numbers go on");
}

#[test]
fn a_group_and_a_silence_survive_a_restart() {
    let targets = (0..8).map(|n| target(&format!("e{n}"), "r", &[])).collect();
    let mut world = World::new(targets);
    world.targets.extend(strangers(9));
    world.set();
    world.silence("host=h0", 7200);
    for host in ["e0", "e1", "e2"] {
        world.bad(host);
    }
    world.pass(60);
    assert_eq!(world.told("noc"), ["firing region r"]);
    world.restart();
    world.bad("h0");
    world.bad("e3");
    world.pass(600);
    assert_eq!(world.told("noc")[1..], ["update region r"], "one more of the group");
    world.restart();
    for host in ["e0", "e1", "e2", "e3"] {
        world.good(host);
    }
    world.pass(1);
    assert_eq!(world.told("noc")[2..], ["resolved region r"]);
}

#[test]
fn a_target_that_leaves_the_configuration_ends_its_alert() {
    let mut world = World::new(three());
    world.bad("a");
    world.bad("b");
    world.pass(60);
    world.targets.remove(0);
    world.set();
    world.pass(1);
    assert_eq!(world.told("noc")[2..], ["resolved a"]);
    assert!(world.alert("a").history.iter().any(|entry| entry.what == Happening::Removed));
    world.targets.remove(0);
    world.restart();
    world.pass(1);
    assert_eq!(world.told("noc")[3..], ["resolved b"]);
}

#[test]
fn a_test_message_goes_to_the_receiver_that_is_named_or_to_all() {
    let mut world = World::with(three(), vec![route("noc", &[]), route("boss", &[])]);
    assert_eq!(world.engine.test(None, world.now).unwrap().len(), 2);
    assert_eq!(world.engine.test(Some("boss"), world.now).unwrap().len(), 1);
    let wrong = world.engine.test(Some("bos"), world.now).unwrap_err().to_string();
    assert!(wrong.contains("noc, boss"), "{wrong}");
    world.store();
    assert_eq!(world.told("boss"), ["test ", "test "]);
}

#[test]
fn clues_come_into_the_first_message_and_make_none_of_their_own() {
    let clue = Clue {
        at: UnixMs(START - 60_000),
        device: "sw1".into(),
        code: "SYS-5-CONFIG_I".into(),
        text: "Configured from console by admin".into(),
        count: 1,
    };
    let mut world = World::new(three());
    world.bad("a");
    world.pass(2);
    let id = world.alert("a").id;
    world.engine.set_clues(id, vec![clue.clone()]);
    world.pass(3600);
    assert_eq!(world.told("noc"), ["firing a"]);
    assert_eq!(world.messages()[0].alerts[0].clues, [clue]);
    world.good("a");
    world.engine.set_clues(id, Vec::new());
    world.pass(1);
    assert_eq!(world.alert("a").clues.len(), 1, "what is over keeps them");
}

#[test]
fn a_metric_may_be_worth_something_of_its_own() {
    let mut world = World::new(three());
    let mut watched: Vec<Watched> = world.targets.iter().map(Watched::of).collect();
    watched[0].severities = vec![(Metric::Jitter, Severity::Info)];
    world.engine.set(world.settings.clone(), watched, world.now);
    world.bad_at(0, Metric::Jitter);
    assert_eq!(world.alert("a").severity, Severity::Info);
    world.bad_at(0, Metric::Rtt);
    assert_eq!(world.alert("a").severity, Severity::Warning);
}

#[test]
fn what_repairs_need_people_for_is_told_until_it_is_not_said_any_more() {
    let mut world = World::new(three());
    let signal = |key: &str, said: &str| Signal {
        subject: RepairSubject {
            key: key.into(),
            device: Some("sw1".into()),
            event: None,
            what: "LINK-3-UPDOWN".into(),
            said: said.into(),
        },
        severity: Severity::Critical,
        since: world.now,
    };
    let (waits, failed) = (signal("event 1", "it waits"), signal("event 2", "it did not work"));
    let again = signal("event 1", "it waits still");
    world.engine.repairs(vec![waits], world.now);
    world.pass(60);
    assert_eq!(world.told("noc"), ["firing sw1 LINK-3-UPDOWN"]);
    world.engine.repairs(vec![again, failed], world.now);
    assert_eq!(world.engine.open().count(), 2, "what is said again is the same alert");
    world.restart();
    world.engine.repairs(Vec::new(), world.now);
    assert_eq!(world.engine.open().count(), 0);
}
