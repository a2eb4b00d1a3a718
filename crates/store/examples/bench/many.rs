//! A hundred thousand series, one sample every ten seconds each, fed as the daemon does: a batch a second,
//! but one right after the other. What it costs in memory, and how long the slowest appends wait.

use std::path::Path;

use model::{Labels, Metric, Sample, Series, SeriesId, UnixMs};
use store::{Batch, Samples};

use crate::data::START;
use crate::local::{open, timed};

/// Series in all.
const SERIES: usize = 100_000;
/// Seconds between two samples of a series.
const INTERVAL: usize = 10;

/// Feeds that many minutes of samples into an empty folder and prints the figures.
pub(crate) fn run(minutes: u32, dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let file = open(dir)?;
    let series: Vec<Series> = (0..SERIES)
        .map(|number| Series {
            metric: Metric::Rtt,
            labels: Labels::new([("host", format!("h{number}"))]),
        })
        .collect();
    file.register(&series)?;
    let ids: Vec<SeriesId> = series.iter().map(Series::id).collect();
    println!("resident with {SERIES} series and no sample: {} MB", resident()?);
    drop(series);
    let mut waits = Vec::new();
    let mut state = 1_u64;
    for second in 0..minutes as usize * 60 {
        let mut value = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (20_000 + (state >> 52)) as f64 / 1000.0
        };
        let due = ids.iter().skip(second % INTERVAL).step_by(INTERVAL);
        let at = UnixMs(START + (second as u64).cast_signed() * 1000);
        let samples = due.map(|&series| Sample { series, at, value: value() }).collect();
        let batch = Batch { source: 0, seq: second as u64 + 1, samples };
        let (done, wait) = timed(|| file.append(batch));
        done?;
        waits.push(wait);
        if (second + 1) % 600 == 0 {
            let stats = file.stats();
            println!(
                "{:3} min: {:.1} M samples in memory, {} MB of them, resident {} MB, {} chunks",
                (second + 1) / 60,
                stats.unsealed as f64 / 1e6,
                stats.memory >> 20,
                resident()?,
                stats.chunks
            );
        }
    }
    waits.sort_by(f64::total_cmp);
    let part = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    println!(
        "an append of {} samples takes {:.1} ms (median), {:.1} ms (p99), {:.1} ms (longest)",
        SERIES / INTERVAL,
        part(50),
        part(99),
        part(100)
    );
    Ok(())
}

/// Resident memory in megabytes (proc(5), `VmRSS`).
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line.unwrap_or("0").trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes >> 10)
}
