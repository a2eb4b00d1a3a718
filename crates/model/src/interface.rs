//! Interfaces of devices: what one poll reads of them, what two polls say of the time between, and how they
//! are now. An interface is its name (`ifName`): its number changes when a device restarts. Pure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::{InterfaceMetric, Labels, Metric, Series, UnixMs};

/// Defines the states of an interface that the IF-MIB (RFC 2863) numbers.
macro_rules! states {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// It was not told, or is no number that the MIB knows.
            #[default]
            Untold,
        }

        impl $name {
            /// What the MIB's number means.
            pub fn from_number(number: i64) -> Self {
                match number { $($number => Self::$variant,)* _ => Self::Untold }
            }

            /// The MIB's number; `None` if it was not told.
            pub fn number(self) -> Option<u8> {
                match self { $(Self::$variant => Some($number),)* Self::Untold => None }
            }

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* Self::Untold => "not told" }
            }
        }
    };
}

states! {
    /// What an interface does (`ifOperStatus`).
    OperStatus {
        /// It passes packets.
        Up = 1 "up",
        /// It does not.
        Down = 2 "down",
        /// In some test mode.
        Testing = 3 "testing",
        /// The device cannot say.
        Unknown = 4 "unknown",
        /// It waits for something outside, such as a call.
        Dormant = 5 "dormant",
        /// Some part of it is missing.
        NotPresent = 6 "not present",
        /// Down because of what it runs on.
        LowerLayerDown = 7 "lower layer down",
    }
}

states! {
    /// What an interface shall do (`ifAdminStatus`).
    AdminStatus {
        /// Pass packets.
        Up = 1 "up",
        /// Nothing: somebody shut it.
        Down = 2 "down",
        /// Be tested.
        Testing = 3 "testing",
    }
}

/// Which way packets go, seen from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

impl Direction {
    /// Both, in the order pages list them.
    pub const ALL: [Direction; 2] = [Direction::In, Direction::Out];

    /// `in` or `out`, as in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// A counter for each direction. `None`: the device does not tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Both<T> {
    /// Received.
    #[serde(rename = "in")]
    pub received: T,
    /// Sent.
    #[serde(rename = "out")]
    pub sent: T,
}

impl<T: Copy> Both<T> {
    /// That of one direction.
    pub fn get(&self, direction: Direction) -> T {
        match direction {
            Direction::In => self.received,
            Direction::Out => self.sent,
        }
    }
}

/// What one poll reads of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceReading {
    /// Its name (`ifName`, else `ifDescr`): what it is known by. Printable, never empty, once a device.
    pub name: Arc<str>,
    /// Its number on the device now (`ifIndex`).
    pub index: u32,
    /// What the device calls it at length (`ifDescr`).
    pub descr: Arc<str>,
    /// What people call it (`ifAlias`); it describes the interface and does not identify it.
    pub alias: Arc<str>,
    /// Bits a second that it can pass, if that is told and not zero.
    pub speed_bps: Option<u64>,
    /// What it shall do.
    pub admin: AdminStatus,
    /// What it does.
    pub oper: OperStatus,
    /// `sysUpTime` in hundredths of a second, from the very packet that held the octets.
    pub uptime: u32,
    /// `sysUpTime` when its counters last started anew, if it tells that.
    pub discontinuity: Option<u32>,
    /// Octets, of 64 bits where [`wide`](Self::wide) says so, else of 32.
    pub octets: Both<Option<u64>>,
    /// Whether the octets are the high-capacity counters.
    pub wide: bool,
    /// Packets that could not be delivered or sent because of errors, of 32 bits.
    pub errors: Both<Option<u32>>,
    /// Packets that were dropped without an error, of 32 bits.
    pub discards: Both<Option<u32>>,
}

/// What one poll reads of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceReading {
    /// When its first answer came.
    pub at: UnixMs,
    /// The same by the monotonic clock, for what is compared with the device's own time.
    pub monotonic: Duration,
    /// `sysUpTime` in hundredths of a second.
    pub uptime: u32,
    /// What it calls itself (`sysName`).
    pub sys_name: String,
    /// Its interfaces, by ascending number.
    pub interfaces: Vec<InterfaceReading>,
    /// How many requests it took.
    pub requests: u32,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing can be said of the time between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// There was no reading before.
    First,
    /// The device started anew in between.
    Restarted,
    /// The counters of the interface started anew in between.
    Reset,
    /// The device's time and ours disagree by far.
    Clock,
    /// Its counters have 32 bits and could have gone round unseen.
    TooFast,
    /// It does not pass packets.
    NotUp,
}

