//! Evidence at the moment: a path trace when an alert is raised, and one a day of every target while it is
//! well, to compare with. Bounded however many alerts there are. It learns of alerts from the store, where
//! they are before anybody is told, and keeps there what it finds, for pages, tickets and `explain`; what
//! devices said before goes into the alerts themselves. It decides nothing about alerts.

mod clues;
mod queue;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use measure::wire::syslog::Meanings;
use model::alert::{AlertId, Clue};
use model::{Alert, Clock, Inventory, PacketOptions, Path, PathChange, SeriesId, Subject, UnixMs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{AlertQuery, Change, Error, Memo, Query, State, Value};

use self::queue::{Job, Queue};
use crate::report::Report;

/// Traces at a time.
const WORKERS: usize = 2;
/// Workers look for work at least this often.
const LOOK: Duration = Duration::from_secs(1);
/// Alerts looked at in one go: more at once are a storm.
const NEWEST: u32 = 100;
/// How long an alert waits for its target to have an address.
const UNPLACED: Duration = Duration::from_mins(1);
/// What devices said is looked up at once, and again after so long: some messages take their time, and
/// people are told after half a minute.
const AGAIN: Duration = Duration::from_secs(20);
/// An alert raised longer ago, before a restart, is past its moment.
const RECENT: Duration = Duration::from_mins(10);
/// What the store keeps of targets that are well, by the series of their RTT.
const GOOD: &str = "path/good/";
/// What the store keeps of alerts, by their number.
const MOMENT: &str = "path/alert/";

/// What was found when an alert was raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// When.
    pub(crate) at: UnixMs,
    /// Whose path: `host` or `host:port`.
    pub(crate) target: String,
    /// The path then.
    pub(crate) path: Option<Path>,
    /// Why there is none.
    pub(crate) failed: Option<String>,
    /// The last path while all was well.
    pub(crate) good: Option<Path>,
    /// The first difference between the two.
    pub(crate) change: Option<PathChange>,
}

impl Moment {
    /// What the trace says, a sentence without its full stop.
    pub(crate) fn sentence(&self) -> String {
        match (&self.path, &self.failed, &self.change) {
            (_, Some(why), _) => format!("The path could not be traced: {why}"),
            (Some(_), None, Some(change)) => {
                format!("Compared with the path while all was well, {change}")
            }
            (Some(path), None, None) => {
                let count = path.hops.len();
                let plural = if count == 1 { "" } else { "s" };
                let reached = if path.is_reached() { "reaches the target" } else { "ends" };
                format!("The path {reached} after {count} hop{plural}; there is none from before")
            }
            (None, None, _) => "The path was not traced".to_owned(),
        }
    }
}

/// What was found when this alert was raised.
pub(crate) fn of_alert(state: &dyn State, alert: AlertId) -> Result<Option<Moment>, Error> {
    recall(state, &format!("{MOMENT}{alert}"))
}

/// The last path to a target while all was well.
pub(crate) fn good_path(state: &dyn State, rtt: SeriesId) -> Result<Option<Path>, Error> {
    recall(state, &format!("{GOOD}{rtt}"))
}

/// A memo of ours; one that another version wrote in another form is none.
fn recall<T: DeserializeOwned>(state: &dyn State, key: &str) -> Result<Option<T>, Error> {
    let found = state.find(&Query::Memos { prefix: key.to_owned() })?;
    let body = found.into_iter().find_map(|record| match record.value {
        Value::Memo(memo) if memo.key == key => memo.body,
        _ => None,
    });
    Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
}

/// A target as a trace needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `host` or `host:port`.
    pub(crate) name: String,
    /// Where it is asked now; port 0 for ICMP.
    pub(crate) to: SocketAddr,
    /// Shape of its packets.
    pub(crate) packet: PacketOptions,
    /// Whether all is well with it.
    pub(crate) well: bool,
}

/// What the tracing needs of the rest of the daemon.
pub(crate) trait Field: Send + Sync {
    /// The series of the RTT of all targets.
    fn all(&self) -> Vec<SeriesId>;

    /// A target, if it is there and has an address.
    fn place(&self, rtt: SeriesId) -> Option<Place>;

    /// Finds the path; blocks for seconds. `stop` ends it early.
    fn trace(&self, place: &Place, stop: &AtomicBool) -> Result<Path, String>;
}

/// What devices said, and who has to know of it.
pub(crate) trait Witness: Send + Sync {
    /// The devices, and what their messages mean.
    fn known(&self) -> (Arc<Inventory>, Arc<Meanings>);

