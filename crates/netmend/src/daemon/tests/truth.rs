//! What is wrong in the simulated network, and when: drawn from a seed and written down before anything is
//! probed, so that what people are told can be held against it. It knows no alert.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lab::{Behaviour, Delay, Hosts, Phase, Ports, Prefix, Scenario, Share};
use model::{Protocol, Target};

/// Regions of the network. Each has one fault at a time, on one target after the other.
pub(super) const REGIONS: usize = 8;
/// Targets of a region.
pub(super) const EACH: usize = 3;
/// Minutes after the end of a fault in which its end is told, and what is not over yet can be bad again.
const QUIET: u64 = 45;
/// The same of one that comes and goes, which is held open for an hour.
const HELD: u64 = 80;
/// Mean of what queues add to each RTT.
const QUEUES: Duration = Duration::from_micros(600);

/// A fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) what: What,
    /// Places of the targets that have it.
    pub(super) at: Vec<usize>,
    /// Minutes after the start.
    pub(super) from: u64,
    pub(super) until: u64,
}

/// Kinds of faults. Spans are milliseconds that RTTs are longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    /// No probe is answered.
    Outage,
    /// So many percent of the probes are lost.
    Loss(u64),
    /// RTTs are longer.
    Rise(u64),
    /// RTTs are longer by up to so much, each by another time.
    Jitter(u64),
    /// RTTs become longer by and by, over the first half.
    Ramp(u64),
    /// Out for three minutes, back for four, and again.
    Flap,
    /// RTTs are longer for a minute or two, which is nobody's business.
    Burst(u64),
    /// Twenty seconds without an answer, which are nobody's business either.
    Blink,
    /// A whole region is out.
    Region,
    /// The site itself sees nobody.
    Site,
    /// RTTs are longer for good: after four hours that is usual.
    Shift(u64),
}

impl What {
    /// Minutes from the beginning within which it has to be told; `None` if it must not be.
    pub(super) fn told_within(self) -> Option<f64> {
        match self {
            What::Burst(_) | What::Blink => None,
            What::Outage | What::Flap | What::Region | What::Site => Some(3.0),
            What::Rise(_) | What::Shift(_) | What::Jitter(_) => Some(8.0),
            // Of twenty probes a minute one or none is lost, and no minute counts for much.
            What::Loss(..10) => Some(20.0),
            What::Loss(_) => Some(10.0),
            What::Ramp(_) => Some(25.0),
        }
    }

    /// Minutes after its end within which that has to be told.
    pub(super) fn over_within(self) -> f64 {
        match self {
            // It is held open until nothing was bad for an hour.
            What::Flap => HELD as f64 - 5.0,
            _ => 25.0,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            What::Outage => "outage".to_owned(),
            What::Loss(percent) => format!("loss {percent} %"),
            What::Rise(ms) => format!("RTT +{ms} ms"),
            What::Jitter(ms) => format!("jitter 0-{ms} ms"),
            What::Ramp(ms) => format!("ramp to +{ms} ms"),
            What::Flap => "flaps".to_owned(),
            What::Burst(ms) => format!("burst +{ms} ms"),
            What::Blink => "20 s out".to_owned(),
            What::Region => "region out".to_owned(),
            What::Site => "site cannot see".to_owned(),
            What::Shift(ms) => format!("for good +{ms} ms"),
        };
        f.pad(&text)
    }
}

/// The network with all that goes wrong in it.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) seed: u64,
    pub(super) minutes: u64,
    pub(super) faults: Vec<Fault>,
}

impl Truth {
    /// So many hours of faults. All of them, and what is told of them, are over by the end.
    pub(super) fn draw(seed: u64, hours: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let minutes = hours * 60;
        let mut faults = Vec::new();
        // Every eight hours the site loses its sight; what else was wrong is over by then.
        let mut from = 130;
        while from + 50 <= minutes {
            let until = from + dice.u64(5..15);
            faults.push(Fault { what: What::Site, at: (0..REGIONS * EACH).collect(), from, until });
            from += 480;
        }
        let site: Vec<(u64, u64)> = faults.iter().map(|fault| (fault.from, fault.until)).collect();
        for region in 0..REGIONS {
            // One region is left to what stays.
            if region == REGIONS - 1 && hours >= 12 {
                let (what, at) = (What::Shift(dice.u64(20..40)), vec![region * EACH]);
                faults.push(Fault { what, at, from: 260, until: 260 + 330 });
                continue;
            }
            let mut from = dice.u64(5..10);
            for round in 0.. {
                let (what, length) = draw(region + round, &mut dice);
                let settled = from + length + if what == What::Flap { HELD } else { QUIET };
                if settled > minutes {
                    break;
                }
                let meets = |(begin, end): &&(u64, u64)| from < end + QUIET && settled > begin - 5;
                if let Some((_, end)) = site.iter().find(meets) {
                    from = end + QUIET + dice.u64(0..15);
                    continue;
                }
                let first = region * EACH;
                let at = match what {
                    What::Region => (first..first + EACH).collect(),
                    _ => vec![first + round % EACH],
                };
                faults.push(Fault { what, at, from, until: from + length });
                from = settled + dice.u64(0..15);
            }
        }
        faults.sort_by_key(|fault| fault.from);
        Self { seed, minutes, faults }
    }

