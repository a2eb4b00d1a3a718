//! The targets as the engine knows them: which series are theirs, what they share, who stands before
//! whom. It holds what is known now and decides nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::alert::{AlertId, Finding, LinkSubject, Subject, TargetSubject};
use model::status::TargetSeries;
use model::wan::{self, WanMetric};
use model::{Metric, SeriesId, Severity, Target, TargetState, UnixMs};

/// A target or link that alerts can be about.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// Who it is: a target or a link.
    pub subject: Subject,
    /// What names it: the series of [`Subject::series`].
    pub id: SeriesId,
    /// Its series.
    pub series: Vec<(Metric, SeriesId)>,
    /// Whether the site sees the world through it.
    pub gateway: bool,
    /// Whether nobody asked for it: netmend found it by itself. One that never answered is then no fault.
    pub discovered: bool,
    /// What it is worth that nothing is heard of it, if somebody decided.
    pub severity: Option<Severity>,
    /// What its metrics are worth that are bad, where somebody decided.
    pub severities: Vec<(Metric, Severity)>,
    /// Time between two probes.
    pub interval: Duration,
}

impl Watched {
    /// A target as the configuration has it. Tag `role: gateway` makes it the site's gateway.
    pub fn of(target: &Target) -> Self {
        let ids = TargetSeries::of(target);
        Self {
            subject: Subject::Target(TargetSubject::of(target)),
            id: ids.rtt,
            series: Metric::ALL.map(|metric| (metric, ids.get(metric))).to_vec(),
            gateway: target.tags.get("role").is_some_and(|role| role == "gateway"),
            discovered: false,
            severity: None,
            severities: Vec::new(),
            interval: target.interval,
        }
    }

    /// A WAN link; `interval` is how often its orchestrator measures it.
    pub fn link(subject: LinkSubject, interval: Duration) -> Self {
        let id = |metric| wan::series(&subject.orchestrator, &subject.id, metric).id();
        Self {
            series: WanMetric::ALL.map(|metric| (metric.kind(), id(metric))).to_vec(),
            id: subject.series,
            subject: Subject::Link(subject),
            gateway: false,
            discovered: false,
            severity: None,
            severities: Vec::new(),
            interval,
        }
    }

    /// Whether others measure it and tell us: that they do is then no sign of our own sight.
    pub(super) fn is_told(&self) -> bool {
        matches!(self.subject, Subject::Link(_))
    }
}

/// Whether a target is heard of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is known: just started, or our own drops hide it.
    Unknown,
    /// It answers.
    Seen,
    /// It has never answered.
    Never,
    /// Its latest probes were lost.
    Lost,
    /// No report for three intervals, or its name does not resolve.
    Silent,
    /// Who reports of it is silent, or it is not to be judged now: an alert that fires becomes no data, and
    /// nobody is told of it for that.
    Hidden,
}

impl Reach {
    /// What a target's state says of it.
    pub fn of(state: TargetState) -> Self {
        match state {
            TargetState::Up | TargetState::Lossy => Reach::Seen,
            TargetState::Down => Reach::Lost,
            TargetState::NeverAnswered => Reach::Never,
            TargetState::Unresolved | TargetState::NoData => Reach::Silent,
            TargetState::Unknown => Reach::Unknown,
        }
    }

    /// Whether it is gone, for whatever reason.
    pub(super) fn is_gone(self) -> bool {
        matches!(self, Reach::Lost | Reach::Silent)
    }

    /// Whether it is not heard of: it is gone, or our own probes do not get out or back in.
    pub(super) fn is_unheard(self) -> bool {
        self.is_gone() || self == Reach::Unknown
    }
}

/// One series of a seat.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) metric: Metric,
    pub(super) series: SeriesId,
    /// Whether it was judged and is not being learned.
    pub(super) known: bool,
    /// What is wrong with it now.
    pub(super) finding: Option<Finding>,
}

