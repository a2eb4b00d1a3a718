//! What devices said: which events and lines are asked for, and how the store is asked. All of it is in the
//! URL. It must not render anything, and reads no more at a time than a page needs.

use std::time::Duration;

use model::UnixMs;
use model::event::{Event, EventId, EventState};
use store::{EventQuery, LineQuery, Query, Record, State, StoredLine, Value};

use crate::history::{History, Unavailable};
use crate::select::{BadParam, PAGE_ROWS, add, parse_count};
use crate::time;

/// Events are read so many at a time.
const BATCH: u32 = 500;
/// A search gives up after so many events and says where it stopped.
const SEARCHED: usize = 10_000;
/// Most lines of an answer.
const LINES: u32 = 200;
/// Lines so long before and after an event belong to its page.
const AROUND: Duration = Duration::from_mins(2);

/// Which events to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hark {
    /// Part of the message or object, in any case.
    pub(crate) text: String,
    /// The device, exactly.
    pub(crate) device: String,
    /// The code; with `*` at its end, its start.
    pub(crate) code: String,
    /// This severity or worse: a lower number.
    pub(crate) severity: Option<u8>,
    /// States; none means all.
    pub(crate) states: Vec<EventState>,
    /// The span back from now as typed; empty means all.
    pub(crate) span: String,
    /// Told at this time or later.
    pub(crate) from: Option<UnixMs>,
    /// Only those with lower numbers.
    pub(crate) before: Option<EventId>,
    /// Rows a page.
    pub(crate) limit: usize,
}

/// A page of events.
pub(crate) struct Heard {
    /// The events, newest first.
    pub(crate) events: Vec<Event>,
    /// Where the next page begins, if there may be one.
    pub(crate) next: Option<EventId>,
}

impl Hark {
    /// Everything.
    pub(crate) fn all() -> Self {
        Self {
            text: String::new(),
            device: String::new(),
            code: String::new(),
            severity: None,
            states: Vec::new(),
            span: String::new(),
            from: None,
            before: None,
            limit: PAGE_ROWS,
        }
    }

    /// Whether nothing is left out.
    pub(crate) fn is_whole(&self) -> bool {
        *self == Self { before: self.before, limit: self.limit, ..Self::all() }
    }

    /// Reads the query of a URL. Empty values count as not given, since forms send them.
    pub(crate) fn parse(pairs: &[(String, String)], now: UnixMs) -> Result<Self, BadParam> {
        let mut hark = Self::all();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let value = value.trim();
            match name.as_str() {
                "text" => value.clone_into(&mut hark.text),
                "device" => value.clone_into(&mut hark.device),
                "code" => value.clone_into(&mut hark.code),
                "severity" => hark.severity = Some(severity(value)?),
                "state" => states(value, &mut hark.states)?,
                "span" => {
                    let length = time::duration("span", value)?;
                    value.clone_into(&mut hark.span);
                    hark.from = Some(now - length);
                }
                "before" => {
                    let id = value.parse().map_err(|_| {
                        BadParam::new("before", value, "the number of an event, such as 17")
                    })?;
                    hark.before = Some(id);
                }
                "limit" => hark.limit = parse_count("limit", value)?,
                _ => {}
            }
        }
        Ok(hark)
    }

    /// The query that stands for this selection; empty if it is everything.
    pub(crate) fn to_query(&self) -> String {
        let mut query = String::new();
        let states: Vec<_> = self.states.iter().map(|state| state.as_str()).collect();
        add(&mut query, "text", &self.text);
        add(&mut query, "device", &self.device);
        add(&mut query, "code", &self.code);
        add(&mut query, "severity", &self.severity.map(|s| s.to_string()).unwrap_or_default());
        add(&mut query, "state", &states.join(","));
        add(&mut query, "span", &self.span);
        add(&mut query, "before", &self.before.map(|id| id.to_string()).unwrap_or_default());
        if self.limit != PAGE_ROWS {
            add(&mut query, "limit", &self.limit.to_string());
        }
        query
    }

    fn takes(&self, event: &Event, needle: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(needle);
        self.severity.is_none_or(|most| event.severity.is_some_and(|severity| severity <= most))
            && (needle.is_empty() || has(&event.message) || has(&event.object))
    }

    fn ask(&self) -> EventQuery {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        EventQuery {
            device: some(&self.device),
            code: some(&self.code),
            states: self.states.clone(),
            before: self.before,
            from: self.from,
            limit: BATCH,
            ..EventQuery::default()
        }
    }
}

