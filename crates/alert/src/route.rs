//! Who is told what, and when: the entries of `notify:` and the maintenance windows as the engine uses
//! them. How a message travels is a channel's affair.

use std::time::Duration;

use model::UnixMs;
use model::alert::{Alert, Matcher, Member, Severity, Subject, Weekly};

use crate::calendar::Hours;
use crate::matching::Matching;

/// An entry of `notify:`. Every route whose conditions an alert meets is told of it.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name: the receiver of notices.
    pub name: String,
    /// What the labels of an alert must be.
    pub matching: Matching,
    /// Hours in which it is told; always if `None`.
    pub hours: Option<Hours>,
    /// How long an alert waits for others before it is told first.
    pub wait: Duration,
    /// Time between two messages about the same.
    pub interval: Duration,
    /// Time until it is told again that something is still wrong.
    pub repeat: Duration,
}

impl Route {
    /// Alertmanager's `group_wait`.
    pub const WAIT: Duration = Duration::from_secs(30);
    /// Alertmanager's `group_interval`.
    pub const INTERVAL: Duration = Duration::from_mins(5);
    /// Alertmanager's `repeat_interval`.
    pub const REPEAT: Duration = Duration::from_hours(4);

    /// Whether the route wants to hear of the alert, at whatever hour. Notes (`info`) are told only where
    /// the severity is asked for. The site's own alert goes to everybody whom its severity concerns.
    pub fn wants(&self, alert: &Alert) -> bool {
        let severity = alert.severity;
        if severity == Severity::Info && !self.matching.mentions("severity") {
            return false;
        }
        match &alert.subject {
            Subject::Site { .. } => self.matching.fits_at("severity", severity.as_str()),
            _ => concerns(&self.matching, alert),
        }
    }

    /// Whether it may be told now.
    pub fn is_open(&self, now: UnixMs) -> bool {
        self.hours.as_ref().is_none_or(|hours| hours.hold(now))
    }
}

/// Whether matchers fit an alert, or one of the members of a group.
fn concerns(matching: &Matching, alert: &Alert) -> bool {
    if alert.members.is_empty() || !matches!(alert.subject, Subject::Group(_)) {
        return matching.fits(|label| alert.label(label));
    }
    alert.members.iter().any(|member| fits_member(matching, alert, member))
}

/// Whether matchers fit all of an alert: what keeps one member of a group quiet leaves the group loud.
pub(crate) fn covers(matching: &Matching, alert: &Alert) -> bool {
    if alert.members.is_empty() || !matches!(alert.subject, Subject::Group(_)) {
        return matching.fits(|label| alert.label(label));
    }
    alert.members.iter().all(|member| fits_member(matching, alert, member))
}

fn fits_member(matching: &Matching, alert: &Alert, member: &Member) -> bool {
    matching.fits(|label| of_member(alert, &member.subject, label))
}

/// A label of a member, or what only the group's alert has.
fn of_member(alert: &Alert, member: &Subject, label: &str) -> Option<String> {
    match label {
        "alert" | "severity" | "state" | "kind" => alert.label(label),
        _ => member.label(label).or_else(|| alert.label(label)),
    }
}

/// A time in which a part of the network is worked on: an entry of `maintenance:`.
#[derive(Clone, Debug)]
pub struct Maintenance {
    /// Its name.
    pub name: String,
    /// Which alerts it keeps quiet, as typed.
    pub matchers: Vec<Matcher>,
    /// The same, ready.
    pub matching: Matching,
    /// Its hours of the week if it recurs, as typed.
    pub weekly: Option<Weekly>,
    /// The same, ready.
    pub hours: Option<Hours>,
    /// From when; at once if `None`.
    pub from: Option<UnixMs>,
    /// Until when; for ever if `None`.
    pub until: Option<UnixMs>,
}

impl Maintenance {
    /// Whether it holds now.
    pub fn holds(&self, now: UnixMs) -> bool {
        self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
            && self.hours.as_ref().is_none_or(|hours| hours.hold(now))
    }
}
