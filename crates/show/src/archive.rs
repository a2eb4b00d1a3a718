//! Alerts, silences and notices as the store keeps them: what is over, and what became of messages. It must
//! not render anything, and reads no more at a time than a page needs.

use std::ops::ControlFlow;

use model::alert::{Notice, Silence};
use model::{Alert, AlertId, UnixMs};
use store::{AlertQuery, Query, Record, State, Value};

use crate::history::{History, Span, Unavailable};
use crate::sift::Sift;

/// Alerts are read so many at a time.
const BATCH: u32 = 200;
/// A search gives up after so many alerts and says where it stopped, so that none lasts for ever.
const SEARCHED: usize = 5_000;
/// Most silences and notices of a list.
const LISTED: u32 = 200;
/// Most alerts on one chart.
const ON_CHART: u32 = 100;

/// A page of stored alerts.
pub(crate) struct Found {
    /// The alerts, newest first.
    pub(crate) alerts: Vec<Alert>,
    /// Where the next page begins, if there may be one: with lower numbers than this.
    pub(crate) next: Option<AlertId>,
}

impl History {
    /// One alert as it was last stored.
    pub(crate) async fn alert(&self, id: AlertId) -> Result<Option<Alert>, Unavailable> {
        let query = AlertQuery { id: Some(id), limit: 1, ..AlertQuery::default() };
        let found = self.ask_state(move |state| find(state, query)).await?;
        Ok(found.into_iter().next())
    }

    /// Stored alerts that `sift` takes, newest first: of one subject if `query` says so.
    pub(crate) async fn alerts(
        &self,
        sift: &Sift,
        query: AlertQuery,
    ) -> Result<Found, Unavailable> {
        let sift = sift.clone();
        self.ask_state(move |state| search(state, &sift, query)).await
    }

    /// The alerts of one subject that were open at some time of a span, newest first.
    pub(crate) async fn alerts_in(
        &self,
        subject: String,
        span: Span,
    ) -> Result<Vec<Alert>, Unavailable> {
        let query = AlertQuery {
            subject: Some(subject),
            from: Some(span.from),
            until: Some(span.until),
            limit: ON_CHART,
            ..AlertQuery::default()
        };
        self.ask_state(move |state| find(state, query)).await
    }

    /// Earlier alerts of the same subject, newest first.
    pub(crate) async fn earlier(
        &self,
        alert: &Alert,
        limit: u32,
    ) -> Result<Vec<Alert>, Unavailable> {
        let query = AlertQuery {
            subject: Some(alert.subject.key()),
            before: Some(alert.id),
            limit,
            ..AlertQuery::default()
        };
        self.ask_state(move |state| find(state, query)).await
    }

    /// Silences that end after a time, newest first.
    pub(crate) async fn silences(&self, after: UnixMs) -> Result<Vec<Silence>, Unavailable> {
        let query = Query::Silences { after, limit: LISTED };
        let records = self.ask_state(move |state| state.find(&query)).await?;
        let silence = |record: Record| match record.value {
            Value::Silence(silence) => Some(silence),
            _ => None,
        };
        Ok(records.into_iter().filter_map(silence).collect())
    }

    /// What was sent about an alert and what waits, newest first.
    pub(crate) async fn notices(&self, alert: AlertId) -> Result<Vec<Notice>, Unavailable> {
        let query = Query::NoticesOf { alert, limit: LISTED };
        let records = self.ask_state(move |state| state.find(&query)).await?;
        let notice = |record: Record| match record.value {
            Value::Notice(notice) => Some(*notice),
            _ => None,
        };
        Ok(records.into_iter().filter_map(notice).collect())
    }
}

fn find(state: &dyn State, query: AlertQuery) -> Result<Vec<Alert>, store::Error> {
    let records = state.find(&Query::Alerts(query))?;
    let alert = |record: Record| match record.value {
        Value::Alert(alert) => Some(*alert),
        _ => None,
    };
    Ok(records.into_iter().filter_map(alert).collect())
}

fn search(state: &dyn State, sift: &Sift, mut query: AlertQuery) -> Result<Found, store::Error> {
    query.before = sift.before;
    query.limit = BATCH;
    if sift.is_past() {
        query.open = Some(false);
    }
    let mut found = Found { alerts: Vec::new(), next: None };
    let mut searched = 0;
    loop {
        let batch = find(state, query.clone())?;
        let is_last = batch.len() < BATCH as usize;
        searched += batch.len();
        query.before = batch.last().map(|alert| alert.id).or(query.before);
        if take(&mut found, sift, batch).is_break() || is_last {
            return Ok(found);
        }
        if searched >= SEARCHED {
            found.next = query.before;
            return Ok(found);
        }
    }
}

/// Adds what `sift` takes, until its page is full.
fn take(found: &mut Found, sift: &Sift, batch: Vec<Alert>) -> ControlFlow<()> {
    for alert in batch {
        if !sift.takes(&alert) {
            continue;
        }
        if found.alerts.len() == sift.limit {
            found.next = found.alerts.last().map(|alert| alert.id);
            return ControlFlow::Break(());
        }
        found.alerts.push(alert);
    }
    ControlFlow::Continue(())
}
