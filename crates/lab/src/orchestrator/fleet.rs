//! What a simulated orchestrator knows: edges, links, their readings and what happened to them, all computed from
//! numbers and the time, so that the same question has the same answer. It holds no socket.

use model::UnixMs;
use model::wan::WanMetric;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Of, OrchestratorOptions, Trouble, What};

/// Between two readings, in milliseconds.
const STEP: i64 = 300_000;
/// When in each span the reading is, in milliseconds.
const PHASE: i64 = 150_000;
/// The only customer.
const CUSTOMER: (u32, &str) = (1, "SIMULATION");
/// Providers of links.
const PROVIDERS: [&str; 5] = ["North Fibre", "Coast Cable", "Metro DSL", "Hill LTE", "Plain Fibre"];

#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) options: OrchestratorOptions,
}

/// A link: its edge and its number on it, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LinkNumber(u32, u32);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    link_id: u64,
    link_logical_id: String,
    name: String,
    best_latency_ms_rx: f64,
    link: Monitored,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Monitored {
    enterprise_id: u32,
    enterprise_name: &'static str,
    edge_id: u32,
    edge_name: String,
    internal_id: String,
    display_name: String,
    interface: String,
    isp: &'static str,
    link_id: u64,
    link_state: &'static str,
    link_mode: &'static str,
    link_backup_state: &'static str,
}

/// The quality of one link, with the fields beside that make real answers large.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Quality {
    timeseries: Vec<Entry>,
    total_score: u32,
    sample_length: u32,
    sample_count: usize,
}

#[derive(Serialize)]
struct Entry {
    timestamp: i64,
    before: States,
    after: States,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    detail: Detail,
    metrics: [Change; 18],
}

/// The state for voice, video and transactions.
#[derive(Clone, Copy, Serialize)]
struct States {
    #[serde(rename = "0")]
    voice: u32,
    #[serde(rename = "1")]
    video: u32,
    #[serde(rename = "2")]
    transactional: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    latency_ms_tx: f64,
    latency_ms_rx: f64,
    jitter_ms_tx: f64,
    jitter_ms_rx: f64,
    loss_pct_tx: f64,
    loss_pct_rx: f64,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    traffic_type: u32,
    action: u32,
    metric: u32,
    after_state: u32,
    before_state: u32,
}

impl LinkNumber {
    fn id(self) -> String {
        format!("{:08}-0000-4000-8000-{:012}", self.0, self.1)
    }
}

impl Trouble {
    /// Whether a link has it, with so many gateways.
    fn concerns(&self, link: LinkNumber, gateways: u32) -> bool {
        match self.of {
            Of::Link(edge, number) => link == LinkNumber(edge, number),
            Of::Edge(edge) => link.0 == edge,
            Of::Gateway(gateway) => gateway_of(link.0, gateways) == gateway,
        }
    }
}

/// The number of an edge's gateway, from 1.
fn gateway_of(edge: u32, gateways: u32) -> u32 {
    (edge - 1) % gateways.max(1) + 1
}

/// The only customer.
pub(super) fn customer() -> Value {
    json!({ "id": CUSTOMER.0, "name": CUSTOMER.1 })
}

fn edge_name(edge: u32) -> String {
    format!("edge-{edge:04}")
}

fn link_name(link: LinkNumber) -> String {
    format!("WAN {}", link.1)
}

/// A number from -1 to 1 that follows from what it is for.
fn noise(link: LinkNumber, metric: usize, slot: i64) -> f64 {
    let mut seed = u64::from(link.0) << 40 ^ u64::from(link.1) << 32 ^ (metric as u64) << 28;
    seed ^= slot.cast_unsigned();
    // SplitMix64 (Steele, Lea and Flood 2014).
    seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    seed ^= seed >> 31;
    seed as f64 / (u64::MAX / 2) as f64 - 1.0
}

impl Fleet {
    pub(super) fn new(options: OrchestratorOptions) -> Self {
        Self { options }
    }

