//! Takes the notices of one receiver to it, one after the other, and notes what became of each before the
//! next. It must not pick notices: `delivery` does.

use std::sync::Arc;
use std::time::Duration;

use model::UnixMs;
use model::alert::Notice;

use super::{Counters, Parts};
use crate::channel::{Missed, Receiver, SendError, Sent};
use crate::outbox::Attempt;
use crate::render::{Curve, charted, subject};

/// How long to wait until the queue on disk may take a note again.
const NOTE_AGAIN: Duration = Duration::from_secs(1);

/// On the way to one receiver.
pub(super) struct Courier {
    pub(super) parts: Parts,
    pub(super) counters: Arc<Counters>,
    /// `None` if the configuration does not name it.
    pub(super) receiver: Option<Arc<Receiver>>,
}

impl Courier {
    /// Delivers `notices` in order. `Some`: the receiver cannot be reached at all, and is to be left alone
    /// until then, with what else there is for it.
    pub(super) async fn deliver(self, notices: Vec<Notice>) -> Option<UnixMs> {
        for notice in notices {
            let sent = match &self.receiver {
                Some(receiver) => self.tell(receiver, &notice).await,
                None => nowhere(&notice),
            };
            let now = self.parts.clock.now_ms();
            let attempt = self.judge(&notice, &sent, now);
            let unreachable = sent.delivered.is_empty()
                && !sent.missed.is_empty()
                && sent.missed.iter().all(|missed| missed.why.is_of_the_way());
            let hold = match &attempt {
                Attempt::Failed { next_try, .. } if unreachable => Some(*next_try),
                _ => None,
            };
            self.log(&notice, &attempt);
            self.note(notice, attempt, now).await;
            if hold.is_some() {
                return hold;
            }
        }
        None
    }

    async fn tell(&self, receiver: &Receiver, notice: &Notice) -> Sent {
        let curve = self.curve(notice).await;
        receiver.send(notice, curve.as_ref(), self.parts.clock.now_ms()).await
    }

    /// The curve for the mail's chart; a mail without one is better than none.
    async fn curve(&self, notice: &Notice) -> Option<Curve> {
        let alert = charted(&notice.message)?.clone();
        let (curves, at) = (Arc::clone(&self.parts.curves), notice.message.at);
        tokio::task::spawn_blocking(move || curves.curve(&alert, at)).await.ok().flatten()
    }

    fn judge(&self, notice: &Notice, sent: &Sent, now: UnixMs) -> Attempt {
        let Some(why) = reasons(&sent.missed) else { return Attempt::Sent };
        let backoff = &self.parts.backoff;
        let for_good = sent.missed.iter().all(|missed| missed.why.is_for_good());
        let delivered = sent.delivered.clone();
        if for_good {
            return Attempt::GivenUp { why, delivered };
        }
        if now >= notice.created + backoff.give_up {
            let after = (now.0 - notice.created.0) / 3_600_000;
            let why = format!("given up after {after} h and {} tries: {why}", notice.attempts + 1);
            return Attempt::GivenUp { why, delivered };
        }
        let asked = sent.missed.iter().filter_map(|missed| missed.why.retry_after()).max();
        let pause = backoff.pause(notice.attempts, fastrand::f64()).max(asked.unwrap_or_default());
        Attempt::Failed { why, delivered, next_try: now + pause }
    }

    fn log(&self, notice: &Notice, attempt: &Attempt) {
        let (receiver, about) = (notice.receiver.as_str(), subject(&notice.message));
        match attempt {
            Attempt::Sent => {
                self.counters.sent();
                tracing::info!(receiver, notice = notice.id.0, about, "message delivered");
            }
            Attempt::Failed { why, .. } => {
                self.counters.failed();
                let tries = notice.attempts + 1;
                tracing::warn!(receiver, notice = notice.id.0, tries, why, "message not delivered");
            }
            Attempt::GivenUp { why, .. } => {
                self.counters.given_up();
                tracing::error!(receiver, notice = notice.id.0, about, why, "message given up");
            }
        }
    }

    /// Writes down what became of a try, until that is on disk: what was sent and not noted would be sent
    /// again.
    async fn note(&self, notice: Notice, attempt: Attempt, now: UnixMs) {
        loop {
            let outbox = Arc::clone(&self.parts.outbox);
            let (notice, attempt) = (notice.clone(), attempt.clone());
            let noted = tokio::task::spawn_blocking(move || outbox.settle(notice, attempt, now));
            match noted.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    self.counters.queue_failed();
                    tracing::warn!(%error, "what became of a message cannot be written down");
                }
                Err(panicked) => return tracing::error!(%panicked, "writing down a delivery"),
            }
            tokio::time::sleep(NOTE_AGAIN).await;
        }
    }
}

/// What became of a notice for somebody that the configuration does not name: a file that is put right
/// brings it on its way again.
fn nowhere(notice: &Notice) -> Sent {
    let why = SendError::Connect {
        at: format!("receiver {}", notice.receiver),
        why: "the configuration has no receiver of this name".to_owned(),
    };
    Sent { delivered: Vec::new(), missed: vec![Missed { to: notice.receiver.clone(), why }] }
}

/// Why addresses were missed; addresses that share a reason share a sentence. `None`: none was.
fn reasons(missed: &[Missed]) -> Option<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for Missed { to, why } in missed {
        let why = why.to_string();
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, addresses)) => addresses.push(to),
            None => reasons.push((why, vec![to])),
        }
    }
    let sentence = |(why, to): &(String, Vec<&str>)| format!("{why} (for {})", to.join(", "));
    let sentences: Vec<String> = reasons.iter().map(sentence).collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}
