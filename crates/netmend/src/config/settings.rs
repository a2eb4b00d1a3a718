//! What the configuration means: validated values, ready for the daemon. Building them from what was typed
//! happens in [`super::load`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Device, Inventory, Target};
use store::Retention;
use store::sink::Limits;

use super::access::{self, Access, Listen};
use super::devices::{self, RawLogin};
use super::grafana::{Grafana, RawGrafana, Wanted};
use super::judged::{RawDetect, WebAddress};
use super::named::Named;
use super::orchestrators::{Orchestrator, RawOrchestrators};
use super::platforms::{self, Said};
use super::problem::{Problem, Problems};
use super::raw::{Folder, Label, RawConfig, RawStore};
use super::remediations::MendSettings;
use super::sinks::{self, RawSink, RawSpool, Sink};
use super::snmp::{self, RawSnmp, RawSnmpOf, TrapSettings};
use super::source::{At, Span, Texts};
use super::syslog::SyslogSettings;
use super::verdict::{RawVerdict, Verdict};

/// How long samples are kept if nobody says: a month raw, a year and its comparison per minute.
const RETENTION: Retention = Retention {
    raw: Duration::from_hours(30 * 24),
    rollup: Duration::from_hours(400 * 24),
    max_bytes: 10 << 30,
};

/// A whole configuration. Nothing in it needs checking again.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where this instance stands.
    pub(crate) site: String,
    /// What to probe, in the order typed, no target twice.
    pub(crate) targets: Vec<Target>,
    /// Where the pages are to be, if the config says so.
    pub(crate) listen: Option<SocketAddr>,
    /// Who may look at them.
    pub(crate) access: Box<Access>,
    /// Folder for the data, if the config says so.
    pub(crate) data: Option<PathBuf>,
    /// What is kept.
    pub(crate) retention: Retention,
    /// What is heard of devices.
    pub(crate) syslog: Box<SyslogSettings>,
    /// What is repaired, and how far that goes by itself.
    pub(crate) mending: Arc<MendSettings>,
    /// The devices.
    pub(crate) inventory: Arc<Inventory>,
    /// What is heard of traps.
    pub(crate) traps: Box<TrapSettings>,
    /// The orchestrators of SD-WANs that are asked, each name once.
    pub(crate) orchestrators: Arc<[Orchestrator]>,
    /// Where what is measured is passed on to, each name once.
    pub(crate) sinks: Arc<[Sink]>,
    /// What is kept for sinks that do not take it.
    pub(crate) spool: Limits,
    /// How it is judged and who is told.
    pub(crate) verdict: Arc<Verdict>,
    /// The folder of Grafana's files that is kept up to date, and what was typed of it.
    pub(crate) grafana: Option<Box<(Grafana, Wanted)>>,
    /// How many of the targets, the first ones, netmend found by itself.
    pub(crate) discovered: usize,
    /// What is good and may yet not be what was meant: a sentence each, with its place.
    pub(crate) warnings: Vec<String>,
    /// Of all that it was read from: two loads with the same digest are the same configuration. Only for
    /// comparison within a running process.
    pub(crate) digest: u64,
}

/// Values that all files together may set once.
#[derive(Debug, Default)]
pub(crate) struct Singles {
    site: Option<At<Label>>,
    listen: Option<At<Listen>>,
    access: Option<At<Access>>,
    data: Option<At<PathBuf>>,
    store: Option<At<RawStore>>,
    syslog: Option<At<SyslogSettings>>,
    mending: Option<At<MendSettings>>,
    devices: Vec<Device>,
    platforms: Vec<Said>,
    /// Where the devices are, to point at.
    devices_at: Option<Span>,
    inventory_files: Vec<(PathBuf, Span)>,
    orchestrators: Vec<(Orchestrator, Span)>,
    heartbeat: Option<At<WebAddress>>,
    pages: Option<At<WebAddress>>,
    detect: Option<At<RawDetect>>,
    verdict: RawVerdict,
    login: Option<At<RawLogin>>,
    sinks: Vec<At<RawSink>>,
    spool: Option<At<RawSpool>>,
    grafana: Option<At<Option<(Grafana, Wanted)>>>,
    snmp: Option<At<RawSnmp>>,
    /// How devices are asked over SNMP where that differs from all, by name.
    snmp_of: Vec<(String, At<RawSnmpOf>)>,
    /// What is named besides.
    pub(crate) named: Named,
    /// What is good and may yet not be what was meant, so far.
    warnings: Problems,
}

