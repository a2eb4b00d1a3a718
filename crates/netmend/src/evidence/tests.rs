//! The queue on a clock set by hand, and the workers on a network that is made up and a real store.

use std::net::IpAddr;

use model::path::{Hop, HopAnswer, HopRtt};
use model::{ManualClock, Method, PathEnd, UnixNs};
use store::Store;

use super::*;

/// A field of so many targets; those with an odd number are not well.
struct Fake {
    count: u128,
    /// Last byte of the second hop, or nothing answers.
    second: Mutex<Option<u8>>,
    traced: Condvar,
    done: Mutex<u32>,
}

impl Fake {
    fn new(count: u128) -> Self {
        let (second, traced) = (Mutex::new(Some(2)), Condvar::new());
        Self { count, second, traced, done: Mutex::new(0) }
    }
}

impl Field for Fake {
    fn all(&self) -> Vec<SeriesId> {
        (0..self.count).map(SeriesId).collect()
    }

    fn place(&self, rtt: SeriesId) -> Option<Place> {
        (rtt.0 < self.count).then(|| Place {
            name: format!("host{}", rtt.0),
            to: "192.0.2.1:0".parse().expect("an address"),
            packet: PacketOptions::default(),
            well: rtt.0.is_multiple_of(2),
        })
    }

    fn trace(&self, _: &Place, _: &AtomicBool) -> Result<Path, String> {
        *self.done.lock().expect("no panics") += 1;
        self.traced.notify_all();
        let second = *self.second.lock().expect("no panics");
        second.map(path).ok_or_else(|| "no socket".to_owned())
    }
}

impl Witness for Fake {
    fn known(&self) -> (Arc<Inventory>, Arc<Meanings>) {
        (Arc::default(), Arc::default())
    }

    fn tell(&self, alert: AlertId, clues: Vec<Clue>) {
        panic!("no device is known that could have said {clues:?} about {alert}");
    }
}

fn path(second: u8) -> Path {
    let hop = |distance, last| Hop {
        distance,
        sent: 3,
        answers: vec![HopAnswer {
            from: IpAddr::from([10, 0, 0, last]),
            count: 3,
            rtt_us: Some(HopRtt { min: 1, mean: 2, max: 3 }),
        }],
    };
    Path {
        at: START,
        from: None,
        to: "192.0.2.1".parse().expect("an address"),
        port: None,
        method: Method::IcmpRaw,
        rounds: 3,
        hops: vec![hop(1, 1), hop(2, second)],
        end: PathEnd::Reached,
    }
}

pub(super) const START: UnixMs = UnixMs(1_800_000_000_000);

/// All that is traced at this moment, each done at once.
fn drain(queue: &mut Queue, now: UnixMs, field: &Fake) -> Vec<Job> {
    let mut jobs = Vec::new();
    while let Some(job) = queue.next(now, field) {
        queue.done(job);
        jobs.push(job);
    }
    jobs
}

#[test]
fn a_storm_of_alerts_is_a_few_traces_a_minute_and_what_is_left_out_is_known() {
    let mut queue = Queue::new(HashMap::new());
    let field = Fake::new(10_000);
    let taken = (0..10_000).filter(|&n| queue.raised(AlertId(n), SeriesId(u128::from(n)))).count();
    assert_eq!(taken, 60);
    assert_eq!(drain(&mut queue, START, &field).len(), 30);
    assert_eq!(drain(&mut queue, START + Duration::from_secs(59), &field).len(), 0);
    let later = drain(&mut queue, START + Duration::from_secs(61), &field);
    assert_eq!(later.len(), 30);
    assert!(later.iter().all(|job| matches!(job, Job::Alert(..))), "alerts go first");
}

