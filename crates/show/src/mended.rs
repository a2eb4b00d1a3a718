//! What was done about events, as the store keeps it: runs with their transcripts, approvals, the audit, and
//! what each remediation did. It must not render anything, and reads no more at a time than a page needs.

use std::time::Duration;

use model::UnixMs;
use model::event::{Event, EventId, EventState};
use model::run::{Approval, AuditEntry, Exchange, Run, RunId, RunState};
use store::{AuditQuery, EventQuery, Offender, Query, Record, RuleRecord, RunQuery, State, Value};

use crate::history::{History, Span, Unavailable};

/// Most approvals of a list.
const APPROVALS: u32 = 100;
/// Most runs of one event, and most entries of the audit on a page.
const OF_ONE: u32 = 200;
/// Most runs whose end a chart shows.
const ON_CHART: u32 = 100;
/// What a remediation did is counted over so long.
pub(crate) const WEEK: Duration = Duration::from_hours(7 * 24);
/// Events that a remediation would have run for, on its page.
const PLANNED: u32 = 50;
/// Faults that come back, on a page.
const OFFENDERS: u32 = 20;

/// A question that waits for a person, with what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// The question.
    pub(crate) approval: Approval,
    /// Its event; none if it is gone.
    pub(crate) event: Option<Event>,
}

/// A run with all that is known of it.
pub(crate) struct Whole {
    pub(crate) run: Run,
    pub(crate) event: Option<Event>,
    pub(crate) transcript: Vec<Exchange>,
    pub(crate) audit: Vec<AuditEntry>,
}

/// A record in the few numbers that decide whether to trust a remediation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) planned: u32,
    pub(crate) cleared: u32,
    /// Runs that came to an end that says something: neither held nor needless nor ended by a person.
    pub(crate) judged: u32,
    pub(crate) worked: u32,
    pub(crate) came_back: u32,
}

impl Counted {
    pub(crate) fn of(record: &RuleRecord) -> Self {
        let says = |state: &RunState| {
            use RunState::{Failure, Success, TimedOut, Unknown};
            matches!(state, Success | Failure | TimedOut | Unknown)
        };
        let judged = record.runs.iter().filter(|(state, _)| says(state)).map(|(_, count)| count);
        let worked = record.runs.iter().find(|(state, _)| *state == RunState::Success);
        Self {
            planned: record.planned,
            cleared: record.cleared,
            judged: judged.sum(),
            worked: worked.map_or(0, |(_, count)| *count),
            came_back: record.came_back,
        }
    }
}

impl History {
    /// Runs, newest first.
    pub(crate) async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, Unavailable> {
        self.ask_state(move |state| runs(state, query)).await
    }

    /// A run with its event, what was said and who did what.
    pub(crate) async fn run(&self, id: RunId) -> Result<Option<Whole>, Unavailable> {
        self.ask_state(move |state| {
            let query = RunQuery { id: Some(id), limit: 1, ..RunQuery::default() };
            let Some(run) = runs(state, query)?.pop() else { return Ok(None) };
            let event = event(state, run.event)?;
            let said = state.find(&Query::Transcript(id))?;
            let transcript = said.into_iter().find_map(|record| match record.value {
                Value::Transcript(said) => Some(said),
                _ => None,
            });
            let asked = AuditQuery { run: Some(id), limit: OF_ONE, ..AuditQuery::default() };
            let audit = audit(state, asked)?;
            let transcript = transcript.unwrap_or_default();
            Ok(Some(Whole { run, event, transcript, audit }))
        })
        .await
    }

    /// Runs that ended or went on in a span, of the devices that a target is; for charts.
    pub(crate) async fn runs_on(
        &self,
        devices: Vec<String>,
        span: Span,
    ) -> Result<Vec<Run>, Unavailable> {
        self.ask_state(move |state| {
            let mut found = Vec::new();
            for device in devices {
                let query = RunQuery {
                    device: Some(device),
                    from: Some(span.from),
                    until: Some(span.until),
                    limit: ON_CHART,
                    ..RunQuery::default()
                };
                found.extend(runs(state, query)?);
            }
            Ok(found)
        })
        .await
    }

    /// The questions that wait, those that are void first.
    pub(crate) async fn waiting(&self) -> Result<Vec<Waiting>, Unavailable> {
        self.ask_state(move |state| {
            let asked = approvals(state, None)?;
            let with =
                |approval: Approval| Ok(Waiting { event: event(state, approval.event)?, approval });
            let mut waiting = asked.into_iter().map(with).collect::<Result<Vec<_>, _>>()?;
            waiting.sort_by_key(|one| (one.approval.expires, one.approval.event));
            Ok(waiting)
        })
        .await
    }

