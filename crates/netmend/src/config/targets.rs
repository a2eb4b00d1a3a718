//! From what was typed about targets to [`Target`]s: defaults, families, and no target twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::target::Limits;
use model::{Family, PacketOptions, Protocol, Target};

use super::host;
use super::problem::{Problem, Problems};
use super::raw::{FamilyChoice, Host, Item, RawDefaults, RawTarget, Region, Regions};
use super::source::{At, Span};

/// What holds for targets that do not say otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    interval: Duration,
    timeout: Duration,
    family: FamilyChoice,
    packet: PacketOptions,
    tags: BTreeMap<String, String>,
    parent: Option<String>,
    limits: Limits,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            interval: Target::DEFAULT_INTERVAL,
            timeout: Target::DEFAULT_TIMEOUT,
            family: FamilyChoice::One(Family::V4),
            packet: PacketOptions::default(),
            tags: BTreeMap::new(),
            parent: None,
            limits: Limits::default(),
        }
    }
}

/// Takes over each key that is given.
macro_rules! take_over {
    ($raw:ident => $into:ident) => {
        if let Some(At { value, .. }) = &$raw.interval {
            $into.interval = value.0;
        }
        if let Some(At { value, .. }) = &$raw.timeout {
            $into.timeout = value.0;
        }
        if let Some(At { value, .. }) = &$raw.family {
            $into.family = *value;
        }
        if let Some(At { value, .. }) = &$raw.dscp {
            $into.packet.dscp = value.0;
        }
        if let Some(At { value, .. }) = &$raw.size {
            $into.packet.size = Some(value.0);
        }
        if let Some(At { value, .. }) = &$raw.dont_fragment {
            $into.packet.dont_fragment = value.0;
        }
        if let Some(At { value, .. }) = &$raw.source {
            $into.packet.source = Some(value.0);
        }
        if let Some(At { value, .. }) = &$raw.device {
            $into.packet.device = Some(value.0.clone());
        }
        if let Some(At { value, .. }) = &$raw.tags {
            $into.tags.extend(value.0.clone());
        }
        if let Some(At { value, .. }) = &$raw.parent {
            $into.parent = Some(value.name.clone());
        }
        if let Some(At { value, .. }) = &$raw.limits {
            let own = &mut $into.limits;
            own.latency = value.latency.as_ref().map(|at| at.value.0).or(own.latency);
            own.jitter = value.jitter.as_ref().map(|at| at.value.0).or(own.jitter);
            own.loss_ppm = value.loss.as_ref().map(|at| at.value.0).or(own.loss_ppm);
        }
    };
}

impl Defaults {
    /// These defaults with what `raw` says instead.
    pub(crate) fn with(&self, raw: &RawDefaults) -> Self {
        let mut new = self.clone();
        take_over!(raw => new);
        new
    }

    fn with_own(&self, raw: &RawTarget) -> Self {
        let mut new = self.clone();
        take_over!(raw => new);
        new
    }
}

/// A target and where it was typed.
#[derive(Debug)]
pub(crate) struct Placed {
    /// What to probe.
    pub(crate) target: Target,
    /// The host or port that asks for it.
    pub(crate) span: Span,
}

/// Gathers the targets of all files.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    list: Vec<Placed>,
}

impl Gathered {
    /// Adds all targets of the regions.
    pub(crate) fn add(&mut self, regions: Regions, defaults: &Defaults, problems: &mut Problems) {
        for (name, region) in regions.0 {
            let name = name.value.0;
            match region {
                Region::List(items) => {
                    for item in items {
                        match item {
                            Item::Host(host) => self.host(&name, &host, Protocol::Icmp, defaults),
                            Item::Full(raw) => self.full(&name, &raw, defaults, problems),
                        }
                    }
                }
                Region::Map(hosts) => {
                    for (host, ports) in hosts {
                        for port in ports.value.0 {
                            let protocol = Protocol::Tcp(port.value.0);
                            self.push(&name, &host.value, protocol, host.span, defaults);
                        }
                    }
                }
            }
        }
    }

    /// Adds a host that has no settings of its own.
    pub(crate) fn host(
        &mut self,
        region: &str,
        host: &At<Host>,
        protocol: Protocol,
        defaults: &Defaults,
    ) {
        self.push(region, &host.value, protocol, host.span, defaults);
    }

