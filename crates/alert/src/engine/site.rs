//! Whether the site can see at all. Where it loses its gateway or most targets at once, one alert says so
//! and nobody is accused; once it sees again, what it lost gets time to be found good.

use std::time::Duration;

use model::alert::{Member, Subject};
use model::{Alert, AlertId, AlertState, Severity, UnixMs};

use super::seats::Reach;
use super::{Engine, TOGETHER};

/// It must have been blind for so long before anybody is told; `down` takes as long.
const PATIENCE: Duration = Duration::from_secs(50);
/// Least number of targets that are lost at once before that may be our own fault.
const LEAST: usize = 3;
/// Detectors find what was lost good again within this.
const SETTLE: Duration = Duration::from_mins(15);

/// What is known of the site's own sight.
#[derive(Debug, Default)]
pub(super) struct Site {
    /// Since when it cannot see.
    blind: Option<UnixMs>,
    /// The alert that says so.
    pub(super) alert: Option<AlertId>,
    /// What was lost with its sight is given time until then.
    settled: Option<UnixMs>,
}

/// Targets, counted.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    seen: usize,
    /// Lost at once.
    gone: usize,
    gateways: usize,
    gateways_gone: usize,
}

impl Sight {
    /// Whether so much is gone that the fault is ours.
    fn is_dark(self) -> bool {
        let most = self.gone * 2 > self.seen + self.gone;
        let gateway = self.gateways > 0 && self.gateways_gone == self.gateways;
        most && (self.gone >= LEAST || (gateway && self.gone > self.gateways_gone))
    }
}

impl Site {
    pub(super) fn is_blind(&self) -> bool {
        self.blind.is_some()
    }

    /// Whether what was lost still gets time.
    pub(super) fn settles(&self, now: UnixMs) -> bool {
        self.settled.is_some_and(|until| now < until)
    }

    /// When what was lost may be told.
    pub(super) fn settled(&self, now: UnixMs) -> UnixMs {
        self.settled.map_or(now, |until| until.max(now))
    }

    /// When the site saw again last.
    fn saw_again(&self) -> Option<UnixMs> {
        self.settled.map(|until| until - SETTLE)
    }

    /// Whether what has been bad `since` then is given time: it was lost with the site's sight.
    pub(super) fn spares(&self, since: UnixMs, now: UnixMs) -> bool {
        self.settles(now) && self.saw_again().is_some_and(|at| since <= at)
    }

    /// Since when somebody is lost by his own fault who has been lost `since` then: not all answer in the
    /// moment in which the site sees again.
    pub(super) fn lost_since(&self, since: UnixMs) -> UnixMs {
        self.saw_again().map_or(since, |at| since.max(at))
    }

    /// Takes up where a process before this one stopped.
    pub(super) fn restore(&mut self, alert: &Alert) {
        if let Some(ended) = alert.ended {
            self.settled = self.settled.max(Some(ended + SETTLE));
        } else {
            self.alert = Some(alert.id);
            self.blind = Some(alert.since);
        }
    }
}

impl Engine {
    /// Looks whether the site can see.
    pub(super) fn look_at_site(&mut self, now: UnixMs) {
        let from = self.site.blind.unwrap_or(now) - TOGETHER;
        let sight = self.sight(from);
        match self.site.blind {
            None if sight.is_dark() => self.site.blind = Some(now),
            None => {}
            Some(_) if sight.seen > 0 && !sight.is_dark() => self.see_again(now),
            Some(since) => {
                if self.site.alert.is_none() && now >= since + PATIENCE && sight.is_dark() {
                    self.raise_site(since, now);
                }
                self.count_lost(sight);
            }
        }
    }

    /// Counts who is seen and who was lost after `from`. Who was never heard of, or has not answered since a
    /// start, counts as neither.
    fn sight(&self, from: UnixMs) -> Sight {
        let mut sight = Sight::default();
        for seat in self.seats.list.iter().filter(|seat| seat.heard && !seat.watched.is_told()) {
            let gone = seat.reach.is_unheard() && seat.since >= from;
            let seen = seat.reach == Reach::Seen;
            sight.seen += usize::from(seen);
            sight.gone += usize::from(gone);
            if seat.watched.gateway {
                sight.gateways += 1;
                sight.gateways_gone += usize::from(gone);
            }
        }
        sight
    }

    fn see_again(&mut self, now: UnixMs) {
        self.site.blind = None;
        if let Some(id) = self.site.alert.take() {
            self.site.settled = Some(now + SETTLE);
            self.end(id, AlertState::Resolved, now);
        }
    }

    fn raise_site(&mut self, since: UnixMs, now: UnixMs) {
        let subject = Subject::Site { site: self.settings.site.clone() };
        let id = self.create(Alert::new(AlertId(0), subject, Severity::Critical, since), now);
        self.site.alert = Some(id);
        let with_it: Vec<AlertId> = self
            .roots
            .iter()
            .copied()
            .filter(|root| {
                let alert = &self.held[root].alert;
                let ours = !matches!(alert.subject, Subject::Link(_));
                *root != id && ours && alert.since >= since - TOGETHER
            })
            .collect();
        for root in with_it {
            self.join(root, id, now);
        }
        let ours = self.seats.list.iter().filter(|seat| seat.heard && !seat.watched.is_told());
        let lost = ours.filter(|seat| seat.reach.is_unheard());
        let members: Vec<Member> = lost
            .take(Alert::MEMBERS)
            .map(|seat| Member {
                subject: seat.watched.subject.clone(),
                alert: seat.alert,
                since: seat.since,
                state: AlertState::NoData,
            })
            .collect();
        self.change(id).members = members;
    }

    fn count_lost(&mut self, sight: Sight) {
        let Some(id) = self.site.alert else { return };
        let (gone, total) = (sight.gone as u32, (sight.gone + sight.seen) as u32);
        let alert = &self.held[&id].alert;
        if (alert.affected, alert.total) != (gone, total) && total > 0 {
            let alert = self.change(id);
            alert.affected = gone;
            alert.total = total;
        }
    }
}
