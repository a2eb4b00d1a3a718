//! The way back after a restart: open alerts, silences and threads as they were stored, so that nobody is
//! told twice and every end still finds its way.

use std::sync::Arc;

use model::alert::{
    AlertId, Happening, LinkSubject, NoticeId, QuietBy, Silence, SilenceId, Subject, TargetSubject,
};
use model::{Alert, AlertState, UnixMs};
use store::{AlertQuery, Error, Query, State, Value};

use super::quiet::Kept;
use super::thread::{KEY, Thread};
use super::{Engine, Held};

/// What a process before this one left in the store.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    alerts: Vec<Alert>,
    silences: Vec<Silence>,
    threads: Vec<Vec<u8>>,
    newest_alert: Option<AlertId>,
    newest_silence: Option<SilenceId>,
    newest_notice: Option<NoticeId>,
}

/// The beginning of time.
const ALWAYS: UnixMs = UnixMs(i64::MIN);

impl Saved {
    /// Reads what a state machine that starts at `now` has to know.
    pub fn read(state: &dyn State, now: UnixMs) -> Result<Self, Error> {
        let recent = AlertQuery {
            from: Some(UnixMs(now.0.saturating_sub(Alert::REOPENS_WITHIN_MS))),
            open: Some(false),
            limit: u32::MAX,
            ..AlertQuery::default()
        };
        let open = AlertQuery { open: Some(true), limit: u32::MAX, ..AlertQuery::default() };
        let newest = AlertQuery { limit: 1, ..AlertQuery::default() };
        let mut saved = Self::default();
        let find = |query: Query| -> Result<Vec<Value>, Error> {
            Ok(state.find(&query)?.into_iter().map(|record| record.value).collect())
        };
        for value in find(Query::Alerts(newest))? {
            if let Value::Alert(alert) = value {
                saved.newest_alert = Some(alert.id);
            }
        }
        for query in [open, recent] {
            for value in find(Query::Alerts(query))? {
                if let Value::Alert(alert) = value {
                    saved.alerts.push(*alert);
                }
            }
        }
        for value in find(Query::Silences { after: ALWAYS, limit: 1 })? {
            if let Value::Silence(silence) = value {
                saved.newest_silence = Some(silence.id);
            }
        }
        for value in find(Query::Silences { after: now, limit: u32::MAX })? {
            if let Value::Silence(silence) = value {
                saved.silences.push(silence);
            }
        }
        for value in find(Query::Notices { state: None, limit: 1 })? {
            if let Value::Notice(notice) = value {
                saved.newest_notice = Some(notice.id);
            }
        }
        for value in find(Query::Memos { prefix: KEY.to_owned() })? {
            if let Value::Memo(memo) = value {
                saved.threads.extend(memo.body);
            }
        }
        Ok(saved)
    }
}

impl Engine {
    /// Takes up where a process before this one stopped. To be called once, after [`Engine::set`]. Alerts
    /// of targets that are gone are resolved. Threads and silences that cannot be read are passed over;
    /// gives how many.
    pub fn restore(&mut self, saved: Saved, now: UnixMs) -> usize {
        let next = |newest: Option<u64>| newest.map_or(1, |newest| newest + 1);
        self.next.alert = next(saved.newest_alert.map(|id| id.0));
        self.next.silence = next(saved.newest_silence.map(|id| id.0));
        self.next.notice = next(saved.newest_notice.map(|id| id.0));
        let mut unread = 0;
        for silence in saved.silences {
            let id = silence.id;
            match Kept::new(silence) {
                Ok(kept) => drop(self.silences.insert(id, kept)),
                Err(_) => unread += 1,
            }
        }
        for body in saved.threads {
            let Ok(thread) = serde_json::from_slice::<Thread>(&body) else {
                unread += 1;
                continue;
            };
            self.next.thread = self.next.thread.max(thread.id + 1);
            self.threads.put(thread);
        }
        let mut gone = Vec::new();
        for alert in saved.alerts {
            gone.extend(self.take_up(alert, now));
        }
        self.link();
        self.enter_groups();
        gone.sort_unstable();
        for id in gone {
            self.note(id, now, Happening::Removed);
            self.end(id, AlertState::Resolved, now);
        }
        let names: std::collections::BTreeSet<String> =
            self.settings.routes.iter().map(|route| route.name.clone()).collect();
        self.out.threads.extend(self.threads.keep(|receiver| names.contains(receiver)));
        unread
    }

    /// Takes an alert up; gives its number if it is open and its subject is gone.
    fn take_up(&mut self, alert: Alert, now: UnixMs) -> Option<AlertId> {
        let id = alert.id;
        let open = alert.is_open();
        let mut gone = None;
        match &alert.subject {
            Subject::Target(TargetSubject { series, .. })
            | Subject::Link(LinkSubject { series, .. }) => match self.seats.of_target(*series) {
                Some(seat) if open => {
                    let seat = &mut self.seats.list[seat];
                    seat.alert = Some(id);
                    for slot in &mut seat.slots {
                        let known = alert
                            .findings
                            .iter()
                            .find(|found| found.series == slot.series && !found.state.is_over());
                        slot.finding = known.cloned();
                    }
                }
                Some(seat) => {
                    let seat = &mut self.seats.list[seat];
                    seat.previous = seat.previous.max(Some(id));
                }
                None => gone = open.then_some(id),
            },
            Subject::Group(group) if open => {
                let number = self.seats.of_group(&group.tag, &group.value);
                gone = number.is_none().then_some(id);
            }
            Subject::Site { .. } => self.site.restore(&alert),
            // Who repairs says again and again what needs people; what is not said again is over.
            Subject::Group(_) | Subject::Repair(_) => {}
        }
        let acked = match &alert.ack {
            Some(_) => alert.findings.iter().map(|found| (found.series, found.peak)).collect(),
            None => Vec::new(),
        };
        // It was held open since the last of it was over.
        let idle = alert.flapping && alert.findings.iter().all(|found| found.state.is_over());
        let idle_since = alert.findings.iter().filter_map(|found| found.ended).max().unwrap_or(now);
        let speaker = alert.quiet.iter().find_map(|by| match by {
            QuietBy::Alert(speaker) => Some(*speaker),
            _ => None,
        });
        let ready = if alert.reopened > 0 { now } else { alert.raised };
        let mut held = Held::new(Arc::new(alert), ready);
        held.speaker = speaker;
        held.acked = acked;
        held.hold = (open && idle && held.alert.state == AlertState::Firing)
            .then(|| idle_since + super::HOLD);
        self.held.insert(id, held);
        gone
    }

    /// Puts together who speaks for whom.
    fn link(&mut self) {
        let speakers: Vec<(AlertId, AlertId, bool)> = self
            .held
            .iter()
            .filter_map(|(id, held)| Some((*id, held.speaker?, held.alert.is_open())))
            .collect();
        for (id, speaker, open) in speakers {
            if let Some(held) = self.held.get_mut(&speaker) {
                held.members.insert(id);
                held.open_members += u32::from(open && held.alert.is_open());
            }
        }
        let open = self.held.iter().filter(|(_, held)| held.alert.is_open());
        let alone =
            open.filter(|(_, held)| held.speaker.is_none_or(|speaker| !self.is_open(speaker)));
        self.roots = alone.map(|(id, _)| *id).collect();
    }
}
