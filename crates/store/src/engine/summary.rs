//! From samples and one-minute rollups to buckets: pure arithmetic.

use std::num::NonZeroU32;

use model::UnixMs;

use crate::codec::rollup::{Minute, PERCENTILES};
use crate::samples::Bucket;

/// Sorts two columns by time and keeps, of samples with one time, the one that came last.
pub(crate) fn tidy(ats: &mut Vec<i64>, values: &mut Vec<f64>) {
    if ats.is_sorted_by(|before, after| before < after) {
        return;
    }
    let mut samples: Vec<(i64, f64)> = ats.drain(..).zip(values.drain(..)).collect();
    samples.sort_by_key(|&(at, _)| at); // stable: equal times stay in the order they came
    for (at, value) in samples {
        if ats.last() == Some(&at) {
            *values.last_mut().expect("as long as the times") = value;
        } else {
            ats.push(at);
            values.push(value);
        }
    }
}

/// Sums samples (ascending by time) and minutes (in any order) up in buckets of `step` milliseconds,
/// which start at multiples of `step` since 1970.
pub(crate) fn buckets(
    ats: &[i64],
    values: &[f64],
    minutes: &mut [Minute],
    step: i64,
) -> Vec<Bucket> {
    minutes.sort_by_key(|minute| minute.at);
    let start = |at: i64| at - at.rem_euclid(step);
    let mut scratch = Scratch::default();
    let ends = [ats.first(), ats.last()].into_iter().flatten().copied();
    let minute_ends = [minutes.first(), minutes.last()].into_iter().flatten().map(|end| end.at);
    let (first, last) = ends
        .chain(minute_ends)
        .fold((i64::MAX, i64::MIN), |(first, last), at| (first.min(at), last.max(at)));
    let span = last.checked_sub(first).and_then(|span| usize::try_from(span / step + 2).ok());
    let mut answer = Vec::with_capacity(span.unwrap_or(0).min(ats.len() + minutes.len()));
    let (mut sample, mut minute) = (0, 0);
    loop {
        let next = [ats.get(sample).copied(), minutes.get(minute).map(|minute| minute.at)];
        let Some(at) = next.into_iter().flatten().min().map(start) else { return answer };
        let end = at.saturating_add(step);
        let samples = ats[sample..].iter().take_while(|&&at| at < end).count();
        let rolled = minutes[minute..].iter().take_while(|minute| minute.at < end).count();
        let own_values = &values[sample..sample + samples];
        let own_minutes = &minutes[minute..minute + rolled];
        answer.push(if rolled == 0 {
            scratch.exact(at, own_values)
        } else {
            scratch.merged(at, own_values, own_minutes)
        });
        sample += samples;
        minute += rolled;
    }
}

/// The nearest rank of a percentile among `count` ascending values, of which there is at least one: the
/// index of the smallest value that at least that share of all values does not exceed.
#[inline]
fn nearest_rank(count: usize, permille: usize) -> usize {
    (count * permille).div_ceil(1000).max(1) - 1
}

/// Memory reused from bucket to bucket.
#[derive(Default)]
struct Scratch {
    keys: Vec<i64>,
    weighted: Vec<(f64, f64)>,
}

/// Orders as `f64::total_cmp` does, but compares as an integer. Its own inverse.
fn key(bits: i64) -> i64 {
    bits ^ (((bits >> 63).cast_unsigned()) >> 1).cast_signed()
}

/// What stands at ascending ranks once `keys` is sorted, without sorting it: each rank is looked for only
/// among what the one before left above itself.
fn at_ranks(keys: &mut [i64], ranks: [usize; PERCENTILES.len()]) -> [i64; PERCENTILES.len()] {
    let mut settled = 0;
    ranks.map(|rank| {
        if rank >= settled {
            keys[settled..].select_nth_unstable(rank - settled);
            settled = rank + 1;
        }
        keys[rank]
    })
}

impl Scratch {
    fn exact(&mut self, at: i64, values: &[f64]) -> Bucket {
        self.keys.clear();
        self.keys.extend(values.iter().map(|value| key(value.to_bits().cast_signed())));
        let value = |key: i64| f64::from_bits(self::key(key).cast_unsigned());
        let count = values.len();
        let extremes = self
            .keys
            .iter()
            .fold((i64::MAX, i64::MIN), |(min, max), &key| (min.min(key), max.max(key)));
        let ranks = PERCENTILES.map(|permille| nearest_rank(count, permille));
        let [p10, p50, p90, p99] = at_ranks(&mut self.keys, ranks).map(value);
        Bucket {
            at: UnixMs(at),
            count: some(count as u64),
            min: value(extremes.0),
            mean: values.iter().sum::<f64>() / count as f64,
            max: value(extremes.1),
            p10,
            p50,
            p90,
            p99,
            merged: false,
        }
    }

