//! Small pieces of text that the summary and the live table share: figures, distributions and histories in
//! block characters. Pure.

use model::Tally;

pub(super) use crate::cli::figures::{percent, rtt};

/// Eighths of a cell, lowest first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A logarithmic axis of RTTs cut into equal bins, the same for all targets so that rows compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    bins: usize,
}

impl Scale {
    /// Covers this range of nanoseconds, at least a factor of two, in this many bins.
    pub(super) fn new((low, high): (u64, u64), bins: usize) -> Self {
        let (low, high) = ((low.max(1) as f64).log2(), (high.max(1) as f64).log2());
        let widen = (1.0 - (high - low)).max(0.0) / 2.0;
        Self { low: low - widen, high: high + widen, bins }
    }

    /// The bin of an RTT.
    fn bin(&self, ns: f64) -> usize {
        let share = (ns.max(1.0).log2() - self.low) / (self.high - self.low);
        #[expect(clippy::cast_sign_loss, reason = "clamped to what is not negative")]
        let bin = (share.clamp(0.0, 1.0) * self.bins as f64) as usize;
        bin.min(self.bins.saturating_sub(1))
    }

    /// Its ends in words, spread over the width of the bins: `210µs   1.3s`.
    pub(super) fn legend(&self) -> String {
        let (low, high) = (rtt(Some(self.low.exp2())), rtt(Some(self.high.exp2())));
        let gap = self.bins.saturating_sub(low.chars().count() + high.chars().count());
        if gap == 0 { "distribution".to_owned() } else { format!("{low}{}{high}", " ".repeat(gap)) }
    }

    /// The distribution of a target's RTTs: the fullest bin is a full block, any RTT at all an eighth.
    pub(super) fn bars(&self, tally: &Tally) -> String {
        let mut bins = vec![0u32; self.bins];
        tally.for_each_rtt(|ns, count| bins[self.bin(ns)] += count);
        let fullest = bins.iter().copied().max().unwrap_or(0);
        bins.iter().map(|&count| bar(count, fullest)).collect()
    }
}

fn bar(count: u32, fullest: u32) -> char {
    if count == 0 {
        return ' ';
    }
    let height = (u64::from(count) * 8).div_ceil(u64::from(fullest));
    BLOCKS[(height as usize).clamp(1, 8) - 1]
}

/// A block whose height shows where `value` lies between `low` and `high`.
pub(super) fn level(value: f64, low: f64, high: f64) -> char {
    let share = if high > low { (value - low) / (high - low) } else { 0.0 };
    #[expect(clippy::cast_sign_loss, reason = "clamped to what is not negative")]
    let height = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
    BLOCKS[height]
}

/// Shortens a text to a width in columns, showing that it did.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::result;
    use super::*;
    use model::Outcome;

    #[test]
    fn bars_show_where_the_rtts_lie() {
        let mut tally = Tally::default();
        for (round, rtt_us) in (0..).zip([100, 100, 100, 100, 900, 10_000]) {
            tally.add(&result((0, round, Outcome::Reply, rtt_us)));
        }
        let scale = Scale::new((100_000, 10_000_000), 5);
        assert_eq!(scale.bars(&tally), "█ ▂ ▂");
        assert_eq!(scale.legend(), "distribution");
        assert_eq!(Scale::new((100_000, 10_000_000), 16).legend(), "100µs     10.0ms");
    }

    #[test]
    fn a_single_rtt_lies_in_the_middle_of_its_scale() {
        let mut tally = Tally::default();
        tally.add(&result((0, 0, Outcome::Reply, 100)));
        assert_eq!(Scale::new((100_000, 100_000), 5).bars(&tally), "  █  ");
    }

    #[test]
    fn long_names_are_cut_visibly() {
        assert_eq!(fit("www.example.com", 8), "www.exa…");
        assert_eq!(fit("short", 8), "short");
    }
}
