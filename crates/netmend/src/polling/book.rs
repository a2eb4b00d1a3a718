//! The devices that are polled, as they are now: one entry a device, moved on by each poll, which also gives
//! the samples to store. Memory only; nothing here waits or does I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use measure::snmp::{Asked, Polled, rates};
use model::{
    Both, DeviceReading, Direction, Gap, InterfaceMetric, InterfaceNow, InterfaceReading,
    OperStatus, PolledDevice, Rates, Sample, Series, SeriesId, UnixMs, interface_series,
};

use store::sink::Subject;

use super::points;

/// How long an interface is shown that its device names no more.
const GONE: Duration = Duration::from_hours(24);
/// Most of them that are: a device that gives other names at each poll must not take all memory.
const MOST_GONE: usize = 1_000;

/// All devices that are polled.
#[derive(Debug, Default)]
pub(super) struct Book {
    devices: BTreeMap<Arc<str>, Entry>,
}

#[derive(Debug)]
struct Entry {
    now: Arc<PolledDevice>,
    /// When it was read last, by our monotonic clock.
    last: Option<Duration>,
    /// Under what its interfaces are stored and passed on.
    known: HashMap<Arc<str>, Known>,
}

/// What one poll gave.
#[derive(Debug, Default)]
pub(super) struct Gain {
    /// Samples to store.
    pub(super) samples: Vec<Sample>,
    /// Counters to pass on.
    pub(super) points: Vec<(Arc<Subject>, UnixMs, [f64; points::FIELDS])>,
    /// Series that nobody has heard of.
    pub(super) fresh: Vec<Series>,
    /// The device started anew so long before it was read.
    pub(super) restarted: Option<Duration>,
}

/// What the samples and the points of an interface belong to.
#[derive(Clone, Debug)]
struct Known {
    ids: Ids,
    subject: Arc<Subject>,
    /// What the subject was made of besides the name.
    facts: (Arc<str>, Arc<str>),
}

impl Known {
    fn of(device: &str, reading: &InterfaceReading, fresh: &mut Vec<Series>) -> Self {
        Self {
            ids: Ids::of(device, &reading.name, fresh),
            subject: Arc::new(points::subject(device, reading)),
            facts: (Arc::clone(&reading.descr), Arc::clone(&reading.alias)),
        }
    }

    /// The subject of a reading: another one once somebody has described the interface otherwise.
    fn subject(&mut self, device: &str, reading: &InterfaceReading) -> Arc<Subject> {
        if (&self.facts.0, &self.facts.1) != (&reading.descr, &reading.alias) {
            self.subject = Arc::new(points::subject(device, reading));
            self.facts = (Arc::clone(&reading.descr), Arc::clone(&reading.alias));
        }
        Arc::clone(&self.subject)
    }
}

/// The series of an interface.
#[derive(Clone, Copy, Debug)]
struct Ids {
    traffic: Both<SeriesId>,
    utilisation: Both<SeriesId>,
    errors: Both<SeriesId>,
    discards: Both<SeriesId>,
    oper: SeriesId,
}

impl Ids {
    /// Those of an interface; what they stand for is appended to `fresh`.
    fn of(device: &str, interface: &str, fresh: &mut Vec<Series>) -> Self {
        let mut id = |metric, direction| {
            let series = interface_series(metric, device, interface, direction);
            let id = series.id();
            fresh.push(series);
            id
        };
        let mut both = |metric| Both {
            received: id(metric, Some(Direction::In)),
            sent: id(metric, Some(Direction::Out)),
        };
        Self {
            traffic: both(InterfaceMetric::Traffic),
            utilisation: both(InterfaceMetric::Utilisation),
            errors: both(InterfaceMetric::Errors),
            discards: both(InterfaceMetric::Discards),
            oper: id(InterfaceMetric::Oper, None),
        }
    }

    fn record(&self, rates: &Rates, oper: OperStatus, at: UnixMs, samples: &mut Vec<Sample>) {
        let mut push = |series, value: Option<f64>| {
            let value = value.filter(|value| value.is_finite());
            samples.extend(value.map(|value| Sample { series, at, value }));
        };
        for (ids, values) in [
            (self.traffic, rates.bits),
            (self.utilisation, rates.utilisation),
            (self.errors, rates.errors),
            (self.discards, rates.discards),
        ] {
            push(ids.received, values.received);
            push(ids.sent, values.sent);
        }
        push(self.oper, oper.number().map(f64::from));
    }
}

