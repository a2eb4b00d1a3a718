//! Appending, asking, sealing, retention.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use model::{Clock, Labels, Metric, Series, SeriesId, UnixMs, UnixNs};
use store::{
    Appended, Batch, Bucket, Error, RangeAnswer, RangeQuery, Retention, Samples, SamplesFile,
};

use crate::support::{START, all, append, open, open_with, sample, series};

fn buckets(
    file: &SamplesFile,
    series: &[SeriesId],
    span: (i64, i64),
    step: u64,
) -> Vec<Vec<Bucket>> {
    let query = RangeQuery {
        series: series.to_vec(),
        from: UnixMs(span.0),
        until: UnixMs(span.1),
        step: Some(Duration::from_secs(step)),
        exact: true,
    };
    let only_buckets = |answer| match answer {
        RangeAnswer::Buckets(buckets) => buckets,
        RangeAnswer::Samples(_) => panic!("asked for buckets"),
    };
    file.range(&query).unwrap().into_iter().map(only_buckets).collect()
}

/// One sample a second: a slow wave with thousandths.
fn wave(count: i64) -> Vec<(i64, f64)> {
    (0..count).map(|i| (START + 1000 * i, (20_000 + (i * 7919) % 5003) as f64 / 1000.0)).collect()
}

fn append_wave(file: &SamplesFile, series: SeriesId, wave: &[(i64, f64)], part: usize) {
    let first = file.committed_until(0).unwrap().unwrap_or(0);
    for (seq, part) in (first + 1..).zip(wave.chunks(part)) {
        append(file, seq, part.iter().map(|&(at, value)| sample(series, at, value)).collect());
    }
}

#[test]
fn samples_come_back_from_heads_from_chunks_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 2);
    let wave = wave(3000);
    append_wave(&file, ids[0], &wave, 100);
    assert_eq!(all(&file, ids[0]), wave);
    assert!(all(&file, ids[1]).is_empty());
    drop(file);
    let file = open(dir.path());
    assert_eq!(all(&file, ids[0]), wave);
    file.seal().unwrap();
    assert_eq!(file.stats().unsealed, 0);
    assert_eq!(all(&file, ids[0]), wave);
    drop(file);
    let file = open(dir.path());
    assert_eq!(all(&file, ids[0]), wave);
    assert_eq!(file.committed_until(0).unwrap(), Some(30));
    let (at, value) = wave[wave.len() - 1];
    assert_eq!(file.latest(&ids).unwrap(), [Some((UnixMs(at), value)), None]);
}

#[test]
fn a_batch_is_stored_once_however_often_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    let batch = |source, seq, at| Batch { source, seq, samples: vec![sample(ids[0], at, 1.5)] };
    assert_eq!(file.append(batch(0, 7, START)).unwrap(), Appended::Committed);
    assert_eq!(file.append(batch(0, 7, START + 1)).unwrap(), Appended::Duplicate);
    assert_eq!(file.append(batch(0, 3, START + 2)).unwrap(), Appended::Duplicate);
    assert_eq!(file.append(batch(9, 3, START + 3)).unwrap(), Appended::Committed);
    drop(file);
    let file = open(dir.path());
    assert_eq!(file.append(batch(0, 7, START + 4)).unwrap(), Appended::Duplicate);
    assert_eq!(all(&file, ids[0]), [(START, 1.5), (START + 3, 1.5)]);
    assert_eq!(file.committed_until(9).unwrap(), Some(3));
    assert_eq!(file.committed_until(1).unwrap(), None);
    assert_eq!(file.stats().duplicates, 1);
}

#[test]
fn late_and_repeated_samples_fall_into_place_across_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    let put = |seq, times: &[(i64, f64)]| {
        append(&file, seq, times.iter().map(|&(at, v)| sample(ids[0], START + at, v)).collect());
    };
    put(1, &[(10, 1.0), (30, 3.0), (20, 2.0)]);
    file.seal().unwrap();
    put(2, &[(15, 1.5), (20, 20.0)]);
    file.seal().unwrap();
    put(3, &[(5, 0.5), (30, 30.0)]);
    let expected = [(5, 0.5), (10, 1.0), (15, 1.5), (20, 20.0), (30, 30.0)];
    assert_eq!(all(&file, ids[0]), expected.map(|(at, value)| (START + at, value)));
    file.seal().unwrap();
    put(4, &[(40, 4.0)]);
    file.seal().unwrap(); // the fourth chunk merges them all
    assert_eq!(all(&file, ids[0]).len(), 6);
    assert_eq!(all(&file, ids[0])[..5], expected.map(|(at, value)| (START + at, value)));
}

#[test]
fn a_late_value_still_wins_after_the_chunk_it_corrects_was_merged() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    let put = |seq, samples: &[(i64, f64)]| {
        append(&file, seq, samples.iter().map(|&(at, v)| sample(ids[0], START + at, v)).collect());
        file.seal().unwrap();
    };
    put(1, &[(1_000, 1.0)]);
    // A large chunk that starts earlier is not merged with the small one that it corrects.
    let corrections: Vec<_> = (0..2_100).map(|at| (at, 2.0)).collect();
    put(2, &corrections);
    put(3, &[(5_000, 1.0)]);
    put(4, &[(6_000, 1.0)]);
    put(5, &[(7_000, 1.0)]); // enough small chunks to merge
    put(6, &[(8_000, 1.0)]);
    put(7, &[(9_000, 1.0)]);
    let found = all(&file, ids[0]);
    assert_eq!(found.len(), 2_105);
    assert_eq!(found[1_000], (START + 1_000, 2.0));
}