    /// Percentiles of the mixture: each minute stands for points at its known quantiles, each weighing
    /// half the way to its neighbours.
    fn merged(&mut self, at: i64, values: &[f64], minutes: &[Minute]) -> Bucket {
        const WEIGHTS: [f64; 6] = [0.05, 0.25, 0.4, 0.245, 0.05, 0.005];
        self.weighted.clear();
        self.weighted.extend(values.iter().map(|&value| (value, 1.0)));
        let mut count = values.len() as u64;
        let mut sum: f64 = values.iter().sum();
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for minute in minutes {
            let [p10, p50, p90, p99] = minute.percentiles;
            let points = [minute.min, p10, p50, p90, p99, minute.max];
            let weight = |share: f64| share * f64::from(minute.count);
            self.weighted.extend(points.into_iter().zip(WEIGHTS.map(weight)));
            count += u64::from(minute.count);
            sum += minute.sum;
            min = min.min(minute.min);
            max = max.max(minute.max);
        }
        min = values.iter().copied().fold(min, f64::min);
        max = values.iter().copied().fold(max, f64::max);
        let [p10, p50, p90, p99] = self.quantiles(minutes);
        let mean = sum / count as f64;
        Bucket {
            at: UnixMs(at),
            count: some(count),
            min,
            mean,
            max,
            p10,
            p50,
            p90,
            p99,
            merged: true,
        }
    }

    fn quantiles(&mut self, minutes: &[Minute]) -> [f64; 4] {
        // A bucket of one minute, by far the most frequent, has its percentiles already.
        if let [minute] = minutes
            && self.weighted.len() == 6
        {
            return minute.percentiles;
        }
        self.weighted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = self.weighted.iter().map(|(_, weight)| weight).sum();
        let (mut index, mut reached) = (0, 0.0);
        PERCENTILES.map(|permille| {
            let wanted = permille as f64 / 1000.0 * total;
            while index + 1 < self.weighted.len() && reached + self.weighted[index].1 < wanted {
                reached += self.weighted[index].1;
                index += 1;
            }
            self.weighted[index].0
        })
    }
}

fn some(count: u64) -> NonZeroU32 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    NonZeroU32::new(count).expect("a bucket is made for at least one sample")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rollup::roll;

    #[test]
    fn late_and_repeated_samples_fall_into_place() {
        let (mut ats, mut values) = (vec![3, 1, 2, 1, 3], vec![3.0, 1.0, 2.0, 10.0, 30.0]);
        tidy(&mut ats, &mut values);
        assert_eq!((ats, values), (vec![1, 2, 3], vec![10.0, 2.0, 30.0]));
    }

    #[test]
    fn a_bucket_is_what_a_sorted_list_says() {
        let values: Vec<f64> = (0..101).map(|i| f64::from((i * 37) % 101) - 50.0).collect();
        let ats: Vec<i64> = (0..101).map(|i| 200_000 + i).collect();
        let answer = buckets(&ats, &values, &mut [], 1000);
        let [bucket] = answer[..] else { panic!("{answer:?}") };
        assert_eq!((bucket.at, bucket.count.get(), bucket.merged), (UnixMs(200_000), 101, false));
        assert_eq!((bucket.min, bucket.mean, bucket.max), (-50.0, 0.0, 50.0));
        assert_eq!((bucket.p10, bucket.p50, bucket.p90, bucket.p99), (-40.0, 0.0, 40.0, 49.0));
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        for (count, ranks) in [
            (1, [1, 1, 1, 1]),
            (2, [1, 1, 2, 2]),
            (4, [1, 2, 4, 4]),
            (10, [1, 5, 9, 10]),
            (100, [10, 50, 90, 99]),
            (101, [11, 51, 91, 100]),
            (1000, [100, 500, 900, 990]),
        ] {
            let ats = vec![0; count];
            let values: Vec<f64> = (1..=count).rev().map(|value| value as f64).collect();
            let bucket = buckets(&ats, &values, &mut [], 1000)[0];
            let found = [bucket.p10, bucket.p50, bucket.p90, bucket.p99].map(|value| value as i32);
            assert_eq!(found, ranks, "of {count} values");
        }
    }

    #[test]
    fn buckets_start_at_multiples_of_the_step_and_empty_ones_are_left_out() {
        let answer = buckets(&[999, 1000, 5999], &[1.0, 2.0, 3.0], &mut [], 1000);
        let starts: Vec<i64> = answer.iter().map(|bucket| bucket.at.0).collect();
        assert_eq!(starts, [0, 1000, 5000]);
    }

    #[test]
    fn merged_percentiles_are_close_to_the_samples_own() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64 / f64::from(1 << 24)
        };
        let ats: Vec<i64> = (0..6000).map(|i| i * 1000).collect();
        let values: Vec<f64> = ats.iter().map(|_| 20.0 - 3.0 * random().max(1e-9).ln()).collect();
        let mut minutes = roll(&ats, &values, &mut Vec::new());
        let exact = buckets(&ats, &values, &mut [], 3_000_000);
        let merged = buckets(&[], &[], &mut minutes, 3_000_000);
        assert_eq!(exact.len(), 2);
        for (exact, merged) in exact.iter().zip(&merged) {
            assert!(merged.merged);
            assert_eq!((exact.count, exact.min, exact.max), (merged.count, merged.min, merged.max));
            assert!((exact.mean - merged.mean).abs() < 1e-9);
            let distance = |a: f64, b: f64| (a - b).abs() / (exact.max - exact.min);
            assert!(distance(exact.p10, merged.p10) < 0.03, "{exact:?} {merged:?}");
            assert!(distance(exact.p50, merged.p50) < 0.03, "{exact:?} {merged:?}");
            assert!(distance(exact.p90, merged.p90) < 0.05, "{exact:?} {merged:?}");
            assert!(distance(exact.p99, merged.p99) < 0.10, "{exact:?} {merged:?}");
        }
    }
}
