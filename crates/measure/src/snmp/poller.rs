//! Polls many devices from one thread: each at its own phase of its interval, a bounded number at a time, over
//! one socket a family. A device that does not answer keeps one of the places for a few seconds and nobody
//! else waiting; what is found goes out over a bounded channel.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use async_snmp::{EngineCache, UdpTransport};
use model::{Clock, DeviceReading};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::SnmpError;
use super::session::{Asked, Session};

/// So many devices are asked at a time. A dead one keeps its place for `timeout` x (`retries` + 1), 6 s as a
/// rule, so that 40 of them a second may die before others wait.
const AT_ONCE: usize = 256;
/// Receive buffer: answers of all devices asked at a time.
const BUFFER: usize = 4 << 20;
/// The first poll of a device comes within this time, at its phase.
const SOON: Duration = Duration::from_secs(5);
/// How long a device may take beyond its interval before its poll is given up.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the thread looks up when nothing is due.
const TICK: Duration = Duration::from_secs(1);

/// What became of one poll.
#[derive(Debug)]
pub struct Polled {
    /// The device.
    pub asked: Arc<Asked>,
    /// What was read, or why nothing was.
    pub outcome: Result<DeviceReading, SnmpError>,
}

/// What the poller has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollCounters {
    /// Devices that are polled.
    pub devices: u64,
    /// Polls that read a device.
    pub polls: u64,
    /// Polls that nothing answered.
    pub silent: u64,
    /// Polls whose credential was refused.
    pub credential: u64,
    /// Polls that failed otherwise.
    pub failed: u64,
    /// Polls left out because the one before took too long.
    pub missed: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Datagrams that are no SNMP message.
    pub malformed: u64,
    /// Datagrams that nobody waited for: late, twice, or from somebody else.
    pub discarded: u64,
}

#[derive(Debug, Default)]
struct Counts {
    devices: AtomicU64,
    polls: AtomicU64,
    silent: AtomicU64,
    credential: AtomicU64,
    failed: AtomicU64,
    missed: AtomicU64,
    requests: AtomicU64,
    malformed: AtomicU64,
    discarded: AtomicU64,
}

/// The devices that are asked.
type Plan = Arc<[Arc<Asked>]>;

/// The running poller.
pub struct Poller {
    /// `None` once it stops.
    plan: Mutex<Option<watch::Sender<Plan>>>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

impl Poller {
    /// Starts the thread; it asks nobody until [`set`](Self::set).
    ///
    /// # Errors
    /// The thread or its runtime cannot be made.
    pub fn start(clock: Arc<dyn Clock>, out: mpsc::Sender<Polled>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (plan, wanted) = watch::channel(Arc::from([]));
        let counts = Arc::<Counts>::default();
        let work = Work {
            clock,
            out,
            wanted,
            counts: Arc::clone(&counts),
            sockets: Sockets::default(),
            places: HashMap::new(),
            flying: JoinSet::new(),
        };
        let thread = std::thread::Builder::new()
            .name("snmp".into())
            .spawn(move || runtime.block_on(work.run()))?;
        Ok(Self { plan: Mutex::new(Some(plan)), counts, thread: Mutex::new(Some(thread)) })
    }

    /// Asks these devices from now on; those that stay as they are keep their pace and what is known of them.
    pub fn set(&self, devices: Vec<Asked>) {
        let devices: Plan = devices.into_iter().map(Arc::new).collect();
        self.counts.devices.store(devices.len() as u64, Ordering::Relaxed);
        if let Some(plan) = &*self.plan.lock().expect("no holder of this lock can panic") {
            plan.send_replace(devices);
        }
    }

    /// What it has done.
    pub fn counters(&self) -> PollCounters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        PollCounters {
            devices: read(&counts.devices),
            polls: read(&counts.polls),
            silent: read(&counts.silent),
            credential: read(&counts.credential),
            failed: read(&counts.failed),
            missed: read(&counts.missed),
            requests: read(&counts.requests),
            malformed: read(&counts.malformed),
            discarded: read(&counts.discarded),
        }
    }

