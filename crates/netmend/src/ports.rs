//! What one stage needs from another, implemented: the pages' view of the present. Holds references and
//! puts numbers together; decides nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use alert::Reach;
use measure::kernel::KernelNetwork;
use measure::resolve::literal;
use measure::trace::{Request, trace};
use measure::wire::syslog::Meanings;
use measure::{Counters, Prober};
use model::alert::{AlertId, Cause, Clue};
use model::{Alert, Clock, Inventory, Method, Protocol, SeriesId, TargetState, UnixMs};
use show::{Counter, Now, Snapshot, Stage, StoreNow, System, Warning};

use crate::board::Board;
use crate::ears::Ears;
use crate::evidence::{self, Field, Place, Witness};
use crate::explain::cause::causes;
use crate::feed::Feed;
use crate::forwarding::{self, Forwarding};
use crate::hear::{self, HearCounts, Known};
use crate::judging::Judging;
use crate::notices::Notices;
use crate::polling::Polling;
use crate::telling::{Sights, Telling};
use crate::wan::{self, Wan};

/// A stage that has not moved for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(15);

/// How old the sizes of the store may be.
const FRESH: Duration = Duration::from_secs(1);

/// The running daemon, as the pages see it.
#[derive(Debug)]
pub(crate) struct Present {
    /// The clock of everything.
    pub(crate) clock: Arc<dyn Clock>,
    /// Who probes.
    pub(crate) prober: Prober,
    /// The targets now.
    pub(crate) board: Mutex<Board>,
    /// The way to the store.
    pub(crate) feed: Arc<Feed>,
    /// Who passes on what is stored.
    pub(crate) forwarding: Arc<Forwarding>,
    /// Who judges.
    pub(crate) judging: Arc<Judging>,
    /// Who tells.
    pub(crate) telling: Arc<Telling>,
    /// What delivery has done.
    pub(crate) delivered: OnceLock<Arc<alert::delivery::Counters>>,
    /// What operators should mend.
    pub(crate) notices: Arc<Notices>,
    /// Who asks orchestrators.
    pub(crate) wan: Arc<Wan>,
    /// Where this instance stands; a reload may change it.
    pub(crate) site: Mutex<String>,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The syslog listeners.
    pub(crate) ears: Ears,
    /// The devices that are asked over SNMP, and their traps.
    pub(crate) polling: Arc<Polling>,
    /// What became of the lines.
    pub(crate) heard: Arc<HearCounts>,
    /// When it started, on both clocks.
    pub(crate) started: (UnixMs, Duration),
    /// Sizes of the store, and when they were looked at.
    pub(crate) sizes: Mutex<Option<(Duration, Sizes)>>,
    /// When the thread that takes results last moved, by the monotonic clock.
    pub(crate) moved: Mutex<Duration>,
    /// Paths traced so far.
    pub(crate) traces: Arc<Mutex<evidence::Counts>>,
    /// Why nothing is mended, while the store does not take down who does it, and since when.
    pub(crate) unmended: Mutex<Option<(String, UnixMs)>>,
}

/// What the data folder holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    bytes: Option<u64>,
    free_bytes: Option<u64>,
    series: u64,
}

impl Present {
    /// The rows of all targets.
    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().expect("no holder of this lock can panic")
    }

    /// Says that the thread that takes results is alive.
    pub(crate) fn beat(&self) {
        *self.moved.lock().expect("no holder of this lock can panic") = self.clock.monotonic();
    }

    /// See [`Present::unmended`].
    fn unmended(&self) -> Option<(String, UnixMs)> {
        self.unmended.lock().expect("no holder of this lock can panic").clone()
    }

    /// Sizes of the store, looked at once a second at most however many ask.
    fn sizes(&self) -> Sizes {
        let now = self.clock.monotonic();
        let mut kept = self.sizes.lock().expect("no holder of this lock can panic");
        match *kept {
            Some((at, sizes)) if now.saturating_sub(at) < FRESH => sizes,
            _ => {
                let sizes = Sizes {
                    bytes: folder_bytes(&self.data),
                    free_bytes: free_bytes(&self.data),
                    series: self.feed.series(),
                };
                *kept = Some((now, sizes));
                sizes
            }
        }
    }

    fn store(&self) -> StoreNow {
        let status = self.feed.status();
        let sizes = self.sizes();
        StoreNow {
            path: self.data.display().to_string(),
            committed_until: status.committed_until,
            committed_at: status.committed_at,
            bytes: sizes.bytes,
            free_bytes: sizes.free_bytes,
            series: Some(sizes.series),
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let status = self.feed.status();
        let warning = |text, since| Warning {
            text,
            fix: "free space on the disk of the data folder; netmend goes on by itself".into(),
            since: Some(since),
        };
        let failing = status.failing.map(|(why, since)| {
            let text = format!("samples wait in memory, the store does not take them: {why}");
            warning(text, since)
        });
        let unmended = self.unmended().map(|(why, since)| {
            warning(format!("nothing is repaired, the store cannot be written: {why}"), since)
        });
        let now = self.clock.now_ms();
        let sinks = forwarding::warnings(&self.forwarding.now(), now);
        let asked = self.polling.warnings();
        let failing = failing.into_iter().chain(unmended);
        failing.chain(sinks).chain(asked).chain(self.notices.current(now)).collect()
    }
}