    /// The targets, by place.
    pub(super) fn targets() -> Vec<Target> {
        let target = |place: usize| {
            let region = place / EACH;
            // One region is asked by TCP.
            let protocol = if region == 1 { Protocol::Tcp(443) } else { Protocol::Icmp };
            Target::new(&address(place), &format!("r{region}"), protocol)
        };
        (0..REGIONS * EACH).map(target).collect()
    }

    /// The network as the simulator plays it.
    pub(super) fn scenario(&self) -> Scenario {
        let hosts = (0..REGIONS * EACH).map(|place| Hosts {
            prefixes: vec![prefix(place)],
            every: None,
            repeat: None,
            phases: self.phases(place),
        });
        Scenario {
            about: "a day of faults".into(),
            seed: self.seed,
            prober: vec![IpAddr::from([10, 255, 0, 1])],
            hosts: hosts.collect(),
        }
    }

    fn phases(&self, place: usize) -> Vec<Phase> {
        let mut phases = BTreeMap::from([(0, usual(place))]);
        for fault in self.faults.iter().filter(|fault| fault.at.contains(&place)) {
            for second in (fault.from * 60..fault.until * 60).step_by(20) {
                let passed = second - fault.from * 60;
                phases.insert(second, fault.behaviour(place, passed));
            }
            phases.insert(fault.until * 60, usual(place));
        }
        let phase = |(second, behaviour)| Phase { after: Duration::from_secs(second), behaviour };
        let mut phases: Vec<Phase> = phases.into_iter().map(phase).collect();
        phases.dedup_by(|later, earlier| later.behaviour == earlier.behaviour);
        phases
    }
}

impl Fault {
    /// How a target behaves so many seconds after the beginning.
    fn behaviour(&self, place: usize, passed: u64) -> Behaviour {
        let mut behaviour = usual(place);
        let more = |ms: u64| Delay::Exponential {
            least: base(place) + Duration::from_millis(ms),
            mean: QUEUES,
        };
        match self.what {
            What::Outage | What::Region | What::Site => behaviour.black_hole = true,
            What::Flap => behaviour.black_hole = passed % 420 < 180,
            What::Blink => behaviour.black_hole = passed < 20,
            What::Loss(percent) => {
                let share = Share::try_from(format!("{percent}%"));
                behaviour.loss = share.expect("it is a share");
            }
            What::Rise(ms) | What::Burst(ms) | What::Shift(ms) => behaviour.delay = more(ms),
            What::Jitter(ms) => {
                let least = base(place);
                behaviour.delay = Delay::Uniform(least, least + Duration::from_millis(ms));
            }
            What::Ramp(ms) => {
                let half = (self.until - self.from) * 30;
                behaviour.delay = more(ms * passed.min(half) / half);
            }
        }
        behaviour
    }
}

/// The `number`th fault and its minutes.
fn draw(number: usize, dice: &mut fastrand::Rng) -> (What, u64) {
    let long = dice.u64(20..60);
    match number % 9 {
        0 => (What::Outage, dice.u64(3..50)),
        1 => (What::Rise(dice.u64(15..60)), long),
        2 => (What::Loss(dice.u64(5..40)), long),
        3 => (What::Flap, 7 * dice.u64(4..6)),
        4 => (What::Jitter(dice.u64(50..90)), long),
        5 => (What::Burst(dice.u64(20..80)), dice.u64(1..3)),
        6 => (What::Ramp(dice.u64(30..60)), 50 + dice.u64(0..20)),
        7 => (What::Region, dice.u64(5..30)),
        _ => (What::Blink, 1),
    }
}

/// The shortest RTT of a target.
pub(super) fn base(place: usize) -> Duration {
    Duration::from_millis(12 + 3 * place as u64)
}

/// A target without faults.
fn usual(place: usize) -> Behaviour {
    let open = serde_json::json!({ "others": "open" });
    let tcp: Ports = serde_json::from_value(open).expect("it is what ports may be");
    let delay = Delay::Exponential { least: base(place), mean: QUEUES };
    Behaviour { delay, tcp, ..Behaviour::default() }
}

fn address(place: usize) -> String {
    format!("10.77.{}.{}", place / EACH, place % EACH + 1)
}

fn prefix(place: usize) -> Prefix {
    let written = format!("{}/32", address(place));
    written.parse().expect("an address with its length is a prefix")
}

/// An RTT of a target without faults, for a past that was not simulated.
pub(super) fn past_rtt(place: usize, dice: &mut fastrand::Rng) -> Duration {
    base(place) + QUEUES.mul_f64(-(1.0 - dice.f64()).ln())
}
