//! What is wrong now, put in order once for all who ask at the same time: which alerts come first, which
//! speaks for which, how a target stands. It must not render anything.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use model::alert::{QuietBy, words};
use model::{Alert, AlertId, AlertState, Rule, SeriesId, Severity, UnixMs};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use crate::present::View;
use crate::{Alerts, AlertsNow};

/// Hands out [`Judged`] and keeps the latest.
pub(crate) struct Judging {
    alerts: Arc<dyn Alerts>,
    latest: Mutex<Option<Arc<Judged>>>,
}

/// The open alerts of one snapshot, with what every page derives from them.
pub(crate) struct Judged {
    /// The snapshot itself.
    pub(crate) now: Arc<AlertsNow>,
    /// The open alerts: firing first, the worst first, the newest first.
    pub(crate) open: Vec<Arc<Alert>>,
    /// How many are firing that nothing keeps quiet: what calls for somebody.
    pub(crate) calling: usize,
    /// The worst severity among those.
    pub(crate) worst: Option<Severity>,
    /// Changes whenever an alert comes, goes or changes in what a list tells of it besides its values.
    pub(crate) mark: u64,
    places: HashMap<AlertId, usize>,
    of_target: HashMap<SeriesId, usize>,
}

impl Judging {
    pub(crate) fn new(alerts: Arc<dyn Alerts>) -> Self {
        Self { alerts, latest: Mutex::new(None) }
    }

    /// The view of the daemon's latest snapshot.
    pub(crate) fn view(&self) -> Arc<Judged> {
        let now = self.alerts.present();
        let mut latest = self.latest.lock().expect("no holder of this lock panics");
        if let Some(judged) = latest.as_ref()
            && Arc::ptr_eq(&judged.now, &now)
        {
            return Arc::clone(judged);
        }
        let judged = Arc::new(Judged::new(now));
        *latest = Some(Arc::clone(&judged));
        judged
    }
}

impl Judged {
    fn new(now: Arc<AlertsNow>) -> Self {
        let mut open: Vec<_> = now.open.iter().filter(|alert| alert.is_open()).cloned().collect();
        open.sort_by_key(|alert| rank(alert));
        let mut mark = Xxh3::new();
        let mut of_target = HashMap::new();
        for (place, alert) in open.iter().enumerate() {
            alert_mark(alert).hash(&mut mark);
            if let Some(series) = alert.subject.series() {
                of_target.entry(series).or_insert(place);
            }
        }
        for silence in &now.silences {
            (silence.silence.id, silence.holds, silence.silence.expired.is_some()).hash(&mut mark);
        }
        for window in &now.maintenance {
            window.holds.hash(&mut mark);
        }
        let places = open.iter().enumerate().map(|(place, alert)| (alert.id, place)).collect();
        let calls = || open.iter().filter(|alert| calls(alert));
        let (calling, worst) = (calls().count(), calls().map(|alert| alert.severity).max());
        Self { now, calling, worst, mark: mark.finish(), places, of_target, open }
    }

    /// The open alert of this number.
    pub(crate) fn find(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.places.get(&id).map(|place| &self.open[*place])
    }

    /// The open alert of the target whose RTT series this is, the most urgent one.
    pub(crate) fn of_target(&self, rtt: SeriesId) -> Option<&Arc<Alert>> {
        self.of_target.get(&rtt).map(|place| &self.open[*place])
    }

    /// Changes when the list of what is wrong should be fetched again: it also says whether nothing is.
    pub(crate) fn wrong_mark(&self, view: &View) -> String {
        format!("{:016x}", view.wrong_mark ^ u64::from(self.calling > 0))
    }

    /// What the detector says of this target; nothing while all is usual, nor of one that does not answer,
    /// since its own state says so.
    pub(crate) fn standing(&self, rtt: SeriesId, at: UnixMs) -> Option<Standing> {
        let alert = self.of_target(rtt)?;
        let fires = alert.state == AlertState::Firing;
        let finding = alert.worst().filter(|found| fires && found.state == AlertState::Firing)?;
        let what = if finding.rule == Rule::Limit { "above its limit" } else { "above usual" };
        (finding.rule != Rule::Down).then(|| Standing {
            short: format!("{} {what}", words::measure(&alert.subject, finding).to_lowercase()),
            alert: alert.id,
            sign: sign(alert.severity, alert.state),
            words: words::standing(finding, at),
            quiet: !alert.quiet.is_empty() && speaker(alert).is_none(),
        })
    }
}

/// What an alert is shown by: its severity while it fires, else its state.
pub(crate) fn sign(severity: Severity, state: AlertState) -> &'static str {
    match state {
        AlertState::Firing => severity.as_str(),
        other => other.name(),
    }
}

/// What the detector says of a target, to stand beside its name.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    /// The alert that tells more.
    pub(crate) alert: AlertId,
    /// What it is shown by.
    pub(crate) sign: &'static str,
    /// Since when what is how.
    pub(crate) words: String,
    /// The same for a narrow column, without the time.
    pub(crate) short: String,
    /// Whether it is kept quiet.
    pub(crate) quiet: bool,
}

/// Whether somebody is called for: it fires, and nothing keeps it quiet.
fn calls(alert: &Alert) -> bool {
    alert.state == AlertState::Firing && alert.quiet.is_empty()
}

/// Which other alert speaks for this one.
pub(crate) fn speaker(alert: &Alert) -> Option<AlertId> {
    alert.quiet.iter().find_map(|by| match by {
        QuietBy::Alert(id) => Some(*id),
        QuietBy::Silence(_) | QuietBy::Maintenance(_) => None,
    })
}

/// Changes whenever the alert changes in more than its values.
pub(crate) fn alert_mark(alert: &Alert) -> u64 {
    let mut mark = Xxh3::new();
    (alert.id, alert.state, alert.severity, alert.cause, alert.flapping).hash(&mut mark);
    (alert.affected, alert.members.len(), alert.findings.len(), &alert.quiet).hash(&mut mark);
    alert.ack.as_ref().map(|ack| ack.at).hash(&mut mark);
    // A long history keeps its length, but not its last entry.
    (alert.history.len(), alert.history.last().map(|entry| entry.at)).hash(&mut mark);
    for finding in &alert.findings {
        finding.state.hash(&mut mark);
    }
    mark.finish()
}

/// Firing before no data, the worst first, what nobody knows of first, the newest first.
fn rank(alert: &Alert) -> (u8, std::cmp::Reverse<Severity>, std::cmp::Reverse<AlertId>) {
    let state = u8::from(alert.state != AlertState::Firing);
    (state, std::cmp::Reverse(alert.severity), std::cmp::Reverse(alert.id))
}
