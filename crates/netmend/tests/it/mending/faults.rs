//! What goes wrong: devices that misbehave, far too many events, and the end of the daemon in the middle.

use ::lab::Misbehaviour;
use nix::sys::signal::Signal;

use super::*;

#[test]
fn a_device_with_another_host_key_is_told_nothing() {
    let world = World::new(&Plan::default());
    let other = Device::new(DeviceOptions::new("r1", Dialect::Ios)).unwrap();
    let keys = format!("r1 {}\n", other.public_key());
    std::fs::write(world.path("data/known_devices"), keys).unwrap();
    world.say(0, &down(PORT));
    world.held(1, "failure", "THE HOST KEY OF r1 HAS CHANGED");
    assert_eq!(world.devices[0].logins(), 0);
}

#[test]
fn devices_that_hang_or_go_away_are_given_up_and_left_as_they_were() {
    let short = BOUNCE.replace("timeout = \"30s\"", "timeout = \"5s\"");
    let plan = Plan { devices: 3, bounce: &short, ..Plan::default() };
    let wrong = [Misbehaviour::Hang, Misbehaviour::Drop, Misbehaviour::HangInside];
    let world = World::with(&plan, |number, options| options.misbehaviours = vec![wrong[number]]);
    for number in 0..3 {
        world.say(number, &down(PORT));
    }
    let over = ["failure", "timed_out"];
    let events = world.until(&["events", "list"], |events| {
        events.len() == 3
            && events.iter().all(|event| over.contains(&event["state"].as_str().unwrap()))
    });
    for (number, event) in events.iter().enumerate() {
        assert!(!event["reason"].as_str().unwrap().is_empty(), "{event:#}");
        assert_eq!(world.changes(number), [""; 0]);
        assert!(!world.devices[number].is_being_configured());
    }
}

#[test]
fn five_thousand_events_of_one_device_are_worked_on_by_one_session_at_a_time() {
    let remediations = "mode: auto, budgets: { device: 3 }";
    let world = World::new(&Plan { remediations, ..Plan::default() });
    let many: Vec<String> =
        (0..5_000).map(|port| down(&format!("GigabitEthernet9/{port}"))).collect();
    world.say_all(0, &many);
    let three = |runs: &[Value]| runs.iter().filter(|run| !run["ended"].is_null()).count() >= 3;
    let runs = world.until(&["runs", "list"], three);
    // The others wait for the budget, or for a person: three failures in a row are enough.
    let states = ["--state", "held", "--state", "awaiting_approval"];
    let list = [&["events", "list", "-n", "10000"][..], &states].concat();
    world.until(&list, |events| events.len() + runs.len() >= 5_000);
    assert_eq!(world.ask(&["runs", "list"]).len(), 3);
    assert_eq!(world.devices[0].logins(), 3);
    assert_eq!(world.changes(0), [""; 0], "the device has no such ports");
}

#[test]
fn kill_9_loses_no_event_and_runs_no_fix_twice_that_may_not_be() {
    let once = BOUNCE.replace("idempotent = True", "idempotent = False");
    let plan = Plan { devices: 8, bounce: &once, ..Plan::default() };
    let mut world = World::with(&plan, |_, options| options.latency = Duration::from_millis(60));
    let kills = std::env::var("NETMEND_KILLS").map_or(5, |text| text.parse().expect("a number"));
    let mut told = 0;
    for kill in 0..kills {
        // What was cut off counts against the remediation; a person says that it may go on.
        assert!(world.command(&["mode", "bounce", "auto"]).status.success());
        for number in 0..world.devices.len() {
            // A port of its own each time, so that each is an event of its own.
            let port = format!("GigabitEthernet0/{}", kill % 3 + 1);
            world.devices[number].break_interface(&port);
            world.say(number, &format!("%LINK-3-UPDOWN: Interface {port}, changed state to down"));
        }
        told += world.devices.len();
        // The kill falls while they are worked on, a little later each time.
        let begun = kill % world.devices.len() + 1;
        world.until(&["runs", "list", "-n", "10000"], |runs| {
            runs.iter().filter(|run| run["ended"].is_null()).count() >= begun.min(2)
                || runs.iter().filter(|run| !run["ended"].is_null()).count() >= told
        });
        world.daemon().signal(Signal::SIGKILL);
        world.daemon.take().expect("it ran").wait();
        world.start();
        let busy = ["new", "held", "queued", "running", "verifying"];
        world.until(&["events", "list", "-n", "10000", "--state", "open"], |events| {
            !events.iter().any(|event| busy.contains(&event["state"].as_str().unwrap()))
        });
        // What was cut off is not taken up again by itself.
        let list = world.ask(&["runs", "list", "-n", "10000"]);
        for run in &list {
            let twice = list.iter().filter(|other| other["event"] == run["event"]).count();
            assert_eq!(twice, 1, "{run:#}");
        }
    }
    let events = world.ask(&["events", "list", "-n", "10000"]);
    let reports: u64 = events.iter().map(|event| event["count"].as_u64().unwrap()).sum();
    assert_eq!(reports, told as u64, "an event was lost: {events:#?}");
    for (number, device) in world.devices.iter().enumerate() {
        let shut = device.commands().iter().filter(|line| *line == "shutdown").count();
        let name = format!("r{}", number + 1);
        let runs = world.ask(&["runs", "list", "-n", "10000", "--device", &name]);
        assert!(shut <= runs.len(), "{name} was shut {shut} times by {} runs", runs.len());
    }
    let verified = world.command(&["runs", "audit", "--verify"]);
    assert!(verified.status.success(), "{verified:?}");
}
