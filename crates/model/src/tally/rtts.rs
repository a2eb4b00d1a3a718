//! A distribution of RTTs that is exact while it is small and a sparse log-linear histogram after that.
//! It must stay within 1 % of the truth and grow with the number of different RTTs, not of RTTs.

/// So many RTTs are kept as they are.
pub(super) const EXACT: usize = 16;

/// Each power of two is cut into `2^6` buckets: one is at most 1/64 of its value wide, so its middle is
/// at most 1/128 (0.8 %) away from what fell into it.
const SUB_BITS: u32 = 6;

/// Bits of a [`Bucket`] that count; the rest, 12 bits, number the bucket.
const COUNT_BITS: u32 = 20;

/// The RTTs of one target.
#[derive(Clone, Debug)]
pub(super) enum Rtts {
    /// Each RTT in nanoseconds, in order of arrival. Without spare room, which for 100,000 targets would be
    /// megabytes.
    Few(Box<[u32]>),
    /// Occupied buckets, ascending.
    Many(Vec<Bucket>),
}

/// Number of a bucket and how many RTTs fell into it, in one word; a bucket that is full gets a second
/// entry. Words order as their buckets do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket(u32);

impl Default for Rtts {
    fn default() -> Self {
        Rtts::Few(Box::default())
    }
}

impl Rtts {
    /// Takes up one RTT in nanoseconds.
    pub(super) fn push(&mut self, rtt: u64) {
        match self {
            Rtts::Many(buckets) => count(buckets, rtt),
            Rtts::Few(rtts) => match u32::try_from(rtt) {
                Ok(short) if rtts.len() < EXACT => {
                    let mut more = std::mem::take(rtts).into_vec();
                    more.reserve_exact(1);
                    more.push(short);
                    *rtts = more.into_boxed_slice();
                }
                _ => {
                    let mut buckets = Vec::new();
                    for &rtt in &*rtts {
                        count(&mut buckets, u64::from(rtt));
                    }
                    count(&mut buckets, rtt);
                    *self = Rtts::Many(buckets);
                }
            },
        }
    }

    /// Hands over each RTT in nanoseconds with its number.
    pub(super) fn for_each(&self, take: &mut dyn FnMut(f64, u32)) {
        match self {
            Rtts::Few(rtts) => rtts.iter().for_each(|&rtt| take(f64::from(rtt), 1)),
            Rtts::Many(buckets) => buckets.iter().for_each(|b| take(b.middle(), b.count())),
        }
    }

    /// Percentiles by linear interpolation between the closest ranks; 0 where there is no RTT.
    pub(super) fn percentiles<const N: usize>(&self, quantiles: [f64; N]) -> [f64; N] {
        match self {
            Rtts::Few(rtts) => {
                let mut sorted = [0; EXACT];
                let sorted = &mut sorted[..rtts.len()];
                sorted.copy_from_slice(rtts);
                sorted.sort_unstable();
                let at = |rank: usize| sorted.get(rank).copied().map_or(0.0, f64::from);
                quantiles.map(|q| interpolate(q, rtts.len(), at))
            }
            Rtts::Many(buckets) => {
                let total = buckets.iter().map(|bucket| bucket.count() as usize).sum();
                quantiles.map(|q| interpolate(q, total, |rank| value_at(buckets, rank)))
            }
        }
    }
}

/// The value at quantile `q` of `total` values of which `at` knows each by its rank from 0.
fn interpolate(q: f64, total: usize, at: impl Fn(usize) -> f64) -> f64 {
    let last = total.saturating_sub(1);
    let place = q * last as f64;
    let below = place.floor();
    // `below` is a whole number between 0 and `last`.
    #[expect(clippy::cast_sign_loss, reason = "a rank is never negative")]
    let rank = below as usize;
    let (low, high) = (at(rank), at((rank + 1).min(last)));
    low + (high - low) * (place - below)
}

fn value_at(buckets: &[Bucket], rank: usize) -> f64 {
    let mut seen = 0;
    for bucket in buckets {
        seen += bucket.count() as usize;
        if rank < seen {
            return bucket.middle();
        }
    }
    0.0
}

/// Adds one to the bucket of `rtt`. Room grows by eighths: most targets need few buckets, and there
/// may be 100,000 targets.
fn count(buckets: &mut Vec<Bucket>, rtt: u64) {
    let number = number_of(rtt);
    let place = buckets.partition_point(|bucket| bucket.number() < number);
    match buckets.get_mut(place) {
        Some(bucket) if bucket.number() == number && bucket.count() < Bucket::FULL => bucket.0 += 1,
        _ => {
            if buckets.len() == buckets.capacity() {
                buckets.reserve_exact(4 + buckets.len() / 8);
            }
            buckets.insert(place, Bucket((number << COUNT_BITS) | 1));
        }
    }
}

/// Bucket of a value: values below 64 have their own, then 64 for each power of two.
fn number_of(rtt: u64) -> u32 {
    let octave = rtt.max(1).ilog2().saturating_sub(SUB_BITS);
    (octave << SUB_BITS) + (rtt >> octave) as u32
}

impl Bucket {
    const FULL: u32 = (1 << COUNT_BITS) - 1;

    fn number(self) -> u32 {
        self.0 >> COUNT_BITS
    }

    fn count(self) -> u32 {
        self.0 & Self::FULL
    }

    /// Middle of the values that fall into the bucket.
    fn middle(self) -> f64 {
        let octave = (self.number() >> SUB_BITS).saturating_sub(1);
        let start = u64::from(self.number() - (octave << SUB_BITS)) << octave;
        start as f64 + ((1u64 << octave) - 1) as f64 / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_one_percent_of_the_middle_of_its_bucket() {
        let edges = (0..64).flat_map(|bit| {
            let power = 1u64 << bit;
            [power - 1, power, power + 1, power + power / 3]
        });
        for value in edges.chain([u64::MAX]) {
            let middle = Bucket(number_of(value) << COUNT_BITS).middle();
            let error = (middle - value as f64).abs();
            assert!(error <= value as f64 / 100.0, "{value}: {middle}");
        }
    }

    #[test]
    fn buckets_ascend_with_their_values_and_fit_twelve_bits() {
        let values =
            (0..64).flat_map(|bit| (0..130u64).map(move |step| (1u64 << bit) / 130 * step));
        let mut values: Vec<u64> = values.chain(0..500).chain([u64::MAX]).collect();
        values.sort_unstable();
        let numbers: Vec<u32> = values.iter().map(|&value| number_of(value)).collect();
        assert!(numbers.is_sorted());
        assert!(numbers.iter().all(|&number| number < 1 << 12));
    }

    #[test]
    fn a_full_bucket_goes_on_in_a_second_entry() {
        let mut buckets = vec![Bucket((number_of(1_000) << COUNT_BITS) | Bucket::FULL)];
        count(&mut buckets, 1_000);
        count(&mut buckets, 1_000);
        let total: u32 = buckets.iter().map(|bucket| bucket.count()).sum();
        assert_eq!((buckets.len(), total), (2, Bucket::FULL + 2));
    }

    #[test]
    fn sixty_similar_rtts_take_up_less_room_than_sixty_words() {
        let mut rtts = Rtts::default();
        (0..60).for_each(|i| rtts.push(20_000_000 + i * 17_000));
        let Rtts::Many(buckets) = rtts else { panic!("still exact") };
        assert!(buckets.capacity() <= 8, "{}", buckets.capacity());
    }
}
