//! What mending asks of the rest of the daemon: how the targets of a device are, which maintenance holds, what
//! ten probes show. Looks up and counts; decides nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alert::route::Maintenance;
use measure::kernel::KernelNetwork;
use measure::resolve::SystemResolver;
use measure::{Options, Spread};
use mend::Platform;
use mend::proof::{Judge, Measuring, Prober, ProofTarget};
use model::alert::{Subject, TargetSubject};
use model::run::Measured;
use model::status::TargetNow;
use model::{Device, Inventory, Judgement, Outcome, SeriesId, TargetId, TargetState, UnixMs};
use show::{Alerts, Now};

use crate::ports::Present;

/// How long the targets of devices are taken for what they were: the board is renewed once a second.
const FRESH: Duration = Duration::from_secs(1);
/// Probes of a target that the time before a repair is judged by.
const BEFORE: usize = 20;

/// Who is not heard of for so long is silent.
const SILENT: Duration = Duration::from_mins(1);

/// The rest of the daemon.
pub(super) struct Around {
    present: Arc<Present>,
    inventory: Mutex<Arc<Inventory>>,
    /// Which targets are of which device, and when that was looked at.
    targets: Mutex<Option<(Duration, Arc<OfDevices>)>>,
}

/// The targets of each device.
type OfDevices = HashMap<String, Vec<Arc<TargetNow>>>;

impl std::fmt::Debug for Around {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around").finish_non_exhaustive()
    }
}

impl Around {
    /// Looks at `present`.
    pub(super) fn new(present: Arc<Present>, inventory: Arc<Inventory>) -> Self {
        let inventory = Mutex::new(inventory);
        Self { present, inventory, targets: Mutex::default() }
    }

    /// The running daemon.
    pub(super) fn present(&self) -> &Present {
        &self.present
    }

    /// Other devices from now on.
    pub(super) fn set(&self, inventory: Arc<Inventory>) {
        *self.inventory.lock().expect("no holder of this lock can panic") = inventory;
        *self.targets.lock().expect("no holder of this lock can panic") = None;
    }

    fn of_devices(&self) -> Arc<OfDevices> {
        let now = self.present.clock.monotonic();
        let mut known = self.targets.lock().expect("no holder of this lock can panic");
        if let Some((at, targets)) = &*known
            && now.saturating_sub(*at) < FRESH
        {
            return Arc::clone(targets);
        }
        let inventory =
            Arc::clone(&self.inventory.lock().expect("no holder of this lock can panic"));
        let mut found = OfDevices::new();
        if !inventory.devices().is_empty() {
            // Hosts that show how devices are that they do not belong to.
            let mut shown_by: HashMap<&str, Vec<&str>> = HashMap::new();
            for device in inventory.devices() {
                for host in &device.targets {
                    shown_by.entry(host).or_default().push(&device.name);
                }
            }
            for target in &self.present.targets().targets {
                let by_address = target.address.and_then(|address| inventory.at(address));
                let own = by_address.or_else(|| inventory.called(&target.target.host));
                let named = shown_by.get(target.target.host.as_str()).into_iter().flatten();
                let named = named.filter(|device| own.is_none_or(|own| own.name != ***device));
                for device in own.map(|own| own.name.as_str()).into_iter().chain(named.copied()) {
                    found.entry(device.to_owned()).or_default().push(Arc::clone(target));
                }
            }
        }
        let found = Arc::new(found);
        *known = Some((now, Arc::clone(&found)));
        found
    }

    /// The devices that a target, named by its RTT series, shows something of.
    pub(super) fn devices_of(&self, target: SeriesId) -> Vec<String> {
        let all = self.of_devices();
        let of_it =
            all.iter().filter(|(_, targets)| targets.iter().any(|one| one.series.rtt == target));
        of_it.map(|(device, _)| device.clone()).collect()
    }

    /// What our own measurement finds wrong with a device, in words that go on after its name.
    pub(super) fn trouble(&self, device: &str) -> Option<String> {
        let all = self.of_devices();
        let targets = all.get(device)?;
        let long_ago = self.present.clock.now_ms() - SILENT;
        let gone = targets.iter().find(|target| match target.state {
            TargetState::Down => true,
            // Right after a start nobody has been heard of.
            TargetState::NoData => target.last_sent.is_some() && target.since < long_ago,
            _ => false,
        });
        if let Some(target) = gone {
            return Some(format!("is in trouble: {} {}", target.target, target.state_words()));
        }
        let alerts = self.present.telling.present();
        let of_it = |subject: &Subject| match subject {
            Subject::Target(of) => targets.iter().any(|target| target.series.rtt == of.series),
            _ => false,
        };
        let alert = alerts.open.iter().find(|alert| of_it(&alert.subject))?;
        Some(format!("is in trouble: alert {} about {}", alert.id, alert.subject))
    }

