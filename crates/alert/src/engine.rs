//! The state machine between the detector and people: what is wrong becomes alerts, alerts find who
//! speaks for them, and those who should know are told once. Pure: time is a parameter, what is to be
//! stored and sent comes out of [`Engine::take_changes`]. It judges no series and sends nothing.
//!
//! Reading order: this file is what the daemon calls; `seats` the targets; `raise` the life of an alert;
//! `speak` who speaks for whom; `site` whether we can see at all; `repairs` what those who repair say; `quiet` silences; `thread` and `tell`
//! messages; `restore` the way back after a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::alert::{
    Ack, AlertId, Cause, Clue, Finding, Happening, MessageKind, Notice, NoticeId, Silence,
    SilenceId,
};
use model::{
    Alert, AlertState, Change as Changed, Judgement, SeriesId, Severity, Standing, UnixMs,
};
use store::Change;

use crate::matching::MatchError;
use crate::route::{Maintenance, Route};

mod quiet;
mod raise;
mod repairs;
mod restore;
mod seats;
mod site;
mod speak;
mod tell;
mod thread;

pub use quiet::NewSilence;
pub use repairs::Signal;
pub use restore::Saved;
pub use seats::{Reach, Watched};

use quiet::Kept;
use seats::Seats;
use site::Site;
use thread::Threads;

/// Onsets so near to each other are one fault.
const TOGETHER: Duration = Duration::from_mins(5);
/// How long a flapping alert is held open after it was bad last.
const HOLD: Duration = Duration::from_hours(1);
/// So many reopenings are flapping.
const FLAPS: u32 = 3;
/// How long a target may be silent beyond its three intervals before that is an alert of its own.
const SILENCE: Duration = Duration::from_secs(30);
/// How often values of a bad series are stored that nobody is told of.
const RENEW: Duration = Duration::from_mins(5);

/// What the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where this instance stands.
    pub site: String,
    /// Where the pages are, if they can be reached from elsewhere.
    pub pages: Option<String>,
    /// Who is told what.
    pub routes: Vec<Route>,
    /// When what is worked on.
    pub maintenance: Vec<Maintenance>,
}

/// An alert in the engine's hands: open, or over for less than half an hour.
#[derive(Debug)]
struct Held {
    alert: Arc<Alert>,
    /// Who speaks for it.
    speaker: Option<AlertId>,
    /// For whom it speaks.
    members: BTreeSet<AlertId>,
    /// How many of these are open.
    open_members: u32,
    /// It may be told from here on, after each route's wait.
    ready: UnixMs,
    /// The onset under which groups know it.
    entered: UnixMs,
    /// It is held open until then, although nothing is bad any more.
    hold: Option<UnixMs>,
    /// The worst values when it was acknowledged.
    acked: Vec<(SeriesId, f32)>,
    /// When it was stored last.
    stored: UnixMs,
}

/// What was done, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts raised.
    pub raised: u64,
    /// Alerts opened again.
    pub reopened: u64,
    /// Alerts resolved.
    pub resolved: u64,
    /// Alerts accepted as the new usual.
    pub accepted: u64,
    /// Messages written, one for each receiver.
    pub told: u64,
}

/// Why a command cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no open alert of this number.
    #[error("there is no open alert {0}; `netmend alerts list` shows those that are")]
    NoAlert(AlertId),
    /// The alert is over.
    #[error("alert {0} is over already")]
    Over(AlertId),
    /// There is no silence of this number that has not ended.
    #[error(
        "there is no silence {0} that has not ended; `netmend silence list` shows those that are"
    )]
    NoSilence(SilenceId),
    /// A silence would keep everything quiet for ever, or nothing.
    #[error("{0}")]
    Silence(&'static str),
    /// A matcher is wrong.
    #[error(transparent)]
    Matcher(#[from] MatchError),
    /// The hours of the week are wrong.
    #[error(transparent)]
    Hours(#[from] crate::calendar::HoursError),
    /// No receiver has this name.
    #[error("there is no receiver {0:?}; those of `notify:` are {1}")]
    NoReceiver(String, String),
}

/// The numbers that come next.
#[derive(Clone, Copy, Debug)]
struct Next {
    alert: u64,
    silence: u64,
    notice: u64,
    thread: u64,
}

/// What has changed since [`Engine::take_changes`].
#[derive(Debug, Default)]
struct Out {
    alerts: BTreeSet<AlertId>,
    silences: Vec<Silence>,
    notices: Vec<Notice>,
    threads: BTreeSet<u64>,
}

/// The state machine.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    seats: Seats,
    held: HashMap<AlertId, Held>,
    /// Open alerts that speak for themselves.
    roots: BTreeSet<AlertId>,
    site: Site,
    silences: BTreeMap<SilenceId, Kept>,
    threads: Threads,
    next: Next,
    out: Out,
    counts: Counts,
    /// When what keeps alerts quiet was looked at last.
    looked: Option<UnixMs>,
    /// When what is over was last forgotten.
    swept: Option<UnixMs>,
    /// When messages were written last.
    told: Option<UnixMs>,
    /// Whether an alert has changed since then.
    stirred: bool,
    /// Whether an alert waits to be told.
    waiting: bool,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            seats: Seats::default(),
            held: HashMap::new(),
            roots: BTreeSet::new(),
            site: Site::default(),
            silences: BTreeMap::new(),
            threads: Threads::default(),
            next: Next { alert: 1, silence: 1, notice: 1, thread: 1 },
            out: Out::default(),
            counts: Counts::default(),
            looked: None,
            swept: None,
            told: None,
            stirred: true,
            waiting: false,
        }
    }
}

