//! A simulated daemon for tests and for looking at pages: targets that live through a window of probes,
//! and a past computed from the time alone. It stands at the edge, behind the same traits as the real one.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{
    Band, Method, Metric, Outcome, ProbeResult, Protocol, Reason, Series, SeriesId, StampSource,
    Target, TargetId, TargetNow, UnixMs,
};
use netmend_show::{Counter, Now, Snapshot, Stage, StoreNow, System, Warning};
use store::{
    Appended, Batch, Bucket, Error, RangeAnswer, RangeQuery, Retention, Samples, SamplesStats,
};

/// How a simulated target behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// Answers after so many microseconds, give or take.
    Answers(u32),
    /// Loses so many of a hundred probes.
    Loses(u32),
    /// Answered once, then no more.
    Died,
    /// Never answers.
    Silent,
    /// Its name does not resolve.
    Nameless,
    /// Our own kernel drops what is sent to it.
    Hidden,
}

/// A daemon whose targets behave by their [`Manner`].
#[derive(Debug)]
pub(crate) struct Sim {
    world: Mutex<World>,
}

#[derive(Debug)]
struct World {
    snapshot: Arc<Snapshot>,
    manners: Vec<Manner>,
    round: u32,
    system: System,
    stuck: Option<String>,
}

impl Sim {
    /// A daemon that has asked each target once a second until `now`, for a minute if they are few.
    pub(crate) fn new(targets: Vec<(Target, Manner)>, now: UnixMs) -> Self {
        let start = now - Duration::from_mins(1);
        let (targets, manners): (Vec<_>, Vec<_>) = targets.into_iter().unzip();
        let rows = targets.into_iter().enumerate().map(|(number, target)| {
            let id = TargetId(u32::try_from(number).expect("few targets"));
            Arc::new(TargetNow::new(id, Arc::new(target), start))
        });
        let snapshot = Arc::new(Snapshot { version: 1, at: start, targets: rows.collect() });
        let system = system(now);
        // Thousands of targets get a few probes only, around the one at which some die.
        let (first, last) = if manners.len() > 1_000 { (17, 24) } else { (1, 60) };
        let world = World { snapshot, manners, round: first - 1, system, stuck: None };
        let sim = Self { world: Mutex::new(world) };
        for before in (0..=last - first).rev() {
            sim.round(now - Duration::from_secs(u64::from(before)));
        }
        sim
    }

    /// One probe to each target, sent at `now`.
    pub(crate) fn round(&self, now: UnixMs) {
        let mut world = self.world.lock().expect("no holder of this lock panics");
        world.round += 1;
        let (round, manners) = (world.round, world.manners.clone());
        let mut targets = world.snapshot.targets.clone();
        for (target, manner) in targets.iter_mut().zip(manners) {
            probe(Arc::make_mut(target), manner, round, now);
        }
        let version = world.snapshot.version + 1;
        world.snapshot = Arc::new(Snapshot { version, at: now, targets });
    }

    /// Lets the target at this place behave otherwise from now on.
    pub(crate) fn turn(&self, place: usize, manner: Manner) {
        self.world.lock().expect("no holder of this lock panics").manners[place] = manner;
    }

    /// Changes a row directly, for what no probe can bring about.
    pub(crate) fn edit(&self, place: usize, change: impl FnOnce(&mut TargetNow)) {
        let mut world = self.world.lock().expect("no holder of this lock panics");
        let mut targets = world.snapshot.targets.clone();
        change(Arc::make_mut(&mut targets[place]));
        let (version, at) = (world.snapshot.version + 1, world.snapshot.at);
        world.snapshot = Arc::new(Snapshot { version, at, targets });
    }

    /// Changes what the daemon says of itself.
    pub(crate) fn edit_system(&self, change: impl FnOnce(&mut System)) {
        change(&mut self.world.lock().expect("no holder of this lock panics").system);
    }

    /// Lets the store's stage stand still.
    pub(crate) fn stick(&self, why: &str) {
        self.world.lock().expect("no holder of this lock panics").stuck = Some(why.to_owned());
    }
}

