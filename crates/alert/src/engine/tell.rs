//! When which message is written. An alert waits for company, is told once, its changes seldom, its end
//! always. However many there are, the number of messages stays small.

use std::time::Duration;

use model::alert::{
    AlertId, Happening, Message, MessageKind, Notice, NoticeId, NoticeState, QuietBy, Severity,
    Subject,
};
use model::{Alert, AlertState, UnixMs};

use super::Engine;
use super::thread::{Said, Thread};
use crate::route::Route;

/// More alerts than this that are to be told at once are told in one message.
const AT_ONCE: usize = 5;
/// So many threads may begin within [`WINDOW`]; further alerts share one.
const THREADS: usize = 10;
/// See [`THREADS`].
const WINDOW: Duration = Duration::from_mins(10);
/// So long further alerts may join a thread of many.
const DIGEST: Duration = Duration::from_hours(1);
/// An alert that speaks for others is followed by so many of these.
const EXAMPLES: usize = 10;

/// What there is to say in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// All of it is over.
    End,
    /// It is worse, or not what it seemed.
    Urgent,
    /// Something changed.
    Change,
    /// It is still wrong.
    Still,
    /// Nothing.
    None,
}

impl Engine {
    /// Writes all messages that are due.
    pub(super) fn tell(&mut self, now: UnixMs) {
        let last = self.told.replace(now);
        let stirred = std::mem::take(&mut self.stirred);
        let calm = last.filter(|last| !stirred && minute(*last) == minute(now));
        let routes = std::mem::take(&mut self.settings.routes);
        if calm.is_none() || self.waiting {
            self.waiting = false;
            for route in &routes {
                self.tell_new(route, now);
            }
        }
        for route in &routes {
            self.follow_up(route, calm, now);
        }
        self.settings.routes = routes;
    }

    /// Tells of alerts that the receiver has not heard of.
    fn tell_new(&mut self, route: &Route, now: UnixMs) {
        if !route.is_open(now) {
            return;
        }
        let unheard: Vec<AlertId> =
            self.roots.iter().copied().filter(|id| self.is_unheard(*id, route)).collect();
        self.waiting |= !unheard.is_empty();
        let due: Vec<AlertId> =
            unheard.into_iter().filter(|id| self.is_due(*id, route, now)).collect();
        let mut new = Vec::new();
        for id in due {
            self.quieten(id, now);
            if !self.held[&id].alert.quiet.is_empty() {
                continue;
            }
            match self.threads.of(id, &route.name).map(|thread| thread.id) {
                Some(old) => self.begin_again(old, now),
                None => new.push(id),
            }
        }
        if new.is_empty() {
            return;
        }
        let since = now - WINDOW;
        let recent = self
            .threads
            .iter()
            .filter(|thread| thread.receiver == route.name && thread.begun > since)
            .count();
        let storm = self.storm(route, now);
        if storm.is_some() || new.len() > AT_ONCE || recent >= THREADS {
            return self.tell_many(route, storm, &new, now);
        }
        for id in new {
            let thread = self.begin(route, &[id], false, now);
            self.write(thread, MessageKind::Firing, now);
        }
    }

    /// Whether a receiver wants to hear of an alert and has not.
    fn is_unheard(&self, id: AlertId, route: &Route) -> bool {
        self.threads.of(id, &route.name).is_none_or(|thread| thread.closed.is_some())
            && route.wants(&self.held[&id].alert)
    }

    /// Whether an alert that speaks for itself may be told now.
    fn is_due(&self, id: AlertId, route: &Route, now: UnixMs) -> bool {
        let held = &self.held[&id];
        // A site that cannot see tells only that.
        let told = matches!(held.alert.subject, Subject::Site { .. } | Subject::Link(_));
        let sees = !self.site.is_blind() || told;
        sees && now >= held.ready + route.wait && held.alert.ack.is_none()
    }

    /// The thread of a storm that others may join.
    fn storm(&self, route: &Route, now: UnixMs) -> Option<u64> {
        let open = self.threads.iter().find(|thread| {
            thread.digest
                && thread.receiver == route.name
                && thread.closed.is_none()
                && thread.begun > now - DIGEST
        });
        open.map(|thread| thread.id)
    }

    /// Tells of many in one message, or lets them wait for the next message of a storm's thread.
    fn tell_many(&mut self, route: &Route, storm: Option<u64>, new: &[AlertId], now: UnixMs) {
        let Some(thread) = storm else {
            let thread = self.begin(route, new, true, now);
            return self.write(thread, MessageKind::Firing, now);
        };
        for id in new {
            self.threads.add(thread, &self.held[id].alert);
        }
        self.out.threads.insert(thread);
    }