impl Singles {
    /// Takes the single values of one file; `folder` is where that file lies.
    pub(crate) fn take(
        &mut self,
        raw: &mut RawConfig,
        folder: &std::path::Path,
        problems: &mut Problems,
    ) {
        self.named.take(raw, folder);
        let data = raw.data.take().map(|At { value: Folder(path), span }| {
            let value = folder.join(path);
            At { value, span }
        });
        let syslog = raw.syslog.take().map(|At { value, span }| {
            let value = value.settings(folder, problems);
            At { value, span }
        });
        once("syslog", &mut self.syslog, syslog, problems);
        let access = raw.access.take().map(|At { value, span }| {
            let value = value.access(folder, problems);
            At { value, span }
        });
        once("access", &mut self.access, access, problems);
        let mending = raw.remediations.take().map(|At { value, span }| {
            let value = value.settings(folder, problems);
            At { value, span }
        });
        once("remediations", &mut self.mending, mending, problems);
        if let Some(mut raw) = raw.devices.take() {
            self.snmp_of.extend(raw.value.take_snmp());
            self.platforms.extend(raw.value.platforms());
            self.devices.extend(raw.value.devices(problems));
            self.devices_at.get_or_insert(raw.span);
        }
        if let Some(raw) = raw.inventory.take() {
            self.inventory_files.extend(devices::files(&raw.value, folder));
            self.devices_at.get_or_insert(raw.span);
        }
        if let Some(raw) = raw.orchestrators.take() {
            self.ask(&raw, problems);
        }
        let grafana = raw.grafana.take().map(|raw| {
            let span = raw.span;
            At { value: RawGrafana::finish(raw, folder, problems), span }
        });
        once("grafana", &mut self.grafana, grafana, problems);
        once("login", &mut self.login, raw.login.take(), problems);
        self.sinks.extend(raw.sinks.take().into_iter().flat_map(|list| list.value.0));
        once("spool", &mut self.spool, raw.spool.take(), problems);
        once("snmp", &mut self.snmp, raw.snmp.take(), problems);
        once("site", &mut self.site, raw.site.take(), problems);
        once("listen", &mut self.listen, raw.listen.take(), problems);
        once("data", &mut self.data, data, problems);
        once("store", &mut self.store, raw.store.take(), problems);
        once("heartbeat", &mut self.heartbeat, raw.heartbeat.take(), problems);
        once("pages", &mut self.pages, raw.pages.take(), problems);
        once("detect", &mut self.detect, raw.detect.take(), problems);
        self.verdict.notify.extend(raw.notify.take().into_iter().flat_map(|list| list.value.0));
        let windows = raw.maintenance.take().into_iter().flat_map(|list| list.value.0);
        self.verdict.maintenance.extend(windows);
    }

    /// The settings, given everything else.
    pub(crate) fn finish(
        mut self,
        targets: Vec<Target>,
        host_name: String,
        digest: u64,
        problems: &mut Problems,
    ) -> Settings {
        let hello = host_name.clone();
        let site = self.site.map_or(host_name, |site| site.value.0);
        let listen = self.listen.map(|listen| listen.value.0);
        let mut access = self.access.map(|access| access.value).unwrap_or_default();
        let pages = self.pages.as_ref().and_then(|pages| access::host(&pages.value.0));
        access.names.extend(pages);
        let data = self.data.map(|data| data.value);
        let retention = self.store.map_or(RETENTION, |store| retention(&store.value, problems));
        let syslog = self.syslog.map_or_else(SyslogSettings::default, |syslog| syslog.value);
        let login = self.login.and_then(|login| login.value.login(login.span, problems));
        let mut devices = self.devices;
        for device in &mut devices {
            device.login = device.login.take().or_else(|| login.clone());
        }
        snmp::give(&mut devices, &self.snmp_of, self.snmp.as_ref(), problems);
        let traps = snmp::traps(self.snmp.as_ref(), &devices, problems);
        let inventory = match self.devices_at {
            Some(span) => devices::inventory(devices, &syslog.relays, span, problems),
            None => Inventory::new(Vec::new(), syslog.relays.iter().copied())
                .expect("relays alone contradict nothing"),
        };
        let inventory = Arc::new(inventory);
        let syslog = Box::new(syslog);
        let mending = self.mending.map_or_else(MendSettings::default, |mending| mending.value);
        self.verdict.detect = self.detect;
        self.verdict.heartbeat = self.heartbeat.map(|address| address.value.0);
        self.verdict.pages = self.pages.map(|address| address.value.0);
        let verdict = Arc::new(self.verdict.finish(&hello, problems));
        let orchestrators = self.orchestrators.into_iter().map(|(one, _)| one).collect();
        let sinks = sinks::sinks(&self.sinks, &site, problems).into();
        let spool = self.spool.map_or(Limits::DEFAULT, |spool| spool.value.limits());
        let grafana = self.grafana.and_then(|grafana| grafana.value).map(Box::new);
        let discovered = 0;
        Settings {
            site,
            targets,
            listen,
            access: Box::new(access),
            data,
            retention,
            syslog,
            mending: Arc::new(mending),
            inventory,
            traps: Box::new(traps),
            orchestrators,
            sinks,
            spool,
            verdict,
            grafana,
            discovered,
            warnings: Vec::new(),
            digest,
        }
    }

