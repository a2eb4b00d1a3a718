//! The Alerts page: what is open, the worst first, and what is over. Filters stand in the URL; htmx swaps
//! `#alerts` alone, and the live script fetches it again when something changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::{AlertState, Severity};
use store::AlertQuery;

use super::{layout, signs, sorry};
use crate::app::App;
use crate::archive::Found;
use crate::format;
use crate::history::Unavailable;
use crate::judged::Judged;
use crate::present::View;
use crate::sift::{Shown, Sift};

/// How a list without severe filters is refreshed and swapped, shared by all links and the form.
const LIST: &str = "#alerts";

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let sift = match Sift::parse(&pairs) {
        Ok(sift) => sift,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let view = app.present.view();
    let judged = app.judging.view();
    let list = if sift.is_present() {
        present(&app, &judged, &sift)
    } else {
        past(&app, &sift, &app.history.alerts(&sift, AlertQuery::default()).await)
    };
    let body = html! {
        h1.sr { "Alerts" }
        (form(&view, &sift))
        (list)
    };
    layout::page(&app, &view, "Alerts", "/alerts", &body).into_response()
}

fn form(view: &View, sift: &Sift) -> Markup {
    let targets = &view.snapshot.targets;
    let regions: BTreeSet<&str> = targets.iter().map(|now| now.target.region.as_str()).collect();
    let past = !sift.is_present();
    let (state, severity) = (single(&sift.states), single(&sift.severities));
    let offered: &[AlertState] = if past {
        &[AlertState::Resolved, AlertState::Accepted]
    } else {
        &[AlertState::Firing, AlertState::NoData]
    };
    let all = if past { "resolved,accepted" } else { "" };
    html! {
        form.filter method="get" action="/alerts" role="search"
            hx-get="/alerts" hx-target=(LIST) hx-select=(LIST) hx-swap="outerHTML"
            hx-push-url="true" hx-trigger="submit, change, input delay:250ms from:find input"
        {
            span.tabs {
                a href={ "/alerts" (sift.present().to_query()) } aria-current=[(!past).then_some("true")] { "Open" }
                a href={ "/alerts" (sift.past().to_query()) } aria-current=[past.then_some("true")] { "Past" }
            }
            input type="search" name="text" value=(sift.text) size="22" autocomplete="off"
                placeholder="host, group, ticket, #17" aria-label="Host, group, ticket or number";
            select name="severity" aria-label="Severity" {
                option value="" { @if sift.severities.len() > 1 { "several severities" } @else { "every severity" } }
                @for each in Severity::ALL {
                    option value=(each) selected[severity == Some(each)] { (each) }
                }
            }
            select name="state" aria-label="State" {
                option value=(all) { @if past { "every end" } @else { "every state" } }
                @for each in offered {
                    option value=(each.name()) selected[state == Some(*each)] { (each) }
                }
            }
            select name="region" aria-label="Region" {
                option value="" { "every region" }
                @for region in regions {
                    option value=(region) selected[region == sift.region] { (region) }
                }
            }
            input type="text" name="tag" value=(sift.tag) size="14" autocomplete="off"
                placeholder="tag=value" aria-label="Tag or label";
            @if !past {
                (choice("quiet", "Silenced", sift.quiet, ["loud or quiet", "loud", "quiet"]))
                (choice("acked", "Acknowledged", sift.acked, ["known or not", "not known", "known"]))
            }
            button type="submit" { "Show" }
        }
    }
}

fn single<T: Copy>(list: &[T]) -> Option<T> {
    match list {
        [one] => Some(*one),
        _ => None,
    }
}

fn choice(name: &str, label: &str, value: Option<bool>, words: [&str; 3]) -> Markup {
    html! {
        select name=(name) aria-label=(label) {
            option value="" { (words[0]) }
            option value="no" selected[value == Some(false)] { (words[1]) }
            option value="yes" selected[value == Some(true)] { (words[2]) }
        }
    }
}

