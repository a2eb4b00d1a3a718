//! How a message leaves the house. A new kind of channel is one file in `channel/`, one variant and one arm
//! of each match. It must not decide what is told to whom, nor when it is tried again: `delivery` does.

mod alertmanager;
mod chat;
mod http;
mod pagerduty;
mod smtp;
mod trust;
mod webhook;

use std::error::Error;
use std::time::Duration;

use model::UnixMs;
use model::alert::Notice;

use crate::letter::Letter;
use crate::render::Curve;

pub use alertmanager::{Alertmanager, AlertmanagerConfig};
pub use chat::{Chat, Service};
pub use http::HttpConfig;
pub use lettre::message::Mailbox;
pub use model::Secret;
pub use pagerduty::{PagerDuty, PagerDutyConfig};
pub use smtp::{Login, Smtp, SmtpConfig, SmtpServer, SmtpTimeouts};
pub use webhook::{Webhook, WebhookConfig};

/// A configuration that no channel can be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadChannel(pub String);

/// Why a message, or its copy for one address, did not arrive. The sentences hold no secret: neither a
/// password nor the path of a webhook's address, which often is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection, or no name.
    #[error("cannot connect to {at}: {why}")]
    Connect {
        /// Scheme, host and port.
        at: String,
        /// What the system says.
        why: String,
    },
    /// The other side is not who it should be, or cannot speak TLS.
    #[error("{at} is not trusted: {why}")]
    Untrusted {
        /// Scheme, host and port.
        at: String,
        /// What is wrong with its certificate, and what to do.
        why: String,
    },
    /// It takes too long.
    #[error("{at} did not {what} within {} s", after.as_secs_f32())]
    Timeout {
        /// Scheme, host and port.
        at: String,
        /// What it should have done, as a verb.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke, or what came over it was no answer.
    #[error("{at} broke off while it should {what}: {why}")]
    Broken {
        /// Scheme, host and port.
        at: String,
        /// What it should have done, as a verb.
        what: &'static str,
        /// What the system says.
        why: String,
    },
    /// It answered, and the answer is no.
    #[error("{at} refused {what}: {reply}")]
    Refused {
        /// Scheme, host and port.
        at: String,
        /// What it refused.
        what: String,
        /// What it said, shortened, with printable characters only.
        reply: String,
        /// Whether the same message will be refused again whenever it is sent.
        for_good: bool,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The message cannot be put into the channel's form.
    #[error("{what} cannot be written: {why}")]
    Unsendable {
        /// Which message.
        what: String,
        /// Why.
        why: String,
    },
}

impl SendError {
    /// Whether there is no point in trying again.
    pub fn is_for_good(&self) -> bool {
        matches!(self, SendError::Refused { for_good: true, .. } | SendError::Unsendable { .. })
    }

    /// Whether it failed before the other side heard of this message, so that any other message to it would
    /// fail now as well.
    pub fn is_of_the_way(&self) -> bool {
        !matches!(self, SendError::Refused { .. } | SendError::Unsendable { .. })
    }

    /// How long the other side asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            SendError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A way to somebody.
#[derive(Debug)]
pub enum Channel {
    /// Mail.
    Smtp(Smtp),
    /// A POST to a web server.
    Webhook(Webhook),
    /// A message in a chat.
    Chat(Chat),
    /// An event for a service of PagerDuty.
    PagerDuty(PagerDuty),
    /// Alerts for an Alertmanager.
    Alertmanager(Alertmanager),
}

impl Channel {
    /// What [`Sent`] calls it; mail has an address for each who gets it.
    pub fn address(&self) -> String {
        match self {
            Channel::Smtp(smtp) => {
                smtp.to().first().map_or_else(String::new, |to| to.email.to_string())
            }
            Channel::Webhook(webhook) => webhook.at().to_owned(),
            Channel::Chat(chat) => chat.address(),
            Channel::PagerDuty(pagerduty) => format!("pagerduty {}", pagerduty.at()),
            Channel::Alertmanager(alertmanager) => format!("alertmanager {}", alertmanager.at()),
        }
    }
}

/// Somebody to be told: an entry of `notify:` in the configuration.
#[derive(Debug)]
pub struct Receiver {
    /// Its name, as notices know it.
    pub name: String,
    /// The ways to it, all used for each message.
    pub channels: Vec<Channel>,
}

/// What became of one try to tell a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Addresses that have the message now: of mail, else as [`Channel::address`].
    pub delivered: Vec<String>,
    /// Addresses that do not, and why.
    pub missed: Vec<Missed>,
}

impl Sent {
    /// Notes what became of the message for one address.
    fn note(&mut self, to: String, result: Result<(), SendError>) {
        match result {
            Ok(()) => self.delivered.push(to),
            Err(why) => self.missed.push(Missed { to, why }),
        }
    }
}

impl Receiver {
    /// Sends the notice's message to those addresses of the receiver that do not have it yet.
    pub async fn send(&self, notice: &Notice, curve: Option<&Curve>, now: UnixMs) -> Sent {
        let mut sent = Sent::default();
        for channel in &self.channels {
            let address = channel.address();
            let told = match channel {
                Channel::Smtp(smtp) => {
                    smtp.tell(notice, curve, &mut sent).await;
                    continue;
                }
                _ if notice.delivered.contains(&address) => continue,
                Channel::Webhook(webhook) => webhook.tell(notice, now).await,
                Channel::Chat(chat) => chat.tell(notice).await,
                Channel::PagerDuty(pagerduty) => pagerduty.tell(notice).await,
                Channel::Alertmanager(alertmanager) => alertmanager.tell(notice).await,
            };
            sent.note(address, told);
        }
        sent
    }

    /// Sends a report to all addresses of the receiver, once and without a queue.
    pub async fn post(&self, letter: &Letter, now: UnixMs) -> Sent {
        let mut sent = Sent::default();
        for channel in &self.channels {
            let posted = match channel {
                Channel::Smtp(smtp) => {
                    smtp.post(letter, &mut sent).await;
                    continue;
                }
                Channel::Webhook(webhook) => webhook.post(letter, now).await,
                Channel::Chat(chat) => chat.post(letter).await,
                Channel::PagerDuty(pagerduty) => pagerduty.post(letter).await,
                Channel::Alertmanager(alertmanager) => alertmanager.post(letter).await,
            };
            sent.note(channel.address(), posted);
        }
        sent
    }

    /// All its addresses, as [`Sent`] names them.
    pub fn addresses(&self) -> Vec<String> {
        let of = |channel: &Channel| match channel {
            Channel::Smtp(smtp) => smtp.to().iter().map(|to| to.email.to_string()).collect(),
            other => vec![other.address()],
        };
        self.channels.iter().flat_map(of).collect()
    }
}

/// One address that did not get its copy, while others may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The address.
    pub to: String,
    /// Why.
    pub why: SendError,
}

impl SendError {
    /// The same failure without the secret, in case the other side quotes it.
    fn redact(mut self, secret: &Secret) -> Self {
        if let SendError::Refused { reply, .. } = &mut self {
            *reply = secret.redact(reply);
        }
        self
    }

    /// The same failure, as one that may not happen again.
    fn try_again(mut self) -> Self {
        if let SendError::Refused { for_good, .. } = &mut self {
            *for_good = false;
        }
        self
    }
}

/// What led to an error, the outermost first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}
