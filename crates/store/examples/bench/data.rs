//! The work that all sides get: a day of 20 series and an hour of 1,000, one sample a second with up to
//! three milliseconds of jitter. Four of five series are RTTs with three decimals, the fifth is a counter.

use model::{Labels, Metric, Series};

/// Series over the last hour.
pub(crate) const SERIES: usize = 1000;
/// Series over the whole day.
const ALL_DAY: usize = 20;
/// Seconds of the span.
const SECONDS: i64 = 86_400;
/// Samples in a batch, about.
const BATCH: usize = 10_000;
/// First millisecond: 2026-01-01 00:00 UTC.
pub(crate) const START: i64 = 1_767_225_600_000;
/// First millisecond after the span.
pub(crate) const END: i64 = START + SECONDS * 1000;
/// First millisecond of the hour that all series have.
pub(crate) const HOUR: i64 = END - 3_600_000;

/// One sample: number of the series, milliseconds, value.
pub(crate) type Point = (usize, i64, f64);

/// Whether a series is a counter.
pub(crate) fn is_counter(series: usize) -> bool {
    series % 5 == 4
}

/// The series as netmend names it.
pub(crate) fn series(number: usize) -> Series {
    let labels = Labels::new([("host", format!("h{number}")), ("region", "aws-london".to_owned())]);
    Series { metric: Metric::Rtt, labels }
}

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform().max(1e-12), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// What one series remembers from sample to sample.
struct Walk {
    base: f64,
    drift: f64,
    total: f64,
    rate: f64,
}

/// All samples by time, in batches.
pub(crate) fn batches() -> Vec<Vec<Point>> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut walks: Vec<Walk> = (0..SERIES)
        .map(|_| Walk {
            base: 5.0 + random.uniform() * 150.0,
            drift: 0.0,
            total: (random.uniform() * 1e12).floor(),
            rate: 1e5 + random.uniform() * 5e7,
        })
        .collect();
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    for second in 0..SECONDS {
        let present = if START + second * 1000 >= HOUR { SERIES } else { ALL_DAY };
        for (number, walk) in walks[..present].iter_mut().enumerate() {
            let jitter = (random.uniform() * random.uniform() * 4.0) as i64;
            if let Some(value) = step(&mut random, walk, is_counter(number), second) {
                batch.push((number, START + second * 1000 + jitter, value));
            }
        }
        if batch.len() >= BATCH {
            batches.push(std::mem::take(&mut batch));
        }
    }
    batches.push(batch);
    batches
}

fn step(random: &mut Random, walk: &mut Walk, counter: bool, second: i64) -> Option<f64> {
    if counter {
        walk.drift = 0.95 * walk.drift + 0.2 * random.normal();
        walk.total += (walk.rate * walk.drift.exp()).floor();
        return Some(walk.total);
    }
    if random.uniform() < 0.005 {
        return None; // lost
    }
    walk.drift = 0.98 * walk.drift + 0.05 * random.normal();
    let queueing = (random.normal() * 0.8 - 1.5).exp();
    let rare = random.uniform() < 0.01;
    let spike = if rare { 2.0 * random.uniform().max(1e-4).powf(-0.7) } else { 0.0 };
    let daily = 1.0 + 0.05 * (second as f64 / SECONDS as f64 * std::f64::consts::TAU).sin();
    let value = walk.base * daily + walk.drift + queueing + spike;
    Some((value * 1000.0).round() / 1000.0)
}
