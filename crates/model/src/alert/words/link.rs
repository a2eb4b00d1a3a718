//! What is wrong with a WAN link, in sentences.

use super::{capital, digits, moment, push, say, span, state_and_rule, usual, value};
use crate::alert::{Alert, AlertState, Finding, LinkSubject};
use crate::text::printable;
use crate::wan::{Direction, WanMetric};
use crate::{Metric, Rule, UnixMs};

/// Most characters of a name within a sentence.
const NAME: usize = 80;

/// All that is known of the link's alert, but for its neighbours.
pub(super) fn of_link(text: &mut String, alert: &Alert, link: &LinkSubject, now: UnixMs) {
    let who = name(link);
    if alert.state == AlertState::NoData {
        let since = moment(super::last_change(alert), now);
        let sentence = format!(
            "Nothing has been heard of {who} since {since}: nobody can say whether it is right or wrong"
        );
        say(text, &sentence);
    } else {
        say(text, &capital(who));
    }
    for finding in &alert.findings {
        say(text, &sentence(link, finding, now));
    }
    let normal = normal(alert, link);
    if let [first @ .., last] = normal.as_slice() {
        let names = if first.is_empty() {
            last.clone()
        } else {
            format!("{} and {last}", first.join(", "))
        };
        say(text, &format!("{} normal", capital(names)));
    }
}

/// `edge LDN, link BT (GE3, British Telecom) of Customer A at Docklands, gateway gw1`.
fn name(link: &LinkSubject) -> String {
    let show = |text: &String| printable(text, NAME);
    let mut text =
        format!("edge {}, link {}", printable(&link.edge, NAME), printable(&link.wan, NAME));
    let beside = [&link.interface, &link.isp].into_iter().flatten();
    let beside: Vec<String> = beside.filter(|word| **word != link.wan).map(show).collect();
    if !beside.is_empty() {
        push(&mut text, &format!(" ({})", beside.join(", ")));
    }
    push(&mut text, &format!(" of {}", show(&link.enterprise)));
    if let Some(site) = link.site.as_ref().filter(|site| **site != link.edge) {
        push(&mut text, &format!(" at {}", show(site)));
    }
    if let Some(gateway) = &link.gateway {
        push(&mut text, &format!(", gateway {}", show(gateway)));
    }
    text
}

fn sentence(link: &LinkSubject, finding: &Finding, now: UnixMs) -> String {
    let metric = link.metric(finding.series);
    let mut text =
        metric.map_or_else(|| super::metric(finding.metric).to_owned(), |m| capital(m.words()));
    let span = span(finding.since, finding.ended, now);
    let before = (finding.usual.filter(|usual| usual.is_finite()))
        .zip(finding.varies.filter(|varies| varies.is_finite()));
    match (finding.rule, finding.state, before) {
        (Rule::Sigma, AlertState::Firing | AlertState::NoData, Some((mean, deviation))) => {
            let of = |amount| value(finding.metric, amount);
            let above = if deviation > 0.0 {
                format!("{} of them above", digits((finding.value - mean) / deviation))
            } else {
                "nothing varied before".to_owned()
            };
            let (now, mean, deviation) = (of(finding.value), of(mean), of(deviation));
            push(
                &mut text,
                &format!(
                    " {now}, before {mean} with a standard deviation of {deviation}: {above}, {span}"
                ),
            );
        }
        // How long it was above the limit is told of probes, which are seconds apart.
        (Rule::Nm, AlertState::Firing | AlertState::NoData, _) => {
            let now = value(finding.metric, finding.value);
            push(&mut text, &format!(" {now}{}, {span}", usual(finding)));
        }
        _ => state_and_rule(&mut text, finding, &span),
    }
    text
}

/// The metrics that were judged and are as usual: the alert has a metric once for each way that is. Which
/// way it is shows by what is wrong.
fn normal(alert: &Alert, link: &LinkSubject) -> Vec<String> {
    let wrong: Vec<WanMetric> = alert
        .findings
        .iter()
        .filter(|finding| !finding.state.is_over())
        .filter_map(|finding| link.metric(finding.series))
        .collect();
    let mut names = Vec::new();
    for kind in Metric::ALL {
        let ways = alert.normal.iter().filter(|metric| **metric == kind).count();
        let free = Direction::ALL
            .map(|way| WanMetric::of(kind, way))
            .into_iter()
            .flatten()
            .filter(|metric| !wrong.contains(metric));
        match (ways, free.clone().count()) {
            (0, _) => {}
            (ways, free) if ways >= 2 && free == 2 => {
                names.push(super::metric(kind).to_lowercase());
            }
            (_, 1) => names.extend(free.map(WanMetric::words)),
            _ => {}
        }
    }
    names
}
