//! Asks Cisco Meraki's dashboard how the uplinks of security appliances are: loss and latency of each, towards
//! the addresses that the appliance watches. It must not store, judge or show anything.
//!
//! The dashboard measures there and back, one number: upload and download of a reading are the same here, and
//! there is no jitter. It knows no events that we ask for and no gateways, and answers for five minutes at a
//! time, so that nothing is fetched of a distant past.
//!
//! Source: Meraki Dashboard API v1, `getOrganizations`, `getOrganizationDevices`,
//! `getOrganizationDevicesUplinksLossAndLatency`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use model::wan::{Link, LinkState, Reading, WanMetric};
use model::{Secret, UnixMs};
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sdwan::lenient::{List, Number, Object, Word};
use crate::sdwan::{
    Address, BadConfig, Error, Failure, Line, Poll, Scope, Tries, Trust, Window, read, sensitive,
};

/// Longest time that one question about uplinks may cover.
const SLICE: Duration = Duration::from_mins(5);
/// Devices of one page.
const PAGE: usize = 1_000;
/// Pages that are read at most.
const PAGES: usize = 64;

/// How the dashboard is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it is, `api.meraki.com` for most.
    pub address: Address,
    /// An API key.
    pub token: Secret,
    /// PEM certificates that are trusted instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// Proxy to go through; `None` is what `HTTPS_PROXY` and `NO_PROXY` say.
    pub proxy: Option<String>,
    /// For one question and its whole answer.
    pub timeout: Duration,
}

