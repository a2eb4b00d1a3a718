//! Repairs that work: what is typed, what is kept of it, who may see what.

use super::*;

#[test]
fn a_port_that_went_down_is_bounced_and_all_of_it_is_on_record() {
    let world = World::new(&Plan::default());
    world.say(0, &down(PORT));
    let event = world.event(1, "success");
    assert_eq!((&event["remediation"], &event["attempt"]), (&"bounce".into(), &1.into()));
    assert_eq!(event["fields"]["interface"], PORT);
    assert_eq!(world.changes(0), ["shutdown", "no shutdown"]);
    assert!(!world.devices[0].is_being_configured());
    let runs = world.ask(&["runs", "show", "1"]);
    let run = &runs[0];
    assert_eq!((&run["state"], &run["device"]), (&"success".into(), &"r1".into()));
    assert_eq!(run["proof"]["verdict"], "not_provable");
    let steps: Vec<&str> = run["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps[..2], ["check", "fix"]);
    assert_eq!(*steps.last().unwrap(), "verify");
    let said = run["transcript"].as_array().unwrap();
    let fix = said.iter().filter(|exchange| exchange["step"] == "fix");
    let fix: Vec<&str> = fix.map(|exchange| exchange["sent"].as_str().unwrap()).collect();
    assert!(fix.iter().any(|sent| sent.contains("no shutdown")), "{fix:?}");
    let audit = world.ask(&["runs", "audit"]);
    let actions: Vec<&str> = audit.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["login", "look", "configure", "success"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
    let verified = world.command(&["runs", "audit", "--verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_port_that_a_person_shut_stays_shut_and_one_that_works_is_left_alone() {
    let plan = Plan { devices: 2, ..Plan::default() };
    let world = World::new(&plan);
    world.say(0, &down("GigabitEthernet0/2"));
    let event = world.event(1, "suppressed");
    assert_eq!(event["reason"], "`check` says that there is nothing to do", "{event:#}");
    assert_eq!(world.changes(0), [""; 0]);
}

#[test]
fn faults_of_one_device_are_repaired_in_one_session_where_sessions_stay_open() {
    let remediations = "mode: auto, keep_session: 30s, budgets: { device: 100 }";
    let world = World::new(&Plan { remediations, ..Plan::default() });
    let ports = [PORT, "GigabitEthernet0/2"];
    world.devices[0].break_interface(ports[1]);
    world.say_all(0, &ports.map(down));
    for id in [1, 2] {
        world.event(id, "success");
    }
    assert_eq!(world.devices[0].logins(), 1);
    assert_eq!(world.changes(0), ["shutdown", "no shutdown", "shutdown", "no shutdown"]);
    let audit = world.ask(&["runs", "audit"]);
    assert_eq!(audit.iter().filter(|entry| entry["action"] == "login").count(), 1, "{audit:#?}");
    let said = &world.ask(&["runs", "show", "2"])[0]["transcript"];
    assert_eq!(said[0]["sent"], "(goes on in an open session)", "{said:#}");
}

#[test]
fn a_repair_is_proven_by_the_devices_own_targets() {
    let more = "targets: { lab: [{ host: 127.0.11.1, interval: 1s }] }";
    let world = World::new(&Plan { more, ..Plan::default() });
    world.say(0, &down(PORT));
    let event = world.event(1, "success");
    assert!(event["reason"].as_str().unwrap().starts_with("proven: "), "{event:#}");
    let run = &world.ask(&["runs", "show", "1"])[0];
    let target = &run["proof"]["targets"][0];
    assert_eq!((&target["after"]["sent"], &target["holds"]), (&10.into(), &true.into()), "{run:#}");
}

#[test]
fn a_fault_that_comes_back_names_the_event_before() {
    let world = World::new(&Plan::default());
    world.say(0, &down(PORT));
    world.event(1, "success");
    world.say_all(0, &[up(PORT)]);
    world.until(&["events", "list"], |events| !events[0]["cleared"].is_null());
    world.devices[0].break_interface(PORT);
    world.say(0, &down(PORT));
    let event = world.event(2, "suppressed");
    assert_eq!(event["parent"], 1, "{event:#}");
}

#[test]
fn a_fault_that_comes_back_after_its_repair_is_listed() {
    // It repairs another port than the one that was told of, so that it is no doing of ours.
    let world = World::new(&Plan { bounce: &literal("LINK-3-UPDOWN"), ..Plan::default() });
    let other = "GigabitEthernet0/3";
    world.say(0, &down(other));
    world.event(1, "success");
    world.say(0, &up(other));
    world.until(&["events", "list"], |events| !events[0]["cleared"].is_null());
    world.devices[0].break_interface(PORT);
    world.say(0, &down(other));
    let event = world.event(2, "success");
    assert_eq!(event["parent"], 1, "{event:#}");
    let (_, page) = world.daemon().get("/remediations");
    let listed = page.split_once("Faults that come back").expect("a list of them").1;
    for words in ["r1", "LINK-3-UPDOWN", other] {
        assert!(listed.contains(words), "{words} is not in {listed}");
    }
    let (_, page) = world.daemon().get("/incidents/event-2");
    assert!(page.contains("href=\"/events/1\""), "the event before is not linked: {page}");
}

#[test]
fn a_file_that_is_changed_counts_at_once_and_a_broken_one_leaves_what_was() {
    let world = World::new(&Plan { devices: 2, ..Plan::default() });
    let until = |broken: bool| {
        let start = SystemClock.monotonic();
        loop {
            let told = String::from_utf8(world.command(&["mode"]).stdout).unwrap();
            if told.lines().any(|line| line.starts_with("problem: ")) == broken {
                return told;
            }
            assert!(SystemClock.monotonic().saturating_sub(start) < PATIENCE, "{told}");
        }
    };
    std::fs::write(world.path("fixes/bounce.star"), "remediation(match = 7").unwrap();
    let told = until(true);
    assert!(told.contains("bounce.star:1:"), "{told}");
    world.say(0, &down(PORT));
    world.event(1, "success");
    let says_no = BOUNCE.replace("port.admin == \"up\" and", "False and");
    std::fs::write(world.path("fixes/bounce.star"), says_no).unwrap();
    until(false);
    world.say(1, &down(PORT));
    world.event(2, "suppressed");
    assert_eq!(world.changes(1), [""; 0]);
}

#[test]
fn who_does_what_is_told_as_it_happens() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let world = World::new(&Plan::default());
    let mut follow = Command::new(env!("CARGO_BIN_EXE_netmend"));
    follow.args(["runs", "follow", "--data"]).arg(world.path("data")).stdout(Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let out = BufReader::new(follow.stdout.take().unwrap());
    // Faults that are told until the follower has begun: it tells of what happens after its start.
    world.say(0, &down(PORT));
    world.event(1, "success");
    let again = down("GigabitEthernet0/2");
    world.devices[0].break_interface("GigabitEthernet0/2");
    world.say(0, &again);
    let told = out.lines().map(|line| line.unwrap()).find(|line| line.contains("success")).unwrap();
    for words in ["worker 1", "event ", "r1", "bounce", " s "] {
        assert!(told.contains(words), "{told}");
    }
    follow.kill().unwrap();
    follow.wait().unwrap();
}
