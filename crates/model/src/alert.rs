//! What people are told: alerts and all that belongs to them. Pages, mail, command line and API use these
//! words, and the store keeps them as JSON, so that names here are a format. It holds no rule about when
//! something is raised, told or resolved: rules are in `alert`.
//!
//! Reading order: [`Alert`] and its parts here; [`silence`] what keeps an alert quiet; [`notice`] what is
//! sent; [`words`] all of it in sentences.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Family, Metric, Protocol, Rule, SeriesId, Target, UnixMs};

mod beginning;
mod link;

pub mod notice;
pub mod silence;
pub mod words;

pub use link::LinkSubject;
pub use notice::{Message, MessageKind, Notice, NoticeId, NoticeState};
pub use silence::{Matcher, Operator, Silence, SilenceId, Weekday, Weekly, WeeklyError};

/// Number of an alert: ascends from 1 in a data folder, for ever. People type it, as in `netmend ack 17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub u64);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AlertId {
    type Err = std::num::ParseIntError;

    /// Reads `17` or `#17`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('#').unwrap_or(text).parse().map(Self)
    }
}

/// How much it matters; `Critical` is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a note; wakes nobody.
    Info,
    /// Something is worse than usual.
    Warning,
    /// Something does not work.
    Critical,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Severity; 3] = [Severity::Critical, Severity::Warning, Severity::Info];

    /// The word for it, the same as in serialised form.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    /// The severity of this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It is wrong now.
    Firing,
    /// Nothing has been heard for three intervals: neither wrong nor right. An alert that fired before
    /// stays open, and is neither repeated nor resolved.
    NoData,
    /// It is as before again.
    Resolved,
    /// It stayed, and is taken as usual from now on. Not resolved: it is still as it became.
    Accepted,
}

impl AlertState {
    /// All, those that need somebody first.
    pub const ALL: [AlertState; 4] =
        [AlertState::Firing, AlertState::NoData, AlertState::Accepted, AlertState::Resolved];

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, AlertState::Resolved | AlertState::Accepted)
    }

    /// Words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Firing => "firing",
            AlertState::NoData => "no data",
            AlertState::Resolved => "resolved",
            AlertState::Accepted => "accepted",
        }
    }

    /// One word for URLs, JSON and labels, the same as in serialised form.
    pub fn name(self) -> &'static str {
        match self {
            AlertState::NoData => "no_data",
            other => other.as_str(),
        }
    }

    /// The state of this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whom an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One target. Its alert speaks for the targets behind it too: these are its members.
    Target(TargetSubject),
    /// One WAN link of an SD-WAN.
    Link(LinkSubject),
    /// Targets or links that share a tag, or a region, and became bad together.
    Group(GroupSubject),
    /// A repair that needs people, or all of them.
    Repair(RepairSubject),
    /// This instance itself: it lost its gateway or most targets at once and cannot see.
    Site {
        /// Its name.
        site: String,
    },
}

/// A target as alerts name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetSubject {
    /// The series of its RTT: what names the target in URLs.
    pub series: SeriesId,
    /// Name or address as the user gave it.
    pub host: String,
    /// Key in the targets file.
    pub region: String,
    /// How it is asked.
    pub protocol: Protocol,
    /// In which family.
    pub family: Family,
    /// The user's own tags as they were when the alert was raised.
    pub tags: BTreeMap<String, String>,
    /// Host that must be reachable for this one to be.
    pub parent: Option<String>,
}

/// What the targets of a group share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupSubject {
    /// Name of the tag, or `region`.
    pub tag: String,
    /// Its value.
    pub value: String,
}

/// What people must do about repairs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RepairSubject {
    /// Identity: `event 17`, `storm`, `breaker bounce`.
    pub key: String,
    /// The device, if it is about one.
    pub device: Option<String>,
    /// The event, if it is about one.
    pub event: Option<crate::EventId>,
    /// What it is about, in few words: `LINK-3-UPDOWN Gi0/1`.
    pub what: String,
    /// What happened and what to do, in a sentence or two.
    pub said: String,
}

