//! Probe results become samples: three series of a target, RTT, jitter and loss. Pure; the rules of
//! what counts as what are those of [`model::Outcome`] and [`model::Metric`].

use std::collections::HashMap;

use model::status::TargetSeries;
use model::{ProbeResult, Sample, SeriesId, TargetId};

/// Turns results into samples and remembers each target's latest RTT for the jitter.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    targets: HashMap<TargetId, Memory>,
}

#[derive(Debug)]
struct Memory {
    series: TargetSeries,
    last_rtt_us: Option<f64>,
}

impl Recorder {
    /// Sets whose results will come. Targets that stay keep their memory.
    pub(crate) fn set(&mut self, targets: impl IntoIterator<Item = (TargetId, TargetSeries)>) {
        let mut old = std::mem::take(&mut self.targets);
        self.targets = targets
            .into_iter()
            .map(|(id, series)| {
                let kept = old.remove(&id).and_then(|memory| memory.last_rtt_us);
                (id, Memory { series, last_rtt_us: kept })
            })
            .collect();
    }

    /// Appends the samples of one result: at most three, none for further reports and for what says
    /// nothing about the target.
    pub(crate) fn record(&mut self, result: &ProbeResult, samples: &mut Vec<Sample>) {
        let Some(memory) = self.targets.get_mut(&result.target) else { return };
        let Some(loss) = loss_pct(result) else { return };
        let at = result.sent_at.to_ms();
        let mut push = |series: SeriesId, value: f64| samples.push(Sample { series, at, value });
        push(memory.series.loss, loss);
        let rtt = result.rtt_ns.filter(|_| result.outcome.is_answer());
        let Some(rtt_us) = rtt.map(whole_us) else { return };
        push(memory.series.rtt, rtt_us);
        if let Some(before) = memory.last_rtt_us.replace(rtt_us) {
            push(memory.series.jitter, (rtt_us - before).abs());
        }
    }
}

/// What the probe says of the target's loss; `None` if it says nothing, or was counted before.
fn loss_pct(result: &ProbeResult) -> Option<f64> {
    use model::Outcome::{Duplicate, Late, Lost, Refused, Reply, Unknown, Unreachable, Unsent};
    match result.outcome {
        Reply | Refused => Some(0.0),
        Lost | Unreachable => Some(100.0),
        Late | Duplicate | Unsent | Unknown => None,
    }
}

/// Whole microseconds: the stamps are good to about one, and what is below it would triple the bytes.
fn whole_us(rtt_ns: u64) -> f64 {
    ((rtt_ns + 500) / 1_000) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Metric, Outcome, Protocol, StampSource, Target, UnixNs};

    /// The samples of a target probed once a second with these outcomes, as `(metric, value)`.
    fn samples(script: &[(Outcome, Option<u64>)]) -> Vec<(Metric, f64)> {
        let target = Target::new("h", "r", Protocol::Icmp);
        let series = TargetSeries::of(&target);
        let mut recorder = Recorder::default();
        recorder.set([(TargetId(3), series)]);
        let mut samples = Vec::new();
        for (round, (outcome, rtt_us)) in (0_u32..).zip(script) {
            let result = ProbeResult {
                target: TargetId(3),
                round,
                outcome: *outcome,
                reason: None,
                rtt_ns: rtt_us.map(|us| us * 1_000),
                stamp: StampSource::Kernel,
                sent_at: UnixNs(i64::from(round) * 1_000_000_000),
            };
            recorder.record(&result, &mut samples);
        }
        let metric = |id| Metric::ALL.into_iter().find(|metric| series.get(*metric) == id);
        samples.iter().map(|sample| (metric(sample.series).unwrap(), sample.value)).collect()
    }

    #[test]
    fn a_reply_is_no_loss_and_two_replies_make_a_jitter() {
        let found = samples(&[(Outcome::Reply, Some(900)), (Outcome::Reply, Some(1_000))]);
        let expected = [
            (Metric::Loss, 0.0),
            (Metric::Rtt, 900.0),
            (Metric::Loss, 0.0),
            (Metric::Rtt, 1_000.0),
            (Metric::Jitter, 100.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_dead_target_is_all_loss_and_never_zero_milliseconds() {
        let found = samples(&[(Outcome::Lost, None), (Outcome::Unreachable, None)]);
        assert_eq!(found, [(Metric::Loss, 100.0), (Metric::Loss, 100.0)]);
    }

    #[test]
    fn a_late_answer_does_not_count_its_probe_twice() {
        let found = samples(&[(Outcome::Lost, None), (Outcome::Late, Some(1_500_000))]);
        assert_eq!(found, [(Metric::Loss, 100.0)]);
    }

    #[test]
    fn what_we_cannot_know_leaves_no_trace() {
        assert_eq!(samples(&[(Outcome::Unknown, None), (Outcome::Unsent, None)]), []);
    }

    #[test]
    fn a_syn_that_was_retransmitted_answers_without_an_rtt() {
        assert_eq!(samples(&[(Outcome::Reply, None)]), [(Metric::Loss, 0.0)]);
    }

    #[test]
    fn a_target_that_a_reload_keeps_keeps_its_memory() {
        let target = Target::new("h", "r", Protocol::Icmp);
        let series = TargetSeries::of(&target);
        let mut recorder = Recorder::default();
        let mut samples = Vec::new();
        for rtt_ns in [1_000_000, 2_000_000] {
            recorder.set([(TargetId(0), series)]);
            let result = ProbeResult {
                target: TargetId(0),
                round: 0,
                outcome: Outcome::Reply,
                reason: None,
                rtt_ns: Some(rtt_ns),
                stamp: StampSource::Kernel,
                sent_at: UnixNs(0),
            };
            recorder.record(&result, &mut samples);
        }
        assert_eq!(samples.last().map(|sample| sample.series), Some(series.jitter));
    }
}
