//! What the daemon does besides its work: it waits for signals, commands and changed files, and takes over
//! a new configuration or says why not. It opens nothing and stops nothing itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use show::grafana::Watched;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::config::{Access, Grafana, Loaded, Reload, Settings, Ticket};
use crate::control::{Command, Order, ReloadOutcome, Reloaded};
use crate::grafana;
use crate::plan::Loader;
use crate::report::Report;
use crate::wire::Pipeline;

/// How often this machine's own gateways and resolvers are looked up again.
const DISCOVER_EVERY: Duration = Duration::from_secs(30);
/// What the notice about a refused configuration is kept under.
const CONFIGURATION: &str = "configuration";
/// What the notice about the folder of Grafana's files is kept under.
const GRAFANA: &str = "grafana";
/// What the notice about keys that wait for the next start is kept under.
const NEXT_START: &str = "next start";

/// The signals that the daemon heeds. Made before it works, so that none is missed.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn new() -> Result<Self, Report> {
        let on = |kind| {
            signal(kind).map_err(|why| Report::because("cannot listen for signals", &why).code(4))
        };
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
        })
    }
}

/// What the configuration said at the start and a reload cannot change.
#[derive(Debug)]
pub(crate) struct Fixed {
    /// `listen`.
    pub(crate) listen: Option<SocketAddr>,
    /// `data`.
    pub(crate) data: Option<PathBuf>,
    /// `access`.
    pub(crate) access: Access,
    /// Keys that the command line has decided, so that the configuration has no say.
    pub(crate) told: Vec<&'static str>,
}

impl Fixed {
    /// Keys of `plan` that hold only from the next start on.
    fn differs(&self, plan: &Settings) -> Vec<String> {
        let keys = [
            ("listen", self.listen != plan.listen),
            ("data", self.data != plan.data),
            ("access", self.access != *plan.access),
        ];
        keys.into_iter()
            .filter(|(key, differs)| *differs && !self.told.contains(key))
            .map(|(key, _)| key.to_owned())
            .collect()
    }
}

/// Attends to the running daemon until it is told to stop.
pub(crate) struct Attendant<'a> {
    loader: &'a Loader,
    pipeline: &'a Pipeline,
    fixed: Fixed,
    /// Who waits for the answer to a reload.
    waiting: Vec<(Ticket, oneshot::Sender<Reloaded>)>,
    /// Whether the files are right and yet not what runs: the pipeline could not take them over.
    rejected: bool,
}

impl<'a> Attendant<'a> {
    /// Attends to `pipeline`, which runs what `loader` read.
    pub(crate) fn new(loader: &'a Loader, pipeline: &'a Pipeline, fixed: Fixed) -> Self {
        Self { loader, pipeline, fixed, waiting: Vec::new(), rejected: false }
    }