#[test]
fn wrong_samples_refuse_their_batch_and_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    let try_one = |sample| {
        let samples = vec![self::sample(ids[0], START, 1.0), sample];
        file.append(Batch { source: 0, seq: 1, samples }).unwrap_err()
    };
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(try_one(sample(ids[0], START, value)), Error::NotFinite { .. }));
    }
    assert!(matches!(try_one(sample(ids[0], -1, 1.0)), Error::NotATime { .. }));
    assert!(matches!(try_one(sample(ids[0], i64::MAX, 1.0)), Error::NotATime { .. }));
    let stranger = series(5).id();
    assert!(
        matches!(try_one(sample(stranger, START, 1.0)), Error::UnknownSeries(id) if id == stranger)
    );
    assert_eq!(file.stats().refused, 6);
    assert!(all(&file, ids[0]).is_empty());
    append(&file, 1, vec![sample(ids[0], START, 1.0)]);
}

#[test]
fn series_are_listed_by_metric_and_registered_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path());
    let labels = Labels::new([("host", "a \"quoted\" näme"), ("region", "")]);
    let series = Metric::ALL.map(|metric| Series { metric, labels: labels.clone() });
    file.register(&series).unwrap();
    file.register(&series[..1]).unwrap();
    assert_eq!(file.list(None).unwrap(), series);
    assert_eq!(file.list(Some(Metric::Loss)).unwrap(), series[2..]);
}

#[test]
fn buckets_of_chunks_equal_buckets_of_heads() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 20);
    for &id in &ids {
        append_wave(&file, id, &wave(1800), 600);
    }
    let span = (START + 61_000, START + 1_500_000);
    let heads = buckets(&file, &ids, span, 300);
    file.seal().unwrap();
    assert_eq!(buckets(&file, &ids, span, 300), heads);
    assert_eq!(heads.len(), 20);
    let total: u32 = heads[0].iter().map(|bucket| bucket.count.get()).sum();
    assert_eq!(total, 1439);
    assert!(heads[0].iter().all(|bucket| !bucket.merged && bucket.at.0 % 300_000 == 0));
    let strange = buckets(&file, &[series(99).id()], span, 300);
    assert_eq!(strange, [vec![]]);
}

#[test]
fn a_question_over_millions_of_samples_is_answered_from_rollups() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    let wave: Vec<_> = (0..60_000).map(|i| (START + 100 * i, (i * 7919 % 977) as f64)).collect();
    append_wave(&file, ids[0], &wave, 20_000);
    file.seal().unwrap();
    let span = (START, START + 6_000_000);
    let fine = buckets(&file, &ids, span, 1200).remove(0);
    let twenty_times = vec![ids[0]; 20];
    let coarse = buckets(&file, &twenty_times, span, 1200);
    assert!(coarse.iter().all(|answer| *answer == coarse[0]));
    assert_eq!((fine.len(), coarse[0].len()), (6, 6));
    for (fine, coarse) in fine.iter().zip(&coarse[0]) {
        assert!(!fine.merged && coarse.merged);
        let exact = |b: &Bucket| (b.at, b.count, b.min, b.max);
        assert_eq!(exact(coarse), exact(fine));
        assert!((coarse.mean - fine.mean).abs() < 1e-9 && (coarse.p50 - fine.p50).abs() < 30.0);
    }
}

#[test]
fn questions_without_sense_are_refused_or_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    append(&file, 1, vec![sample(ids[0], START, 1.0)]);
    let ask = |from, until, step| {
        let series = ids.clone();
        file.range(&RangeQuery {
            series,
            from: UnixMs(from),
            until: UnixMs(until),
            step,
            exact: true,
        })
    };
    assert!(matches!(ask(0, 1, Some(Duration::from_micros(5))), Err(Error::Question(_))));
    assert_eq!(ask(5, 5, None).unwrap(), [RangeAnswer::Samples(vec![])]);
    assert_eq!(
        ask(5, 4, Some(Duration::MAX / 2)).unwrap_err().to_string(),
        "range query: a step must be below 292 million years"
    );
    assert_eq!(
        ask(i64::MIN, i64::MAX, None).unwrap(),
        [RangeAnswer::Samples(vec![(UnixMs(START), 1.0)])]
    );
    let [RangeAnswer::Buckets(buckets)] =
        &ask(i64::MIN, i64::MAX, Some(Duration::from_millis(1))).unwrap()[..]
    else {
        panic!("asked for buckets");
    };
    assert_eq!(buckets.len(), 1);
}

