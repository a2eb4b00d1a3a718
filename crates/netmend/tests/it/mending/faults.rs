//! What goes wrong: devices that misbehave, far too many events, and the end of the daemon in the middle.

use ::lab::Misbehaviour;
use nix::sys::signal::Signal;

use super::*;
use crate::disk::{Disk, fill};

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
fn a_daemon_that_starts_on_a_full_disk_repairs_once_it_can_write_that_down() {
    let mut world = World::new(&Plan::default());
    // Whoever is killed leaves its logs, so that the next one needs nothing of what is kept aside for them.
    world.daemon().signal(Signal::SIGKILL);
    world.daemon.take().unwrap().wait();
    // Its data on a small disk.
    let (data, aside) = (world.path("data"), world.path("aside"));
    std::fs::rename(&data, &aside).unwrap();
    std::fs::create_dir(&data).unwrap();
    let _disk = Disk::mount(&data, 4);
    for file in files(&aside) {
        let place = data.join(file.strip_prefix(&aside).unwrap());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(&file, place).unwrap();
    }
    let filler = data.join("filler");
    fill(&filler);
    world.start();
    let daemon = world.daemon.as_mut().unwrap();
    daemon.log_until("nothing is repaired until the store can be written");
    let (status, health) = daemon.get("/healthz");
    assert_eq!(status, 503, "{health}");
    assert!(health.contains("\"mend: "), "{health}");
    world.say(0, &down(PORT));
    world.daemon.as_mut().unwrap().log_until("the store does not take syslog lines");
    assert_eq!(world.devices[0].commands(), [""; 0]);

    std::fs::remove_file(&filler).unwrap();
    world.event(1, "success");
    assert_eq!(world.changes(0), ["shutdown", "no shutdown"]);
    // Samples try the store in a round of their own.
    let healthy = |_: &Value| (world.daemon().get("/healthz").0 == 200).then_some(());
    world.daemon().wait_for("/api/v1/system", healthy);
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
fn five_hundred_devices_that_fail_at_once_are_left_alone() {
    const DEVICES: usize = 500;
    let mut world = World::new(&Plan { devices: DEVICES, ..Plan::default() });
    // As it is unless told otherwise: the storm has time to show.
    let text = std::fs::read_to_string(world.path("netmend.yaml")).unwrap();
    std::fs::write(world.path("netmend.yaml"), text.replace(", settle: 0s", "")).unwrap();
    world.start();
    for number in 0..DEVICES {
        world.say(number, &down(PORT));
    }
    let list = ["events", "list", "-n", "10000", "--state", "held"];
    let events = world.until(&list, |events| events.len() == DEVICES);
    for event in events {
        let reason = event["reason"].as_str().unwrap();
        assert!(reason.starts_with("storm: ") && reason.contains("began within"), "{event:#}");
    }
    assert_eq!(world.ask(&["runs", "list"]).len(), 0);
    for device in &world.devices {
        assert_eq!((device.logins(), device.commands().len()), (0, 0));
    }
    world.page_says("/", "Nothing is run by itself for the moment");
}

/// Eight runs type more than this from the login to the last look.
const COMMANDS: usize = 80;

#[test]
fn kill_9_loses_no_event_and_runs_no_fix_twice_that_may_not_be() {
    // Each time it is another port that is told of, so that it is no doing of the repair before.
    let once = literal("LINK-3-UPDOWN").replace("idempotent = True", "idempotent = False");
    let plan = Plan { devices: 8, bounce: &once, ..Plan::default() };
    let mut world = World::with(&plan, |_, options| options.latency = Duration::from_millis(20));
    let kills = std::env::var("NETMEND_KILLS").map_or(5, |text| text.parse().expect("a number"));
    let shut =
        |device: &Device| device.commands().iter().filter(|line| *line == "shutdown").count();
    let typed = |world: &World| -> usize {
        world.devices.iter().map(|device| device.commands().len()).sum()
    };
    let mut told = 0;
    for kill in 0..kills {
        // What was cut off counts against the remediation; a person says that it may go on.
        assert!(world.command(&["mode", "bounce", "auto"]).status.success());
        let before: Vec<usize> = world.devices.iter().map(shut).collect();
        let begun = typed(&world);
        for number in 0..world.devices.len() {
            world.devices[number].break_interface(PORT);
            world.say(number, &down(&format!("GigabitEthernet9/{kill}")));
        }
        told += world.devices.len() as u64;
        let reports = |events: &[Value]| -> u64 {
            events.iter().map(|event| event["count"].as_u64().unwrap()).sum()
        };
        let all = ["events", "list", "-n", "10000"];
        world.until(&all, |events| reports(events) == told);
        // The kill falls further on each time: before the first command, between any two, towards the end.
        let since = SystemClock.monotonic();
        while typed(&world) < begun + COMMANDS * kill / kills {
            assert!(SystemClock.monotonic().saturating_sub(since) < PATIENCE, "nothing is done");
            std::thread::yield_now();
        }
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
        for (device, before) in world.devices.iter().zip(before) {
            assert!(shut(device) <= before + 1, "kill {kill}: {:#?}", device.commands());
        }
        assert_eq!(reports(&world.ask(&all)), told, "kill {kill}: an event was lost");
    }
    let verified = world.command(&["runs", "audit", "--verify"]);
    assert!(verified.status.success(), "{verified:?}");
}
