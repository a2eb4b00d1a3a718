//! Turns what is said into changes of events: which lines are events at all, how long a fault must last to
//! count, and when it flaps. Time is handed in; whether an event is known already is for the store to say.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use model::event::{EventState, Evidence, Origin};
use model::{Event, UnixMs};
use store::{EventChange, EventReport};

/// Longest message that an event keeps, in bytes; the line itself is stored whole.
const MESSAGE: usize = 1024;
/// Faults whose turns are remembered at most; beyond, those that turned longest ago are forgotten. As many devices are
/// remembered by their last message.
const REMEMBERED: usize = 100_000;
/// Of how many that is kept over a restart.
const KEPT: usize = 10_000;

/// What is an event, and how long things take.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages of this severity or worse are events.
    pub severity: u8,
    /// Messages with these codes are events whatever their severity.
    pub codes: HashSet<String>,
    /// The same for all codes that begin so.
    pub code_starts: Vec<String>,
    /// A fault that is over within this time comes to nothing.
    pub settle: Duration,
    /// So many turns within [`Options::flap_window`] are flapping.
    pub flap_turns: usize,
    /// See there.
    pub flap_window: Duration,
    /// A fault that flaps is held until it has been quiet for so long.
    pub flap_hold: Duration,
}

impl Default for Options {
    /// Severity 3 (error), settled after 10 s; four turns in 10 minutes are flapping and held for 15.
    fn default() -> Self {
        Self {
            severity: 3,
            codes: HashSet::new(),
            code_starts: Vec::new(),
            settle: Duration::from_secs(10),
            flap_turns: 4,
            flap_window: Duration::from_mins(10),
            flap_hold: Duration::from_mins(15),
        }
    }
}

/// Something that was said of a device.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The device it is about.
    pub device: &'a str,
    /// Why it is not sure that the device itself said it, if so.
    pub doubt: Option<&'a str>,
    /// The code as printed; empty if there is none.
    pub code: &'a str,
    /// The code as rules match it.
    pub code_norm: &'a str,
    /// What it is about on the device; empty if that is not told.
    pub object: &'a str,
    /// Severity, 0 to 7, if it is told.
    pub severity: Option<u8>,
    /// Which turn things took.
    pub turn: Turn<'a>,
    /// When it was received.
    pub at: UnixMs,
    /// Who told it.
    pub origin: Origin,
    /// What was said, for people.
    pub message: &'a str,
    /// Parts of the message by their names: `interface`, `peer`.
    pub fields: &'a [(&'a str, &'a str)],
    /// How sure it is that the device said it. A doubt makes it [`Evidence::Conflict`].
    pub evidence: Evidence,
    /// Whether a remediation is for it: then it is an event, and something may be done about it.
    pub mendable: bool,
}

/// Which turn things took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<'a> {
    /// None that is known: it happened, and nothing will say that it is over.
    Told,
    /// Something broke, and something will say that it works again.
    Fault,
    /// What the message with this normal code told is over.
    Clear(&'a str),
    /// What the device said last was said so many times more.
    Repeated(u32),
}

/// When a fault came and went lately.
#[derive(Debug, Default)]
struct Turns {
    at: VecDeque<UnixMs>,
    /// Whether it was there after the last of them.
    there: bool,
}

/// Decides what is an event. It remembers when faults turned, and nothing else.
#[derive(Debug, Default)]
pub struct Intake {
    options: Options,
    turns: HashMap<u64, Turns>,
    /// Whether the last message of each device was an event.
    events: HashMap<u64, bool>,
    /// Whether a fault has turned since [`Intake::remembered`].
    turned: bool,
}

/// What is remembered of faults that come and go, over a restart: fingerprint, whether it was there, and when it
/// turned.
pub type Remembered = Vec<(u64, bool, Vec<UnixMs>)>;

impl Intake {
    /// An intake that has heard nothing yet.
    pub fn new(options: Options) -> Self {
        Self { options, turns: HashMap::new(), events: HashMap::new(), turned: false }
    }

    /// Other options from now on.
    pub fn set(&mut self, options: Options) {
        self.options = options;
    }

