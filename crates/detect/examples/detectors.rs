//! What the detectors cost: time a sample, memory a series, start from a snapshot, full replay. Prints one
//! JSON object; `cargo xtask bench detect` runs it and compares with the goals.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Duration;

use detect::{Judge, Settings};
use model::{Clock, Metric, Sample, SeriesId, SystemClock, UnixMs};

const START: i64 = 1_767_571_200_000;
const METRICS: [Metric; 3] = [Metric::Rtt, Metric::Jitter, Metric::Loss];

fn main() {
    let clock = SystemClock;
    let mut figures = Vec::new();
    // First, while no memory was given back that could be used again unseen.
    let (bytes, round) = many_series(&clock);
    for metric in METRICS {
        figures.push((format!("{metric}_ns"), one_series(&clock, metric)));
    }
    figures.push(("series_bytes".to_owned(), bytes));
    figures.push(("round_ms".to_owned(), round.as_secs_f64() * 1000.0));
    // A round of one sample each is due every 10 s.
    figures.push(("cpu_percent".to_owned(), round.as_secs_f64() / 10.0 * 100.0));
    let (replay, start, size) = restart(&clock);
    figures.push(("replay_s".to_owned(), replay.as_secs_f64()));
    figures.push(("start_s".to_owned(), start.as_secs_f64()));
    figures.push(("snapshot_bytes".to_owned(), size));
    let body: Vec<String> =
        figures.iter().map(|(name, value)| format!("\"{name}\": {value:.3}")).collect();
    println!("{{{}}}", body.join(", "));
}

/// Nanoseconds a sample while one series stays in the cache: 100 days at 10 s. The fastest of them counts,
/// as the others tell of what else the machine did.
fn one_series(clock: &impl Clock, metric: Metric) -> f64 {
    const SAMPLES: u64 = 864_000;
    let mut judge = Judge::new();
    watch(&mut judge, 1, |_| metric);
    let samples: Vec<Sample> = (0..SAMPLES).map(|round| sample(0, metric, round, 10_000)).collect();
    let days = samples.chunks(8640).map(|day| {
        let spent = timed(clock, || {
            for sample in day {
                std::hint::black_box(judge.push(sample));
            }
        });
        spent.as_secs_f64() * 1e9 / day.len() as f64
    });
    days.fold(f64::INFINITY, f64::min)
}

/// Bytes a series, allocator and table included, and the time of a round of 100,000 samples.
fn many_series(clock: &impl Clock) -> (f64, Duration) {
    const SERIES: u64 = 100_000;
    const ROUNDS: u64 = 20;
    let metric = |series: u64| METRICS[(series % 3) as usize];
    let before = resident();
    let mut judge = Judge::new();
    watch(&mut judge, SERIES, metric);
    let bytes = resident().saturating_sub(before) as f64 / SERIES as f64;
    let mut spent = Duration::ZERO;
    let mut samples = Vec::with_capacity(SERIES as usize);
    for round in 0..ROUNDS {
        samples.clear();
        samples.extend((0..SERIES).map(|series| sample(series, metric(series), round, 10_000)));
        spent += timed(clock, || {
            for sample in &samples {
                std::hint::black_box(judge.push(sample));
            }
        });
    }
    (bytes, spent / ROUNDS as u32)
}

/// 1,000 series: the time of a full replay of 7 days at 60 s, that of a start from the snapshot with 10 min
/// of samples at 3 s behind it, and the size of the snapshot.
fn restart(clock: &impl Clock) -> (Duration, Duration, f64) {
    const SERIES: u64 = 1000;
    const ROUNDS: u64 = 7 * 1440;
    let metric = |series: u64| METRICS[(series % 3) as usize];
    let mut judge = Judge::new();
    watch(&mut judge, SERIES, metric);
    let mut replay = Duration::ZERO;
    let mut samples = Vec::with_capacity(ROUNDS as usize);
    for series in 0..SERIES {
        samples.clear();
        samples.extend((0..ROUNDS).map(|round| sample(series, metric(series), round, 60_000)));
        replay += timed(clock, || {
            for sample in &samples {
                std::hint::black_box(judge.push(sample));
            }
        });
    }
    let snapshot = judge.snapshot();
    samples.clear();
    let tail = |series: u64| {
        (0..200).map(move |round| Sample {
            at: UnixMs(START + ROUNDS.cast_signed() * 60_000 + round * 3000),
            ..sample(series, METRICS[(series % 3) as usize], 0, 1)
        })
    };
    samples.extend((0..SERIES).flat_map(tail));
    let mut second = Judge::new();
    let start = timed(clock, || {
        watch(&mut second, SERIES, metric);
        let restored = second.restore(&snapshot).expect("our own snapshot is whole");
        assert_eq!(restored as u64, SERIES);
        for sample in &samples {
            std::hint::black_box(second.push(sample));
        }
    });
    (replay, start, snapshot.len() as f64 / SERIES as f64)
}

fn watch(judge: &mut Judge, series: u64, metric: impl Fn(u64) -> Metric) {
    for number in 0..series {
        let watched = judge.watch(id(number), metric(number), &Settings::default());
        watched.expect("the default settings make sense");
    }
}

/// A series number that is spread as hashes are.
fn id(number: u64) -> SeriesId {
    SeriesId(u128::from(mix(number)) << 64 | u128::from(mix(!number)))
}

/// The sample of a series in a round: noise around 20 ms, 2 ms or no loss.
fn sample(series: u64, metric: Metric, round: u64, step_ms: i64) -> Sample {
    let noise = mix(series << 32 ^ round) % 4096;
    let value = match metric {
        Metric::Rtt => 20_000.0 + noise as f64,
        Metric::Jitter => 2_000.0 + noise as f64 / 4.0,
        Metric::Loss => {
            if noise < 8 {
                100.0
            } else {
                0.0
            }
        }
        Metric::Interface(_) => 0.0,
    };
    Sample { series: id(series), at: UnixMs(START + round.cast_signed() * step_ms), value }
}

/// `SplitMix64`, Steele et al. 2014.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn timed(clock: &impl Clock, work: impl FnOnce()) -> Duration {
    let begin = clock.monotonic();
    work();
    clock.monotonic().saturating_sub(begin)
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}
