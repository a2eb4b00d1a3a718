//! What was typed about judging and telling, put together: how each target is judged, who is told what.
//! It reads the files that are named and opens no connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alert::calendar::Hours;
use alert::channel::Receiver;
use alert::delivery::Receivers;
use alert::matching::Matching;
use alert::route::{Maintenance, Route};
use detect::{Learned, Samples, Settings, Sigma};
use jiff::tz::TimeZone;
use model::alert::{LinkSubject, Subject, TargetSubject, Weekday, Weekly};
use model::{Metric, Severity, Target};

use super::judged::{
    RawAmounts, RawDetect, RawHours, RawMaintenance, RawNotify, RawOverride, RawSigma, Rule,
};
use super::problem::{Problem, Problems};
use super::source::{At, Span};
use super::ways;

/// How it is judged and who is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// How targets are judged.
    pub(crate) judging: JudgingRules,
    /// Who is told what.
    pub(crate) routes: Vec<Route>,
    /// The ways to them.
    pub(crate) receivers: Arc<Receivers>,
    /// When what is worked on.
    pub(crate) maintenance: Vec<Maintenance>,
    /// What is called each minute while all works.
    pub(crate) heartbeat: Option<String>,
    /// Where people reach the pages.
    pub(crate) pages: Option<String>,
}

/// How targets are judged.
#[derive(Clone, Debug)]
pub(crate) struct JudgingRules {
    zone: TimeZone,
    zone_name: String,
    sigma: Sigma,
    rule: Rule,
    at_least: Amounts,
    limits: Amounts,
    clear_after: Option<Duration>,
    overrides: Vec<Override>,
}

/// A value for each metric, in the unit of the rules: milliseconds and percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amounts([Option<f64>; 3]);

#[derive(Clone, Debug)]
struct Override {
    matching: Matching,
    /// For which metrics; for all if empty.
    metrics: Vec<Metric>,
    rule: Option<Rule>,
    at_least: Amounts,
    limits: Amounts,
    clear_after: Option<Duration>,
    severity: Option<Severity>,
}

impl Override {
    fn is_for(&self, metric: Metric) -> bool {
        self.metrics.is_empty() || self.metrics.contains(&metric)
    }
}

impl Default for JudgingRules {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            zone_name: "UTC".to_owned(),
            sigma: Sigma::default(),
            rule: Rule::Nm,
            at_least: Amounts::default(),
            limits: Amounts::default(),
            clear_after: None,
            overrides: Vec::new(),
        }
    }
}

impl JudgingRules {
    /// How one metric of a target is judged. What a target says of itself counts most.
    pub(crate) fn settings(&self, target: &Target, metric: Metric) -> Settings {
        let own = &target.limits;
        let ms = |span: Option<Duration>| span.map(|span| span.as_secs_f64() * 1_000.0);
        let loss = own.loss_ppm.map(|ppm| f64::from(ppm) / 10_000.0);
        let own = Amounts([ms(own.latency), ms(own.jitter), loss]);
        self.settled(|| Subject::Target(TargetSubject::of(target)), own, metric)
    }

    /// How one metric of a WAN link is judged. Its samples are means already, one every `step`, and nobody
    /// knows of how many packets.
    pub(crate) fn of_link(&self, link: &LinkSubject, metric: Metric, step: Duration) -> Settings {
        let settings = self.settled(|| Subject::Link(link.clone()), Amounts::default(), metric);
        let learned = match settings.learned {
            Learned::Sigma(sigma) => {
                Learned::Sigma(Sigma { samples: Samples::Each(step.as_secs_f64()), ..sigma })
            }
            other => other,
        };
        Settings { learned, probes: None, ..settings }
    }

