//! Whether a repair held: the device's targets, probed after it, against what is usual and allowed. Values in,
//! verdict out; who probes is a [`Prober`], who knows what is usual a [`Judge`].

use std::pin::Pin;
use std::time::Duration;

use model::run::{Measured, Proof, ProofVerdict, TargetProof};
use model::{Judgement, SeriesId};

/// Probes of each target after a repair, one a second.
pub const ROUNDS: u32 = 10;
/// The time that they take.
pub const TAKES: Duration = Duration::from_secs(ROUNDS as u64);
/// Of ten probes so many must be answered.
const ANSWERED: u32 = 9;

/// A target of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofTarget {
    /// Its name, `host` or `host:port`.
    pub name: String,
    /// The series of its RTT.
    pub series: SeriesId,
}

/// What was measured of each target, in the order asked.
pub type Measuring<'a> = Pin<Box<dyn Future<Output = Vec<Measured>> + Send + 'a>>;

/// Measures targets of devices.
pub trait Prober: Send + Sync {
    /// The targets that have an address or a name of the device.
    fn targets(&self, device: &str) -> Vec<ProofTarget>;

    /// What the last minute showed of them.
    fn before(&self, targets: &[ProofTarget]) -> Vec<Measured>;

    /// Probes them once a second, so many times.
    fn probe<'a>(&'a self, targets: &'a [ProofTarget], rounds: u32) -> Measuring<'a>;
}

/// Knows what is usual.
pub trait Judge: Send + Sync {
    /// What the detector says of a series now.
    fn now(&self, series: SeriesId) -> Option<Judgement>;
}

/// Judges what was measured.
pub fn judge(
    targets: &[ProofTarget],
    before: &[Measured],
    after: &[Measured],
    judge: &dyn Judge,
) -> Proof {
    let targets: Vec<TargetProof> = targets
        .iter()
        .enumerate()
        .map(|(number, target)| {
            let measured = |all: &[Measured]| all.get(number).copied().unwrap_or_default();
            let judgement = judge.now(target.series);
            let known = |value: f32| value.is_finite().then_some(value);
            let (usual_us, limit_us) = judgement
                .map_or((None, None), |judgement| (known(judgement.usual), known(judgement.limit)));
            let after = measured(after);
            TargetProof {
                target: target.name.clone(),
                series: target.series,
                before: measured(before),
                after,
                usual_us,
                limit_us,
                holds: holds(after, limit_us),
            }
        })
        .collect();
    let (verdict, reason) = verdict(&targets);
    Proof { verdict, reason, targets }
}

fn holds(after: Measured, limit_us: Option<f32>) -> bool {
    let answered = after.received * ROUNDS >= after.sent * ANSWERED && after.received > 0;
    let fast = match (after.rtt_us, limit_us) {
        (Some(rtt), Some(limit)) => rtt <= limit,
        _ => true,
    };
    answered && fast
}

fn verdict(targets: &[TargetProof]) -> (ProofVerdict, String) {
    if targets.is_empty() {
        let said = "the device has no targets: only `verify` speaks for it";
        return (ProofVerdict::NotProvable, said.into());
    }
    if let Some(bad) = targets.iter().find(|target| !target.holds) {
        let Measured { sent, received, rtt_us } = bad.after;
        let rtt = rtt_us.map(|rtt| format!(", {:.1} ms", rtt / 1000.0)).unwrap_or_default();
        let limit = bad
            .limit_us
            .map(|limit| format!(" (limit {:.1} ms)", limit / 1000.0))
            .unwrap_or_default();
        let said = format!("{} answered {received} of {sent} probes{rtt}{limit}", bad.target);
        return (ProofVerdict::NotProven, said);
    }
    let lost = targets.iter().filter(|target| target.before.received < target.before.sent).count();
    let said = match (targets.len(), lost) {
        (1, 0) => "its target answers as usual".to_owned(),
        (1, _) => "its target answers as usual, and did not before".to_owned(),
        (all, 0) => format!("all {all} targets answer as usual"),
        (all, lost) => format!("all {all} targets answer as usual, and {lost} did not before"),
    };
    (ProofVerdict::Proven, said)
}

#[cfg(test)]
mod tests {
    use model::{Labels, Metric, Series};

    use super::*;

    /// What is usual of one target.
    struct Usual(Option<Judgement>);

    impl Judge for Usual {
        fn now(&self, _: SeriesId) -> Option<Judgement> {
            self.0
        }
    }

    fn measured(received: u32, rtt_us: Option<f32>) -> Measured {
        Measured { sent: 10, received, rtt_us }
    }

    fn proof(after: Measured, usual: Option<Judgement>) -> Proof {
        let series = Series { metric: Metric::Rtt, labels: Labels::new([("host", "r1")]) }.id();
        let targets = [ProofTarget { name: "r1".into(), series }];
        judge(&targets, &[measured(0, None)], &[after], &Usual(usual))
    }

    #[test]
    fn a_target_that_answers_is_proof_and_one_that_does_not_is_none() {
        let good = proof(measured(10, Some(900.0)), None);
        assert_eq!(good.verdict, ProofVerdict::Proven);
        assert_eq!(good.reason, "its target answers as usual, and did not before");
        assert_eq!(proof(measured(9, Some(900.0)), None).verdict, ProofVerdict::Proven);
        let bad = proof(measured(8, Some(900.0)), None);
        assert_eq!(bad.verdict, ProofVerdict::NotProven);
        assert_eq!(bad.reason, "r1 answered 8 of 10 probes, 0.9 ms");
        assert_eq!(proof(measured(0, None), None).verdict, ProofVerdict::NotProven);
        let nothing = Measured::default();
        assert_eq!(proof(nothing, None).verdict, ProofVerdict::NotProven);
    }

    #[test]
    fn without_targets_nothing_can_be_proven() {
        let proof = judge(&[], &[], &[], &Usual(None));
        assert_eq!(proof.verdict, ProofVerdict::NotProvable);
    }
}
