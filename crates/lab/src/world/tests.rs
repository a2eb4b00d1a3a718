//! Every behaviour of every shipped scenario, and that no bytes at all make the world panic.

use super::*;
use crate::packet::{checksum, message_mut, pseudo_sum, restore_checksum, write_segment};

const HERE: [&str; 2] = ["10.255.0.1", "fd00:ffff::1"];

/// An answer as it arrived.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    due: Duration,
    bytes: Vec<u8>,
}

impl Answer {
    fn from(&self) -> IpAddr {
        let v4 = |b: &[u8]| IpAddr::from(<[u8; 4]>::try_from(b).unwrap());
        let v6 = |b: &[u8]| IpAddr::from(<[u8; 16]>::try_from(b).unwrap());
        if self.is_v4() { v4(&self.bytes[12..16]) } else { v6(&self.bytes[8..24]) }
    }

    fn is_v4(&self) -> bool {
        self.bytes[0] >> 4 == 4
    }

    fn message(&self) -> &[u8] {
        &self.bytes[if self.is_v4() { 20 } else { 40 }..]
    }

    fn protocol(&self) -> u8 {
        self.bytes[if self.is_v4() { 9 } else { 6 }]
    }

    fn sum_is_right(&self) -> bool {
        let here = HERE[usize::from(!self.is_v4())].parse().unwrap();
        let pseudo = pseudo_sum(self.from(), here, self.protocol(), self.message().len());
        checksum(self.message(), if self.protocol() == 1 { 0 } else { pseudo }) == 0
    }

    /// ICMP type and code.
    fn icmp(&self) -> (u8, u8) {
        (self.message()[0], self.message()[1])
    }
}

struct Bench {
    world: World,
    now: Duration,
}

impl Bench {
    fn of(name: &str) -> Self {
        Self { world: World::new(Scenario::named(name).unwrap()), now: Duration::ZERO }
    }

    fn send(&mut self, packet: &[u8]) -> Vec<Answer> {
        let mut answers = Vec::new();
        self.world.answer(packet, self.now, &mut |due, bytes| {
            answers.push(Answer { due, bytes: bytes.to_vec() });
        });
        answers
    }

    fn ping(&mut self, to: &str) -> Vec<Answer> {
        self.send(&echo_request(to, 7, 1))
    }

    fn syn(&mut self, to: &str, port: u16) -> Vec<Answer> {
        self.send(&segment(to, port, SYN, 1000))
    }
}

/// The address of `HERE` of the same family.
fn here(to: IpAddr) -> IpAddr {
    HERE[usize::from(to.is_ipv6())].parse().unwrap()
}

fn echo_request(to: &str, id: u16, sequence: u16) -> Vec<u8> {
    let to: IpAddr = to.parse().unwrap();
    let [[a, b], [c, d]] = [id.to_be_bytes(), sequence.to_be_bytes()];
    let mut out = Vec::new();
    packet::write_echo_reply(&mut out, here(to), to, &[a, b, c, d, 1, 2, 3, 4, 5, 6, 7, 8]);
    message_mut(&mut out)[0] = if to.is_ipv4() { 8 } else { 128 };
    restore_checksum(&mut out);
    out
}

fn segment(to: &str, port: u16, flags: u8, sequence: u32) -> Vec<u8> {
    let to: IpAddr = to.parse().unwrap();
    let mut out = Vec::new();
    let segment = Segment { source_port: 61_000, port, sequence, acknowledged: 77, flags, data: 0 };
    write_segment(&mut out, here(to), to, &segment);
    out
}

