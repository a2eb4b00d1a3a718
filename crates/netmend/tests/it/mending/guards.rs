//! One test a guard: a line is sent, and what was typed on the device is looked at.

use std::net::UdpSocket;

use super::*;
use crate::users::{Visitor, user};

#[test]
fn the_kill_switch_holds_by_command_and_by_file_until_it_is_lifted() {
    let world = World::new(&Plan { devices: 2, ..Plan::default() });
    let paused = world.command(&["pause", "change freeze"]);
    assert!(paused.status.success(), "{paused:?}");
    let config = world.path("netmend.yaml");
    let by_hand = ["remedy", "run", "bounce", "--device", "r1", "--yes", "--config"];
    let field = format!("interface={PORT}");
    let by_hand = [&by_hand[..], &[config.to_str().unwrap(), "--field", &field]].concat();
    let refused = world.netmend(&by_hand).env("DEVICE_PASSWORD", PASSWORD).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("change freeze"), "{said}");
    world.say(0, &down(PORT));
    world.held(1, "held", "change freeze");
    std::fs::write(world.path("data/PAUSE"), "").unwrap();
    let refused = world.command(&["resume"]);
    assert_eq!(refused.status.code(), Some(1), "the file is still there");
    world.say(1, &down(PORT));
    world.held(2, "held", "PAUSE");
    std::fs::remove_file(world.path("data/PAUSE")).unwrap();
    for number in 0..2 {
        world.event(number as u64 + 1, "success");
        assert_eq!(world.changes(number), ["shutdown", "no shutdown"]);
    }
}

#[test]
fn the_kill_switch_of_the_page_holds_as_well() {
    let world = World::new(&Plan::default());
    let arguments = ["add", "anna", "--role", "operator"];
    assert!(user(&world.path("data"), &arguments, "correct horse\n").status.success());
    let anna = Visitor::new(world.daemon().address, "name=anna&password=correct+horse");
    let paused = anna.post("/pause", "note=the+core+is+on+fire");
    assert!(paused.starts_with("HTTP/1.1 204"), "{paused}");
    world.say(0, &down(PORT));
    world.held(1, "held", "anna: the core is on fire");
    assert!(anna.get("/").contains("the core is on fire"));
}

#[test]
fn in_a_storm_nothing_is_repaired() {
    let plan = Plan {
        devices: 6,
        remediations: "mode: auto, storm: { events: 4, devices: 4 }",
        more: "",
        ..Plan::default()
    };
    let mut world = World::new(&plan);
    // What comes before the storm is known to be one must not run either.
    let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
    std::fs::write(world.path("netmend.yaml"), text.replace("settle: 0s", "settle: 3s")).unwrap();
    world.start();
    for number in 0..6 {
        world.say(number, &down(PORT));
    }
    for id in 1..=6 {
        world.held(id, "held", "storm: 6 events of 6 devices");
    }
}

#[test]
fn a_remediation_that_fails_three_times_asks_a_person() {
    let never = BOUNCE.replace(".oper == \"up\"", ".oper == \"broken\"");
    let never = never.replace("timeout = \"30s\"", "timeout = \"30s\", settle = \"1s\"");
    let plan = Plan { devices: 4, bounce: &never, ..Plan::default() };
    let world = World::new(&plan);
    for number in 0..3 {
        world.say(number, &down(PORT));
        world.event(number as u64 + 1, "failure");
    }
    world.say(3, &down(PORT));
    let event = world.event(4, "awaiting_approval");
    assert!(event["reason"].as_str().unwrap().contains("3 of its last 3 runs failed"), "{event:#}");
    assert_eq!(world.changes(3), [""; 0]);
    // A person who has mended the file says so.
    assert!(world.command(&["mode", "bounce", "auto"]).status.success());
    assert!(world.command(&["approve", "4"]).status.success());
    world.event(4, "failure");
}