    fn begin(&mut self, route: &Route, ids: &[AlertId], digest: bool, now: UnixMs) -> u64 {
        let id = self.next.thread;
        self.next.thread += 1;
        let said =
            ids.iter().map(|id| (*id, Said { fresh: true, ..Said::of(&self.held[id].alert) }));
        let first = ids.first().map_or(0, |id| id.0);
        self.threads.put(Thread {
            id,
            name: format!("a{first}-{:x}", now.0),
            receiver: route.name.clone(),
            begun: now,
            digest,
            number: 0,
            sent: now,
            closed: None,
            said: said.collect(),
        });
        id
    }

    /// What was over is wrong again: its thread goes on.
    fn begin_again(&mut self, thread: u64, now: UnixMs) {
        if let Some(thread) = self.threads.get_mut(thread) {
            thread.closed = None;
        }
        self.write(thread, MessageKind::Firing, now);
    }

    /// Tells what changed about alerts that the receiver has heard of. `calm` is since when nothing
    /// changed: then there is news only where its time has come.
    fn follow_up(&mut self, route: &Route, calm: Option<UnixMs>, now: UnixMs) {
        let comes = |sent: UnixMs| {
            let Some(last) = calm else { return true };
            let between = |at: UnixMs| last < at && at <= now;
            let waits = [route.wait, route.interval, route.repeat];
            waits.into_iter().any(|wait| between(sent + wait))
        };
        let open = self.threads.iter().filter(|thread| {
            thread.closed.is_none() && thread.receiver == route.name && comes(thread.sent)
        });
        let due = |thread: &Thread| {
            let (kind, wait) = match self.news(thread) {
                News::End if self.ended_well(thread) => (MessageKind::Resolved, Duration::ZERO),
                News::End => (MessageKind::Accepted, Duration::ZERO),
                News::Urgent => (MessageKind::Update, route.wait),
                News::Change => (MessageKind::Update, route.interval),
                News::Still => (MessageKind::Repeat, route.repeat),
                News::None => return None,
            };
            let ends = matches!(kind, MessageKind::Resolved | MessageKind::Accepted);
            let may = ends || (route.is_open(now) && !self.site.is_blind());
            (may && now >= thread.sent + wait).then_some((thread.id, kind))
        };
        let due: Vec<(u64, MessageKind)> = open.filter_map(due).collect();
        for (thread, kind) in due {
            self.write(thread, kind, now);
        }
    }

    fn ended_well(&self, thread: &Thread) -> bool {
        let accepted = |id: &AlertId| {
            self.held.get(id).is_some_and(|held| held.alert.state == AlertState::Accepted)
        };
        !thread.said.keys().any(accepted)
    }

    fn news(&self, thread: &Thread) -> News {
        let mut best = News::None;
        let mut open = false;
        for (id, said) in &thread.said {
            let Some(held) = self.held.get(id) else { continue };
            let alert = &held.alert;
            open |= alert.is_open();
            let news = news_of(alert, *said, thread.digest);
            best = rank(best, news);
        }
        if !open {
            return News::End;
        }
        best
    }

    /// Writes a message of a thread: to the receiver's queue, into the alerts' histories, and into the
    /// thread's own memory.
    fn write(&mut self, id: u64, kind: MessageKind, now: UnixMs) {
        let Some(thread) = self.threads.get(id).cloned() else { return };
        let mut message = self.message(kind, thread.name.clone(), thread.number + 1, now);
        let mut roots: Vec<(AlertId, Said)> =
            thread.said.iter().map(|(id, said)| (*id, *said)).collect();
        roots.retain(|(id, _)| self.held.contains_key(id));
        for (id, _) in &roots {
            self.count_neighbours(*id);
        }
        for (id, said) in &roots {
            let alert = &self.held[id].alert;
            let just = said.fresh || !said.state.is_over();
            message.open += u32::from(alert.is_open());
            message.resolved += u32::from(just && alert.state == AlertState::Resolved);
            message.accepted += u32::from(just && alert.state == AlertState::Accepted);
        }
        self.fill(&mut message, &roots);
        for (alert, said) in &roots {
            if said.fresh || !thread.digest {
                let receiver = thread.receiver.clone();
                self.note(*alert, now, Happening::Told { receiver, kind });
            }
            self.change(*alert).told = true;
        }
        let ends = matches!(kind, MessageKind::Resolved | MessageKind::Accepted);
        let said: Vec<(AlertId, Said)> =
            roots.iter().map(|(id, _)| (*id, Said::of(&self.held[id].alert))).collect();
        if let Some(thread) = self.threads.get_mut(id) {
            thread.number += 1;
            thread.sent = now;
            thread.closed = ends.then_some(now);
            thread.said.extend(said);
        }
        self.out.threads.insert(id);
        self.send(thread.receiver, message, now);
    }

