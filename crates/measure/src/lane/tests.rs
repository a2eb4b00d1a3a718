//! The state machine on a clock that is set by hand and a network that records.

mod faults;
mod pace;
mod reprobe;
mod world;

use std::time::Duration;

use model::transport::SocketKind;
use model::{Family, Outcome, Reason, StampSource};

use self::world::{World, ms};
use crate::Spread;

#[test]
fn a_reply_has_the_rtt_between_the_two_kernel_stamps() {
    let mut world = World::icmp();
    world.stamp_after(Duration::from_micros(30));
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    world.clock.advance(ms(10));
    world.reply(&packet);
    let result = world.one_result();
    assert_eq!((result.outcome, result.round), (Outcome::Reply, 0));
    assert_eq!(result.rtt_ns, Some(10_000_000 - 30_000));
    assert_eq!(result.stamp, StampSource::Kernel);
    assert_eq!(result.sent_at, packet.sent_at + Duration::from_micros(30));
}

#[test]
fn without_a_kernel_stamp_our_own_clock_serves_and_is_marked() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    world.clock.advance(ms(10));
    world.reply(&packet);
    let result = world.one_result();
    assert_eq!((result.rtt_ns, result.stamp), (Some(10_000_000), StampSource::User));
}

#[test]
fn an_answer_after_the_deadline_is_lost_first_and_late_then() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    world.pass(ms(1002));
    assert_eq!(world.outcomes(), [Outcome::Lost]);
    world.clock.advance(ms(498));
    world.reply(&packet);
    let late = world.one_result();
    assert_eq!((late.outcome, late.rtt_ns), (Outcome::Late, Some(1_500_000_000)));
    world.reply(&packet);
    assert_eq!(world.outcomes(), [Outcome::Duplicate], "the second answer to a lost probe");
}

#[test]
fn a_late_answer_that_comes_before_its_loss_was_noticed_makes_both_reports() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    world.clock.advance(ms(1200));
    world.reply(&packet);
    assert_eq!(world.outcomes(), [Outcome::Lost, Outcome::Late]);
}

#[test]
fn a_second_answer_is_a_duplicate() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    world.clock.advance(ms(3));
    world.reply(&packet);
    world.clock.advance(ms(1));
    world.reply(&packet);
    assert_eq!(world.outcomes(), [Outcome::Reply, Outcome::Duplicate]);
    let counters = world.pilot.lane.counters();
    assert_eq!((counters.received, counters.duplicate, counters.in_flight), (1, 1, 0));
}

#[test]
fn a_reply_from_another_address_is_foreign_and_answers_nothing() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    world.clock.advance(ms(3));
    world.reply_from(&packet, "10.0.0.2");
    assert_eq!(world.outcomes(), []);
    assert_eq!(world.pilot.lane.counters().foreign, 1);
    world.pass(ms(1000));
    assert_eq!(world.outcomes(), [Outcome::Lost]);
}

#[test]
fn an_icmp_error_says_who_reported_what() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    world.assign(2, "10.0.0.2");
    let packets = world.packets(ms(50));
    let second = packets.iter().find(|packet| packet.to.ip() == world::ip("10.0.0.2"));
    world.error_about(second.expect("sent"), "10.9.9.9", 3, 1);
    let result = world.results().into_iter().find(|result| result.target.0 == 2);
    let result = result.expect("a report");
    assert_eq!(result.outcome, Outcome::Unreachable);
    let from = world::ip("10.9.9.9");
    assert_eq!(result.reason, Some(Reason::Icmp { from, kind: 3, code: 1 }));
    assert_eq!(result.rtt_ns, None);
}

#[test]
fn probes_too_small_for_a_cookie_are_told_apart_by_address() {
    let mut world = World::icmp();
    world.assign_with(1, "10.0.0.1", |assignment| world::set_size(assignment, 8));
    world.assign_with(2, "10.0.0.2", |assignment| world::set_size(assignment, 0));
    let packets = world.packets(ms(50));
    assert_eq!(packets.len(), 2);
    for packet in &packets {
        world.reply_from(packet, "10.0.0.3");
    }
    assert_eq!(world.outcomes(), [], "from an address that was not asked");
}

