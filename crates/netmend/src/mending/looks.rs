//! Events of which a person wants to see what would be done, and no more. Kept in the store until the look is over: a
//! look that a restart forgot would become a repair.

use std::collections::BTreeSet;
use std::sync::Mutex;

use model::event::EventId;
use store::{Change, Memo, Query, State, Value};

/// How the keys begin; the number of the event follows.
const PREFIX: &str = "mend/look/";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<BTreeSet<EventId>>);

impl Looks {
    /// As they were left.
    pub(super) fn read(state: &dyn State) -> Result<Self, store::Error> {
        let found = state.find(&Query::Memos { prefix: PREFIX.to_owned() })?;
        let event = |record: store::Record| match record.value {
            Value::Memo(memo) => memo.key.strip_prefix(PREFIX)?.parse().ok().map(EventId),
            _ => None,
        };
        Ok(Self(Mutex::new(found.into_iter().filter_map(event).collect())))
    }

    /// From now on an event is only looked at; what makes that be kept.
    pub(super) fn want(&self, event: EventId) -> Change {
        self.0.lock().expect("no holder of this lock can panic").insert(event);
        Change::Memo(Memo { key: key(event), body: Some(Vec::new()) })
    }

    /// Whether an event is only to be looked at.
    pub(super) fn wants(&self, event: EventId) -> bool {
        self.0.lock().expect("no holder of this lock can panic").contains(&event)
    }

    /// What makes the store forget a look, if there is one. It counts until [`Looks::over`].
    pub(super) fn forgotten(&self, event: EventId) -> Option<Change> {
        self.wants(event).then(|| Change::Memo(Memo { key: key(event), body: None }))
    }

    /// The look is over, or taken back; what makes that be kept, if there was one.
    pub(super) fn over(&self, event: EventId) -> Option<Change> {
        let known = self.0.lock().expect("no holder of this lock can panic").remove(&event);
        known.then(|| Change::Memo(Memo { key: key(event), body: None }))
    }
}

fn key(event: EventId) -> String {
    format!("{PREFIX}{event}")
}
