//! The interfaces of all devices for `/metrics`: counters as the devices count them, in bytes and packets, so
//! that `rate()` works on them. What is not read any more has no line.

use std::sync::Arc;

use model::{InterfaceNow, InterfaceReading, OperStatus, PolledDevice};

use super::{about, escape, line};

/// One metric of every interface; an interface that does not tell it has no line.
struct PerInterface {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    value: fn(&InterfaceReading) -> Option<f64>,
}

const PER_INTERFACE: [PerInterface; 8] = [
    PerInterface {
        name: "netmend_interface_up",
        help: "1 if the interface passes packets, 0 if it does not; absent where the device cannot say.",
        kind: "gauge",
        value: |reading| match reading.oper {
            OperStatus::Up => Some(1.0),
            OperStatus::Unknown | OperStatus::Untold => None,
            _ => Some(0.0),
        },
    },
    PerInterface {
        name: "netmend_interface_speed_bytes",
        help: "Bytes a second that the interface can pass.",
        kind: "gauge",
        value: |reading| reading.speed_bps.map(|bits| bits as f64 / 8.0),
    },
    PerInterface {
        name: "netmend_interface_receive_bytes_total",
        help: "Bytes received, as the device counts them.",
        kind: "counter",
        value: |reading| reading.octets.received.map(|octets| octets as f64),
    },
    PerInterface {
        name: "netmend_interface_transmit_bytes_total",
        help: "Bytes sent, as the device counts them.",
        kind: "counter",
        value: |reading| reading.octets.sent.map(|octets| octets as f64),
    },
    PerInterface {
        name: "netmend_interface_receive_errors_total",
        help: "Packets received with errors, as the device counts them.",
        kind: "counter",
        value: |reading| reading.errors.received.map(f64::from),
    },
    PerInterface {
        name: "netmend_interface_transmit_errors_total",
        help: "Packets not sent because of errors, as the device counts them.",
        kind: "counter",
        value: |reading| reading.errors.sent.map(f64::from),
    },
    PerInterface {
        name: "netmend_interface_receive_discards_total",
        help: "Packets received and dropped without an error, as the device counts them.",
        kind: "counter",
        value: |reading| reading.discards.received.map(f64::from),
    },
    PerInterface {
        name: "netmend_interface_transmit_discards_total",
        help: "Packets dropped before they were sent, as the device counts them.",
        kind: "counter",
        value: |reading| reading.discards.sent.map(f64::from),
    },
];

/// The lines of all devices that are asked over SNMP.
pub(super) fn render(devices: &[Arc<PolledDevice>]) -> String {
    let mut out = String::new();
    if devices.is_empty() {
        return out;
    }
    let name = |device: &PolledDevice| format!("device=\"{}\"", escape(&device.device));
    let help = "1 if the device was read over SNMP, 0 if it was not; absent before it was asked.";
    about(&mut out, "netmend_device_snmp_up", help, "gauge");
    for device in devices {
        if device.failing.is_some() || device.answered.is_some() {
            let up = if device.failing.is_some() { 0.0 } else { 1.0 };
            line(&mut out, "netmend_device_snmp_up", &name(device), up);
        }
    }
    about(&mut out, "netmend_device_uptime_seconds", "Time since the device started.", "gauge");
    for device in devices.iter().filter(|device| device.failing.is_none()) {
        if let Some(uptime) = device.uptime {
            line(&mut out, "netmend_device_uptime_seconds", &name(device), uptime.as_secs_f64());
        }
    }
    let present: Vec<(String, &InterfaceNow)> = devices
        .iter()
        .filter(|device| device.failing.is_none())
        .flat_map(|device| {
            let labels = name(device);
            let read = device.interfaces.iter().filter(|one| device.answered == Some(one.read));
            read.map(move |one| {
                (format!("{labels},interface=\"{}\"", escape(&one.reading.name)), one)
            })
        })
        .collect();
    about(&mut out, "netmend_interface_info", "What an interface is called at length.", "gauge");
    for (labels, one) in &present {
        let reading = &one.reading;
        let (alias, description) = (escape(&reading.alias), escape(&reading.descr));
        let labels = format!("{labels},alias=\"{alias}\",description=\"{description}\"");
        line(&mut out, "netmend_interface_info", &labels, 1.0);
    }
    for metric in &PER_INTERFACE {
        about(&mut out, metric.name, metric.help, metric.kind);
        for (labels, one) in &present {
            if let Some(value) = (metric.value)(&one.reading) {
                line(&mut out, metric.name, labels, value);
            }
        }
    }
    out
}