    /// Takes the orchestrators of one file; a name that another file has given is a problem.
    fn ask(&mut self, raw: &At<RawOrchestrators>, problems: &mut Problems) {
        for one in raw.value.orchestrators(problems) {
            let same = self.orchestrators.iter().find(|(known, _)| known.name == one.name);
            if let Some((known, first)) = same {
                let what = format!("the orchestrator `{}` is given in two files", known.name);
                problems.push(Problem::new(raw.span, what).related("first at", *first));
                continue;
            }
            self.orchestrators.push((one, raw.span));
        }
    }

    /// Globs of files that are read by others: what messages mean. A change of one is a change of the
    /// configuration.
    pub(crate) fn patterns(&self) -> Vec<PathBuf> {
        let folder = self.syslog.as_ref().and_then(|syslog| syslog.value.patterns.as_ref());
        let globs =
            folder.into_iter().flat_map(|folder| ["*.yaml", "*.yml"].map(|end| folder.join(end)));
        globs.collect()
    }

    /// What is good and may yet not be what was meant.
    pub(crate) fn warnings(&mut self) -> Problems {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.extend(platforms::unknown(&self.platforms));
        warnings
    }

    /// Reads the files that hold devices; returns them.
    pub(crate) fn read_inventories(
        &mut self,
        texts: &mut Texts,
        problems: &mut Problems,
    ) -> Vec<PathBuf> {
        for (path, span) in &self.inventory_files {
            let found = devices::read(path, *span, texts, problems, &mut self.warnings);
            self.platforms.extend(found.iter().filter_map(|device| {
                let (device, platform) = (device.name.clone(), device.platform.clone()?);
                Some(Said { device, platform, span: *span })
            }));
            self.devices.extend(found);
        }
        self.inventory_files.drain(..).map(|(path, _)| path).collect()
    }
}

fn once<T>(key: &str, slot: &mut Option<At<T>>, new: Option<At<T>>, problems: &mut Problems) {
    let Some(new) = new else { return };
    match slot {
        None => *slot = Some(new),
        Some(first) => problems.push(
            Problem::new(new.span, format!("`{key}` is set in two files"))
                .related("first at", first.span),
        ),
    }
}

fn retention(raw: &RawStore, problems: &mut Problems) -> Retention {
    let kept = Retention {
        raw: raw.raw.as_ref().map_or(RETENTION.raw, |at| at.value.0),
        rollup: raw.rollup.as_ref().map_or(RETENTION.rollup, |at| at.value.0),
        max_bytes: raw.max_bytes.as_ref().map_or(RETENTION.max_bytes, |at| at.value.0),
    };
    if kept.rollup < kept.raw {
        let at = raw.rollup.as_ref().map(|at| at.span).or(raw.raw.as_ref().map(|at| at.span));
        problems.extend(at.map(|span| {
            Problem::new(span, "values per minute go earlier than the samples they are made of")
                .allowed("`rollup` (400d if not given) must be at least `raw` (30d)")
        }));
    }
    kept
}
