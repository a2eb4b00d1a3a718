//! `/api/v1/devices`: the devices of the inventory and their interfaces as read over SNMP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::{
    AdminStatus, Both, Direction, Gap, InterfaceMetric, InterfaceNow, OperStatus, PolledDevice,
    interface_series,
};
use serde::Serialize;

use super::Problem;
use crate::app::App;
use crate::format::rfc3339;

#[derive(Serialize)]
pub(super) struct List {
    devices: Vec<Device>,
}

#[derive(Serialize)]
struct Device {
    name: String,
    addresses: Vec<String>,
    platform: Option<String>,
    groups: Vec<String>,
    snmp: Option<Snmp>,
}

/// How a device is read; null for one that is not asked.
#[derive(Serialize)]
struct Snmp {
    interval_s: f64,
    answered: Option<String>,
    failing: Option<String>,
    failing_since: Option<String>,
    uptime_s: Option<f64>,
    sys_name: String,
    interfaces: usize,
}

impl Snmp {
    fn of(polled: &PolledDevice) -> Self {
        Self {
            interval_s: polled.interval.as_secs_f64(),
            answered: polled.answered.and_then(rfc3339),
            failing: polled.failing.as_ref().map(|(why, _)| why.clone()),
            failing_since: polled.failing.as_ref().and_then(|(_, since)| rfc3339(*since)),
            uptime_s: polled.uptime.map(|uptime| uptime.as_secs_f64()),
            sys_name: polled.sys_name.clone(),
            interfaces: polled.interfaces.len(),
        }
    }
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<List>, Problem> {
    let inventory = app.deps.devices.inventory();
    let one = |device: &model::Device| Device {
        name: device.name.clone(),
        addresses: device.addresses.iter().map(ToString::to_string).collect(),
        platform: device.platform.clone(),
        groups: device.groups.iter().cloned().collect(),
        snmp: app.deps.interfaces.device(&device.name).map(|polled| Snmp::of(&polled)),
    };
    Ok(Json(List { devices: inventory.devices().iter().map(one).collect() }))
}

#[derive(Serialize)]
pub(super) struct Interfaces {
    device: String,
    snmp: Snmp,
    interfaces: Vec<Interface>,
}

#[derive(Serialize)]
struct Interface {
    name: String,
    index: u32,
    description: String,
    alias: String,
    admin: AdminStatus,
    oper: OperStatus,
    since: Option<String>,
    read: Option<String>,
    speed_bps: Option<u64>,
    octets: Both<Option<u64>>,
    wide: bool,
    errors: Both<Option<u32>>,
    discards: Both<Option<u32>>,
    bits_per_second: Both<Option<f64>>,
    utilisation_pct: Both<Option<f64>>,
    errors_per_second: Both<Option<f64>>,
    discards_per_second: Both<Option<f64>>,
    gap: Option<Gap>,
    /// The series of its traffic, for `/api/v1/range`.
    traffic: Both<String>,
}

impl Interface {
    fn of(device: &str, one: &InterfaceNow) -> Self {
        let reading = &one.reading;
        let id = |direction| {
            let metric = InterfaceMetric::Traffic;
            interface_series(metric, device, &reading.name, Some(direction)).id().to_string()
        };
        Self {
            name: reading.name.to_string(),
            index: reading.index,
            description: reading.descr.to_string(),
            alias: reading.alias.to_string(),
            admin: reading.admin,
            oper: reading.oper,
            since: rfc3339(one.since),
            read: rfc3339(one.read),
            speed_bps: reading.speed_bps,
            octets: reading.octets,
            wide: reading.wide,
            errors: reading.errors,
            discards: reading.discards,
            bits_per_second: one.rates.bits,
            utilisation_pct: one.rates.utilisation,
            errors_per_second: one.rates.errors,
            discards_per_second: one.rates.discards,
            gap: one.rates.gap,
            traffic: Both { received: id(Direction::In), sent: id(Direction::Out) },
        }
    }
}

pub(super) async fn interfaces(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Interfaces>, Problem> {
    let polled = app.deps.interfaces.device(&name).ok_or_else(|| {
        let allowed = "a `name` of /api/v1/devices whose `snmp` is not null";
        Problem::new(StatusCode::NOT_FOUND, "no device of this name is asked over SNMP", allowed)
    })?;
    Ok(Json(Interfaces {
        device: polled.device.to_string(),
        snmp: Snmp::of(&polled),
        interfaces: polled
            .interfaces
            .iter()
            .map(|one| Interface::of(&polled.device, one))
            .collect(),
    }))
}