/// A severity by its number (RFC 5424, section 6.2.1).
pub(crate) fn severity(value: &str) -> Result<u8, BadParam> {
    let number = value.parse().ok().filter(|number| *number <= 7);
    number
        .ok_or_else(|| BadParam::new("severity", value, "a number from 0, emergency, to 7, debug"))
}

fn states(value: &str, into: &mut Vec<EventState>) -> Result<(), BadParam> {
    for word in value.split(',') {
        let state = EventState::from_name(word).ok_or_else(|| {
            let names: Vec<_> = EventState::ALL.iter().map(|state| state.as_str()).collect();
            BadParam::new("state", value, format!("one or more of {}", names.join(", ")))
        })?;
        if !into.contains(&state) {
            into.push(state);
        }
    }
    Ok(())
}

impl History {
    /// Events of a selection, newest first.
    pub(crate) async fn events(&self, hark: &Hark) -> Result<Heard, Unavailable> {
        let hark = hark.clone();
        self.ask_state(move |state| search(state, &hark)).await
    }

    /// One event.
    pub(crate) async fn event(&self, id: EventId) -> Result<Option<Event>, Unavailable> {
        let query = EventQuery { id: Some(id), limit: 1, ..EventQuery::default() };
        let mut found = self.ask_state(move |state| find(state, query)).await?;
        Ok(found.pop())
    }

    /// Lines, newest first.
    pub(crate) async fn lines(&self, mut query: LineQuery) -> Result<Vec<StoredLine>, Unavailable> {
        query.limit = LINES;
        let query = Query::Lines(query);
        let found = self.ask_state(move |state| state.find(&query)).await?;
        let line = |record: Record| match record.value {
            Value::Line(line) => Some(line),
            _ => None,
        };
        Ok(found.into_iter().filter_map(line).collect())
    }

    /// What the device of an event said around it.
    pub(crate) async fn lines_around(&self, event: &Event) -> Result<Vec<StoredLine>, Unavailable> {
        // Of an event that goes on for long, its beginning tells most.
        let until = (event.first + AROUND).min(event.last + AROUND);
        let (device, from) = (Some(event.device.clone()), event.first - AROUND);
        self.lines(LineQuery { device, from, until, ..LineQuery::default() }).await
    }
}

fn find(state: &dyn State, query: EventQuery) -> Result<Vec<Event>, store::Error> {
    let event = |record: Record| match record.value {
        Value::Event(event) => Some(*event),
        _ => None,
    };
    Ok(state.find(&Query::Events(query))?.into_iter().filter_map(event).collect())
}

fn search(state: &dyn State, hark: &Hark) -> Result<Heard, store::Error> {
    let needle = hark.text.to_lowercase();
    let mut query = hark.ask();
    let mut heard = Heard { events: Vec::new(), next: None };
    let mut searched = 0;
    loop {
        let batch = find(state, query.clone())?;
        let is_last = batch.len() < BATCH as usize;
        searched += batch.len();
        query.before = batch.last().map(|event| event.id).or(query.before);
        for event in batch.into_iter().filter(|event| hark.takes(event, &needle)) {
            if heard.events.len() == hark.limit {
                heard.next = heard.events.last().map(|event| event.id);
                return Ok(heard);
            }
            heard.events.push(event);
        }
        if is_last {
            return Ok(heard);
        }
        if searched >= SEARCHED {
            heard.next = query.before;
            return Ok(heard);
        }
    }
}