    fn full(
        &mut self,
        region: &str,
        raw: &At<RawTarget>,
        defaults: &Defaults,
        problems: &mut Problems,
    ) {
        let (span, raw) = (raw.span, &raw.value);
        let Some(host) = &raw.host else {
            problems.push(Problem::new(span, "a target needs the key `host`"));
            return;
        };
        let ports = raw.tcp.as_ref().map(|ports| &ports.value.0[..]).unwrap_or_default();
        let icmp = raw.icmp.as_ref().map_or(ports.is_empty(), |icmp| icmp.value.0);
        let before = problems.len();
        contradictions(raw, host, icmp, problems);
        if problems.len() > before {
            return;
        }
        let own = defaults.with_own(raw);
        if icmp {
            self.push(region, &host.value, Protocol::Icmp, host.span, &own);
        }
        for port in ports {
            self.push(region, &host.value, Protocol::Tcp(port.value.0), port.span, &own);
        }
    }

    /// Adds a target for each family.
    fn push(&mut self, region: &str, host: &Host, protocol: Protocol, span: Span, with: &Defaults) {
        let families: &[Family] = match (host.family, with.family) {
            (Some(Family::V4), _) | (None, FamilyChoice::One(Family::V4)) => &[Family::V4],
            (Some(Family::V6), _) | (None, FamilyChoice::One(Family::V6)) => &[Family::V6],
            (None, FamilyChoice::Both) => &[Family::V4, Family::V6],
        };
        for &family in families {
            let mut packet = with.packet.clone();
            packet.source = packet.source.filter(|&source| Family::of(source) == family);
            packet.size = packet.size.filter(|_| protocol == Protocol::Icmp);
            let target = Target {
                host: host.name.clone(),
                region: region.to_owned(),
                protocol,
                family,
                interval: with.interval,
                timeout: with.timeout,
                packet,
                tags: with.tags.clone(),
                parent: with.parent.clone(),
                limits: with.limits,
            };
            self.list.push(Placed { target, span });
        }
    }

    /// All targets, in the order typed; one that is there twice is a problem.
    pub(crate) fn finish(self, problems: &mut Problems) -> Vec<Target> {
        let mut seen: HashMap<(&str, Cow<'_, str>, Protocol, Family), Span> =
            HashMap::with_capacity(self.list.len());
        for Placed { target, span } in &self.list {
            let host = host::canonical(&target.host);
            let key = (target.region.as_str(), host, target.protocol, target.family);
            let Some(first) = seen.insert(key, *span) else { continue };
            let family = target.family.as_str();
            let what = format!("duplicate target: {}, IPv{family}, same region", target.protocol);
            problems.push(Problem::new(*span, what).related("first at", first));
        }
        drop(seen);
        self.list.into_iter().map(|placed| placed.target).collect()
    }
}

/// What a target says of itself that cannot be true at once.
fn contradictions(raw: &RawTarget, host: &At<Host>, icmp: bool, problems: &mut Problems) {
    if let (Some(flag), None, false) = (&raw.icmp, &raw.tcp, icmp) {
        let what = "nothing is left to probe: no `tcp`, and `icmp` is false";
        problems.push(Problem::new(flag.span, what));
    }
    if let (Some(size), false) = (&raw.size, icmp) {
        let what = "`size` is the payload of ICMP, which this target is not asked by";
        problems.push(Problem::new(size.span, what).allowed("remove it or add `icmp: true`"));
    }
    if let (Some(own), Some(choice)) = (host.value.family, &raw.family)
        && choice.value != FamilyChoice::One(own)
    {
        let what = format!("the host is an IPv{} address", own.as_str());
        problems.push(Problem::new(choice.span, what).allowed("remove `family`"));
    }
    if let Some(source) = &raw.source {
        let family = host.value.family.map(FamilyChoice::One);
        let family = family.or(raw.family.as_ref().map(|choice| choice.value));
        let of_source = FamilyChoice::One(Family::of(source.value.0));
        if family.is_some_and(|family| family != of_source) {
            let what = "the source address is not of the target's family";
            problems.push(Problem::new(source.span, what));
        }
    }
}