    /// What is worth remembering over a restart; `None` if it did not change since it was asked for last. Of
    /// too many the latest are kept.
    pub fn remembered(&mut self, now: UnixMs) -> Option<Remembered> {
        if !std::mem::take(&mut self.turned) {
            return None;
        }
        let since = now - self.options.flap_window;
        let mut kept: Remembered = self
            .turns
            .iter()
            .filter(|(_, turns)| turns.at.back().is_some_and(|turn| *turn > since))
            .map(|(fault, turns)| (*fault, turns.there, turns.at.iter().copied().collect()))
            .collect();
        kept.sort_unstable_by_key(|(fault, _, at)| (std::cmp::Reverse(at.last().copied()), *fault));
        kept.truncate(KEPT);
        Some(kept)
    }

    /// Takes up what was remembered before a restart.
    pub fn restore(&mut self, remembered: Remembered) {
        for (fault, there, at) in remembered.into_iter().take(KEPT) {
            self.turns.insert(fault, Turns { at: at.into(), there });
        }
    }

    /// What comes of it; `None` if it is no event.
    pub fn take(&mut self, said: &Said<'_>) -> Option<EventChange> {
        let Said { device, at, .. } = *said;
        let speaker = Event::fingerprint(device, "", "");
        let is_event = self.is_event(said);
        if !matches!(said.turn, Turn::Repeated(_)) {
            if self.events.len() >= REMEMBERED {
                self.events.clear();
            }
            self.events.insert(speaker, is_event && !matches!(said.turn, Turn::Clear(_)));
        }
        match said.turn {
            // It repeats the last message, which may have been none of an event, and it may be forged.
            Turn::Repeated(_)
                if said.doubt.is_some() || self.events.get(&speaker) == Some(&false) =>
            {
                None
            }
            Turn::Repeated(times) => {
                Some(EventChange::Repeat { device: device.to_owned(), times: times.into(), at })
            }
            Turn::Clear(code) => {
                let fingerprint = Event::fingerprint(device, code, said.object);
                // Nobody may end the fault of a device by forging its line.
                if said.doubt.is_some() {
                    return None;
                }
                self.turned(fingerprint, at, false);
                Some(EventChange::Clear { fingerprint, at })
            }
            Turn::Fault | Turn::Told if is_event => {
                Some(EventChange::Report(Box::new(self.report(said))))
            }
            Turn::Fault | Turn::Told => None,
        }
    }

    fn is_event(&self, said: &Said<'_>) -> bool {
        said.turn == Turn::Fault
            || said.mendable
            || said.severity.is_some_and(|severity| severity <= self.options.severity)
            || self.options.codes.contains(said.code)
            || self.options.codes.contains(said.code_norm)
            || self.options.code_starts.iter().any(|start| {
                said.code.starts_with(start.as_str()) || said.code_norm.starts_with(start.as_str())
            })
    }

    fn report(&mut self, said: &Said<'_>) -> EventReport {
        let mut report = EventReport {
            device: said.device.to_owned(),
            code: said.code.to_owned(),
            code_norm: said.code_norm.to_owned(),
            object: said.object.to_owned(),
            severity: said.severity,
            at: said.at,
            state: EventState::Recorded,
            reason: String::new(),
            not_before: said.at,
            origin: said.origin,
            message: shortened(said.message).to_owned(),
            fields: said.fields.iter().map(|(name, value)| field(name, value)).collect(),
            evidence: said.evidence,
        };
        if let Some(doubt) = said.doubt {
            doubt.clone_into(&mut report.reason);
            report.evidence = Evidence::Conflict;
            return report;
        }
        if said.turn == Turn::Told && said.mendable {
            // Nothing will say that it is over, but it waits like a fault: what follows may say more.
            report.state = EventState::New;
            report.not_before = said.at + self.options.settle;
        }
        if said.turn == Turn::Fault {
            report.state = EventState::New;
            report.not_before = said.at + self.options.settle;
            let fingerprint = Event::fingerprint(said.device, said.code_norm, said.object);
            let turns = self.turned(fingerprint, said.at, true);
            if turns >= self.options.flap_turns {
                let minutes = self.options.flap_window.as_secs() / 60;
                report.state = EventState::Held;
                report.reason = format!("it flaps: {turns} changes within {minutes} minutes");
                report.not_before = said.at + self.options.flap_hold;
            }
        }
        report
    }