impl Gap {
    /// Words for pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Gap::First => "read once so far",
            Gap::Restarted => "the device restarted",
            Gap::Reset => "its counters were reset",
            Gap::Clock => "the device's clock jumped",
            Gap::TooFast => "32-bit counters are too short for its speed and interval",
            Gap::NotUp => "not up",
        }
    }
}

/// What two readings say of the time between them. All are rates a second of the device's own time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Bits a second.
    pub bits: Both<Option<f64>>,
    /// Percent of the speed that was used.
    pub utilisation: Both<Option<f64>>,
    /// Packets with errors a second.
    pub errors: Both<Option<f64>>,
    /// Packets discarded a second.
    pub discards: Both<Option<f64>>,
    /// Why there are none.
    pub gap: Option<Gap>,
}

/// An interface as it is now.
#[derive(Clone, Debug)]
pub struct InterfaceNow {
    /// As read last.
    pub reading: InterfaceReading,
    /// Since the reading before.
    pub rates: Rates,
    /// Since when it has been in its state, as far as this process knows.
    pub since: UnixMs,
    /// When it was read last. An interface that the device names no more keeps its old time.
    pub read: UnixMs,
    /// Bits a second of the busier direction, oldest first, `NAN` where nothing is known.
    pub recent: VecDeque<f32>,
}

impl InterfaceNow {
    /// How many polls the window holds.
    pub const WINDOW: usize = 60;

    /// Appends to the window.
    pub fn push(&mut self, bits: Both<Option<f64>>) {
        if self.recent.len() >= Self::WINDOW {
            self.recent.pop_front();
        }
        let busier = bits.received.into_iter().chain(bits.sent).reduce(f64::max);
        self.recent.push_back(busier.map_or(f32::NAN, |bits| bits as f32));
    }
}

/// A device that is polled, as it is now.
#[derive(Clone, Debug)]
pub struct PolledDevice {
    /// Its name in the inventory.
    pub device: Arc<str>,
    /// Time between two polls.
    pub interval: Duration,
    /// When it answered last.
    pub answered: Option<UnixMs>,
    /// Why it does not answer, and since when.
    pub failing: Option<(String, UnixMs)>,
    /// How long it has been running, when it answered last.
    pub uptime: Option<Duration>,
    /// What it calls itself.
    pub sys_name: String,
    /// How long the last poll took.
    pub took: Duration,
    /// Its interfaces, in the order the device numbers them.
    pub interfaces: Vec<InterfaceNow>,
}

/// A series of an interface; `direction` where the metric has one.
pub fn interface_series(
    metric: InterfaceMetric,
    device: &str,
    interface: &str,
    direction: Option<Direction>,
) -> Series {
    let pairs = [("device", device), ("interface", interface)];
    let direction = direction.map(|direction| ("direction", direction.as_str()));
    let labels = Labels::new(pairs.into_iter().chain(direction));
    Series { metric: Metric::Interface(metric), labels }
}

/// Bits a second with three digits and their unit, as `12.5 Mbit/s`.
pub fn bit_rate(bits: f64) -> String {
    const UNITS: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
    let (mut value, mut unit) = (bits, 0);
    // 999.5 of a unit would show four digits: the next one takes it.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let unit = UNITS[unit];
    match value {
        value if value.fract() == 0.0 || value >= 99.95 => format!("{value:.0} {unit}"),
        value if value >= 9.995 => format!("{value:.1} {unit}"),
        value => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_rates_have_three_digits() {
        for (bits, text) in [
            (0.0, "0 bit/s"),
            (12_500_000.0, "12.5 Mbit/s"),
            (999_600.0, "1.00 Mbit/s"),
            (1e9, "1 Gbit/s"),
            (123_456.0, "123 kbit/s"),
            (4e15, "4000 Tbit/s"),
        ] {
            assert_eq!(bit_rate(bits), text);
        }
    }

    #[test]
    fn states_are_those_of_the_mib() {
        assert_eq!(OperStatus::from_number(7), OperStatus::LowerLayerDown);
        assert_eq!(OperStatus::from_number(9), OperStatus::Untold);
        for number in 1..=7 {
            assert_eq!(OperStatus::from_number(number.into()).number(), Some(number));
        }
        assert_eq!(AdminStatus::from_number(2).as_str(), "down");
    }

    #[test]
    fn a_series_of_an_interface_knows_its_direction() {
        let series =
            |direction| interface_series(InterfaceMetric::Traffic, "sw1", "Eth1", direction);
        assert_ne!(series(Some(Direction::In)).id(), series(Some(Direction::Out)).id());
        assert_eq!(series(Some(Direction::Out)).labels.get("direction"), Some("out"));
        assert_eq!(series(None).labels.get("direction"), None);
    }
}
