//! What can be typed about judging and telling: `detect`, `notify`, `maintenance`. Forms and ranges alone;
//! what the values mean together is decided in [`super::verdict`].

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::alert::{Matcher, Operator, Weekday};
use model::{Metric, Severity, UnixMs};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

use super::keys::keys;
use super::problem::{Problem, quote};
use super::raw::{Certificates, Label, duration, text_schema};
use super::reader::{Read, Reader, key_text};
use super::secret::Text;
use super::source::At;
use super::units::{self, DURATION_HELP};
use super::yaml::{Node, Value};

keys! {
    /// How it is found out what is wrong.
    struct RawDetect ("a map with keys such as `rule`") {
        /// The rule that learns what is usual: nm (if not given), sigma, or off.
        rule: RuleName,
        /// Smallest rises above the usual that count; each rule has its own.
        at_least: RawAmounts,
        /// Values above which it is wrong whatever is usual.
        limits: RawAmounts,
        /// How long it must have been good until it is over, 10m if not given.
        clear_after: Wait,
        /// The windows of the rule sigma.
        sigma: RawSigma,
        /// Whose hours and weekends are the usual ones, such as Europe/London; UTC if not given.
        time_zone: Zone,
        /// What holds for some targets alone. Of two that fit the later one counts.
        overrides: ListOf<RawOverride>,
    }
}

keys! {
    /// A value for each metric.
    struct RawAmounts ("a map with keys such as `latency`") {
        /// Of the round-trip time.
        latency: Amount,
        /// Of the jitter.
        jitter: Amount,
        /// Of the loss, such as 2%.
        loss: Percent,
    }
}

keys! {
    /// The windows of the rule sigma.
    struct RawSigma ("a map with keys such as `present`") {
        /// Length of the present window, 5m if not given.
        present: Window,
        /// Length of the window before it, 60m if not given.
        baseline: Window,
        /// Samples are means over this long, 5m if not given.
        sample: Window,
        /// Standard deviations above the baseline's mean that raise, 2 if not given.
        k: Factor,
    }
}

keys! {
    /// What holds for some targets alone.
    struct RawOverride ("a map with keys such as `match`") {
        /// Whom it is for.
        r#match: Matches,
        /// For which of latency, jitter and loss it holds; for all if not given.
        metric: Metrics,
        /// The rule that learns what is usual.
        rule: RuleName,
        /// Smallest rises above the usual that count.
        at_least: RawAmounts,
        /// Values above which it is wrong whatever is usual.
        limits: RawAmounts,
        /// How long it must have been good until it is over.
        clear_after: Wait,
        /// What their alerts are worth: critical, warning or info.
        severity: SeverityName,
    }
}

keys! {
    /// Somebody to be told.
    struct RawNotify ("a map with keys such as `smtp`") {
        /// Its name; the way and its host if not given.
        name: Label,
        /// Which alerts; all but notes (severity info) if not given.
        r#match: Matches,
        /// Hours of the week in which it is told; always if not given.
        hours: RawHours,
        /// How long an alert waits for others before it is told, 30s if not given.
        wait: Wait,
        /// Time between two messages about the same, 5m if not given.
        interval: Wait,
        /// Time until it is told again that something is still wrong, 4h if not given.
        repeat: Wait,
        /// Mail.
        smtp: RawSmtp,
        /// A POST to a web server.
        webhook: RawWebhook,
        /// A message in a channel of Slack.
        slack: RawChat,
        /// A card in a channel or chat of Microsoft Teams.
        teams: RawChat,
        /// An incident of PagerDuty.
        pagerduty: RawPagerDuty,
        /// Alerts for an Alertmanager.
        alertmanager: RawAlertmanager,
    }
}

keys! {
    /// Hours of the week.
    struct RawHours ("a map with keys such as `days`") {
        /// Days, such as [Mon, Tue] or Mon-Fri; all if not given.
        days: Days,
        /// When it begins, such as 22:00; midnight if not given.
        from: TimeOfDay,
        /// When it ends, such as 06:00, which is on the next day if it is not later; midnight if not given.
        until: TimeOfDay,
        /// By whose clock, such as Europe/London; that of `detect` if not given.
        time_zone: Zone,
    }
}

keys! {
    /// A mail server, and who writes to whom.
    struct RawSmtp ("a map with keys such as `server`") {
        /// `smtps://HOST` (port 465), `starttls://HOST` (port 587) or `smtp://HOST` (port 25, no login).
        server: Line,
        /// The login's user; `from` if only a password is given.
        user: Line,
        /// The login's password, best as `${env:NAME}` or `${file:PATH}`.
        password: Hidden,
        /// Whom the mail comes from.
        from: Line,
        /// Who gets it.
        to: Lines,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
    }
}

keys! {
    /// A web server that takes alerts as JSON.
    struct RawWebhook ("a map with keys such as `url`") {
        /// Where to.
        url: Hidden,
        /// What messages are signed with.
        secret: Hidden,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
        /// How long an answer may take, 10s if not given.
        timeout: Wait,
    }
}

