//! A router over a simulated daemon, at a time that stands still.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use model::{Device, Inventory, ManualClock, Target, TargetNow, UnixMs};
use netmend_show::login::{Logins, Terms};
use netmend_show::{Access, Deps, Now, Token, router};
use store::{Applied, Change, Error, Mark, Query, Record, State, StateFile};

use crate::alarms::{self, Alarms};
use crate::interfaces::Polled;
use crate::links::Uplinks;
use crate::repairs::Menders;
use crate::sim::{Manner, Past, Sim};

/// 2026-11-21 22:49:07 UTC.
pub(crate) const NOW: UnixMs = UnixMs(1_795_301_347_000);

/// Records on a disk that is gone.
#[derive(Debug)]
struct Gone;

impl State for Gone {
    fn apply(&self, _: Vec<Change>) -> Result<Applied, Error> {
        Err(Error::Closed)
    }

    fn claim(&self, _: store::Claim) -> Result<store::Claimed, Error> {
        Err(Error::Closed)
    }

    fn find(&self, _: &Query) -> Result<Vec<Record>, Error> {
        Err(Error::Closed)
    }

    fn changes(&self, _: u64) -> Result<Vec<Record>, Error> {
        Err(Error::Closed)
    }
}

/// Two devices: one is a target by its address, the other by its name.
fn inventory() -> Inventory {
    let device = |name: &str, address: [u8; 4], platform: &str, pair: &str| Device {
        name: name.into(),
        addresses: vec![address.into()],
        names: vec![format!("{name}.example.net")],
        platform: Some(platform.into()),
        groups: ["core".to_owned()].into(),
        pair: Some(pair.into()),
        login: None,
        snmp: None,
        targets: Vec::new(),
    };
    let devices = vec![
        device("edge1", [198, 18, 0, 7], "ios", "sw1"),
        device("sw1", [10, 0, 0, 1], "nxos", "edge1"),
    ];
    Inventory::new(devices, []).unwrap()
}

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) sim: Arc<Sim>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) past: Arc<Past>,
    pub(crate) state: Arc<StateFile>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) token: Token,
    pub(crate) logins: Arc<Logins>,
    pub(crate) menders: Arc<Menders>,
    pub(crate) links: Arc<Uplinks>,
    pub(crate) polled: Arc<Polled>,
    pub(crate) router: Router,
    _folder: tempfile::TempDir,
}

impl World {
    /// A daemon with these targets, after a minute of probes.
    pub(crate) fn new(targets: Vec<(Target, Manner)>) -> Self {
        Self::with(targets, false)
    }

    /// The same; with a store that answers nothing if it is `broken`.
    pub(crate) fn with(targets: Vec<(Target, Manner)>, broken: bool) -> Self {
        let sim = Arc::new(Sim::new(targets, NOW));
        let clock = Arc::new(ManualClock::new(NOW.to_ns()));
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(StateFile::open(folder.path(), &*clock).unwrap());
        let kept = Arc::<StateFile>::clone(&state) as Arc<dyn State>;
        let alarms = Arc::new(Alarms::new(kept, Arc::<ManualClock>::clone(&clock)));
        let token = Token::random().unwrap();
        let kept = Arc::<StateFile>::clone(&state) as Arc<dyn State>;
        let known = Logins::open(kept, Arc::<ManualClock>::clone(&clock), Terms::default());
        let logins = Arc::new(known.unwrap());
        let past = Arc::new(Past { broken, ..Past::of(&*sim) });
        let menders = Arc::new(Menders::default());
        let (links, polled) = (Arc::<Uplinks>::default(), Arc::<Polled>::default());
        let deps = Deps {
            now: Arc::<Sim>::clone(&sim),
            alerts: Arc::<Alarms>::clone(&alarms),
            commands: Arc::<Alarms>::clone(&alarms),
            mending: Arc::<Menders>::clone(&menders),
            samples: Arc::<Past>::clone(&past),
            state: if broken { Arc::new(Gone) } else { Arc::<StateFile>::clone(&state) },
            clock: Arc::<ManualClock>::clone(&clock),
            devices: Arc::new(inventory()),
            interfaces: Arc::<Polled>::clone(&polled),
            links: Arc::<Uplinks>::clone(&links),
            listen: "127.0.0.1:8420".parse().unwrap(),
            hosts: Vec::new(),
            token: token.clone(),
            access: Access { logins: Arc::clone(&logins), open_metrics: false },
        };
        let router = router(deps);
        Self {
            sim,
            clock,
            past,
            state,
            alarms,
            menders,
            links,
            polled,
            token,
            logins,
            router,
            _folder: folder,
        }
    }

    /// The small network with one of everything that alerts can be.
    pub(crate) fn alarmed() -> Self {
        let world = Self::new(crate::sim::small_network());
        alarms::fill(&world.alarms, &world.sim.targets().targets, NOW);
        let slow = world.target("db1.aws-london.example.net").series;
        world.past.slow_down(slow.rtt, NOW - Duration::from_mins(27));
        world
    }

    /// A second passes, in which each target is asked once.
    pub(crate) fn second(&self) {
        use model::Clock;
        self.clock.advance(Duration::from_secs(1));
        self.sim.round(self.clock.now_ms());
    }

    /// Remembers a mark, so many minutes ago.
    pub(crate) fn mark(&self, minutes_ago: u64, subject: &str, kind: &str, text: &str) {
        let at = NOW - Duration::from_mins(minutes_ago);
        let (subject, kind, text) = (subject.to_owned(), kind.to_owned(), text.to_owned());
        self.state.apply(vec![Change::Mark(Mark { at, subject, kind, text })]).unwrap();
    }

    /// The row of a host.
    pub(crate) fn target(&self, host: &str) -> Arc<TargetNow> {
        let targets = self.sim.targets();
        let found = targets.targets.iter().find(|now| now.target.host == host);
        Arc::clone(found.unwrap_or_else(|| panic!("no target {host}")))
    }
}
