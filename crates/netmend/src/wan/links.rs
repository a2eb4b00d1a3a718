//! The links that orchestrators know, and what of their readings is new. Pure: time is a parameter, and what
//! is to be stored, judged and remembered comes out. It asks nobody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use alert::Reach;
use measure::sdwan::{EdgeId, Place, Poll, Readings};
use model::alert::LinkSubject;
use model::wan::{self, Link, LinkState, Reading, WanMetric};
use model::{Sample, Series, SeriesId, UnixMs};
use serde::{Deserialize, Serialize};
use store::sink::Subject;

use super::points::{self, Point};

/// Time between two readings of a link: the grid of orchestrators.
pub(crate) const STEP: Duration = Duration::from_mins(5);
/// A link that is not listed any more is kept for so long: lists hold what was active within a day.
const UNLISTED: Duration = Duration::from_hours(24);
/// Readings that are remembered of a link: an hour and more, so that what comes again is known.
const REMEMBERED: usize = 24;
/// A link without a reading for three steps beyond the lag has no data.
const SILENT: u32 = 3;

/// All links of all orchestrators.
#[derive(Debug, Default)]
pub(crate) struct Links {
    rosters: BTreeMap<String, Roster>,
}

/// The links of one orchestrator, by their identity.
#[derive(Debug, Default)]
struct Roster {
    known: BTreeMap<String, Known>,
    /// How late its data are.
    lag: Duration,
    /// When it answered last, in this process.
    answered: Option<UnixMs>,
    /// Edges that could not be asked in the last poll, by customer and name; of some customers all.
    failing: Vec<(String, Option<String>)>,
}

/// A link and what is remembered of it.
#[derive(Debug)]
pub(crate) struct Known {
    /// The link as it was listed last.
    pub(crate) link: Link,
    /// The same as alerts name it.
    pub(crate) subject: Arc<LinkSubject>,
    /// The same as its points name it, up and down.
    subjects: [Arc<Subject>; 2],
    /// Its six series, in the order of [`WanMetric::ALL`].
    pub(crate) series: [SeriesId; 6],
    /// The newest readings, oldest first.
    pub(crate) recent: VecDeque<Reading>,
    listed: UnixMs,
    /// Whether its past was fetched.
    backfilled: bool,
    /// What was said of it last to those who tell.
    reach: Option<Reach>,
}

/// A link as it is kept over restarts.
#[derive(Serialize, Deserialize)]
struct Kept {
    link: Link,
    listed: i64,
    backfilled: bool,
}

/// What a poll brought that was not known.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// To be stored, at most once each.
    pub(crate) store: Vec<Sample>,
    /// The same, to be passed on.
    pub(crate) pass_on: Vec<Point>,
    /// To be judged: newer than what was judged before, ascending for each series. A value that is missing is
    /// NaN.
    pub(crate) judge: Vec<Sample>,
    /// Whether links came, went or changed their names.
    pub(crate) roster: bool,
    /// Links that were unknown before.
    pub(crate) new: Vec<LinkSubject>,
    /// Readings that had come before.
    pub(crate) repeated: u64,
}

impl Known {
    fn new(orchestrator: &str, link: Link, listed: UnixMs) -> Self {
        let series = WanMetric::ALL.map(|metric| wan::series(orchestrator, &link.id, metric).id());
        let subject = Arc::new(LinkSubject::of(orchestrator, &link));
        let subjects = points::subjects(&subject);
        let recent = VecDeque::with_capacity(REMEMBERED);
        Self { link, subject, subjects, series, recent, listed, backfilled: false, reach: None }
    }

    /// Takes the names over that the link has now.
    fn rename(&mut self, orchestrator: &str) {
        self.subject = Arc::new(LinkSubject::of(orchestrator, &self.link));
        self.subjects = points::subjects(&self.subject);
    }

    /// The newest reading.
    pub(crate) fn latest(&self) -> Option<&Reading> {
        self.recent.back()
    }

