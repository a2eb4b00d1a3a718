//! The queue of messages on disk. Who writes a [`Notice`] is done once it is stored; who delivers takes
//! what is due and says what became of it. It neither sends nor decides when to try again.

use std::sync::Arc;

use model::UnixMs;
use model::alert::{Notice, NoticeState};
use store::{Change, Error, Query, State, Value};

/// The delivering side of the queue.
pub trait Outbox: Send + Sync {
    /// Notices to be tried at `now` but those to the receivers in `except`, oldest first and at most `limit`:
    /// who cannot be told now must not crowd out the others. Of one receiver and thread only the
    /// oldest is among them, so that an end never overtakes its beginning. A notice is due until
    /// [`settle`](Self::settle) says otherwise: one deliverer at a time.
    fn due(&self, now: UnixMs, except: Vec<String>, limit: u32) -> Result<Vec<Notice>, Error>;

    /// Remembers what became of a try that ended at `now`; on disk when it returns.
    fn settle(&self, notice: Notice, attempt: Attempt, now: UnixMs) -> Result<(), Error>;
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// All addresses of the receiver have it.
    Sent,
    /// It may work later.
    Failed {
        /// Why, in a sentence for people.
        why: String,
        /// Addresses that have it all the same; another try leaves them out.
        delivered: Vec<String>,
        /// When to try again.
        next_try: UnixMs,
    },
    /// It will not work, or has not worked for too long.
    GivenUp {
        /// Why, in a sentence for people.
        why: String,
        /// Addresses that have it all the same.
        delivered: Vec<String>,
    },
}

/// The queue in the store.
pub struct StateOutbox {
    state: Arc<dyn State>,
}

impl std::fmt::Debug for StateOutbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateOutbox").finish_non_exhaustive()
    }
}

impl StateOutbox {
    /// The queue in `state`.
    pub fn new(state: Arc<dyn State>) -> Self {
        Self { state }
    }
}

impl Outbox for StateOutbox {
    fn due(&self, now: UnixMs, except: Vec<String>, limit: u32) -> Result<Vec<Notice>, Error> {
        let records = self.state.find(&Query::DueNotices { now, except, limit })?;
        let notice = |value| match value {
            Value::Notice(notice) => Some(*notice),
            _ => None,
        };
        Ok(records.into_iter().filter_map(|record| notice(record.value)).collect())
    }

    fn settle(&self, mut notice: Notice, attempt: Attempt, now: UnixMs) -> Result<(), Error> {
        notice.attempts += 1;
        match attempt {
            Attempt::Sent => {
                notice.state = NoticeState::Sent;
                notice.done = Some(now);
                notice.last_error = None;
            }
            Attempt::Failed { why, delivered, next_try } => {
                notice.next_try = next_try;
                notice.last_error = Some(why);
                extend(&mut notice.delivered, delivered);
            }
            Attempt::GivenUp { why, delivered } => {
                notice.state = NoticeState::GivenUp;
                notice.done = Some(now);
                notice.last_error = Some(why);
                extend(&mut notice.delivered, delivered);
            }
        }
        self.state.apply(vec![Change::Notice(Box::new(notice))]).map(drop)
    }
}

/// Adds those that are not there.
fn extend(addresses: &mut Vec<String>, more: Vec<String>) {
    for address in more {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::alert::{Message, MessageKind, NoticeId};
    use model::{Severity, SystemClock};
    use store::Store;

    fn notice(id: u64) -> Notice {
        Notice {
            id: NoticeId(id),
            receiver: "noc".into(),
            message: Message {
                kind: MessageKind::Test,
                site: "s".into(),
                at: UnixMs(1),
                thread: "t".into(),
                number: 1,
                severity: Severity::Info,
                alerts: vec![],
                open: 0,
                resolved: 0,
                accepted: 0,
                pages: None,
            },
            state: NoticeState::Waiting,
            attempts: 0,
            created: UnixMs(1),
            next_try: UnixMs(1),
            done: None,
            last_error: None,
            delivered: vec![],
        }
    }

    #[test]
    fn a_failed_try_waits_and_remembers_who_has_it_and_the_next_message_waits_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = Store::open(dir.path(), Arc::new(SystemClock)).unwrap().state();
        let put = |notice| Change::Notice(Box::new(notice));
        state.apply(vec![put(notice(1)), put(notice(2))]).unwrap();
        let outbox = StateOutbox::new(state);
        let due = |now| outbox.due(UnixMs(now), vec![], 9).unwrap();
        let failed = |next_try| Attempt::Failed {
            why: "451 busy".into(),
            delivered: vec!["a@b".into()],
            next_try: UnixMs(next_try),
        };
        outbox.settle(due(5).remove(0), failed(60), UnixMs(6)).unwrap();
        assert_eq!(due(59), [], "the second message does not overtake the first");
        outbox.settle(due(60).remove(0), failed(90), UnixMs(61)).unwrap();
        let again = due(90).remove(0);
        assert_eq!(
            (again.id, again.attempts, &again.delivered[..]),
            (NoticeId(1), 2, &["a@b".to_owned()][..])
        );
        outbox.settle(again, Attempt::Sent, UnixMs(91)).unwrap();
        assert_eq!(due(90).iter().map(|notice| notice.id).collect::<Vec<_>>(), [NoticeId(2)]);
        let given_up = Attempt::GivenUp { why: "550 no such user".into(), delivered: vec![] };
        outbox.settle(due(90).remove(0), given_up, UnixMs(92)).unwrap();
        assert_eq!(due(i64::MAX), []);
    }
}
