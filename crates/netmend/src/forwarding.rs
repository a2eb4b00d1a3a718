//! Passes on to the sinks what the store has: samples become points, a point a probe; points wait in the spool;
//! a courier for each sink brings them there. It never changes what is stored, and nobody waits for a sink.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use model::{Clock, Target, UnixMs};
use store::sink::{Courier, Frames, Limits, SinkConfig, SinkNow, SinkView, Spool, Subject};
use store::{Batch, sink};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::config::Sink;
use crate::report::Report;

mod figures;
mod probes;

pub(crate) use figures::{counters, warnings};
use probes::Probes;

/// Folder of the spool in the data folder.
const FOLDER: &str = "spool";
/// Most points beside the samples that wait for a batch that gets onto disk: some 20 MB.
const MOST_BESIDE: usize = 100_000;

/// The stage that passes on.
pub(crate) struct Forwarding {
    spool: Arc<Spool>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    probes: Mutex<Probes>,
    /// Points that come beside the samples and ride with the next batch, and the batch being made.
    beside: Mutex<Beside>,
    couriers: Mutex<BTreeMap<String, Running>>,
    /// Points that the spool could not take.
    unspooled: AtomicU64,
    /// Whether the spool failed the last time, so that it is said once.
    failing: AtomicBool,
    found: sink::Found,
}

#[derive(Default)]
struct Beside {
    waiting: VecDeque<(Arc<Subject>, UnixMs, Vec<f64>)>,
    frames: Frames,
    /// Probes of the batch being made that the spool could not take.
    missing: u64,
}

/// A courier at work.
struct Running {
    config: SinkConfig,
    view: SinkView,
    stop: CancellationToken,
}

/// What passing on has come to, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForwardingNow {
    /// The sinks, by name.
    pub(crate) sinks: Vec<SinkNow>,
    /// Bytes of the spool.
    pub(crate) spool_bytes: u64,
    /// Points that the spool could not take, as its disk was full.
    pub(crate) unspooled: u64,
    /// What was found when the spool was opened.
    pub(crate) found: sink::Found,
}