/// One target.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) watched: Watched,
    pub(super) slots: Vec<Slot>,
    pub(super) reach: Reach,
    /// Since when.
    pub(super) since: UnixMs,
    /// What it shares with others.
    pub(super) groups: Vec<usize>,
    /// The seats of the host that must be reachable for this one to be.
    pub(super) parents: Vec<usize>,
    /// The seats that this one must be reachable for.
    pub(super) children: Vec<usize>,
    /// Whether it was ever heard of in this process.
    pub(super) heard: bool,
    /// Its open alert.
    pub(super) alert: Option<AlertId>,
    /// Its latest alert, if it may be opened again.
    pub(super) previous: Option<AlertId>,
    /// It is bad, but whether that is its own fault cannot be said yet.
    pub(super) deferred: bool,
}

impl Seat {
    /// Whether any of its series is bad.
    pub(super) fn is_bad(&self) -> bool {
        self.slots.iter().any(|slot| slot.finding.is_some())
    }

    /// Whether nothing is heard of it: no report comes, or none of our own probes says anything any more.
    pub(super) fn is_silent(&self) -> bool {
        let ours = self.heard && !self.watched.is_told();
        self.reach == Reach::Silent || (self.reach == Reach::Unknown && ours)
    }

    /// The earliest onset of what is bad.
    pub(super) fn onset(&self) -> Option<UnixMs> {
        self.slots.iter().filter_map(|slot| slot.finding.as_ref()).map(|found| found.since).min()
    }
}

/// Targets that share a tag or a region.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) tag: String,
    pub(super) value: String,
    pub(super) total: u32,
    /// Whether links are in it.
    pub(super) links: bool,
    /// Onsets of the open alerts of its targets.
    pub(super) onsets: BTreeSet<(UnixMs, AlertId)>,
    /// The open alert that speaks for them.
    pub(super) alert: Option<AlertId>,
}

impl Group {
    /// Least number of alerts that are one fault of the group: 3, and 30 % of its targets. An edge has so
    /// few links that it takes all of them, and two are enough.
    pub(super) fn threshold(&self) -> usize {
        let total = self.total as usize;
        if self.links && self.tag == "edge" {
            total.max(2)
        } else {
            (total * 3).div_ceil(10).max(3)
        }
    }

    /// So many alerts without a common speaker make it worth an alert of its own. Those of links are groups
    /// themselves: one of each provider behind a gateway.
    pub(super) fn roots(&self) -> usize {
        if self.links { 2 } else { 3 }
    }

    /// Alerts whose onset is within `span` of `since`.
    pub(super) fn cluster(
        &self,
        since: UnixMs,
        span: Duration,
    ) -> impl Iterator<Item = AlertId> + '_ {
        let from = (since - span, AlertId(0));
        let until = (since + span, AlertId(u64::MAX));
        self.onsets.range(from..=until).map(|(_, id)| *id)
    }
}

/// All targets.
#[derive(Debug, Default)]
pub(super) struct Seats {
    pub(super) list: Vec<Seat>,
    pub(super) groups: Vec<Group>,
    by_series: HashMap<SeriesId, (usize, usize)>,
    by_target: HashMap<SeriesId, usize>,
    by_group: HashMap<(String, String), usize>,
}

impl Seats {
    /// Where a series belongs: seat and slot.
    pub(super) fn of_series(&self, series: SeriesId) -> Option<(usize, usize)> {
        self.by_series.get(&series).copied()
    }

    /// The seat of a target, named by its RTT series.
    pub(super) fn of_target(&self, target: SeriesId) -> Option<usize> {
        self.by_target.get(&target).copied()
    }

    /// The group of those that share a tag's value.
    pub(super) fn of_group(&self, tag: &str, value: &str) -> Option<usize> {
        self.by_group.get(&(tag.to_owned(), value.to_owned())).copied()
    }

