//! Scenes of many at once: one fault that many have is one message.

use super::*;

#[test]
fn three_of_eight_behind_a_gateway_are_one_alert_of_the_gateway() {
    let mut targets: Vec<Target> = (0..8)
        .map(|n| target(&format!("edge{n}"), &format!("r{n}"), &[("gateway", "gw1")]))
        .collect();
    targets.extend(strangers(20));
    let mut world = World::new(targets);
    world.bad("edge0");
    world.pass(40);
    assert_eq!(world.told("noc"), ["firing edge0"], "the first is told at once");
    world.bad("edge1");
    world.pass(5);
    world.bad("edge2");
    world.pass(60);
    assert_eq!(world.told("noc"), ["firing edge0", "update gateway gw1"]);
    let threads: Vec<String> = world.messages().into_iter().map(|message| message.thread).collect();
    assert_eq!(threads[0], threads[1]);
    let group = world.messages()[1].alerts[0].clone();
    assert_eq!((group.affected, group.total, group.members.len()), (3, 8, 3));
    for host in ["edge0", "edge1", "edge2"] {
        world.pass(700);
        world.good(host);
    }
    world.pass(1);
    assert_eq!(world.told("noc")[2..], ["resolved gateway gw1"]);
}

#[test]
fn onsets_more_than_five_minutes_apart_are_not_one_fault() {
    let targets = (0..8).map(|n| target(&format!("e{n}"), "r", &[])).collect();
    let mut world = World::new(targets);
    for host in ["e0", "e1", "e2"] {
        world.bad(host);
        world.pass(310);
    }
    assert_eq!(world.told("noc"), ["firing e0", "firing e1", "firing e2"]);
}

#[test]
fn a_parent_speaks_for_what_is_behind_it_whoever_is_noticed_first() {
    let child = |name: &str| Target { parent: Some("gw".into()), ..target(name, "r", &[]) };
    let mut targets = vec![target("gw", "core", &[]), child("x"), child("y")];
    targets.extend(strangers(10));
    let mut world = World::new(targets);
    world.reach("gw", Reach::Lost);
    world.down("x");
    world.pass(35);
    assert_eq!(world.told("noc"), [""; 0], "the parent is about to be noticed");
    world.down("gw");
    world.down("y");
    world.pass(60);
    assert_eq!(world.told("noc"), ["firing gw"]);
    let gateway = world.alert("gw");
    assert_eq!((gateway.affected, gateway.total), (2, 2));
    assert_eq!(world.alert("x").quiet, [QuietBy::Alert(gateway.id)]);
    world.up("x");
    world.up("gw");
    world.pass(100);
    assert_eq!(world.told("noc"), ["firing gw", "resolved gw", "firing y"], "y has a fault too");
    world.up("y");
    world.pass(1);
    assert_eq!(world.told("noc").last().unwrap(), "resolved y");
}

#[test]
fn a_site_that_loses_most_targets_at_once_says_only_that_it_cannot_see() {
    let mut world = World::new(strangers(20));
    for n in 0..15 {
        world.reach(&format!("h{n}"), Reach::Lost);
    }
    world.pass(60);
    for n in 0..15 {
        world.down(&format!("h{n}"));
    }
    world.pass(120);
    assert_eq!(world.told("noc"), ["firing site here"]);
    let site = world.messages()[0].alerts[0].clone();
    assert_eq!((site.affected, site.total, site.severity), (15, 20, Severity::Critical));
    for n in 0..15 {
        world.reach(&format!("h{n}"), Reach::Seen);
    }
    world.pass(10);
    assert_eq!(world.told("noc"), ["firing site here", "resolved site here"]);
    world.pass(300);
    for n in 0..14 {
        world.judge(n, Metric::Loss, Standing::Usual, Changed::Cleared);
    }
    world.pass(900);
    assert_eq!(world.told("noc")[2..], ["firing h14"], "what stays bad is a fault of its own");
}

#[test]
fn a_site_whose_own_probes_do_not_get_out_cannot_see_either() {
    let mut world = World::new(strangers(5));
    world.pass(60);
    for n in 0..5 {
        world.reach(&format!("h{n}"), Reach::Unknown);
    }
    world.pass(180);
    assert_eq!(world.told("noc"), ["firing site here"]);
    for n in 0..5 {
        world.reach(&format!("h{n}"), Reach::Seen);
    }
    world.pass(1200);
    assert_eq!(world.told("noc"), ["firing site here", "resolved site here"]);
}

#[test]
fn who_answers_a_moment_after_the_site_sees_again_is_not_accused() {
    let mut world = World::new(strangers(9));
    for n in 0..9 {
        world.reach(&format!("h{n}"), Reach::Lost);
    }
    world.pass(45);
    for n in 0..9 {
        world.down(&format!("h{n}"));
    }
    world.pass(300);
    for n in 0..6 {
        world.reach(&format!("h{n}"), Reach::Seen);
    }
    world.pass(3);
    for n in 6..8 {
        world.reach(&format!("h{n}"), Reach::Seen);
    }
    world.pass(240);
    assert_eq!(
        world.told("noc"),
        ["firing site here", "resolved site here", "firing h8"],
        "who does not answer has a fault of his own"
    );
}

