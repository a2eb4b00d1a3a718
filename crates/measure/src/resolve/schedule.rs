//! Which name is looked up when: at once, then every minute, spread out, sooner after a failure. Names
//! whose lookups hang wait for each other, not for the rest. Pure: no threads, no clock, no lookups.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Family, TargetId};

use super::{ResolveError, temporary};

/// How often names are looked up, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time between two lookups of a name.
    pub interval: Duration,
    /// Time to the next lookup after a failure; doubles up to `interval`.
    pub retry: Duration,
    /// After this long a lookup is reported as [`ResolveError::Temporary`]; it goes on regardless.
    pub deadline: Duration,
    /// Lookups at a time of names whose last lookup was answered, or that are new.
    pub prompt: usize,
    /// Lookups at a time of names whose last lookup was not answered.
    pub slow: usize,
    /// Lookups at a time in all, with those that run on after their deadline: the bound of the threads.
    pub all: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            retry: Duration::from_secs(5),
            deadline: Duration::from_secs(5),
            prompt: 16,
            slow: 8,
            all: 48,
        }
    }
}

/// A name that somebody watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(u32);

/// A lookup to be done now.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) name: NameId,
    pub(super) host: Arc<str>,
    pub(super) family: Family,
}

/// What a lookup gave.
pub(super) type Result = std::result::Result<Arc<[SocketAddr]>, ResolveError>;

/// Where a name waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Prompt,
    Slow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In its lane's queue.
    Waiting,
    /// Being looked up, to be answered by `deadline`.
    Running { deadline: Duration },
    /// Being looked up after its deadline, which has been reported.
    Overdue,
}

#[derive(Debug)]
struct Name {
    host: Arc<str>,
    family: Family,
    /// Who wants to know. None = forgotten, to be freed when it leaves its queue or its lookup.
    targets: Vec<TargetId>,
    /// What was found last, for targets that join.
    last: Option<Result>,
    lane: Lane,
    phase: Phase,
    /// Failures in a row.
    failures: u32,
}

type Queue = BinaryHeap<Reverse<(Duration, NameId)>>;

/// All names, their lanes and their next lookups. Times are those of the monotonic clock.
#[derive(Debug)]
pub(super) struct Schedule {
    limits: Limits,
    names: Vec<Option<Name>>,
    free: Vec<NameId>,
    by_host: HashMap<(Arc<str>, Family), NameId>,
    by_target: HashMap<TargetId, NameId>,
    /// Waiting names by due time, each in one queue once.
    prompt: Queue,
    slow: Queue,
    /// Deadlines of running lookups; entries of lookups that have ended are skipped.
    deadlines: Queue,
    /// Slots taken. A lookup from the prompt lane moves to `overdue` at its deadline, so that the lane
    /// moves on; one from the slow lane keeps its slot.
    running_prompt: usize,
    running_slow: usize,
    overdue: usize,
}

