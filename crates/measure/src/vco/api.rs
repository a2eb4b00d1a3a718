//! The questions we ask an orchestrator, and the answers as we understand them. Fields and kinds differ
//! between releases: what is unknown is ignored, what is missing is missing.
//!
//! Sources: VMware "VCO API v1 5.0.0" (swagger) and answers that public clients recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use model::UnixMs;
use model::wan::{Link, LinkState, Reading, WanMetric};
use serde::{Deserialize, Serialize};

use super::client::Client;
use crate::sdwan::lenient::{List, Number, Object, Word};
use crate::sdwan::{EdgeId, Error, Readings, Window};

/// The interval of the list of links: shorter ones are not recommended (VCO API v1).
const LISTED: Duration = Duration::from_mins(10);

/// A span in a request: milliseconds since the epoch, 13 digits.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Interval {
    start: i64,
    end: i64,
}

impl From<Window> for Interval {
    fn from(window: Window) -> Self {
        Self { start: window.start.0, end: window.end.0 }
    }
}

/// What was understood of an answer, and how many of its values were not.
#[derive(Clone, Debug, Default)]
pub(super) struct Understood<T> {
    pub(super) found: T,
    /// Values that should be there and are not, or are of another kind than documented.
    pub(super) odd: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Row {
    name: Word,
    link_logical_id: Word,
    link: Object<Monitored>,
}

/// `monitored_link`; of it, what we use.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Monitored {
    enterprise_id: Number,
    enterprise_name: Word,
    edge_id: Number,
    edge_name: Word,
    display_name: Word,
    interface: Word,
    internal_id: Word,
    isp: Word,
    link_state: Word,
    link_mode: Word,
    link_backup_state: Word,
}

impl Client {
    /// The links that were active within the day before the window's end, of all customers that the credential sees,
    /// or of those with these numbers.
    pub(super) async fn links(
        &self,
        window: Window,
        enterprises: &[i64],
    ) -> Result<Understood<Vec<Link>>, Error> {
        const METHOD: &str = "monitoring/getAggregateEdgeLinkMetrics";
        #[derive(Serialize)]
        struct Params<'p> {
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            enterprises: &'p [i64],
            /// One metric: without, the answer holds dozens that nobody asked for.
            metrics: [&'static str; 1],
            interval: Interval,
        }
        // Which links are listed does not depend on the interval, but what the orchestrator computes for it does.
        let interval = Window { start: window.start.max(window.end - LISTED), ..window }.into();
        let params = Params { enterprises, metrics: ["bestLatencyMsRx"], interval };
        let rows: List<Object<Row>> = self.ask(METHOD, &params).await?;
        let rows = rows.0.ok_or_else(|| self.not(METHOD, "a list of links"))?;
        let mut understood = Understood { found: Vec::with_capacity(rows.len()), odd: 0 };
        for row in rows {
            match row.0.and_then(link) {
                Some((link, odd)) => {
                    understood.odd += u64::from(odd);
                    understood.found.push(link);
                }
                None => understood.odd += 1,
            }
        }
        Ok(understood)
    }

    /// The readings of an edge's links within a window, one every `minutes` minutes, by link identity;
    /// ascending and each time once.
    pub(super) async fn readings(
        &self,
        edge: &EdgeId,
        window: Window,
        minutes: u64,
    ) -> Result<Understood<Readings>, Error> {
        const METHOD: &str = "linkQualityEvent/getLinkQualityEvents";
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params {
            edge_id: i64,
            #[serde(skip_serializing_if = "Option::is_none")]
            enterprise_id: Option<i64>,
            interval: Interval,
            minutes_per_sample: u64,
        }
        let params = Params {
            edge_id: self.number(METHOD, edge)?,
            enterprise_id: edge.enterprise,
            interval: window.into(),
            minutes_per_sample: minutes,
        };
        let links: Object<BTreeMap<String, Object<Quality>>> = self.ask(METHOD, &params).await?;
        let links = links.0.ok_or_else(|| self.not(METHOD, "a map of links"))?;
        Ok(understood(links, window))
    }