#[test]
fn a_restart_right_after_the_site_sees_again_accuses_nobody_of_what_was_lost() {
    let mut world = World::new(strangers(20));
    let lost = world.now;
    for n in 0..15 {
        world.reach(&format!("h{n}"), Reach::Lost);
    }
    world.pass(180);
    for n in 0..15 {
        world.reach(&format!("h{n}"), Reach::Seen);
    }
    world.pass(10);
    assert_eq!(world.told("noc"), ["firing site here", "resolved site here"]);
    world.restart();
    for n in 0..20 {
        world.reach(&format!("h{n}"), Reach::Seen);
    }
    let standing = |since| Standing::Firing { since, rule: Rule::Down };
    for n in 0..15 {
        world.judge(n, Metric::Loss, standing(lost), Changed::Raised);
    }
    world.judge(19, Metric::Loss, standing(world.now), Changed::Raised);
    world.pass(300);
    assert_eq!(world.told("noc")[2..], ["firing h19"], "what began later is a fault of its own");
    for n in 0..14 {
        world.judge(n, Metric::Loss, Standing::Usual, Changed::Cleared);
    }
    world.pass(900);
    assert_eq!(world.told("noc")[3..], ["firing h14"], "what stays bad is one too");
}

#[test]
fn a_site_that_cannot_see_when_it_starts_anew_still_says_only_that() {
    let mut world = World::new(strangers(9));
    for n in 0..8 {
        world.reach(&format!("h{n}"), Reach::Lost);
    }
    world.pass(60);
    world.restart();
    for n in 0..8 {
        world.reach(&format!("h{n}"), Reach::Never);
        world.down_again(n);
    }
    world.pass(3600);
    assert_eq!(world.told("noc"), ["firing site here"]);
    for n in 0..8 {
        world.up(&format!("h{n}"));
    }
    world.reach("h8", Reach::Seen);
    world.pass(2000);
    assert_eq!(world.told("noc")[1..], ["resolved site here"]);
}

#[test]
fn a_gateway_lost_with_all_behind_it_is_the_sites_fault_even_where_there_are_only_two() {
    let targets = vec![target("gw", "lan", &[("role", "gateway")]), target("far", "world", &[])];
    let mut world = World::new(targets);
    world.down("gw");
    world.down("far");
    world.pass(200);
    assert_eq!(world.told("noc"), ["firing site here"]);
}

#[test]
fn ten_thousand_alerts_in_a_minute_are_at_most_twenty_messages() {
    let mut world = World::new(strangers(10_000));
    for n in 0..10_000 {
        world.bad_at(n, Metric::Rtt);
        if n % 167 == 0 {
            world.pass(1);
        }
    }
    world.pass(400);
    let told = world.messages();
    assert!(told.len() <= 3, "{} messages", told.len());
    let last = told.last().unwrap();
    assert_eq!(last.open + told[0].open, 10_000, "the very first came alone");
    assert_eq!(last.alerts.len(), Message::ALERTS);
    for n in 0..10_000 {
        world.judge(n, Metric::Rtt, Standing::Usual, Changed::Cleared);
    }
    world.pass(400);
    let told = world.messages();
    assert!(told.len() <= 20, "{} messages", told.len());
    assert_eq!(told.last().unwrap().kind, MessageKind::Resolved);
    let notices: Vec<Notice> = world.memory.notices.lock().unwrap().values().cloned().collect();
    assert_eq!(check_threads(notices), Ok(true));
}

#[test]
fn a_slow_storm_is_bounded_too() {
    let mut world = World::new(strangers(1_500));
    for n in 0..800 {
        world.bad_at(n, Metric::Rtt);
        world.pass(1);
    }
    world.pass(600);
    let told = world.messages().len();
    assert!(told <= 20, "{told} messages");
}

#[test]
fn neighbours_are_counted_when_the_message_is_written_not_when_the_alert_was_raised() {
    let targets = (0..8).map(|n| target(&format!("t{n}"), "r", &[("gateway", "gw1")])).collect();
    let mut world = World::new(targets);
    world.bad("t0");
    assert_eq!(affected(&world.alert("t0")), (1, 8));
    world.pass(10);
    world.bad("t1");
    world.pass(30);
    let first = world.messages().into_iter().find(|message| message.alerts[0].id.0 == 1);
    assert_eq!(affected(&first.expect("it was told").alerts[0]), (2, 8));
    world.good("t1");
    world.pass(1);
    world.good("t0");
    world.pass(1);
    assert_eq!(affected(&world.alert("t0")), (2, 8), "what is over keeps what was said");
}

/// Of those behind its gateway, how many are bad and how many there are.
fn affected(alert: &Alert) -> (u32, u32) {
    let gateway = alert.neighbours.iter().find(|neighbours| neighbours.tag == "gateway");
    gateway.map(|gateway| (gateway.affected, gateway.total)).expect("it has a gateway")
}