    /// The maintenance window that a device is in.
    pub(super) fn maintenance(
        &self,
        device: &Device,
        windows: &[Maintenance],
        now: UnixMs,
    ) -> Option<String> {
        let all = self.of_devices();
        let subjects: Vec<Subject> = all
            .get(&device.name)
            .into_iter()
            .flatten()
            .map(|target| Subject::Target(TargetSubject::of(&target.target)))
            .collect();
        // A window may name the platform as the inventory does or as remediations do.
        let meant = device.platform.as_deref().and_then(Platform::meant_by);
        let meant = meant.map(|platform| Some(platform.to_string()));
        let platforms: Vec<Option<String>> =
            [device.platform.clone()].into_iter().chain(meant).collect();
        let holds = windows.iter().filter(|window| window.holds(now));
        let mut fits = holds.filter(|window| {
            let of_device = |group: Option<&String>, platform: &Option<String>| {
                window.matching.fits(|label| match label {
                    "kind" => Some("device".to_owned()),
                    "device" | "host" | "target" => Some(device.name.clone()),
                    "platform" => platform.clone(),
                    "group" => group.cloned(),
                    _ => None,
                })
            };
            let mut groups = device.groups.iter().map(Some).chain([None]);
            groups.any(|group| platforms.iter().any(|platform| of_device(group, platform)))
                || subjects.iter().any(|subject| window.matching.fits(|label| subject.label(label)))
        });
        fits.next().map(|window| window.name.clone())
    }
}

impl Judge for Around {
    fn now(&self, series: SeriesId) -> Option<Judgement> {
        self.present.judging.now(series, self.present.clock.now_ms())
    }
}

impl Prober for Around {
    fn targets(&self, device: &str) -> Vec<ProofTarget> {
        let all = self.of_devices();
        let target = |target: &Arc<TargetNow>| ProofTarget {
            name: target.target.to_string(),
            series: target.series.rtt,
        };
        all.get(device).into_iter().flatten().map(target).collect()
    }

    fn before(&self, targets: &[ProofTarget]) -> Vec<Measured> {
        let snapshot = self.present.targets();
        let of = |wanted: &ProofTarget| {
            let found = snapshot.targets.iter().find(|target| target.series.rtt == wanted.series);
            found.map_or_else(Measured::default, |target| {
                let skip = target.recent.len().saturating_sub(BEFORE);
                let recent = target.recent[skip..].iter().filter(|probe| probe.is_known());
                measured(recent.map(|probe| (!probe.is_loss(), probe.rtt_us)))
            })
        };
        targets.iter().map(of).collect()
    }

    fn probe<'a>(&'a self, targets: &'a [ProofTarget], rounds: u32) -> Measuring<'a> {
        let snapshot = self.present.targets();
        let wanted: Vec<Arc<TargetNow>> = targets
            .iter()
            .filter_map(|wanted| {
                snapshot.targets.iter().find(|target| target.series.rtt == wanted.series).cloned()
            })
            .collect();
        let clock = Arc::clone(&self.present.clock);
        let order: Vec<SeriesId> = targets.iter().map(|target| target.series).collect();
        Box::pin(async move {
            let probing = tokio::task::spawn_blocking(move || {
                let network = Arc::new(KernelNetwork::new(Arc::clone(&clock)));
                let resolver = Arc::new(SystemResolver);
                let options = Options::command(clock, network as _, resolver, Some(rounds));
                // Nobody waits for the first: what was repaired may take a moment to carry traffic again.
                probe(Options { spread: Spread::Placed, ..options }, &wanted)
            });
            let found = probing.await.unwrap_or_default();
            order.iter().map(|series| found.get(series).copied().unwrap_or_default()).collect()
        })
    }
}

/// Probes targets once a second and counts what comes back.
fn probe(options: Options, targets: &[Arc<TargetNow>]) -> HashMap<SeriesId, Measured> {
    let numbered = targets.iter().enumerate().map(|(number, now)| {
        let mut target = (*now.target).clone();
        target.interval = Duration::from_secs(1);
        // Where it is known now, no resolver is needed: it may be behind what was repaired.
        if let Some(address) = now.address
            && !target.host.contains('%')
        {
            target.host = SocketAddr::new(address, 0).ip().to_string();
        }
        (TargetId(number as u32), Arc::new(target))
    });
    let (prober, results) = match measure::Prober::start(options, numbered) {
        Ok(started) => started,
        Err(why) => {
            tracing::error!(%why, "the proof of a repair cannot be measured");
            return HashMap::new();
        }
    };
    let mut seen: HashMap<u32, Vec<(bool, Option<f32>)>> = HashMap::new();
    for result in results.iter().flatten() {
        let told = match result.outcome {
            Outcome::Reply | Outcome::Refused => (true, result.rtt_ns.map(|ns| ns as f32 / 1000.0)),
            Outcome::Lost | Outcome::Unreachable => (false, None),
            // What came late was lost already, and the rest says nothing of the target.
            _ => continue,
        };
        seen.entry(result.target.0).or_default().push(told);
    }
    prober.stop();
    let series = |number: u32| targets.get(number as usize).map(|target| target.series.rtt);
    seen.into_iter()
        .filter_map(|(number, probes)| Some((series(number)?, measured(probes.into_iter()))))
        .collect()
}

fn measured(probes: impl Iterator<Item = (bool, Option<f32>)>) -> Measured {
    let (mut sent, mut received, mut sum, mut timed) = (0, 0, 0.0, 0);
    for (answered, rtt) in probes {
        sent += 1;
        received += u32::from(answered);
        if let Some(rtt) = rtt.filter(|_| answered) {
            sum += f64::from(rtt);
            timed += 1;
        }
    }
    let rtt_us = (timed > 0).then(|| (sum / f64::from(timed)) as f32);
    Measured { sent, received, rtt_us }
}