    /// What each remediation did, or would have done, since a time; by name.
    pub(crate) async fn rule_records(&self, from: UnixMs) -> Result<Vec<RuleRecord>, Unavailable> {
        let found = self.ask_state(move |state| state.find(&Query::RuleRecords { from })).await?;
        let rule = |record: Record| match record.value {
            Value::RuleRecord(rule) => Some(rule),
            _ => None,
        };
        Ok(found.into_iter().filter_map(rule).collect())
    }

    /// Events that a remediation was planned for since a time, newest first.
    pub(crate) async fn planned(
        &self,
        remediation: String,
        from: UnixMs,
    ) -> Result<Vec<Event>, Unavailable> {
        let query = EventQuery {
            remediation: Some(remediation),
            from: Some(from),
            limit: PLANNED,
            ..EventQuery::default()
        };
        self.ask_state(move |state| events(state, query)).await
    }

    /// Faults that come back although they were repaired.
    pub(crate) async fn offenders(&self, from: UnixMs) -> Result<Vec<Offender>, Unavailable> {
        let query = Query::Offenders { from, limit: OFFENDERS };
        let found = self.ask_state(move |state| state.find(&query)).await?;
        let offender = |record: Record| match record.value {
            Value::Offender(offender) => Some(offender),
            _ => None,
        };
        Ok(found.into_iter().filter_map(offender).collect())
    }

    /// What changes when something happens to an event, a run or an approval: revisions of the newest ones and
    /// of those under way.
    pub(crate) async fn happenings(&self) -> Result<String, Unavailable> {
        self.ask_state(|state| {
            let newest = Query::Events(EventQuery { limit: 1, ..EventQuery::default() });
            let moving = Query::Events(EventQuery {
                states: EventState::ALL.iter().copied().filter(|state| state.is_open()).collect(),
                limit: 1,
                ..EventQuery::default()
            });
            let states: Vec<_> =
                RunState::ALL.iter().copied().filter(|state| state.is_open()).collect();
            let under_way = Query::Runs(RunQuery { states, limit: 50, ..RunQuery::default() });
            let last = Query::Runs(RunQuery { limit: 1, ..RunQuery::default() });
            let waiting = Query::Approvals { event: None, limit: APPROVALS };
            let mut newest_of_all = 0;
            let mut count = 0;
            for query in [newest, moving, under_way, last, waiting] {
                for record in state.find(&query)? {
                    newest_of_all = record.revision.max(newest_of_all);
                    count += 1;
                }
            }
            Ok(if count == 0 { "none".to_owned() } else { format!("{newest_of_all}-{count}") })
        })
        .await
    }
}

fn runs(state: &dyn State, query: RunQuery) -> Result<Vec<Run>, store::Error> {
    let run = |record: Record| match record.value {
        Value::Run(run) => Some(*run),
        _ => None,
    };
    Ok(state.find(&Query::Runs(query))?.into_iter().filter_map(run).collect())
}

fn approvals(state: &dyn State, event: Option<EventId>) -> Result<Vec<Approval>, store::Error> {
    let approval = |record: Record| match record.value {
        Value::Approval(approval) => Some(*approval),
        _ => None,
    };
    let query = Query::Approvals { event, limit: APPROVALS };
    Ok(state.find(&query)?.into_iter().filter_map(approval).collect())
}

fn audit(state: &dyn State, query: AuditQuery) -> Result<Vec<AuditEntry>, store::Error> {
    let entry = |record: Record| match record.value {
        Value::Audit(entry) => Some(entry),
        _ => None,
    };
    Ok(state.find(&Query::Audit(query))?.into_iter().filter_map(entry).collect())
}

fn events(state: &dyn State, query: EventQuery) -> Result<Vec<Event>, store::Error> {
    let event = |record: Record| match record.value {
        Value::Event(event) => Some(*event),
        _ => None,
    };
    Ok(state.find(&Query::Events(query))?.into_iter().filter_map(event).collect())
}

fn event(state: &dyn State, id: EventId) -> Result<Option<Event>, store::Error> {
    let query = EventQuery { id: Some(id), limit: 1, ..EventQuery::default() };
    Ok(events(state, query)?.pop())
}