#[test]
fn every_target_that_is_well_is_traced_once_a_day_and_no_other() {
    let mut queue = Queue::new(HashMap::from([(SeriesId(4), START)]));
    let field = Fake::new(40);
    let mut times: HashMap<SeriesId, Vec<i64>> = HashMap::new();
    for minute in 0..3 * 1_440 {
        let now = START + Duration::from_mins(minute) + Duration::from_secs(1);
        let jobs = drain(&mut queue, now, &field);
        assert!(jobs.len() <= 10);
        for job in jobs {
            times.entry(job.target()).or_default().push(now.0 - START.0);
        }
    }
    assert_eq!(times.len(), 20, "{:?}", times.keys());
    assert!(times.keys().all(|target| target.0.is_multiple_of(2)));
    assert!(times.iter().filter(|(target, _)| target.0 != 4).all(|(_, at)| at.len() == 3));
    assert!(times[&SeriesId(4)][0] > 86_000_000, "it had been traced before the start");
}

#[test]
fn a_clock_set_back_stops_no_trace() {
    let mut queue = Queue::new(HashMap::new());
    let field = Fake::new(2);
    assert_eq!(drain(&mut queue, START, &field), [Job::Good(SeriesId(0))]);
    let before = START - Duration::from_hours(24 * 365);
    assert_eq!(drain(&mut queue, before, &field), [Job::Good(SeriesId(0))]);
}

#[test]
fn a_raised_alert_is_compared_with_the_path_of_a_good_day_and_kept_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock: Arc<ManualClock> = Arc::new(ManualClock::new(UnixNs(START.0 * 1_000_000)));
    let store = Store::open(folder.path(), clock.clone()).expect("a store");
    let field = Arc::new(Fake::new(1));
    let wait = |least: u32| {
        let done = field.done.lock().expect("no panics");
        let wait = Duration::from_mins(1);
        let (done, late) =
            field.traced.wait_timeout_while(done, wait, |done| *done < least).expect("no panics");
        assert!(!late.timed_out(), "{done} traces");
    };
    let evidence = Evidence::start(
        (Arc::clone(&field) as _, Arc::clone(&field) as _),
        store.state(),
        clock.clone(),
        Arc::default(),
    )
    .expect("threads");
    wait(1);
    drop(evidence);
    *field.second.lock().expect("no panics") = Some(9);
    assert_eq!(good_path(&*store.state(), SeriesId(0)).expect("read"), Some(path(2)));

    let old = Alert { raised: START - Duration::from_hours(1), ..alert(1, SeriesId(0)) };
    for raised in [old, alert(17, SeriesId(0))] {
        store.state().apply(vec![Change::Alert(Box::new(raised))]).expect("stored");
    }
    let evidence = Evidence::start(
        (Arc::clone(&field) as _, Arc::clone(&field) as _),
        store.state(),
        clock.clone(),
        Arc::default(),
    );
    wait(2);
    drop(evidence);
    assert_eq!(of_alert(&*store.state(), AlertId(1)).expect("read"), None, "long ago");
    let moment = of_alert(&*store.state(), AlertId(17)).expect("read").expect("stored");
    assert_eq!(moment.path, Some(path(9)));
    assert_eq!(
        moment.sentence(),
        "Compared with the path while all was well, hop 2 is 10.0.0.9 now, was 10.0.0.2"
    );
}

#[test]
fn what_could_not_be_traced_says_why() {
    let moment = Moment {
        at: START,
        target: "h".to_owned(),
        path: None,
        failed: Some("no socket".to_owned()),
        good: None,
        change: None,
    };
    assert_eq!(moment.sentence(), "The path could not be traced: no socket");
    let first = Moment { failed: None, path: Some(path(2)), ..moment };
    assert_eq!(
        first.sentence(),
        "The path reaches the target after 2 hops; there is none from before"
    );
}

/// An alert about a target.
pub(super) fn alert(id: u64, target: SeriesId) -> Alert {
    let subject = model::alert::TargetSubject {
        series: target,
        host: "h".to_owned(),
        region: "r".to_owned(),
        protocol: model::Protocol::Icmp,
        family: model::Family::V4,
        tags: std::collections::BTreeMap::new(),
        parent: None,
    };
    Alert::new(AlertId(id), Subject::Target(subject), model::Severity::Critical, START)
}