    /// Reloads when told or when something changed, until it is time to stop.
    pub(crate) async fn attend(
        mut self,
        mut signals: Signals,
        mut orders: mpsc::Receiver<Order>,
    ) -> Result<(), Report> {
        let mut discover = tokio::time::interval(DISCOVER_EVERY);
        let (watcher, mut loads) = self.loader.watch()?;
        let plan = self.loader.plan();
        self.draw(drawn(&plan));
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.hang_up.recv() => {
                    watcher.reload();
                }
                Some(Order { caller, command }) = orders.recv() => match command {
                    Command::Reload(answer) => {
                        self.pipeline.mark("command", format!("{caller} asked for a reload"));
                        self.waiting.push((watcher.reload(), answer));
                    }
                },
                Some(loaded) = loads.recv() => self.loaded(loaded),
                _ = discover.tick() => {
                    if self.loader.network_changed() {
                        self.take_over(self.loader.plan());
                    }
                }
            }
        }
    }

    /// Acts on a load, and answers those who asked for it.
    fn loaded(&mut self, Loaded { reload, answers }: Loaded) {
        let (outcome, problems, help) = match reload {
            Reload::Changed(settings) => self.take_over(self.loader.accept(*settings)),
            // What stood in its way, such as a port in use, may be gone.
            Reload::Unchanged if self.rejected => self.take_over(self.loader.plan()),
            Reload::Unchanged => {
                tracing::info!("the configuration is as it was");
                self.pipeline.present.notices.clear(CONFIGURATION);
                (ReloadOutcome::Unchanged, Vec::new(), None)
            }
            Reload::Refused(problems) => {
                let lines = problems.to_string().lines().map(str::to_owned).collect();
                let report = self.loader.refusal(&problems);
                self.refuse(&report, "mend the file; it is read again by itself");
                (ReloadOutcome::Refused, lines, report.help)
            }
        };
        let next_start = self.fixed.differs(&self.loader.plan());
        let targets = self.pipeline.targets();
        for (_, answer) in self.waiting.extract_if(.., |(ticket, _)| *ticket <= answers) {
            let (problems, help) = (problems.clone(), help.clone());
            let next_start = next_start.clone();
            // Who asked may have gone away since.
            let _ = answer.send(Reloaded { outcome, targets, problems, help, next_start });
        }
    }

    /// Takes a plan over; says what came of it, why it was refused, and what people can do then.
    fn take_over(&mut self, plan: Settings) -> (ReloadOutcome, Vec<String>, Option<String>) {
        let notices = &self.pipeline.present.notices;
        let differs = self.fixed.differs(&plan);
        let drawn = drawn(&plan);
        let taken = self.pipeline.reload(plan);
        self.rejected = taken.is_err();
        if let Err(report) = taken {
            // It is no fault of the file, so that no change of it tells when to try again.
            self.refuse(&report, "when that is mended, `netmend reload` tries again");
            return (ReloadOutcome::Refused, report.chain, report.help);
        }
        notices.clear(CONFIGURATION);
        self.draw(drawn);
        if differs.is_empty() {
            notices.clear(NEXT_START);
        } else {
            let keys = differs.join(" and ");
            let text = format!("the new value of {keys} is used from the next start on");
            tracing::warn!("{text}");
            notices.raise(NEXT_START, text, "start netmend anew".into(), self.now());
        }
        (ReloadOutcome::TakenOver, Vec::new(), None)
    }

    /// Brings the folder of Grafana's files up to date, if there is to be one.
    fn draw(&self, drawn: Option<(Grafana, Watched)>) {
        let notices = &self.pipeline.present.notices;
        let Some((grafana, watched)) = drawn else { return notices.clear(GRAFANA) };
        match grafana::keep(&grafana, &watched) {
            Ok(kept) => {
                let dir = grafana.dir.display();
                tracing::info!(%dir, kept.written, kept.removed, "dashboards are up to date");
                notices.clear(GRAFANA);
            }
            Err(report) => {
                tracing::warn!(%report, "dashboards are not up to date");
                let fix = report.help.clone().unwrap_or_default();
                let text = report.chain.join(": ");
                notices.raise(GRAFANA, text, fix, self.now());
            }
        }
    }

    /// Says on the page and in the log why the new configuration is not taken over.
    fn refuse(&self, report: &Report, fix: &str) {
        tracing::error!(%report, "the new configuration is refused, the old one goes on");
        let text = format!("the new configuration is refused, the old one goes on: {report}");
        self.pipeline.present.notices.raise(CONFIGURATION, text, fix.to_owned(), self.now());
    }

    fn now(&self) -> model::UnixMs {
        self.pipeline.present.clock.now_ms()
    }
}

/// What a plan has drawn for Grafana; a pipeline takes the plan itself.
fn drawn(plan: &Settings) -> Option<(Grafana, Watched)> {
    let grafana = plan.grafana.as_ref()?.0.clone();
    Some((grafana, grafana::watched(plan)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_configuration_decides_waits_for_the_next_start() {
        let text = "listen: 127.0.0.1:9000\ndata: elsewhere\n";
        let plan = crate::config::from_text(text);
        let fixed = |data, told| Fixed { listen: None, data, access: Access::default(), told };
        assert_eq!(fixed(None, vec![]).differs(&plan), ["listen", "data"]);
        assert_eq!(fixed(None, vec!["listen"]).differs(&plan), ["data"]);
        assert_eq!(fixed(plan.data.clone(), vec!["listen"]).differs(&plan), [""; 0]);
    }
}
