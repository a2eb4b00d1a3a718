//! Hours of faults at accelerated time, in which every alert is accounted for: each fault that lasts is
//! told, once, and its end too; nothing else is. `NETMEND_SOAK_HOURS` makes it longer.

use super::*;

/// A fault of one target.
#[derive(Clone, Copy, Debug)]
struct Fault {
    place: usize,
    /// Minutes after the start.
    from: u64,
    until: u64,
    /// An outage, or RTTs so many times as long.
    times: Option<f64>,
}

/// Minutes of learning before the first fault.
const LEARN: u64 = 240;
/// Minutes within which a fault must be told.
const FOUND: u64 = 20;
/// Minutes after a fault within which its end must be told.
const OVER: u64 = 45;

/// A fault every so often, on one target after the other, so that each can be told from the others.
fn faults(hours: u64, targets: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut at, mut number) = (LEARN, 0_usize);
    while at + 140 < LEARN + hours * 60 {
        let length = [25, 40, 60, 30][number % 4];
        let times = [None, Some(4.0), Some(3.0), None, Some(6.0)][number % 5];
        faults.push(Fault { place: number * 5 % targets, from: at, until: at + length, times });
        at += 130;
        number += 1;
    }
    faults
}

#[test]
fn each_fault_is_told_once_and_its_end_too_and_nothing_else_is() {
    let hours = std::env::var("NETMEND_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let hours: u64 = hours.unwrap_or(8);
    let folder = tempfile::tempdir().unwrap();
    let targets: Vec<Target> =
        (0..12).map(|n| host(&format!("h{n}"), &format!("r{}", n % 4))).collect();
    let faults = faults(hours, targets.len());
    let clock = clock();
    let mut stages = Stages::start(folder.path(), targets.clone(), Arc::clone(&clock));
    for minute in 0..LEARN + hours * 60 {
        let now: Vec<&Fault> =
            faults.iter().filter(|fault| (fault.from..fault.until).contains(&minute)).collect();
        let rtt = |place: usize| {
            let usual = 15.0 + place as f64 * 3.0;
            let fault = now.iter().find(|fault| fault.place == place);
            fault.map_or(Some(usual), |fault| fault.times.map(|times| usual * times))
        };
        stages.minutes(1, rtt);
        // A restart now and then, in the midst of whatever happens.
        if minute % 170 == 169 {
            stages.judging.keep_now();
            stages = {
                drop(stages);
                Stages::start(folder.path(), targets.clone(), Arc::clone(&clock))
            };
        }
    }
    let minute = |at: UnixMs| ((at.0 - START) / 60_000).cast_unsigned();
    let notices = stages.notices();
    let mut accounted = vec![false; notices.len()];
    for fault in &faults {
        let name = format!("h{}", fault.place);
        let mut told = |from, until, wanted: &[MessageKind]| {
            let found = notices.iter().enumerate().find(|(_, notice)| {
                let at = minute(notice.message.at);
                wanted.contains(&notice.message.kind)
                    && (from..until).contains(&at)
                    && notice.message.alerts[0].subject.to_string() == name
            });
            found.map(|(place, _)| accounted[place] = true).is_some()
        };
        assert!(
            told(fault.from, fault.from + FOUND, &[MessageKind::Firing]),
            "not told: {fault:?}"
        );
        let end = [MessageKind::Resolved, MessageKind::Accepted];
        assert!(told(fault.until, fault.until + OVER, &end), "no end: {fault:?}");
    }
    for (notice, accounted) in notices.iter().zip(accounted) {
        let update = notice.message.kind == MessageKind::Update;
        let words = |alert: &Alert| format!("{} since {}", alert.subject, minute(alert.since));
        let what: Vec<String> = notice.message.alerts.iter().map(words).collect();
        let at = minute(notice.message.at);
        assert!(accounted || update, "{} at minute {at}: {what:?}", notice.message.kind);
    }
    assert!(stages.alerts().iter().all(|alert| alert.state != AlertState::Firing));
    assert_eq!(stages.alerts().len(), faults.len(), "one alert a fault");
}