    /// The number of an edge, as questions name it.
    pub(super) fn number(&self, method: &'static str, edge: &EdgeId) -> Result<i64, Error> {
        let number = edge.edge.parse();
        number.map_err(|_| self.not(method, &format!("about a numbered edge: {:?}", edge.edge)))
    }

    pub(super) fn not(&self, method: &'static str, wanted: &str) -> Error {
        Error::Answer { at: self.at().to_owned(), method, why: format!("it is not {wanted}") }
    }
}

/// A row as a link, and whether something of it was missing; `None` without the identities that all else
/// hangs on.
fn link(row: Row) -> Option<(Link, bool)> {
    let link = row.link.0?;
    let edge = link.edge_id.id()?;
    let id = link.internal_id.0.or(row.link_logical_id.0)?;
    let enterprise = link.enterprise_id.id();
    let odd = link.edge_id.odd || link.enterprise_id.odd;
    let odd = odd || link.display_name.0.is_none() || link.edge_name.0.is_none();
    let interface = link.interface.0.or(row.name.0);
    let number = |id: Option<i64>| id.map_or_else(String::new, |id| id.to_string());
    let word = |word: &Word| word.as_str().unwrap_or_default().to_owned();
    let state = LinkState::from_words(
        &word(&link.link_state),
        &word(&link.link_mode),
        &word(&link.link_backup_state),
    );
    let link = Link {
        enterprise,
        customer: link.enterprise_name.0.unwrap_or_else(|| number(enterprise)),
        edge: edge.to_string(),
        edge_name: link.edge_name.0.unwrap_or_else(|| number(Some(edge))),
        name: link.display_name.0.or_else(|| interface.clone()).unwrap_or_else(|| id.clone()),
        id,
        interface,
        isp: link.isp.0,
        gateway: None,
        site: None,
        state,
    };
    Some((link, odd))
}

/// What is said of one link.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Quality {
    timeseries: List<Object<Entry>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    timestamp: Number,
    metadata: Object<Metadata>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    detail: Object<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    latency_ms_tx: Number,
    latency_ms_rx: Number,
    jitter_ms_tx: Number,
    jitter_ms_rx: Number,
    loss_pct_tx: Number,
    loss_pct_rx: Number,
}

/// The readings of each link in a map of them.
fn understood(links: BTreeMap<String, Object<Quality>>, window: Window) -> Understood<Readings> {
    let mut understood: Understood<Readings> = Understood::default();
    for (id, quality) in links {
        // The sum over all links has states alone.
        if id == "overallLinkQuality" {
            continue;
        }
        let entries = quality.0.unwrap_or_default().timeseries.0.unwrap_or_default();
        let readings = readings(entries, window, &mut understood.odd);
        understood.found.insert(id, readings);
    }
    understood
}

/// The readings among the entries of a link, ascending and each time once. Edges whose clock is wrong send times
/// outside the window: those are not taken for times within it.
fn readings(entries: Vec<Object<Entry>>, window: Window, odd: &mut u64) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((reading, odd_values)) = entry.0.and_then(reading) else {
            *odd += 1;
            continue;
        };
        *odd += odd_values;
        if window.contains(reading.at) {
            readings.push(reading);
        } else {
            *odd += 1;
        }
    }
    // Stable: of two readings of one time the later one in the answer counts, which is the correction.
    readings.sort_by_key(|reading| reading.at);
    let before = readings.len();
    readings.dedup_by(|later, kept| {
        let double = later.at == kept.at;
        if double {
            *kept = *later;
        }
        double
    });
    *odd += (before - readings.len()) as u64;
    readings
}