impl Now for Present {
    fn targets(&self) -> Arc<Snapshot> {
        self.board().snapshot(self.clock.now_ms(), self.clock.monotonic())
    }

    fn system(&self) -> System {
        let snapshot = self.targets();
        let mut methods: Vec<(Method, usize)> = Vec::new();
        for method in snapshot.targets.iter().filter_map(|target| target.method) {
            match methods.iter_mut().find(|(known, _)| *known == method) {
                Some((_, count)) => *count += 1,
                None => methods.push((method, 1)),
            }
        }
        System {
            version: env!("CARGO_PKG_VERSION"),
            site: self.site.lock().expect("no holder of this lock can panic").clone(),
            started: self.started.0,
            uptime: self.clock.monotonic().saturating_sub(self.started.1),
            methods,
            warnings: self.warnings(),
            counters: self.counters(),
            store: self.store(),
            sinks: self.forwarding.now().sinks,
        }
    }

    fn stages(&self) -> Vec<Stage> {
        let moved = *self.moved.lock().expect("no holder of this lock can panic");
        let still = self.clock.monotonic().saturating_sub(moved);
        let measure = (still > PATIENCE)
            .then(|| format!("no results have been taken for {} s", still.as_secs()));
        let store = self.feed.status().failing.map(|(why, _)| why);
        let stuck = |still: Duration, what: &str| {
            (still > PATIENCE).then(|| format!("{what} for {} s", still.as_secs()))
        };
        let judge = stuck(self.judging.still(), "nothing has been judged");
        let alert = stuck(self.telling.still(), "nobody has looked whom to tell");
        let alert = alert.or(self.telling.failing().map(|(why, _)| why));
        let hear = self.heard.still(self.clock.monotonic());
        let hear = stuck(hear, "the store has not taken what devices say");
        vec![
            Stage { name: "measure", stuck: measure },
            Stage { name: "store", stuck: store },
            Stage { name: "judge", stuck: judge },
            Stage { name: "alert", stuck: alert },
            Stage { name: "hear", stuck: hear },
            Stage { name: "mend", stuck: self.unmended().map(|(why, _)| why) },
        ]
    }
}

impl Present {
    fn counters(&self) -> Vec<Counter> {
        let feed = self.feed.status();
        let mut counters = probe_counters(&self.prober.counters());
        counters.extend([
            Counter::total(
                "netmend_samples_stored_total",
                "Samples acknowledged by the store.",
                feed.stored,
            ),
            Counter::total(
                "netmend_samples_dropped_total",
                "Samples given up because the store did not take them in time.",
                feed.dropped,
            ),
            Counter::gauge(
                "netmend_samples_waiting",
                "Samples that wait for the store.",
                feed.waiting as f64,
            ),
        ]);
        let traces = *self.traces.lock().expect("no holder of this lock can panic");
        counters.extend(trace_counters(traces));
        counters.extend(hear::counters(&self.ears.counters(), &self.heard));
        counters.extend(self.polling.counters());
        counters.extend(judged_counters(self));
        counters.extend(forwarding::counters(&self.forwarding.now(), self.clock.now_ms()));
        counters.extend(wan::counters(&self.wan));
        if let Some(bytes) = resident_bytes() {
            let help = "Resident memory of the process in bytes.";
            counters.push(Counter::gauge("process_resident_memory_bytes", help, bytes as f64));
        }
        counters
    }
}

