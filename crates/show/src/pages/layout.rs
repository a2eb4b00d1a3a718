//! The frame of every page: head, navigation, state counts, theme toggle. It must not know any page.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use model::TargetState;

use super::{parts, when};
use crate::app::App;
use crate::judged::Judged;
use crate::present::View;
use crate::who::Who;
use crate::{assets, format, guard};

const PAGES: [(&str, &str); 8] = [
    ("/", "Now"),
    ("/targets", "Targets"),
    ("/links", "WAN links"),
    ("/alerts", "Alerts"),
    ("/silences", "Silences"),
    ("/events", "Events"),
    ("/runs", "Repairs"),
    ("/system", "System"),
];

/// Where the body of a page will stand; what is escaped cannot hold it.
const BODY: &str = "<!--body-->";

/// The same page in two halves, for a body that is sent as it is rendered.
pub(super) fn halves(app: &App, view: &View, title: &str, here: &str) -> (String, String) {
    let page = page(app, view, title, here, &PreEscaped(BODY.to_owned())).into_string();
    let (head, foot) = page.split_once(BODY).expect("the page holds its body");
    (head.to_owned(), foot.to_owned())
}

/// A whole page. `here` is the address of its place in the navigation.
pub(super) fn page(app: &App, view: &View, title: &str, here: &str, body: &Markup) -> Markup {
    let system = app.deps.now.system();
    let site = &system.site;
    let token = guard::token_now().unwrap_or_else(|| app.deps.token.clone());
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, site, Some(token.as_str())))
            body {
                a.skip href="#main" { "Skip to the content" }
                (top(app, site, view, here))
                main #main { (body) }
                (foot(system.version, view))
            }
        }
    }
}

/// The head of a page; with the token that its requests carry, if it has any that change something.
pub(super) fn head(title: &str, site: &str, token: Option<&str>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · " (site) " · netmend" }
            link rel="icon" href=(PreEscaped(ICON));
            link rel="stylesheet" href=(assets::url("netmend.css"));
            script src=(assets::url("theme.js")) {}
            @if let Some(token) = token {
                meta name="netmend-token" content=(token);
                meta name="htmx-config"
                    content=r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false}"#;
                script defer src=(assets::url("htmx.min.js")) {}
                script defer src=(assets::url("live.js")) {}
                noscript { meta http-equiv="refresh" content="15"; }
            }
        }
    }
}

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
%3Cpath d='M1 9h3l2-6 4 10 2-4h3' fill='none' stroke='%23178a4c' stroke-width='2'/%3E%3C/svg%3E";

fn top(app: &App, site: &str, view: &View, here: &str) -> Markup {
    let judged = app.judging.view();
    // Who watches no links need not know of them.
    let links = !app.deps.links.links().orchestrators.is_empty();
    let pages = PAGES.iter().filter(|(address, _)| links || *address != "/links");
    html! {
        header.top {
            a.brand href="/" {
                svg viewBox="0 0 16 16" aria-hidden="true" { path d="M1 9h3l2-6 4 10 2-4h3" {} }
                "netmend"
            }
            span.site title="site" { (site) }
            nav aria-label="Pages" {
                @for (address, name) in pages {
                    a href=(address) aria-current=[(*address == here).then_some("page")] {
                        (name)
                        @if *address == "/alerts" { (calling(&judged)) }
                    }
                }
            }
            (counts(view))
            @if let Some(user) = Who::now().user() {
                a.account href="/account" aria-current=[(here == "/account").then_some("page")] title="Your account" { (user) }
            }
            button #theme type="button" hidden title="Light or dark" aria-label="Light or dark" { "◐" }
        }
    }
}

/// How many alerts call for somebody; the live feed replaces the number.
fn calling(judged: &Judged) -> Markup {
    let sign = judged.worst.map_or("none", model::Severity::as_str);
    html! {
        b.calling.{ "al-" (sign) } hidden[judged.calling == 0] title="firing and not silenced" {
            (format::count(judged.calling))
        }
    }
}

/// How many targets are in each state; the live feed replaces the numbers.
fn counts(view: &View) -> Markup {
    html! {
        ul.counts aria-label="Targets by state" {
            @for state in TargetState::ALL {
                @let count = view.count(state);
                li data-count=(state.name()) hidden[count == 0 && state != TargetState::Up] {
                    a class={ "st-" (state.name()) } href={ "/targets?state=" (state.name()) } {
                        (parts::shape(state)) b { (format::count(count)) } " " (state.as_str())
                    }
                }
            }
        }
    }
}

fn foot(version: &str, view: &View) -> Markup {
    html! {
        footer {
            span #live data-at=(view.snapshot.at.0) {
                "as of " (when::moment(view.snapshot.at))
            }
            noscript { span { "Without JavaScript this page is loaded again every 15 s." } }
            span.spring {}
            button #zone type="button" hidden title="Times in your own zone or in UTC" {}
            span { "netmend " (version) }
            a href="/api/v1/system" { "API" }
            a href="/metrics" { "Metrics" }
            a href="/healthz" { "Health" }
        }
    }
}