    /// All links as they are at `now`, as the answer that lists them.
    pub(super) fn links(&self, now: UnixMs) -> Vec<u8> {
        let all = (1..=self.options.edges)
            .flat_map(|edge| (1..=self.options.links).map(move |link| LinkNumber(edge, link)));
        let rows: Vec<Row> = all
            .map(|link| {
                let (dead, id) = (self.is_down(link, now.0), link.id());
                let link_id = u64::from(link.0) * 1_000 + u64::from(link.1);
                let interface = format!("GE{}", link.1 + 2);
                Row {
                    link_id,
                    link_logical_id: id.clone(),
                    name: interface.clone(),
                    best_latency_ms_rx: self.value(link, 1, now.0 / STEP),
                    link: Monitored {
                        enterprise_id: CUSTOMER.0,
                        enterprise_name: CUSTOMER.1,
                        edge_id: link.0,
                        edge_name: edge_name(link.0),
                        internal_id: id,
                        display_name: link_name(link),
                        interface,
                        isp: PROVIDERS[(link.0 + link.1) as usize % PROVIDERS.len()],
                        link_id,
                        link_state: if dead { "DEAD" } else { "STABLE" },
                        link_mode: "ACTIVE",
                        link_backup_state: "UNCONFIGURED",
                    },
                }
            })
            .collect();
        serde_json::to_vec(&rows).expect("rows are numbers and text")
    }

    /// What the links of an edge measured from `start` to `end` and have told by `now`.
    pub(super) fn readings(&self, edge: u32, start: i64, end: i64, now: UnixMs) -> Vec<u8> {
        let end = end.min(now.0 + 1);
        let first = (start - PHASE).div_euclid(STEP) + i64::from((start - PHASE) % STEP != 0);
        // A question about all of time is answered for the last two weeks of it.
        let first = first.max(end.div_euclid(STEP) - 14 * 288);
        let quality = |link| {
            let slots = (first..).take_while(|slot| slot * STEP + PHASE < end);
            let timeseries: Vec<Entry> = slots.map(|slot| self.entry(link, slot)).collect();
            let sample_count = timeseries.len();
            Quality { timeseries, total_score: 10, sample_length: 60_000, sample_count }
        };
        let links = (1..=self.options.links).map(|link| LinkNumber(edge, link));
        let answer: std::collections::BTreeMap<String, Quality> =
            links.map(|link| (link.id(), quality(link))).collect();
        serde_json::to_vec(&answer).expect("readings are numbers and text")
    }

    fn entry(&self, link: LinkNumber, slot: i64) -> Entry {
        let [latency_ms_tx, latency_ms_rx, jitter_ms_tx, jitter_ms_rx, loss_pct_tx, loss_pct_rx] =
            std::array::from_fn(|metric| self.value(link, metric, slot));
        let detail = Detail {
            latency_ms_tx,
            latency_ms_rx,
            jitter_ms_tx,
            jitter_ms_rx,
            loss_pct_tx,
            loss_pct_rx,
        };
        let change =
            Change { traffic_type: 0, action: 0, metric: 0, after_state: 4, before_state: 4 };
        let metrics = std::array::from_fn(|place| {
            let (metric, traffic_type) = (place as u32 / 3, place as u32 % 3);
            Change { traffic_type, metric, ..change }
        });
        let (metadata, good) =
            (Metadata { detail, metrics }, States { voice: 4, video: 4, transactional: 4 });
        Entry { timestamp: slot * STEP + PHASE, before: good, after: good, metadata }
    }

    /// The value of a metric, by its place in [`WanMetric::ALL`], in a span.
    fn value(&self, link: LinkNumber, metric: usize, slot: i64) -> f64 {
        let (base, spread, whole) = match WanMetric::ALL[metric] {
            WanMetric::LatencyTx | WanMetric::LatencyRx => {
                (15.0 + f64::from((link.0 * 7 + link.1 * 13) % 40), 2.0, true)
            }
            WanMetric::JitterTx | WanMetric::JitterRx => (3.0, 1.5, true),
            WanMetric::LossTx | WanMetric::LossRx => (0.05, 0.05, false),
        };
        let mut value: f64 = base + spread * noise(link, metric, slot);
        for trouble in self.troubles(link, slot * STEP + PHASE) {
            value = match (trouble.what, WanMetric::ALL[metric]) {
                (What::Slow(ms), WanMetric::LatencyRx) => value + ms,
                (What::Lossy(percent), WanMetric::LossTx | WanMetric::LossRx) => value + percent,
                (What::Down, WanMetric::LossTx | WanMetric::LossRx) => 100.0,
                (What::Down, _) => 0.0,
                _ => value,
            };
        }
        if whole { value.round() } else { (value * 100.0).round() / 100.0 }
    }

