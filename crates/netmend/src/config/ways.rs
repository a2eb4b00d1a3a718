//! What was typed about the ways to a receiver, ready to be used: mail, webhook, chats and the rest.
//! It opens no connection.

use alert::channel::{
    Alertmanager, AlertmanagerConfig, BadChannel, Channel, Chat, HttpConfig, Login, PagerDuty,
    PagerDutyConfig, Secret, Service, Smtp, SmtpConfig, SmtpTimeouts, Webhook, WebhookConfig,
};

use super::judged::{
    Hidden, RawAlertmanager, RawChat, RawNotify, RawPagerDuty, RawSmtp, RawWebhook, Wait,
};
use super::problem::{Problem, Problems};
use super::raw::Certificates;
use super::source::{At, Span};

/// All ways of a receiver; `None` if one of them is wrong.
pub(super) fn channels(
    raw: &RawNotify,
    hello: &str,
    problems: &mut Problems,
) -> Option<Vec<Channel>> {
    let RawNotify { smtp, webhook, slack, teams, pagerduty: duty, alertmanager: manager, .. } = raw;
    let mut made = Vec::new();
    let mut add = |span, channel| made.push(noted(span, channel, problems));
    if let Some(raw) = smtp {
        add(raw.span, mail(raw, hello).map(Channel::Smtp));
    }
    if let Some(raw) = webhook {
        add(raw.span, hook(raw).map(Channel::Webhook));
    }
    for (service, raw) in [(Service::Slack, slack), (Service::Teams, teams)] {
        if let Some(raw) = raw {
            add(raw.span, chat(raw, service).map(Channel::Chat));
        }
    }
    if let Some(raw) = duty {
        add(raw.span, pagerduty(raw).map(Channel::PagerDuty));
    }
    if let Some(raw) = manager {
        add(raw.span, alertmanager(raw).map(Channel::Alertmanager));
    }
    made.into_iter().collect()
}

fn noted<T>(span: Span, made: Result<T, BadChannel>, problems: &mut Problems) -> Option<T> {
    made.map_err(|why| problems.push(Problem::new(span, why.to_string()))).ok()
}

fn mail(raw: &At<RawSmtp>, hello: &str) -> Result<Smtp, BadChannel> {
    let raw = &raw.value;
    let lacks = |key: &str| missing("mail", key);
    let server = raw.server.as_ref().ok_or_else(|| lacks("server"))?;
    let from = raw.from.as_ref().ok_or_else(|| lacks("from"))?;
    let to = raw.to.as_ref().ok_or_else(|| lacks("to"))?;
    let address = |text: &str| {
        text.parse().map_err(|why| BadChannel(format!("`{text}` is no mail address: {why}")))
    };
    let login = match (&raw.user, &raw.password) {
        (user, Some(password)) => Some(Login {
            user: user.as_ref().unwrap_or(from).value.0.clone(),
            password: Secret::new(password.value.0.value()),
        }),
        (Some(_), None) => return Err(lacks("password")),
        (None, None) => None,
    };
    Smtp::new(SmtpConfig {
        server: server.value.0.parse()?,
        login,
        from: address(&from.value.0)?,
        to: to.value.0.iter().map(|to| address(&to.value.0)).collect::<Result<_, _>>()?,
        ca: pem(raw.ca.as_ref()),
        hello: hello.to_owned(),
        timeouts: SmtpTimeouts::default(),
    })
}

fn hook(raw: &At<RawWebhook>) -> Result<Webhook, BadChannel> {
    let RawWebhook { url, secret, ca, timeout } = &raw.value;
    let url = needed(url.as_ref(), "the webhook", "url")?;
    Webhook::new(&WebhookConfig {
        http: http(url, ca.as_ref(), timeout.as_ref()),
        secret: secret.as_ref().map(hidden),
    })
}

fn chat(raw: &At<RawChat>, service: Service) -> Result<Chat, BadChannel> {
    let RawChat { url, ca, timeout } = &raw.value;
    let url = needed(url.as_ref(), service.as_str(), "url")?;
    Chat::new(service, &http(url, ca.as_ref(), timeout.as_ref()))
}

fn pagerduty(raw: &At<RawPagerDuty>) -> Result<PagerDuty, BadChannel> {
    let RawPagerDuty { routing_key, url, ca, timeout } = &raw.value;
    let url = url.as_ref().map_or_else(|| Secret::new(PagerDutyConfig::URL), hidden);
    PagerDuty::new(&PagerDutyConfig {
        http: http(url, ca.as_ref(), timeout.as_ref()),
        routing_key: needed(routing_key.as_ref(), "pagerduty", "routing_key")?,
    })
}

fn alertmanager(raw: &At<RawAlertmanager>) -> Result<Alertmanager, BadChannel> {
    const WHAT: &str = "alertmanager";
    let RawAlertmanager { url, user, password, ca, timeout } = &raw.value;
    let url = needed(url.as_ref(), WHAT, "url")?;
    let login = match (user, password) {
        (Some(user), password) => {
            Some((user.value.0.clone(), needed(password.as_ref(), WHAT, "password")?))
        }
        (None, Some(_)) => return Err(missing(WHAT, "user")),
        (None, None) => None,
    };
    let http = http(url, ca.as_ref(), timeout.as_ref());
    Alertmanager::new(&AlertmanagerConfig { http, login })
}

fn http(url: Secret, ca: Option<&At<Certificates>>, timeout: Option<&At<Wait>>) -> HttpConfig {
    let timeout = timeout.map_or(HttpConfig::TIMEOUT, |at| at.value.0);
    HttpConfig { url, ca: pem(ca), timeout }
}

fn pem(ca: Option<&At<Certificates>>) -> Option<Vec<u8>> {
    ca.map(|at| at.value.0.clone())
}

fn hidden(typed: &At<Hidden>) -> Secret {
    Secret::new(typed.value.0.value())
}

fn needed(typed: Option<&At<Hidden>>, what: &str, key: &str) -> Result<Secret, BadChannel> {
    typed.map(hidden).ok_or_else(|| missing(what, key))
}

fn missing(what: &str, key: &str) -> BadChannel {
    BadChannel(format!("{what} needs `{key}`"))
}