    fn settled(&self, of: impl FnOnce() -> Subject, own: Amounts, metric: Metric) -> Settings {
        let (mut rule, mut at_least, mut limits) = (self.rule, self.at_least, self.limits);
        let mut clear_after = self.clear_after;
        for known in self.fitting(of).filter(|known| known.is_for(metric)) {
            rule = known.rule.unwrap_or(rule);
            at_least = at_least.or(known.at_least);
            limits = limits.or(known.limits);
            clear_after = known.clear_after.or(clear_after);
        }
        let limits = limits.or(own);
        let learned = match rule {
            Rule::Nm => Learned::Nm,
            Rule::Sigma => Learned::Sigma(self.sigma),
            Rule::Off => Learned::Off,
        };
        Settings {
            learned,
            at_least: at_least.get(metric),
            limit: limits.get(metric),
            clear_after: clear_after.map(|span| span.as_secs_f64()),
            zone: self.zone.clone(),
            ..Settings::default()
        }
    }

    /// The windows of the rule `sigma`, whether it is the rule or not.
    pub(crate) fn sigma(&self) -> &Sigma {
        &self.sigma
    }

    /// The smallest rise that counts for any subject, if somebody decided: milliseconds or percent.
    pub(crate) fn at_least(&self, metric: Metric) -> Option<f64> {
        self.at_least.get(metric)
    }

    /// What the alerts of a target are worth whatever is wrong, if somebody decided.
    pub(crate) fn severity(&self, target: &Target) -> Option<Severity> {
        self.worth(|| Subject::Target(TargetSubject::of(target)))
    }

    /// The same of a WAN link.
    pub(crate) fn severity_of_link(&self, link: &LinkSubject) -> Option<Severity> {
        self.worth(|| Subject::Link(link.clone()))
    }

    fn worth(&self, of: impl FnOnce() -> Subject) -> Option<Severity> {
        let all = self.fitting(of).filter(|known| known.metrics.is_empty());
        all.filter_map(|known| known.severity).last()
    }

    /// What its metrics are worth that are too high, where somebody decided.
    pub(crate) fn severities(&self, target: &Target) -> Vec<(Metric, Severity)> {
        self.worths(|| Subject::Target(TargetSubject::of(target)))
    }

    /// The same of a WAN link.
    pub(crate) fn severities_of_link(&self, link: &LinkSubject) -> Vec<(Metric, Severity)> {
        self.worths(|| Subject::Link(link.clone()))
    }

    fn worths(&self, of: impl Fn() -> Subject) -> Vec<(Metric, Severity)> {
        let of = |metric: Metric| {
            let fitting = self.fitting(&of).filter(|known| known.is_for(metric));
            fitting.filter_map(|known| known.severity).last().map(|severity| (metric, severity))
        };
        Metric::ALL.into_iter().filter_map(of).collect()
    }

    fn fitting(&self, of: impl FnOnce() -> Subject) -> impl Iterator<Item = &Override> {
        let subject = (!self.overrides.is_empty()).then(of);
        self.overrides.iter().filter(move |known| {
            let label = |name: &str| subject.as_ref().and_then(|subject| subject.label(name));
            known.matching.fits(label)
        })
    }
}

impl Amounts {
    fn get(self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Rtt => self.0[0],
            Metric::Jitter => self.0[1],
            Metric::Loss => self.0[2],
            Metric::Interface(_) => None,
        }
    }

    /// These, and where `newer` says something that.
    fn or(self, newer: Self) -> Self {
        let mut both = self;
        for (old, new) in both.0.iter_mut().zip(newer.0) {
            *old = new.or(*old);
        }
        both
    }

    fn of(raw: Option<&At<RawAmounts>>) -> Self {
        let Some(At { value: raw, .. }) = raw else { return Self::default() };
        let ms = |at: &At<super::judged::Amount>| at.value.0.as_secs_f64() * 1_000.0;
        Self([
            raw.latency.as_ref().map(ms),
            raw.jitter.as_ref().map(ms),
            raw.loss.as_ref().map(|at| f64::from(at.value.0) / 10_000.0),
        ])
    }
}