    /// What a link suffers from at a time.
    fn troubles(&self, link: LinkNumber, at: i64) -> impl Iterator<Item = &Trouble> {
        let OrchestratorOptions { troubles, gateways, .. } = &self.options;
        let mine = troubles.iter().filter(move |trouble| trouble.concerns(link, *gateways));
        mine.filter(move |trouble| {
            let since = at - self.options.began.0;
            let cycle = self.options.cycle.as_millis() as i64;
            let within = if cycle > 0 { since.rem_euclid(cycle) } else { since };
            let starts = trouble.starts.as_millis() as i64;
            since >= 0 && (starts..starts + trouble.lasts.as_millis() as i64).contains(&within)
        })
    }

    fn is_down(&self, link: LinkNumber, at: i64) -> bool {
        self.troubles(link, at).any(|trouble| trouble.what == What::Down)
    }

    /// What happened from `start` to `end`: edges and links that went down and came up, newest first.
    pub(super) fn events(&self, start: i64, end: i64) -> Vec<Value> {
        let OrchestratorOptions { began, cycle, troubles, .. } = &self.options;
        let cycle = cycle.as_millis() as i64;
        let mut found = Vec::new();
        // A gateway that is down says nothing of itself.
        let told = |trouble: &&Trouble| !matches!(trouble.of, Of::Gateway(_));
        let down = troubles.iter().filter(|trouble| trouble.what == What::Down).filter(told);
        for (number, trouble) in (0_i64..).zip(down) {
            let starts = began.0 + trouble.starts.as_millis() as i64;
            let lasts = trouble.lasts.as_millis() as i64;
            let round = |at: i64| if cycle > 0 { (at - starts).div_euclid(cycle) } else { 0 };
            for round in (round(start) - 1).max(0)..=round(end).max(0) {
                let at = starts + round * cycle;
                let id = round * 2_000 + number * 2 + 1;
                found.extend([(at, id, trouble.of, true), (at + lasts, id + 1, trouble.of, false)]);
            }
        }
        found.retain(|(at, ..)| (start..=end).contains(at));
        found.sort_by_key(|(at, id, ..)| std::cmp::Reverse((*at, *id)));
        found.into_iter().map(event).collect()
    }

    /// Edges with their sites.
    pub(super) fn sites(&self) -> Value {
        let edge = |edge: u32| json!({ "id": edge, "name": edge_name(edge), "enterpriseId": CUSTOMER.0, "site": { "name": format!("site-{edge:04}") } });
        (1..=self.options.edges).map(edge).collect()
    }

    /// The gateways of an edge.
    pub(super) fn gateways(&self, edge: u32) -> Value {
        let number = gateway_of(edge, self.options.gateways);
        json!({ "primary": { "id": number, "name": format!("gateway-{number}") } })
    }
}

