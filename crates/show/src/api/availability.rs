//! `/api/v1/availability`: how much of a month targets were up, as JSON or CSV.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Problem, only};
use crate::account::Account;
use crate::app::App;
use crate::select::BadParam;
use crate::uptime::Uptime;

/// Most targets of one answer.
const MOST: usize = 100_000;

#[derive(Serialize)]
struct Answer {
    month: String,
    total: usize,
    targets: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    host: String,
    region: String,
    protocol: String,
    family: String,
    availability_pct: Option<f64>,
    up_minutes: u32,
    down_minutes: u32,
    maintenance_minutes: u32,
    no_data_minutes: u32,
    loss_pct: Option<f64>,
    outages: u32,
    longest_outage_minutes: u32,
}

impl From<Uptime> for Row {
    fn from(of: Uptime) -> Self {
        Self {
            host: of.host,
            region: of.region,
            protocol: of.protocol,
            family: of.family,
            availability_pct: of.availability_pct,
            up_minutes: of.minutes.up_minutes,
            down_minutes: of.minutes.down_minutes,
            maintenance_minutes: of.minutes.maintenance_minutes,
            no_data_minutes: of.minutes.no_data_minutes,
            loss_pct: of.loss_pct,
            outages: of.minutes.outages,
            longest_outage_minutes: of.minutes.longest_outage_minutes,
        }
    }
}

pub(super) async fn month(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    only(&pairs, &["month", "text", "format"])?;
    let account = Account::parse(&pairs, app.now())?;
    let format = pairs.iter().find(|(name, _)| name == "format");
    let csv = match format.map_or("json", |(_, value)| value.as_str()) {
        "csv" => true,
        "json" | "" => false,
        other => return Err(BadParam::new("format", other, "json, csv").into()),
    };
    let counted = account.count(&app, MOST).await?;
    let month = account.month.name();
    if csv {
        let mut text = String::from(Uptime::HEADER);
        text.extend(counted.rows.iter().map(Uptime::csv));
        let name = format!("attachment; filename=\"availability-{month}.csv\"");
        let head =
            [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
        return Ok((head, text).into_response());
    }
    let targets = counted.rows.into_iter().map(Row::from).collect();
    Ok(Json(Answer { month, total: counted.total, targets }).into_response())
}