#[test]
fn a_small_probe_is_answered() {
    let mut world = World::icmp();
    world.assign_with(1, "10.0.0.1", |assignment| world::set_size(assignment, 8));
    let packet = world.next_packet();
    assert_eq!(packet.bytes.len(), 16);
    world.clock.advance(ms(3));
    world.reply(&packet);
    assert_eq!(world.outcomes(), [Outcome::Reply]);
}

#[test]
fn syn_ack_is_a_reply_reset_is_refused_and_another_port_is_foreign() {
    let mut world = World::new(SocketKind::TcpSyn, Family::V4, None, Spread::Placed);
    world.assign(1, "10.0.0.1:80");
    let first = world.next_packet();
    assert_eq!(first.from, Some(world::ip("10.0.0.100")), "the source its checksum rests on");
    world.clock.advance(ms(2));
    world.tcp_answer(&first, 81, false);
    assert_eq!(world.outcomes(), [], "from a port that was not asked");
    world.tcp_answer(&first, 80, false);
    assert_eq!(world.outcomes(), [Outcome::Reply]);
    let second = world.next_packet();
    world.tcp_answer(&second, 80, true);
    assert_eq!(world.outcomes(), [Outcome::Refused]);
    assert_eq!(world.pilot.lane.counters().received, 2);
}

#[test]
fn a_syn_without_a_route_is_unsent() {
    let mut world = World::new(SocketKind::TcpSyn, Family::V4, None, Spread::Placed);
    world.assign_with(1, "10.0.0.1:80", |assignment| assignment.from = None);
    world.pass(ms(3000));
    let result = world.one_result();
    assert_eq!(result.outcome, Outcome::Unsent);
    assert_eq!(result.reason, Some(Reason::Errno(nix::errno::Errno::ENETUNREACH as i32)));
    assert!(world.sent().is_empty());
}

#[test]
fn ipv6_is_asked_and_answered() {
    let mut world = World::new(SocketKind::Icmp, Family::V6, None, Spread::Placed);
    world.assign(1, "2001:db8::1");
    let packet = world.next_packet();
    world.clock.advance(ms(4));
    world.reply(&packet);
    assert_eq!(world.outcomes(), [Outcome::Reply]);
}

#[test]
fn the_timeout_does_not_depend_on_the_interval() {
    let mut world = World::icmp();
    world.assign_with(1, "10.0.0.1", |assignment| assignment.interval = ms(100));
    let first = world.next_packet();
    let more = world.packets(ms(850));
    assert!(more.len() >= 8, "{} more are under way", more.len());
    assert_eq!(world.outcomes(), []);
    world.reply(&first);
    let result = world.one_result();
    assert_eq!((result.round, result.outcome), (0, Outcome::Reply));
}

#[test]
fn a_new_address_keeps_the_round_and_the_answers_under_way() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let old = world.next_packet();
    world.assign(1, "10.0.0.9");
    world.reply_from(&old, "10.0.0.9");
    assert_eq!(world.outcomes(), [], "the new address was not asked yet");
    world.reply(&old);
    assert_eq!(world.outcomes(), [Outcome::Reply], "from the old address");
    let new = world.next_packet();
    assert_eq!(new.to.ip(), world::ip("10.0.0.9"));
    world.reply(&new);
    assert_eq!(world.one_result().round, 1);
}

#[test]
fn a_removed_target_is_reported_no_more_and_another_takes_its_place() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    world.remove(1);
    world.reply(&packet);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.outcomes(), []);
    assert_eq!(world.sent().len(), 0);
    world.assign(2, "10.0.0.2");
    let packet = world.next_packet();
    world.reply(&packet);
    let result = world.one_result();
    assert_eq!((result.target.0, result.round, result.outcome), (2, 0, Outcome::Reply));
}

#[test]
fn a_run_with_rounds_ends_when_the_last_probe_has_its_outcome() {
    let mut world = World::new(SocketKind::Icmp, Family::V4, Some(2), Spread::Placed);
    world.assign(1, "10.0.0.1");
    world.pilot.lane.complete();
    let first = world.next_packet();
    world.reply(&first);
    world.next_packet();
    assert!(!world.pilot.lane.is_done());
    world.pass(ms(1002));
    assert!(world.pilot.lane.is_done());
    assert_eq!(world.outcomes(), [Outcome::Reply, Outcome::Lost]);
}
