//! Samples of probes back into points: what was three samples of one probe becomes one point in the measurement of
//! network-telemetry. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::status::TargetSeries;
use model::{Family, Metric, Protocol, Sample, SeriesId, Target, UnixMs};
use store::sink::{Kind, Subject};

/// Whose samples become points.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    targets: Vec<Probed>,
    /// Which target a series belongs to, and what it counts.
    series: HashMap<SeriesId, (usize, Metric)>,
}

#[derive(Debug)]
struct Probed {
    subject: Arc<Subject>,
    protocol: Protocol,
    timeout: Duration,
}

/// What is known of one probe.
#[derive(Clone, Copy, Debug)]
struct Probe {
    target: usize,
    at: UnixMs,
    loss_pct: f64,
    rtt_us: f64,
    jitter_us: f64,
}

impl Probes {
    /// The targets of a configuration.
    pub(crate) fn of<'t>(targets: impl Iterator<Item = &'t Target> + Clone) -> Self {
        let told_apart = ToldApart::of(targets.clone());
        let mut probes = Self::default();
        for target in targets {
            let series = TargetSeries::of(target);
            let number = probes.targets.len();
            probes.series.extend(Metric::ALL.map(|of| (series.get(of), (number, of))));
            probes.targets.push(Probed {
                subject: Arc::new(subject(target, &told_apart)),
                protocol: target.protocol,
                timeout: target.timeout,
            });
        }
        probes
    }

    /// Calls `each` with the point of each probe among `samples`. The samples of a probe stand together, its
    /// loss first: that is how they are recorded.
    pub(crate) fn points(
        &self,
        samples: &[Sample],
        mut each: impl FnMut(&Arc<Subject>, UnixMs, &[f64]),
    ) {
        let mut open: Option<Probe> = None;
        for sample in samples {
            let Some((target, metric)) = self.series.get(&sample.series).copied() else { continue };
            match (metric, &mut open) {
                (Metric::Loss, _) => {
                    let (loss_pct, none) = (sample.value, f64::NAN);
                    let probe =
                        Probe { target, at: sample.at, loss_pct, rtt_us: none, jitter_us: none };
                    if let Some(before) = open.replace(probe) {
                        self.point(before, &mut each);
                    }
                }
                (_, Some(probe)) if (probe.target, probe.at) == (target, sample.at) => match metric
                {
                    Metric::Rtt => probe.rtt_us = sample.value,
                    Metric::Jitter => probe.jitter_us = sample.value,
                    Metric::Loss | Metric::Interface(_) => {}
                },
                _ => {}
            }
        }
        if let Some(last) = open {
            self.point(last, &mut each);
        }
    }

    fn point(&self, probe: Probe, each: &mut impl FnMut(&Arc<Subject>, UnixMs, &[f64])) {
        let target = &self.targets[probe.target];
        let answered = if probe.loss_pct < 100.0 { 1.0 } else { 0.0 };
        let (rtt, jitter) = (probe.rtt_us / 1e3, probe.jitter_us / 1e3);
        match target.protocol {
            Protocol::Icmp => {
                let values = [1.0, answered, probe.loss_pct, rtt, rtt, rtt, jitter];
                each(&target.subject, probe.at, &values);
            }
            Protocol::Tcp(_) => {
                let received = probe.rtt_us / 1e6;
                // How long the probe took: until the answer, or for as long as one was waited for.
                let took = if answered > 0.0 { received } else { target.timeout.as_secs_f64() };
                let (sent_at, lost) = (0.0, 1.0 - answered);
                let values = [
                    sent_at,
                    received,
                    rtt,
                    rtt,
                    rtt,
                    1.0,
                    answered,
                    lost,
                    probe.loss_pct,
                    took,
                    jitter,
                ];
                each(&target.subject, probe.at, &values);
            }
        }
    }
}

/// Hosts that need more than `host` and `region` to tell their targets apart.
#[derive(Debug, Default)]
struct ToldApart<'t> {
    by_port: BTreeSet<(&'t str, &'t str)>,
    by_family: BTreeSet<(&'t str, &'t str)>,
}

impl<'t> ToldApart<'t> {
    fn of(targets: impl Iterator<Item = &'t Target>) -> Self {
        let mut first: HashMap<(&str, &str, bool), (Protocol, Family)> = HashMap::new();
        let mut apart = Self::default();
        for target in targets {
            let place = (&*target.region, &*target.host);
            let tcp = target.protocol != Protocol::Icmp;
            let (protocol, family) =
                *first.entry((place.0, place.1, tcp)).or_insert((target.protocol, target.family));
            if protocol != target.protocol {
                apart.by_port.insert(place);
            }
            if family != target.family {
                apart.by_family.insert(place);
            }
        }
        apart
    }
}

