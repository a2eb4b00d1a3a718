//! Samples of one series in memory, in the order they came: times as differences of differences, values
//! as differences of thousandths. About five bytes a sample for RTTs.

use super::scalar::Scalar;
use super::varint::{put, take, unzigzag, zigzag};

/// Most bytes of a sample: two numbers of 10 bytes.
const LARGEST: usize = 20;
/// Bytes a run grows by at least.
const GROWTH: usize = 64;

/// A growing run of samples. Times are milliseconds of the years 1970 to 9999.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    bytes: Vec<u8>,
    count: u32,
    at: i64,
    step: i64,
    value: i64,
}

impl Points {
    /// Appends a sample.
    #[inline]
    pub(crate) fn push(&mut self, at: i64, value: Scalar) {
        // Doubling would leave a quarter of all heads' memory unused.
        if self.bytes.capacity() - self.bytes.len() < LARGEST {
            self.bytes.reserve_exact(GROWTH.max(self.bytes.len() / 4));
        }
        let step = at - self.at;
        put(&mut self.bytes, zigzag(step - self.step));
        (self.at, self.step) = (at, step);
        value.put(&mut self.bytes, &mut self.value);
        self.count += 1;
    }

    /// How many samples it holds.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back memory reserved for growth.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Appends all samples to two columns.
    pub(crate) fn unpack(&self, ats: &mut Vec<i64>, values: &mut Vec<f64>) {
        let mut rest = self.bytes.as_slice();
        let (mut at, mut step, mut previous) = (0, 0, 0);
        ats.reserve(self.count as usize);
        values.reserve(self.count as usize);
        while !rest.is_empty() {
            let change = take(&mut rest).expect("this process packed it");
            step += unzigzag(change);
            at += step;
            let value = Scalar::take(&mut rest, &mut previous).expect("this process packed it");
            ats.push(at);
            values.push(value.value());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(samples: &[(i64, f64)]) -> Points {
        let mut points = Points::default();
        for &(at, value) in samples {
            points.push(at, Scalar::new(value));
        }
        points
    }

    #[test]
    fn samples_come_back_in_the_order_they_came() {
        let samples = [(5_000, 1.5), (4_000, -0.0), (253_402_300_799_999, 1.0 / 3.0), (0, 1e300)];
        let (mut ats, mut values) = (vec![1], vec![2.0]);
        pack(&samples).unpack(&mut ats, &mut values);
        assert_eq!(ats, [1, 5_000, 4_000, 253_402_300_799_999, 0]);
        assert_eq!(values[1..], samples.map(|(_, value)| value));
    }

    #[test]
    fn an_rtt_every_second_takes_at_most_eight_bytes() {
        let samples: Vec<_> = (0..512)
            .map(|i: i64| {
                let rtt = 150_000_000 + (i * 7_919_123) % 9_000_001;
                (1_700_000_000_000 + 1000 * i + i * i % 4, rtt as f64 / 1000.0)
            })
            .collect();
        let mut points = pack(&samples);
        points.shrink();
        assert!(points.memory() <= 512 * 8, "{} bytes", points.memory());
    }
}
