//! Alertmanager by its API v2 (`api/v2/openapi.yaml` of prometheus/alertmanager): the alerts of a message as they
//! are now, each known by its labels. It must not try again: `delivery` does.
//!
//! Alertmanager takes an alert for over once its `endsAt` has passed. We say explicitly when one is over, and
//! repeat none that somebody has acknowledged; therefore an alert that fires is given a week.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::alert::{Alert, Happening, Message, MessageKind, Notice, words};
use model::text::printable;
use model::{Secret, Severity, Subject, UnixMs};
use serde::Serialize;

use super::http::{Http, HttpConfig};
use super::{BadChannel, SendError};
use crate::letter::Letter;
use crate::render;

/// How long an alert of which nothing more is heard stays.
const STAYS: Duration = Duration::from_hours(7 * 24);
/// How long a test and a report stay.
const PASSES: Duration = Duration::from_mins(5);

/// What is found out of a link after the link itself, or changes while it is bad: no part of its name.
const LATER: [&str; 3] = ["isp", "gateway", "site"];

/// Which Alertmanager is told.
#[derive(Clone, Debug)]
pub struct AlertmanagerConfig {
    /// The server, without `/api/v2/alerts`.
    pub http: HttpConfig,
    /// Who logs in, if somebody stands before it that asks.
    pub login: Option<(String, Secret)>,
}

/// An Alertmanager, ready to be used.
#[derive(Debug)]
pub struct Alertmanager {
    http: Http,
    login: Option<(String, Secret)>,
}

impl Alertmanager {
    /// Checks the address.
    pub fn new(config: &AlertmanagerConfig) -> Result<Self, BadChannel> {
        let base = config.http.url.reveal().trim_end_matches('/');
        let url = Secret::new(format!("{base}/api/v2/alerts"));
        let http = Http::new(&HttpConfig { url, ..config.http.clone() }, "alertmanager")?;
        Ok(Self { http, login: config.login.clone() })
    }

    /// Scheme, host and port: what may be shown.
    pub fn at(&self) -> &str {
        self.http.at()
    }

    /// Posts the alerts of the notice's message.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), SendError> {
        let message = &notice.message;
        if message.kind == MessageKind::Test {
            let text = "Nothing is wrong: somebody asked netmend to show that its messages arrive.";
            return self
                .send(&[passing(message, "netmend_test", render::subject(message), text)])
                .await;
        }
        let alerts: Vec<Posted> =
            message.alerts.iter().flat_map(|alert| posted(message, alert)).collect();
        // A message without alerts only says that nothing is open: those that were have been told.
        if alerts.is_empty() { Ok(()) } else { self.send(&alerts).await }
    }

    /// Posts a report as an alert that passes by itself.
    pub(super) async fn post(&self, letter: &Letter) -> Result<(), SendError> {
        let (title, text) = (letter.mail.subject.clone(), &letter.mail.text);
        self.send(&[passing(&letter.message, "netmend_report", title, text)]).await
    }

    async fn send(&self, alerts: &[Posted]) -> Result<(), SendError> {
        let body = serde_json::to_vec(alerts)
            .expect("maps have text keys, so nothing in it can fail to be written");
        let mut request = self.http.post();
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password.reveal()));
        }
        self.http.send(request.body(body)).await
    }
}

/// `postableAlert` of the API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

/// The alert, and the end of what it was under another severity: the severity is a label, so that routes find
/// it, and with another label it is another alert.
fn posted(message: &Message, alert: &Alert) -> impl Iterator<Item = Posted> {
    let ends = match alert.ended {
        Some(ended) => ended,
        None => message.at + STAYS,
    };
    let now = one(message, alert, alert.severity, ends);
    let mut before: Vec<Severity> = alert
        .history
        .iter()
        .filter_map(|entry| match entry.what {
            Happening::Severity { from, .. } if from != alert.severity => Some(from),
            _ => None,
        })
        .collect();
    before.sort_unstable();
    before.dedup();
    let over: Vec<Posted> =
        before.into_iter().map(|severity| one(message, alert, severity, message.at)).collect();
    std::iter::once(now).chain(over)
}

fn one(message: &Message, alert: &Alert, severity: Severity, ends: UnixMs) -> Posted {
    let mut labels = labels(&alert.subject);
    labels.insert("severity".to_owned(), severity.as_str().to_owned());
    labels.insert("site".to_owned(), printable(&message.site, 200));
    let mut annotations = BTreeMap::from([
        ("summary", words::headline(alert)),
        ("description", words::facts(alert, message.at)),
        ("netmend_alert", alert.id.to_string()),
    ]);
    if let Subject::Link(link) = &alert.subject {
        let later = link.labels().filter(|(name, _)| LATER.contains(name));
        annotations.extend(later.map(|(name, value)| (name, printable(value, 400))));
    }
    Posted {
        labels,
        annotations,
        starts_at: time(alert.since),
        ends_at: time(ends),
        generator_url: render::link(message, alert),
    }
}

/// What names the alert for as long as it lasts: of the subject, nothing that it measures.
fn labels(subject: &Subject) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut set = |name: &str, value: &str| labels.insert(name.to_owned(), printable(value, 400));
    match subject {
        Subject::Target(target) => {
            for (tag, value) in &target.tags {
                set(&format!("tag_{}", name(tag)), value);
            }
            set("alertname", "netmend_target");
            set("target", &target.to_string());
            set("host", &target.host);
            set("region", &target.region);
            set("protocol", &target.protocol.to_string());
            set("family", target.family.as_str());
        }
        Subject::Link(link) => {
            set("alertname", "netmend_link");
            set("link", &link.id);
            for (label, value) in link.labels().filter(|(label, _)| !LATER.contains(label)) {
                set(label, value);
            }
        }
        Subject::Group(group) => {
            set("alertname", "netmend_group");
            set("group", &group.tag);
            set("value", &group.value);
        }
        Subject::Repair(repair) => {
            set("alertname", "netmend_repair");
            set("repair", &repair.key);
            if let Some(device) = &repair.device {
                set("device", device);
            }
        }
        Subject::Site { .. } => {
            set("alertname", "netmend_site");
        }
    }
    labels
}

/// A name that Prometheus takes for a label: letters, digits and `_`.
fn name(tag: &str) -> String {
    tag.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Something that ends by itself.
fn passing(message: &Message, kind: &str, title: String, text: &str) -> Posted {
    let labels = [
        ("alertname", kind.to_owned()),
        ("severity", message.severity.as_str().to_owned()),
        ("site", printable(&message.site, 200)),
    ];
    Posted {
        labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        annotations: BTreeMap::from([("summary", title), ("description", text.to_owned())]),
        starts_at: time(message.at),
        ends_at: time(message.at + PASSES),
        generator_url: None,
    }
}

fn time(at: UnixMs) -> String {
    format!("{:.3}", Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH))
}
