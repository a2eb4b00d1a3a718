//! What people tell the stage: yes and no, stop and go on, how far a remediation may go. Each order and who gave
//! it is in the audit, in the transaction that carries it out.

use std::sync::Arc;

use model::event::{EventId, EventState};
use model::run::Decision;
use show::{MendNow, MendOrder, Mending as Port, Paused, Refusal};
use store::{Answered, Change, EventChange};

use super::credentials::Credentials;
use super::modes::{Modes, Word};
use super::switch::KillSwitch;
use super::{Mending, Shared};

impl Port for Mending {
    fn present(&self) -> Arc<MendNow> {
        self.shared.present()
    }

    fn submit(&self, actor: &str, order: MendOrder) -> Result<String, Refusal> {
        let done = self.shared.obey(actor, order)?;
        tracing::info!(actor, "{done}");
        self.shared.publish();
        self.shared.bell.ring();
        Ok(done)
    }
}

impl Shared {
    fn obey(&self, actor: &str, order: MendOrder) -> Result<String, Refusal> {
        match order {
            MendOrder::Approve { event, note } => self.answer(actor, event, true, note),
            MendOrder::Reject { event, note } => self.answer(actor, event, false, note),
            MendOrder::Pause { note } => self.pause(actor, note),
            MendOrder::Resume => self.resume(actor),
            MendOrder::SetMode { remediation, mode } => {
                if self.shelf.now().remediations.named(&remediation).is_none() {
                    let said = format!(
                        "there is no remediation {remediation}; `netmend mode` shows those that are, a new file counts after two seconds"
                    );
                    return Err(Refusal::Unknown(said));
                }
                let word = Word { mode, by: actor.to_owned(), at: self.clock.now_ms() };
                let said = match mode {
                    Some(mode) => format!("{remediation} is in mode {mode} from now on"),
                    None => {
                        format!("{remediation} is in the mode of the configuration from now on")
                    }
                };
                let kept = Modes::change(&remediation, &word);
                self.carry_out(vec![kept, self.audit(actor, "mode", None, said.clone())])?;
                self.modes.set(&remediation, word);
                Ok(said)
            }
            MendOrder::Look { event } => self.look(actor, event),
            MendOrder::Retry { event } => {
                let said = format!("event {event} is open again");
                self.move_event(actor, event, EventState::New, "opened", said).map_err(|why| {
                    why.unwrap_or_else(|| {
                        Refusal::TooLate(format!(
                            "event {event} cannot be opened: it does not exist, is open, or the same fault has a newer one that is"
                        ))
                    })
                })
            }
            MendOrder::Cancel { event } => {
                let said = format!("event {event} is cancelled");
                self.move_event(actor, event, EventState::Cancelled, "cancelled", said).map_err(
                    |why| {
                        why.unwrap_or_else(|| {
                            Refusal::TooLate(format!(
                                "event {event} cannot be cancelled: it does not exist or is over"
                            ))
                        })
                    },
                )
            }
        }
    }

    /// Looks what would be done about an event, without doing it.
    fn look(&self, actor: &str, event: EventId) -> Result<String, Refusal> {
        let wanted_before = self.looks.wants(event);
        let kept = self.looks.want(event);
        let said = format!("it is looked at what would be done about event {event}");
        let at = self.clock.now_ms();
        let from =
            EventState::ALL.iter().copied().filter(|state| state.may_be_looked_at()).collect();
        let reason = format!("{actor} wants to see what would be done");
        let moved = EventChange::Move { id: event, from, to: EventState::New, reason, at };
        let audit = self.audit(actor, "look", Some(event), String::new());
        let changes = vec![kept, Change::Event(moved), audit];
        let moved = self.apply(changes).map_err(|why| unstored(&why));
        if let Ok(true) = moved {
            return Ok(said);
        }
        // A look that was wanted before still is, or it would become the repair.
        if !wanted_before {
            let _not_kept = self.looks.over(event);
        }
        moved?;
        Err(Refusal::TooLate(format!(
            "event {event} cannot be looked at: it does not exist, is being worked on, is over, or the same fault has a newer one that is open; `netmend events retry {event}` opens one that is over"
        )))
    }

    fn answer(
        &self,
        actor: &str,
        event: EventId,
        approved: bool,
        note: String,
    ) -> Result<String, Refusal> {
        let at = self.clock.now_ms();
        let word = if approved { "approved" } else { "rejected" };
        let detail = if note.is_empty() { word.to_owned() } else { format!("{word}: {note}") };
        let action = if approved { "approve" } else { "reject" };
        let audit = self.audit(actor, action, Some(event), detail);
        let decision = Decision { by: actor.to_owned(), at, approved, note };
        let answered = Box::new(Answered { event, decision });
        let changes = vec![Change::Event(EventChange::Answer(answered)), audit];
        if self.apply(changes).map_err(|why| unstored(&why))? {
            Ok(format!("event {event} is {word}"))
        } else {
            Err(Refusal::TooLate(format!(
                "event {event} does not wait for an answer: it was answered, cleared, or nobody answered in time"
            )))
        }
    }

    fn pause(&self, actor: &str, note: String) -> Result<String, Refusal> {
        let paused = Paused { by: actor.to_owned(), at: self.clock.now_ms(), note };
        // First the switch: who wants to stop does not wait for a disk.
        self.switch.set(Some(paused.clone()));
        let kept = KillSwitch::change(Some(&paused));
        self.carry_out(vec![kept, self.audit(actor, "pause", None, paused.note)])?;
        Ok("all repairs are paused; runs under way stop before their next command".into())
    }

    fn resume(&self, actor: &str) -> Result<String, Refusal> {
        let changes = vec![
            KillSwitch::change(None),
            Credentials::forgotten(),
            self.audit(actor, "resume", None, String::new()),
        ];
        self.carry_out(changes)?;
        self.switch.set(None);
        self.credentials.forget();
        if let Some(file) = self.switch.file() {
            let said = format!(
                "repairs stay paused as long as the file {} is there: remove it",
                file.display()
            );
            return Err(Refusal::TooLate(said));
        }
        Ok("repairs go on".into())
    }

    /// Opens or ends an event; `None` as the refusal means that it is not as that needs it.
    fn move_event(
        &self,
        actor: &str,
        id: EventId,
        to: EventState,
        word: &str,
        said: String,
    ) -> Result<String, Option<Refusal>> {
        // What a worker is at cannot be taken away from it.
        let busy = [EventState::Running, EventState::Verifying];
        let open = to == EventState::Cancelled;
        let from = EventState::ALL.iter().copied();
        let from = from.filter(|state| state.is_open() == open && !busy.contains(state)).collect();
        let at = self.clock.now_ms();
        let reason = format!("{word} by {actor}");
        let moved = EventChange::Move { id, from, to, reason, at };
        let action = if open { "cancel" } else { "retry" };
        // Whoever decides about an event wants more than to look.
        let mut changes: Vec<Change> = self.looks.forgotten(id).into_iter().collect();
        changes.extend([Change::Event(moved), self.audit(actor, action, Some(id), String::new())]);
        match self.apply(changes) {
            Ok(true) => {
                let _kept = self.looks.over(id);
                Ok(said)
            }
            Ok(false) => Err(None),
            Err(why) => Err(Some(unstored(&why))),
        }
    }

    fn carry_out(&self, changes: Vec<Change>) -> Result<(), Refusal> {
        self.apply(changes).map(drop).map_err(|why| unstored(&why))
    }
}

fn unstored(why: &store::Error) -> Refusal {
    Refusal::Unavailable(format!("the store does not take it: {why}"))
}
