//! Our own machine at fault: stepped clocks, refused sends, false stamps, full queues.

use std::time::Duration;

use model::transport::{Departure, Figures};
use model::{Clock, Outcome, Reason, StampSource, TargetId, UnixNs};

use super::world::{World, ms};
use crate::ChangeKind;

const HOUR: i64 = 3_600_000_000_000;

#[test]
fn a_stepped_clock_voids_what_is_under_way_and_nothing_else() {
    for by_ns in [HOUR, -HOUR] {
        let mut world = World::icmp();
        world.stamp_after(Duration::from_micros(20));
        world.assign(1, "10.0.0.1");
        let before = world.next_packet();
        world.clock.advance(ms(5));
        world.clock.step_to(UnixNs(world.clock.now().0 + by_ns));
        world.reply(&before);
        let void = world.one_result();
        assert_eq!(void.outcome, Outcome::Unknown);
        assert_eq!(void.reason, Some(Reason::ClockStep));
        let changes = world.pilot.lane.take_changes();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].what, ChangeKind::ClockStepped { by_ns });
        let after = world.next_packet();
        world.clock.advance(ms(5));
        world.reply(&after);
        let result = world.one_result();
        assert_eq!((result.outcome, result.rtt_ns), (Outcome::Reply, Some(4_980_000)));
        assert_eq!(world.pilot.lane.counters().clock_steps, 1);
    }
}

#[test]
fn a_clock_stepped_back_delays_no_deadline() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    world.next_packet();
    world.clock.step_to(UnixNs(world.clock.now().0 - HOUR));
    world.turn();
    world.results();
    let next = world.next_packet();
    world.pass(ms(1001));
    let result = world.one_result();
    assert_eq!((result.outcome, result.sent_at), (Outcome::Lost, next.sent_at));
}

#[test]
fn refused_sends_are_unsent_and_later_probes_are_right() {
    let mut world = World::icmp();
    world.stamp_after(Duration::from_micros(20));
    world.script.lock().expect("one thread").refuse = (2, 1);
    world.assign(1, "10.0.0.1");
    world.pass(ms(6000));
    let results = world.results();
    assert_eq!(results.len(), 2);
    for (round, result) in results.iter().enumerate() {
        assert_eq!((result.outcome, result.round as usize), (Outcome::Unsent, round));
        assert_eq!(result.reason, Some(Reason::Errno(1)));
    }
    let packet = world.next_packet();
    world.clock.advance(ms(7));
    world.reply(&packet);
    assert_eq!(world.one_result().rtt_ns, Some(6_980_000));
    let counters = world.pilot.lane.counters();
    assert_eq!((counters.sent, counters.unsent), (1, 2));
    assert_eq!(counters.send_errors, [(1, 2)]);
}

#[test]
fn a_stamp_from_before_the_send_or_after_the_reply_is_thrown_away() {
    for offset in [-1_000_i64, 20_000_000] {
        let mut world = World::icmp();
        world.assign(1, "10.0.0.1");
        let packet = world.next_packet();
        let at = UnixNs(packet.sent_at.0 + offset);
        let stamp = Departure::Stamped { ticket: packet.ticket, at, source: StampSource::Kernel };
        world.script.lock().expect("one thread").stamps.push(stamp);
        world.clock.advance(ms(10));
        world.reply(&packet);
        let result = world.one_result();
        assert_eq!((result.rtt_ns, result.stamp), (Some(10_000_000), StampSource::User));
        assert_eq!(world.pilot.lane.counters().stamps_discarded, 1);
    }
}

#[test]
fn a_stamp_for_a_packet_never_sent_is_thrown_away() {
    let mut world = World::icmp();
    let at = world.clock.now();
    let stamp = Departure::Stamped { ticket: 99, at, source: StampSource::Kernel };
    world.script.lock().expect("one thread").stamps.push(stamp);
    world.turn();
    assert_eq!(world.pilot.lane.counters().stamps_discarded, 1);
}

#[test]
fn nothing_is_lost_while_replies_may_wait_in_the_queue() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    let packet = world.next_packet();
    let sent = world.clock.monotonic();
    world.clock.advance(ms(1500));
    world.turn_with(&[], sent + ms(900));
    assert_eq!(world.outcomes(), [], "the receiver has read up to 900 ms only");
    world.turn_with(&[], sent + ms(1002));
    assert_eq!(world.outcomes(), [Outcome::Lost]);
    assert_eq!(packet.to.ip(), super::world::ip("10.0.0.1"));
}

#[test]
fn an_unanswered_probe_is_unknown_when_our_own_queue_overflowed_meanwhile() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    world.next_packet();
    world.pass(ms(200));
    let overflow = Figures { receive_drops: 17, neighbour_drops: 0 };
    world.script.lock().expect("one thread").figures = overflow;
    world.pass(ms(900));
    let result = world.one_result();
    assert_eq!(result.outcome, Outcome::Unknown);
    assert_eq!(result.reason, Some(Reason::ReceiveQueueFull));
    let told = world.pilot.lane.take_changes();
    assert!(told.iter().any(|c| c.what == ChangeKind::ReceiveDrops { packets: 17 }), "{told:?}");
    world.next_packet();
    world.pass(ms(1002));
    assert_eq!(world.outcomes(), [Outcome::Lost], "the next one is lost for real");
}

#[test]
fn a_full_neighbour_table_is_never_reported_as_loss() {
    let mut world = World::icmp();
    world.assign(1, "10.0.0.1");
    world.next_packet();
    let full = Figures { receive_drops: 0, neighbour_drops: 1 };
    world.script.lock().expect("one thread").figures = full;
    world.pass(ms(1002));
    let result = world.one_result();
    assert_eq!(result.outcome, Outcome::Unknown);
    assert_eq!(result.reason, Some(Reason::NeighbourTable));
}

#[test]
fn the_neighbour_table_is_blamed_although_it_is_asked_less_often_than_deadlines_pass() {
    let mut world = World::icmp();
    world.assign_with(1, "10.0.0.1", |dead| (dead.interval, dead.timeout) = (ms(1), ms(100)));
    world.pass(ms(500));
    world.assign_with(2, "10.0.0.2", |swallowed| swallowed.phase = ms(510));
    while !world.sent().iter().any(|packet| packet.to.ip() == super::world::ip("10.0.0.2")) {
        world.pass(ms(1));
    }
    // The kernel's figures come this much later; in the meantime they were looked at each millisecond.
    world.pass(ms(40));
    let full = Figures { receive_drops: 0, neighbour_drops: 1 };
    world.script.lock().expect("one thread").figures = full;
    world.pass(ms(1002));
    let mut results = world.results();
    results.retain(|result| result.target == TargetId(2));
    assert_eq!(results.len(), 1, "{results:?}");
    assert_eq!(results[0].reason, Some(Reason::NeighbourTable));
}
