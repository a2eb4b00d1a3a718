//! Services for chats that take one JSON message by an incoming webhook: what they share. A further service is
//! one file in `chat/` with its form of a message, one variant and one arm. It must not try again: `delivery`
//! does.

mod slack;
mod teams;

use model::alert::Notice;
use serde_json::Value;

use super::http::{Http, HttpConfig};
use super::{BadChannel, SendError};
use crate::letter::Letter;
use crate::render::Brief;

/// Whose form a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Slack: blocks with a coloured bar.
    Slack,
    /// Microsoft Teams by a workflow: an Adaptive Card.
    Teams,
}

impl Service {
    /// Its key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Service::Slack => "slack",
            Service::Teams => "teams",
        }
    }

    fn body(self, brief: &Brief) -> Value {
        match self {
            Service::Slack => slack::body(brief),
            Service::Teams => teams::body(brief),
        }
    }
}

/// A chat, ready to be used.
#[derive(Debug)]
pub struct Chat {
    service: Service,
    http: Http,
}

impl Chat {
    /// Checks the address.
    pub fn new(service: Service, config: &HttpConfig) -> Result<Self, BadChannel> {
        Ok(Self { service, http: Http::new(config, service.as_str())? })
    }

    /// Service, and scheme, host and port: what may be shown.
    pub fn address(&self) -> String {
        format!("{} {}", self.service.as_str(), self.http.at())
    }

    /// Posts the notice's message.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), SendError> {
        self.send(&Brief::of(&notice.message)).await
    }

    /// Posts a report.
    pub(super) async fn post(&self, letter: &Letter) -> Result<(), SendError> {
        self.send(&letter.brief()).await
    }

    async fn send(&self, brief: &Brief) -> Result<(), SendError> {
        self.http.send(self.http.post().body(self.service.body(brief).to_string())).await
    }
}
