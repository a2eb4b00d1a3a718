//! The life of a target's alert: raised, worse, better, over, open again, held while it comes and goes.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use model::alert::{AlertId, Finding, Happening};
use model::{Alert, AlertState, Metric, Rule, Severity, UnixMs};

use super::seats::{Reach, Seat};
use super::{Engine, FLAPS, HOLD, Held, RENEW, SILENCE};
use crate::route::Route;

/// What is bad again is told again only if it stays so for this long; shorter comings and goings are not.
const REOPENED: Duration = Duration::from_secs(Route::INTERVAL.as_secs() - Route::WAIT.as_secs());
/// Loss from here on is an outage, whatever rule found it, in percent.
const OUTAGE: f32 = 50.0;
/// A value so much above the one that was acknowledged is worse.
const WORSE: f32 = 1.5;

impl Engine {
    /// A series of the seat became bad.
    pub(super) fn found(&mut self, seat: usize, slot: usize, now: UnixMs) {
        let place = &self.seats.list[seat];
        let Some(finding) = place.slots[slot].finding.clone() else { return };
        let Some(id) = place.alert else {
            if self.site.spares(finding.since, now) && !place.watched.is_told() {
                self.seats.list[seat].deferred = true;
                return;
            }
            return self.consider(seat, now);
        };
        let worth = worth(place, &finding);
        let (metric, since) = (finding.metric, finding.since);
        let normal = normal(place);
        let held = self.held.get_mut(&id).expect("a seat's alert is held");
        let again = held.hold.take().is_some();
        let alert = self.change(id);
        match alert.findings.iter_mut().find(|known| known.series == finding.series) {
            Some(known) => *known = finding,
            None => alert.findings.push(finding),
        }
        alert.findings.sort_by(worst_first);
        alert.since = alert.since.min(since);
        alert.normal = normal;
        if again {
            alert.reopened += 1;
            self.counts.reopened += 1;
            self.note(id, now, Happening::Reopened);
        } else {
            self.note(id, now, Happening::Found(metric));
            self.worse(id, now);
        }
        self.raise_severity(id, worth, now);
    }

    /// A bad series was looked at again.
    pub(super) fn renewed(&mut self, seat: usize, slot: usize, now: UnixMs) {
        let place = &self.seats.list[seat];
        let Some(id) = place.alert else { return };
        let Some(finding) = place.slots[slot].finding.clone() else { return };
        let worth = worth(place, &finding);
        let held = self.held.get_mut(&id).expect("a seat's alert is held");
        let acked = held.acked.iter().find(|(series, _)| *series == finding.series);
        let worse = acked.is_some_and(|(_, peak)| finding.value > peak * WORSE);
        let stale = now >= held.stored + RENEW;
        let alert = Arc::make_mut(&mut held.alert);
        if let Some(known) = alert.findings.iter_mut().find(|known| known.series == finding.series)
        {
            *known = finding;
        }
        if stale {
            self.out.alerts.insert(id);
        }
        if worse {
            self.worse(id, now);
        }
        self.raise_severity(id, worth, now);
    }

    /// A series of the seat is not bad any more.
    pub(super) fn cleared(&mut self, seat: usize, finding: Finding, now: UnixMs) {
        let place = &mut self.seats.list[seat];
        let bad = place.is_bad();
        place.deferred &= bad;
        let Some(id) = place.alert else { return };
        let normal = normal(place);
        let silent = matches!(place.reach, Reach::Silent | Reach::Hidden);
        let metric = finding.metric;
        let alert = self.change(id);
        if let Some(known) = alert.findings.iter_mut().find(|known| known.series == finding.series)
        {
            *known = finding;
        }
        alert.findings.sort_by(worst_first);
        alert.normal = normal;
        let accepted = alert.findings.iter().any(|found| found.state == AlertState::Accepted);
        if bad || silent {
            return self.note(id, now, Happening::Cleared(metric));
        }
        let over = if accepted { AlertState::Accepted } else { AlertState::Resolved };
        self.finish(id, over, now);
    }

    /// Nothing is bad any more: it is over, unless it comes and goes.
    fn finish(&mut self, id: AlertId, over: AlertState, now: UnixMs) {
        let held = self.held.get_mut(&id).expect("whoever ends an alert has just seen it");
        if held.alert.flapping && over == AlertState::Resolved {
            held.hold = Some(now + HOLD);
        } else {
            self.end(id, over, now);
        }
    }

    /// The seat is bad and has no alert: it gets one, unless the fault may be ours.
    pub(super) fn consider(&mut self, seat: usize, now: UnixMs) {
        let place = &mut self.seats.list[seat];
        // Right after a start it is bad as it was before, and whether it ever answered is told a little later.
        let answered = matches!(place.reach, Reach::Seen | Reach::Lost);
        let stranger = place.watched.discovered && !answered;
        if stranger || (self.site.is_blind() && !place.watched.is_told()) {
            place.deferred = true;
            return;
        }
        place.deferred = false;
        self.raise(seat, AlertState::Firing, now);
    }

