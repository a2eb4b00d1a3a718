//! The course on a way that is made by hand: time and answers are given.

use std::net::SocketAddr;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A way of routers with their addresses' last bytes; 0 is silent. The target is behind the last.
struct Way {
    routers: Vec<u8>,
    reaches: bool,
}

fn target() -> SocketAddr {
    "192.0.2.1:0".parse().expect("an address")
}

fn router(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

/// Runs a trace in which hop N answers after N ms; the path, and which distance was asked when.
fn run(way: &Way, change: impl Fn(&mut Request)) -> (Path, Vec<(u128, u8)>) {
    let mut request = Request::new(target());
    change(&mut request);
    let mut course = Course::new(&request, UnixMs(0), Method::IcmpRaw);
    let mut now = Duration::from_secs(1);
    let mut asked = Vec::new();
    let mut flying: Vec<(Duration, u32, u8)> = Vec::new();
    let wall = |at: Duration| UnixNs(at.as_nanos() as i64);
    loop {
        flying.retain(|&(at, slot, distance)| {
            if at > now {
                return true;
            }
            match way.routers.get(usize::from(distance) - 1) {
                Some(0) => {}
                Some(&last) => {
                    let said = Said::Error { kind: 11, code: 0 };
                    course.heard(slot, router(last), wall(at), said);
                }
                None if way.reaches => course.heard(slot, target().ip(), wall(at), Said::Answer),
                None => {}
            }
            false
        });
        match course.step(now) {
            Step::Send { slot, distance } => {
                asked.push((now.as_millis() - 1_000, distance));
                course.sent(slot, now, wall(now), wall(now));
                flying.push((now + MS * u32::from(distance), slot, distance));
            }
            Step::Wait(wait) => now += wait.min(MS),
            Step::Done => return (course.finish(None).expect("sent"), asked),
        }
    }
}

#[test]
fn a_path_is_asked_to_its_end_and_no_further() {
    let (path, asked) = run(&Way { routers: vec![1, 2, 3], reaches: true }, |_| ());
    assert_eq!(path.end, PathEnd::Reached);
    assert_eq!(path.hops.len(), 4);
    assert_eq!(path.hops[2].answers[0].from, router(3));
    let rtt = path.hops[2].answers[0].rtt_us.expect("known");
    assert_eq!((rtt.min, rtt.mean, rtt.max), (3_000, 3_000, 3_000));
    assert!(path.hops.iter().all(|hop| (hop.sent, hop.answers[0].count) == (3, 3)));
    assert_eq!(asked.len(), 12, "{asked:?}");
    let starts: Vec<u128> = asked.iter().filter(|(_, d)| *d == 1).map(|(at, _)| *at).collect();
    assert_eq!(starts, [0, 500, 1_000]);
    assert_eq!(asked[3].0 - asked[0].0, 60, "one probe each 20 ms");
}

#[test]
fn a_silent_hop_is_a_hop_and_its_loss_is_100_percent() {
    let (path, _) = run(&Way { routers: vec![1, 0, 3], reaches: true }, |_| ());
    assert_eq!(path.end, PathEnd::Reached);
    assert!(path.hops[1].answers.is_empty());
    assert!((path.hops[1].loss_pct() - 100.0).abs() < 1e-9);
}

#[test]
fn a_way_that_ends_in_silence_costs_the_first_round_alone() {
    let (path, asked) = run(&Way { routers: vec![1, 2], reaches: false }, |_| ());
    assert_eq!((path.end, path.hops.len()), (PathEnd::Silent, 2));
    assert_eq!(asked.len(), 30 + 5 + 5, "{asked:?}");
    let (path, _) = run(&Way { routers: vec![], reaches: false }, |_| ());
    assert_eq!((path.end, path.hops.len()), (PathEnd::Silent, 0));
}

#[test]
fn an_error_that_ends_the_way_says_who_and_what() {
    let request = Request::new(target());
    let mut course = Course::new(&request, UnixMs(0), Method::IcmpRaw);
    for wanted in 1..=3 {
        let now = MS * 20 * wanted;
        let Step::Send { slot, distance } = course.step(now) else { panic!("due") };
        let at = UnixNs(now.as_nanos() as i64);
        course.sent(slot, now, at, at);
        let kind = if distance < 2 { 11 } else { 3 };
        course.heard(slot, router(distance.min(2)), at, Said::Error { kind, code: 1 });
        if distance == 2 {
            break;
        }
    }
    let path = course.finish(None).expect("sent");
    let from = router(2);
    assert_eq!(path.end, PathEnd::Unreachable { from, kind: 3, code: 1 });
    assert_eq!(path.hops.len(), 2);
}

#[test]
fn probes_that_our_kernel_refuses_are_an_error_with_its_words() {
    let mut course = Course::new(&Request::new(target()), UnixMs(0), Method::IcmpRaw);
    let mut now = Duration::ZERO;
    loop {
        match course.step(now) {
            Step::Send { slot, .. } => course.refused(slot, now, libc::EPERM),
            Step::Wait(wait) => now += wait,
            Step::Done => break,
        }
    }
    assert_eq!(course.finish(None), Err(libc::EPERM));
}

#[test]
fn answers_to_probes_never_sent_and_second_answers_change_nothing() {
    let mut course = Course::new(&Request::new(target()), UnixMs(0), Method::IcmpRaw);
    course.heard(7, router(9), UnixNs(5), Said::Answer);
    let Step::Send { slot, .. } = course.step(Duration::ZERO) else { panic!("due") };
    course.sent(slot, Duration::ZERO, UnixNs(10), UnixNs(10));
    course.heard(slot, router(1), UnixNs(1_010), Said::Error { kind: 11, code: 0 });
    course.heard(slot, router(2), UnixNs(2_010), Said::Answer);
    let path = course.finish(None).expect("sent");
    assert_eq!(path.hops.len(), 1);
    assert_eq!(path.hops[0].answers.len(), 1);
    assert_eq!(path.hops[0].answers[0].rtt_us.map(|rtt| rtt.min), Some(1));
}