/// An entry as a reading, and how many of its values are odd; `None` without a time or any value.
fn reading(entry: Entry) -> Option<(Reading, u64)> {
    let at = UnixMs(entry.timestamp.id()?);
    let detail = entry.metadata.0?.detail.0?;
    let values = WanMetric::ALL.map(|metric| match metric {
        WanMetric::LatencyTx => detail.latency_ms_tx,
        WanMetric::LatencyRx => detail.latency_ms_rx,
        WanMetric::JitterTx => detail.jitter_ms_tx,
        WanMetric::JitterRx => detail.jitter_ms_rx,
        WanMetric::LossTx => detail.loss_pct_tx,
        WanMetric::LossRx => detail.loss_pct_rx,
    });
    let sane = values.map(|number| number.value.filter(|value| *value >= 0.0));
    let odd = values.iter().zip(&sane).filter(|(n, sane)| n.odd || n.value != **sane).count();
    let odd = odd as u64 + u64::from(entry.timestamp.odd);
    sane.iter().any(Option::is_some).then_some((Reading { at, values: sane }, odd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> (Vec<Reading>, u64) {
        let window = Window { start: UnixMs(1_000), end: UnixMs(2_000) };
        let map =
            format!(r#"{{"u-1":{{"score":{{}},"timeseries":{json}}},"overallLinkQuality":[]}}"#);
        let links: Object<_> = serde_json::from_str(&map).unwrap();
        let mut found = understood(links.0.unwrap(), window);
        assert_eq!(found.found.len(), 1);
        (found.found.remove("u-1").unwrap(), found.odd)
    }

    #[test]
    fn readings_come_out_ascending_and_each_time_once() {
        let (found, odd) = parsed(
            r#"[{"timestamp":1500,"metadata":{"detail":{"latencyMsTx":1}}},
                {"timestamp":1200,"metadata":{"detail":{"latencyMsTx":2}}},
                {"timestamp":1500,"metadata":{"detail":{"latencyMsTx":3}}},
                {"timestamp":2000,"metadata":{"detail":{"latencyMsTx":4}}},
                {"timestamp":999,"metadata":{"detail":{"latencyMsTx":5}}}]"#,
        );
        let times: Vec<_> = found.iter().map(|r| (r.at.0, r.values[0])).collect();
        assert_eq!(times, [(1200, Some(2.0)), (1500, Some(3.0))]);
        assert_eq!(odd, 3, "one double, two outside the window");
    }

    #[test]
    fn what_cannot_be_understood_is_counted_and_the_rest_is_kept() {
        let (found, odd) = parsed(
            r#"[{"timestamp":"1500","metadata":{"detail":{"latencyMsTx":"12.5","lossPctRx":null,
                  "jitterMsTx":-1,"jitterMsRx":{},"new":[1]}}},
                {"timestamp":1600,"metadata":null}, {"timestamp":1700,"metadata":{"detail":null}},
                {"timestamp":1800,"metadata":{"detail":{}}}, {"timestamp":null}, null, 7]"#,
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].values, [Some(12.5), None, None, None, None, None]);
        assert_eq!(odd, 4 + 6);
    }

    fn row(json: &str) -> Option<(Link, bool)> {
        link(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_link_without_names_goes_by_its_identities() {
        let (link, odd) =
            row(r#"{"linkLogicalId":"u-1","link":{"edgeId":"7","enterpriseId":3}}"#).unwrap();
        assert!(odd);
        assert_eq!((&*link.edge, &*link.edge_name, &*link.customer), ("7", "7", "3"));
        assert_eq!((&*link.id, &*link.name), ("u-1", "u-1"));
        let (named, _) = row(r#"{"name":"GE3","link":{"edgeId":7,"internalId":"u-1"}}"#).unwrap();
        assert_eq!(named.name, "GE3");
        assert!(row(r#"{"link":{"edgeId":7}}"#).is_none(), "no identity");
        assert!(row(r#"{"linkLogicalId":"u-1","link":null}"#).is_none(), "no edge");
    }
}