    /// Whether a target is heard of has changed.
    pub(super) fn heard(&mut self, seat: usize, now: UnixMs) {
        let place = &self.seats.list[seat];
        let (reach, bad, known) = (place.reach, place.is_bad(), place.heard);
        let Some(id) = place.alert else {
            if place.deferred && bad && !self.site.settles(now) {
                self.consider(seat, now);
            }
            return;
        };
        let state = self.held[&id].alert.state;
        match (reach, state) {
            // Right after a start nobody has been heard of: that takes its time.
            (Reach::Silent, AlertState::Firing) if known => self.lose(id, now),
            (Reach::Hidden, AlertState::Firing) => self.lose(id, now),
            // It was found good while it was silent, and that it is not silent any more ends it.
            (Reach::Seen | Reach::Lost | Reach::Never, AlertState::Firing)
                if !bad && self.held[&id].hold.is_none() =>
            {
                self.finish(id, AlertState::Resolved, now);
            }
            (Reach::Seen | Reach::Lost | Reach::Never, AlertState::NoData) => {
                self.note(id, now, Happening::DataAgain);
                if bad || self.held[&id].hold.is_some() {
                    self.change(id).state = AlertState::Firing;
                } else {
                    self.finish(id, AlertState::Resolved, now);
                }
            }
            _ => {}
        }
    }

    /// Gives an alert to seats that have been silent for too long, and to those whose fault it turned
    /// out to be.
    pub(super) fn look_at_seats(&mut self, now: UnixMs) {
        if self.site.is_blind() {
            return;
        }
        let settles = self.site.settles(now);
        for seat in 0..self.seats.list.len() {
            let place = &self.seats.list[seat];
            let lasts = |span| now >= place.since + span;
            // Three intervals have passed when a target that was heard of is called silent.
            let patience = if place.heard { SILENCE } else { SILENCE + 3 * place.watched.interval };
            if let Some(id) = place.alert {
                let firing = self.held[&id].alert.state == AlertState::Firing;
                if firing && place.is_silent() && lasts(patience) {
                    self.lose(id, now);
                }
                continue;
            }
            if place.is_silent() && lasts(patience) && !settles {
                self.raise(seat, AlertState::NoData, now);
            } else if place.deferred && place.is_bad() {
                let since = self.site.lost_since(place.since);
                let still_lost = place.reach.is_gone() && now >= since + SILENCE;
                if still_lost || !settles {
                    self.consider(seat, now);
                }
            }
        }
    }

    /// Nothing is heard any more of the target of a firing alert.
    fn lose(&mut self, id: AlertId, now: UnixMs) {
        self.change(id).state = AlertState::NoData;
        self.note(id, now, Happening::NoData);
    }

    /// Ends the alerts that came and went and have been good for long enough.
    pub(super) fn release_holds(&mut self, now: UnixMs) {
        let due = |(id, held): (&AlertId, &Held)| {
            held.hold.is_some_and(|until| until <= now).then_some(*id)
        };
        let mut ids: Vec<AlertId> = self.held.iter().filter_map(due).collect();
        ids.sort_unstable();
        for id in ids {
            self.end(id, AlertState::Resolved, now);
        }
    }

    /// Raises an alert for a seat, or opens its latest one again.
    fn raise(&mut self, seat: usize, state: AlertState, now: UnixMs) {
        let place = &self.seats.list[seat];
        let oldest = UnixMs(now.0.saturating_sub(Alert::REOPENS_WITHIN_MS));
        let previous = place.previous.filter(|id| {
            let alert = self.held.get(id).map(|held| &held.alert);
            alert.is_some_and(|alert| {
                alert.state == AlertState::Resolved && alert.ended.is_some_and(|at| at >= oldest)
            })
        });
        let mut findings: Vec<Finding> =
            place.slots.iter().filter_map(|slot| slot.finding.clone()).collect();
        findings.sort_by(worst_first);
        let severity = findings.iter().map(|finding| worth(place, finding)).max();
        let severity =
            severity.unwrap_or_else(|| place.watched.severity.unwrap_or(Severity::Warning));
        let since = place.onset().unwrap_or(place.since);
        let normal = normal(place);
        let id = if let Some(id) = previous {
            self.reopen(id, (findings, normal), (state, since), now);
            self.raise_severity(id, severity, now);
            id
        } else {
            let subject = place.watched.subject.clone();
            let alert =
                Alert { findings, normal, ..Alert::new(AlertId(0), subject, severity, since) };
            self.create(Alert { state, ..alert }, now)
        };
        self.enter(seat, id);
        self.speak(seat, id, now);
    }

