//! A snapshot goes on where the detectors were, alerts included; anything else is refused whole.

use detect::{Change, Judge, Judgement, Learned, Settings, Sigma, SnapshotError};
use model::{Metric, Sample, SeriesId, UnixMs};

const SERIES: [(SeriesId, Metric); 4] = [
    (SeriesId(1), Metric::Rtt),
    (SeriesId(2), Metric::Jitter),
    (SeriesId(3), Metric::Loss),
    (SeriesId(4), Metric::Rtt),
];
const MINUTE: i64 = 60_000;

fn judge() -> Judge {
    let mut judge = Judge::new();
    for (series, metric) in SERIES {
        let sigma = Learned::Sigma(Sigma::default());
        let learned = if series == SeriesId(4) { sigma } else { Learned::Nm };
        let settings = Settings { learned, limit: Some(90.0), ..Settings::default() };
        judge.watch(series, metric, &settings).unwrap();
    }
    judge
}

/// A day of 20 ms, then everything is bad for an hour, then good again.
fn day(minute: i64) -> impl Iterator<Item = Sample> {
    let bad = (1440..1500).contains(&minute);
    SERIES.into_iter().map(move |(series, metric)| {
        let value = match metric {
            Metric::Loss => f64::from(u8::from(bad)) * 100.0,
            Metric::Rtt | Metric::Jitter | Metric::Interface(_) => {
                if bad {
                    120_000.0
                } else {
                    20_000.0 + (minute % 7) as f64
                }
            }
        };
        Sample { series, at: UnixMs(minute * MINUTE), value }
    })
}

fn push_all(judge: &mut Judge, minutes: std::ops::Range<i64>) -> Vec<Judgement> {
    minutes.flat_map(day).filter_map(|sample| judge.push(&sample)).collect()
}

#[test]
fn a_restored_judge_goes_on_as_if_it_had_never_stopped() {
    let mut whole = judge();
    for stop in [1, 700, 1455, 1520] {
        let mut first = judge();
        push_all(&mut first, 0..stop);
        let mut second = judge();
        assert_eq!(second.restore(&first.snapshot()), Ok(SERIES.len()));
        assert_eq!(second.last(SeriesId(1)), Some(UnixMs((stop - 1) * MINUTE)));
        let (went_on, never_stopped) =
            (push_all(&mut second, stop..1600), push_all(&mut first, stop..1600));
        assert_eq!(format!("{went_on:?}"), format!("{never_stopped:?}"), "stopped at {stop}");
    }
    let judgements = push_all(&mut whole, 0..1600);
    let raised = judgements.iter().filter(|judged| judged.change == Some(Change::Raised)).count();
    assert_eq!(raised, SERIES.len(), "the hour was seen in each series");
}

#[test]
fn a_snapshot_with_any_byte_changed_or_missing_is_refused_whole() {
    let mut judge = judge();
    push_all(&mut judge, 0..10);
    let good = judge.snapshot();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        assert!(judge.restore(&bad).is_err(), "byte {at}");
        assert!(judge.restore(&good[..at]).is_err(), "cut at {at}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(judge.restore(&longer), Err(SnapshotError::Damaged));
    assert_eq!(judge.last(SeriesId(1)), Some(UnixMs(9 * MINUTE)), "nothing was changed");
}

#[test]
fn a_snapshot_of_another_version_says_so() {
    let mut bytes = judge().snapshot();
    bytes[4] = 200;
    assert_eq!(judge().restore(&bytes), Err(SnapshotError::Version { found: 200 }));
    assert_eq!(judge().restore(b"PK\x03\x04 something else"), Err(SnapshotError::Foreign));
}

#[test]
fn series_that_are_gone_or_judged_otherwise_start_anew() {
    let mut old = judge();
    push_all(&mut old, 0..10);
    let mut new = Judge::new();
    new.watch(SeriesId(4), Metric::Rtt, &Settings::default()).unwrap();
    new.watch(SeriesId(3), Metric::Loss, &Settings::default()).unwrap();
    assert_eq!(new.restore(&old.snapshot()), Ok(1));
    assert_eq!(new.last(SeriesId(4)), None);
    assert_eq!(new.last(SeriesId(3)), Some(UnixMs(9 * MINUTE)));
}
