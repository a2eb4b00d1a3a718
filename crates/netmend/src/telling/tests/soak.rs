//! Hours of faults at accelerated time, in which every alert is accounted for: each fault that lasts is
//! told, once, and its end too; nothing else is. `NETMEND_SOAK_HOURS` makes it longer; the account is printed.

use std::cell::Cell;

use super::*;

/// A fault of one target.
#[derive(Clone, Copy, Debug)]
struct Fault {
    place: usize,
    /// Minutes after the start.
    from: u64,
    until: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// No probe is answered.
    Outage,
    /// Three probes of ten are lost.
    Loss,
    /// RTTs are so many times as long.
    Rise(f64),
    /// RTTs are up to 60 ms longer, each by another time.
    Jitter,
    /// RTTs are four times as long for two minutes, which is nobody's business.
    Blip,
}

/// Minutes of learning before the first fault.
const LEARN: u64 = 240;
/// Minutes within which a fault must be told.
const FOUND: u64 = 20;
/// Minutes after a fault within which its end must be told.
const OVER: u64 = 45;
/// Faults that may overlap: each has targets of its own.
const LANES: usize = 3;
/// Minutes from fault to fault of a lane.
const APART: u64 = 130;
const TARGETS: usize = 12;

/// A fault every so often, of all kinds and of random lengths, on one target after the other, so that each
/// can be told from the others.
fn faults(hours: u64) -> Vec<Fault> {
    let kinds = [
        What::Outage,
        What::Rise(4.0),
        What::Loss,
        What::Blip,
        What::Jitter,
        What::Rise(2.5),
        What::Outage,
    ];
    let (mut faults, mut random) = (Vec::new(), 1_u64);
    for number in 0.. {
        let (lane, round) = (number % LANES, number / LANES);
        let from = LEARN + APART * round as u64 + 41 * lane as u64;
        if from + APART + 10 >= LEARN + hours * 60 {
            break;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let what = kinds[number % kinds.len()];
        let length = if what == What::Blip { 2 } else { 20 + (random >> 33) % 45 };
        let place = lane + LANES * (round % (TARGETS / LANES));
        faults.push(Fault { place, from, until: from + length, what });
    }
    faults
}

/// RTTs as the faults make them.
fn rtt(place: usize, fault: Option<What>, random: &Cell<u64>) -> Option<f64> {
    let usual = 15.0 + place as f64 * 3.0;
    random.set(random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    let luck = random.get() >> 33;
    match fault {
        Some(What::Outage) => None,
        Some(What::Loss) => (luck % 10 >= 3).then_some(usual),
        Some(What::Rise(times)) => Some(usual * times),
        Some(What::Blip) => Some(usual * 4.0),
        Some(What::Jitter) => Some(usual + (luck % 60) as f64),
        None => Some(usual),
    }
}

#[test]
fn each_fault_is_told_once_and_its_end_too_and_nothing_else_is() {
    let hours = std::env::var("NETMEND_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let hours: u64 = hours.unwrap_or(12);
    let folder = tempfile::tempdir().unwrap();
    let targets: Vec<Target> =
        (0..TARGETS).map(|n| host(&format!("h{n}"), &format!("r{}", n % 4))).collect();
    let faults = faults(hours);
    let (clock, random) = (clock(), Cell::new(1));
    let mut stages = Stages::start(folder.path(), targets.clone(), Arc::clone(&clock));
    for minute in 0..LEARN + hours * 60 {
        let now: Vec<&Fault> =
            faults.iter().filter(|fault| (fault.from..fault.until).contains(&minute)).collect();
        let what = |place| now.iter().find(|fault| fault.place == place).map(|fault| fault.what);
        stages.minutes(1, |place| rtt(place, what(place), &random));
        // A restart now and then, in the midst of whatever happens.
        if minute % 170 == 169 {
            stages.judging.keep_now();
            stages = {
                drop(stages);
                Stages::start(folder.path(), targets.clone(), Arc::clone(&clock))
            };
        }
    }
    account(&stages.notices(), &faults, hours);
    assert!(stages.alerts().iter().all(|alert| alert.state != AlertState::Firing));
    let told = stages.alerts().iter().filter(|alert| alert.told).count();
    let lasting = faults.iter().filter(|fault| fault.what != What::Blip).count();
    assert_eq!(told, lasting, "one alert a fault");
}

/// That each fault was told and its end too, and nothing else; prints when.
fn account(notices: &[Notice], faults: &[Fault], hours: u64) {
    let minute = |at: UnixMs| ((at.0 - START) / 60_000).cast_unsigned();
    let mut accounted = vec![false; notices.len()];
    for fault in faults {
        let name = format!("h{}", fault.place);
        let mut told = |from, until, wanted: &[MessageKind]| {
            let place = notices.iter().position(|notice| {
                let at = minute(notice.message.at);
                wanted.contains(&notice.message.kind)
                    && (from..until).contains(&at)
                    && notice.message.alerts[0].subject.to_string() == name
            })?;
            accounted[place] = true;
            Some((notices[place].message.at.0 - START) as f64 / 60_000.0 - from as f64)
        };
        let start = told(fault.from, fault.from + FOUND, &[MessageKind::Firing]);
        let end = [MessageKind::Resolved, MessageKind::Accepted];
        let end = told(fault.until, fault.until + OVER, &end);
        let (hour, past) = (fault.from / 60, fault.from % 60);
        let (length, what) = (fault.until - fault.from, fault.what);
        let head = format!("{hour:3}:{past:02}  {name:4} {length:3} min  {what:?}");
        match (start, end) {
            (Some(start), Some(end)) => {
                println!("{head}: told after {start:.1} min, its end after {end:.1} min");
            }
            _ => println!("{head}: told to nobody"),
        }
        let wanted = what != What::Blip;
        assert_eq!((start.is_some(), end.is_some()), (wanted, wanted), "{fault:?}");
    }
    for (notice, accounted) in notices.iter().zip(&accounted) {
        let update = notice.message.kind == MessageKind::Update;
        let words = |alert: &Alert| format!("{} since {}", alert.subject, minute(alert.since));
        let what: Vec<String> = notice.message.alerts.iter().map(words).collect();
        let at = minute(notice.message.at);
        assert!(*accounted || update, "{} at minute {at}: {what:?}", notice.message.kind);
    }
    let (all, told) = (notices.len(), accounted.iter().filter(|accounted| **accounted).count());
    let updates = all - told;
    println!(
        "{hours} h, {} faults: {told} messages of their beginnings and ends, {updates} updates, \
         nothing else",
        faults.len()
    );
}