    /// Ends the thread; polls that are under way are given up.
    pub fn stop(&self) {
        drop(self.plan.lock().expect("no holder of this lock can panic").take());
        let thread = self.thread.lock().expect("no holder of this lock can panic").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that polls over SNMP panicked");
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks one device once, as the poller does.
///
/// # Errors
/// Why it cannot be read.
pub async fn ask_once(asked: &Asked, clock: &dyn Clock) -> Result<DeviceReading, SnmpError> {
    let mut sockets = Sockets::default();
    let mut session = sockets.session(asked).await?;
    let reading = session.poll(clock).await;
    sockets.close().await;
    reading
}

/// One socket a family, made when it is needed first.
#[derive(Default)]
struct Sockets {
    v4: Option<UdpTransport>,
    v6: Option<UdpTransport>,
    engines: Arc<EngineCache>,
}

impl Sockets {
    async fn session(&mut self, asked: &Asked) -> Result<Session, SnmpError> {
        let engines = Arc::clone(&self.engines);
        let socket = self.at(asked.address).await?;
        Session::open(asked, socket, &engines).await
    }

    async fn at(&mut self, address: SocketAddr) -> Result<&UdpTransport, SnmpError> {
        let (slot, any) = match address {
            SocketAddr::V4(_) => (&mut self.v4, "0.0.0.0:0"),
            SocketAddr::V6(_) => (&mut self.v6, "[::]:0"),
        };
        if slot.is_none() {
            let socket = UdpTransport::builder().bind(any).recv_buffer_size(BUFFER);
            let socket = socket.warn_on_source_mismatch(false).build().await;
            let why =
                |why: Box<async_snmp::Error>| SnmpError::Other { address, why: why.to_string() };
            *slot = Some(socket.map_err(why)?);
        }
        Ok(slot.as_ref().expect("it was made above"))
    }

    /// Datagrams that are no message, and those that nobody waited for.
    fn oddities(&self) -> (u64, u64) {
        let both = [&self.v4, &self.v6].into_iter().flatten().map(UdpTransport::stats);
        both.fold((0, 0), |sum, stats| {
            (sum.0 + stats.malformed_datagrams, sum.1 + stats.discarded_datagrams)
        })
    }

    async fn close(&self) {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            socket.control().shutdown().await;
        }
    }
}

/// Where a device stands in the plan.
struct Place {
    asked: Arc<Asked>,
    /// When it is to be asked next, by the monotonic clock.
    due: Duration,
    /// `None` while it is being asked, and before it was asked first.
    session: Option<Session>,
    flying: bool,
}

/// A poll that came back.
type Landed = (Arc<Asked>, Option<Session>, Result<DeviceReading, SnmpError>);

struct Work {
    clock: Arc<dyn Clock>,
    out: mpsc::Sender<Polled>,
    wanted: watch::Receiver<Plan>,
    counts: Arc<Counts>,
    sockets: Sockets,
    places: HashMap<Arc<str>, Place>,
    flying: JoinSet<Landed>,
}

impl Work {
    async fn run(mut self) {
        self.replan();
        loop {
            let pause = self.launch().await;
            tokio::select! {
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.replan(),
                    Err(_) => break,
                },
                Some(landed) = self.flying.join_next(), if !self.flying.is_empty() => {
                    if !self.land(landed).await {
                        break;
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.flying.abort_all();
        self.sockets.close().await;
    }

    /// Takes over the devices that are wanted now.
    fn replan(&mut self) {
        let wanted = Arc::clone(&self.wanted.borrow_and_update());
        let now = self.clock.monotonic();
        let mut old = std::mem::take(&mut self.places);
        for asked in &*wanted {
            let place = old.remove(&asked.device).filter(|place| place.asked == *asked);
            let place = place.unwrap_or_else(|| Place {
                asked: Arc::clone(asked),
                due: now + phase(&asked.device, SOON.min(asked.access.interval)),
                session: None,
                flying: false,
            });
            self.places.insert(Arc::clone(&asked.device), place);
        }
    }

    /// Asks all that are due, as far as there is room; says how long nothing more will be.
    async fn launch(&mut self) -> Duration {
        let now = self.clock.monotonic();
        let waiting = self.places.iter().filter(|(_, place)| !place.flying);
        let waiting = waiting.map(|(device, place)| (place.due, device));
        let room = AT_ONCE.saturating_sub(self.flying.len());
        let (due, next) = due(waiting, now, room);
        for device in due {
            let Some(place) = self.places.get_mut(&device) else { continue };
            let asked = Arc::clone(&place.asked);
            let kept = place.session.take();
            place.flying = true;
            let session = match kept {
                Some(session) => Ok(session),
                None => self.sockets.session(&asked).await,
            };
            let clock = Arc::clone(&self.clock);
            self.flying.spawn(async move {
                let mut session = match session {
                    Ok(session) => session,
                    Err(why) => return (asked, None, Err(why)),
                };
                let patience = asked.access.interval + PATIENCE;
                let outcome = timeout(patience, session.poll(&*clock)).await;
                let outcome = outcome.unwrap_or_else(|_| {
                    let why = format!("one poll took longer than {} s", patience.as_secs());
                    Err(SnmpError::Other { address: asked.address, why })
                });
                (asked, Some(session), outcome)
            });
        }
        next.saturating_sub(now)
    }

    /// Takes a poll that came back and hands on what it found; `false` once nobody takes it.
    async fn land(&mut self, landed: Result<Landed, tokio::task::JoinError>) -> bool {
        let (asked, session, outcome) = match landed {
            Ok(landed) => landed,
            Err(why) => {
                // A defect of ours or of the library: whoever was asked is asked again as if new, but not at
                // once, lest a device that provokes it does so without a pause.
                tracing::error!(%why, "a poll over SNMP was lost");
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                let now = self.clock.monotonic();
                for place in self.places.values_mut().filter(|place| place.flying) {
                    place.flying = false;
                    place.due = now + place.asked.access.interval;
                }
                return true;
            }
        };
        self.count(&outcome);
        let now = self.clock.monotonic();
        let place = self.places.get_mut(&asked.device).filter(|place| place.asked == asked);
        // Nobody wants to hear of a device that left the plan while it was asked.
        let Some(place) = place else { return true };
        let interval = asked.access.interval;
        place.flying = false;
        place.session = session;
        place.due += interval;
        if place.due <= now {
            let late = now.saturating_sub(place.due).as_nanos() / interval.as_nanos().max(1) + 1;
            let late = u32::try_from(late).unwrap_or(u32::MAX);
            self.counts.missed.fetch_add(late.into(), Ordering::Relaxed);
            place.due += interval.saturating_mul(late);
        }
        self.out.send(Polled { asked, outcome }).await.is_ok()
    }

    fn count(&self, outcome: &Result<DeviceReading, SnmpError>) {
        let counts = &self.counts;
        let count = match outcome {
            Ok(reading) => {
                counts.requests.fetch_add(reading.requests.into(), Ordering::Relaxed);
                &counts.polls
            }
            Err(why) => match why.kind() {
                "silent" => &counts.silent,
                "credential" => &counts.credential,
                _ => &counts.failed,
            },
        };
        count.fetch_add(1, Ordering::Relaxed);
        let (malformed, discarded) = self.sockets.oddities();
        counts.malformed.store(malformed, Ordering::Relaxed);
        counts.discarded.store(discarded, Ordering::Relaxed);
    }
}

/// The devices of `waiting`, each with its time, that are to be asked `now`, `room` of them at most and those that
/// wait longest first, so that where there is too little room for all everybody has a turn; and when to look again.
fn due<'d>(
    waiting: impl Iterator<Item = (Duration, &'d Arc<str>)>,
    now: Duration,
    room: usize,
) -> (Vec<Arc<str>>, Duration) {
    let mut next = now + TICK;
    let mut due = Vec::new();
    for (at, device) in waiting {
        if at <= now {
            due.push((at, device));
        } else {
            next = next.min(at);
        }
    }
    due.sort_unstable();
    (due.into_iter().take(room).map(|(_, device)| Arc::clone(device)).collect(), next)
}

/// A point within `span` that is the same for a name at each start, and spread over many names.
fn phase(device: &str, span: Duration) -> Duration {
    let mut hash = DefaultHasher::new();
    device.hash(&mut hash);
    let part = f64::from((hash.finish() >> 32) as u32) / f64::from(u32::MAX);
    span.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longest_is_asked_first_where_not_all_can_be() {
        let asked = |waiting: &[(u64, &str)]| {
            let waiting: Vec<_> = waiting
                .iter()
                .map(|(at, device)| (Duration::from_secs(*at), Arc::from(*device)))
                .collect();
            let waiting = waiting.iter().map(|(at, device)| (*at, device));
            due(waiting, Duration::from_millis(10_500), 3)
        };
        let (found, next) = asked(&[(9, "c"), (11, "late"), (7, "a"), (10, "d"), (8, "b")]);
        assert_eq!(found, ["a", "b", "c"].map(Arc::<str>::from));
        assert_eq!(next, Duration::from_secs(11));
        assert_eq!(asked(&[(99, "a")]), (Vec::new(), Duration::from_millis(11_500)));
    }

    #[test]
    fn devices_are_spread_over_their_interval() {
        let minute = Duration::from_mins(1);
        let mut tenths = [0; 10];
        for device in 0..1_000 {
            let at = phase(&format!("sw{device}"), minute);
            assert!(at <= minute);
            tenths[((at.as_millis() / 6_000) as usize).min(9)] += 1;
        }
        assert!(tenths.iter().all(|count| (50..=150).contains(count)), "{tenths:?}");
    }
}
