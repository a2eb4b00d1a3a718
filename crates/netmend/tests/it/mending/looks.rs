//! Dry runs: what a repair would send is seen before anybody says yes, and a yes is to that.

use serde_json::json;

use super::*;

/// What the bounce of the first port sends.
const BOUNCED: [&str; 3] =
    ["(config) interface GigabitEthernet0/1", "(config) shutdown", "(config) no shutdown"];

#[test]
fn a_suggestion_shows_what_it_would_send_and_sends_that_after_a_yes() {
    let world = World::new(&Plan { remediations: "mode: suggest", ..Plan::default() });
    world.say(0, &down(PORT));
    let event = world.event(1, "awaiting_approval");
    assert_eq!(event["reason"], format!("bounce would send: {}", BOUNCED.join("; ")));
    assert_eq!(world.changes(0), [""; 0]);
    let typed = world.devices[0].commands();
    assert!(typed.contains(&format!("show interfaces {PORT}")), "{typed:?}");
    assert!(!typed.iter().any(|line| line.starts_with("configure")), "{typed:?}");
    let waiting = world.ask(&["approve"]);
    assert_eq!(waiting[0]["would"], json!([BOUNCED.join("\n")]), "{waiting:#?}");
    let told = String::from_utf8(world.command(&["approve"]).stdout).unwrap();
    for line in BOUNCED {
        assert!(told.contains(line), "{told}");
        world.page_says("/", line);
    }
    assert!(world.command(&["approve", "1"]).status.success());
    world.event(1, "success");
    assert_eq!(world.changes(0), ["shutdown", "no shutdown"]);
    let runs = world.ask(&["runs", "list"]);
    let mut states: Vec<&str> = runs.iter().map(|run| run["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["looked", "success"]);
}

#[test]
fn a_yes_to_some_lines_is_none_to_others() {
    // What it sends depends on another port, which breaks after the question.
    let fix =
        "    device.config([\"interface {}\", \"shutdown\", \"no shutdown\"], event.interface)\n";
    let other = format!(
        "    if device.interface(\"GigabitEthernet0/2\").oper == \"down\":\n        \
         device.config([\"interface {{}}\", \"shutdown\"], event.interface)\n        return\n{fix}"
    );
    assert!(BOUNCE.contains(fix));
    let bounce = BOUNCE.replace(fix, &other);
    let plan = Plan { remediations: "mode: suggest", bounce: &bounce, ..Plan::default() };
    let world = World::new(&plan);
    world.say(0, &down(PORT));
    world.event(1, "awaiting_approval");
    world.devices[0].break_interface("GigabitEthernet0/2");
    assert!(world.command(&["approve", "1"]).status.success());
    let event = world.event(1, "escalated");
    let said = "the yes was to something else: now it would send (config) interface \
                GigabitEthernet0/1; (config) shutdown";
    assert_eq!(event["reason"], said);
    assert_eq!(world.changes(0), [""; 0]);
}

#[test]
fn what_would_be_done_is_seen_on_demand_however_little_may_be_done() {
    let world = World::new(&Plan { remediations: "mode: observe", ..Plan::default() });
    world.say(0, &down(PORT));
    world.held(1, "recorded", "observe: bounce would run");
    assert!(world.command(&["events", "look", "1"]).status.success());
    let would = format!("bounce would send: {}", BOUNCED.join("; "));
    world.until(&["events", "list"], |events| events[0]["reason"] == would);
    assert_eq!((world.changes(0), world.ask(&["approve"]).len()), (Vec::new(), 0));
    assert_eq!(world.event(1, "recorded")["reason"], would);
    let (_, page) = world.daemon().get("/remediations/bounce");
    assert!(page.contains(&would), "{page}");
    let audit = world.ask(&["runs", "audit"]);
    assert!(audit.iter().any(|entry| entry["action"] == "look" && entry["run"].is_null()));
}

#[test]
fn a_look_that_waits_is_still_no_repair_after_a_restart() {
    let mut world = World::new(&Plan { remediations: "mode: auto", ..Plan::default() });
    assert!(world.command(&["pause"]).status.success());
    world.say(0, &down(PORT));
    world.event(1, "held");
    assert!(world.command(&["events", "look", "1"]).status.success());
    world.until(&["events", "list"], |events| {
        events[0]["state"] == "held" && events[0]["reason"].to_string().contains("paused")
    });
    // It is open: what is refused leaves it as it was.
    assert_eq!(world.command(&["events", "retry", "1"]).status.code(), Some(1));
    world.start();
    assert!(world.command(&["resume"]).status.success());
    let would = format!("bounce would send: {}", BOUNCED.join("; "));
    world.until(&["events", "list"], |events| events[0]["reason"] == would);
    assert_eq!(world.changes(0), [""; 0]);
}

#[test]
fn what_is_over_is_not_looked_at_and_keeps_how_it_ended() {
    let world = World::new(&Plan::default());
    world.say(0, &down(PORT));
    let before = world.event(1, "success");
    let refused = world.command(&["events", "look", "1"]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("event 1 cannot be looked at: ") && why.contains("is over"), "{why}");
    assert_eq!(world.ask(&["events", "list"]), [before]);
    let audit = world.ask(&["runs", "audit"]);
    assert!(!audit.iter().any(|entry| entry["action"] == "look" && entry["run"].is_null()));
}