/// Lets all devices fail at once; how many of them were worked on once all events are in one of two states.
fn worked_on(plan: &Plan<'_>, (done, held): (&str, &str), words: &str) -> usize {
    let world = World::new(plan);
    for number in 0..plan.devices {
        world.say(number, &down(PORT));
    }
    let events = world.until(&["events", "list"], |events| {
        let over = |event: &&Value| event["state"] == done || event["state"] == held;
        events.iter().filter(over).count() == plan.devices
    });
    for event in events.iter().filter(|event| event["state"] == held) {
        assert!(event["reason"].as_str().unwrap_or_default().contains(words), "{event:#}");
    }
    let worked_on = (0..plan.devices).filter(|number| !world.changes(*number).is_empty()).count();
    assert_eq!(worked_on, events.iter().filter(|event| event["state"] == done).count());
    worked_on
}

#[test]
fn before_it_is_a_storm_no_more_is_begun_than_makes_one() {
    let remediations = "mode: auto, budgets: { remediation: 100, inventory: 100, at_once: 50 }, storm: { events: 4, devices: 4 }";
    let plan = Plan { devices: 12, remediations, ..Plan::default() };
    let worked_on = worked_on(&plan, ("success", "held"), "storm: ");
    assert!(worked_on <= 4, "{worked_on}");
}

#[test]
fn when_the_breaker_trips_no_more_is_under_way_than_may_be_at_once() {
    let never = BOUNCE.replace(".oper == \"up\"", ".oper == \"broken\"");
    let never = never.replace("timeout = \"30s\"", "timeout = \"30s\", settle = \"1s\"");
    let remediations = "mode: auto, budgets: { remediation: 100, inventory: 100, at_once: 2 }";
    let plan = Plan { devices: 12, bounce: &never, remediations, ..Plan::default() };
    let worked_on = worked_on(&plan, ("failure", "awaiting_approval"), "runs failed");
    assert!((3..=5).contains(&worked_on), "{worked_on}");
}

#[test]
fn a_line_that_names_another_device_runs_nothing_anywhere() {
    let world = World::new(&Plan { devices: 2, ..Plan::default() });
    let mut stream = world.stream(0);
    stream.write_all(format!("<187>7: r2: {}\n", down(PORT)).as_bytes()).unwrap();
    world.held(1, "recorded", "identity conflict");
    world.command(&["events", "retry", "1"]);
    world.held(1, "suppressed", "identity conflict");
}

#[test]
fn a_datagram_that_anybody_can_forge_waits_for_a_person() {
    let world = World::new(&Plan::default());
    let socket = UdpSocket::bind((address(0), 0)).unwrap();
    socket.send_to(format!("<187>7: r1: {}", down(PORT)).as_bytes(), world.syslog).unwrap();
    world.held(1, "awaiting_approval", "it came by UDP");
    // The same by TCP is what was missing: the answer is not needed any more.
    let approved = world.command(&["approve", "1", "--note", "seen it myself"]);
    assert!(approved.status.success(), "{approved:?}");
    let event = world.event(1, "success");
    assert!(event["approved_by"].as_str().unwrap().starts_with("uid "), "{event:#}");
}