/// The dashboard, ready to be asked.
#[derive(Debug)]
pub struct Client {
    line: Line,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Organization {
    id: Word,
    name: Word,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Device {
    serial: Word,
    name: Word,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Uplink {
    serial: Word,
    uplink: Word,
    ip: Word,
    time_series: List<Object<Sample>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sample {
    ts: Word,
    loss_percent: Number,
    latency_ms: Number,
}

impl Client {
    /// Makes a client; contacts nobody.
    ///
    /// # Errors
    /// What is wrong with the CA file or the proxy.
    pub fn new(config: Config) -> Result<Self, BadConfig> {
        let Config { address, token, ca, proxy, timeout } = config;
        let trust = Trust { ca: ca.as_deref(), proxy: proxy.as_deref() };
        Ok(Self { line: Line::new(address, trust, timeout, token)? })
    }

    /// Scheme, host and port.
    pub fn at(&self) -> &str {
        self.line.at()
    }

    /// Asks once for all uplinks of all organizations that the key sees.
    ///
    /// # Errors
    /// What concerns all of them.
    pub async fn poll(&self, scope: &Scope) -> Result<Poll, Error> {
        const ORGANIZATIONS: &str = "organizations";
        let organizations: List<Object<Organization>> =
            self.ask(ORGANIZATIONS, "organizations").await?;
        let (mut poll, mut seen) = (Poll::default(), BTreeMap::new());
        for organization in organizations.0.unwrap_or_default() {
            let Some(Organization { id: Word(Some(id)), name }) = organization.0 else {
                poll.odd += 1;
                continue;
            };
            let customer = name.0.unwrap_or_else(|| id.clone());
            seen.insert(customer.clone(), id.clone());
            let wanted = |one: &String| *one == customer || *one == id;
            if scope.enterprises.is_empty() || scope.enterprises.iter().any(wanted) {
                match self.poll_one(&id, &customer, scope.window, &mut poll).await {
                    Ok(()) => {}
                    Err(why) if why.is_of_orchestrator() || why.is_of_way() => return Err(why),
                    // One organization may have the API switched off, or hide from the key.
                    Err(why) => poll.failures.push(Failure { customer, edge: None, why }),
                }
            }
        }
        poll.unseen = scope.unseen(&seen);
        poll.sort();
        Ok(poll)
    }

    async fn poll_one(
        &self,
        id: &str,
        customer: &str,
        window: Window,
        poll: &mut Poll,
    ) -> Result<(), Error> {
        let names = self.names(id).await?;
        let enterprise = id.parse().ok();
        let mut links: BTreeMap<String, (Link, Vec<Reading>)> = BTreeMap::new();
        let mut start = window.start;
        while start < window.end {
            let slice = Window { start, end: (start + SLICE).min(window.end) };
            start = slice.end;
            let path = format!(
                "organizations/{id}/devices/uplinksLossAndLatency?t0={}&t1={}",
                seconds(slice.start),
                seconds(slice.end)
            );
            let uplinks: List<Object<Uplink>> = self.ask("uplinksLossAndLatency", &path).await?;
            for uplink in uplinks.0.unwrap_or_default() {
                let found = uplink.0.and_then(|uplink| understood(uplink, slice, &mut poll.odd));
                let Some((serial, name, reading)) = found else {
                    poll.odd += 1;
                    continue;
                };
                let link_id = format!("{serial}/{name}");
                let new = || {
                    let edge_name = names.get(&serial).cloned().unwrap_or_else(|| serial.clone());
                    let link = Link {
                        enterprise,
                        customer: customer.to_owned(),
                        edge: serial.clone(),
                        edge_name,
                        id: link_id.clone(),
                        interface: name.split(' ').next().map(str::to_owned),
                        name,
                        isp: None,
                        gateway: None,
                        site: None,
                        state: LinkState::Active,
                    };
                    (link, Vec::new())
                };
                links.entry(link_id.clone()).or_insert_with(new).1.extend(reading);
            }
        }
        poll.links.extend(links.into_values());
        Ok(())
    }

    /// Names of an organization's devices by serial number.
    async fn names(&self, id: &str) -> Result<HashMap<String, String>, Error> {
        let mut names = HashMap::new();
        let mut after = String::new();
        for _ in 0..PAGES {
            let path = format!("organizations/{id}/devices?perPage={PAGE}{after}");
            let devices: List<Object<Device>> = self.ask("devices", &path).await?;
            let devices = devices.0.unwrap_or_default();
            let (count, mut last) = (devices.len(), None);
            for device in devices.into_iter().filter_map(|device| device.0) {
                if let Some(serial) = device.serial.0 {
                    names.extend(device.name.0.map(|name| (serial.clone(), name)));
                    last = Some(serial);
                }
            }
            // Pages begin after a serial number (`startingAfter`).
            match last.filter(|_| count >= PAGE) {
                Some(last) => after = format!("&startingAfter={last}"),
                None => break,
            }
        }
        Ok(names)
    }

    /// Asks for `path` below `/api/v1/`. What may pass is tried again a few times, a 429 is waited out.
    async fn ask<T: DeserializeOwned>(&self, method: &'static str, path: &str) -> Result<T, Error> {
        let mut tries = Tries::default();
        loop {
            match self.once(method, path).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => tries.again(failed).await?,
            }
        }
    }

    async fn once<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
    ) -> Result<T, Error> {
        let refused = |why: &str| Error::Token { at: self.at().to_owned(), why: why.to_owned() };
        let bearer = sensitive(&format!("Bearer {}", self.line.secret().reveal()))
            .ok_or_else(|| refused("it holds characters that no key has"))?;
        let request = self.line.get(&format!("api/v1/{path}")).header(AUTHORIZATION, bearer);
        let answer = self.line.send(method, request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(refused("HTTP 401"));
        }
        if !answer.status.is_success() {
            return Err(self.line.status(method, &answer));
        }
        read(&answer.body).map_err(|why| self.line.senseless(method, why))
    }
}

/// Whose reading it is, and the reading of a slice: means over what the dashboard has, one sample a minute.
fn understood(
    uplink: Uplink,
    slice: Window,
    odd: &mut u64,
) -> Option<(String, String, Option<Reading>)> {
    let (serial, uplink_name) = (uplink.serial.0?, uplink.uplink.0?);
    let name = match uplink.ip.0 {
        Some(ip) => format!("{uplink_name} to {ip}"),
        None => uplink_name,
    };
    let (mut latencies, mut losses) = (Vec::new(), Vec::new());
    for sample in uplink.time_series.0.unwrap_or_default() {
        let sample = sample.0.unwrap_or_default();
        let at = sample.ts.as_str().and_then(|ts| ts.parse::<Timestamp>().ok());
        if at.is_none_or(|at| !slice.contains(UnixMs(at.as_millisecond()))) {
            *odd += 1;
            continue;
        }
        let loss = sample.loss_percent.value.filter(|loss| (0.0..=100.0).contains(loss));
        losses.extend(loss);
        // What lost everything took no time.
        let answered = loss.is_none_or(|loss| loss < 100.0);
        latencies.extend(sample.latency_ms.value.filter(|ms| *ms >= 0.0 && answered));
    }
    let mean = |values: &[f64]| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let (latency, loss) = (mean(&latencies), mean(&losses));
    let values = WanMetric::ALL.map(|metric| match metric {
        WanMetric::LatencyTx | WanMetric::LatencyRx => latency,
        WanMetric::LossTx | WanMetric::LossRx => loss,
        WanMetric::JitterTx | WanMetric::JitterRx => None,
    });
    let reading =
        (latency.is_some() || loss.is_some()).then_some(Reading { at: slice.start, values });
    Some((serial, name, reading))
}

/// A time as the dashboard reads it: seconds since 1970.
fn seconds(at: UnixMs) -> i64 {
    at.0.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of the documentation, with what else comes.
    const ANSWER: &str = include_str!("../tests/orchestrator/meraki/uplinksLossAndLatency.json");

    fn read() -> (Vec<(String, String, Option<Reading>)>, u64) {
        let start = UnixMs(1_540_334_400_000);
        let slice = Window { start, end: start + SLICE };
        let mut odd = 0;
        let rows: List<Object<Uplink>> = serde_json::from_str(ANSWER).unwrap();
        let rows = rows.0.unwrap().into_iter();
        let found = rows.filter_map(|row| understood(row.0?, slice, &mut odd)).collect();
        (found, odd)
    }

    #[test]
    fn the_documented_answer_is_a_reading_of_both_directions() {
        let (found, _) = read();
        let (serial, name, reading) = &found[0];
        assert_eq!((serial.as_str(), name.as_str()), ("Q2QN-9J8L-SLPD", "wan1 to 8.8.8.8"));
        let reading = reading.unwrap();
        assert_eq!(reading.at, UnixMs(1_540_334_400_000));
        assert_eq!(reading.get(WanMetric::LatencyTx), Some(200.0), "the mean of 194.9 and 205.1");
        assert_eq!(reading.get(WanMetric::LatencyRx), Some(200.0));
        assert_eq!(reading.get(WanMetric::LossRx), Some(5.3));
        assert_eq!(reading.get(WanMetric::JitterRx), None);
    }

    #[test]
    fn what_lost_everything_has_no_latency_and_what_is_odd_is_counted() {
        let (found, odd) = read();
        assert_eq!(found.len(), 3, "a row without a serial number is nobody's");
        let dead = found[1].2.unwrap();
        assert_eq!(dead.get(WanMetric::LatencyRx), None);
        assert_eq!(dead.get(WanMetric::LossRx), Some(100.0));
        assert_eq!(found[2].2, None, "nothing was measured");
        assert_eq!(odd, 2, "one sample from elsewhere in time, one without a time");
    }
}
