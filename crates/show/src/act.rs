//! What people ask for, handed to the daemon: reads it from forms and JSON alike, names who asks, and says
//! what became of it. It must not render anything, and does nothing itself.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use model::UnixMs;
use model::alert::{Matcher, Operator, Weekday, Weekly};
use model::event::{EventId, Mode};

use crate::app::App;
use crate::who::Who;
use crate::{Command, MendOrder, NewSilence, Receipt, Refusal};

/// Most characters of a name, a ticket, a label.
const NAME: usize = 200;
/// Most characters of a note or of a matcher's value.
const NOTE: usize = 2_000;
/// Most matchers of a silence.
const MATCHERS: usize = 20;
/// Longest silence: nobody remembers a longer one.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Hands a command to the daemon, on a thread that may block. `by` is the name that somebody without a login
/// gave.
pub(crate) async fn submit(app: &Arc<App>, by: &str, command: Command) -> Result<Receipt, Refusal> {
    let commands = Arc::clone(&app.deps.commands);
    let actor = Who::now().actor(by);
    let done = tokio::task::spawn_blocking(move || commands.submit(&actor, command)).await;
    done.unwrap_or_else(|_| {
        Err(Refusal::Unavailable("netmend stops, or failed at this: look at its log".to_owned()))
    })
}

/// Hands an order to those who mend, on a thread that may block.
pub(crate) async fn mend(app: &Arc<App>, order: MendOrder) -> Result<String, Refusal> {
    let mending = Arc::clone(&app.deps.mending);
    let actor = Who::now().actor("");
    let done = tokio::task::spawn_blocking(move || mending.submit(&actor, order)).await;
    done.unwrap_or_else(|_| {
        Err(Refusal::Unavailable("netmend stops, or failed at this: look at its log".to_owned()))
    })
}

/// An order about an event, by its word in an address.
pub(crate) fn about_event(event: EventId, word: &str, note: String) -> Result<MendOrder, Refusal> {
    match word {
        "approve" => Ok(MendOrder::Approve { event, note }),
        "reject" => Ok(MendOrder::Reject { event, note }),
        "look" => Ok(MendOrder::Look { event }),
        "retry" => Ok(MendOrder::Retry { event }),
        "cancel" => Ok(MendOrder::Cancel { event }),
        _ => Err(Refusal::Unknown(
            "an event is approved, rejected, looked at, retried or cancelled".into(),
        )),
    }
}

/// A mode, or what the configuration says.
pub(crate) fn mode(word: &str) -> Result<Option<Mode>, Refusal> {
    match word.trim() {
        "config" => Ok(None),
        word => Mode::from_name(word).map(Some).ok_or_else(|| {
            invalid("a mode is observe, suggest, approve, auto, or config for what that says")
        }),
    }
}

/// The status that a refusal has.
pub(crate) fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Unknown(_) => StatusCode::NOT_FOUND,
        Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::TooLate(_) => StatusCode::CONFLICT,
        Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What somebody wrote, if it is anything; refused if it is too long to be kept whole.
pub(crate) fn note(name: &str, text: &str) -> Result<Option<String>, Refusal> {
    within(name, text, NOTE)
}

/// A word that somebody wrote, such as a ticket.
pub(crate) fn word(name: &str, text: &str) -> Result<Option<String>, Refusal> {
    within(name, text, NAME)
}

fn within(name: &str, text: &str, most: usize) -> Result<Option<String>, Refusal> {
    let text = text.trim();
    match text.chars().count() {
        0 => Ok(None),
        count if count > most => {
            Err(invalid(format!("{name} has {count} characters; at most {most} are kept")))
        }
        _ => Ok(Some(text.to_owned())),
    }
}

/// A silence as typed, in a form or in JSON.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    /// Label, operator and value of each matcher.
    pub(crate) matchers: Vec<(String, String, String)>,
    /// When it begins, RFC 3339 or as a form sends it, in UTC; empty is now.
    pub(crate) from: String,
    /// When it ends, likewise.
    pub(crate) until: String,
    /// Instead of `until`: how long it lasts, such as `2h`.
    pub(crate) duration: String,
    /// Days of the week, if it recurs.
    pub(crate) days: Vec<String>,
    /// When it begins on these days, such as `22:00`.
    pub(crate) day_from: String,
    /// When it ends, such as `06:00`, perhaps on the next day.
    pub(crate) day_until: String,
    /// Whose clock, such as `Europe/London`.
    pub(crate) zone: String,
    /// Why.
    pub(crate) note: String,
}