    /// Puts the alerts of a thread into its message: what needs somebody first, each with some of those
    /// it speaks for.
    fn fill(&self, message: &mut Message, roots: &[(AlertId, Said)]) {
        let mut alerts: Vec<&Alert> = roots
            .iter()
            .map(|(id, said)| (&*self.held[id].alert, said))
            .filter(|(alert, said)| alert.is_open() || said.fresh || !said.state.is_over())
            .map(|(alert, _)| alert)
            .collect();
        let order = |alert: &&Alert| {
            (alert.state.is_over(), std::cmp::Reverse(alert.severity), alert.since, alert.id)
        };
        alerts.sort_unstable_by_key(order);
        let open = alerts.iter().filter(|alert| alert.is_open()).map(|alert| alert.severity).max();
        let all = alerts.iter().map(|alert| alert.severity).max();
        message.severity = open.or(all).unwrap_or(Severity::Info);
        for alert in alerts {
            if message.alerts.len() >= Message::ALERTS {
                return;
            }
            message.alerts.push(alert.clone());
            let room = Message::ALERTS - message.alerts.len();
            let members = self.held[&alert.id].members.iter();
            let members = members.filter_map(|id| self.held.get(id));
            // A group says nothing that the one which speaks for it does not.
            let members = members.filter(|held| {
                let alone = !matches!(held.alert.subject, Subject::Group(_));
                alone && held.speaker == Some(alert.id)
            });
            let members = members.map(|held| &*held.alert);
            message.alerts.extend(members.take(EXAMPLES.min(room)).cloned());
        }
    }

    /// A message without alerts.
    pub(super) fn message(
        &self,
        kind: MessageKind,
        thread: String,
        number: u32,
        now: UnixMs,
    ) -> Message {
        Message {
            kind,
            site: self.settings.site.clone(),
            at: now,
            thread,
            number,
            severity: Severity::Info,
            alerts: Vec::new(),
            open: 0,
            resolved: 0,
            accepted: 0,
            pages: self.settings.pages.clone(),
        }
    }

    /// Puts a message into a receiver's queue.
    pub(super) fn send(&mut self, receiver: String, message: Message, now: UnixMs) -> NoticeId {
        let id = NoticeId(self.next.notice);
        self.next.notice += 1;
        self.counts.told += 1;
        self.out.notices.push(Notice {
            id,
            receiver,
            message,
            state: NoticeState::Waiting,
            attempts: 0,
            created: now,
            next_try: now,
            done: None,
            last_error: None,
            delivered: Vec::new(),
        });
        id
    }
}

/// Hours of the week begin and end with minutes.
fn minute(at: UnixMs) -> i64 {
    at.0.div_euclid(60_000)
}

/// What there is to say of one alert after what was said.
fn news_of(alert: &Alert, said: Said, digest: bool) -> News {
    let hushed = alert.quiet.iter().any(|by| !matches!(by, QuietBy::Alert(_)));
    let spoken_for = alert.quiet.iter().any(|by| matches!(by, QuietBy::Alert(_)));
    if alert.state.is_over() {
        let news = said.fresh || !said.state.is_over();
        // Alone it is the end of its thread; among others it is a change.
        return if news { News::Change } else { News::None };
    }
    if hushed || spoken_for {
        return News::None;
    }
    let severer = alert.severity > said.severity;
    let became_more = said.fresh && !digest;
    if severer || became_more {
        return News::Urgent;
    }
    let again = said.state.is_over();
    let more = alert.affected > said.affected || alert.findings.len() as u32 > said.findings;
    if alert.ack.is_some() {
        return News::None;
    }
    if said.fresh || again || more || alert.flapping != said.flapping {
        return News::Change;
    }
    if alert.state == AlertState::Firing { News::Still } else { News::None }
}

/// The more pressing of two.
fn rank(a: News, b: News) -> News {
    let order = |news| match news {
        News::End | News::Urgent => 3,
        News::Change => 2,
        News::Still => 1,
        News::None => 0,
    };
    if order(b) > order(a) { b } else { a }
}
