//! The daemon at work: events as lines, repairs as its store tells them, times as the devices saw them.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use model::event::EventState;
use model::{Clock, SystemClock, UnixMs};
use store::{EventQuery, Query, RunQuery, StateReader, Value};
use tempfile::TempDir;

use super::devices::{self, Devices};
use super::{Args, Figures};
use crate::bench_probe::bed::pause;
use crate::process::Running;

/// What is to be over must be so within this.
const PATIENCE: Duration = Duration::from_mins(3);
/// Time between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// Workers that wait for single lines.
const FEW: usize = 10;

/// What the script of the talk does, as a file.
const REMEDIATION: &str = r#""""Clears an interface that is down."""
remediation(
    match = ["LINK-3-UPDOWN"], when = state("down"), platforms = ["ios"], timeout = "60s", idempotent = True,
)

def check(event, device):
    return device.interface(event.interface).oper == "down"

def fix(event, device):
    device.command("clear interface {}", event.interface)

def verify(event, device):
    return device.interface(event.interface).oper == "up"
"#;

/// A daemon with the devices of the bench.
struct House {
    daemon: Running,
    /// Where it hears syslog.
    syslog: SocketAddr,
    folder: TempDir,
}

impl House {
    fn start(
        args: &Args,
        binary: &Path,
        devices: &mut Devices,
        workers: usize,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|why| format!("cannot make a folder: {why}"))?;
        let failed = |why: std::io::Error| format!("cannot write the configuration: {why}");
        // An address that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let syslog = free.map_err(|why| format!("no port is free: {why}"))?;
        let path = |name: &str| folder.path().join(name);
        for name in ["fixes", "data"] {
            std::fs::create_dir(path(name)).map_err(failed)?;
        }
        std::fs::write(path("fixes/clear.star"), REMEDIATION).map_err(failed)?;
        std::fs::write(path("data/known_devices"), devices.known_hosts()?).map_err(failed)?;
        std::fs::write(path("password"), devices::PASSWORD).map_err(failed)?;
        let text = configuration(args.keep, devices.count, syslog, workers);
        std::fs::write(path("netmend.yaml"), text).map_err(failed)?;
        let mut run = Command::new(binary);
        run.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(path("netmend.yaml"));
        let mut daemon = Running::start(run.arg("--data").arg(path("data")))?;
        let start = SystemClock.monotonic();
        while TcpStream::connect(syslog).is_err() {
            if daemon.has_ended() || SystemClock.monotonic().saturating_sub(start) > PATIENCE {
                return Err("the daemon does not start".to_owned());
            }
            pause(LOOK);
        }
        // What a start costs is not what repairs cost.
        pause(Duration::from_secs(2));
        Ok(Self { daemon, syslog, folder })
    }

    /// Waits until so many events are repaired; when the last one was.
    fn wait(&self, events: usize) -> Result<UnixMs, String> {
        let why = |why: store::Error| format!("the daemon's store cannot be read: {why}");
        let store = StateReader::open(&self.folder.path().join("data")).map_err(why)?;
        let start = SystemClock.monotonic();
        let limit = u32::MAX;
        loop {
            let states = vec![EventState::Success];
            let query = EventQuery { states, limit, ..EventQuery::default() };
            let done = store.find(&Query::Events(query)).map_err(why)?.len();
            if done >= events {
                break;
            }
            if SystemClock.monotonic().saturating_sub(start) > PATIENCE {
                return Err(format!(
                    "only {done} of {events} events were repaired: {}",
                    self.first()
                ));
            }
            pause(LOOK);
        }
        let query = RunQuery { limit, ..RunQuery::default() };
        let runs = store.find(&Query::Runs(query)).map_err(why)?;
        let ended = runs.into_iter().filter_map(|record| match record.value {
            Value::Run(run) => run.ended,
            _ => None,
        });
        ended.max().ok_or_else(|| "no run has ended".to_owned())
    }

    /// What became of an event that was not repaired.
    fn first(&self) -> String {
        let store = StateReader::open(&self.folder.path().join("data"));
        let query = EventQuery { limit: u32::MAX, ..EventQuery::default() };
        let found = store.and_then(|store| store.find(&Query::Events(query))).unwrap_or_default();
        let odd = found.into_iter().find_map(|record| match record.value {
            Value::Event(event) if event.state != EventState::Success => Some(event),
            _ => None,
        });
        odd.map_or_else(String::new, |event| format!("{:?}: {}", event.state, event.reason))
    }
}

/// Works on all events: what the daemon used, and what its children did.
pub(super) fn run(
    args: &Args,
    binary: &Path,
    devices: &mut Devices,
    workers: usize,
) -> Result<(Figures, Figures), String> {
    devices.break_for(args.events)?;
    let house = House::start(args, binary, devices, workers)?;
    let (used, children) = (house.daemon.used()?, house.daemon.children_used()?);
    let start = SystemClock.now_ms();
    devices.tell(house.syslog, args.events)?;
    let ended = house.wait(args.events)?;
    let took_s = (ended.0 - start.0) as f64 / 1e3;
    let events = args.events as f64;
    let figures = |before: crate::process::Used, after: crate::process::Used| Figures {
        events_per_s: events / took_s,
        cpu_ms: (after.cpu_s - before.cpu_s) * 1e3 / events,
        rss_mib: after.rss_mib,
    };
    let own = figures(used, house.daemon.used()?);
    Ok((own, figures(children, house.daemon.children_used()?)))
}

/// How long lines took to the first command on an open session, in milliseconds, one at a time.
pub(super) fn first_commands(
    args: &Args,
    binary: &Path,
    devices: &mut Devices,
    from: usize,
) -> Result<Vec<f64>, String> {
    let house = House::start(args, binary, devices, FEW)?;
    // One event a device opens the sessions.
    let count = devices.count;
    devices.break_for(count)?;
    devices.tell(house.syslog, count)?;
    house.wait(count)?;
    let logins = devices.logins()?;
    let first = from * count;
    let took = devices.first_commands(house.syslog, first..first + args.lines)?;
    let logins = devices.logins()? - logins;
    if logins > 0 {
        return Err(format!("{logins} of the sessions were not open any more"));
    }
    Ok(took)
}

fn configuration(keep: u32, count: usize, syslog: SocketAddr, workers: usize) -> String {
    let most = 1_000_000;
    let mut text = format!(
        "syslog: {{ tcp: '{syslog}', settle: 0s }}\n\
         remediations:\n  dir: fixes\n  mode: auto\n  workers: {workers}\n  keep_session: {keep}s\n  \
         budgets: {{ device: {most}, remediation: {most}, inventory: 100, at_once: {workers} }}\n  \
         storm: {{ events: {most}, devices: {most} }}\n\
         devices:\n"
    );
    for number in 0..count {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  {}: {{ addresses: {}, platform: ios, login: {{ user: {}, port: {}, password: '${{file:password}}' }} }}",
            devices::name(number),
            devices::address(number),
            devices::USER,
            devices::PORT,
        );
    }
    text
}