#[test]
fn the_mode_says_how_far_it_goes() {
    let plan = Plan { devices: 3, remediations: "mode: observe", ..Plan::default() };
    let world = World::new(&plan);
    world.say(0, &down(PORT));
    world.held(1, "recorded", "observe: bounce would run");
    assert!(world.command(&["mode", "bounce", "approve"]).status.success());
    world.say(2, &down(PORT));
    world.held(2, "awaiting_approval", "the mode of bounce is approve");
    let waiting = world.ask(&["approve"]);
    assert_eq!((waiting.len(), &waiting[0]["event"]), (1, &2.into()), "{waiting:#?}");
    assert!(world.command(&["mode", "bounce", "suggest"]).status.success());
    world.say(1, &down(PORT));
    world.event(3, "awaiting_approval");
    assert_eq!((world.devices[1].logins(), world.changes(1)), (1, Vec::new()));
    assert!(world.command(&["approve", "2", "--reject", "--note", "not now"]).status.success());
    let event = world.event(2, "cancelled");
    assert!(event["reason"].as_str().unwrap().ends_with(": not now"), "{event:#}");
    let again = world.command(&["approve", "2"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(world.devices[2].logins(), 0);
}

#[test]
fn a_yes_that_comes_to_nothing_is_for_people() {
    let world = World::new(&Plan { remediations: "mode: approve", ..Plan::default() });
    world.say(0, &down(PORT));
    world.held(1, "awaiting_approval", "the mode of bounce is approve");
    assert!(world.command(&["mode", "bounce", "observe"]).status.success());
    assert!(world.command(&["approve", "1"]).status.success());
    world.held(1, "escalated", "the yes came to nothing: observe: bounce would run");
    assert_eq!(world.devices[0].logins(), 0);
}

#[test]
fn where_people_work_nothing_is_repaired() {
    let more = "maintenance: [{ name: cabling, match: { device: r1 }, begins: 2020-01-01T00:00:00Z, ends: 2099-01-01T00:00:00Z }]";
    let world = World::new(&Plan { more, ..Plan::default() });
    world.say(0, &down(PORT));
    world.held(1, "held", "r1 is in the maintenance window cabling");
}

#[test]
fn a_platform_in_the_words_of_another_inventory_is_repaired_and_left_alone_like_our_own() {
    let window = "maintenance: [{ name: cabling, match: { platform: ios }, begins: 2020-01-01T00:00:00Z, ends: 2099-01-01T00:00:00Z }]";
    for more in ["", window] {
        let mut world = World::new(&Plan { more, ..Plan::default() });
        let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
        let text = text.replace(", platform: ios", ", platform: cisco-ios-xe");
        assert!(text.contains("cisco-ios-xe"), "{text}");
        std::fs::write(world.path("netmend.yaml"), text).unwrap();
        world.start();
        world.say(0, &down(PORT));
        if more.is_empty() {
            world.event(1, "success");
        } else {
            world.held(1, "held", "r1 is in the maintenance window cabling");
        }
    }
}

#[test]
fn a_fault_that_clears_while_it_settles_comes_to_nothing() {
    let mut world = World::new(&Plan::default());
    let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
    std::fs::write(world.path("netmend.yaml"), text.replace("settle: 0s", "settle: 60s")).unwrap();
    world.start();
    world.say(0, &down(PORT));
    world.held(1, "new", "");
    world.say(0, &up(PORT));
    world.held(1, "suppressed", "it cleared before anything was done");
}

#[test]
fn a_fault_that_clears_while_something_holds_it_comes_to_nothing() {
    let world = World::new(&Plan::default());
    assert!(world.command(&["pause"]).status.success());
    world.say(0, &down(PORT));
    world.held(1, "held", "paused");
    world.say(0, &up(PORT));
    world.until(&["events", "list"], |events| !events[0]["cleared"].is_null());
    assert!(world.command(&["resume"]).status.success());
    world.held(1, "suppressed", "it cleared before anything was done");
}

#[test]
fn a_port_that_flaps_is_left_alone() {
    let mut world = World::new(&Plan::default());
    let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
    std::fs::write(world.path("netmend.yaml"), text.replace("settle: 0s", "settle: 5s")).unwrap();
    world.start();
    world.say_all(0, &[down(PORT), up(PORT), down(PORT), up(PORT), down(PORT)]);
    world.held(3, "held", "it flaps: 5 changes within 10 minutes");
}

#[test]
fn what_a_repair_causes_itself_starts_no_other() {
    let world = World::new(&Plan::default());
    world.say(0, &down(PORT));
    world.event(1, "success");
    // Another code, but the port that we have just shut and enabled.
    world.say(
        0,
        &format!("%LINEPROTO-5-UPDOWN: Line protocol on Interface {PORT}, changed state to down"),
    );
    let event = world.event(2, "suppressed");
    assert!(event["reason"].as_str().unwrap().contains("self-caused: run 1"), "{event:#}");
    assert_eq!(world.changes(0), ["shutdown", "no shutdown"]);
}

#[test]
fn a_device_that_somebody_else_has_just_configured_is_theirs() {
    let world = World::new(&Plan::default());
    let configured = "%SYS-5-CONFIG_I: Configured from console by alice on vty0 (10.100.11.10)";
    world.say_all(0, &[configured.to_owned(), down(PORT)]);
    // The first event is what alice did, which this test tells as an error.
    world.held(2, "held", "alice configured r1 0 minutes ago");
}

#[test]
fn while_its_partner_is_in_trouble_a_device_is_left_alone() {
    let plan = Plan {
        devices: 2,
        remediations: "mode: auto, modes: { bounce: approve }",
        keys: &["pair: r2", "pair: r1"],
        ..Plan::default()
    };
    let world = World::new(&plan);
    world.say(0, &down(PORT));
    world.held(1, "awaiting_approval", "approve");
    world.say(1, &down(PORT));
    world.held(2, "held", "its partner r1 told of LINK-3-UPDOWN itself (event 1)");
}

#[test]
fn two_faults_of_one_device_are_repaired_one_after_the_other() {
    let world = World::with(&Plan::default(), |_, options| {
        options.latency = Duration::from_millis(100);
    });
    world.devices[0].break_interface("GigabitEthernet0/2");
    world.say_all(0, &[down(PORT), down("GigabitEthernet0/2")]);
    world.event(1, "success");
    world.event(2, "success");
    let runs = world.ask(&["runs", "list"]);
    assert_eq!(runs.len(), 2);
    let [one, other] = &runs[..] else { panic!("{runs:#?}") };
    assert!(is_over(one, other) || is_over(other, one), "{runs:#?}");
}

/// Whether a run was over when another began.
fn is_over(first: &Value, then: &Value) -> bool {
    // Times are as long as they need to be: `57.4Z` is before `57.402Z`.
    let time = |value: &Value| value.as_str().expect("a time").trim_end_matches('Z').to_owned();
    time(&first["ended"]) <= time(&then["started"])
}

/// Lets a fault be repaired on each of some devices that answer slowly, and sees that no two were worked on at
/// once.
#[track_caller]
fn one_after_the_other(plan: &Plan<'_>, priority: u8, fault: &str) {
    let world = World::with(plan, |_, options| options.latency = Duration::from_millis(100));
    for number in 0..plan.devices {
        world.say_as(priority, number, &[fault.to_owned()]);
    }
    for number in 0..plan.devices {
        world.event(number as u64 + 1, "success");
        assert_eq!(world.changes(number), ["shutdown", "no shutdown"]);
    }
    let mut runs = world.ask(&["runs", "list"]);
    runs.sort_by_key(|run| run["started"].to_string());
    assert_eq!(runs.len(), plan.devices);
    for two in runs.windows(2) {
        assert!(is_over(&two[0], &two[1]), "{two:#?}");
    }
}

#[test]
fn both_halves_of_a_pair_are_never_worked_on_at_once() {
    let plan = Plan { devices: 2, keys: &["pair: r2", "pair: r1"], ..Plan::default() };
    // Sent as a notification: were it an error, the guard for partners would speak first.
    let fault =
        format!("%LINEPROTO-5-UPDOWN: Line protocol on Interface {PORT}, changed state to down");
    one_after_the_other(&plan, 189, &fault);
}

#[test]
fn of_an_exclusive_group_one_device_is_worked_on_at_a_time() {
    let remediations = "mode: auto, exclusive: [ring]";
    let keys = ["groups: [ring]", "groups: [ring, other]"];
    let plan = Plan { devices: 2, keys: &keys, remediations, ..Plan::default() };
    one_after_the_other(&plan, 187, &down(PORT));
}

#[test]
fn no_more_is_done_at_once_than_may_be() {
    for remediations in ["mode: auto, budgets: { at_once: 1 }", "mode: auto, workers: 1"] {
        let plan = Plan { devices: 3, remediations, ..Plan::default() };
        one_after_the_other(&plan, 187, &down(PORT));
    }
}

#[test]
fn a_budget_that_is_spent_holds_what_comes_after() {
    for (budget, devices, said) in [
        ("device: 1", 1, "r1 was worked on 1 times within 60 minutes"),
        ("remediation: 1", 2, "bounce ran 1 times within 60 minutes"),
        // However small the share, it is three devices.
        ("inventory: 1%", 4, "3 devices were worked on within 60 minutes"),
    ] {
        let remediations = format!("mode: auto, budgets: {{ {budget} }}");
        let world = World::new(&Plan { devices, remediations: &remediations, ..Plan::default() });
        let last = devices as u64;
        for number in 1..last {
            world.say(number as usize - 1, &down(PORT));
            world.event(number, "success");
        }
        let id = if devices == 1 {
            world.say(0, &down(PORT));
            world.event(1, "success");
            world.devices[0].break_interface("GigabitEthernet0/2");
            world.say(0, &down("GigabitEthernet0/2"));
            2
        } else {
            world.say(devices - 1, &down(PORT));
            last
        };
        let event = world.event(id, "held");
        assert_eq!(event["reason"], format!("budget: {said}"));
        assert_eq!(world.devices[devices - 1].logins(), usize::from(devices == 1));
    }
}

#[test]
fn what_carries_our_own_session_or_everything_is_not_taken_down() {
    let plan = Plan { devices: 2, ..Plan::default() };
    let world = World::with(&plan, |number, options| match number {
        0 => options.address = Some((PORT.into(), address(number).into())),
        _ => options.uplink = Some(PORT.into()),
    });
    for (number, said) in [(0, "carries our own session"), (1, "is the last uplink that is up")] {
        world.say(number, &down(PORT));
        let event = world.event(number as u64 + 1, "escalated");
        let reason = event["reason"].as_str().unwrap();
        assert_eq!(reason, format!("{PORT} {said}: it is not taken down"));
        assert_eq!(world.changes(number), [""; 0]);
        assert!(!world.devices[number].is_being_configured());
    }
}

#[test]
fn a_credential_that_was_refused_twice_is_not_tried_a_third_time() {
    let plan = Plan { devices: 4, ..Plan::default() };
    let mut world = World::with(&plan, |_, options| options.password = "another".into());
    // That r2 is not there says nothing of the credential.
    let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
    let text = text.replace(&format!("port: {}", world.places[1].port()), "port: 1");
    std::fs::write(world.path("netmend.yaml"), text).unwrap();
    world.start();
    for number in 0..3 {
        world.say(number, &down(PORT));
        world.event(number as u64 + 1, "failure");
    }
    // Three failures are enough for the guard before, too, unless a person says otherwise.
    assert!(world.command(&["mode", "bounce", "auto"]).status.success());
    world.say(3, &down(PORT));
    world.held(4, "held", "was refused 2 times and is not tried again");
    assert_eq!(world.devices[3].logins(), 0);
    assert!(world.command(&["resume"]).status.success());
    world.event(4, "failure");
    assert_eq!(world.devices[3].logins(), 1);
}

#[test]
fn a_remediation_that_was_changed_after_the_yes_asks_again() {
    let plan = Plan { remediations: "mode: approve", ..Plan::default() };
    let world = World::new(&plan);
    world.say(0, &down(PORT));
    world.held(1, "awaiting_approval", "approve");
    assert!(world.command(&["pause"]).status.success());
    assert!(world.command(&["approve", "1"]).status.success());
    let changed = format!("{BOUNCE}\n# and more\n");
    std::fs::write(world.path("fixes/bounce.star"), changed).unwrap();
    world.until(&["events", "show", "1"], |_| {
        let entries = world.ask(&["runs", "audit"]);
        entries.iter().any(|entry| entry["action"] == "approve")
    });
    world.held(1, "held", "paused");
}
