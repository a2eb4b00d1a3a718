//! The schedule, driven by hand.

use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a failure could")]
fn found() -> Result {
    Ok(Arc::from(["192.0.2.1:0".parse().unwrap()]))
}

fn no_answer() -> Result {
    Err(temporary("n", "no answer"))
}

/// A schedule with names `n0`, `n1`, ... for targets 0, 1, ...
fn watching(names: u32, limits: Limits) -> Schedule {
    let mut schedule = Schedule::new(limits);
    for number in 0..names {
        schedule.watch(TargetId(number), &format!("n{number}"), Family::V4, at(0));
    }
    schedule
}

fn start_all(schedule: &mut Schedule, now: Duration) -> Vec<Job> {
    std::iter::from_fn(|| schedule.start(now)).collect()
}

fn finish(schedule: &mut Schedule, job: &Job, result: Result, now: Duration) -> Vec<TargetId> {
    let mut told = Vec::new();
    schedule.finish(job.name, result, now, |target, _, _| told.push(target));
    told
}

fn expire(schedule: &mut Schedule, now: Duration) -> usize {
    let mut told = 0;
    schedule.expire(now, |_, _, result| {
        assert!(matches!(result, Err(ResolveError::Temporary { .. })));
        told += 1;
    });
    told
}

#[test]
fn a_name_is_looked_up_at_once_and_again_within_half_to_one_and_a_half_intervals() {
    let mut schedule = watching(1, Limits::default());
    let job = schedule.start(at(0)).unwrap();
    assert_eq!((&*job.host, job.family), ("n0", Family::V4));
    assert_eq!(finish(&mut schedule, &job, found(), at(1)), [TargetId(0)]);
    expire(&mut schedule, at(10));
    let next = schedule.next_event().unwrap();
    assert!((at(31)..=at(91)).contains(&next), "{next:?}");
    assert!(schedule.start(next.saturating_sub(at(1))).is_none());
    let job = schedule.start(next).unwrap();
    finish(&mut schedule, &job, found(), next);
    expire(&mut schedule, next + at(10));
    assert_eq!(schedule.next_event(), Some(next + at(60)), "once in its phase it stays there");
}

#[test]
fn names_looked_up_at_the_same_time_are_spread_from_then_on() {
    let limits = Limits { prompt: 10_000, all: 10_000, ..Limits::default() };
    let mut schedule = watching(6_000, limits);
    for job in start_all(&mut schedule, at(0)) {
        finish(&mut schedule, &job, found(), at(0));
    }
    let mut busiest = 0;
    for second in 1..=90 {
        let jobs = start_all(&mut schedule, at(second));
        busiest = busiest.max(jobs.len());
        for job in jobs {
            finish(&mut schedule, &job, found(), at(second));
        }
    }
    assert!((100..200).contains(&busiest), "6000 names in 60 s, at most {busiest} in one second");
}

#[test]
fn a_failed_lookup_is_tried_again_sooner_and_less_often_each_time() {
    let mut schedule = watching(1, Limits::default());
    let not_found = || Err(ResolveError::NotFound { host: "n0".into(), family: Family::V4 });
    let mut now = at(0);
    let mut gaps = Vec::new();
    for _ in 0..4 {
        let job = schedule.start(now).unwrap();
        finish(&mut schedule, &job, not_found(), now);
        expire(&mut schedule, now + at(5));
        let next = schedule.next_event().unwrap();
        gaps.push(next.saturating_sub(now).as_secs());
        now = next;
    }
    assert_eq!(gaps, [5, 10, 20, 40]);
}

#[test]
fn at_most_as_many_lookups_run_as_there_are_slots() {
    let mut schedule = watching(100, Limits::default());
    let jobs = start_all(&mut schedule, at(0));
    assert_eq!(jobs.len(), 16);
    finish(&mut schedule, &jobs[0], found(), at(1));
    assert_eq!(start_all(&mut schedule, at(1)).len(), 1);
}