fn event((at, id, of, down): (i64, i64, Of, bool)) -> Value {
    let (edge, name, detail) = match of {
        Of::Link(edge, link) => {
            let link = LinkNumber(edge, link);
            let detail = json!({ "internalId": link.id() }).to_string();
            (edge, if down { "LINK_DEAD" } else { "LINK_ALIVE" }, detail)
        }
        Of::Edge(edge) | Of::Gateway(edge) => {
            (edge, if down { "EDGE_DOWN" } else { "EDGE_UP" }, String::new())
        }
    };
    let time = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    json!({
        "id": id, "eventTime": time.to_string(), "event": name, "category": "NETWORK",
        "severity": if down { "ALERT" } else { "INFO" }, "edgeName": edge_name(edge),
        "message": format!("SIMULATION: {name} of {}", edge_name(edge)), "detail": detail,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn troubled() -> Fleet {
        Fleet::new(OrchestratorOptions::new(4, 2).with_troubles(UnixMs(0)))
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_only_what_was_told_by_now() {
        let fleet = Fleet::new(OrchestratorOptions::new(3, 2));
        let ask = |start: i64, end: i64, now: i64| -> Value {
            let answer = fleet.readings(2, start, end, UnixMs(now));
            serde_json::from_slice(&answer).unwrap()
        };
        let hour = ask(0, 60 * MINUTE, 60 * MINUTE);
        assert_eq!(hour, ask(0, 60 * MINUTE, 60 * MINUTE));
        let series = |answer: &Value| {
            let link = LinkNumber(2, 1).id();
            let times = answer[link]["timeseries"].as_array().unwrap().iter();
            times.map(|entry| entry["timestamp"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(series(&hour).len(), 12);
        assert_eq!(series(&ask(PHASE, PHASE + 1, 60 * MINUTE)), [PHASE]);
        assert_eq!(series(&ask(PHASE + 1, PHASE + STEP, 60 * MINUTE)), [] as [i64; 0]);
        assert_eq!(series(&ask(0, 60 * MINUTE, PHASE - 1)), [] as [i64; 0]);
        assert_eq!(series(&ask(-(1 << 52), 1 << 52, 60 * MINUTE)).len(), 14 * 288);
    }

    #[test]
    fn troubles_come_and_go_and_come_again() {
        let fleet = troubled();
        let slot = |minute: i64| minute * MINUTE / STEP;
        let latency = |minute| fleet.value(LinkNumber(1, 1), 1, slot(minute));
        assert!(latency(0) < 60.0 && latency(10) > 90.0 && latency(30) < 60.0);
        assert!(latency(100) > 90.0, "again after an hour and a half");
        let loss = |edge, minute| fleet.value(LinkNumber(edge, 2), 4, slot(minute));
        assert!(loss(1, 40) > 7.0 && loss(3, 40) > 7.0 && loss(2, 40) < 1.0);
        assert!(fleet.is_down(LinkNumber(2, 1), 61 * MINUTE));
        assert!(!fleet.is_down(LinkNumber(2, 1), -29 * MINUTE), "not before it began");
    }

    #[test]
    fn what_goes_down_is_told_once_and_so_is_what_comes_up() {
        let fleet = troubled();
        let told = |start: i64, end: i64| -> Vec<(String, String)> {
            let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
            let events = fleet.events(start * MINUTE, end * MINUTE);
            events.iter().map(|event| (word(event, "event"), word(event, "edgeName"))).collect()
        };
        let edge = |what: &str| (what.to_owned(), "edge-0002".to_owned());
        assert_eq!(told(0, 59), []);
        assert_eq!(told(59, 80), [edge("EDGE_UP"), edge("EDGE_DOWN")]);
        assert_eq!(told(145, 155), [edge("EDGE_DOWN")]);
        let ids: Vec<Value> =
            fleet.events(0, 900 * MINUTE).iter().map(|event| event["id"].clone()).collect();
        let mut once = ids.clone();
        once.dedup();
        assert_eq!((ids.len(), once.len()), (20, 20));
    }

    #[test]
    fn a_link_alone_says_which_it_is() {
        let mut options = OrchestratorOptions::new(1, 2);
        let minute = Duration::from_mins(1);
        options.troubles =
            vec![Trouble { of: Of::Link(1, 2), what: What::Down, starts: minute, lasts: minute }];
        let events = Fleet::new(options).events(0, 10 * MINUTE);
        assert_eq!(events.len(), 2, "without a cycle it does not come again");
        assert_eq!(events[1]["event"], "LINK_DEAD");
        let detail: Value = serde_json::from_str(events[1]["detail"].as_str().unwrap()).unwrap();
        assert_eq!(detail["internalId"], json!(LinkNumber(1, 2).id()));
    }
}