impl fmt::Display for RepairSubject {
    /// `sw1 LINK-3-UPDOWN Gi0/1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.device.iter().try_for_each(|device| write!(f, "{device} "))?;
        f.write_str(&self.what)
    }
}

impl Subject {
    /// Identity over restarts and reloads: at most one open alert has it.
    pub fn key(&self) -> String {
        match self {
            Subject::Target(target) => Self::key_of_target(target.series),
            Subject::Link(link) => format!("link {}", link.series),
            Subject::Group(group) => format!("group {}={}", group.tag, group.value),
            Subject::Repair(repair) => format!("repair {}", repair.key),
            Subject::Site { .. } => "site".to_owned(),
        }
    }

    /// The [`key`](Self::key) of the target whose RTT series this is.
    pub fn key_of_target(rtt: SeriesId) -> String {
        format!("target {rtt}")
    }

    /// What names a target or a link in URLs; `None` for what is more than one.
    pub fn series(&self) -> Option<SeriesId> {
        match self {
            Subject::Target(target) => Some(target.series),
            Subject::Link(link) => Some(link.series),
            Subject::Group(_) | Subject::Repair(_) | Subject::Site { .. } => None,
        }
    }

    /// The value of a label that routes and silences match: `kind`, `host`, `region`, `protocol`,
    /// `family`, `target`, `site` or one of the target's tags. A tag cannot hide one of these. Labels of a
    /// link are those of [`LinkSubject::label`].
    pub fn label(&self, name: &str) -> Option<String> {
        match (self, name) {
            (Subject::Target(_), "kind") => Some("target".to_owned()),
            (Subject::Group(_), "kind") => Some("group".to_owned()),
            (Subject::Repair(_), "kind") => Some("repair".to_owned()),
            (Subject::Site { .. }, "kind") => Some("site".to_owned()),
            (Subject::Link(link), name) => link.label(name),
            (Subject::Target(target), "target") => Some(target.to_string()),
            (Subject::Target(target), "host") => Some(target.host.clone()),
            (Subject::Target(target), "region") => Some(target.region.clone()),
            (Subject::Target(target), "protocol") => Some(target.protocol.to_string()),
            (Subject::Target(target), "family") => Some(target.family.as_str().to_owned()),
            (Subject::Target(target), tag) => target.tags.get(tag).cloned(),
            (Subject::Group(group), tag) => (group.tag == tag).then(|| group.value.clone()),
            (Subject::Repair(repair), "device" | "host") => repair.device.clone(),
            (Subject::Repair(_), _) => None,
            (Subject::Site { site }, name) => (name == "site").then(|| site.clone()),
        }
    }
}

impl fmt::Display for Subject {
    /// `host:port`, `gateway gw1`, `site london-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Target(target) => target.fmt(f),
            Subject::Link(link) => link.fmt(f),
            Subject::Group(group) => write!(f, "{} {}", group.tag, group.value),
            Subject::Repair(repair) => repair.fmt(f),
            Subject::Site { site } => write!(f, "site {site}"),
        }
    }
}

impl TargetSubject {
    /// The subject that a target is.
    pub fn of(target: &Target) -> Self {
        Self {
            series: target.series(Metric::Rtt).id(),
            host: target.host.clone(),
            region: target.region.clone(),
            protocol: target.protocol,
            family: target.family,
            tags: target.tags.clone(),
            parent: target.parent.clone(),
        }
    }
}