    /// Takes up an alert that was over.
    fn reopen(
        &mut self,
        id: AlertId,
        (findings, normal): (Vec<Finding>, Vec<Metric>),
        (state, since): (AlertState, UnixMs),
        now: UnixMs,
    ) {
        let held = self.held.get_mut(&id).expect("the caller has just seen it");
        held.ready = now + REOPENED;
        held.speaker = None;
        let alert = self.change(id);
        alert.state = state;
        alert.ended = None;
        alert.since = alert.since.min(since);
        alert.normal = normal;
        alert.reopened += 1;
        let flaps = alert.reopened >= FLAPS && !alert.flapping;
        alert.flapping |= flaps;
        for finding in findings {
            match alert.findings.iter_mut().find(|known| known.series == finding.series) {
                Some(known) => *known = finding,
                None => alert.findings.push(finding),
            }
        }
        alert.findings.sort_by(worst_first);
        self.counts.reopened += 1;
        self.note(id, now, Happening::Reopened);
        if flaps {
            self.note(id, now, Happening::Flapping);
        }
        self.roots.insert(id);
    }

    /// Gives an alert its number and takes it up.
    pub(super) fn create(&mut self, alert: Alert, now: UnixMs) -> AlertId {
        let id = AlertId(self.next.alert);
        self.next.alert += 1;
        let severity = alert.severity;
        let alert = Arc::new(Alert { id, raised: now, ..alert });
        self.held.insert(id, Held::new(alert, now));
        self.roots.insert(id);
        self.counts.raised += 1;
        self.note(id, now, Happening::Raised(severity));
        id
    }

    /// Ends an alert, tells its speaker, and lets those it spoke for speak for themselves.
    pub(super) fn end(&mut self, id: AlertId, over: AlertState, now: UnixMs) {
        let alert = self.change(id);
        alert.state = over;
        alert.ended = Some(now);
        for finding in alert.findings.iter_mut().filter(|found| !found.state.is_over()) {
            finding.state = over;
            finding.ended = Some(now);
        }
        let what = if over == AlertState::Accepted {
            self.counts.accepted += 1;
            Happening::Accepted
        } else {
            self.counts.resolved += 1;
            Happening::Resolved
        };
        self.note(id, now, what);
        self.roots.remove(&id);
        let held = self.held.get_mut(&id).expect("it was changed above");
        held.hold = None;
        self.leave_groups(id);
        self.release_members(id, now);
        self.member_ended(id, now);
    }

    /// The severity is the worst since the alert was raised.
    pub(super) fn raise_severity(&mut self, id: AlertId, to: Severity, now: UnixMs) {
        let from = self.held[&id].alert.severity;
        if to > from && self.held[&id].alert.cause != Some(model::alert::Cause::IcmpFiltered) {
            self.change(id).severity = to;
            self.note(id, now, Happening::Severity { from, to });
            self.worse(id, now);
        }
    }

    /// What the alert of a target is worth by what is wrong with it now.
    pub(super) fn worth_of(&self, id: AlertId) -> Option<Severity> {
        let series = self.held.get(&id)?.alert.subject.series()?;
        let seat = &self.seats.list[self.seats.of_target(series)?];
        seat.slots.iter().filter_map(|slot| Some(worth(seat, slot.finding.as_ref()?))).max()
    }

    /// It is worse than what somebody acknowledged.
    pub(super) fn worse(&mut self, id: AlertId, now: UnixMs) {
        if self.held[&id].alert.ack.is_some() {
            self.change(id).ack = None;
            self.note(id, now, Happening::Worse);
        }
    }
}

impl Held {
    /// An alert that may be told from `now` on.
    pub(super) fn new(alert: Arc<Alert>, now: UnixMs) -> Self {
        Self {
            alert,
            speaker: None,
            members: std::collections::BTreeSet::new(),
            open_members: 0,
            ready: now,
            entered: now,
            hold: None,
            acked: Vec::new(),
            stored: now,
        }
    }
}

/// What a finding is worth.
fn worth(seat: &Seat, finding: &Finding) -> Severity {
    let decided = seat.watched.severities.iter().find(|(metric, _)| *metric == finding.metric);
    if let Some((_, severity)) = decided {
        return *severity;
    }
    let outage = finding.metric == Metric::Loss && finding.value >= OUTAGE;
    if finding.rule == Rule::Down || outage { Severity::Critical } else { Severity::Warning }
}

/// The metrics that were judged and are as usual.
fn normal(seat: &Seat) -> Vec<Metric> {
    let good = seat.slots.iter().filter(|slot| slot.known && slot.finding.is_none());
    good.map(|slot| slot.metric).collect()
}

/// What an alert is told by first: what still stands before what is over, loss before times, and of the two
/// directions of a link the one that is further above its limit.
fn worst_first(a: &Finding, b: &Finding) -> Ordering {
    let metric = |found: &Finding| match found.metric {
        Metric::Loss => 0,
        Metric::Rtt => 1,
        Metric::Jitter | Metric::Interface(_) => 2,
    };
    let excess = |found: &Finding| {
        let limit = found.limit.filter(|limit| limit.is_finite() && *limit > 0.0);
        limit.map_or(0.0, |limit| found.value / limit)
    };
    let (left, right) = ((a.state.is_over(), metric(a)), (b.state.is_over(), metric(b)));
    left.cmp(&right).then_with(|| excess(b).total_cmp(&excess(a)))
}