fn only(answers: Vec<Answer>) -> Answer {
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_iter().next().unwrap()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn bench_a_host_echoes_what_it_was_sent_after_its_delay() {
    let mut bench = Bench::of("bench");
    bench.now = ms(500);
    for (to, kind) in [("10.64.1.2", 0), ("fd00:64::1:2", 129)] {
        let answer = only(bench.ping(to));
        assert_eq!(answer.due, ms(510));
        assert_eq!(answer.from(), to.parse::<IpAddr>().unwrap());
        assert_eq!(answer.icmp(), (kind, 0));
        assert_eq!(answer.message()[4..], [0, 7, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(answer.sum_is_right());
    }
    assert_eq!((bench.world.counters().echo_requests, bench.world.counters().echo_replies), (2, 2));
}

#[test]
fn bench_each_of_16_kinds_has_its_delay() {
    let mut bench = Bench::of("bench");
    for (last, at_least, at_most) in [
        (0, 0, 0),
        (3, 1, 1),
        (6, 10, 10),
        (10, 200, 200),
        (11, 20, 120),
        (12, 10, 30),
        (14, 10, 40),
    ] {
        let due = only(bench.ping(&format!("10.65.9.{}", 16 + last))).due;
        assert!(ms(at_least) <= due && due <= ms(at_most), "{last}: {due:?}");
    }
    let due = only(bench.ping("fd00:65::101")).due;
    assert_eq!(due, Duration::from_micros(100));
}

#[test]
fn bench_losses_are_as_frequent_as_written() {
    let mut bench = Bench::of("bench");
    for (to, expected) in [("10.65.0.13", 1000), ("10.65.0.15", 5000), ("10.68.0.1", 1000)] {
        let lost = (0..10_000).filter(|_| bench.ping(to).is_empty()).count();
        // Five standard deviations of a binomial distribution at most.
        assert!(lost.abs_diff(expected) < 250, "{to}: {lost}");
    }
    assert!((0..100).all(|_| bench.ping("10.66.0.1").is_empty()));
    assert!(bench.syn("10.66.0.1", 80).is_empty());
}

#[test]
fn bench_doubled_answers_are_the_same_twice() {
    let answers = Bench::of("bench").ping("10.69.0.1");
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn the_same_packets_in_the_same_order_meet_the_same_fate() {
    let fates = || {
        let mut bench = Bench::of("bench");
        (0..200).map(|n| bench.ping(&format!("10.65.0.{n}"))).collect::<Vec<_>>()
    };
    assert_eq!(fates(), fates());
}

#[test]
fn ports_open_reset_and_silent_answer_as_rfc_9293_says() {
    let mut bench = Bench::of("ports");
    for to in ["10.75.0.1", "fd00:75:0::1"] {
        for port in [22, 443, 8000, 8099] {
            let answer = only(bench.syn(to, port));
            assert!(answer.sum_is_right());
            let tcp = answer.message();
            assert_eq!(tcp[13], SYN | ACK, "{port}");
            assert_eq!(tcp[8..12], 1001_u32.to_be_bytes());
            assert_eq!([tcp[0], tcp[1]], port.to_be_bytes());
            assert_eq!(bench.syn(to, port)[0].bytes, answer.bytes, "a retransmitted SYN");
        }
        let refused = only(bench.syn(to, 23));
        assert_eq!(refused.message()[13], RST | ACK);
        assert_eq!(refused.message()[8..12], 1001_u32.to_be_bytes());
        assert!(bench.syn(to, 3306).is_empty());
    }
    assert_eq!((bench.world.counters().accepted, bench.world.counters().refused), (16, 2));
}

#[test]
fn ports_a_connection_ends_in_order() {
    let mut bench = Bench::of("ports");
    let fin = only(bench.send(&segment("10.75.0.1", 443, FIN | ACK, 5000)));
    assert_eq!(fin.message()[13], FIN | ACK);
    assert_eq!(fin.message()[4..8], 77_u32.to_be_bytes());
    assert_eq!(fin.message()[8..12], 5001_u32.to_be_bytes());
    assert!(bench.send(&segment("10.75.0.1", 443, RST, 5000)).is_empty());
    assert!(bench.send(&segment("10.75.0.1", 443, ACK, 5000)).is_empty());
}

#[test]
fn ports_a_host_may_answer_tcp_alone_and_a_tarpit_takes_its_time() {
    let mut bench = Bench::of("ports");
    assert!(bench.ping("10.75.1.1").is_empty());
    assert_eq!(only(bench.syn("10.75.1.1", 443)).due, ms(3));
    assert!(bench.syn("10.75.1.1", 444).is_empty());
    assert!(only(bench.syn("10.75.2.1", 9)).due >= ms(100));
    assert_eq!(only(bench.syn("10.75.2.1", 25)).message()[13], RST | ACK);
}

#[test]
fn hostile_somebody_else_answers() {
    let mut bench = Bench::of("hostile");
    for (to, from) in [("10.72.0.1", "10.72.255.1"), ("fd00:72:0::1", "fd00:72:ffff::1")] {
        for answer in [only(bench.ping(to)), only(bench.syn(to, 80))] {
            assert_eq!(answer.from(), from.parse::<IpAddr>().unwrap());
            assert!(answer.sum_is_right());
        }
    }
}

#[test]
fn hostile_damage_is_what_it_is_called() {
    let mut bench = Bench::of("hostile");
    for prefix in ["10.72.{}.1", "fd00:72:{}::1"] {
        let to = |n: u8| prefix.replace("{}", &n.to_string());
        assert_eq!(only(bench.ping(&to(1))).message().len(), 6);

        assert!(!only(bench.ping(&to(2))).sum_is_right());
        assert!(!only(bench.syn(&to(2), 80)).sum_is_right());

        let payload = only(bench.ping(&to(3)));
        assert!(payload.sum_is_right());
        assert_eq!(payload.message()[4..8], [0, 7, 0, 1]);
        assert_eq!(payload.message()[8], 1 ^ 0xa5);

        let identifier = only(bench.ping(&to(4)));
        assert!(identifier.sum_is_right());
        assert_eq!(identifier.message()[4..8], [0x80, 7, 0, 1]);
        let port = only(bench.syn(&to(4), 80));
        assert!(port.sum_is_right());
        assert_eq!(port.message()[2..4], (61_000_u16 - (1 << 15)).to_be_bytes());

        assert_ne!(bench.ping(&to(5)), bench.ping(&to(5)));
        assert!(!only(bench.ping(&to(5))).sum_is_right());
    }
    assert_eq!(bench.world.counters().damaged, 18);
}

#[test]
fn hostile_answers_come_again_and_late() {
    let mut bench = Bench::of("hostile");
    assert_eq!(bench.ping("10.72.6.1").len(), 3);
    let dues: Vec<_> = (0..1000).map(|_| only(bench.ping("10.72.7.1")).due).collect();
    let late = dues.iter().filter(|due| **due == ms(3001)).count();
    assert_eq!(dues.iter().filter(|due| **due == ms(1)).count() + late, 1000);
    assert!(late.abs_diff(200) < 65, "{late}");
}

#[test]
fn routers_report_with_type_and_code_and_quote_the_packet() {
    let mut bench = Bench::of("routers");
    for (net, v4, v6, quote) in [
        (0, (3, 0), (1, 0), usize::MAX),
        (1, (3, 1), (1, 3), 8),
        (2, (3, 13), (1, 1), usize::MAX),
        (3, (11, 0), (3, 0), 8),
        (4, (3, 4), (2, 0), usize::MAX),
    ] {
        for (to, icmp, header) in
            [(format!("10.74.{net}.9"), v4, 20), (format!("fd00:74:{net}::9"), v6, 40)]
        {
            let request = echo_request(&to, 7, 1);
            let answer = only(bench.send(&request));
            assert_eq!(answer.icmp(), icmp, "{to}");
            assert!(answer.sum_is_right() && answer.from() != to.parse::<IpAddr>().unwrap());
            let quoted = quote.saturating_add(header).min(request.len());
            assert_eq!(answer.message()[8..], request[..quoted], "{to}");
        }
    }
    let mtu = only(bench.ping("10.74.4.9")).message()[4..8].to_vec();
    assert_eq!(mtu, 1280_u32.to_be_bytes());
    let reported = (0..1000).filter(|_| !bench.syn("10.74.5.9", 80).is_empty()).count();
    assert!(reported.abs_diff(500) < 80, "{reported}");
}

#[test]
fn outage_hosts_go_and_come_back_when_the_scenario_says() {
    let mut bench = Bench::of("outage");
    let mut at = |seconds: u64, to: &str| {
        bench.now = Duration::from_secs(seconds);
        bench
            .ping(to)
            .first()
            .map(|answer| (answer.icmp().0, answer.due.saturating_sub(bench.now).as_millis()))
    };
    let near = |found: Option<(u8, u128)>, ms: u128| {
        found.is_some_and(|(kind, delay)| kind == 0 && delay.abs_diff(ms) <= 6)
    };
    assert!(near(at(9, "10.73.0.1"), 20));
    assert_eq!(at(10, "10.73.0.1"), None);
    assert_eq!(at(29, "fd00:73:0::1"), None);
    assert!(near(at(30, "10.73.0.1"), 60));
    assert!(near(at(60, "10.73.0.1"), 20));

    assert_eq!(at(19, "10.73.1.1"), Some((0, 15)));
    assert!(at(21, "10.73.1.1").is_none_or(|(_, delay)| delay >= 15));

    for cycle in [0, 10, 1000] {
        assert_eq!(at(cycle + 7, "10.73.2.1"), Some((0, 5)));
        assert_eq!(at(cycle + 8, "10.73.2.1").map(|(kind, _)| kind), Some(3));
    }
}

#[test]
fn what_no_host_answers_is_counted_and_left_alone() {
    let mut bench = Bench::of("bench");
    assert!(bench.ping("192.0.2.1").is_empty());
    assert!(bench.send(&[]).is_empty() && bench.send(&[0x45; 19]).is_empty());
    let mut udp = echo_request("10.64.0.1", 1, 1);
    udp[9] = 17;
    assert!(bench.send(&udp).is_empty(), "the header checksum is wrong now");
    let counters = bench.world.counters();
    assert_eq!((counters.ignored, counters.malformed), (1, 3));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that look like a packet to the world, and then some that are wrong.
    fn near_packets() -> impl Strategy<Value = Vec<u8>> {
        let to = prop::sample::select(vec![
            "10.64.0.1",
            "10.72.1.1",
            "10.72.3.1",
            "10.72.4.1",
            "10.72.5.1",
            "10.74.1.1",
            "10.74.2.1",
            "10.75.0.1",
            "fd00:72:3::1",
            "fd00:74:1::1",
            "fd00:75:0::1",
        ]);
        let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        (to, any::<bool>(), any::<u8>(), any::<u16>(), flips, any::<bool>()).prop_map(
            |(to, tcp, flags, port, flips, mend)| {
                let mut bytes =
                    if tcp { segment(to, port, flags, 1) } else { echo_request(to, port, 1) };
                for (at, value) in flips {
                    let at = at.index(bytes.len());
                    bytes[at] = value;
                }
                // Half of them get a checksum that matches again, to reach what lies behind it.
                if mend && bytes[0] >> 4 == 4 && bytes.len() >= 40 {
                    restore_checksum(&mut bytes);
                }
                bytes
            },
        )
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_world_panic_and_all_answers_are_whole_packets(
            packets in prop::collection::vec(
                prop_oneof![near_packets(), prop::collection::vec(any::<u8>(), 0..200)], 1..20),
            seconds in 0_u64..100,
        ) {
            for name in Scenario::shipped() {
                let mut bench = Bench::of(name);
                bench.now = Duration::from_secs(seconds);
                for packet in &packets {
                    for answer in bench.send(packet) {
                        prop_assert!(answer.due >= bench.now);
                        let claimed = if answer.is_v4() {
                            usize::from(u16::from_be_bytes([answer.bytes[2], answer.bytes[3]]))
                        } else {
                            40 + usize::from(u16::from_be_bytes([answer.bytes[4], answer.bytes[5]]))
                        };
                        prop_assert_eq!(claimed, answer.bytes.len());
                    }
                }
            }
        }
    }
}