fn probe(target: &mut TargetNow, manner: Manner, round: u32, now: UnixMs) {
    let noise = noise(target.series.rtt, i64::from(round));
    target.address = Some(std::net::Ipv4Addr::from(0xC612_0000 + target.id.0).into());
    target.method = Some(match target.target.protocol {
        Protocol::Icmp => Method::IcmpRaw,
        Protocol::Tcp(_) => Method::TcpSyn,
    });
    let reply = |us: u32| (Outcome::Reply, Some(us + us * (noise % 97) / 600 + noise % 40));
    let (outcome, rtt_us) = match manner {
        Manner::Answers(us) => reply(us),
        Manner::Loses(percent) if noise % 100 < percent => (Outcome::Lost, None),
        Manner::Loses(_) => reply(24_000),
        Manner::Died if round <= 20 => reply(8_000),
        Manner::Died => (Outcome::Unreachable, None),
        Manner::Silent => (Outcome::Lost, None),
        Manner::Hidden => (Outcome::Unknown, None),
        Manner::Nameless => {
            target.address = None;
            target.resolved(false, now);
            return;
        }
    };
    let from = std::net::Ipv4Addr::new(192, 0, 2, 1).into();
    let reason = match outcome {
        Outcome::Unreachable => Some(Reason::Icmp { from, kind: 3, code: 1 }),
        Outcome::Unknown => Some(Reason::ReceiveQueueFull),
        _ => None,
    };
    let result = ProbeResult {
        target: target.id,
        round,
        outcome,
        reason,
        rtt_ns: rtt_us.map(|us| u64::from(us) * 1_000),
        stamp: StampSource::Kernel,
        sent_at: now.to_ns(),
    };
    target.record(&result, now);
}

/// Some bits that depend on a series and a number alone.
fn noise(series: SeriesId, number: i64) -> u32 {
    let mixed = (series.0 as u64 ^ number.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).to_be_bytes()[1..5]
        .iter()
        .fold(0, |bits, byte| (bits << 8) | u32::from(*byte))
}

fn system(now: UnixMs) -> System {
    let sent = "Probes sent.";
    System {
        version: "0.1.0",
        site: "SIMULATION".to_owned(),
        started: now - Duration::from_hours(53),
        uptime: Duration::from_hours(53),
        methods: vec![(Method::IcmpRaw, 30), (Method::TcpSyn, 11)],
        warnings: Vec::new(),
        counters: vec![
            Counter::total("netmend_probes_sent_total", sent, 1_234_567).with("protocol", "icmp"),
            Counter::total("netmend_probes_sent_total", sent, 345_678).with("protocol", "tcp"),
            Counter::total("netmend_samples_committed_total", "Samples on disk.", 4_700_123),
            Counter::gauge("netmend_probes_in_flight", "Probes sent without outcome yet.", 17.0),
        ],
        store: StoreNow {
            path: "/var/lib/netmend".to_owned(),
            committed_until: Some(190_800),
            committed_at: Some(now),
            bytes: Some(14_680_064),
            free_bytes: Some(51_539_607_552),
            series: Some(123),
        },
        sinks: Vec::new(),
    }
}

/// A warning as the daemon makes them.
pub(crate) fn fallback_warning() -> Warning {
    Warning {
        text:
            "ICMP falls back to TCP: this process may not open raw sockets, and group 0 is not in \
               ping_group_range."
                .to_owned(),
        fix: "setcap cap_net_raw+ep /usr/bin/netmend".to_owned(),
        since: None,
    }
}

impl Now for Sim {
    fn targets(&self) -> Arc<Snapshot> {
        Arc::clone(&self.world.lock().expect("no holder of this lock panics").snapshot)
    }

    fn system(&self) -> System {
        self.world.lock().expect("no holder of this lock panics").system.clone()
    }

    fn stages(&self) -> Vec<Stage> {
        let stuck = self.world.lock().expect("no holder of this lock panics").stuck.clone();
        vec![Stage { name: "measure", stuck: None }, Stage { name: "store", stuck }]
    }
}

/// A past that needs no disk: each bucket follows from its time. Loses a tenth for a while each day, and
/// everything for a shorter while.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Which metric a series has; unknown ones have no samples.
    pub(crate) series: Mutex<Vec<Series>>,
    /// Whether the disk is gone.
    pub(crate) broken: bool,
    /// Since when this series has been three times as high as it was, and its jitter with it.
    pub(crate) slow: Mutex<Vec<(SeriesId, UnixMs)>>,
}