    /// Puts what was said into an alert.
    fn tell(&self, alert: AlertId, clues: Vec<Clue>);
}

/// Numbers for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Traces done.
    pub(crate) traced: u64,
    /// Traces that failed.
    pub(crate) failed: u64,
    /// Alerts without one, since there were too many at once.
    pub(crate) left_out: u64,
}

/// How far the alerts of the store have been followed.
#[derive(Debug)]
struct Followed {
    newest: AlertId,
    looked: Option<Duration>,
    /// Alerts whose target has no address yet, and since when they have been known.
    unplaced: Vec<(AlertId, SeriesId, Duration)>,
    /// Alerts whose devices are to be asked, and when.
    unasked: Vec<(AlertId, Duration)>,
}

impl Default for Followed {
    fn default() -> Self {
        Self { newest: AlertId(0), looked: None, unplaced: Vec::new(), unasked: Vec::new() }
    }
}

/// The running workers.
pub(crate) struct Evidence {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    field: Arc<dyn Field>,
    witness: Arc<dyn Witness>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    counts: Arc<Mutex<Counts>>,
    followed: Mutex<Followed>,
    bell: Condvar,
    stop: AtomicBool,
}

impl Evidence {
    /// Starts the workers; what was traced before a restart is not traced again at once.
    pub(crate) fn start(
        (field, witness): (Arc<dyn Field>, Arc<dyn Witness>),
        state: Arc<dyn State>,
        clock: Arc<dyn Clock>,
        counts: Arc<Mutex<Counts>>,
    ) -> Result<Self, Report> {
        let known = traced(&*state)
            .map_err(|why| Report::because("cannot read the stored paths", &why).code(4))?;
        let queue = Mutex::new(Queue::new(known));
        let followed = Mutex::default();
        let (bell, stop) = (Condvar::new(), AtomicBool::new(false));
        let shared = Shared { field, witness, state, clock, queue, counts, followed, bell, stop };
        let shared = Arc::new(shared);
        let mut evidence = Self { shared, threads: Vec::new() };
        for _ in 0..WORKERS {
            let shared = Arc::clone(&evidence.shared);
            let worker = thread::Builder::new().name("trace".into()).spawn(move || shared.work());
            let worker =
                worker.map_err(|why| Report::because("cannot start a thread", &why).code(4))?;
            evidence.threads.push(worker);
        }
        Ok(evidence)
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.shared.bell.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a tracing thread panicked");
            }
        }
    }
}

/// Whose path tells something about an alert: its target, or the first of those it speaks for.
fn target_of(alert: &Alert) -> Option<SeriesId> {
    match &alert.subject {
        Subject::Target(target) => Some(target.series),
        // Nobody can send packets through somebody else's link.
        Subject::Link(_) => None,
        Subject::Group(_) | Subject::Repair(_) | Subject::Site { .. } => {
            let mut targets = alert.members.iter().filter_map(|member| match &member.subject {
                Subject::Target(target) => Some(target.series),
                _ => None,
            });
            targets.next()
        }
    }
}

