//! Pacing: spread over the interval, fair when there is too much, at once when flat out.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use model::transport::SocketKind;
use model::{Family, Outcome, Reason};

use super::world::{World, ms};
use crate::Spread;

fn fill(world: &mut World, count: u32, interval: Duration) {
    for id in 0..count {
        let to = Ipv4Addr::from(0x0a00_0000 + id).to_string();
        let phase = interval * id / count;
        world.assign_with(id, &to, |assignment| {
            assignment.interval = interval;
            assignment.phase = phase;
        });
    }
}

#[test]
fn a_hundred_thousand_targets_are_spread_evenly_over_their_interval() {
    let mut world = World::icmp();
    fill(&mut world, 100_000, ms(1000));
    let mut least = usize::MAX;
    let mut most = 0;
    let mut total = 0;
    for _ in 0..1000 {
        world.turn();
        world.clock.advance(ms(1));
        let sent = world.sent().len();
        (least, most, total) = (least.min(sent), most.max(sent), total + sent);
    }
    assert_eq!((least, most, total), (100, 100, 100_000));
    assert_eq!(world.outcomes(), [], "nothing is unsent");
}

#[test]
fn what_cannot_be_sent_in_time_is_unsent_and_never_always_the_same() {
    let mut world = World::icmp();
    fill(&mut world, 2_000, ms(100));
    let mut sent: HashMap<_, u32> = HashMap::new();
    // A machine so slow that a turn, of 512 packets at most, takes 50 ms: half of what is due.
    for _ in 0..400 {
        world.clock.advance(ms(50));
        world.pilot.turn(&[], u64::MAX).expect("the fake never fails");
        for packet in world.sent() {
            *sent.entry(packet.to.ip()).or_default() += 1;
        }
    }
    let unsent: Vec<_> =
        world.results().into_iter().filter(|r| r.outcome == Outcome::Unsent).collect();
    assert!(unsent.iter().all(|result| result.reason == Some(Reason::Overload)));
    assert!((120_000..240_000).contains(&unsent.len()), "{} unsent", unsent.len());
    assert_eq!(sent.len(), 2_000, "every target was asked");
    let least = sent.values().min().copied().unwrap_or(0);
    let most = sent.values().max().copied().unwrap_or(0);
    assert!(least > 60 && most < 150, "between {least} and {most} of 200 rounds were sent");
}

#[test]
fn flat_out_sends_a_round_at_once_and_gives_nothing_up() {
    let mut world = World::new(SocketKind::Icmp, Family::V4, Some(2), Spread::FlatOut);
    fill(&mut world, 5_000, ms(1000));
    world.turn();
    assert_eq!(world.sent().len(), 5_000);
    world.clock.advance(ms(2500));
    world.turn();
    assert_eq!(world.sent().len(), 5_000, "late by a second and a half, and yet sent");
}

#[test]
fn prompt_sends_the_first_probe_soon_and_the_others_by_the_interval() {
    let mut world = World::new(SocketKind::Icmp, Family::V4, Some(2), Spread::Prompt);
    world.clock.advance(ms(1234));
    world.assign_with(1, "10.0.0.1", |assignment| assignment.phase = ms(0));
    world.assign_with(2, "10.0.0.2", |assignment| assignment.phase = ms(2));
    world.turn();
    assert_eq!(world.sent().len(), 1, "at once, wherever in its interval that is");
    world.pass(ms(2));
    assert_eq!(world.sent().len(), 1);
    world.pass(ms(2996));
    assert!(world.sent().is_empty());
    world.pass(ms(4));
    assert_eq!(world.sent().len(), 2, "after 3 s");
}

#[test]
fn a_long_pause_is_not_made_up_for() {
    let mut world = World::icmp();
    world.assign_with(1, "10.0.0.1", |assignment| assignment.interval = ms(100));
    world.next_packet();
    world.clock.advance(Duration::from_hours(1));
    world.turn();
    let unsent = world.outcomes().iter().filter(|o| **o == Outcome::Unsent).count();
    assert_eq!(unsent, 1);
    world.sent();
    world.pass(ms(1000));
    assert_eq!(world.sent().len(), 10, "and the pace is as before");
}

#[test]
fn a_few_probes_leave_together_and_many_leave_when_they_are_due() {
    /// How often a daemon with so many targets wakes in a second, and how late a probe leaves at most.
    fn wakes(targets: u32) -> (u32, u64) {
        let mut world = World::icmp();
        fill(&mut world, targets, ms(1000));
        world.pass(ms(2000));
        world.sent();
        let (start, mut wakes, mut latest) = (world.now().ms(), 0, 0);
        while world.now().ms() < start + 1000 {
            world.turn();
            let now = world.now();
            for packet in world.sent() {
                let id = u32::from(ipv4(packet.to.ip())) - 0x0a00_0000;
                let phase = u64::from(1000 * id / targets);
                latest = latest.max((now.ms() + 1000 - phase) % 1000);
            }
            wakes += 1;
            world.clock.advance(world.pilot.lane.idle(now).max(Duration::from_nanos(1)));
        }
        (wakes, latest)
    }
    let (wakes_of_few, late_of_few) = wakes(1_000);
    assert!((45..=55).contains(&wakes_of_few), "{wakes_of_few} times awake");
    assert!(late_of_few <= 21, "{late_of_few} ms late");
    let (wakes_of_many, late_of_many) = wakes(20_000);
    assert!((900..=1_100).contains(&wakes_of_many), "{wakes_of_many} times awake");
    assert!(late_of_many <= 1, "{late_of_many} ms late");
}

fn ipv4(ip: std::net::IpAddr) -> Ipv4Addr {
    match ip {
        std::net::IpAddr::V4(ip) => ip,
        std::net::IpAddr::V6(ip) => panic!("{ip} is no IPv4 address"),
    }
}