impl fmt::Display for TargetSubject {
    /// `host` or `host:port`, as [`Target`] prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Icmp => f.write_str(&self.host),
            Protocol::Tcp(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Protocol::Tcp(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

/// What is wrong with one metric of the subject, in the unit of that metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Of which metric.
    pub metric: Metric,
    /// Of which series.
    pub series: SeriesId,
    /// By which rule.
    pub rule: Rule,
    /// How it stands: firing, resolved or accepted for this metric alone.
    pub state: AlertState,
    /// Since when it has been too high: the onset, not the time it was noticed.
    pub since: UnixMs,
    /// When this metric cleared or was accepted.
    pub ended: Option<UnixMs>,
    /// The level when last looked at.
    pub value: f32,
    /// The highest level while it was firing.
    pub peak: f32,
    /// What is usual at this hour of the week, if known.
    pub usual: Option<f32>,
    /// How much it usually varies around that, up and down.
    pub varies: Option<f32>,
    /// The value above which it is too high, if known.
    pub limit: Option<f32>,
    /// Share of the last minutes spent above the limit, 0 to 1.
    pub share: f32,
    /// When this was last looked at.
    pub at: UnixMs,
}

impl Finding {
    /// Unit of the values.
    pub fn unit(&self) -> &'static str {
        self.metric.unit()
    }
}

/// Another target or link that the alert speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Which target or link.
    #[serde(deserialize_with = "of_member")]
    pub subject: Subject,
    /// Its own alert, which tells its own numbers.
    pub alert: Option<AlertId>,
    /// Since when it has been bad.
    pub since: UnixMs,
    /// How its own alert stands.
    pub state: AlertState,
}

/// Members were targets alone once, stored without saying so.
fn of_member<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Subject, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Subject(Subject),
        Target(TargetSubject),
    }
    Ok(match Stored::deserialize(from)? {
        Stored::Subject(subject) => subject,
        Stored::Target(target) => Subject::Target(target),
    })
}

/// How many of those that share something with the subject are bad too: `2 of 8 behind gateway gw1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Neighbours {
    /// Name of the tag, or `region`.
    pub tag: String,
    /// Its value.
    pub value: String,
    /// So many have an open alert, the subject included.
    pub affected: u32,
    /// So many share the tag.
    pub total: u32,
}

/// What the comparison of ping and TCP says about where the fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Ping is good, TCP is slow or refused: the service, not the network.
    Application,
    /// Both are bad: the path.
    Path,
    /// Ping is bad, TCP is good: ICMP is filtered or rate-limited. Worth a note, no page, no mending.
    IcmpFiltered,
}

/// Somebody knows. An acknowledged alert is not repeated until it gets worse.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ack {
    /// When.
    pub at: UnixMs,
    /// Who, as the control socket or the login knows them.
    pub by: String,
    /// What they say.
    pub note: Option<String>,
    /// Number of a ticket elsewhere.
    pub ticket: Option<String>,
}

/// What keeps an alert quiet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuietBy {
    /// A silence that somebody set.
    Silence(SilenceId),
    /// A maintenance window of the configuration, by its name.
    Maintenance(String),
    /// The alert of a parent, a group or the site speaks for it.
    Alert(AlertId),
}

/// What a device on the way to the subject said shortly before it became bad: a link that went down, a
/// configuration that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Clue {
    /// When it was received; of several the last.
    pub at: UnixMs,
    /// The device, as the inventory names it.
    pub device: String,
    /// Code of the message as printed; empty if it has none.
    pub code: String,
    /// The message.
    pub text: String,
    /// How often it was said.
    pub count: u32,
}

/// Something that happened to an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: UnixMs,
    /// What.
    pub what: Happening,
}

/// What happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// It was raised, with this severity.
    Raised(Severity),
    /// A further metric became bad.
    Found(Metric),
    /// A metric is as before.
    Cleared(Metric),
    /// Its severity changed.
    Severity {
        /// From.
        from: Severity,
        /// To.
        to: Severity,
    },
    /// It was bad again soon after it had been resolved.
    Reopened,
    /// It comes and goes, and is held open.
    Flapping,
    /// No sample for three intervals.
    NoData,
    /// Samples again.
    DataAgain,
    /// Another alert speaks for it from now on.
    Joined(AlertId),
    /// It speaks for itself again.
    Left(AlertId),
    /// Its cause was found.
    Cause(Cause),
    /// Somebody acknowledged it.
    Acked(Ack),
    /// It got worse than what was acknowledged.
    Worse,
    /// It is kept quiet.
    Quiet(QuietBy),
    /// It is not kept quiet any more.
    Loud,
    /// A message about it was handed to a receiver's queue.
    Told {
        /// Which receiver.
        receiver: String,
        /// What kind of message.
        kind: MessageKind,
    },
    /// It is over.
    Resolved,
    /// It was taken as the new usual.
    Accepted,
    /// It is over because its target left the configuration.
    Removed,
    /// So many entries before the next one are left out.
    Omitted(u32),
}

