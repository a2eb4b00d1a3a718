//! Decides who asks which target, where and how often: addresses from names, sockets from the privilege
//! ladder, intervals from the rate that an address may be asked at. It sends nothing itself.

mod known;
mod routes;
mod scout;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use foldhash::quality::FixedState;
use model::{PacketOptions, ProbeResult, Protocol, Target, TargetId};

use self::known::{Known, Place};
use self::routes::{RouteId, Routes};
pub(crate) use self::scout::Found;
use self::scout::Scout;
use crate::pace::Pace;
use crate::resolve::{Answer, Limits, Lookups, literal};
use crate::status::Journal;
use crate::work::{Assignment, Command};
use crate::{ChangeKind, Counters, Error, Options, Spread, TargetStatus};

/// Time for each first probe that is to leave soon.
const PROMPT_GAP: Duration = Duration::from_millis(1);
/// Assignments travel in chunks of so many.
const CHUNK: usize = 1024;

/// All targets and who asks them.
#[derive(Debug)]
pub(crate) struct Planner {
    options: Options,
    journal: Arc<Journal>,
    /// Sorted by id.
    known: Vec<Known>,
    routes: Routes,
    /// What each route is to be told, by its number.
    pending: Vec<Vec<Assignment>>,
    lookups: Lookups,
    scout: Scout,
    /// What the targets of an address want together; `None` without a limit.
    pace: Option<Arc<Pace>>,
    /// Why a name has no address now; of most targets there is nothing to say.
    unresolved: HashMap<TargetId, Arc<str>>,
    /// Targets whose first lookup or scouting is still out. While there are some, a run with rounds is not complete.
    waiting: HashSet<TargetId>,
    packet: Arc<PacketOptions>,
    /// Time over which the first probes are spread where they are to leave soon.
    prompt: Duration,
}

impl Planner {
    /// Starts with no target; lookups and scouts answer to the receivers.
    pub(crate) fn new(
        options: Options,
        results: SyncSender<Vec<ProbeResult>>,
        journal: Arc<Journal>,
    ) -> Result<(Self, Receiver<Answer>, Receiver<Found>), Error> {
        let limits = Limits { interval: options.resolve_every, ..Limits::default() };
        let (resolver, clock) = (Arc::clone(&options.resolver), Arc::clone(&options.clock));
        let (lookups, answers) = Lookups::start(resolver, clock, limits)
            .map_err(|source| Error::Thread { name: "names", source })?;
        let (scout, found) = Scout::new(Arc::clone(&options.clock));
        let pace = options.address_rate.map(|limit| Arc::new(Pace::new(limit)));
        let planner = Self {
            routes: Routes::new(&options, results, Arc::clone(&journal), pace.clone()),
            options,
            journal,
            known: Vec::new(),
            pending: Vec::new(),
            lookups,
            scout,
            pace,
            unresolved: HashMap::new(),
            waiting: HashSet::new(),
            packet: Arc::default(),
            prompt: Duration::ZERO,
        };
        Ok((planner, answers, found))
    }

