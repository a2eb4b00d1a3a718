//! A message as HTML that mail clients show: tables, inline styles, nothing loaded from elsewhere. Dark
//! readers get their colours where they honour `prefers-color-scheme`; all colours are legible where they
//! do not.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use model::alert::{Alert, AlertState, Message, MessageKind, Severity, words};
use model::text::printable;

use super::chart::Chart;
use super::{
    IN_FULL, Mail, NOTHING, TEST, banner, command, count, facts, link, links, stamp, standing,
    tally,
};

/// What cannot be inline. Clients that drop it show the light colours.
const STYLE: &str = "
@media (prefers-color-scheme: dark) {
  body, .page { background: #101417 !important; color: #dde4e8 !important; }
  .card { background: #161b1f !important; border-color: #283036 !important; }
  .muted { color: #9aa6ae !important; }
  .line { border-color: #283036 !important; }
  a { color: #7cb8f5 !important; }
  code { background: #232b31 !important; color: #dde4e8 !important; }
}
";
const FONT: &str = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;\
                    font-size:15px;line-height:1.45";

/// The document.
pub(super) fn html(message: &Message, chart: Option<&Chart<'_>>) -> String {
    let colour = colour(message);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="supported-color-schemes" content="light dark";
                title { (super::subject(message)) }
                style { (PreEscaped(STYLE)) }
            }
            body style={ "margin:0;padding:0;background:#f2f3f0;color:#1c2226;" (FONT) } {
                table.page role="presentation" width="100%" cellpadding="0" cellspacing="0"
                    style="background:#f2f3f0" {
                    tr { td align="center" style="padding:12px 8px" {
                        table.card role="presentation" width="100%" cellpadding="0" cellspacing="0"
                            style={ "max-width:640px;background:#ffffff;border:1px solid #e2e4e0;\
                                     border-top:4px solid " (colour) " !important;border-radius:6px;"
                                     (FONT) } {
                            tr { td style="padding:14px 18px;word-break:break-word" {
                                (body(message, chart, colour))
                            } }
                        }
                        (foot(message))
                    } }
                }
            }
        }
    };
    page.into_string()
}

fn body(message: &Message, chart: Option<&Chart<'_>>, colour: &str) -> Markup {
    let more = count(message) - message.alerts.len();
    let (full, brief) = message.alerts.split_at(message.alerts.len().min(IN_FULL));
    let charted = super::charted(message).map(|alert| alert.id);
    html! {
        div style={ "font-size:13px;font-weight:700;letter-spacing:.04em;color:" (colour) } {
            (banner(message))
            @if let Some(tally) = tally(message) {
                span.muted style="font-weight:400;letter-spacing:0;color:#5f6a70" { " · " (tally) }
            }
        }
        @if message.kind == MessageKind::Test {
            p { (TEST) }
        } @else if message.alerts.is_empty() {
            p { (NOTHING) }
        }
        @for (place, alert) in full.iter().enumerate() {
            div.line style=(if place > 0 { "border-top:1px solid #e2e4e0;margin-top:16px" } else { "" }) {
                (in_full(message, alert, chart.filter(|_| charted == Some(alert.id))))
            }
        }
        @if !brief.is_empty() || more > 0 {
            ul.line style="border-top:1px solid #e2e4e0;margin:16px 0 0;padding:12px 0 0 18px" {
                @for alert in brief {
                    li { (words::headline(alert)) span.muted style="color:#5f6a70" { " (" (standing(alert)) ")" } }
                }
                @if more > 0 { li { "and " (more) " more" } }
            }
        }
    }
}

fn in_full(message: &Message, alert: &Alert, chart: Option<&Chart<'_>>) -> Markup {
    html! {
        div style="font-size:19px;font-weight:650;line-height:1.25;margin:8px 0 4px" {
            (words::headline(alert))
        }
        p style="margin:0 0 10px" { (words::facts(alert, message.at)) }
        @if let Some(chart) = chart { (figure(chart)) }
        table role="presentation" cellpadding="0" cellspacing="0" style={ "font-size:14px;" (FONT) } {
            @for (name, value) in facts(alert) {
                (row(name, &html! { (value) }))
            }
            @if let Some(command) = command(message, alert) {
                (row("To ack", &html! {
                    code style="background:#f2f3f0;padding:1px 5px;border-radius:3px" { (command) }
                }))
            }
        }
        @let links = links(alert);
        @if !links.is_empty() {
            ul style="font-size:14px;margin:10px 0 2px;padding-left:18px" {
                @for name in &links { li { (name) } }
            }
        }
        @if !alert.clues.is_empty() {
            p.muted style="color:#5f6a70;font-size:13px;margin:10px 0 2px" { (words::CLUES) ":" }
            ul style="font-size:14px;margin:0;padding-left:18px" {
                @for clue in &alert.clues { li { (words::clue(clue, message.at)) } }
            }
        }
        @if let Some(link) = link(message, alert) {
            p style="margin:10px 0 0" { a href=(link) style="color:#0b5cad" { "Open alert #" (alert.id) } }
        }
    }
}

fn row(name: &str, value: &Markup) -> Markup {
    html! {
        tr {
            td.muted style="color:#5f6a70;padding:1px 14px 1px 0;vertical-align:top;white-space:nowrap" { (name) }
            td style="padding:1px 0" { (value) }
        }
    }
}

fn figure(chart: &Chart<'_>) -> Markup {
    let cell = "font-size:12px;color:#5f6a70;padding:0";
    html! {
        table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="margin:4px 0 10px" {
            tr { td.muted colspan="2" style=(cell) { (chart.scale()) } }
            tr { td colspan="2" {
                img src={ "cid:" (Mail::CHART) } alt=(chart.words()) width="604"
                    style="display:block;width:100%;height:auto;border:0";
            } }
            tr { td.muted style=(cell) { (chart.from()) } td.muted align="right" style=(cell) { (chart.until()) } }
            tr { td.muted colspan="2" style=(cell) { (chart.legend()) } }
        }
    }
}

fn foot(message: &Message) -> Markup {
    html! {
        div.muted style="max-width:640px;color:#5f6a70;font-size:12px;padding:10px 4px;text-align:left" {
            "netmend at " (printable(&message.site, 80)) " · message " (message.number) " of "
            (message.thread) " · " (stamp(message.at))
        }
    }
}

/// Legible on white and on black.
fn colour(message: &Message) -> &'static str {
    let open = message.alerts.iter().any(Alert::is_open);
    let accepted = message.alerts.iter().any(|alert| alert.state == AlertState::Accepted);
    match (message.kind, message.severity) {
        (MessageKind::Test, _) => "#2f7fd6",
        (MessageKind::Accepted, _) => "#8a63c7",
        (MessageKind::Resolved, _) => "#2c9c63",
        _ if !open && accepted => "#8a63c7",
        (_, Severity::Critical) => "#d64545",
        (_, Severity::Warning) => "#c47a12",
        (_, Severity::Info) => "#6b7a85",
    }
}