/// The tags of network-telemetry, more only where they would run two targets into one; labels as on `/metrics`.
fn subject(target: &Target, apart: &ToldApart<'_>) -> Subject {
    let place = (&*target.region, &*target.host);
    let protocol = target.protocol.to_string();
    let port = match target.protocol {
        Protocol::Icmp => None,
        Protocol::Tcp(port) => Some(port.to_string()),
    };
    let mut tags = vec![("host", place.1), ("region", place.0)];
    tags.extend(
        port.as_deref().filter(|_| apart.by_port.contains(&place)).map(|port| ("port", port)),
    );
    tags.extend(apart.by_family.contains(&place).then_some(("family", target.family.as_str())));
    let labels = [
        ("family", target.family.as_str()),
        ("host", place.1),
        ("protocol", &*protocol),
        ("region", place.0),
    ];
    let kind = if port.is_some() { Kind::Tcp } else { Kind::Ping };
    Subject::new(kind, &tags, &labels)
}

#[cfg(test)]
mod tests {
    use model::{Outcome, ProbeResult, StampSource, TargetId, UnixNs};
    use store::sink::{Point, line_protocol};

    use super::*;
    use crate::record::Recorder;

    /// The lines of probes with these outcomes, a second apart, one after the other of each target.
    fn lines(targets: &[Target], script: &[(Outcome, Option<u64>)]) -> String {
        let probes = Probes::of(targets.iter());
        let mut recorder = Recorder::default();
        let numbered = || (0..).zip(targets);
        recorder.set(numbered().map(|(id, target)| (TargetId(id), TargetSeries::of(target))));
        let mut samples = Vec::new();
        for (round, (outcome, rtt_us)) in (0_u32..).zip(script) {
            for (id, _) in numbered() {
                let result = ProbeResult {
                    target: TargetId(id),
                    round,
                    outcome: *outcome,
                    reason: None,
                    rtt_ns: rtt_us.map(|us| us * 1_000),
                    stamp: StampSource::Kernel,
                    sent_at: UnixNs(i64::from(round) * 1_000_000_000),
                };
                recorder.record(&result, &mut samples);
            }
        }
        // What the detector draws beside a series is no point.
        samples.push(Sample { series: SeriesId(1), at: UnixMs(0), value: 1.0 });
        let mut out = Vec::new();
        probes.points(&samples, |subject, at, values| {
            line_protocol::write(&mut out, Point { subject: subject.view(), at, values }, &[]);
        });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_ping_is_a_point_of_ping_rtt() {
        let target = Target::new("h", "r", Protocol::Icmp);
        let script =
            [(Outcome::Reply, Some(12_345)), (Outcome::Lost, None), (Outcome::Reply, Some(12_000))];
        assert_eq!(
            lines(&[target], &script),
            "\
ping_rtt,host=h,region=r transmitted=1,received=1,loss=0,min=12.345,avg=12.345,max=12.345 0
ping_rtt,host=h,region=r transmitted=1,received=0,loss=100 1000
ping_rtt,host=h,region=r transmitted=1,received=1,loss=0,min=12,avg=12,max=12,jitter=0.345 2000
"
        );
    }

    #[test]
    fn a_tcp_probe_is_a_point_of_tcp_rtt() {
        let target = Target::new("h", "r", Protocol::Tcp(443));
        let script =
            [(Outcome::Refused, Some(1_500)), (Outcome::Lost, None), (Outcome::Reply, None)];
        assert_eq!(
            lines(&[target], &script),
            "\
tcp_rtt,host=h,region=r transmitted=0,received=0.0015,max_rtt=1.5,min_rtt=1.5,avg_rtt=1.5,\
packet_sent=1,packet_received=1,packet_lost=0,packet_lost_percent=0,execution_time=0.0015 0
tcp_rtt,host=h,region=r transmitted=0,packet_sent=1,packet_received=0,packet_lost=1,\
packet_lost_percent=100,execution_time=1 1000
tcp_rtt,host=h,region=r transmitted=0,packet_sent=1,packet_received=1,packet_lost=0,\
packet_lost_percent=0 2000
"
        );
    }

    #[test]
    fn only_targets_that_host_and_region_cannot_tell_apart_have_further_tags() {
        let mut v6 = Target::new("b", "r", Protocol::Icmp);
        v6.family = Family::V6;
        let targets = [
            Target::new("a", "r", Protocol::Icmp),
            Target::new("a", "r", Protocol::Tcp(22)),
            Target::new("a", "r", Protocol::Tcp(443)),
            Target::new("a", "q", Protocol::Tcp(22)),
            Target::new("b", "r", Protocol::Icmp),
            v6,
        ];
        let text = lines(&targets, &[(Outcome::Lost, None)]);
        let heads: Vec<_> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        let expected = [
            "ping_rtt,host=a,region=r",
            "tcp_rtt,host=a,port=22,region=r",
            "tcp_rtt,host=a,port=443,region=r",
            "tcp_rtt,host=a,region=q",
            "ping_rtt,family=4,host=b,region=r",
            "ping_rtt,family=6,host=b,region=r",
        ];
        assert_eq!(heads, expected);
    }
}