impl Typed {
    /// The silence that is meant. `now` is needed for what lasts from now on.
    pub(crate) fn read(&self, now: UnixMs) -> Result<NewSilence, Refusal> {
        let from = time("from", &self.from)?;
        let weekly = self.weekly()?;
        let begins = from.unwrap_or(now);
        let until = match (time("until", &self.until)?, self.duration.trim()) {
            (Some(until), "") => Some(until),
            (Some(_), _) => {
                return Err(invalid("a silence has either `until` or a `duration`, not both"));
            }
            (None, "") if weekly.is_some() => None,
            (None, "") => {
                return Err(invalid("a silence needs an end: `until`, or a `duration` such as 2h"));
            }
            (None, text) => Some(begins + duration(text)?),
        };
        if let Some(until) = until {
            if until <= begins || until <= now {
                return Err(invalid("a silence must end after it begins, and after now"));
            }
            if until - LONGEST > begins {
                return Err(invalid("a silence lasts a year at most"));
            }
        }
        let note = note("the reason", &self.note)?
            .ok_or_else(|| invalid("a silence needs a reason, for those who wonder later"))?;
        Ok(NewSilence { matchers: self.matchers()?, from, until, weekly, note })
    }

    fn matchers(&self) -> Result<Vec<Matcher>, Refusal> {
        let mut matchers = Vec::new();
        let given = |(label, _, value): &&(String, String, String)| {
            !(label.trim().is_empty() && value.trim().is_empty())
        };
        for (label, operator, value) in self.matchers.iter().filter(given) {
            let label = word("a label", label)?
                .ok_or_else(|| invalid(format!("the value {value:?} stands without a label")))?;
            let all = [Operator::Is, Operator::IsNot, Operator::Fits, Operator::FitsNot];
            let operator = all.into_iter().find(|known| known.as_str() == operator.trim());
            let operator = operator.ok_or_else(|| {
                invalid(format!("{label}: an operator is one of =, !=, =~ and !~"))
            })?;
            let value = note("a value", value)?.unwrap_or_default();
            // Mostly a slip, such as a variable of a shell that is not set, and much would be kept quiet by it.
            if value.is_empty() && operator == Operator::Is {
                return Err(invalid(format!(
                    "{label} has no value; what has no {label} at all is {label}!~.+"
                )));
            }
            matchers.push(Matcher { label, operator, value });
        }
        match matchers.len() {
            0 => Err(invalid("a silence needs a matcher, such as region = aws-london")),
            count if count > MATCHERS => {
                Err(invalid(format!("{count} matchers are too many; at most {MATCHERS}")))
            }
            _ => Ok(matchers),
        }
    }

    fn weekly(&self) -> Result<Option<Weekly>, Refusal> {
        let named: Vec<&str> =
            self.days.iter().map(|day| day.trim()).filter(|day| !day.is_empty()).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let mut days = Vec::new();
        for name in named {
            let day = Weekday::from_name(name)
                .ok_or_else(|| invalid(format!("{name:?} is no day of the week, such as mon")))?;
            if !days.contains(&day) {
                days.push(day);
            }
        }
        days.sort_unstable();
        let from = clock("begins", &self.day_from)?;
        let until = clock("ends", &self.day_until)?;
        let from = if from == 1_440 { 0 } else { from };
        let until = if until == 0 { 1_440 } else { until };
        let zone = match self.zone.trim() {
            "" => "UTC",
            zone => zone,
        };
        let zone = word("the time zone", zone)?.unwrap_or_default();
        if jiff::tz::TimeZone::get(&zone).is_err() {
            let text = format!("no time zone is called {zone:?}; they are like Europe/London");
            return Err(invalid(text));
        }
        Ok(Some(Weekly { days, from, until, zone }))
    }
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::Invalid(text.into())
}

/// A point in time: RFC 3339, or as `<input type="datetime-local">` sends it, then in UTC.
fn time(name: &str, text: &str) -> Result<Option<UnixMs>, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let stamp: Option<Timestamp> = text.parse().ok().or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    let stamp = stamp.ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        invalid(format!("{name}: {shown:?} is no time such as 2026-11-21T22:49:00Z"))
    })?;
    Ok(Some(UnixMs(stamp.as_millisecond())))
}

/// A length such as `30m`, `2h`, `1d`, `1w`.
fn duration(text: &str) -> Result<Duration, Refusal> {
    let seconds = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        Some(b'w') => 604_800,
        _ => 0,
    };
    let number: Option<u64> = text.get(..text.len().saturating_sub(1)).and_then(|n| n.parse().ok());
    let seconds = number.and_then(|number| number.checked_mul(seconds)).filter(|s| *s > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        invalid(format!("{shown:?} is no length: a whole number and m, h, d or w, such as 2h"))
    })
}

/// Minutes after midnight, of `HH:MM`.
fn clock(name: &str, text: &str) -> Result<u16, Refusal> {
    let minutes = || {
        let (hours, minutes) = text.trim().split_once(':')?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let all = hours.checked_mul(60)?.checked_add(minutes)?;
        (minutes < 60 && all <= 1_440).then_some(all)
    };
    minutes().ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        invalid(format!("when it {name} on these days: {shown:?} is no time of day such as 22:00"))
    })
}