fn trace_counters(counts: evidence::Counts) -> [Counter; 3] {
    let counter = |name, help, value| Counter::total(name, help, value);
    [
        counter("netmend_traces_total", "Paths traced.", counts.traced),
        counter("netmend_traces_failed_total", "Paths that could not be traced.", counts.failed),
        counter(
            "netmend_traces_left_out_total",
            "Alerts whose path was not traced, since too many were raised at once.",
            counts.left_out,
        ),
    ]
}

/// The targets of the running daemon, and the network that their paths are traced in.
#[derive(Debug)]
pub(crate) struct Paths {
    /// The targets.
    pub(crate) present: Arc<Present>,
    /// The way out.
    pub(crate) tracer: Arc<dyn Tracer>,
}

/// Who finds paths.
pub(crate) trait Tracer: Send + Sync + std::fmt::Debug {
    /// Finds one; blocks for seconds. `stop` ends it early.
    fn trace(
        &self,
        clock: &dyn Clock,
        request: &Request,
        stop: &AtomicBool,
    ) -> Result<model::Path, String>;
}

impl Tracer for KernelNetwork {
    fn trace(
        &self,
        clock: &dyn Clock,
        request: &Request,
        stop: &AtomicBool,
    ) -> Result<model::Path, String> {
        trace(self, clock, request, stop).map_err(|error| error.to_string())
    }
}

impl Field for Paths {
    fn all(&self) -> Vec<SeriesId> {
        self.present.targets().targets.iter().map(|row| row.series.rtt).collect()
    }

    fn place(&self, rtt: SeriesId) -> Option<Place> {
        let snapshot = self.present.targets();
        let row = snapshot.targets.iter().find(|row| row.series.rtt == rtt)?;
        let target = &row.target;
        // Only the name of a link-local address has its zone.
        let mut to = match literal(&target.host, target.family) {
            Some(written) => written.ok()?,
            None => SocketAddr::new(row.address?, 0),
        };
        to.set_port(match target.protocol {
            Protocol::Icmp => 0,
            Protocol::Tcp(port) => port,
        });
        Some(Place {
            name: target.to_string(),
            to,
            packet: target.packet.clone(),
            well: row.state == TargetState::Up,
        })
    }

    fn trace(&self, place: &Place, stop: &AtomicBool) -> Result<model::Path, String> {
        let request = Request { packet: place.packet.clone(), ..Request::new(place.to) };
        self.tracer.trace(&*self.present.clock, &request, stop)
    }
}

/// The lines of devices, and the alerts that they are evidence for.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The devices and what they mean.
    pub(crate) known: Known,
    /// Who holds the alerts.
    pub(crate) telling: Arc<Telling>,
}

impl Witness for Heard {
    fn known(&self) -> (Arc<Inventory>, Arc<Meanings>) {
        self.known.rules()
    }

    fn tell(&self, alert: AlertId, clues: Vec<Clue>) {
        self.telling.set_clues(alert, clues);
    }
}

/// What was judged and told.
fn judged_counters(present: &Present) -> Vec<Counter> {
    let judged = present.judging.counts();
    let told = present.telling.counts();
    let mut counters = vec![Counter::gauge(
        "netmend_judged_series",
        "Series that are judged.",
        judged.series as f64,
    )];
    counters.extend(judged.took_up.map(|took| {
        let help = "Time that the judge took at the start to go on with what was learned.";
        Counter::gauge("netmend_judge_start_seconds", help, took.as_secs_f64())
    }));
    let simple = [
        ("netmend_samples_judged_total", "Samples judged.", judged.judged),
        (
            "netmend_samples_unjudged_total",
            "Samples not judged, because too many waited.",
            judged.dropped,
        ),
        (
            "netmend_samples_refused_total",
            "Samples that could not be, or came out of order.",
            judged.refused,
        ),
        ("netmend_alerts_raised_total", "Alerts raised.", told.raised),
        ("netmend_alerts_reopened_total", "Alerts opened again.", told.reopened),
        ("netmend_alerts_resolved_total", "Alerts resolved.", told.resolved),
        ("netmend_alerts_accepted_total", "Alerts accepted as the new usual.", told.accepted),
        ("netmend_messages_total", "Messages written, one for each receiver.", told.told),
    ];
    counters.extend(simple.map(|(name, help, value)| Counter::total(name, help, value)));
    if let Some(delivered) = present.delivered.get() {
        let counted = delivered.read();
        let delivery =
            [("sent", counted.sent), ("failed", counted.failed), ("given_up", counted.given_up)];
        let help = "Tries to deliver a message, by what became of them.";
        counters.extend(delivery.map(|(outcome, value)| {
            Counter::total("netmend_deliveries_total", help, value).with("outcome", outcome)
        }));
    }
    counters
}