impl std::fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarding").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Forwarding {
    /// Opens the spool in the data folder. Couriers run on `runtime`. `committed` is the store's last batch.
    pub(crate) fn open(
        data: &Path,
        limits: Limits,
        committed: Option<u64>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self, Report> {
        let (spool, found) = Spool::open(&data.join(FOLDER), limits, committed, Arc::clone(&clock))
            .map_err(|why| Report::because("cannot open the spool of the sinks", &why).code(4))?;
        if found.truncated > 0 {
            tracing::warn!(
                bytes = found.truncated,
                "the end of the spool was cut off and is ignored"
            );
        }
        Ok(Self {
            spool: Arc::new(spool),
            clock,
            runtime,
            probes: Mutex::default(),
            beside: Mutex::default(),
            couriers: Mutex::default(),
            unspooled: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            found,
        })
    }

    /// Says whose samples will come.
    pub(crate) fn set_targets<'t>(&self, targets: impl Iterator<Item = &'t Target> + Clone) {
        let probes = Probes::of(targets);
        *self.probes.lock().expect("no holder of this lock can panic") = probes;
    }

    /// Takes over the sinks of a configuration: those that stay notice nothing.
    pub(crate) fn set_sinks(&self, sinks: &[Sink], limits: Limits) -> Result<(), Report> {
        let mut couriers = self.couriers();
        let mut fresh = Vec::new();
        for Sink { name, config } in sinks {
            if couriers.get(name).is_none_or(|running| running.config != *config) {
                let courier = Courier::new(
                    name,
                    config.clone(),
                    Arc::clone(&self.spool),
                    Arc::clone(&self.clock),
                )
                .map_err(|why| Report::because(format!("cannot use the sink {name}"), &why))?;
                fresh.push((name, config, courier));
            }
        }
        self.spool.limit(limits);
        let names: Vec<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
        self.spool
            .keep_for(&names)
            .map_err(|why| Report::because("cannot keep points for the sinks", &why).code(4))?;
        couriers.retain(|name, running| {
            let stays =
                sinks.iter().any(|sink| sink.name == *name && sink.config == running.config);
            if !stays {
                running.stop.cancel();
            }
            stays
        });
        for (name, config, courier) in fresh {
            let (view, stop) = (courier.now(), CancellationToken::new());
            drop(self.runtime.spawn(courier.run(stop.clone())));
            couriers.insert(name.clone(), Running { config: config.clone(), view, stop });
        }
        Ok(())
    }

    /// Whether there is anybody to pass on to.
    pub(crate) fn wanted(&self) -> bool {
        !self.couriers().is_empty()
    }

    /// Takes a point that is no probe, such as an interface's counters; it goes with the next batch of samples
    /// that the spool takes. The oldest go when too many wait for one.
    pub(crate) fn push(&self, subject: &Arc<Subject>, at: UnixMs, values: &[f64]) {
        if !self.wanted() {
            return;
        }
        let waiting = &mut self.beside().waiting;
        waiting.push_back((Arc::clone(subject), at, values.to_vec()));
        if waiting.len() > MOST_BESIDE {
            waiting.pop_front();
            self.unspooled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes the points of a batch that the store is about to get to the spool, where they stay hidden. A batch
    /// that the store did not take comes again, under the same number.
    pub(crate) fn prepare(&self, batch: &Batch) {
        if !self.wanted() {
            return;
        }
        let mut beside = self.beside();
        let Beside { waiting, frames, missing } = &mut *beside;
        frames.begin(batch.seq, self.clock.now_ms());
        let mut probes = 0;
        self.probes.lock().expect("no holder of this lock can panic").points(
            &batch.samples,
            |subject, at, values| {
                frames.push(subject, at, values);
                probes += 1;
            },
        );
        for (subject, at, values) in &*waiting {
            frames.push(subject, *at, values);
        }
        let written = self.spool.append(frames);
        let failed_before = self.failing.swap(written.is_err(), Ordering::Relaxed);
        *missing = 0;
        match written {
            Ok(true) => waiting.clear(),
            // It lies there since it was tried before: what came since then goes with the next one.
            Ok(false) => {}
            Err(why) => {
                *missing = probes;
                if !failed_before {
                    tracing::warn!(%why, "what is stored is not passed on to the sinks");
                }
            }
        }
    }

    /// Lets the sinks have what was prepared: the store has acknowledged it. What was not written by now is lost
    /// to them.
    pub(crate) fn acknowledged(&self) {
        if !self.wanted() {
            return;
        }
        let missing = std::mem::take(&mut self.beside().missing);
        self.unspooled.fetch_add(missing, Ordering::Relaxed);
        if let Err(why) = self.spool.reveal() {
            tracing::warn!(%why, "the sinks may get some points twice after a restart");
        }
    }

    /// Stops the couriers. What they have not brought waits on disk.
    pub(crate) fn stop(&self) {
        for running in self.couriers().values() {
            running.stop.cancel();
        }
    }

    /// How passing on is doing.
    pub(crate) fn now(&self) -> ForwardingNow {
        let views: Vec<SinkView> =
            self.couriers().values().map(|running| running.view.clone()).collect();
        ForwardingNow {
            sinks: views.iter().map(SinkView::read).collect(),
            spool_bytes: self.spool.bytes(),
            unspooled: self.unspooled.load(Ordering::Relaxed),
            found: self.found,
        }
    }

    fn couriers(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.couriers.lock().expect("no holder of this lock can panic")
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use model::status::TargetSeries;
    use model::{ManualClock, Metric, Protocol, Sample, UnixNs};
    use store::sink::Kind;

    use super::*;

    /// What the store gets as its batch `seq`: one lost probe of `target`.
    fn batch(target: &Target, seq: u64) -> Batch {
        let series = TargetSeries::of(target).get(Metric::Loss);
        let samples = vec![Sample { series, at: UnixMs(seq.cast_signed()), value: 100.0 }];
        Batch { source: 0, seq, samples }
    }

    #[test]
    fn a_full_disk_costs_the_probes_of_that_time_once_and_nothing_that_came_beside_them() {
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixNs(0)));
        // Nobody drives it: the courier stays where it is.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        let forwarding =
            Forwarding::open(data.path(), Limits::DEFAULT, None, clock, handle).unwrap();
        let settings = crate::config::from_text("sinks: [{ influxdb: { url: 'http://db' } }]\n");
        forwarding.set_sinks(&settings.sinks, Limits::DEFAULT).unwrap();
        let target = Target::new("h", "r", Protocol::Icmp);
        forwarding.set_targets([&target].into_iter());
        let interface = Arc::new(Subject::new(Kind::Interface, &[("ifName", "eth0")], &[]));
        let push = || forwarding.push(&interface, UnixMs(0), &[1.0]);
        let come = || {
            let now = forwarding.now();
            (now.sinks[0].waiting.points, now.unspooled)
        };

        let folder = data.path().join(FOLDER);
        std::fs::remove_dir_all(&folder).unwrap();
        push();
        forwarding.prepare(&batch(&target, 1));
        forwarding.prepare(&batch(&target, 1));
        assert_eq!(come(), (0, 0), "the store may still refuse the batch");
        forwarding.acknowledged();
        assert_eq!(come(), (0, 1));
        std::fs::create_dir(&folder).unwrap();
        forwarding.prepare(&batch(&target, 2));
        forwarding.acknowledged();
        assert_eq!(come(), (2, 1), "a probe, and what waited");

        // The store refuses a batch that the spool has, and meanwhile something comes beside.
        forwarding.prepare(&batch(&target, 3));
        push();
        forwarding.prepare(&batch(&target, 3));
        forwarding.acknowledged();
        assert_eq!(come(), (3, 1));
        forwarding.prepare(&batch(&target, 4));
        forwarding.acknowledged();
        assert_eq!(come(), (5, 1));
    }
}