    /// Remembers that a fault is there, or not; returns how often that changed lately.
    fn turned(&mut self, fingerprint: u64, at: UnixMs, there: bool) -> usize {
        if self.turns.len() >= REMEMBERED && !self.turns.contains_key(&fingerprint) {
            self.forget(at);
        }
        let since = at - self.options.flap_window;
        let turns = self.turns.entry(fingerprint).or_default();
        turns.at.retain(|turn| *turn > since);
        // To be told the same again is no turn.
        if turns.there != there {
            turns.there = there;
            turns.at.push_back(at);
            self.turned = true;
        }
        // More turns than matter need not be kept.
        if turns.at.len() > 10 * self.options.flap_turns {
            turns.at.pop_front();
        }
        turns.at.len()
    }

    /// Forgets the faults that have not turned lately; all of them, if that is not enough.
    fn forget(&mut self, now: UnixMs) {
        let since = now - self.options.flap_window;
        self.turns.retain(|_, turns| turns.at.back().is_some_and(|turn| *turn > since));
        if self.turns.len() >= REMEMBERED {
            self.turns.clear();
        }
    }
}

/// A part of a message, as an event keeps it.
fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), shortened(value).to_owned())
}

/// The start of a text, cut between two letters.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(at: i64, turn: Turn<'static>) -> Said<'static> {
        Said {
            device: "sw1",
            doubt: None,
            code: "LINK-SW2-3-UPDOWN",
            code_norm: "LINK-3-UPDOWN",
            object: "Eth1",
            severity: Some(3),
            turn,
            at: UnixMs(at),
            origin: Origin::Line,
            message: "Interface Eth1, changed state to down",
            fields: &[("interface", "Eth1"), ("state", "down")],
            evidence: Evidence::Stream,
            mendable: false,
        }
    }

    fn report(change: Option<EventChange>) -> EventReport {
        match change {
            Some(EventChange::Report(report)) => *report,
            other => panic!("no report: {other:?}"),
        }
    }

    #[test]
    fn a_repeat_is_of_the_last_message_and_of_no_event_before() {
        let mut intake = Intake::new(Options::default());
        let repeat = |at| said(at, Turn::Repeated(4));
        assert!(intake.take(&repeat(1)).is_some(), "what came before the start is not known");
        assert!(intake.take(&said(2, Turn::Fault)).is_some());
        assert!(intake.take(&repeat(3)).is_some());
        assert!(intake.take(&Said { doubt: Some("forged"), ..repeat(3) }).is_none());
        assert!(intake.take(&Said { severity: Some(6), ..said(4, Turn::Told) }).is_none());
        assert!(intake.take(&repeat(5)).is_none());
        assert!(intake.take(&Said { device: "sw2", ..repeat(6) }).is_some());
    }

    #[test]
    fn errors_faults_and_wanted_codes_are_events_and_the_rest_are_lines() {
        let codes = HashSet::from(["SYS-5-CONFIG_I".to_owned()]);
        let code_starts = vec!["BGP-5-".to_owned()];
        let mut intake = Intake::new(Options { codes, code_starts, ..Options::default() });
        let mut is_event = |severity, code_norm, turn| {
            intake.take(&Said { code_norm, severity, ..said(1, turn) }).is_some()
        };
        assert!(is_event(Some(3), "X", Turn::Told));
        assert!(!is_event(Some(4), "X", Turn::Told));
        assert!(!is_event(None, "X", Turn::Told));
        assert!(is_event(Some(5), "SYS-5-CONFIG_I", Turn::Told));
        assert!(is_event(Some(5), "BGP-5-ADJCHANGE", Turn::Told));
        assert!(!is_event(Some(5), "BGP-6-ADJCHANGE", Turn::Told));
        assert!(is_event(Some(5), "X", Turn::Fault));
    }

    #[test]
    fn a_fault_is_new_until_it_has_settled_and_a_fact_is_recorded_at_once() {
        let mut intake = Intake::default();
        let fault = report(intake.take(&said(5000, Turn::Fault)));
        assert_eq!((fault.state, fault.not_before), (EventState::New, UnixMs(15_000)));
        let fact = report(intake.take(&said(5000, Turn::Told)));
        assert_eq!((fact.state, fact.not_before), (EventState::Recorded, UnixMs(5000)));
        let mendable = Said { mendable: true, severity: Some(6), ..said(5000, Turn::Told) };
        let wanted = report(intake.take(&mendable));
        assert_eq!((wanted.state, wanted.not_before), (EventState::New, UnixMs(15_000)));
        assert_eq!(wanted.fields["interface"], "Eth1");
    }

    #[test]
    fn a_clear_names_the_fault_that_it_ends() {
        let mut intake = Intake::default();
        let up = Said { code_norm: "LINK-3-UP", ..said(9, Turn::Clear("LINK-3-UPDOWN")) };
        let fingerprint = Event::fingerprint("sw1", "LINK-3-UPDOWN", "Eth1");
        let expected = EventChange::Clear { fingerprint, at: UnixMs(9) };
        assert_eq!(intake.take(&up), Some(expected));
    }

    #[test]
    fn four_turns_in_ten_minutes_are_flapping() {
        let mut intake = Intake::default();
        let minute = 60_000;
        for (at, turn) in [(0, Turn::Fault), (minute, Turn::Clear("LINK-3-UPDOWN"))] {
            intake.take(&said(at, turn));
        }
        let third = report(intake.take(&said(2 * minute, Turn::Fault)));
        assert_eq!(third.state, EventState::New);
        let again = report(intake.take(&said(2 * minute, Turn::Fault)));
        assert_eq!(again.state, EventState::New, "to be told the same again is no turn");
        intake.take(&said(3 * minute, Turn::Clear("LINK-3-UPDOWN")));
        let fifth = report(intake.take(&said(4 * minute, Turn::Fault)));
        assert_eq!(fifth.state, EventState::Held);
        assert_eq!(fifth.reason, "it flaps: 5 changes within 10 minutes");
        assert_eq!(fifth.not_before, UnixMs(19 * minute));
        let later = report(intake.take(&said(60 * minute, Turn::Fault)));
        assert_eq!(later.state, EventState::New);
    }

    #[test]
    fn what_flaps_goes_on_flapping_after_a_restart() {
        let minute = 60_000;
        let mut intake = Intake::default();
        assert_eq!(intake.remembered(UnixMs(0)), None, "nothing has turned");
        intake.take(&said(0, Turn::Fault));
        intake.take(&said(minute, Turn::Clear("LINK-3-UPDOWN")));
        intake.take(&said(2 * minute, Turn::Fault));
        let kept = intake.remembered(UnixMs(2 * minute)).unwrap();
        assert_eq!(intake.remembered(UnixMs(2 * minute)), None, "it is known already");
        let mut intake = Intake::default();
        intake.restore(kept);
        intake.take(&said(3 * minute, Turn::Clear("LINK-3-UPDOWN")));
        let fault = report(intake.take(&said(4 * minute, Turn::Fault)));
        assert_eq!(fault.reason, "it flaps: 5 changes within 10 minutes");
        let kept = intake.remembered(UnixMs(60 * minute)).unwrap();
        assert!(kept.is_empty(), "what was long ago is not worth it: {kept:?}");
    }

    #[test]
    fn what_a_stranger_says_of_a_device_is_noted_and_ends_nothing() {
        let mut intake = Intake::default();
        let doubt = Some("it came from 192.0.2.7, which is not sw1");
        let fault = Said { doubt, ..said(1, Turn::Fault) };
        let noted = report(intake.take(&fault));
        assert_eq!(noted.state, EventState::Recorded);
        assert_eq!(noted.reason, "it came from 192.0.2.7, which is not sw1");
        assert_eq!(noted.evidence, Evidence::Conflict);
        let clear = Said { doubt, ..said(1, Turn::Clear("LINK-3-UPDOWN")) };
        assert_eq!(intake.take(&clear), None);
    }

    #[test]
    fn an_endless_number_of_faults_takes_no_endless_memory() {
        let mut intake = Intake::default();
        for at in 0..(REMEMBERED + 10) as u64 {
            intake.turned(at, UnixMs(0), true);
        }
        assert!(intake.turns.len() <= REMEMBERED);
        for at in 0..1000 {
            intake.turned(1, UnixMs(at), at % 2 == 0);
        }
        assert!(intake.turns[&1].at.len() <= 40);
    }

    #[test]
    fn a_long_message_is_cut_between_letters() {
        let long = "ä".repeat(1000);
        let mut intake = Intake::default();
        let report = report(intake.take(&Said { message: &long, ..said(1, Turn::Told) }));
        assert_eq!(report.message.len(), MESSAGE);
    }
}
