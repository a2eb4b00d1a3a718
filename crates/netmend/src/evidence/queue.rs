//! Which path is traced next: those of alerts first, then those of targets that are well, the one traced
//! longest ago first. Bounded: a storm of alerts must not become a storm of traces. Pure.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use model::alert::AlertId;
use model::{SeriesId, UnixMs};

use super::Field;

/// Alerts that wait for a trace; beyond it there is a storm, in which one more path says nothing new.
const WAITING: usize = 60;
/// Traces that begin within a minute, and how many of these are of targets that are well.
const A_MINUTE: usize = 30;
const WELL_A_MINUTE: usize = 10;
const MINUTE: Duration = Duration::from_mins(1);
/// The path of a target that is well is traced again after so long ...
const FRESH: Duration = Duration::from_hours(24);
/// ... and one that is not well is looked at again after so long.
const LATER: Duration = Duration::from_mins(10);
/// Targets are listed anew so often.
const LIST: Duration = Duration::from_mins(1);

/// One trace to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// An alert was raised about this target.
    Alert(AlertId, SeriesId),
    /// All is well with this target.
    Good(SeriesId),
}

impl Job {
    /// Whose path.
    pub(super) fn target(self) -> SeriesId {
        match self {
            Job::Alert(_, target) | Job::Good(target) => target,
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    alerts: VecDeque<Job>,
    /// Targets by the time from which on they are to be traced.
    due: BTreeSet<(UnixMs, SeriesId)>,
    known: HashMap<SeriesId, UnixMs>,
    /// Targets that are being traced, so that none is by two at a time.
    busy: HashSet<SeriesId>,
    /// When the last traces began, and whether they were of targets that are well.
    began: VecDeque<(UnixMs, bool)>,
    listed: Option<UnixMs>,
}

impl Queue {
    /// Knows when paths were traced before.
    pub(super) fn new(traced: HashMap<SeriesId, UnixMs>) -> Self {
        let known: HashMap<_, _> =
            traced.into_iter().map(|(target, at)| (target, at + FRESH)).collect();
        Self {
            alerts: VecDeque::new(),
            due: known.iter().map(|(target, at)| (*at, *target)).collect(),
            known,
            busy: HashSet::new(),
            began: VecDeque::new(),
            listed: None,
        }
    }

    /// An alert was raised; `false` if too many wait already.
    pub(super) fn raised(&mut self, alert: AlertId, target: SeriesId) -> bool {
        let waits = self.alerts.iter().any(|job| *job == Job::Alert(alert, target));
        let room = self.alerts.len() < WAITING;
        if !waits && room {
            self.alerts.push_back(Job::Alert(alert, target));
        }
        waits || room
    }

    /// What to trace now; the caller owes [`Queue::done`].
    pub(super) fn next(&mut self, now: UnixMs, field: &dyn Field) -> Option<Job> {
        let minute_ago = now - MINUTE;
        // A clock that was set back must not stop the tracing.
        self.began.retain(|(at, _)| *at > minute_ago && *at <= now);
        if self.began.len() >= A_MINUTE {
            return None;
        }
        let free = self.alerts.iter().position(|job| !self.busy.contains(&job.target()));
        let job = match free {
            Some(index) => self.alerts.remove(index),
            None => self.next_well(now, field),
        }?;
        self.began.push_back((now, matches!(job, Job::Good(_))));
        self.busy.insert(job.target());
        Some(job)
    }

    fn next_well(&mut self, now: UnixMs, field: &dyn Field) -> Option<Job> {
        if self.began.iter().filter(|(_, well)| *well).count() >= WELL_A_MINUTE {
            return None;
        }
        self.list(now, field);
        while let Some(&(at, target)) = self.due.first() {
            if at > now {
                return None;
            }
            let well = field.place(target).is_some_and(|place| place.well);
            let free = !self.busy.contains(&target);
            self.put(target, now + if well && free { FRESH } else { LATER });
            if well && free {
                return Some(Job::Good(target));
            }
        }
        None
    }

    /// Takes in new targets and forgets those that are gone.
    fn list(&mut self, now: UnixMs, field: &dyn Field) {
        if self.listed.is_some_and(|listed| listed <= now && now < listed + LIST) {
            return;
        }
        self.listed = Some(now);
        let all: HashSet<SeriesId> = field.all().into_iter().collect();
        self.due.retain(|(_, target)| all.contains(target));
        self.known.retain(|target, _| all.contains(target));
        for target in all {
            // Further ahead than we ever plan: the clock was set back.
            if self.known.get(&target).is_none_or(|at| *at > now + FRESH) {
                self.put(target, now);
            }
        }
    }

    fn put(&mut self, target: SeriesId, at: UnixMs) {
        if let Some(before) = self.known.insert(target, at) {
            self.due.remove(&(before, target));
        }
        self.due.insert((at, target));
    }

    /// A trace is over.
    pub(super) fn done(&mut self, job: Job) {
        self.busy.remove(&job.target());
    }
}