    /// Takes a listing over; whether anything but its state changed.
    fn renew(&mut self, orchestrator: &str, listed: Link, now: UnixMs) -> bool {
        self.listed = now;
        // Where it is was found out by other questions.
        let (gateway, site) = (self.link.gateway.take(), self.link.site.take());
        let link = Link { gateway, site, ..listed };
        let changed = Link { state: link.state, ..self.link.clone() }
            != Link { gateway: None, site: None, ..link.clone() };
        self.link = link;
        if changed {
            self.rename(orchestrator);
        }
        changed
    }

    /// Takes readings in, ascending.
    fn take(&mut self, readings: &[Reading], news: &mut News) {
        for reading in readings {
            let place = self.recent.partition_point(|known| known.at < reading.at);
            let same_time = self.recent.get(place).filter(|known| known.at == reading.at);
            if same_time.is_some_and(|known| is_same(known, reading)) {
                news.repeated += 1;
                continue;
            }
            let newest = place == self.recent.len();
            if same_time.is_some() {
                // The orchestrator has corrected itself.
                self.recent[place] = *reading;
            } else if place == 0 && self.recent.len() >= REMEMBERED {
                // Older than all that is remembered: whether it was stored cannot be known here.
                continue;
            } else {
                self.recent.insert(place, *reading);
                if self.recent.len() > REMEMBERED {
                    self.recent.pop_front();
                }
            }
            samples(&self.series, reading, &mut news.store);
            news.pass_on.extend(points::of(&self.subjects, reading));
            if newest && self.link.state.is_judged() {
                for metric in WanMetric::ALL {
                    let value = reading.get(metric).map_or(f64::NAN, |value| metric.stored(value));
                    let series = self.series[metric.index()];
                    news.judge.push(Sample { series, at: reading.at, value });
                }
            }
        }
    }
}

/// Whether two readings are one; what the store gives back may differ in the last digit.
fn is_same(one: &Reading, other: &Reading) -> bool {
    one.values.iter().zip(&other.values).all(|pair| match pair {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        (one, other) => one == other,
    })
}

/// The samples of a reading; a value that is missing has none.
fn samples(series: &[SeriesId; 6], reading: &Reading, out: &mut Vec<Sample>) {
    for metric in WanMetric::ALL {
        if let Some(value) = reading.get(metric) {
            let series = series[metric.index()];
            out.push(Sample { series, at: reading.at, value: metric.stored(value) });
        }
    }
}