/// Something is wrong with somebody, from the first sign to the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its number.
    pub id: AlertId,
    /// Whom it is about.
    pub subject: Subject,
    /// How much it matters: the worst since it was raised.
    pub severity: Severity,
    /// How it stands.
    pub state: AlertState,
    /// Where the fault is, once known.
    pub cause: Option<Cause>,
    /// Since when it has been bad: the earliest onset.
    pub since: UnixMs,
    /// When it was noticed.
    pub raised: UnixMs,
    /// When it was resolved or accepted.
    pub ended: Option<UnixMs>,
    /// What is or was wrong, one for each series, what matters most first. Empty for `no data`, groups and
    /// the site.
    pub findings: Vec<Finding>,
    /// Metrics that were judged and are as usual.
    pub normal: Vec<Metric>,
    /// Those it speaks for, the first to become bad first; at most [`Alert::MEMBERS`].
    pub members: Vec<Member>,
    /// How many it speaks for, also those that are not in `members`.
    pub affected: u32,
    /// Of how many: what shares the tag, is behind the parent or is seen from the site.
    pub total: u32,
    /// How many around it are bad too.
    pub neighbours: Vec<Neighbours>,
    /// What devices on its path said in the half hour before, oldest first; at most [`Alert::CLUES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clues: Vec<Clue>,
    /// Who knows of it.
    pub ack: Option<Ack>,
    /// What keeps it quiet now.
    pub quiet: Vec<QuietBy>,
    /// How often it was bad again within [`Alert::REOPENS_WITHIN_MS`] of its end.
    pub reopened: u32,
    /// Whether it comes and goes.
    pub flapping: bool,
    /// Whether anybody was told that it fires, and so will be told its end.
    pub told: bool,
    /// What happened, oldest first; at most [`Alert::ENTRIES`].
    pub history: Vec<Entry>,
}

impl Alert {
    /// Most members that an alert lists.
    pub const MEMBERS: usize = 100;
    /// Most clues that an alert holds.
    pub const CLUES: usize = 10;
    /// Most entries of a history: the first half and the latest are kept.
    pub const ENTRIES: usize = 200;
    /// What is bad again within 30 min is the same alert.
    pub const REOPENS_WITHIN_MS: i64 = 30 * 60_000;

    /// Whether it is not over.
    pub fn is_open(&self) -> bool {
        !self.state.is_over()
    }

    /// The value of a label that routes and silences match: those of [`Subject::label`], `severity`,
    /// `state` and `alert`, its number.
    pub fn label(&self, name: &str) -> Option<String> {
        match name {
            "alert" => Some(self.id.to_string()),
            "severity" => Some(self.severity.as_str().to_owned()),
            "state" => Some(self.state.name().to_owned()),
            _ => self.subject.label(name),
        }
    }

    /// Adds to the history; in the middle of a long one entries give way to their number.
    pub fn note(&mut self, at: UnixMs, what: Happening) {
        self.history.push(Entry { at, what });
        if self.history.len() > Self::ENTRIES {
            let middle = Self::ENTRIES / 2;
            let before = match self.history[middle].what {
                Happening::Omitted(before) => before,
                _ => 0,
            };
            let gone = if before == 0 { 2 } else { 1 };
            self.history.remove(middle);
            self.history[middle].what = Happening::Omitted(before + gone);
        }
    }

    /// The value that shows it best: the first finding that still stands, else the first.
    pub fn worst(&self) -> Option<&Finding> {
        let standing = |finding: &&Finding| !finding.state.is_over();
        self.findings.iter().find(standing).or_else(|| self.findings.first())
    }
}

#[cfg(test)]
mod tests;
