//! Which month of which targets is asked for: the query that the Availability page, its CSV and the API share. It
//! must not render anything.

use std::sync::Arc;

use model::UnixMs;

use crate::app::App;
use crate::history::Unavailable;
use crate::select::BadParam;
use crate::uptime::{Month, Uptimes};

/// What to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The month.
    pub(crate) month: Month,
    /// Part of the host or the region, in any case.
    pub(crate) text: String,
}

impl Account {
    /// Reads the query of a URL; the month that is running if none is given.
    pub(crate) fn parse(pairs: &[(String, String)], now: UnixMs) -> Result<Self, BadParam> {
        let given = |name: &str| {
            let found = pairs.iter().find(|(known, value)| known == name && !value.is_empty());
            found.map_or("", |(_, value)| value.trim())
        };
        let text = given("month");
        let bad = || BadParam::new("month", text, "a month up to now, such as 2026-10");
        let month = if text.is_empty() { Month::of(now) } else { Month::parse(text) };
        let month = month.filter(|month| month.span().start <= now).ok_or_else(bad)?;
        Ok(Self { month, text: given("text").to_owned() })
    }

    /// Has it counted, for at most so many targets.
    pub(crate) async fn count(&self, app: &App, most: usize) -> Result<Uptimes, Unavailable> {
        let (alerts, Self { month, text }) = (Arc::clone(&app.deps.alerts), self.clone());
        app.history.ask(move || alerts.availability(month, &text, most)).await
    }
}