impl Past {
    /// A past of all series of these targets.
    pub(crate) fn of(now: &dyn Now) -> Self {
        let targets = now.targets();
        let all = targets.targets.iter().flat_map(|now| {
            let own = Metric::ALL.map(|metric| now.target.series(metric));
            let lines = own.clone().map(|series| Band::ALL.map(|band| series.band(band)));
            own.into_iter().chain(lines.into_iter().flatten()).collect::<Vec<_>>()
        });
        Self { series: Mutex::new(all.collect()), ..Self::default() }
    }

    /// Lets a series be three times as high from this time on.
    pub(crate) fn slow_down(&self, series: SeriesId, from: UnixMs) {
        self.slow.lock().expect("no holder of this lock panics").push((series, from));
    }

    fn of_series(&self, series: &Series, at: i64, count: u32) -> Option<Bucket> {
        let id = series.id();
        let mut bucket = match series.labels.get("band") {
            None => Past::bucket(series.metric, id, at, count)?,
            Some(band) => return Some(Past::line(series.metric, band, at)),
        };
        let slow = self.slow.lock().expect("no holder of this lock panics");
        if slow.iter().any(|(known, from)| *known == id && bucket.at >= *from) {
            for value in [
                &mut bucket.min,
                &mut bucket.mean,
                &mut bucket.max,
                &mut bucket.p10,
                &mut bucket.p50,
                &mut bucket.p90,
                &mut bucket.p99,
            ] {
                *value *= 3.0;
            }
        }
        Some(bucket)
    }

    /// What the detector took for usual and for too much.
    fn line(metric: Metric, band: &str, at: i64) -> Bucket {
        let hour = (at.rem_euclid(86_400_000)) as f64 / 3_600_000.0;
        let busy = (hour / 24.0 * std::f64::consts::TAU).sin().max(0.0) * 3_000.0;
        let (usual, room) = match metric {
            Metric::Rtt => (11_350.0 + busy, 8_000.0),
            Metric::Jitter => (400.0, 6_000.0),
            Metric::Loss => (0.1, 1.0),
            Metric::Interface(_) => (0.0, 0.0),
        };
        let value = if band == "limit" { usual + room } else { usual };
        let (at, count) = (UnixMs(at), NonZeroU32::MIN);
        let (min, mean, max, p10, p50, p90, p99) =
            (value, value, value, value, value, value, value);
        Bucket { at, count, min, mean, max, p10, p50, p90, p99, merged: false }
    }

    fn bucket(metric: Metric, id: SeriesId, at: i64, count: u32) -> Option<Bucket> {
        let hour = (at.rem_euclid(86_400_000)) as f64 / 3_600_000.0;
        let lost = match hour {
            9.5..9.65 => 100.0,
            13.0..13.9 => 12.0,
            20.0..20.3 => 2.0,
            _ => 0.0,
        };
        let noise = f64::from(noise(id, at / 1_000) % 1_000) / 1_000.0;
        let busy = (hour / 24.0 * std::f64::consts::TAU).sin().max(0.0) * 3_000.0;
        let base = 11_000.0 + busy + noise * 700.0;
        let spread = 400.0 + busy * 0.5 + noise * noise * 2_500.0;
        let at = UnixMs(at);
        let count = NonZeroU32::new(count)?;
        let merged = false;
        let flat = |value| Bucket {
            at,
            count,
            min: value,
            mean: value,
            max: value,
            p10: value,
            p50: value,
            p90: value,
            p99: value,
            merged,
        };
        match metric {
            Metric::Loss => Some(flat(lost)),
            // Busy by day, as bits a second.
            Metric::Interface(_) => Some(flat((base - 10_000.0) * 400_000.0)),
            _ if lost >= 100.0 => None,
            Metric::Jitter => Some(flat(spread / 3.0)),
            Metric::Rtt => Some(Bucket {
                at,
                count,
                min: base - 300.0,
                mean: base + spread * 0.2,
                max: base + spread * 2.2,
                p10: base - 150.0,
                p50: base,
                p90: base + spread,
                p99: base + spread * 2.0,
                merged,
            }),
        }
    }
}

