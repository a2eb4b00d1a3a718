//! Targets that fall silent are asked each second, as far as their address may be.

use std::net::Ipv4Addr;
use std::time::Duration;

use model::Outcome;

use super::world::{Packet, World, ms};

/// Assigns a target and hears its first probe answered.
fn answering(world: &mut World, id: u32, to: &str, interval: Duration) -> Packet {
    world.assign_with(id, to, |assignment| assignment.interval = interval);
    let first = loop {
        world.pass(ms(1));
        if let Some(packet) = world.sent().pop() {
            break packet;
        }
    };
    world.reply(&first);
    assert_eq!(world.outcomes(), [Outcome::Reply]);
    first
}

/// Milliseconds from the first of these packets to each.
fn times(packets: &[Packet]) -> Vec<i64> {
    let first = packets.first().map_or(0, |packet| packet.sent_at.0);
    packets.iter().map(|packet| (packet.sent_at.0 - first) / 1_000_000).collect()
}

#[test]
fn an_outage_has_fifty_seconds_of_losses_within_a_minute_however_slow_the_interval() {
    for interval in [3, 10, 60, 300] {
        let mut world = World::icmp();
        answering(&mut world, 1, "10.0.0.1", Duration::from_secs(interval));
        world.pass(Duration::from_secs(interval).checked_sub(ms(10)).unwrap());
        let packets = world.packets(Duration::from_mins(1));
        let times = times(&packets);
        let lost = world.outcomes().iter().filter(|outcome| **outcome == Outcome::Lost).count();
        assert!(lost >= 5, "{lost} losses at an interval of {interval} s: {times:?}");
        let span = times[lost - 1];
        assert!(span >= 50_000, "over {span} ms at an interval of {interval} s: {times:?}");
    }
}

#[test]
fn after_two_losses_it_is_asked_each_second_for_a_minute_and_then_as_before() {
    let mut world = World::icmp();
    let first = answering(&mut world, 1, "10.0.0.1", ms(9_500));
    let packets = world.packets(Duration::from_mins(2));
    let seconds: Vec<i64> =
        packets.iter().map(|packet| (packet.sent_at.0 - first.sent_at.0) / 1_000_000).collect();
    assert_eq!(seconds[..4], [9_500, 19_000, 20_001, 21_001], "{seconds:?}");
    let gaps: Vec<i64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let fast = gaps.iter().filter(|gap| (1_000..=1_002).contains(*gap)).count();
    assert!((59..=61).contains(&fast), "{fast} in {gaps:?}");
    let after: Vec<i64> = seconds.iter().copied().filter(|at| *at > 81_500).collect();
    assert_eq!(after, [85_500, 95_000, 104_500, 114_000], "on its own grid again");
}

#[test]
fn an_answer_ends_it_and_the_next_silence_begins_it_anew() {
    let mut world = World::icmp();
    let first = answering(&mut world, 1, "10.0.0.1", Duration::from_secs(10));
    for _ in 0..2 {
        world.pass(Duration::from_secs(25));
        let last = world.sent().pop().expect("asked each second by now");
        world.reply(&last);
        let next = world.next_packet();
        let since = next.sent_at.since(first.sent_at) / 1_000_000;
        assert_eq!(since % 10_000, 0, "back on its grid");
        world.reply(&next);
    }
}

#[test]
fn an_address_is_never_asked_more_than_twice_a_second_by_all_its_targets() {
    let mut world = World::icmp();
    let interval = ms(4_000);
    for id in 0..6 {
        world.count_rate("10.0.0.1", 0.25);
        world.assign_with(id, "10.0.0.1", |assignment| {
            assignment.interval = interval;
            assignment.phase = interval * id / 6;
        });
    }
    let packets = world.packets(Duration::from_mins(2));
    let times = times(&packets);
    for from in (0..110_000).step_by(1_000) {
        let within = times.iter().filter(|at| (from..from + 10_000).contains(*at)).count();
        assert!(within <= 21, "{within} in the 10 s from {from} ms");
    }
    assert!(times.len() > 180, "and what is left is used: {} probes", times.len());
}

#[test]
fn a_change_of_address_begins_with_a_clean_slate() {
    let mut world = World::icmp();
    answering(&mut world, 1, "10.0.0.1", Duration::from_secs(10));
    world.pass(Duration::from_secs(25));
    world.sent();
    world.assign_with(1, "10.0.0.2", |assignment| assignment.interval = Duration::from_secs(10));
    let packets = world.packets(Duration::from_secs(9));
    assert!(packets.len() <= 1, "{:?}", times(&packets));
}

#[test]
fn a_removed_target_is_asked_no_more() {
    let mut world = World::icmp();
    answering(&mut world, 1, "10.0.0.1", Duration::from_secs(10));
    world.pass(Duration::from_secs(25));
    world.remove(1);
    world.sent();
    assert!(world.packets(Duration::from_secs(30)).is_empty());
}

#[test]
fn when_everything_falls_silent_a_thousand_are_asked_so_and_no_flood_begins() {
    let mut world = World::icmp();
    let interval = Duration::from_mins(1);
    for id in 0..20_000 {
        let to = Ipv4Addr::from(0x0a00_0000 + id).to_string();
        world.assign_with(id, &to, |assignment| {
            assignment.interval = interval;
            assignment.phase = interval * id / 20_000;
        });
    }
    let sent = world.packets(Duration::from_secs(20)).len();
    // 333 a second regularly; a thousand more at most.
    assert!((10_000..=20 * 1_350).contains(&sent), "{sent} in 20 s");
}