impl Book {
    /// Sets the devices; those that stay keep what is known of them.
    pub(super) fn set(&mut self, asked: &[Asked]) {
        let mut old = std::mem::take(&mut self.devices);
        for asked in asked {
            let interval = asked.access.interval;
            let mut entry = old.remove(&asked.device).unwrap_or_else(|| Entry {
                now: Arc::new(unread(asked)),
                last: None,
                known: HashMap::new(),
            });
            if entry.now.interval != interval {
                Arc::make_mut(&mut entry.now).interval = interval;
            }
            self.devices.insert(Arc::clone(&asked.device), entry);
        }
    }

    /// All devices, by name.
    pub(super) fn all(&self) -> Vec<Arc<PolledDevice>> {
        self.devices.values().map(|entry| Arc::clone(&entry.now)).collect()
    }

    /// A device.
    pub(super) fn device(&self, name: &str) -> Option<Arc<PolledDevice>> {
        self.devices.get(name).map(|entry| Arc::clone(&entry.now))
    }

    /// The name of the interface that a device numbers so.
    pub(super) fn interface(&self, device: &str, index: u32) -> Option<Arc<str>> {
        let interfaces = &self.devices.get(device)?.now.interfaces;
        let found = interfaces.iter().find(|one| one.reading.index == index)?;
        Some(Arc::clone(&found.reading.name))
    }

    /// Takes in a poll at `now`.
    pub(super) fn take(&mut self, polled: Polled, now: UnixMs) -> Gain {
        let mut gain = Gain::default();
        let Some(entry) = self.devices.get_mut(&polled.asked.device) else { return gain };
        let device = Arc::make_mut(&mut entry.now);
        match polled.outcome {
            Ok(reading) => {
                let apart = entry.last.map(|last| reading.monotonic.saturating_sub(last));
                entry.last = Some(reading.monotonic);
                advance(device, &mut entry.known, reading, apart, &mut gain);
            }
            Err(why) => {
                let since = device.failing.as_ref().map_or(now, |(_, since)| *since);
                device.failing = Some((why.to_string(), since));
                for interface in &mut device.interfaces {
                    interface.rates = Rates::default();
                    interface.push(Both::default());
                }
            }
        }
        gain
    }

    /// Forgets that series are known to the store, so that they are told to it again.
    pub(super) fn unregister(&mut self, device: &str) {
        if let Some(entry) = self.devices.get_mut(device) {
            entry.known.clear();
        }
    }
}

/// A device that was not read yet.
fn unread(asked: &Asked) -> PolledDevice {
    PolledDevice {
        device: Arc::clone(&asked.device),
        interval: asked.access.interval,
        answered: None,
        failing: None,
        uptime: None,
        sys_name: String::new(),
        took: Duration::ZERO,
        interfaces: Vec::new(),
    }
}

/// Moves a device on by a reading, `apart` from the one before.
fn advance(
    device: &mut PolledDevice,
    series: &mut HashMap<Arc<str>, Known>,
    reading: DeviceReading,
    apart: Option<Duration>,
    gain: &mut Gain,
) {
    let at = reading.at;
    let before = device.answered.replace(at);
    device.failing = None;
    device.uptime = Some(Duration::from_millis(u64::from(reading.uptime) * 10));
    device.sys_name = reading.sys_name;
    device.took = reading.took;
    let mut old: HashMap<Arc<str>, InterfaceNow> = device
        .interfaces
        .drain(..)
        .map(|interface| (Arc::clone(&interface.reading.name), interface))
        .collect();
    for read in reading.interfaces {
        // Only what the reading right before held can be compared with.
        let known = old.remove(&read.name);
        let compared = known.as_ref().filter(|known| Some(known.read) == before).zip(apart);
        let rates = compared.map_or_else(
            || Rates { gap: Some(Gap::First), ..Rates::default() },
            |(known, apart)| rates(&known.reading, &read, apart),
        );
        if rates.gap == Some(Gap::Restarted) {
            gain.restarted = device.uptime;
        }
        let name = &device.device;
        let belongs = series
            .entry(Arc::clone(&read.name))
            .or_insert_with(|| Known::of(name, &read, &mut gain.fresh));
        belongs.ids.record(&rates, read.oper, at, &mut gain.samples);
        gain.points.push((belongs.subject(name, &read), at, points::values(&read)));
        device.interfaces.push(moved(known, read, rates, at));
    }
    let mut gone: Vec<InterfaceNow> = old.into_values().collect();
    gone.sort_by(|a, b| (b.read, &a.reading.name).cmp(&(a.read, &b.reading.name)));
    let shown = gone.partition_point(|one| one.read > at - GONE).min(MOST_GONE);
    for forgotten in gone.drain(shown..) {
        series.remove(&forgotten.reading.name);
    }
    gone.sort_by(|a, b| a.reading.name.cmp(&b.reading.name));
    device.interfaces.extend(gone);
}