impl Engine {
    /// Takes over targets and settings. Targets that stay keep their alerts; those of targets that are
    /// gone are resolved.
    pub fn set(&mut self, settings: Settings, targets: Vec<Watched>, now: UnixMs) {
        self.settings = settings;
        let gone = self.seats.set(targets, now);
        self.enter_groups();
        self.group_links(now);
        for seat in gone {
            if let Some(id) = seat.alert {
                self.note(id, now, Happening::Removed);
                self.end(id, AlertState::Resolved, now);
            }
        }
        let names: BTreeSet<&str> =
            self.settings.routes.iter().map(|route| route.name.as_str()).collect();
        self.out.threads.extend(self.threads.keep(|receiver| names.contains(receiver)));
        self.looked = None;
        self.stirred = true;
    }

    /// Takes in what the detector says of a series: each change, the first word after a start, and from
    /// time to time how bad it is.
    pub fn judged(&mut self, series: SeriesId, judgement: &Judgement, now: UnixMs) {
        let Some((seat, slot)) = self.seats.of_series(series) else { return };
        let place = &mut self.seats.list[seat].slots[slot];
        place.known = judgement.standing != Standing::Learning;
        match judgement.standing {
            Standing::Firing { since, rule } => {
                let fresh = place.finding.is_none();
                let before = place.finding.take();
                let peak = before.as_ref().map_or(f32::MIN, |before| before.peak);
                let since = before.map_or(since, |before| before.since.min(since));
                place.finding = Some(Finding {
                    metric: place.metric,
                    series,
                    rule,
                    state: AlertState::Firing,
                    since,
                    ended: None,
                    value: judgement.value,
                    peak: peak.max(judgement.value),
                    usual: known(judgement.usual),
                    varies: known(judgement.varies),
                    limit: known(judgement.limit),
                    share: judgement.share,
                    at: judgement.at,
                });
                if fresh { self.found(seat, slot, now) } else { self.renewed(seat, slot, now) }
            }
            Standing::Learning | Standing::Usual => {
                let Some(mut finding) = place.finding.take() else { return };
                let accepted = judgement.change == Some(Changed::Accepted);
                finding.state = if accepted { AlertState::Accepted } else { AlertState::Resolved };
                finding.ended = Some(now);
                finding.value = judgement.value;
                finding.at = judgement.at;
                self.cleared(seat, finding, now);
            }
        }
    }

    /// Takes in whether a target, named by its RTT series, is heard of from now on.
    pub fn reached(&mut self, target: SeriesId, reach: Reach, now: UnixMs) {
        let Some(seat) = self.seats.of_target(target) else { return };
        let place = &mut self.seats.list[seat];
        if place.reach == reach {
            return;
        }
        place.heard |= !matches!(reach, Reach::Unknown | Reach::Silent);
        place.reach = reach;
        place.since = now;
        self.heard(seat, now);
    }

    /// Lets time pass: what waits for its time happens. To be called about once a second.
    pub fn tick(&mut self, now: UnixMs) {
        self.look_at_site(now);
        self.look_at_seats(now);
        self.release_holds(now);
        self.look_at_quiet(now);
        self.tell(now);
        self.sweep(now);
    }

    /// Somebody knows of an alert: it is not repeated until it gets worse. What was said before stays where
    /// nothing is said now.
    pub fn acknowledge(&mut self, id: AlertId, ack: Ack, now: UnixMs) -> Result<(), CommandError> {
        let held = self.held.get_mut(&id).ok_or(CommandError::NoAlert(id))?;
        if !held.alert.is_open() {
            return Err(CommandError::Over(id));
        }
        held.acked = held.alert.findings.iter().map(|found| (found.series, found.peak)).collect();
        let kept = said_before(&held.alert, &ack);
        self.change(id).ack = Some(kept);
        self.note(id, now, Happening::Acked(ack));
        Ok(())
    }

    /// Says where the fault of an alert is. What is only filtered ICMP becomes a note.
    pub fn set_cause(&mut self, id: AlertId, cause: Cause, now: UnixMs) {
        let Some(held) = self.held.get(&id) else { return };
        if held.alert.cause == Some(cause) || !held.alert.is_open() {
            return;
        }
        let from = held.alert.severity;
        let to = match (held.alert.cause, cause) {
            (_, Cause::IcmpFiltered) => Severity::Info,
            (Some(Cause::IcmpFiltered), _) => self.worth_of(id).unwrap_or(from),
            _ => from,
        };
        let alert = self.change(id);
        alert.cause = Some(cause);
        alert.severity = to;
        self.note(id, now, Happening::Cause(cause));
        if from != to {
            self.note(id, now, Happening::Severity { from, to });
        }
    }