#[test]
fn lookups_that_hang_are_reported_once_and_make_room_up_to_the_bound() {
    let mut schedule = watching(100, Limits::default());
    start_all(&mut schedule, at(0));
    assert_eq!(expire(&mut schedule, at(4)), 0);
    assert_eq!(expire(&mut schedule, at(5)), 16);
    assert_eq!(expire(&mut schedule, at(6)), 0);
    assert_eq!(start_all(&mut schedule, at(6)).len(), 16, "the lane moves on");
    assert_eq!(expire(&mut schedule, at(12)), 16);
    assert_eq!(start_all(&mut schedule, at(12)).len(), 16);
    assert_eq!(expire(&mut schedule, at(18)), 16);
    assert_eq!(start_all(&mut schedule, at(18)).len(), 0, "48 threads are the bound");
}

#[test]
fn names_whose_lookups_hang_wait_for_each_other_and_not_for_the_rest() {
    let mut schedule = watching(40, Limits { prompt: 40, slow: 8, all: 48, ..Limits::default() });
    for job in start_all(&mut schedule, at(0)) {
        finish(&mut schedule, &job, no_answer(), at(1));
    }
    // They are due again, and take the slow lane's slots only.
    assert_eq!(start_all(&mut schedule, at(10)).len(), 8);
    assert_eq!(expire(&mut schedule, at(15)), 8);
    assert_eq!(start_all(&mut schedule, at(15)).len(), 0, "a hanging lookup keeps its slow slot");
    schedule.watch(TargetId(900), "new.example", Family::V4, at(15));
    let job = schedule.start(at(15)).unwrap();
    assert_eq!(&*job.host, "new.example");
}

#[test]
fn an_answer_after_the_deadline_still_counts() {
    let mut schedule = watching(1, Limits::default());
    let job = schedule.start(at(0)).unwrap();
    assert_eq!(expire(&mut schedule, at(5)), 1);
    assert_eq!(finish(&mut schedule, &job, found(), at(9)), [TargetId(0)]);
    assert_eq!(schedule.overdue, 0);
}

#[test]
fn targets_with_the_same_host_share_a_lookup_and_a_late_comer_gets_its_answer() {
    let mut schedule = watching(1, Limits::default());
    schedule.watch(TargetId(1), "n0", Family::V4, at(0));
    let jobs = start_all(&mut schedule, at(0));
    assert_eq!(jobs.len(), 1);
    assert_eq!(finish(&mut schedule, &jobs[0], found(), at(1)), [TargetId(0), TargetId(1)]);
    let known = schedule.watch(TargetId(2), "n0", Family::V4, at(2));
    assert_eq!(known, Some((Arc::from("n0"), found())));
    assert_eq!(schedule.watch(TargetId(3), "n0", Family::V6, at(2)), None, "another family");
}

#[test]
fn a_forgotten_name_is_freed_where_it_is() {
    let mut schedule = watching(3, Limits { prompt: 1, ..Limits::default() });
    let job = schedule.start(at(0)).unwrap();
    for number in 0..3 {
        schedule.forget(TargetId(number));
    }
    assert!(finish(&mut schedule, &job, found(), at(1)).is_empty());
    assert!(schedule.start(at(1)).is_none());
    assert!(schedule.by_host.is_empty() && schedule.by_target.is_empty());
    assert_eq!(schedule.free.len(), 3);
    schedule.watch(TargetId(7), "again", Family::V4, at(2));
    assert_eq!((&*schedule.start(at(2)).unwrap().host, schedule.names.len()), ("again", 3));
}

#[test]
fn a_target_that_changes_its_host_leaves_the_old_name() {
    let mut schedule = watching(1, Limits::default());
    let job = schedule.start(at(0)).unwrap();
    schedule.watch(TargetId(0), "other", Family::V4, at(0));
    assert!(finish(&mut schedule, &job, found(), at(1)).is_empty());
    assert_eq!(&*schedule.start(at(1)).unwrap().host, "other");
}

#[test]
fn a_hundred_thousand_names_are_planned_without_a_slow_step() {
    let mut schedule = watching(100_000, Limits { prompt: 64, all: 100, ..Limits::default() });
    let mut done = 0;
    while let Some(job) = schedule.start(at(0)) {
        done += finish(&mut schedule, &job, found(), at(0)).len();
    }
    assert_eq!(done, 100_000);
}
