//! What a person should know beside the results: names that are not found, methods that fell back, drops
//! of our own. Each is said once, on standard error; a live table shows the latest and says all at its end.

use std::collections::HashSet;
use std::io::{self, Write};

use measure::{Change, ChangeKind, TargetStatus};
use model::transport::Warning;

use super::board::Board;

/// More names that are not found than this are counted, not listed.
const LISTED: usize = 20;

/// Collects notes and says them when somebody can read them.
#[derive(Debug, Default)]
pub(super) struct Notes {
    said: HashSet<String>,
    waiting: Vec<String>,
    /// A small receive buffer is worth a word only once something was dropped for it.
    small_buffer: Option<Warning>,
    not_found: usize,
    /// A socket was lost, so that targets may not have been asked at all.
    pub(super) socket_lost: bool,
}

impl Notes {
    /// Adds a note unless it is known already.
    pub(super) fn add(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.said.contains(&note) {
            self.said.insert(note.clone());
            self.waiting.push(note);
        }
    }

    /// Takes in what the prober tells of itself.
    pub(super) fn take(&mut self, changes: Vec<Change>, board: &Board) {
        for change in changes {
            let name = change.target.map_or("", |id| board.list.name(id.0 as usize));
            match change.what {
                ChangeKind::Address { from, to } => {
                    let (from, to) = (from.ip(), to.ip());
                    self.add(format!("{name}: address changed from {from} to {to}"));
                }
                ChangeKind::Unresolved { why } => self.missing(&why),
                ChangeKind::Resolved => self.add(format!("{name} resolves again")),
                ChangeKind::Socket { warning, .. } => match warning {
                    Warning::ReceiveBuffer { .. } => self.small_buffer = Some(warning),
                    Warning::FellBack { .. } => self.add(warning.to_string()),
                },
                ChangeKind::SocketLost { why } => {
                    self.socket_lost = true;
                    self.add(why.to_string());
                }
                ChangeKind::ClockStepped { by_ns } => {
                    let seconds = by_ns as f64 / 1e9;
                    self.add(format!(
                        "the clock was stepped by {seconds:+.3} s; probes under way are unknown"
                    ));
                }
                ChangeKind::ReceiveDrops { .. } => {
                    let known = self.small_buffer.take().map(|warning| warning.to_string());
                    self.add(known.unwrap_or_else(|| {
                        "our receive queue dropped packets; probes of that moment are unknown"
                            .into()
                    }));
                }
                ChangeKind::NeighbourDrops { .. } => self.add(
                    "the neighbour table was full; probes of that moment are unknown \
                     (`netmend doctor` says how to enlarge it)",
                ),
            }
        }
    }

    /// Takes in what the prober has to say about single targets.
    pub(super) fn take_statuses(&mut self, statuses: &[TargetStatus]) {
        for status in statuses {
            if let Some(note) = &status.note
                && !self.said.contains(&**note)
            {
                self.add(&**note);
            }
        }
    }

    /// The latest note.
    pub(super) fn latest(&self) -> Option<&str> {
        self.waiting.last().map(String::as_str)
    }

    /// Says what waits. A closed standard error leaves nobody to tell.
    pub(super) fn say(&mut self) {
        let mut out = io::stderr().lock();
        for note in self.waiting.drain(..) {
            let _ = writeln!(out, "netmend: {note}");
        }
    }

    /// Says what was held back until the end.
    pub(super) fn finish(&mut self) {
        if let Some(more) = self.not_found.checked_sub(LISTED).filter(|more| *more > 0) {
            self.add(format!("{more} more names were not found"));
        }
        self.say();
    }

    fn missing(&mut self, why: &str) {
        if self.said.contains(why) {
            return;
        }
        self.not_found += 1;
        if self.not_found <= LISTED {
            self.add(why);
        } else {
            self.said.insert(why.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{TargetId, UnixMs};

    use super::super::board::tests::board;
    use super::*;

    fn change(what: ChangeKind) -> Change {
        Change { at: UnixMs(0), target: Some(TargetId(0)), what }
    }

    #[test]
    fn each_note_is_said_once() {
        let mut notes = Notes::default();
        let why: Arc<str> = "x: name not found".into();
        let lost = || change(ChangeKind::Unresolved { why: why.clone() });
        notes.take(vec![lost(), lost(), change(ChangeKind::Resolved)], &board(&["x"], &[]));
        assert_eq!(notes.waiting, ["x: name not found", "x resolves again"]);
    }

    #[test]
    fn a_small_receive_buffer_is_worth_a_word_only_after_a_drop() {
        let board = board(&["x"], &[]);
        let warning = Warning::ReceiveBuffer { granted: 212_992, wanted: 16 << 20 };
        let mut notes = Notes::default();
        notes.take(vec![change(ChangeKind::Socket { socket: "s".into(), warning })], &board);
        assert!(notes.waiting.is_empty());
        notes.take(vec![change(ChangeKind::ReceiveDrops { packets: 3 })], &board);
        assert_eq!(notes.waiting, [warning.to_string()]);
    }

    #[test]
    fn thousands_of_missing_names_are_counted() {
        let mut notes = Notes::default();
        let lost =
            |n| change(ChangeKind::Unresolved { why: format!("h{n}: name not found").into() });
        notes.take((0..1_000).map(lost).collect(), &board(&["x"], &[]));
        assert_eq!(notes.waiting.len(), LISTED);
        notes.finish();
        assert!(notes.said.contains("980 more names were not found"));
    }
}
