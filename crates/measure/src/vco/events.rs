//! What an orchestrator says has happened: `event/getEnterpriseEvents`, page by page. It must not decide what
//! matters.
//!
//! Sources: VMware "VCO API v1 5.0.0" (swagger), and the events of VMware's 4.0 administration guide.

use jiff::Timestamp;
use model::UnixMs;
use serde::{Deserialize, Serialize};

use super::api::Interval;
use super::client::Client;
use crate::sdwan::lenient::{Number, Object, Rows, Word};
use crate::sdwan::{Error, Happening, Window};

/// Events of one page.
const PAGE: u32 = 2_048;
/// Pages that are read at most of one window: what is more than that is a storm, whose beginning counts.
const PAGES: usize = 16;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    enterprise_id: Option<i64>,
    interval: Interval,
    filter: Filter,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_link: Option<&'p str>,
}

#[derive(Serialize)]
struct Filter {
    limit: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Row {
    id: Word,
    event_time: Word,
    event: Word,
    severity: Word,
    message: Word,
    detail: Word,
    edge_name: Word,
}

/// `detail` of an event about a link: JSON within a text.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    internal_id: Word,
}

/// What happened within a window, oldest first; of one customer, or of the only one that the credential sees.
///
/// # Errors
/// The orchestrator does not say.
pub async fn events(
    client: &Client,
    enterprise: Option<i64>,
    window: Window,
) -> Result<Vec<Happening>, Error> {
    const METHOD: &str = "event/getEnterpriseEvents";
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    for _ in 0..PAGES {
        let params = Params {
            enterprise_id: enterprise,
            interval: window.into(),
            filter: Filter { limit: PAGE },
            next_page_link: next.as_deref(),
        };
        let page: Rows<Object<Row>> = client.ask(METHOD, &params).await?;
        let rows = page.rows.ok_or_else(|| client.not(METHOD, "a list of events"))?;
        found.extend(rows.into_iter().filter_map(|row| happening(row.0?)));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(found)
}

/// A row as something that happened; `None` without identity, time or name.
fn happening(row: Row) -> Option<Happening> {
    let detail = row.detail.as_str();
    let detail = detail.and_then(|json| serde_json::from_str::<Object<Detail>>(json).ok()?.0);
    let what = row.event.0?;
    Some(Happening {
        id: row.id.0?,
        at: time(row.event_time.as_str()?)?,
        severity: row.severity.as_str().and_then(severity),
        message: row.message.0.unwrap_or_else(|| what.clone()),
        what,
        edge: row.edge_name.0,
        link: detail.and_then(|detail| detail.internal_id.0),
    })
}

/// A time as text (RFC 3339) or in milliseconds since 1970.
fn time(text: &str) -> Option<UnixMs> {
    if let Ok(number) = serde_json::from_str::<Number>(text)
        && let Some(at) = number.id()
    {
        return Some(UnixMs(at));
    }
    text.parse::<Timestamp>().ok().map(|at| UnixMs(at.as_millisecond()))
}

/// Severities are those of syslog, in words.
fn severity(word: &str) -> Option<u8> {
    const WORDS: [&str; 8] =
        ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];
    let place = WORDS.iter().position(|known| *known == word)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Happening> {
        happening(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_event_names_its_edge_its_link_and_how_bad_it_is() {
        let json = r#"{"id":82716379,"eventTime":"2024-06-15T14:00:26.000Z","event":"LINK_ALIVE",
            "severity":"INFO","message":"Link GE4 is no longer DEAD","edgeName":"LDN",
            "detail":"{\"logicalId\":\"00:01\",\"internalId\":\"u-1\"}","new":[1]}"#;
        let found = read(json).unwrap();
        assert_eq!((&*found.id, found.at), ("82716379", UnixMs(1_718_460_026_000)));
        assert_eq!((&*found.what, found.severity), ("LINK_ALIVE", Some(6)));
        assert_eq!((found.edge.as_deref(), found.link.as_deref()), (Some("LDN"), Some("u-1")));
    }

    #[test]
    fn what_is_missing_of_an_event_costs_it_only_where_it_cannot_be_known_again() {
        let json = r#"{"id":"7","eventTime":1718460026000,"event":"EDGE_DOWN","detail":"{broken",
            "severity":"NEW","edgeName":null}"#;
        let found = read(json).unwrap();
        assert_eq!((found.at, &*found.message), (UnixMs(1_718_460_026_000), "EDGE_DOWN"));
        assert_eq!((found.severity, found.edge, found.link), (None, None, None));
        assert_eq!(read(r#"{"eventTime":1718460026000,"event":"EDGE_DOWN"}"#), None);
        let never = r#"{"id":1,"eventTime":"0000-00-00 00:00:00","event":"EDGE_DOWN"}"#;
        assert_eq!(read(never), None);
    }
}
