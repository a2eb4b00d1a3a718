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

/// Why text is no hours of the week.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no hours of the week; write days, times and a time zone, as in \
     `Mon-Fri 22:00-06:00 Europe/London` (all days and UTC if they are left out)"
)]
pub struct WeeklyError(String);

impl FromStr for Weekly {
    type Err = WeeklyError;

    /// Reads what [`Weekly`] prints: `Sat Sun 22:00-06:00 Europe/London`; also ranges of days and commas.
    /// Whether there is such a time zone is not looked at.
    fn from_str(text: &str) -> Result<Self, WeeklyError> {
        let wrong = || WeeklyError(text.to_owned());
        let words = || text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
        let at = words().position(|word| word.contains(':')).ok_or_else(wrong)?;
        let mut days: Vec<Weekday> = Vec::new();
        for word in words().take(at) {
            days.extend(Weekday::from_range(word).ok_or_else(wrong)?);
        }
        days.sort_unstable();
        days.dedup();
        let mut rest = words().skip(at);
        let hours = rest.next().and_then(|hours| hours.split_once('-')).ok_or_else(wrong)?;
        let (from, until) = minute_of_day(hours.0).zip(minute_of_day(hours.1)).ok_or_else(wrong)?;
        let zone = rest.next().unwrap_or("UTC").to_owned();
        if from == until || from == 1440 || until == 0 || rest.next().is_some() {
            return Err(wrong());
        }
        let days = if days.is_empty() { Weekday::ALL.to_vec() } else { days };
        Ok(Self { days, from, until, zone })
    }
}

/// Minutes after midnight of `HH:MM`, 00:00 to 24:00.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 1440).then_some(hours * 60 + minutes)
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

    /// Reads a day, or days as in `Mon-Fri`, which may go over the weekend.
    pub fn from_range(text: &str) -> Option<Vec<Self>> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (Self::from_name(first.trim())?, Self::from_name(last.trim())?);
        let count = (last as usize + 7 - first as usize) % 7 + 1;
        Some(Self::ALL.into_iter().cycle().skip(first as usize).take(count).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_week_are_read_as_they_are_printed() {
        for (typed, printed) in [
            ("Sat Sun 22:00-06:00 Europe/London", "Sat Sun 22:00-06:00 Europe/London"),
            ("fri-mon 00:00-24:00", "Mon Fri Sat Sun 00:00-24:00 UTC"),
            ("Mon,Wed 08:30-17:00 UTC", "Mon Wed 08:30-17:00 UTC"),
            ("02:00-04:00", "Mon Tue Wed Thu Fri Sat Sun 02:00-04:00 UTC"),
        ] {
            let weekly: Weekly = typed.parse().unwrap();
            assert_eq!(weekly.to_string(), printed);
            assert_eq!(printed.parse(), Ok(weekly));
        }
        for wrong in [
            "",
            "Sun",
            "Sun 2-4",
            "Sun 02:00",
            "Sun 02:00-02:00",
            "Sunny 02:00-04:00",
            "+2:00-04:00",
            "24:00-01:00",
            "02:00-04:00 UTC x",
        ] {
            let why = wrong.parse::<Weekly>().unwrap_err().to_string();
            assert!(why.contains("Mon-Fri 22:00-06:00 Europe/London"), "{wrong}: {why}");
        }
    }
}
