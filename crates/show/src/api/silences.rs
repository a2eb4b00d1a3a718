//! `/api/v1/silences`: what keeps alerts quiet, to list, set and end.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::UnixMs;
use model::alert::{Silence, SilenceId, Weekly};
use serde::{Deserialize, Serialize};

use super::{Problem, only};
use crate::app::App;
use crate::format::rfc3339;
use crate::select::BadParam;
use crate::{Command, Receipt, act};

#[derive(Serialize)]
pub(super) struct List {
    silences: Vec<One>,
    maintenance: Vec<Window>,
}

#[derive(Serialize)]
struct One {
    id: u64,
    holds: bool,
    matchers: Vec<Matcher>,
    from: Option<String>,
    until: Option<String>,
    weekly: Option<Hours>,
    created: Option<String>,
    by: String,
    note: String,
    expired: Option<String>,
    expired_by: Option<String>,
}

#[derive(Serialize)]
struct Window {
    name: String,
    holds: bool,
    matchers: Vec<Matcher>,
    from: Option<String>,
    until: Option<String>,
    weekly: Option<Hours>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matcher {
    label: String,
    #[serde(default = "is")]
    operator: String,
    value: String,
}

fn is() -> String {
    "=".to_owned()
}

/// Hours of the week, as `HH:MM`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    days: Vec<String>,
    from: String,
    until: String,
    #[serde(default)]
    zone: String,
}

impl Matcher {
    fn of(matcher: &model::alert::Matcher) -> Self {
        Self {
            label: matcher.label.clone(),
            operator: matcher.operator.as_str().to_owned(),
            value: matcher.value.clone(),
        }
    }
}

impl Hours {
    fn of(weekly: &Weekly) -> Self {
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        Self {
            days: weekly.days.iter().map(|day| day.as_str().to_lowercase()).collect(),
            from: clock(weekly.from),
            until: clock(weekly.until),
            zone: weekly.zone.clone(),
        }
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<List>, Problem> {
    only(&pairs, &["ended"])?;
    let after = match pairs.first().map_or("no", |(_, value)| value.as_str()) {
        "no" => app.now(),
        "yes" => UnixMs(i64::MIN),
        other => return Err(BadParam::new("ended", other, "yes or no").into()),
    };
    let judged = app.judging.view();
    let holds = |id: SilenceId| {
        judged.now.silences.iter().any(|known| known.silence.id == id && known.holds)
    };
    let one = |silence: Silence| One {
        id: silence.id.0,
        holds: holds(silence.id),
        matchers: silence.matchers.iter().map(Matcher::of).collect(),
        from: rfc3339(silence.from),
        until: silence.until.and_then(rfc3339),
        weekly: silence.weekly.as_ref().map(Hours::of),
        created: rfc3339(silence.created),
        by: silence.by,
        note: silence.note,
        expired: silence.expired.as_ref().and_then(|(at, _)| rfc3339(*at)),
        expired_by: silence.expired.map(|(_, by)| by),
    };
    let silences = app.history.silences(after).await?.into_iter().map(one).collect();
    let window = |window: &crate::Maintenance| Window {
        name: window.name.clone(),
        holds: window.holds,
        matchers: window.matchers.iter().map(Matcher::of).collect(),
        from: window.from.and_then(rfc3339),
        until: window.until.and_then(rfc3339),
        weekly: window.weekly.as_ref().map(Hours::of),
    };
    let maintenance = judged.now.maintenance.iter().map(window).collect();
    Ok(Json(List { silences, maintenance }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    matchers: Vec<Matcher>,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    duration: String,
    weekly: Option<Hours>,
    note: String,
    #[serde(default)]
    by: String,
}

#[derive(Serialize)]
pub(super) struct Done {
    silence: u64,
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let Json(asked) = asked?;
    let weekly = asked.weekly.as_ref();
    if weekly.is_some_and(|weekly| weekly.days.is_empty()) {
        let error = "a weekly silence names its days";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error, "mon, tue, ... sun"));
    }
    let typed = act::Typed {
        matchers: asked.matchers.into_iter().map(|m| (m.label, m.operator, m.value)).collect(),
        from: asked.from,
        until: asked.until,
        duration: asked.duration,
        days: weekly.map(|weekly| weekly.days.clone()).unwrap_or_default(),
        day_from: weekly.map(|weekly| weekly.from.clone()).unwrap_or_default(),
        day_until: weekly.map(|weekly| weekly.until.clone()).unwrap_or_default(),
        zone: weekly.map(|weekly| weekly.zone.clone()).unwrap_or_default(),
        note: asked.note,
    };
    let silence = typed.read(app.now())?;
    match act::submit(&app, &asked.by, Command::Silence(silence)).await? {
        Receipt::Silenced(id) => Ok((StatusCode::CREATED, Json(Done { silence: id.0 }))),
        Receipt::Acked(_) | Receipt::Expired(_) => {
            let error = "netmend did something else than to set a silence";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error, ""))
        }
    }
}

pub(super) async fn expire(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Done>, Problem> {
    let id: SilenceId = id.parse().map_err(|_| {
        let allowed = "an `id` of /api/v1/silences: a number such as 3";
        Problem::new(StatusCode::NOT_FOUND, "no silence has this number", allowed)
    })?;
    act::submit(&app, "", Command::Expire(id)).await?;
    Ok(Json(Done { silence: id.0 }))
}
