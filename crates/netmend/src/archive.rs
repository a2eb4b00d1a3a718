//! A running daemon's answers about the past and about why: `explain` and `availability` through the control
//! socket, and the explanations on pages. Reads alone; what it says is made in [`crate::explain`] and [`crate::availability`].

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use model::alert::{AlertId, Subject, TargetSubject};
use model::{Alert, Judgement, SeriesId, Target};
use serde::{Deserialize, Serialize};
use show::{Alerts, AlertsNow, Explanation, Month, Now as _, Uptime, Uptimes};
use store::{Error, Samples, State as Records};

use crate::availability;
use crate::explain::alert::{self, AlertStory};
use crate::explain::host::{self, Archive, HostStory};
use crate::explain::past::Stored;
use crate::maintenance::Upkeep;
use crate::ports::Present;

/// Explains; GET with `host` or `alert`, answered with a [`Story`].
pub(crate) const EXPLAIN: &str = "/control/v1/explain";
/// Availability; GET with `month`, answered with CSV in a JSON string.
pub(crate) const AVAILABILITY: &str = "/control/v1/availability";

/// An explanation; `None` where there is no such host or alert.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Story {
    /// Of a host.
    pub(crate) host: Option<HostStory>,
    /// Of an alert.
    pub(crate) alert: Option<AlertStory>,
}

/// What is to be explained.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Asked {
    /// A host ...
    pub(crate) host: Option<String>,
    /// ... or an alert.
    pub(crate) alert: Option<AlertId>,
}

/// Where the answers come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) present: Arc<Present>,
    pub(crate) samples: Arc<dyn Samples>,
    pub(crate) state: Arc<dyn Records>,
}

/// The routes, before those of `pages`.
pub(crate) fn router(source: Source, pages: Router) -> Router {
    Router::new()
        .route(EXPLAIN, get(explain_route))
        .route(AVAILABILITY, get(availability_route))
        .with_state(source)
        .fallback_service(pages)
}

/// What is wrong now, with what is known beyond it: the pages' view of alerts, explained.
pub(crate) struct Explained {
    /// What is wrong now.
    pub(crate) alerts: Arc<dyn Alerts>,
    /// Where explanations come from.
    pub(crate) source: Source,
}

impl Alerts for Explained {
    fn present(&self) -> Arc<AlertsNow> {
        self.alerts.present()
    }

    fn judgement(&self, series: SeriesId) -> Option<Judgement> {
        self.alerts.judgement(series)
    }

    fn explain(&self, alert: &Alert) -> Explanation {
        let site = self.source.present.system().site;
        match self.source.look(|archive| alert::explain(archive, alert, Some(&site))) {
            Ok(story) => story.into(),
            Err(why) => Explanation {
                evidence: vec![format!("The store could not be read: {why}.")],
                ..Explanation::default()
            },
        }
    }

    fn availability(&self, month: Month, text: &str, most: usize) -> Result<Uptimes, Error> {
        self.source.look(|archive| uptimes(archive, month, text, most))
    }
}

type Failure = (StatusCode, String);

async fn explain_route(
    State(source): State<Source>,
    Query(asked): Query<Asked>,
) -> Result<Json<Story>, Failure> {
    let site = source.present.system().site;
    source.read(move |archive| explain(archive, &asked, Some(&site))).await.map(Json)
}

/// The month that is asked for.
#[derive(Deserialize)]
struct Which {
    month: String,
}

async fn availability_route(
    State(source): State<Source>,
    Query(which): Query<Which>,
) -> Result<Json<String>, Failure> {
    let month = Month::parse(&which.month);
    let month = month.ok_or((StatusCode::BAD_REQUEST, "a month is written as 2026-10\n".into()))?;
    source.read(move |archive| availability(archive, month)).await.map(Json)
}

impl Source {
    /// Reads on this thread.
    fn look<T>(&self, read: impl FnOnce(&Archive<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let snapshot = self.present.targets();
        let now = self.present.clock.now_ms();
        let (samples, state) = (&*self.samples, &*self.state);
        let judging = Some(&*self.present.judging);
        read(&Archive { samples, state, live: Some(&snapshot), judging, now })
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Archive<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let failed = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why);
        let answer = tokio::task::spawn_blocking(move || self.look(read)).await;
        answer.map_err(|why| failed(why.to_string()))?.map_err(|why| failed(why.to_string()))
    }
}

/// Explains a host or an alert.
pub(crate) fn explain(
    archive: &Archive<'_>,
    asked: &Asked,
    site: Option<&str>,
) -> Result<Story, Error> {
    let mut story = Story::default();
    if let Some(host) = &asked.host {
        story.host = host::explain(archive, host)?;
    }
    if let Some(id) = asked.alert
        && let Some(found) = alert::find(archive, id)?
    {
        story.alert = Some(alert::explain(archive, &found, site)?);
    }
    Ok(story)
}

/// The month of all targets as CSV.
pub(crate) fn availability(archive: &Archive<'_>, month: Month) -> Result<String, Error> {
    let uptimes = uptimes(archive, month, "", usize::MAX)?;
    let rows = uptimes.rows.iter().map(Uptime::csv);
    Ok(std::iter::once(Uptime::HEADER.to_owned()).chain(rows).collect())
}

/// The month of those targets whose host or region holds this text in any case, the first `most` of them.
fn uptimes(archive: &Archive<'_>, month: Month, text: &str, most: usize) -> Result<Uptimes, Error> {
    let upkeep = Upkeep::read(archive.state, &month.span())?;
    let text = text.to_lowercase();
    let holds = |label: &str| label.to_lowercase().contains(&text);
    let mut targets = Stored::all(archive.samples)?;
    targets.retain(|target| holds(target.label("host")) || holds(target.label("region")));
    let live = archive.live.into_iter().flat_map(|snapshot| &snapshot.targets);
    let live: HashMap<SeriesId, &Target> = live.map(|now| (now.series.rtt, &*now.target)).collect();
    let mut rows = Vec::new();
    for target in targets.iter().take(most) {
        let subject = match live.get(&target.rtt.id()) {
            Some(live) => TargetSubject::of(live),
            None => target.subject(),
        };
        let subject = Subject::Target(subject);
        let worked = upkeep.of(&|label| subject.label(label));
        rows.push(availability::row(archive.samples, target, month, archive.now, &worked)?);
    }
    Ok(Uptimes { rows, total: targets.len() })
}
