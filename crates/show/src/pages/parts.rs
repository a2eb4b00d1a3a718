//! Pieces that several pages share: the state's shape, a target's row, its numbers.

use maud::{Markup, html};
use model::{TargetNow, TargetState, UnixMs};

use super::when;
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::judged::Standing;
use crate::port::Warning;
use crate::present::{Values, key};
use crate::strips;

/// The shape of a state. Text stands beside it, so that neither colour nor shape is needed.
pub(super) fn shape(state: TargetState) -> Markup {
    html! { i class={ "s s-" (state.name()) } aria-hidden="true" {} }
}

/// The state as shape and words.
pub(super) fn badge(now: &TargetNow) -> Markup {
    html! {
        span.badge.{ "st-" (now.state.name()) } {
            (shape(now.state)) span.v-state { (now.state_words()) }
        }
    }
}

/// The address of a target's page.
pub(super) fn link(now: &TargetNow) -> String {
    format!("/targets/{}", now.series.rtt)
}

/// What the live feed knows the target by.
pub(super) fn live_key(now: &TargetNow) -> String {
    format!("{:016x}", key(now))
}

/// Why it is in this state, or what people should know of it.
pub(super) fn why(now: &TargetNow) -> String {
    let reason = now.reason.map(|reason| reason.to_string());
    let parts = [reason, now.note.clone()];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    known.join("; ")
}

/// How long the target has been in its state, for the live script to count on.
pub(super) fn since(now: &TargetNow, at: UnixMs) -> Markup {
    html! { span.v-since data-since=(now.since.0) title={ "since " (format::time(now.since)) " UTC" } { (format::since(now.since, at)) } }
}

/// The head of a table of [`row`]s, without links to sort by.
pub(super) fn plain_head() -> Markup {
    html! {
        thead { tr {
            th { "State" } th { "Host" } th.c-region { "Region" } th.c-proto { "Protocol" }
            th.c-addr { "Address" } th.n { "RTT " small { "ms" } } th.n.c-median { "Median" }
            th.n { "Jitter" } th.n { "Loss " small { "%" } } th.c-spark { "RTT of the last 60" }
            th.c-cells { "Last 60 probes" }
        } }
    }
}

/// One dense row of a target, with what the detector says of it.
pub(super) fn row(now: &TargetNow, standing: Option<&Standing>) -> Markup {
    let target = &now.target;
    let values = Values::of(now);
    html! {
        tr data-k=(live_key(now)) class={ "st-" (now.state.name()) } {
            td.c-state {
                (badge(now))
                @if let Some(standing) = standing { " " (alerted(standing, &standing.short)) }
            }
            th.c-host scope="row" { a href=(link(now)) title=(title(now)) { (target.host) } }
            td.c-region { (target.region) }
            td.c-proto { (target.protocol) }
            td.c-addr { @match now.address { Some(address) => (address), None => (NOTHING) } }
            td.n.c-rtt { b.v-rtt { (format::ms(values.rtt_us)) } }
            td.n.c-median.v-median { (format::ms(values.median_us)) }
            td.n.c-jitter.v-jitter { (format::ms(values.jitter_us)) }
            td.n.c-loss.v-loss data-loss=(format::loss_grade(values.loss_pct)) {
                (format::percent(values.loss_pct))
            }
            td.c-spark { (strips::spark_svg(&strips::levels(&now.recent))) }
            td.c-cells { (strips::cells_svg(&strips::cells(&now.recent))) }
        }
    }
}

/// One target in little space, for lists of thousands: every element counts. Its shape is drawn by the
/// style sheet, its key is in its address, and the usual is left out: no loss, the word for up. One that is
/// well and far down the page is a single element, whose numbers the script puts into place when it comes near.
pub(super) fn tile(now: &TargetNow, standing: Option<&Standing>, is_far: bool) -> Markup {
    let values = Values::of(now);
    let grade = format::loss_grade(values.loss_pct);
    let graded = (grade > 0).then_some(grade);
    if is_far && now.state == TargetState::Up && standing.is_none() && graded.is_none() {
        let (rtt, jitter) = (format::ms(values.rtt_us), format::ms(values.jitter_us));
        let numbers = format!("{rtt} {jitter} {}", format::percent(values.loss_pct));
        return html! { a.tile.st-up href=(link(now)) data-v=(numbers) { (now.target) } };
    }
    html! {
        a.tile.{ "st-" (now.state.name()) } href=(link(now)) {
            span.h {
                (now.target)
                @if let Some(standing) = standing {
                    " " span.v-alert.{ "al-" (standing.sign) }.hushed[standing.quiet] { span { (standing.words) } }
                }
            }
            b.v-rtt { (format::ms(values.rtt_us)) }
            i.v-jitter { (format::ms(values.jitter_us)) }
            u.v-loss data-loss=[graded] { (format::percent(values.loss_pct)) }
            @if now.state != TargetState::Up { span.v-state { (now.state_words()) } }
        }
    }
}

/// What the detector says of a target: a link with shape and words, to stand beside its name.
pub(super) fn standing(standing: &Standing) -> Markup {
    alerted(standing, &standing.words)
}

fn alerted(standing: &Standing, words: &str) -> Markup {
    html! {
        a.v-alert.{ "al-" (standing.sign) }.hushed[standing.quiet] href={ "/alerts/" (standing.alert) }
            title=(standing.words)
        {
            i.s.{ "s-" (standing.sign) } aria-hidden="true" {} span { (words) }
        }
    }
}

/// What a narrow column may cut off, and why it is as it is.
fn title(now: &TargetNow) -> String {
    match why(now) {
        why if why.is_empty() => now.target.to_string(),
        why => format!("{}: {why}", now.target),
    }
}

/// What is wrong with netmend itself: stages that stand still, then the machine's warnings, each with
/// its fix.
pub(super) fn warnings(app: &App) -> Markup {
    let stages = app.deps.now.stages();
    let stuck = stages.iter().filter_map(|stage| stage.stuck.as_ref().map(|why| (stage.name, why)));
    let stuck: Vec<_> = stuck.collect();
    let warnings = app.deps.now.system().warnings;
    html! {
        @if !stuck.is_empty() || !warnings.is_empty() {
            section.warnings aria-label="Warnings of netmend itself" {
                @for (name, why) in stuck {
                    div.warning.stuck role="alert" {
                        (shape(TargetState::Down))
                        p { "The stage " b { (name) } " stands still: " (why) }
                    }
                }
                @for warning in &warnings { (warning_box(warning)) }
            }
        }
    }
}

fn warning_box(warning: &Warning) -> Markup {
    html! {
        div.warning role="status" {
            (shape(TargetState::Lossy))
            div {
                p {
                    (warning.text)
                    @if let Some(since) = warning.since {
                        " " small { "since " (when::moment(since)) }
                    }
                }
                @if !warning.fix.is_empty() { p { "Fix: " (fix(&warning.fix)) } }
            }
        }
    }
}

/// A fix is a command, or a sentence with commands between backticks.
fn fix(text: &str) -> Markup {
    if !text.contains('`') {
        return html! { code { (text) } };
    }
    html! {
        @for (number, piece) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}