/// What was typed.
#[derive(Debug, Default)]
pub(crate) struct RawVerdict {
    pub(crate) detect: Option<At<RawDetect>>,
    pub(crate) notify: Vec<At<RawNotify>>,
    pub(crate) maintenance: Vec<At<RawMaintenance>>,
    pub(crate) heartbeat: Option<String>,
    pub(crate) pages: Option<String>,
}

impl RawVerdict {
    /// Puts it together; `hello` is how mail servers are greeted.
    pub(crate) fn finish(self, hello: &str, problems: &mut Problems) -> Verdict {
        let judging =
            self.detect.map_or_else(JudgingRules::default, |raw| judging(&raw.value, problems));
        let mut routes: Vec<Route> = Vec::new();
        let mut receivers: Receivers = HashMap::new();
        for raw in &self.notify {
            let made = told(raw, hello, &judging.zone_name, problems);
            let Some((route, receiver)) = made else { continue };
            if receivers.insert(route.name.clone(), Arc::new(receiver)).is_some() {
                let what = format!("two receivers are called `{}`", route.name);
                problems.push(Problem::new(raw.span, what).allowed("give them a `name` each"));
            }
            routes.push(route);
        }
        let maintenance = self
            .maintenance
            .iter()
            .enumerate()
            .filter_map(|(number, raw)| window(number, raw, &judging.zone_name, problems))
            .collect();
        Verdict {
            judging,
            routes,
            receivers: Arc::new(receivers),
            maintenance,
            heartbeat: self.heartbeat,
            pages: self.pages,
        }
    }
}

fn judging(raw: &RawDetect, problems: &mut Problems) -> JudgingRules {
    let mut rules = JudgingRules {
        rule: raw.rule.as_ref().map_or(Rule::Nm, |at| at.value.0),
        at_least: Amounts::of(raw.at_least.as_ref()),
        limits: Amounts::of(raw.limits.as_ref()),
        clear_after: raw.clear_after.as_ref().map(|at| at.value.0),
        ..JudgingRules::default()
    };
    if let Some(raw) = &raw.sigma {
        rules.sigma = sigma(&raw.value);
    }
    if let Some(At { value: zone, .. }) = &raw.time_zone {
        rules.zone = TimeZone::get(&zone.0).unwrap_or(TimeZone::UTC);
        rules.zone_name.clone_from(&zone.0);
    }
    let overrides = raw.overrides.iter().flat_map(|list| &list.value.0);
    rules.overrides = overrides.filter_map(|raw| overridden(raw, problems)).collect();
    // Whether the numbers go together shows now, not at the first sample.
    let settings = Settings { learned: Learned::Sigma(rules.sigma), ..Settings::default() };
    if let (Err(why), Some(raw)) = (detect::Rules::new(Metric::Rtt, &settings), &raw.sigma) {
        problems.push(Problem::new(raw.span, why.to_string()));
    }
    rules
}

fn sigma(raw: &RawSigma) -> Sigma {
    let own = Sigma::default();
    let seconds = |at: Option<&At<super::judged::Window>>, or: f64| {
        at.map_or(or, |at| at.value.0.as_secs_f64())
    };
    Sigma {
        present: seconds(raw.present.as_ref(), own.present),
        baseline: seconds(raw.baseline.as_ref(), own.baseline),
        k: raw.k.as_ref().map_or(own.k, |at| at.value.0),
        samples: raw
            .sample
            .as_ref()
            .map_or(own.samples, |at| Samples::Means(at.value.0.as_secs_f64())),
        ..own
    }
}

fn overridden(raw: &At<RawOverride>, problems: &mut Problems) -> Option<Override> {
    let value = &raw.value;
    let Some(matches) = &value.r#match else {
        problems.push(Problem::new(raw.span, "an override needs `match`: whom it is for"));
        return None;
    };
    Some(Override {
        matching: ready(&matches.value.0, matches.span, problems)?,
        metrics: value.metric.as_ref().map(|at| at.value.0.clone()).unwrap_or_default(),
        rule: value.rule.as_ref().map(|at| at.value.0),
        at_least: Amounts::of(value.at_least.as_ref()),
        limits: Amounts::of(value.limits.as_ref()),
        clear_after: value.clear_after.as_ref().map(|at| at.value.0),
        severity: value.severity.as_ref().map(|at| at.value.0),
    })
}

