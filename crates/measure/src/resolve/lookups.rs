//! Keeps the addresses of watched names fresh: a few threads that may hang in the resolver, and one that
//! tells them what is due and notices when they hang. Nothing here ever blocks a prober.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::{Clock, Family, TargetId};

use super::schedule::{Job, Schedule};
use super::{Limits, Resolve, ResolveError, literal, temporary};

/// A lookup thread with nothing to do ends after this long.
const IDLE: Duration = Duration::from_secs(90);
/// The C library's resolver and its plug-ins are modest, but not as modest as musl's default.
const STACK: usize = 512 * 1024;

/// What is known of a target's host now. A lookup that failed says so and does not take back what an
/// earlier one found; that is for the receiver to decide.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The target that watches the host.
    pub target: TargetId,
    /// The host that was looked up: an answer may cross with a change of the target's host.
    pub host: Arc<str>,
    /// Addresses as in [`Resolve::resolve`], or why there are none.
    pub addresses: Result<Arc<[SocketAddr]>, ResolveError>,
}

/// The lookups of all targets. Dropping it ends them; threads that hang in the resolver end when it
/// lets go of them.
pub struct Lookups {
    shared: Arc<Shared>,
    manager: Option<JoinHandle<()>>,
}

struct Shared {
    resolver: Arc<dyn Resolve>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// There is a job, or the end.
    work: Condvar,
    /// The schedule has changed, or the end.
    change: Condvar,
}

struct State {
    schedule: Schedule,
    jobs: VecDeque<Job>,
    /// Lookup threads, and those of them that wait for a job.
    threads: usize,
    idle: usize,
    answers: mpsc::Sender<Answer>,
    stopped: bool,
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups")
            .field("threads", &self.shared.lock().threads)
            .finish_non_exhaustive()
    }
}

impl Lookups {
    /// Starts with nothing to watch. An error means that the system gives us no thread.
    pub fn start(
        resolver: Arc<dyn Resolve>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> io::Result<(Self, mpsc::Receiver<Answer>)> {
        let (answers, receiver) = mpsc::channel();
        let state = State {
            schedule: Schedule::new(limits),
            jobs: VecDeque::new(),
            threads: 0,
            idle: 0,
            answers,
            stopped: false,
        };
        let shared = Arc::new(Shared {
            resolver,
            clock,
            state: Mutex::new(state),
            work: Condvar::new(),
            change: Condvar::new(),
        });
        let manager = {
            let shared = shared.clone();
            thread::Builder::new().name("names".into()).spawn(move || shared.manage())?
        };
        Ok((Self { shared, manager: Some(manager) }, receiver))
    }

    /// Watches the hosts of these targets, in place of what they watched before. Addresses that are written
    /// out and need no device are answered at once and for good.
    pub fn watch<'a>(&self, targets: impl IntoIterator<Item = (TargetId, &'a str, Family)>) {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.lock();
        for (target, host, family) in targets {
            let fixed = if host.contains('%') { None } else { literal(host, family) };
            if let Some(address) = fixed {
                state.schedule.forget(target);
                let addresses = address.map(|address| Arc::from([address]));
                state.answer(Answer { target, host: Arc::from(host), addresses });
            } else if let Some((host, addresses)) = state.schedule.watch(target, host, family, now)
            {
                state.answer(Answer { target, host, addresses });
            }
        }
        drop(state);
        self.shared.change.notify_one();
    }

    /// Watches nothing for these targets any more.
    pub fn forget(&self, targets: impl IntoIterator<Item = TargetId>) {
        let mut state = self.shared.lock();
        for target in targets {
            state.schedule.forget(target);
        }
    }
}

impl Drop for Lookups {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.change.notify_all();
        self.shared.work.notify_all();
        if let Some(manager) = self.manager.take() {
            // It never blocks on the resolver; if it panicked there is nothing left to end.
            let _ended = manager.join();
        }
    }
}

