//! What is sent: a [`Message`] says something about alerts, a [`Notice`] is one message on its way to one
//! receiver. How it looks in mail or as JSON is the channels' affair.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Alert, Severity};
use crate::UnixMs;

/// Number of a notice: ascends from 1 in a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeId(pub u64);

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One message on its way to one receiver. It waits on disk until it is sent or given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its number. Of one thread and receiver the lower goes first.
    pub id: NoticeId,
    /// Name of the receiver: an entry of `notify:` in the configuration.
    pub receiver: String,
    /// What to tell.
    pub message: Message,
    /// Where it is on its way.
    pub state: NoticeState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written.
    pub created: UnixMs,
    /// Not to be tried before.
    pub next_try: UnixMs,
    /// When it was sent or given up.
    pub done: Option<UnixMs>,
    /// Why the latest try failed.
    pub last_error: Option<String>,
    /// Addresses of the receiver that have it already, so that another try leaves them out.
    pub delivered: Vec<String>,
}

/// Where a notice is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// To be sent, perhaps again.
    Waiting,
    /// The receiver's server took it.
    Sent,
    /// Refused for good, or not taken for too long.
    GivenUp,
}

impl NoticeState {
    /// All, what needs somebody first.
    pub const ALL: [NoticeState; 3] =
        [NoticeState::GivenUp, NoticeState::Waiting, NoticeState::Sent];

    /// The word for it, the same as in serialised form.
    pub fn name(self) -> &'static str {
        match self {
            NoticeState::Waiting => "waiting",
            NoticeState::Sent => "sent",
            NoticeState::GivenUp => "given_up",
        }
    }
}

/// What a channel is given: everything that a mail or a webhook says, without looking anything up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What it is about in one word.
    pub kind: MessageKind,
    /// Where this instance stands.
    pub site: String,
    /// When it was written.
    pub at: UnixMs,
    /// The same for all messages to a receiver about the same alerts: what mail threads by. Letters,
    /// digits and `-` only.
    pub thread: String,
    /// Which message of the thread: 1, 2, ...
    pub number: u32,
    /// The worst severity among the alerts that are not over, else among all.
    pub severity: Severity,
    /// The alerts as they are now, what needs somebody first; at most [`Message::ALERTS`].
    pub alerts: Vec<Alert>,
    /// Of all alerts of the thread, also those not in `alerts`: so many are not over.
    pub open: u32,
    /// So many were resolved since the previous message.
    pub resolved: u32,
    /// So many were accepted since the previous message.
    pub accepted: u32,
    /// Where the pages are, if they can be reached from elsewhere; without `/` at the end.
    pub pages: Option<String>,
}

impl Message {
    /// Most alerts that a message holds.
    pub const ALERTS: usize = 50;
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Something is wrong: the first message of its thread, or the first since all of it was over.
    Firing,
    /// There is more to it, or a part of it is over.
    Update,
    /// It is still wrong, and nobody has said that they know.
    Repeat,
    /// All of it is over, and as before.
    Resolved,
    /// All of it is over, and some was taken as the new usual.
    Accepted,
    /// Somebody wants to see whether messages arrive. It holds no alert.
    Test,
}

impl MessageKind {
    /// The word for it, the same as in serialised form.
    pub fn name(self) -> &'static str {
        match self {
            MessageKind::Firing => "firing",
            MessageKind::Update => "update",
            MessageKind::Repeat => "repeat",
            MessageKind::Resolved => "resolved",
            MessageKind::Accepted => "accepted",
            MessageKind::Test => "test",
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