fn ready(
    matchers: &[model::alert::Matcher],
    span: Span,
    problems: &mut Problems,
) -> Option<Matching> {
    Matching::new(matchers).map_err(|why| problems.push(Problem::new(span, why.to_string()))).ok()
}

fn told(
    raw: &At<RawNotify>,
    hello: &str,
    zone: &str,
    problems: &mut Problems,
) -> Option<(Route, Receiver)> {
    let value = &raw.value;
    let channels = ways::channels(value, hello, problems)?;
    let Some(first) = channels.first() else {
        let ways = "`smtp`, `webhook`, `slack`, `teams`, `pagerduty` or `alertmanager`";
        problems.push(Problem::new(raw.span, format!("a receiver needs a way to it: {ways}")));
        return None;
    };
    let name = value.name.as_ref().map_or_else(|| first.address(), |name| name.value.0.clone());
    let matching = match &value.r#match {
        Some(matches) => ready(&matches.value.0, matches.span, problems)?,
        None => Matching::default(),
    };
    let hours = match &value.hours {
        Some(raw) => Some(hours(raw, zone, problems)?.1),
        None => None,
    };
    let wait = |at: Option<&At<super::judged::Wait>>, or| at.map_or(or, |at| at.value.0);
    let route = Route {
        name: name.clone(),
        matching,
        hours,
        wait: wait(value.wait.as_ref(), Route::WAIT),
        interval: wait(value.interval.as_ref(), Route::INTERVAL),
        repeat: wait(value.repeat.as_ref(), Route::REPEAT),
    };
    Some((route, Receiver { name, channels }))
}

/// Hours of the week: as typed, and ready.
fn hours(raw: &At<RawHours>, zone: &str, problems: &mut Problems) -> Option<(Weekly, Hours)> {
    let value = &raw.value;
    let weekly = Weekly {
        days: value.days.as_ref().map_or(Weekday::ALL.to_vec(), |at| at.value.0.clone()),
        from: value.from.as_ref().map_or(0, |at| at.value.0),
        until: value.until.as_ref().map_or(1440, |at| at.value.0),
        zone: value.time_zone.as_ref().map_or(zone, |at| &at.value.0).to_owned(),
    };
    match Hours::new(&weekly) {
        Ok(hours) => Some((weekly, hours)),
        Err(why) => {
            problems.push(Problem::new(raw.span, why.to_string()));
            None
        }
    }
}

fn window(
    number: usize,
    raw: &At<RawMaintenance>,
    zone: &str,
    problems: &mut Problems,
) -> Option<Maintenance> {
    let value = &raw.value;
    let Some(matches) = &value.r#match else {
        let what = "a maintenance window needs `match`: whom it is for";
        problems.push(Problem::new(raw.span, what));
        return None;
    };
    let hours = match &value.hours {
        Some(raw) => Some(hours(raw, zone, problems)?),
        None => None,
    };
    let (from, until) =
        (value.begins.as_ref().map(|at| at.value.0), value.ends.as_ref().map(|at| at.value.0));
    if hours.is_none() && until.is_none() {
        let what = "a maintenance window needs `hours`, if it recurs, or an end, `ends`";
        problems.push(Problem::new(raw.span, what));
        return None;
    }
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        problems.push(Problem::new(raw.span, "the maintenance window ends before it begins"));
        return None;
    }
    let name = value.name.as_ref().map(|name| name.value.0.clone());
    let (weekly, hours) = hours.unzip();
    Some(Maintenance {
        name: name.unwrap_or_else(|| format!("maintenance {}", number + 1)),
        matching: ready(&matches.value.0, matches.span, problems)?,
        matchers: matches.value.0.clone(),
        weekly,
        hours,
        from,
        until,
    })
}
