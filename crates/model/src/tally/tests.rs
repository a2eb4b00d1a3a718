//! The tally against a naive one that keeps everything and sorts.

use proptest::prelude::*;

use super::*;
use crate::{StampSource, TargetId, UnixNs};

fn report(round: u32, outcome: Outcome, rtt_ns: Option<u64>) -> ProbeResult {
    let (target, stamp, sent_at) = (TargetId(0), StampSource::Kernel, UnixNs(0));
    ProbeResult { target, round, outcome, reason: None, rtt_ns, stamp, sent_at }
}

fn replies(rtts: &[u64]) -> Tally {
    let mut tally = Tally::default();
    for (round, &rtt) in (0..).zip(rtts) {
        tally.add(&report(round, Outcome::Reply, Some(rtt)));
    }
    tally
}

#[test]
fn a_tally_fits_its_budget() {
    assert!(size_of::<Tally>() <= 104, "{} bytes", size_of::<Tally>());
}

#[test]
fn nothing_received_is_no_rtt_and_no_jitter() {
    let mut tally = Tally::default();
    assert_eq!((tally.counts().loss_pct(), tally.rtt(), tally.jitter_ns()), (None, None, None));
    tally.add(&report(0, Outcome::Lost, None));
    assert_eq!((tally.counts().loss_pct(), tally.rtt()), (Some(100.0), None));
}

#[test]
fn a_late_answer_turns_lost_into_late_and_stays_out_of_the_rtt() {
    let mut tally = replies(&[1_000]);
    tally.add(&report(1, Outcome::Lost, None));
    tally.add(&report(1, Outcome::Late, Some(9_000_000)));
    let counts = tally.counts();
    assert_eq!((counts.sent, counts.lost, counts.late), (2, 0, 1));
    assert_eq!(counts.loss_pct(), Some(50.0));
    assert_eq!(tally.rtt().map(|rtt| rtt.max), Some(1_000));
}

#[test]
fn a_refused_port_answered_and_unsent_and_unknown_are_no_loss() {
    let mut tally = Tally::default();
    tally.add(&report(0, Outcome::Refused, Some(5_000)));
    tally.add(&report(1, Outcome::Unsent, None));
    tally.add(&report(2, Outcome::Unknown, None));
    let counts = tally.counts();
    assert_eq!((counts.sent, counts.received, counts.refused), (2, 1, 1));
    assert_eq!((counts.unsent, counts.unknown, counts.loss_pct()), (1, 1, Some(0.0)));
}

#[test]
fn a_retransmitted_syn_counts_as_received_without_an_rtt() {
    let mut tally = replies(&[1_000, 3_000]);
    tally.add(&report(2, Outcome::Reply, None));
    tally.add(&report(3, Outcome::Reply, Some(2_000)));
    assert_eq!(tally.counts().received, 4);
    assert_eq!(tally.jitter_ns(), Some(1_500.0));
    assert_eq!(tally.rtt().map(|rtt| rtt.mean), Some(2_000.0));
}

#[test]
fn an_rtt_of_hours_is_counted_too() {
    let hour = 3_600_000_000_000;
    let rtt = replies(&[1_000, hour]).rtt().expect("two replies");
    assert_eq!((rtt.min, rtt.max), (1_000, hour));
    assert!((rtt.p99 / hour as f64 - 0.99).abs() < 0.01);
}

#[test]
fn rounds_that_are_never_reported_do_not_hold_the_jitter_for_ever() {
    let mut tally = Tally::default();
    for round in 1..=5_000 {
        tally.add(&report(round, Outcome::Reply, Some(u64::from(round % 2) * 100)));
    }
    assert_eq!(tally.jitter_ns(), Some(100.0));
}

/// What is known of each probe, in the order of rounds.
#[derive(Clone, Debug)]
struct Naive(Vec<(Outcome, Option<u64>)>);

impl Naive {
    fn rtts(&self) -> Vec<u64> {
        self.0
            .iter()
            .filter(|(outcome, _)| outcome.is_answer())
            .filter_map(|(_, rtt)| *rtt)
            .collect()
    }

    fn percentile(&self, q: f64) -> f64 {
        let mut sorted = self.rtts();
        sorted.sort_unstable();
        let place = q * (sorted.len() - 1) as f64;
        let at =
            |rank: f64| (0..).zip(&sorted).find(|(i, _)| f64::from(*i) >= rank).map(|(_, v)| *v);
        let low = at(place.floor()).expect("a rank within") as f64;
        let high = at(place.ceil()).expect("a rank within") as f64;
        low + (high - low) * place.fract()
    }

    fn count(&self, outcomes: &[Outcome]) -> u32 {
        self.0.iter().filter(|(outcome, _)| outcomes.contains(outcome)).count() as u32
    }
}