    /// Says what devices on the path of an alert said before it.
    pub fn set_clues(&mut self, id: AlertId, clues: Vec<Clue>) {
        let known = self.held.get(&id).filter(|held| held.alert.is_open());
        if known.is_some_and(|held| held.alert.clues != clues) {
            self.change(id).clues = clues;
        }
    }

    /// Writes a test message to one receiver, or to all; gives the notices' numbers.
    pub fn test(
        &mut self,
        receiver: Option<&str>,
        now: UnixMs,
    ) -> Result<Vec<(String, NoticeId)>, CommandError> {
        let all: Vec<String> =
            self.settings.routes.iter().map(|route| route.name.clone()).collect();
        let chosen: Vec<String> = match receiver {
            Some(name) if !all.iter().any(|known| known == name) => {
                let known = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
                return Err(CommandError::NoReceiver(name.to_owned(), known));
            }
            Some(name) => vec![name.to_owned()],
            None => all,
        };
        Ok(chosen
            .into_iter()
            .map(|receiver| {
                let thread = format!("test-{}", self.next.notice);
                let message = self.message(MessageKind::Test, thread, 1, now);
                (receiver.clone(), self.send(receiver, message, now))
            })
            .collect())
    }

    /// The alerts that are not over, in no order.
    pub fn open(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.held.values().map(|held| &held.alert).filter(|alert| alert.is_open())
    }

    /// An alert that is open, or over for less than half an hour.
    pub fn alert(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.held.get(&id).map(|held| &held.alert)
    }

    /// What was done since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the site cannot see.
    pub fn is_blind(&self) -> bool {
        self.site.is_blind()
    }

    /// What is to be stored, in one transaction: alerts, silences, notices, threads. The next call gives
    /// what changed after this one; whoever cannot store it keeps it and stores it before what follows.
    pub fn take_changes(&mut self, now: UnixMs) -> Vec<Change> {
        let out = std::mem::take(&mut self.out);
        let mut changes = Vec::new();
        for id in out.alerts {
            if let Some(held) = self.held.get_mut(&id) {
                held.stored = now;
                changes.push(Change::Alert(Box::new((*held.alert).clone())));
            }
        }
        changes.extend(out.silences.into_iter().map(Change::Silence));
        changes.extend(out.notices.into_iter().map(|notice| Change::Notice(Box::new(notice))));
        changes.extend(out.threads.into_iter().map(|id| Change::Memo(self.threads.memo(id))));
        changes
    }

    /// The alert, to be changed and stored. Only for alerts that are held.
    fn change(&mut self, id: AlertId) -> &mut Alert {
        self.out.alerts.insert(id);
        self.stirred = true;
        let held = self.held.get_mut(&id).expect("whoever changes an alert has just seen it");
        Arc::make_mut(&mut held.alert)
    }

    fn note(&mut self, id: AlertId, now: UnixMs, what: Happening) {
        if self.held.contains_key(&id) {
            self.change(id).note(now, what);
        }
    }

    fn is_open(&self, id: AlertId) -> bool {
        self.held.get(&id).is_some_and(|held| held.alert.is_open())
    }

    /// Forgets what has been over for so long that it cannot be opened again.
    fn sweep(&mut self, now: UnixMs) {
        if self.swept.is_some_and(|swept| now < swept + Duration::from_mins(1)) {
            return;
        }
        self.swept = Some(now);
        let oldest = UnixMs(now.0.saturating_sub(Alert::REOPENS_WITHIN_MS));
        self.out.threads.extend(self.threads.sweep(oldest));
        let told = self.threads.referenced();
        let speakers: BTreeSet<AlertId> =
            self.held.values().filter_map(|held| held.speaker).collect();
        let out = &self.out.alerts;
        self.held.retain(|id, held| {
            held.alert.ended.is_none_or(|ended| ended >= oldest)
                || told.contains(id)
                || speakers.contains(id)
                || out.contains(id)
        });
        self.silences.retain(|_, kept| !kept.is_over(oldest));
    }
}

/// An acknowledgement with the note and the ticket of the one before it, where it has none itself. A note of
/// somebody else is named after them.
fn said_before(alert: &Alert, ack: &Ack) -> Ack {
    let Some(before) = &alert.ack else { return ack.clone() };
    let wrote = alert.history.iter().rev().find_map(|entry| match &entry.what {
        Happening::Acked(one) => one.note.as_ref().map(|note| (&one.by, note)),
        _ => None,
    });
    let note = || match (&before.note, wrote) {
        (None, _) => None,
        (Some(_), Some((by, note))) if *by == ack.by => Some(note.clone()),
        (Some(_), Some((by, note))) => Some(format!("{by}: {note}")),
        // A long history has let go of who it was.
        (Some(note), None) => Some(note.clone()),
    };
    Ack {
        note: ack.note.clone().or_else(note),
        ticket: ack.ticket.clone().or_else(|| before.ticket.clone()),
        ..ack.clone()
    }
}

/// A number of the detector that may be unknown.
fn known(value: f32) -> Option<f32> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests;