impl Schedule {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            names: Vec::new(),
            free: Vec::new(),
            by_host: HashMap::new(),
            by_target: HashMap::new(),
            prompt: Queue::new(),
            slow: Queue::new(),
            deadlines: Queue::new(),
            running_prompt: 0,
            running_slow: 0,
            overdue: 0,
        }
    }

    /// Looks `host` up for `target` from now on, and for nobody else's host before. Targets with the same
    /// host share its lookups: what the last one gave is handed back.
    pub(super) fn watch(
        &mut self,
        target: TargetId,
        host: &str,
        family: Family,
        now: Duration,
    ) -> Option<(Arc<str>, Result)> {
        self.forget(target);
        let key = (Arc::from(host), family);
        let id = match self.by_host.get(&key) {
            Some(&id) => id,
            None => self.insert(key, now),
        };
        self.by_target.insert(target, id);
        let name = self.name(id);
        name.targets.push(target);
        name.last.clone().map(|last| (name.host.clone(), last))
    }

    /// No longer looks anything up for `target`.
    pub(super) fn forget(&mut self, target: TargetId) {
        if let Some(id) = self.by_target.remove(&target) {
            self.name(id).targets.retain(|&other| other != target);
        }
    }

    /// The next lookup that is due and for which there is a slot. The caller owes a [`Schedule::finish`].
    pub(super) fn start(&mut self, now: Duration) -> Option<Job> {
        loop {
            let lane = self.ready_lane(now)?;
            let id = self.queue(lane).pop()?.0.1;
            if self.name(id).targets.is_empty() {
                self.remove(id);
                continue;
            }
            *self.slots(lane) += 1;
            let deadline = now + self.limits.deadline;
            self.deadlines.push(Reverse((deadline, id)));
            let name = self.name(id);
            name.phase = Phase::Running { deadline };
            return Some(Job { name: id, host: name.host.clone(), family: name.family });
        }
    }

    /// Takes the result of a lookup, hands it to each target that waits for it and plans the next one.
    pub(super) fn finish(
        &mut self,
        id: NameId,
        result: Result,
        now: Duration,
        mut report: impl FnMut(TargetId, &Arc<str>, &Result),
    ) {
        let name = self.name(id);
        let (lane, phase) = (name.lane, name.phase);
        if phase == Phase::Overdue && lane == Lane::Prompt {
            self.overdue -= 1;
        } else {
            *self.slots(lane) -= 1;
        }
        let name = self.name(id);
        if name.targets.is_empty() {
            return self.remove(id);
        }
        for &target in &name.targets {
            report(target, &name.host, &result);
        }
        let unanswered = matches!(&result, Err(ResolveError::Temporary { .. }));
        let hung = unanswered || phase == Phase::Overdue;
        name.lane = if hung { Lane::Slow } else { Lane::Prompt };
        name.phase = Phase::Waiting;
        name.failures = if result.is_ok() { 0 } else { name.failures.saturating_add(1) };
        name.last = Some(result);
        let (lane, failures) = (name.lane, name.failures);
        let due = self.next_due(id, failures, now);
        self.queue(lane).push(Reverse((due, id)));
    }

    /// Reports each lookup whose deadline has passed, once.
    pub(super) fn expire(
        &mut self,
        now: Duration,
        mut report: impl FnMut(TargetId, &Arc<str>, &Result),
    ) {
        while let Some(&Reverse((deadline, id))) = self.deadlines.peek() {
            if deadline > now {
                return;
            }
            self.deadlines.pop();
            let Some(name) = &mut self.names[id.0 as usize] else { continue };
            if name.phase != (Phase::Running { deadline }) {
                continue;
            }
            name.phase = Phase::Overdue;
            let why = format!("no answer from the DNS resolver in {:?}", self.limits.deadline);
            let late = Err(temporary(&name.host, why));
            for &target in &name.targets {
                report(target, &name.host, &late);
            }
            if name.lane == Lane::Prompt {
                self.running_prompt -= 1;
                self.overdue += 1;
            }
        }
    }

    /// When [`Schedule::start`] or [`Schedule::expire`] has something to do next, if nothing else happens.
    pub(super) fn next_event(&self) -> Option<Duration> {
        let first = |queue: &Queue| queue.peek().map(|entry| entry.0.0);
        let lane = |lane| if self.has_slot(lane) { first(self.queue_of(lane)) } else { None };
        [first(&self.deadlines), lane(Lane::Prompt), lane(Lane::Slow)].into_iter().flatten().min()
    }

    fn insert(&mut self, key: (Arc<str>, Family), now: Duration) -> NameId {
        let (host, family) = key.clone();
        let name = Name {
            host,
            family,
            targets: Vec::with_capacity(1),
            last: None,
            lane: Lane::Prompt,
            phase: Phase::Waiting,
            failures: 0,
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.names.push(None);
            NameId((self.names.len() - 1) as u32)
        });
        self.names[id.0 as usize] = Some(name);
        self.by_host.insert(key, id);
        self.prompt.push(Reverse((now, id)));
        id
    }

    /// Frees a name that nobody watches, that is in no queue and not being looked up.
    fn remove(&mut self, id: NameId) {
        if let Some(name) = self.names[id.0 as usize].take() {
            self.by_host.remove(&(name.host, name.family));
            self.free.push(id);
        }
    }

    fn name(&mut self, id: NameId) -> &mut Name {
        self.names[id.0 as usize].as_mut().expect("a name is freed only by who holds its last id")
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Prompt => &mut self.prompt,
            Lane::Slow => &mut self.slow,
        }
    }

    fn queue_of(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Prompt => &self.prompt,
            Lane::Slow => &self.slow,
        }
    }

    fn slots(&mut self, lane: Lane) -> &mut usize {
        match lane {
            Lane::Prompt => &mut self.running_prompt,
            Lane::Slow => &mut self.running_slow,
        }
    }

    fn has_slot(&self, lane: Lane) -> bool {
        let all = self.running_prompt + self.running_slow + self.overdue;
        all < self.limits.all
            && match lane {
                Lane::Prompt => self.running_prompt < self.limits.prompt,
                Lane::Slow => self.running_slow < self.limits.slow,
            }
    }

    fn ready_lane(&self, now: Duration) -> Option<Lane> {
        [Lane::Prompt, Lane::Slow].into_iter().find(|&lane| {
            let due = self.queue_of(lane).peek().is_some_and(|entry| entry.0.0 <= now);
            due && self.has_slot(lane)
        })
    }

    /// A name keeps its own phase within the interval, so that names that were all looked up at once at
    /// the start are spread from then on. The gap is at least half an interval.
    fn next_due(&self, id: NameId, failures: u32, now: Duration) -> Duration {
        let interval = self.limits.interval;
        if failures > 0 {
            let doubled = self.limits.retry.saturating_mul(1 << (failures - 1).min(16));
            if doubled < interval {
                return now + doubled;
            }
        }
        let mut hasher = DefaultHasher::new();
        if let Some(name) = &self.names[id.0 as usize] {
            (&name.host, name.family).hash(&mut hasher);
        }
        let nanos = (interval.as_nanos() as u64).max(1);
        let phase = hasher.finish() % nanos;
        let earliest = (now + interval / 2).as_nanos() as u64;
        let wait = (nanos + phase - earliest % nanos) % nanos;
        Duration::from_nanos(earliest + wait)
    }
}

#[cfg(test)]
mod tests;