/// What is open.
fn present(app: &App, judged: &Judged, sift: &Sift) -> Markup {
    let shown = sift.apply(judged);
    html! {
        div #alerts data-alerts=(format!("{:016x}", judged.mark)) data-from={ "/alerts" (sift.to_query()) } {
            @if shown.rows.is_empty() {
                (nothing_open(app, judged, sift))
            } @else {
                (signs::table(&shown.rows, app.now()))
                (pager(sift, &shown))
            }
        }
    }
}

/// Why the list is empty, and what people can do then.
fn nothing_open(app: &App, judged: &Judged, sift: &Sift) -> Markup {
    let filtered = !sift.is_whole() || !sift.states.is_empty();
    html! {
        @if filtered && !judged.open.is_empty() {
            p.empty {
                "No alert matches; " (format::count(judged.open.len())) " are open. "
                a href="/alerts" { "Show all" }
            }
        } @else if app.present.view().snapshot.targets.is_empty() {
            p.empty { "No targets, so nothing to judge: name some in the configuration or with "
                code { "--target HOST" } "." }
        } @else {
            div.calm.teach {
                p { i.s.s-resolved aria-hidden="true" {} "Nothing is firing." }
                p {
                    "An alert is raised when latency, jitter or loss of a target stays above what is usual at this \
                     hour of the week, when it crosses a limit that you set, or when it stops to answer. A new \
                     target is learned for two hours first. "
                    a href="/alerts?state=resolved,accepted" { "Past alerts" } "."
                }
                p { "To see whether messages arrive: " code { "netmend notify test" } "." }
            }
        }
    }
}

fn pager(sift: &Sift, shown: &Shown) -> Markup {
    let first = (shown.page - 1) * sift.limit;
    let hidden = shown.matching - shown.tops;
    html! {
        nav.pager aria-label="Pages of the list" {
            span {
                (format::count(first + 1)) "–" (format::count(first + shown.rows.len()))
                " of " (format::count(shown.tops))
                @if hidden > 0 { ", which speak for " (format::count(hidden)) " more" }
            }
            @if shown.pages > 1 {
                (turn(sift, shown.page > 1, shown.page.saturating_sub(1), "Previous"))
                span { "page " (shown.page) " of " (shown.pages) }
                (turn(sift, shown.page < shown.pages, shown.page + 1, "Next"))
            }
        }
    }
}

fn turn(sift: &Sift, possible: bool, to: usize, word: &str) -> Markup {
    let to = Sift { page: to, ..sift.clone() };
    html! { @if possible { (goes(&to, word)) } @else { span.off { (word) } } }
}

fn goes(sift: &Sift, word: &str) -> Markup {
    let address = format!("/alerts{}", sift.to_query());
    html! {
        a href=(address) hx-get=(address) hx-target=(LIST) hx-select=(LIST)
            hx-swap="outerHTML show:top" hx-push-url="true" { (word) }
    }
}

/// What is over, or all.
fn past(app: &App, sift: &Sift, found: &Result<Found, Unavailable>) -> Markup {
    html! {
        div #alerts { @match found {
            Err(error) => p.empty { (error) },
            Ok(found) => {
                @if found.alerts.is_empty() && found.next.is_none() {
                    p.empty {
                        @if sift.is_whole() && sift.before.is_none() {
                            "No alert has ended yet. They are kept for ever, each with its numbers, what was \
                             sent and who knew."
                        } @else { "No older alert matches. " }
                        " " a href="/alerts?state=resolved,accepted" { "All past alerts" }
                    }
                } @else if found.alerts.is_empty() {
                    p.empty { "None of the alerts that were looked at matches." }
                } @else { (signs::past(&found.alerts, app.now())) }
                nav.pager aria-label="Pages of the list" {
                    @if sift.before.is_some() { (goes(&Sift { before: None, ..sift.clone() }, "Newest")) }
                    @if let Some(next) = found.next {
                        (goes(&Sift { before: Some(next), ..sift.clone() }, "Older"))
                    }
                }
            }
        } }
    }
}