/// An interface after a reading.
fn moved(
    known: Option<InterfaceNow>,
    reading: InterfaceReading,
    rates: Rates,
    at: UnixMs,
) -> InterfaceNow {
    let state = |reading: &InterfaceReading| (reading.oper, reading.admin);
    let mut interface = known.unwrap_or_else(|| InterfaceNow {
        reading: reading.clone(),
        rates,
        since: at,
        read: at,
        recent: std::collections::VecDeque::new(),
    });
    if state(&interface.reading) != state(&reading) {
        interface.since = at;
    }
    interface.reading = reading;
    interface.rates = rates;
    interface.read = at;
    interface.push(rates.bits);
    interface
}

#[cfg(test)]
mod tests {
    use super::*;
    use measure::snmp::SnmpError;
    use model::{Metric, Secret, SnmpAccess, SnmpCredential};

    fn asked() -> Arc<Asked> {
        let credential = SnmpCredential::Community(Secret::new("c"));
        let address = "192.0.2.1:161".parse().unwrap();
        Arc::new(Asked { device: "sw1".into(), address, access: SnmpAccess::new(credential) })
    }

    /// A poll after so many seconds: interfaces as name, number and octets.
    fn poll(seconds: u64, interfaces: &[(&str, u32, u64)]) -> Polled {
        let uptime = 100_000 + (seconds * 100) as u32;
        let interface = |(name, index, octets): &(&str, u32, u64)| InterfaceReading {
            name: (*name).into(),
            index: *index,
            speed_bps: Some(1_000_000),
            oper: OperStatus::Up,
            uptime,
            octets: Both { received: Some(*octets), sent: Some(0) },
            wide: true,
            ..InterfaceReading::default()
        };
        let reading = DeviceReading {
            at: UnixMs((seconds * 1_000).cast_signed()),
            monotonic: Duration::from_secs(seconds),
            uptime,
            interfaces: interfaces.iter().map(interface).collect(),
            ..DeviceReading::default()
        };
        Polled { asked: asked(), outcome: Ok(reading) }
    }

    fn book() -> Book {
        let mut book = Book::default();
        book.set(&[Asked::clone(&asked())]);
        book
    }

    /// The samples of a metric.
    fn values(gain: &Gain, fresh: &[Series], metric: InterfaceMetric) -> Vec<f64> {
        let of = |id| fresh.iter().find(|series| series.id() == id).map(|series| series.metric);
        let wanted =
            gain.samples.iter().filter(|one| of(one.series) == Some(Metric::Interface(metric)));
        wanted.map(|sample| sample.value).collect()
    }

    #[test]
    fn two_polls_make_rates_and_the_first_makes_none() {
        let mut book = book();
        let first = book.take(poll(0, &[("a", 1, 0)]), UnixMs(0));
        assert_eq!(first.fresh.len(), 9);
        assert_eq!(values(&first, &first.fresh, InterfaceMetric::Traffic), [0.0_f64; 0]);
        assert_eq!(values(&first, &first.fresh, InterfaceMetric::Oper), [1.0]);
        let second = book.take(poll(60, &[("a", 1, 750_000)]), UnixMs(60_000));
        assert_eq!(second.fresh, []);
        assert_eq!(values(&second, &first.fresh, InterfaceMetric::Traffic), [100_000.0, 0.0]);
        assert_eq!(values(&second, &first.fresh, InterfaceMetric::Utilisation), [10.0, 0.0]);
        let now = book.device("sw1").unwrap();
        assert_eq!(now.interfaces[0].recent.back(), Some(&100_000.0));
    }