keys! {
    /// A chat that takes messages at a web address.
    struct RawChat ("a map with the key `url`") {
        /// The address that the chat gave for it, best as `${env:NAME}` or `${file:PATH}`: who has it can write.
        url: Hidden,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
        /// How long an answer may take, 10s if not given.
        timeout: Wait,
    }
}

keys! {
    /// A service of PagerDuty.
    struct RawPagerDuty ("a map with the key `routing_key`") {
        /// The integration key of the service, best as `${env:NAME}` or `${file:PATH}`.
        routing_key: Hidden,
        /// Where events go, events.pagerduty.com if not given.
        url: Hidden,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
        /// How long an answer may take, 10s if not given.
        timeout: Wait,
    }
}

keys! {
    /// An Alertmanager.
    struct RawAlertmanager ("a map with the key `url`") {
        /// Where it is, without `/api/v2/alerts`.
        url: Hidden,
        /// The login's user, if somebody asks for one.
        user: Line,
        /// The login's password, best as `${env:NAME}` or `${file:PATH}`.
        password: Hidden,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
        /// How long an answer may take, 10s if not given.
        timeout: Wait,
    }
}

keys! {
    /// A time in which a part of the network is worked on: nobody is told what begins in it.
    struct RawMaintenance ("a map with keys such as `match`") {
        /// Its name.
        name: Label,
        /// Whom it is for.
        r#match: Matches,
        /// Its hours of the week, if it recurs.
        hours: RawHours,
        /// When it begins, such as 2026-12-24T22:00Z.
        begins: Moment,
        /// When it ends.
        ends: Moment,
    }
}

/// One thing or a list of them.
#[derive(Debug)]
pub(crate) struct ListOf<T>(pub(crate) Vec<At<T>>);

impl<T: Read> Read for ListOf<T> {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.one_or_more(node).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for ListOf<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
    }
}

duration! {
    /// How long to wait.
    Wait, Duration::from_secs(1), Duration::from_hours(7 * 24), "1s to 7d"
}
duration! {
    /// Length of a window.
    Window, Duration::from_secs(1), Duration::from_hours(7 * 24), "1s to 7d"
}
duration! {
    /// A round-trip time.
    Amount, Duration::from_micros(1), Duration::from_hours(1), "1us to 1h"
}

/// Defines a value that one word of a few says.
macro_rules! word {
    ($(#[$meta:meta])* $name:ident($inner:ty), $wanted:literal, $help:literal, $parse:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        impl Read for $name {
            fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                reader.parsed(node, $wanted, $help, $parse).map(Self)
            }
        }
    };
}

/// A rule that learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Nm,
    Sigma,
    Off,
}

word! {
    /// Name of a rule.
    RuleName(Rule), "a rule", "write nm, sigma or off", |text| match text {
        "nm" => Some(Rule::Nm),
        "sigma" => Some(Rule::Sigma),
        "off" => Some(Rule::Off),
        _ => None,
    }
}
word! {
    /// What is measured.
    MetricName(Metric), "a metric", "write latency, jitter or loss", |text| match text {
        "latency" => Some(Metric::Rtt),
        "jitter" => Some(Metric::Jitter),
        "loss" => Some(Metric::Loss),
        _ => None,
    }
}

/// One metric or a list of them.
#[derive(Debug)]
pub(crate) struct Metrics(pub(crate) Vec<Metric>);

impl Read for Metrics {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let named: Vec<At<MetricName>> = reader.one_or_more(node)?;
        Some(Self(named.into_iter().map(|at| at.value.0).collect()))
    }
}

word! {
    /// What an alert is worth.
    SeverityName(Severity), "a severity", "write critical, warning or info", Severity::from_name
}
word! {
    /// A percentage above 0 and at most 100, in millionths.
    Percent(u32), "a percentage", "write a number and %, as in 2% or 0.5%", |text| {
        let number: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
        let fits = number > 0.0 && number <= 100.0;
        // Between 0 and a million.
        fits.then(|| (number * 10_000.0).round().max(1.0) as i64).and_then(|n| n.try_into().ok())
    }
}
word! {
    /// A number above 0.
    Factor(f64), "a number", "write a number above 0, as in 2 or 2.5", |text| {
        text.parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite())
    }
}
word! {
    /// A time zone.
    Zone(String), "a time zone", "write an IANA name such as Europe/London or UTC", |text| {
        TimeZone::get(text).ok().map(|_| text.to_owned())
    }
}
word! {
    /// Minutes after midnight, 0 to 1440.
    TimeOfDay(u16), "a time of day", "write HH:MM, 00:00 to 24:00", |text| {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2);
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        (minutes < 60 && hours * 60 + minutes <= 1440).then_some(hours * 60 + minutes)
    }
}
word! {
    /// A point in time.
    Moment(UnixMs), "a point in time", "write it as in 2026-12-24T22:00Z", |text| {
        text.parse::<Timestamp>().ok().map(|at| UnixMs(at.as_millisecond()))
    }
}