impl State {
    fn answer(&self, answer: Answer) {
        // The receiver is gone when the prober is being dropped: nobody wants to know.
        let _unwanted = self.answers.send(answer);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    /// Hands out what is due and reports what hangs.
    fn manage(self: &Arc<Self>) {
        let mut state = self.lock();
        while !state.stopped {
            let now = self.clock.monotonic();
            let State { schedule, answers, .. } = &mut *state;
            schedule.expire(now, |target, host, addresses| {
                let answer = Answer { target, host: host.clone(), addresses: addresses.clone() };
                let _unwanted = answers.send(answer);
            });
            while let Some(job) = state.schedule.start(now) {
                state.jobs.push_back(job);
                self.find_thread(&mut state);
            }
            let wait = state.schedule.next_event().map(|at| at.saturating_sub(now));
            state = match wait {
                Some(wait) => {
                    self.change.wait_timeout(state, wait).expect("no holder of it can panic").0
                }
                None => self.change.wait(state).expect("no holder of it can panic"),
            };
        }
    }

    /// Wakes a thread that waits, or starts one. If the system gives us none, those at work will come.
    fn find_thread(self: &Arc<Self>, state: &mut State) {
        if state.idle >= state.jobs.len() {
            self.work.notify_one();
            return;
        }
        let shared = self.clone();
        let builder = thread::Builder::new().name("lookup".into()).stack_size(STACK);
        match builder.spawn(move || shared.look_up()) {
            Ok(_detached) => state.threads += 1,
            Err(error) => {
                tracing::warn!(%error, threads = state.threads, "cannot start a DNS lookup thread");
                if state.threads == 0 {
                    self.fail_jobs(state, &error);
                }
            }
        }
    }

    /// Without any thread the names fail for now, and are tried again later.
    fn fail_jobs(&self, state: &mut State, error: &io::Error) {
        let now = self.clock.monotonic();
        while let Some(job) = state.jobs.pop_front() {
            let failed = Err(temporary(&job.host, format!("no thread for the lookup: {error}")));
            finish(state, &job, failed, now);
        }
    }

    /// One lookup thread: it may hang in the resolver for as long as that likes.
    fn look_up(&self) {
        let mut state = self.lock();
        while !state.stopped {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                let found = self.resolver.resolve(&job.host, job.family).map(Arc::from);
                let now = self.clock.monotonic();
                state = self.lock();
                finish(&mut state, &job, found, now);
                self.change.notify_one();
                continue;
            }
            state.idle += 1;
            let (woken, timeout) =
                self.work.wait_timeout(state, IDLE).expect("no holder of it can panic");
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

fn finish(
    state: &mut State,
    job: &Job,
    found: Result<Arc<[SocketAddr]>, ResolveError>,
    now: Duration,
) {
    let State { schedule, answers, .. } = state;
    schedule.finish(job.name, found, now, |target, host, addresses| {
        let answer = Answer { target, host: host.clone(), addresses: addresses.clone() };
        let _unwanted = answers.send(answer);
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use model::SystemClock;

    use super::*;

    /// Answers `NUMBER.example` with 192.0.2.NUMBER; at `hangs` it meets the test at the gate twice, when
    /// it begins and to be let go.
    #[derive(Debug)]
    struct Fake {
        gate: Barrier,
    }

    impl Resolve for Fake {
        fn resolve(&self, host: &str, family: Family) -> Result<Vec<SocketAddr>, ResolveError> {
            if host == "hangs" {
                self.gate.wait();
                self.gate.wait();
            }
            let number = host.strip_suffix(".example").and_then(|number| number.parse().ok());
            let number: u8 = number.ok_or_else(|| not_found(host, family))?;
            Ok(vec![SocketAddr::from(([192, 0, 2, number], 0))])
        }
    }

    fn not_found(host: &str, family: Family) -> ResolveError {
        ResolveError::NotFound { host: host.to_owned(), family }
    }

    fn lookups(limits: Limits) -> (Lookups, mpsc::Receiver<Answer>, Arc<Fake>) {
        let fake = Arc::new(Fake { gate: Barrier::new(2) });
        let (lookups, answers) =
            Lookups::start(fake.clone(), Arc::new(SystemClock), limits).unwrap();
        (lookups, answers, fake)
    }

    #[test]
    fn each_target_gets_the_answer_of_its_name() {
        let (lookups, answers, _) = lookups(Limits::default());
        let hosts: Vec<_> = (0..200).map(|number| format!("{number}.example")).collect();
        let targets = (0..).zip(&hosts).map(|(id, host)| (TargetId(id), host.as_str(), Family::V4));
        lookups.watch(targets);
        for answer in answers.iter().take(200) {
            let expected = SocketAddr::from(([192, 0, 2, answer.target.0 as u8], 0));
            assert_eq!(&*answer.addresses.unwrap(), &[expected]);
            assert_eq!(*answer.host, hosts[answer.target.0 as usize]);
        }
    }

    #[test]
    fn a_lookup_that_hangs_stops_no_other_and_its_late_answer_comes() {
        let limits = Limits { prompt: 1, deadline: Duration::ZERO, ..Limits::default() };
        let (lookups, answers, fake) = lookups(limits);
        lookups.watch([(TargetId(0), "hangs", Family::V4)]);
        fake.gate.wait();
        lookups.watch([(TargetId(1), "1.example", Family::V4)]);
        let other = answers.iter().find(|answer| answer.addresses.is_ok()).unwrap();
        assert_eq!(other.target, TargetId(1));
        fake.gate.wait();
        let late = Err(not_found("hangs", Family::V4));
        assert!(answers.iter().any(|answer| answer.addresses == late));
    }

    #[test]
    fn ending_does_not_wait_for_a_lookup_that_hangs() {
        let (lookups, answers, fake) = lookups(Limits::default());
        lookups.watch([(TargetId(0), "hangs", Family::V4)]);
        fake.gate.wait();
        drop(lookups);
        fake.gate.wait();
        assert!(answers.recv().is_ok(), "its thread still ends well");
    }

    #[test]
    fn addresses_written_out_are_answered_without_a_lookup() {
        let (lookups, answers, _) = lookups(Limits::default());
        lookups.watch([(TargetId(0), "192.0.2.9", Family::V4), (TargetId(1), "::1", Family::V4)]);
        let answers: Vec<_> = answers.try_iter().collect();
        assert_eq!(&*answers[0].addresses.clone().unwrap(), &["192.0.2.9:0".parse().unwrap()]);
        assert!(matches!(answers[1].addresses, Err(ResolveError::Invalid { .. })));
        assert_eq!(lookups.shared.lock().threads, 0);
    }
}