/// Final outcomes of up to 200 probes; an RTT where the outcome has one.
fn probes() -> impl Strategy<Value = Naive> {
    let rtt = prop_oneof![0..3_000_000_000u64, 20_000_000..21_000_000u64, 0..300u64];
    let probe = prop_oneof![
        8 => rtt.clone().prop_map(|rtt| (Outcome::Reply, Some(rtt))),
        1 => rtt.clone().prop_map(|rtt| (Outcome::Refused, Some(rtt))),
        1 => Just((Outcome::Reply, None)),
        1 => Just((Outcome::Lost, None)),
        1 => rtt.prop_map(|rtt| (Outcome::Late, Some(rtt))),
        1 => Just((Outcome::Unreachable, None)),
        1 => Just((Outcome::Unknown, None)),
        1 => Just((Outcome::Unsent, None)),
    ];
    prop_oneof![prop::collection::vec(probe.clone(), 0..20), prop::collection::vec(probe, 0..200)]
        .prop_map(Naive)
}

/// The reports of a run: first ones within `disorder` rounds of their turn, a duplicate for each tenth.
fn reports(naive: &Naive, disorder: u32) -> Vec<ProbeResult> {
    let mut reports = Vec::new();
    for (round, &(outcome, rtt)) in (0u32..).zip(&naive.0) {
        // A fixed but uneven delay; sorting by it is what the network does.
        let due = round + round.wrapping_mul(2_654_435_761) % (disorder + 1);
        if outcome == Outcome::Late {
            reports.push((due, report(round, Outcome::Lost, None)));
            reports.push((due + disorder, report(round, Outcome::Late, rtt)));
        } else {
            reports.push((due, report(round, outcome, rtt)));
        }
        if outcome.is_answer() && round % 10 == 0 {
            reports.push((due + 1, report(round, Outcome::Duplicate, rtt)));
        }
    }
    reports.sort_by_key(|(due, _)| *due);
    reports.into_iter().map(|(_, report)| report).collect()
}

fn near(ours: f64, truth: f64, relative: f64) -> bool {
    (ours - truth).abs() <= truth.abs() * relative + 1e-6
}

proptest! {
    #[test]
    fn the_tally_agrees_with_a_naive_one(naive in probes(), disorder in 0..40u32) {
        let mut tally = Tally::default();
        for report in reports(&naive, disorder) {
            tally.add(&report);
        }

        let counts = tally.counts();
        prop_assert_eq!(counts.received, naive.count(&[Outcome::Reply, Outcome::Refused]));
        prop_assert_eq!(counts.refused, naive.count(&[Outcome::Refused]));
        prop_assert_eq!(counts.lost, naive.count(&[Outcome::Lost]));
        prop_assert_eq!(counts.late, naive.count(&[Outcome::Late]));
        prop_assert_eq!(counts.unsent, naive.count(&[Outcome::Unsent]));
        prop_assert_eq!(counts.sent + counts.unsent, naive.0.len() as u32);
        let parts = counts.received + counts.lost + counts.late + counts.unreachable + counts.unknown;
        prop_assert_eq!(counts.sent, parts);

        let rtts = naive.rtts();
        let Some(rtt) = tally.rtt() else {
            prop_assert!(rtts.is_empty());
            return Ok(());
        };
        let n = rtts.len() as f64;
        let mean = rtts.iter().map(|&rtt| rtt as f64).sum::<f64>() / n;
        let variance = rtts.iter().map(|&rtt| (rtt as f64 - mean).powi(2)).sum::<f64>() / n;
        prop_assert_eq!(Some(rtt.min), rtts.iter().min().copied());
        prop_assert_eq!(Some(rtt.max), rtts.iter().max().copied());
        prop_assert!(near(rtt.mean, mean, 1e-9));
        prop_assert!(near(rtt.stddev, variance.sqrt(), 1e-6));
        let allowed = if rtts.len() <= Tally::EXACT { 1e-12 } else { 0.01 };
        for (ours, q) in [(rtt.p50, 0.5), (rtt.p90, 0.9), (rtt.p99, 0.99)] {
            prop_assert!(near(ours, naive.percentile(q), allowed), "p{}: {}", q * 100.0, ours);
        }
        let mut seen = 0;
        tally.for_each_rtt(|_, count| seen += count);
        prop_assert_eq!(seen as usize, rtts.len());

        let steps: Vec<f64> = rtts.windows(2).map(|w| w[0].abs_diff(w[1]) as f64).collect();
        match tally.jitter_ns() {
            None => prop_assert!(steps.is_empty()),
            Some(jitter) => {
                prop_assert!(near(jitter, steps.iter().sum::<f64>() / steps.len() as f64, 1e-9));
            }
        }
    }
}