impl Links {
    /// Knows these orchestrators from now on and no others; those that stay keep their links.
    pub(crate) fn set<'a>(&mut self, names: impl Iterator<Item = (&'a str, Duration)>) {
        let mut old = std::mem::take(&mut self.rosters);
        for (name, lag) in names {
            let mut roster = old.remove(name).unwrap_or_default();
            roster.lag = lag;
            self.rosters.insert(name.to_owned(), roster);
        }
    }

    /// Takes links over that are not known here.
    pub(crate) fn join(&mut self, others: Links) {
        for (name, others) in others.rosters {
            let Some(roster) = self.rosters.get_mut(&name) else { continue };
            for (id, known) in others.known {
                roster.known.entry(id).or_insert(known);
            }
        }
    }

    /// Takes up what [`Links::keep`] wrote; links that are known already stay as they are.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn take_up(&mut self, name: &str, kept: &[u8]) -> Result<(), serde_json::Error> {
        let kept: Vec<Kept> = serde_json::from_slice(kept)?;
        let Some(roster) = self.rosters.get_mut(name) else { return Ok(()) };
        for Kept { link, listed, backfilled } in kept {
            let known = || Known { backfilled, ..Known::new(name, link.clone(), UnixMs(listed)) };
            roster.known.entry(link.id.clone()).or_insert_with(known);
        }
        Ok(())
    }

    /// What is to be remembered of an orchestrator over restarts.
    pub(crate) fn keep(&self, name: &str) -> Vec<u8> {
        let known = self.rosters.get(name).into_iter().flat_map(|roster| roster.known.values());
        let kept: Vec<Kept> = known
            .map(|known| Kept {
                link: known.link.clone(),
                listed: known.listed.0,
                backfilled: known.backfilled,
            })
            .collect();
        serde_json::to_vec(&kept).expect("names, numbers and flags are JSON")
    }

    /// Takes in what a poll brought.
    pub(crate) fn take(&mut self, name: &str, poll: &Poll, now: UnixMs) -> News {
        let mut news = News::default();
        let Some(roster) = self.rosters.get_mut(name) else { return news };
        roster.answered = Some(now);
        roster.failing =
            poll.failures.iter().map(|one| (one.customer.clone(), one.edge.clone())).collect();
        for (link, readings) in &poll.links {
            let known = if let Some(known) = roster.known.get_mut(&link.id) {
                news.roster |= known.renew(name, link.clone(), now);
                known
            } else {
                news.roster = true;
                let known = Known::new(name, link.clone(), now);
                news.new.push((*known.subject).clone());
                roster.known.entry(link.id.clone()).or_insert(known)
            };
            known.take(readings, &mut news);
        }
        let before = roster.known.len();
        roster.known.retain(|_, known| known.listed + UNLISTED >= now);
        news.roster |= roster.known.len() != before;
        news
    }

    /// What of an edge's past is not stored yet, given what is: by series, ascending.
    pub(crate) fn past(
        &self,
        name: &str,
        readings: &Readings,
        stored: &BTreeMap<SeriesId, Vec<UnixMs>>,
    ) -> Vec<Sample> {
        let mut out = Vec::new();
        let Some(roster) = self.rosters.get(name) else { return out };
        for (id, readings) in readings {
            let Some(known) = roster.known.get(id) else { continue };
            for reading in readings {
                // How the link was then is not told: what lost everything took no time.
                let reading = reading.without_times_of_the_dead(LinkState::Active);
                samples(&known.series, &reading, &mut out);
            }
        }
        let is_stored = |sample: &Sample| {
            let times = stored.get(&sample.series);
            times.is_some_and(|times| times.binary_search(&sample.at).is_ok())
        };
        out.retain(|sample| !is_stored(sample));
        out
    }

    /// Says where edges are; whether that is new.
    pub(crate) fn place(&mut self, name: &str, places: &BTreeMap<EdgeId, Place>) -> bool {
        let Some(roster) = self.rosters.get_mut(name) else { return false };
        let mut changed = false;
        for known in roster.known.values_mut() {
            let Some(place) = places.get(&EdgeId::of(&known.link)) else { continue };
            let gateway = place.gateway.clone().or_else(|| known.link.gateway.clone());
            let site = place.site.clone().or_else(|| known.link.site.clone());
            if (&known.link.gateway, &known.link.site) != (&gateway, &site) {
                (known.link.gateway, known.link.site) = (gateway, site);
                known.rename(name);
                changed = true;
            }
        }
        changed
    }

    /// The edges of an orchestrator, each with the series of its links.
    pub(crate) fn edges(&self, name: &str) -> BTreeMap<EdgeId, Vec<SeriesId>> {
        self.edges_where(name, |_| true)
    }

    /// Those with a link whose past was not fetched.
    pub(crate) fn edges_without_past(&self, name: &str) -> BTreeMap<EdgeId, Vec<SeriesId>> {
        self.edges_where(name, |known| !known.backfilled)
    }

    fn edges_where(
        &self,
        name: &str,
        wanted: impl Fn(&Known) -> bool,
    ) -> BTreeMap<EdgeId, Vec<SeriesId>> {
        let mut edges: BTreeMap<EdgeId, Vec<SeriesId>> = BTreeMap::new();
        let known = self.rosters.get(name).into_iter().flat_map(|roster| roster.known.values());
        for known in known.filter(|known| wanted(known)) {
            edges.entry(EdgeId::of(&known.link)).or_default().extend(known.series);
        }
        edges
    }

    /// Remembers that the past of an edge's links was fetched, or that there is a hole in it.
    pub(crate) fn set_backfilled(&mut self, name: &str, edge: Option<&EdgeId>, done: bool) {
        let Some(roster) = self.rosters.get_mut(name) else { return };
        let fits = |known: &&mut Known| edge.is_none_or(|edge| EdgeId::of(&known.link) == *edge);
        for known in roster.known.values_mut().filter(fits) {
            known.backfilled = done;
        }
    }

    /// Remembers what the store has of a link, so that it is not stored again: values by time, ascending.
    pub(crate) fn recall(
        &mut self,
        (name, id): (&str, &str),
        metric: WanMetric,
        values: &[(UnixMs, f64)],
    ) {
        let roster = self.rosters.get_mut(name);
        let Some(known) = roster.and_then(|roster| roster.known.get_mut(id)) else { return };
        let newest = values.len().saturating_sub(REMEMBERED);
        for (at, value) in &values[newest..] {
            known.recall(metric, *at, *value);
        }
    }

    /// All links, by orchestrator and identity.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Known)> {
        self.rosters.iter().flat_map(|(name, roster)| {
            roster.known.values().map(move |known| (name.as_str(), known))
        })
    }

    /// The series of all links, for the store.
    pub(crate) fn series(&self) -> impl Iterator<Item = Series> + '_ {
        self.all().flat_map(|(name, known)| {
            WanMetric::ALL.map(|metric| wan::series(name, &known.link.id, metric))
        })
    }

    /// The links of an edge, by its name.
    pub(crate) fn of_edge<'a>(
        &'a self,
        name: &str,
        edge: &'a str,
    ) -> impl Iterator<Item = &'a Link> {
        let known = self.rosters.get(name).into_iter().flat_map(|roster| roster.known.values());
        known.map(|known| &known.link).filter(move |link| link.edge_name == edge)
    }

    /// When an orchestrator answered last, and how many edges it did not answer for.
    pub(crate) fn answered(&self, name: &str) -> (Option<UnixMs>, usize) {
        let roster = self.rosters.get(name);
        roster.map_or((None, 0), |roster| (roster.answered, roster.failing.len()))
    }

    /// Whether each link is heard of at `now`, as far as that changed since it was last said, or of all.
    pub(crate) fn reaches(&mut self, now: UnixMs, all: bool, see: &mut dyn FnMut(SeriesId, Reach)) {
        for roster in self.rosters.values_mut() {
            let patience = roster.lag + STEP * (SILENT + 1);
            let told = roster.answered.map(|at| at + STEP * SILENT >= now);
            for known in roster.known.values_mut() {
                let Link { customer, edge_name, .. } = &known.link;
                let is_mine = |(other, edge): &(String, Option<String>)| {
                    other == customer && edge.as_ref().is_none_or(|edge| edge == edge_name)
                };
                let reach = match (told, known.latest()) {
                    (None, _) => Reach::Unknown,
                    (Some(false), _) => Reach::Hidden,
                    _ if !known.link.state.is_judged() => Reach::Hidden,
                    (_, Some(latest)) if latest.at + patience >= now => Reach::Seen,
                    _ if roster.failing.iter().any(is_mine) => Reach::Hidden,
                    _ => Reach::Silent,
                };
                if all || known.reach != Some(reach) {
                    known.reach = Some(reach);
                    see(known.subject.series, reach);
                }
            }
        }
    }

    /// Whether a link has data at `now`: its orchestrator answers and its newest reading is not too old.
    pub(crate) fn is_fresh(&self, name: &str, known: &Known, now: UnixMs) -> bool {
        let Some(roster) = self.rosters.get(name) else { return false };
        let patience = roster.lag + STEP * (SILENT + 1);
        known.latest().is_some_and(|latest| latest.at + patience >= now)
    }
}

impl Known {
    fn recall(&mut self, metric: WanMetric, at: UnixMs, value: f64) {
        let place = self.recent.partition_point(|known| known.at < at);
        if self.recent.get(place).is_none_or(|known| known.at != at) {
            if self.recent.len() >= REMEMBERED {
                if place == 0 {
                    return;
                }
                self.recent.pop_front();
            }
            let place = self.recent.partition_point(|known| known.at < at);
            self.recent.insert(place, Reading { at, values: [None; 6] });
        }
        if let Some(reading) = self.recent.iter_mut().find(|known| known.at == at) {
            reading.values[metric.index()] = Some(metric.read(value));
        }
    }
}

#[cfg(test)]
mod tests;