/// When which target was traced while all was well.
fn traced(state: &dyn State) -> Result<HashMap<SeriesId, UnixMs>, Error> {
    let found = state.find(&Query::Memos { prefix: GOOD.to_owned() })?;
    let known = found.into_iter().filter_map(|record| {
        let Value::Memo(memo) = record.value else { return None };
        let series = SeriesId::from_hex(memo.key.strip_prefix(GOOD)?)?;
        let path: Path = serde_json::from_slice(&memo.body?).ok()?;
        Some((series, path.at))
    });
    Ok(known.collect())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of this lock can panic")
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().expect("no holder of this lock can panic"));
    }

    /// Looks for alerts that were raised since the last look, once a second.
    fn follow(&self) {
        let mut followed = self.followed.lock().expect("no holder of this lock can panic");
        let now = self.clock.monotonic();
        if followed.looked.is_some_and(|looked| now < looked + LOOK) {
            return;
        }
        followed.looked = Some(now);
        let query = AlertQuery { open: Some(true), limit: NEWEST, ..AlertQuery::default() };
        let found = match self.state.find(&Query::Alerts(query)) {
            Ok(found) => found,
            Err(why) => return tracing::warn!(%why, "alerts could not be looked up"),
        };
        let newest = followed.newest;
        for record in found {
            let Value::Alert(alert) = record.value else { continue };
            let fresh = alert.id > newest && alert.raised >= self.clock.now_ms() - RECENT;
            followed.newest = followed.newest.max(alert.id);
            if fresh {
                followed.unasked.extend([(alert.id, now), (alert.id, now + AGAIN)]);
            }
            if !fresh || of_alert(&*self.state, alert.id).is_ok_and(|moment| moment.is_some()) {
                continue;
            }
            if let Some(target) = target_of(&alert) {
                followed.unplaced.push((alert.id, target, now));
            }
        }
        // After a start it takes a moment until names have addresses.
        followed.unplaced.retain(|&(alert, target, since)| {
            if self.field.place(target).is_none() && now < since + UNPLACED {
                return true;
            }
            if !self.lock().raised(alert, target) {
                self.count(|counts| counts.left_out += 1);
            }
            false
        });
        let due: Vec<(AlertId, Duration)> =
            followed.unasked.extract_if(.., |(_, at)| *at <= now).collect();
        drop(followed);
        for (alert, _) in due {
            if let Err(why) = self.ask_devices(alert) {
                tracing::warn!(%why, %alert, "what devices said before could not be looked up");
            }
        }
    }

    /// Looks up what devices on the path of an alert said before it.
    fn ask_devices(&self, alert: AlertId) -> Result<(), Error> {
        let query = AlertQuery { id: Some(alert), limit: 1, ..AlertQuery::default() };
        let found = self.state.find(&Query::Alerts(query))?.into_iter().next();
        let Some(Value::Alert(alert)) = found.map(|record| record.value) else { return Ok(()) };
        let (inventory, meanings) = self.witness.known();
        let address = |target| self.field.place(target).map(|place| place.to.ip());
        let hops = |target| {
            let path = good_path(&*self.state, target).ok().flatten();
            let hops = path.into_iter().flat_map(|path| path.hops);
            hops.flat_map(|hop| hop.answers).map(|answer| answer.from).collect()
        };
        let devices = clues::devices(&inventory, &alert, address, hops);
        if devices.is_empty() {
            return Ok(());
        }
        let clues = clues::clues(&*self.state, &meanings, &devices, &alert)?;
        if clues != alert.clues {
            self.witness.tell(alert.id, clues);
        }
        Ok(())
    }

    fn work(&self) {
        while !self.stop.load(Relaxed) {
            self.follow();
            let job = {
                let mut queue = self.lock();
                let job = queue.next(self.clock.now_ms(), &*self.field);
                if job.is_none() {
                    let waited = self.bell.wait_timeout(queue, self.clock.wait(LOOK));
                    drop(waited.expect("no holder of this lock can panic"));
                }
                job
            };
            if let Some(job) = job {
                let done = self.trace(job);
                self.lock().done(job);
                self.count(|counts| {
                    let count = if done { &mut counts.traced } else { &mut counts.failed };
                    *count += 1;
                });
            }
        }
    }

    /// Traces and stores; whether there is a path.
    fn trace(&self, job: Job) -> bool {
        let place = self.field.place(job.target());
        let found = match &place {
            Some(place) => self.field.trace(place, &self.stop),
            None => Err("the target has no address now".to_owned()),
        };
        // A trace that was stopped says nothing.
        if found.is_err() && self.stop.load(Relaxed) {
            return false;
        }
        let done = found.is_ok();
        let memo = match job {
            // What is not well any more says nothing about how it is when all is well.
            Job::Good(target) => found
                .ok()
                .filter(|_| self.field.place(target).is_some_and(|place| place.well))
                .map(|path| memo(format!("{GOOD}{target}"), &path)),
            Job::Alert(alert, target) => {
                let good = good_path(&*self.state, target).unwrap_or_default();
                let (path, failed) = match found {
                    Ok(path) => (Some(path), None),
                    Err(why) => (None, Some(why)),
                };
                let change =
                    good.as_ref().zip(path.as_ref()).map(|(good, path)| good.change_to(path));
                let target = place.map(|place| place.name).unwrap_or_default();
                let at = self.clock.now_ms();
                let moment = Moment { at, target, path, failed, good, change };
                Some(memo(format!("{MOMENT}{alert}"), &moment))
            }
        };
        if let Some(memo) = memo
            && let Err(why) = self.state.apply(vec![Change::Memo(memo)])
        {
            tracing::warn!(%why, "a path was not stored");
        }
        done
    }
}

fn memo(key: String, body: &impl Serialize) -> Memo {
    let body = serde_json::to_vec(body).expect("paths hold nothing that JSON cannot");
    Memo { key, body: Some(body) }
}

#[cfg(test)]
mod tests;