    /// Makes this the set of targets. Who is there already, unchanged, is left alone.
    pub(crate) fn set_targets(
        &mut self,
        targets: impl IntoIterator<Item = (TargetId, Arc<Target>)>,
    ) -> Result<(), Error> {
        let targets = targets.into_iter();
        let count = targets.size_hint().0;
        self.prompt = PROMPT_GAP * u32::try_from(count).unwrap_or(u32::MAX);
        let mut next: Vec<Known> = Vec::with_capacity(count);
        let mut fresh = Vec::new();
        let fixed_pace = self.options.address_rate.is_none();
        for (id, target) in targets {
            let print = fingerprint(&target);
            let before = self.find(id).map(|index| &self.known[index]);
            if let Some(same) = before.filter(|known| known.print == print) {
                let mut known = same.clone();
                known.target = known.target.and(Some(target));
                next.push(known);
                continue;
            }
            let (mut known, address) = Known::new(id, print, &target);
            if let (Some(address), true, None) = (address, fixed_pace, before) {
                // Nothing can change its place or pace: it need not be remembered in full.
                self.place(&mut known, address, &target);
                if self.waiting.contains(&id) {
                    known.target = Some(target);
                }
            } else {
                known.target = Some(Arc::clone(&target));
                fresh.push((id, address));
            }
            next.push(known);
        }
        next.sort_by_key(|known| known.id);
        if let Some(pair) = next.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(Error::DuplicateId(pair[0].id));
        }
        let relieved = self.replace(next);
        self.settle(&fresh, relieved);
        Ok(())
    }

    /// Takes the new set, and lets go of those targets that are gone or changed; their addresses, which
    /// others may be asked at more often now.
    fn replace(&mut self, next: Vec<Known>) -> HashSet<IpAddr> {
        let mut before = std::mem::replace(&mut self.known, next);
        before.retain(|old| !self.stays(old));
        for (route, ids) in by_route(&before) {
            self.routes.tell(route, Command::Remove(ids));
        }
        let mut gone = Vec::new();
        let mut relieved = HashSet::new();
        for old in before {
            if let (Some(place), Some(target)) = (&old.place, &old.target) {
                self.count_rate(place.ip(), -rate_of(target));
                relieved.insert(place.ip());
            }
            self.unresolved.remove(&old.id);
            self.waiting.remove(&old.id);
            gone.push(old.id);
        }
        self.lookups.forget(gone);
        relieved
    }

    /// Gives new targets their addresses, or has their names looked up.
    fn settle(&mut self, fresh: &[(TargetId, Option<SocketAddr>)], relieved: HashSet<IpAddr>) {
        let mut names = Vec::new();
        let mut placed = Vec::new();
        for &(id, address) in fresh {
            let Some(index) = self.find(id) else { continue };
            let Some(target) = self.known[index].target.clone() else { continue };
            if let Some(address) = address {
                self.count_rate(address.ip(), rate_of(&target));
                placed.push((index, address, target));
            } else {
                names.push((id, target));
            }
        }
        let mut shared = relieved;
        if fresh.len() < self.known.len() {
            let over = placed.iter().map(|(_, address, _)| address.ip());
            shared.extend(over.filter(|ip| self.is_crowded(*ip)));
        }
        for (index, address, target) in placed {
            let mut known = self.known[index].clone();
            self.place(&mut known, address, &target);
            self.known[index] = known;
        }
        self.pace_again(&shared);
        self.waiting.extend(names.iter().map(|(id, _)| *id));
        let watched = names.iter().map(|(id, target)| (*id, &*target.host, target.family));
        self.lookups.watch(watched);
        self.deliver();
    }

    /// Whether the targets of an address together want more than it is to be asked.
    fn is_crowded(&self, ip: IpAddr) -> bool {
        self.pace.as_ref().is_some_and(|pace| pace.stretch(ip) > 1.0)
    }

    /// Gives the targets of these addresses the intervals that are right now.
    fn pace_again(&mut self, crowded: &HashSet<IpAddr>) {
        if crowded.is_empty() || self.options.address_rate.is_none() {
            return;
        }
        for index in 0..self.known.len() {
            let known = &self.known[index];
            let shares = known.place.as_ref().is_some_and(|place| crowded.contains(&place.ip()));
            if let (true, Some(place), Some(target)) = (shares, &known.place, known.target.clone())
            {
                let address = place.address();
                let mut known = self.known[index].clone();
                self.place(&mut known, address, &target);
                self.known[index] = known;
            }
        }
    }

    /// Hands a target to whoever can ask it at this address.
    fn place(&mut self, known: &mut Known, address: SocketAddr, target: &Target) {
        let mut to = address;
        // The port that an ICMP target was found to answer at by TCP stays as long as the address.
        let scouted = known.place.as_ref().filter(|place| place.is_at(to)).map_or(0, Place::port);
        to.set_port(if let Protocol::Tcp(port) = target.protocol { port } else { scouted });
        known.place = Some(Place::of(to));
        let key = routes::key_of(target);
        let route = self.routes.of(&key);
        if let Some(former) = known.route.filter(|former| *former != route) {
            self.routes.tell(former, Command::Remove(vec![known.id]));
        }
        known.route = Some(route);
        let interval = self.interval_of(target, to.ip(), route);
        let phase = self.phase_of(target, interval);
        if *self.packet != target.packet {
            self.packet = Arc::new(target.packet.clone());
        }
        if to.port() == 0 && self.routes.finishes_handshakes(route) {
            self.waiting.insert(known.id);
            return self.scout.ask(known.id, to, Arc::clone(&self.packet));
        }
        let assignment = Assignment {
            id: known.id,
            to,
            from: self.routes.source_for(route, &key, to),
            interval,
            timeout: target.timeout,
            phase,
            packet: Arc::clone(&self.packet),
        };
        let index = usize::from(route);
        if index >= self.pending.len() {
            self.pending.resize_with(index + 1, Vec::new);
        }
        let chunk = &mut self.pending[index];
        chunk.push(assignment);
        if chunk.len() >= CHUNK {
            let full = std::mem::replace(chunk, Vec::with_capacity(CHUNK));
            self.routes.tell(route, Command::Assign(full));
        }
    }

    /// Where in its interval a target is asked, or how long until its first probe.
    fn phase_of(&self, target: &Target, interval: Duration) -> Duration {
        let room = if self.options.spread == Spread::Prompt { self.prompt } else { interval };
        let room = room.min(interval).as_nanos().max(1) as u64;
        Duration::from_nanos(phase_hash(target) % room)
    }

    /// The target's own interval, stretched where its address or its method asks for patience.
    fn interval_of(&self, target: &Target, ip: IpAddr, route: RouteId) -> Duration {
        let mut interval = target.interval.max(Duration::from_millis(1));
        if let Some(pace) = &self.pace {
            interval = interval.mul_f64(pace.stretch(ip));
        }
        match self.options.connect_interval {
            Some(least) if self.routes.finishes_handshakes(route) => interval.max(least),
            _ => interval,
        }
    }

    fn count_rate(&self, ip: IpAddr, rate: f64) {
        if let Some(pace) = &self.pace {
            pace.count(ip, rate);
        }
    }

    /// Sends out what [`Planner::place`] gathered; ends a run with rounds once all names are known.
    fn deliver(&mut self) {
        for (route, chunk) in (0..).zip(self.pending.drain(..)) {
            if !chunk.is_empty() {
                self.routes.tell(route, Command::Assign(chunk));
            }
        }
        if self.options.rounds.is_some() && self.waiting.is_empty() {
            self.routes.complete();
        }
    }

    /// Takes what lookups gave. All that have come go together: each time, all targets are looked through
    /// for those that share an address with them.
    pub(crate) fn answered(&mut self, answers: &[Answer]) {
        let mut shared = HashSet::new();
        for answer in answers {
            shared.extend(self.take_answer(answer));
        }
        self.pace_again(&shared);
        self.deliver();
    }

    /// Takes one; the addresses whose targets must be paced again.
    fn take_answer(&mut self, answer: &Answer) -> HashSet<IpAddr> {
        let mut shared = HashSet::new();
        let Some(index) = self.find(answer.target) else { return shared };
        let mut known = self.known[index].clone();
        let Some(target) = known.target.clone().filter(|target| *target.host == *answer.host)
        else {
            return shared;
        };
        self.waiting.remove(&answer.target);
        let at = self.options.clock.now_ms();
        match &answer.addresses {
            Ok(addresses) => {
                if self.unresolved.remove(&known.id).is_some() {
                    self.journal.note(at, Some(known.id), ChangeKind::Resolved);
                }
                shared = self.move_to(&mut known, addresses, &target);
                self.known[index] = known;
            }
            Err(error) => {
                let why: Arc<str> = error.to_string().into();
                if self.unresolved.insert(known.id, Arc::clone(&why)).is_none() {
                    let what = ChangeKind::Unresolved { why };
                    self.journal.note(at, Some(known.id), what);
                }
            }
        }
        shared
    }

    /// Takes the port at which a target answers by TCP in place of an echo.
    pub(crate) fn scouted(&mut self, found: Found) {
        self.waiting.remove(&found.id);
        if let Some(index) = self.find(found.id) {
            let mut known = self.known[index].clone();
            let target = known.target.clone();
            let same = known.place.as_ref().is_some_and(|place| place.is_at(found.to));
            if let (Some(target), true) = (target, same) {
                known.place = Some(Place::of(found.to));
                self.place(&mut known, found.to, &target);
                self.known[index] = known;
            }
        }
        self.deliver();
    }

    /// Asks the target where its name points now, unless that still includes where it is asked. Returns
    /// the addresses whose other targets must be paced again.
    fn move_to(
        &mut self,
        known: &mut Known,
        addresses: &[SocketAddr],
        target: &Target,
    ) -> HashSet<IpAddr> {
        let mut shared = HashSet::new();
        let Some(&first) = addresses.first() else { return shared };
        if let Some(place) = &known.place {
            if addresses.iter().any(|address| place.is_at(*address)) {
                return shared;
            }
            self.count_rate(place.ip(), -rate_of(target));
            shared.insert(place.ip());
            let (from, mut to) = (place.address(), first);
            to.set_port(from.port());
            let at = self.options.clock.now_ms();
            self.journal.note(at, Some(known.id), ChangeKind::Address { from, to });
        }
        self.count_rate(first.ip(), rate_of(target));
        self.place(known, first, target);
        if self.is_crowded(first.ip()) {
            shared.insert(first.ip());
        }
        shared
    }

    /// What has to be looked after from time to time: sockets that could not be opened, and the source
    /// addresses that raw TCP depends on.
    pub(crate) fn tend(&mut self) {
        let again = self.routes.reopen();
        let refresh = self.routes.sources_are_due();
        for index in 0..self.known.len() {
            let known = &self.known[index];
            let Some(route) = known.route else { continue };
            let due = again.contains(&route) || (refresh && self.routes.needs_source(route));
            if let (true, Some(place), Some(target)) = (due, &known.place, known.target.clone()) {
                let address = place.address();
                let mut known = known.clone();
                self.place(&mut known, address, &target);
                self.known[index] = known;
            }
        }
        self.deliver();
    }

    /// How each target is asked now.
    pub(crate) fn statuses(&self) -> Vec<TargetStatus> {
        let status = |known: &Known| {
            let (method, note) =
                known.route.map_or((None, None), |route| self.routes.describe(route));
            let interval = match (&known.place, known.route, &known.target) {
                (Some(place), Some(route), Some(target)) => {
                    Some(self.interval_of(target, place.ip(), route))
                }
                _ => None,
            };
            TargetStatus {
                id: known.id,
                address: known.place.as_ref().map(Place::address),
                method,
                interval,
                note,
                unresolved: self.unresolved.get(&known.id).cloned(),
            }
        };
        self.known.iter().map(status).collect()
    }

    /// What all workers counted.
    pub(crate) fn counters(&self) -> Counters {
        self.routes.counters()
    }

    /// Ends all workers and lets go of the results.
    pub(crate) fn stop(&mut self) {
        self.routes.stop();
    }

    /// Whether a target of the former set is in this one as it was.
    fn stays(&self, old: &Known) -> bool {
        self.find(old.id).is_some_and(|index| self.known[index].print == old.print)
    }

    fn find(&self, id: TargetId) -> Option<usize> {
        self.known.binary_search_by_key(&id, |known| known.id).ok()
    }
}

/// Who asked these targets, each with all of its own: a worker looks through all its targets for each
/// command, so it must not get one for each target.
fn by_route(targets: &[Known]) -> HashMap<RouteId, Vec<TargetId>> {
    let mut ids: HashMap<RouteId, Vec<TargetId>> = HashMap::new();
    for known in targets {
        if let Some(route) = known.route {
            ids.entry(route).or_default().push(known.id);
        }
    }
    ids
}

/// Probes per second that a target wants.
fn rate_of(target: &Target) -> f64 {
    1.0 / target.interval.as_secs_f64().max(1e-3)
}

/// Whatever makes a target another one when it changes.
fn fingerprint(target: &Target) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    (&target.host, target.protocol, target.family).hash(&mut hasher);
    (target.interval, target.timeout, &target.packet).hash(&mut hasher);
    hasher.finish()
}

/// The same for a target in every run of one build, so that a restart keeps the load as it was spread.
fn phase_hash(target: &Target) -> u64 {
    FixedState::default().hash_one((&target.host, target.protocol, target.family))
}

/// The address of a host that is written out and stays what it is.
fn fixed_address(target: &Target) -> Option<SocketAddr> {
    if target.host.contains('%') {
        return None;
    }
    literal(&target.host, target.family)?.ok()
}