/// Days of the week.
#[derive(Clone, Debug)]
pub(crate) struct Days(pub(crate) Vec<Weekday>);

impl Read for Days {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let nodes: &[Node<'_>] = match &node.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(node),
        };
        let mut days = Vec::new();
        for node in nodes {
            let help = "write days such as Mon, Sat or Mon-Fri";
            days.extend(reader.parsed(node, "a day of the week", help, Weekday::from_range)?);
        }
        days.sort_unstable();
        days.dedup();
        Some(Self(days))
    }
}

/// What labels must be: a value, or a list of which one must fit; `*` stands for anything.
#[derive(Clone, Debug)]
pub(crate) struct Matches(pub(crate) Vec<Matcher>);

impl Read for Matches {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let mut matchers = Vec::new();
        for (key, value) in reader.entries(node, "a map of labels to values")? {
            let nodes: &[Node<'_>] = match &value.value {
                Value::List(items) => items,
                _ => std::slice::from_ref(value),
            };
            let mut values = Vec::new();
            for node in nodes {
                values.push(reader.text(node, "a value")?.into_value());
            }
            if values.is_empty() {
                let what = format!("no value is given for {}", quote(key_text(key)));
                return reader.refuse(Problem::new(value.span, what));
            }
            if key_text(key) == "severity"
                && let Some(wrong) =
                    values.iter().find(|value| Severity::from_name(value).is_none())
            {
                let what = format!("{} is not a severity", quote(wrong));
                let problem = Problem::new(value.span, what);
                return reader.refuse(problem.allowed("write critical, warning or info"));
            }
            matchers.push(matcher(key_text(key), &values));
        }
        Some(Self(matchers))
    }
}

fn matcher(label: &str, values: &[String]) -> Matcher {
    let label = label.to_owned();
    if let [value] = values
        && !value.contains('*')
    {
        return Matcher { label, operator: Operator::Is, value: value.clone() };
    }
    let fits = |value: &String| value.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
    let value = values.iter().map(fits).collect::<Vec<_>>().join("|");
    Matcher { label, operator: Operator::Fits, value }
}

/// Text on one line.
#[derive(Debug)]
pub(crate) struct Line(pub(crate) String);

impl Read for Line {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a line of text", "write text without control characters", |text| {
            let fits = !text.is_empty() && !text.contains(char::is_control);
            fits.then(|| Self(text.to_owned()))
        })
    }
}

/// One line or a list of them.
#[derive(Debug)]
pub(crate) struct Lines(pub(crate) Vec<At<Line>>);

impl Read for Lines {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.one_or_more(node).map(Self)
    }
}

/// Text that must not be shown.
#[derive(Debug)]
pub(crate) struct Hidden(pub(crate) Text);

impl Read for Hidden {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text(node, "text").map(Self)
    }
}

/// An address of a web server.
#[derive(Debug)]
pub(crate) struct WebAddress(pub(crate) String);

impl Read for WebAddress {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a web address", "write https://HOST/PATH", |text| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
            let fits = !rest.is_empty()
                && !rest.starts_with('/')
                && !text.contains(|c: char| c.is_control() || c.is_whitespace());
            fits.then(|| Self(text.trim_end_matches('/').to_owned()))
        })
    }
}

text_schema!(RuleName, { "enum": ["nm", "sigma", "off"] });
text_schema!(SeverityName, { "enum": ["critical", "warning", "info"] });
text_schema!(Metrics, {
    "anyOf": [
        { "enum": ["latency", "jitter", "loss"] },
        { "type": "array", "items": { "enum": ["latency", "jitter", "loss"] } }
    ]
});
text_schema!(Percent, { "type": "string", "pattern": r"^[0-9.]+\s*%$|\$\{", "examples": ["2%"] });
text_schema!(Factor, { "type": ["number", "string"] });
text_schema!(Zone, { "type": "string", "examples": ["Europe/London", "UTC"] });
text_schema!(TimeOfDay, { "type": "string", "pattern": r"^[0-2][0-9]:[0-5][0-9]$|\$\{" });
text_schema!(Moment, { "type": "string", "examples": ["2026-12-24T22:00Z"] });
text_schema!(Days, {
    "anyOf": [
        { "type": "string", "examples": ["Mon", "Mon-Fri"] },
        { "type": "array", "items": { "type": "string" } }
    ]
});
text_schema!(Matches, {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            { "type": ["string", "number", "boolean"] },
            { "type": "array", "items": { "type": ["string", "number", "boolean"] } }
        ]
    }
});
text_schema!(Line, { "type": "string", "minLength": 1 });
text_schema!(Lines, {
    "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 } }
    ]
});
text_schema!(Hidden, { "type": "string" });
text_schema!(WebAddress, { "type": "string", "examples": ["https://netmend.example.com"] });
