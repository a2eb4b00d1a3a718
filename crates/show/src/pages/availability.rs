//! The Availability page: how much of a month each target was up, what was maintenance, and the outages. It
//! must not count: that is done by the daemon.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use model::UnixMs;
use model::text::printable;

use super::{layout, sorry};
use crate::account::Account;
use crate::app::App;
use crate::format::{self, NOTHING};
use crate::uptime::{Month, Uptime, Uptimes};

/// Most rows: counting a month of a target takes milliseconds.
const ROWS: usize = 200;
/// Months that are offered.
const MONTHS: usize = 13;
/// Most characters of a name.
const NAME: usize = 120;

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let account = match Account::parse(&pairs, app.now()) {
        Ok(account) => account,
        Err(bad) => return sorry(&app, StatusCode::BAD_REQUEST, &bad.to_string()),
    };
    let counted = account.count(&app, ROWS).await;
    let body = html! {
        h1.sr { "Availability" }
        (form(&account, app.now()))
        @match &counted {
            Err(error) => p.empty { (error) },
            Ok(counted) if counted.rows.is_empty() => p.empty {
                "No target of this name was stored. " a href="/availability" { "Show all" }
            },
            Ok(counted) => (table(counted)),
        }
        p.hint {
            "Of the minutes in which something is known, the share in which a probe was answered; UTC. Maintenance is \
             what " code { "maintenance:" } " of the configuration names or named, and what was silenced before it began."
        }
    };
    layout::page(&app, &app.present.view(), "Availability", "/targets", &body).into_response()
}

fn form(account: &Account, now: UnixMs) -> Markup {
    let mut months: Vec<Month> =
        std::iter::successors(Month::of(now), |month| Month::before(month.span().start))
            .take(MONTHS)
            .collect();
    if !months.contains(&account.month) {
        months.push(account.month);
    }
    let month = account.month.name();
    html! {
        form.filter method="get" action="/availability" role="search" {
            select name="month" aria-label="Month" { @for each in months {
                option value=(each.name()) selected[each == account.month] { (each.name()) }
            } }
            input type="search" name="text" value=(account.text) size="22" autocomplete="off"
                placeholder="host or region" aria-label="Host or region";
            button type="submit" { "Show" }
            button type="submit" formaction="/api/v1/availability" name="format" value="csv"
                title={ "All targets of " (month) " that match" } { "CSV" }
        }
    }
}

fn table(counted: &Uptimes) -> Markup {
    html! {
        div.scroll { table.availability {
            thead { tr {
                th { "Host" } th.c-region { "Region" } th.c-proto { "Protocol" }
                th.n { "Up " small { "%" } } th.n { "Outages" } th.n { "Down" } th.n { "Longest" }
                th.n { "Maintenance" } th.n { "No data" } th.n { "Loss " small { "%" } }
            } }
            tbody { @for row in &counted.rows { (line(row)) } }
        } }
        @let hidden = counted.total - counted.rows.len();
        @if hidden > 0 {
            p.empty { "and " (format::count(hidden)) " more: search for them, or take the CSV" }
        }
    }
}

fn line(row: &Uptime) -> Markup {
    let minutes = &row.minutes;
    let family = if row.family == "6" { " IPv6" } else { "" };
    html! {
        tr {
            th scope="row" { bdi { (printable(&row.host, NAME)) } (family) }
            td.c-region { bdi { (printable(&row.region, NAME)) } }
            td.c-proto { (printable(&row.protocol, NAME)) }
            td.n { (share(row.availability_pct)) }
            td.n { (minutes.outages) }
            td.n { (length(minutes.down_minutes)) }
            td.n { (length(minutes.longest_outage_minutes)) }
            td.n { (length(minutes.maintenance_minutes)) }
            td.n { (length(minutes.no_data_minutes)) }
            td.n { (format::percent(row.loss_pct.map(|loss| loss as f32))) }
        }
    }
}

/// Percent with three decimals, a minute of a month being 0.002; never rounded up to all.
fn share(percent: Option<f64>) -> String {
    match percent {
        Some(100.0) => "100".to_owned(),
        Some(percent) => format!("{:.3}", (percent * 1_000.0).floor() / 1_000.0),
        None => NOTHING.to_owned(),
    }
}

fn length(minutes: u32) -> String {
    match minutes {
        0 => "0".to_owned(),
        _ => format::span(std::time::Duration::from_mins(u64::from(minutes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_never_looks_like_all() {
        assert_eq!(share(Some(99.999_9)), "99.999");
        assert_eq!(share(Some(100.0)), "100");
        assert_eq!(share(None), NOTHING);
    }
}
