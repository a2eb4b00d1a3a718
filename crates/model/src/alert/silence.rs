//! What keeps alerts quiet for a time that somebody chose. Data alone: `alert` matches and looks at the
//! calendar.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnixMs;

/// Number of a silence: ascends from 1 in a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SilenceId(pub u64);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SilenceId {
    type Err = std::num::ParseIntError;

    /// Reads `3` or `#3`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('#').unwrap_or(text).parse().map(Self)
    }
}

/// Alerts that all its matchers fit are not told about, while it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its number.
    pub id: SilenceId,
    /// All must fit; at least one.
    pub matchers: Vec<Matcher>,
    /// It holds from here on.
    pub from: UnixMs,
    /// It ends here; `None` only for one that recurs.
    pub until: Option<UnixMs>,
    /// It holds only at these hours of the week.
    pub weekly: Option<Weekly>,
    /// When it was set.
    pub created: UnixMs,
    /// Who set it, as the control socket or the login knows them.
    pub by: String,
    /// Why.
    pub note: String,
    /// When somebody ended it before its time, and who.
    pub expired: Option<(UnixMs, String)>,
}

/// What a label must be, in the language of Alertmanager's `amtool`: `region=~"aws-.*"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Matcher {
    /// Name of the label, as [`crate::alert::Alert::label`] knows it. What is missing is empty.
    pub label: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; a regular expression must fit the whole value.
    pub value: String,
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// The same text.
    #[serde(rename = "=")]
    Is,
    /// Another text.
    #[serde(rename = "!=")]
    IsNot,
    /// A regular expression fits all of it.
    #[serde(rename = "=~")]
    Fits,
    /// It does not.
    #[serde(rename = "!~")]
    FitsNot,
}

impl Operator {
    /// As typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Is => "=",
            Operator::IsNot => "!=",
            Operator::Fits => "=~",
            Operator::FitsNot => "!~",
        }
    }
}

impl fmt::Display for Matcher {
    /// As typed, with the value in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.label, self.operator.as_str(), self.value)
    }
}

/// Hours of some days of each week, by the wall clock of a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weekly {
    /// On which days it begins, in order, each once; at least one.
    pub days: Vec<Weekday>,
    /// Minutes after midnight when it begins, 0 to 1439.
    pub from: u16,
    /// Minutes after midnight when it ends, 1 to 1440. Not after `from`: it ends on the next day.
    pub until: u16,
    /// Time zone by its IANA name, such as `Europe/London`.
    pub zone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "days need no explanation")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// All, Monday first as in ISO 8601.
    pub const ALL: [Weekday; 7] = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
    ];

    /// As written: `Mon`.
    pub fn as_str(self) -> &'static str {
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][self as usize]
    }

    /// Reads `mon`, `Mon`, `monday`.
    pub fn from_name(name: &str) -> Option<Self> {
        const FULL: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let name = name.to_ascii_lowercase();
        let fits = |day: &Weekday| {
            let full = FULL[*day as usize];
            name == full || name == full[..3]
        };
        Self::ALL.into_iter().find(fits)
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Weekly {
    /// `Sat Sun 22:00-06:00 Europe/London`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for day in &self.days {
            write!(f, "{day} ")?;
        }
        let clock = |minutes: u16| (minutes / 60, minutes % 60);
        let ((h1, m1), (h2, m2)) = (clock(self.from), clock(self.until));
        write!(f, "{h1:02}:{m1:02}-{h2:02}:{m2:02} {}", self.zone)
    }
}