#[test]
fn a_reader_beside_the_writer_sees_every_sample_once() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 4);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for &id in &ids {
            let (file, stop) = (&file, &stop);
            scope.spawn(move || {
                let mut seen = 0;
                while !stop.load(Ordering::Relaxed) {
                    let samples = all(file, id);
                    assert!(samples.iter().map(|&(at, _)| at).eq((0..).take(samples.len())));
                    assert!(samples.len() >= seen, "{} samples after {seen}", samples.len());
                    seen = samples.len();
                }
            });
        }
        for seq in 0..300 {
            let ticks = 0..100_i64;
            let samples =
                ticks.flat_map(|tick| ids.iter().map(move |&id| sample(id, seq * 100 + tick, 1.0)));
            append(&file, seq.unsigned_abs() + 1, samples.collect());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(file.stats().chunks > 8, "sealing went on meanwhile");
    file.seal().unwrap();
    for id in ids {
        assert_eq!(all(&file, id).len(), 30_000);
    }
}

#[test]
fn old_samples_leave_their_rollups_and_old_rollups_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    // Every 10 s, so that no rollup was made while sealing.
    let wave: Vec<_> = (0..9000).map(|i| (START + 10_000 * i, (i % 100) as f64)).collect();
    append_wave(&file, ids[0], &wave, 1000);
    file.seal().unwrap();
    let span = (START, START + 90_000_000);
    let exact = buckets(&file, &ids, span, 7200).remove(0);
    let hour = Duration::from_hours(1);
    let mut keep = Retention { raw: 5 * hour, rollup: 15 * hour, max_bytes: u64::MAX };
    let now = UnixMs(START + 90_000_000);
    assert!(file.retain(keep, now).unwrap());
    let kept = all(&file, ids[0]);
    assert!(
        kept.len() <= 1800 + 4096 && kept[kept.len() - 1800..] == wave[7200..],
        "{}",
        kept.len()
    );
    let merged = buckets(&file, &ids, span, 7200).remove(0);
    assert!(
        merged[0].at.0 >= START + 9 * 3_600_000 - 4096 * 10_000,
        "rollups older than 15 h went"
    );
    let exact: Vec<Bucket> = exact.into_iter().filter(|bucket| bucket.at > merged[0].at).collect();
    assert!(merged[1].merged && !merged[merged.len() - 1].merged);
    for (exact, merged) in exact.iter().zip(&merged[1..]) {
        let facts = |b: &Bucket| (b.at, b.count, b.min, b.max);
        assert_eq!(facts(exact), facts(merged));
        assert!((exact.mean - merged.mean).abs() < 1e-9 && (exact.p50 - merged.p50).abs() < 3.0);
    }
    (keep.raw, keep.rollup) = (Duration::ZERO, Duration::ZERO);
    assert!(file.retain(keep, now + hour).unwrap());
    assert!(buckets(&file, &ids, span, 7200)[0].is_empty());
    assert_eq!(file.latest(&ids).unwrap()[0], wave.last().map(|&(at, value)| (UnixMs(at), value)));
}

#[test]
fn a_limit_of_bytes_drops_the_oldest_and_shrinks_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 1);
    let mut state = 1_u64;
    let noise: Vec<_> = (0..400_000)
        .map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (START + 1000 * i, (state >> 34) as f64)
        })
        .collect();
    append_wave(&file, ids[0], &noise, 50_000);
    file.seal().unwrap();
    let size = || std::fs::metadata(dir.path().join("samples.db")).unwrap().len();
    assert!(size() > 1_500_000, "{} bytes", size());
    let keep = Retention { max_bytes: 900_000, ..Retention::default() };
    assert!(file.retain(keep, UnixMs(START + 400_000_000)).unwrap());
    file.seal().unwrap(); // checkpoints, so that the file shows it
    assert!(size() <= 900_000, "{} bytes", size());
    let kept = all(&file, ids[0]);
    assert!(!kept.is_empty() && kept.last() == noise.last(), "the newest stay");
    assert_eq!(kept, noise[noise.len() - kept.len()..]);
}

/// A clock that is five milliseconds later each time it is read.
#[derive(Debug, Default)]
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn now(&self) -> UnixNs {
        UnixNs(START * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(5 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[test]
fn retention_comes_back_after_each_slice_and_appends_go_on_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let file = SamplesFile::open(dir.path(), Arc::new(Hasty::default())).unwrap();
    let all_series: Vec<Series> = (0..500).map(series).collect();
    file.register(&all_series).unwrap();
    let ids: Vec<SeriesId> = all_series.iter().map(Series::id).collect();
    append(&file, 1, ids.iter().map(|&id| sample(id, START, 1.0)).collect());
    file.seal().unwrap();
    let keep = Retention { raw: Duration::ZERO, rollup: Duration::ZERO, max_bytes: u64::MAX };
    let now = UnixMs(START + 1);
    let mut slices = 1;
    while !file.retain(keep, now).unwrap() {
        slices += 1;
        append(&file, slices, vec![sample(ids[0], now.0, 2.0)]);
    }
    assert!(slices > 2, "500 chunks went in {slices} slices");
    assert!(all(&file, ids[1]).is_empty());
    assert_eq!(all(&file, ids[0]), [(now.0, 2.0)]);
}