impl Samples for Past {
    fn register(&self, series: &[Series]) -> Result<(), Error> {
        self.series.lock().expect("no holder of this lock panics").extend_from_slice(series);
        Ok(())
    }

    fn append(&self, _: Batch) -> Result<Appended, Error> {
        Err(Error::Closed)
    }

    fn range(&self, query: &RangeQuery) -> Result<Vec<RangeAnswer>, Error> {
        if self.broken {
            return Err(Error::Closed);
        }
        let step = query.step.unwrap_or(Duration::from_secs(3)).as_millis() as i64;
        let series = self.series.lock().expect("no holder of this lock panics");
        let times = || {
            (query.from.0..query.until.0).step_by(usize::try_from(step).expect("a step above zero"))
        };
        let count = u32::try_from(step / 3_000).unwrap_or(u32::MAX).max(1);
        let answer = |id: &SeriesId| {
            let known = series.iter().find(|series| series.id() == *id);
            let bucket = |at| known.and_then(|known| self.of_series(known, at, count));
            if query.step.is_some() {
                return RangeAnswer::Buckets(times().filter_map(bucket).collect());
            }
            let sample = |at| bucket(at).map(|bucket| (bucket.at, bucket.p50));
            RangeAnswer::Samples(times().filter_map(sample).collect())
        };
        Ok(query.series.iter().map(answer).collect())
    }

    fn list(&self, metric: Option<Metric>) -> Result<Vec<Series>, Error> {
        let series = self.series.lock().expect("no holder of this lock panics");
        let wanted = |series: &&Series| metric.is_none_or(|metric| series.metric == metric);
        Ok(series.iter().filter(wanted).cloned().collect())
    }

    fn latest(&self, series: &[SeriesId]) -> Result<Vec<Option<(UnixMs, f64)>>, Error> {
        Ok(vec![None; series.len()])
    }

    fn retain(&self, _: Retention, _: UnixMs) -> Result<bool, Error> {
        Ok(true)
    }

    fn stats(&self) -> SamplesStats {
        SamplesStats::default()
    }

    fn committed_until(&self, _: u32) -> Result<Option<u64>, Error> {
        Ok(None)
    }
}

/// A small network as an operator has it, with one of everything that can be wrong.
pub(crate) fn small_network() -> Vec<(Target, Manner)> {
    let sites =
        [("gateway", 300), ("aws-london", 11_000), ("aws-frankfurt", 19_000), ("tokyo", 231_000)];
    let hosts = ["www", "api", "db1", "db2", "cache", "queue", "mail", "edge1"];
    let mut targets = Vec::new();
    for (site, rtt) in sites {
        for (number, host) in hosts.into_iter().enumerate() {
            let icmp = number % 3 != 1;
            let protocol = if icmp { Protocol::Icmp } else { Protocol::Tcp(443) };
            let mut target = Target::new(&format!("{host}.{site}.example.net"), site, protocol);
            target.interval = Duration::from_secs(1);
            target.tags.insert("gateway".to_owned(), format!("gw{}", number % 2 + 1));
            let manner = match (site, host) {
                ("aws-london", "db2") => Manner::Died,
                ("aws-london", "queue") => Manner::Loses(14),
                ("aws-frankfurt", "mail") => Manner::Silent,
                ("aws-frankfurt", "cache") => Manner::Loses(4),
                ("tokyo", "edge1") => Manner::Nameless,
                ("gateway", "queue") => Manner::Hidden,
                _ => Manner::Answers(rtt + number as u32 * rtt / 15),
            };
            targets.push((target, manner));
        }
    }
    targets
}

/// A network of `count` targets in regions of 250, one in 200 of them down and one in 90 lossy.
pub(crate) fn large_network(count: usize) -> Vec<(Target, Manner)> {
    (0..count)
        .map(|number| {
            let region = format!("region-{:02}", number / 250);
            let host = format!("h{number:05}.{region}.example.net");
            let mut target = Target::new(&host, &region, Protocol::Icmp);
            target.interval = Duration::from_secs(1);
            let manner = match number {
                _ if number % 200 == 77 => Manner::Died,
                _ if number % 90 == 13 => Manner::Loses(10),
                _ => Manner::Answers(500 + (number as u32 * 7_919) % 90_000),
            };
            (target, manner)
        })
        .collect()
}
