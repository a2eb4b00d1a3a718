//! One test a guard: a line is sent, and what was typed on the device is looked at.

use std::net::UdpSocket;

use super::*;

#[test]
fn the_kill_switch_holds_by_command_and_by_file_until_it_is_lifted() {
    let world = World::new(&Plan { devices: 2, ..Plan::default() });
    let paused = world.command(&["pause", "change freeze"]);
    assert!(paused.status.success(), "{paused:?}");
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
    assert!(world.command(&["mode", "bounce", "suggest"]).status.success());
    world.say(1, &down(PORT));
    world.held(2, "recorded", "suggest: bounce could run");
    assert!(world.command(&["mode", "bounce", "approve"]).status.success());
    world.say(2, &down(PORT));
    world.held(3, "awaiting_approval", "the mode of bounce is approve");
    let waiting = world.ask(&["approve"]);
    assert_eq!((waiting.len(), &waiting[0]["event"]), (1, &3.into()), "{waiting:#?}");
    assert!(world.command(&["approve", "3", "--reject", "--note", "not now"]).status.success());
    let event = world.event(3, "cancelled");
    assert!(event["reason"].as_str().unwrap().ends_with(": not now"), "{event:#}");
    let again = world.command(&["approve", "3"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(world.devices[2].logins(), 0);
}

#[test]
fn where_people_work_nothing_is_repaired() {
    let more = "maintenance: [{ name: cabling, match: { device: r1 }, begins: 2020-01-01T00:00:00Z, ends: 2099-01-01T00:00:00Z }]";
    let world = World::new(&Plan { more, ..Plan::default() });
    world.say(0, &down(PORT));
    world.held(1, "held", "r1 is in the maintenance window cabling");
}

#[test]
fn a_fault_that_clears_while_it_settles_comes_to_nothing() {
    let mut world = World::new(&Plan::default());
    let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
    std::fs::write(world.path("netmend.yaml"), text.replace("settle: 0s", "settle: 2s")).unwrap();
    world.start();
    world.say_all(0, &[down(PORT), up(PORT)]);
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
    assert!(runs[0]["ended"].as_str() <= runs[1]["started"].as_str(), "{runs:#?}");
}

#[test]
fn both_halves_of_a_pair_are_never_worked_on_at_once() {
    let plan = Plan { devices: 2, keys: &["groups: [ring]", "groups: [ring]"], ..Plan::default() };
    let mut world = World::with(&plan, |_, options| options.latency = Duration::from_millis(100));
    let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
    let text = text.replace("dir: fixes,", "dir: fixes, exclusive: [ring],");
    std::fs::write(world.path("netmend.yaml"), text).unwrap();
    world.start();
    world.say(0, &down(PORT));
    world.say(1, &down(PORT));
    world.event(1, "success");
    world.event(2, "success");
    let mut runs = world.ask(&["runs", "list"]);
    runs.sort_by_key(|run| run["started"].to_string());
    assert!(runs[0]["ended"].as_str() <= runs[1]["started"].as_str(), "{runs:#?}");
}

#[test]
fn a_budget_that_is_spent_holds_what_comes_after() {
    let remediations = "mode: auto, budgets: { device: 1 }";
    let world = World::new(&Plan { remediations, ..Plan::default() });
    world.devices[0].break_interface("GigabitEthernet0/2");
    world.say(0, &down(PORT));
    world.event(1, "success");
    world.say(0, &down("GigabitEthernet0/2"));
    let event = world.event(2, "held");
    let reason = event["reason"].as_str().unwrap();
    assert_eq!(reason, "budget: r1 was worked on 1 times within 60 minutes");
    assert_eq!(world.devices[0].logins(), 1);
}

#[test]
fn a_credential_that_was_refused_twice_is_not_tried_a_third_time() {
    let plan = Plan { devices: 3, ..Plan::default() };
    let world = World::with(&plan, |_, options| options.password = "another".into());
    for number in 0..2 {
        world.say(number, &down(PORT));
        world.event(number as u64 + 1, "failure");
    }
    world.say(2, &down(PORT));
    world.held(3, "held", "was refused 2 times and is not tried again");
    assert_eq!(world.devices[2].logins(), 0);
    assert!(world.command(&["resume"]).status.success());
    world.event(3, "failure");
    assert_eq!(world.devices[2].logins(), 1);
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
