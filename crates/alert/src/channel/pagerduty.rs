//! PagerDuty by its Events API v2 (developer.pagerduty.com, "Events API v2"): one event for each message. All
//! messages of a thread have one `dedup_key`, so that what follows joins the incident of the first, and the last
//! resolves it. It must not try again: `delivery` does.

use jiff::Timestamp;
use model::alert::{Message, MessageKind, Notice, words};
use model::text::printable;
use model::{Secret, Subject, UnixMs};
use serde_json::{Value, json};

use super::http::{Http, HttpConfig};
use super::{BadChannel, SendError};
use crate::letter::Letter;
use crate::render::Brief;

/// Most characters of `summary`.
const MAX_SUMMARY: usize = 1_024;
/// Most characters of `dedup_key` are 255; the thread is the rest of it.
const MAX_SITE: usize = 120;

/// Which service of PagerDuty is told.
#[derive(Clone, Debug)]
pub struct PagerDutyConfig {
    /// The server; [`PagerDutyConfig::URL`], or that of the region EU.
    pub http: HttpConfig,
    /// The integration key of the service.
    pub routing_key: Secret,
}

impl PagerDutyConfig {
    /// Where events go.
    pub const URL: &str = "https://events.pagerduty.com/v2/enqueue";
}

/// A service of PagerDuty, ready to be used.
#[derive(Debug)]
pub struct PagerDuty {
    http: Http,
    routing_key: Secret,
}

impl PagerDuty {
    /// Checks the address and the key.
    pub fn new(config: &PagerDutyConfig) -> Result<Self, BadChannel> {
        let http = Http::new(&config.http, "pagerduty")?;
        let key = config.routing_key.reveal();
        if key.len() != 32 || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let what = "the `routing_key` of pagerduty has another form than an integration key: 32 letters \
                        and digits, from the service's integration \"Events API v2\"";
            return Err(BadChannel(what.to_owned()));
        }
        Ok(Self { http, routing_key: config.routing_key.clone() })
    }

    /// Scheme, host and port: what may be shown.
    pub fn at(&self) -> &str {
        self.http.at()
    }

    /// Sends the notice's message. A test is resolved at once, so that nothing of it stays.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), SendError> {
        let message = &notice.message;
        let key = dedup_key(&message.site, &message.thread);
        match message.kind {
            MessageKind::Resolved | MessageKind::Accepted => self.resolve(&key).await,
            MessageKind::Test => {
                self.trigger(&key, message, &Brief::of(message)).await?;
                self.resolve(&key).await
            }
            MessageKind::Firing | MessageKind::Update | MessageKind::Repeat => {
                self.trigger(&key, message, &Brief::of(message)).await
            }
        }
    }

    /// Sends a report. Nobody will resolve it but those who read it.
    pub(super) async fn post(&self, letter: &Letter) -> Result<(), SendError> {
        let key = dedup_key(&letter.message.site, &letter.message.thread);
        self.trigger(&key, &letter.message, &letter.brief()).await
    }

    async fn trigger(&self, key: &str, message: &Message, brief: &Brief) -> Result<(), SendError> {
        let mut event = trigger(message, brief);
        event["dedup_key"] = key.into();
        self.send(event).await
    }

    async fn resolve(&self, key: &str) -> Result<(), SendError> {
        self.send(json!({ "event_action": "resolve", "dedup_key": key })).await
    }

    async fn send(&self, mut event: Value) -> Result<(), SendError> {
        event["routing_key"] = self.routing_key.reveal().into();
        let sent = self.http.send(self.http.post().body(event.to_string())).await;
        // What is wrong with an event may be quoted, and the key is part of it.
        sent.map_err(|why| why.redact(&self.routing_key))
    }
}

fn dedup_key(site: &str, thread: &str) -> String {
    format!("netmend/{}/{thread}", printable(site, MAX_SITE))
}

fn trigger(message: &Message, brief: &Brief) -> Value {
    let subject = message.alerts.first().map(|alert| &alert.subject);
    let source = subject.map_or_else(|| printable(&message.site, 120), words::subject);
    let group = match subject {
        Some(Subject::Target(target)) => printable(&target.region, 120),
        _ => printable(&message.site, 120),
    };
    let text: Vec<&str> = brief.parts.iter().map(|part| part.text.as_str()).collect();
    let links: Vec<Value> = brief
        .parts
        .iter()
        .filter_map(|part| part.link.as_ref())
        .map(|(url, words)| json!({ "href": url, "text": words }))
        .collect();
    let mut event = json!({
        "event_action": "trigger",
        "client": "netmend",
        "links": links,
        "payload": {
            "summary": printable(&brief.title, MAX_SUMMARY),
            "source": source,
            // Ours are three of PagerDuty's four, by the same names.
            "severity": message.severity.as_str(),
            "timestamp": time(message.at),
            "component": "network",
            "group": group,
            "class": message.alerts.first().and_then(class).unwrap_or("report"),
            "custom_details": {
                "text": text,
                "site": printable(&message.site, 120),
                "message": message.number,
                "open": message.open,
                "resolved": message.resolved,
                "accepted": message.accepted,
            },
        },
    });
    if let Some(pages) = &message.pages {
        event["client_url"] = pages.as_str().into();
    }
    event
}

/// What kind of trouble it is.
fn class(alert: &model::alert::Alert) -> Option<&'static str> {
    alert.worst().map(|finding| finding.metric.as_str())
}

fn time(at: UnixMs) -> String {
    format!("{:.3}", Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH))
}