    #[test]
    fn an_interface_is_its_name_whatever_its_number() {
        let mut book = book();
        book.take(poll(0, &[("a", 1, 0), ("b", 2, 0)]), UnixMs(0));
        book.take(poll(60, &[("b", 1, 60), ("a", 2, 120)]), UnixMs(60_000));
        let now = book.device("sw1").unwrap();
        let bits = |name: &str| {
            let one = now.interfaces.iter().find(|one| &*one.reading.name == name).unwrap();
            one.rates.bits.received
        };
        assert_eq!((bits("a"), bits("b")), (Some(16.0), Some(8.0)));
        assert_eq!(book.interface("sw1", 2).as_deref(), Some("a"));
    }

    #[test]
    fn an_interface_that_was_away_is_not_compared_with_what_it_was() {
        let mut book = book();
        book.take(poll(0, &[("a", 1, 0)]), UnixMs(0));
        book.take(poll(60, &[]), UnixMs(60_000));
        assert_eq!(book.device("sw1").unwrap().interfaces.len(), 1, "it is remembered");
        book.take(poll(120, &[("a", 1, 900)]), UnixMs(120_000));
        assert_eq!(book.device("sw1").unwrap().interfaces[0].rates.gap, Some(Gap::First));
    }

    #[test]
    fn a_device_that_gives_other_names_at_each_poll_takes_no_more_than_so_much_memory() {
        let mut book = book();
        for minute in 0..5 {
            let names: Vec<String> = (0..400).map(|n| format!("{minute}-{n}")).collect();
            let all: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 0)).collect();
            let gain = book.take(poll(minute * 60, &all), UnixMs(0));
            assert_eq!(gain.fresh.len(), 9 * 400);
        }
        let now = book.device("sw1").unwrap();
        assert_eq!(now.interfaces.len(), 400 + MOST_GONE);
        assert_eq!(book.devices["sw1"].known.len(), 400 + MOST_GONE);
        let oldest = now.interfaces.iter().map(|one| one.read).min();
        assert_eq!(oldest, Some(UnixMs(60_000)), "the newest of them are shown");
        book.take(poll(86_400 + 600, &[("a", 1, 0)]), UnixMs(0));
        assert_eq!(book.devices["sw1"].known.len(), 1, "after a day none is");
    }

    #[test]
    fn a_device_that_does_not_answer_has_no_rates_and_says_since_when() {
        let mut book = book();
        book.take(poll(0, &[("a", 1, 0)]), UnixMs(0));
        book.take(poll(60, &[("a", 1, 60)]), UnixMs(60_000));
        for minute in [2, 3] {
            let address = asked().address;
            let why = SnmpError::Lacking { address, what: "anything" };
            let gain =
                book.take(Polled { asked: asked(), outcome: Err(why) }, UnixMs(minute * 60_000));
            assert!(gain.samples.is_empty());
        }
        let now = book.device("sw1").unwrap();
        assert_eq!(now.failing.as_ref().unwrap().1, UnixMs(120_000));
        assert_eq!(now.interfaces[0].rates.bits.received, None);
        assert!(now.interfaces[0].recent.back().unwrap().is_nan());
    }

    #[test]
    fn a_reload_keeps_what_is_known_of_devices_that_stay() {
        let mut book = book();
        book.take(poll(0, &[("a", 1, 0)]), UnixMs(0));
        let mut slower = Asked::clone(&asked());
        slower.access.interval = Duration::from_mins(5);
        book.set(&[slower]);
        let now = book.device("sw1").unwrap();
        assert_eq!((now.interval, now.interfaces.len()), (Duration::from_mins(5), 1));
        book.set(&[]);
        assert!(book.device("sw1").is_none() && book.all().is_empty());
        assert!(book.take(poll(60, &[("a", 1, 60)]), UnixMs(60_000)).samples.is_empty());
    }
}