/// The board, as the telling stage looks at it: all targets now and then, between that those whose state
/// has just changed.
pub(crate) struct BoardSights {
    present: Arc<Present>,
    looks: u64,
    last: UnixMs,
}

/// So often all targets are looked at.
const ALL_EVERY: u64 = 30;

impl BoardSights {
    /// Looks at the board of `present`.
    pub(crate) fn new(present: Arc<Present>) -> Self {
        Self { present, looks: 0, last: UnixMs(i64::MIN) }
    }
}

impl Sights for BoardSights {
    fn each(&mut self, see: &mut dyn FnMut(SeriesId, Reach)) {
        // States change by the wall clock: some overlap costs nothing.
        let since = self.last - Duration::from_secs(5);
        let all = self.looks.is_multiple_of(ALL_EVERY);
        self.last = self.present.clock.now_ms();
        self.looks += 1;
        for (target, state, changed) in self.present.board().states() {
            if all || changed >= since {
                see(target, Reach::of(state));
            }
        }
        self.present.wan.reaches(all, see);
    }

    fn causes(&self, open: &[Arc<Alert>]) -> Vec<(AlertId, Cause)> {
        if open.is_empty() { Vec::new() } else { causes(open, &self.present.targets()) }
    }
}

fn probe_counters(counted: &Counters) -> Vec<Counter> {
    let outcomes = [
        ("reply", counted.received),
        ("lost", counted.lost),
        ("late", counted.late),
        ("duplicate", counted.duplicate),
        ("unreachable", counted.unreachable),
        ("unknown", counted.unknown),
        ("unsent", counted.unsent),
    ];
    let help = "Reports about probes by outcome; a refused connection is a reply.";
    let mut counters = vec![Counter::total(
        "netmend_probes_sent_total",
        "Probes handed to the kernel.",
        counted.sent,
    )];
    counters.extend(outcomes.map(|(outcome, value)| {
        Counter::total("netmend_probe_outcomes_total", help, value).with("outcome", outcome)
    }));
    let simple = [
        ("netmend_packets_foreign_total", "Packets that answer nothing we asked.", counted.foreign),
        ("netmend_packets_malformed_total", "Packets that are broken.", counted.malformed),
        (
            "netmend_receive_drops_total",
            "Packets that our receive queue dropped.",
            counted.receive_drops,
        ),
        (
            "netmend_neighbour_drops_total",
            "Packets that the neighbour table swallowed.",
            counted.neighbour_drops,
        ),
        (
            "netmend_reprobes_total",
            "Probes sent sooner than the interval has them, to targets that fell silent.",
            counted.reprobes,
        ),
        ("netmend_clock_steps_total", "Steps of the wall clock.", counted.clock_steps),
        ("netmend_send_stamps_total", "Kernel send stamps used.", counted.stamps),
        (
            "netmend_send_stamps_discarded_total",
            "Kernel send stamps that could not be true.",
            counted.stamps_discarded,
        ),
        (
            "netmend_results_dropped_total",
            "Results thrown away because nobody took them.",
            counted.results_dropped,
        ),
    ];
    counters.extend(simple.map(|(name, help, value)| Counter::total(name, help, value)));
    counters.push(Counter::gauge(
        "netmend_probes_in_flight",
        "Probes under way now.",
        counted.in_flight as f64,
    ));
    let help = "Sends that the kernel refused, by errno.";
    counters.extend(counted.send_errors.iter().map(|(errno, value)| {
        let name = format!("{:?}", nix::errno::Errno::from_raw(*errno));
        Counter::total("netmend_send_errors_total", help, *value).with("errno", name)
    }));
    counters
}

/// Size of the files in the data folder; `None` if it cannot be read.
fn folder_bytes(folder: &Path) -> Option<u64> {
    let entries = fs::read_dir(folder).ok()?;
    let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok().map(|meta| meta.len()));
    Some(sizes.sum())
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}

fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * page.unsigned_abs())
}