    /// Takes new targets over; those that stay keep what is known of them. Gives the seats that are gone.
    /// What groups know of alerts is forgotten: alerts are entered again by whoever holds them.
    pub(super) fn set(&mut self, targets: Vec<Watched>, now: UnixMs) -> Vec<Seat> {
        let mut old: HashMap<SeriesId, Seat> =
            self.list.drain(..).map(|seat| (seat.watched.id, seat)).collect();
        self.groups.clear();
        let mut numbers: HashMap<(String, String), usize> = HashMap::new();
        for watched in targets {
            let mut seat = match old.remove(&watched.id) {
                Some(mut kept) => {
                    kept.slots = slots(&watched, kept.slots);
                    kept.watched = watched;
                    kept
                }
                None => Seat::new(watched, now),
            };
            seat.groups.clear();
            for shared in shared(&seat.watched.subject) {
                let number = *numbers.entry(shared).or_insert_with_key(|(tag, value)| {
                    self.groups.push(Group::new(tag, value));
                    self.groups.len() - 1
                });
                self.groups[number].total += 1;
                self.groups[number].links |= seat.watched.is_told();
                seat.groups.push(number);
            }
            self.list.push(seat);
        }
        self.by_group = numbers;
        self.index();
        old.into_values().collect()
    }

    fn index(&mut self) {
        self.by_series.clear();
        self.by_target.clear();
        let mut hosts: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, seat) in self.list.iter().enumerate() {
            self.by_target.insert(seat.watched.id, number);
            if let Subject::Target(target) = &seat.watched.subject {
                hosts.entry(&target.host).or_default().push(number);
            }
            for (slot, Slot { series, .. }) in seat.slots.iter().enumerate() {
                self.by_series.insert(*series, (number, slot));
            }
        }
        let parents: Vec<Vec<usize>> = self
            .list
            .iter()
            .map(|seat| {
                let Subject::Target(subject) = &seat.watched.subject else { return Vec::new() };
                let parent = subject.parent.as_deref().filter(|parent| *parent != subject.host);
                parent.and_then(|parent| hosts.get(parent)).cloned().unwrap_or_default()
            })
            .collect();
        for seat in &mut self.list {
            seat.children.clear();
        }
        for (number, parents) in parents.into_iter().enumerate() {
            for parent in &parents {
                self.list[*parent].children.push(number);
            }
            self.list[number].parents = parents;
        }
    }
}

impl Seat {
    fn new(watched: Watched, now: UnixMs) -> Self {
        Self {
            slots: slots(&watched, Vec::new()),
            watched,
            reach: Reach::Unknown,
            since: now,
            groups: Vec::new(),
            parents: Vec::new(),
            children: Vec::new(),
            heard: false,
            alert: None,
            previous: None,
            deferred: false,
        }
    }
}

impl Group {
    fn new(tag: &str, value: &str) -> Self {
        Self {
            tag: tag.to_owned(),
            value: value.to_owned(),
            total: 0,
            links: false,
            onsets: BTreeSet::new(),
            alert: None,
        }
    }
}

/// The slots of a target's series; those that it had keep what is known.
fn slots(watched: &Watched, mut old: Vec<Slot>) -> Vec<Slot> {
    let slot = |&(metric, series): &(Metric, SeriesId)| match old
        .iter()
        .position(|slot| slot.series == series)
    {
        Some(place) => old.swap_remove(place),
        None => Slot { metric, series, known: false, finding: None },
    };
    watched.series.iter().map(slot).collect()
}

/// What a target can have in common with others: its region and each of its tags. Of a link, what
/// [`LinkSubject::shared`] says.
fn shared(subject: &Subject) -> Vec<(String, String)> {
    match subject {
        Subject::Target(target) => {
            let region = ("region".to_owned(), target.region.clone());
            // A tag called `region` would be the same group twice.
            let tags = target.tags.iter().filter(|(tag, _)| *tag != "region");
            let tags = tags.map(|(tag, value)| (tag.clone(), value.clone()));
            std::iter::once(region).chain(tags).collect()
        }
        Subject::Link(link) => link.shared().map(|(tag, value)| (tag.to_owned(), value)).collect(),
        Subject::Group(_) | Subject::Repair(_) | Subject::Site { .. } => Vec::new(),
    }
}
