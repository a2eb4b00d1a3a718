//! Samples as they must not be, and series as they are: what the rules make of them.

use detect::{
    Change, Detector, Judge, Judgement, Learned, Rule, Rules, Settings, SettingsError, Sigma,
    Standing,
};
use model::{Metric, Sample, SeriesId, UnixMs};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440;
/// A Monday, midnight UTC.
const START: i64 = 1_767_571_200_000;

/// One series under its rules.
struct Watched {
    rules: Rules,
    detector: Detector,
}

impl Watched {
    fn new(metric: Metric, settings: &Settings) -> Self {
        let rules = Rules::new(metric, settings).unwrap();
        Self { detector: Detector::new(&rules), rules }
    }

    fn nm(metric: Metric) -> Self {
        Self::new(metric, &Settings::default())
    }

    fn push(&mut self, ms: i64, value: f64) -> Option<Judgement> {
        self.detector.push(&mut self.rules, UnixMs(START + ms), value)
    }

    /// One value a minute; what changed, and at which minute.
    fn minutes(
        &mut self,
        minutes: std::ops::Range<i64>,
        value: impl Fn(i64) -> f64,
    ) -> Vec<(i64, Change)> {
        let judge = |minute: i64| {
            let change = self.push(minute * MINUTE, value(minute))?.change?;
            Some((minute, change))
        };
        minutes.filter_map(judge).collect()
    }
}

/// A value that moves a little, the same in each run.
fn noisy(minute: i64) -> f64 {
    20.0 + (minute * 7919 % 97) as f64 / 100.0
}

#[test]
fn a_constant_series_is_never_wrong_and_a_rise_of_it_is() {
    let mut rtt = Watched::nm(Metric::Rtt);
    assert_eq!(rtt.minutes(0..10 * DAY, |_| 20.0), []);
    let changes =
        rtt.minutes(
            10 * DAY..10 * DAY + 120,
            |minute| if minute < 10 * DAY + 60 { 40.0 } else { 20.0 },
        );
    let [(raised, Change::Raised), (cleared, Change::Cleared)] = changes[..] else {
        panic!("raised and cleared: {changes:?}")
    };
    assert!((10 * DAY + 3..=10 * DAY + 5).contains(&raised));
    assert!((10 * DAY + 69..=10 * DAY + 75).contains(&cleared), "{cleared}");
}

#[test]
fn values_that_cannot_be_change_nothing() {
    for metric in Metric::ALL {
        let mut clean = Watched::nm(metric);
        let mut dirty = Watched::nm(metric);
        let value = |minute| if metric == Metric::Loss { 0.0 } else { noisy(minute) };
        for minute in 0..300 {
            let at = minute * MINUTE;
            for bad in [-1.0, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.001] {
                assert_eq!(dirty.push(at, bad), None, "{metric}: {bad}");
            }
            assert_eq!(
                format!("{:?}", clean.push(at, value(minute))),
                format!("{:?}", dirty.push(at, value(minute)))
            );
        }
    }
    let mut loss = Watched::nm(Metric::Loss);
    assert_eq!(loss.push(0, 100.1), None);
    assert!(loss.push(0, 100.0).is_some());
}

#[test]
fn repeated_and_reordered_samples_change_nothing() {
    let (mut clean, mut dirty) = (Watched::nm(Metric::Rtt), Watched::nm(Metric::Rtt));
    for minute in 0..300 {
        let (wanted, found) = (
            clean.push(minute * MINUTE, noisy(minute)),
            dirty.push(minute * MINUTE, noisy(minute)),
        );
        assert_eq!(wanted, found);
        assert_eq!(dirty.push(minute * MINUTE, 500.0), None, "a repeat");
        assert_eq!(dirty.push((minute - 5) * MINUTE, 500.0), None, "from the past");
    }
}

#[test]
fn missing_samples_are_waited_for() {
    let mut rtt = Watched::nm(Metric::Rtt);
    rtt.minutes(0..DAY, noisy);
    let changes =
        rtt.minutes(DAY..DAY + 60, |minute| if minute % 2 == 0 { f64::NAN } else { 60.0 });
    assert_eq!(changes.len(), 1, "half of the samples are enough: {changes:?}");
    let standing = rtt.push((DAY + 60) * MINUTE, f64::NAN).unwrap().standing;
    assert!(matches!(standing, Standing::Firing { .. }), "{standing:?}");
    assert_eq!(rtt.minutes(DAY + 61..DAY + 600, |_| f64::NAN), [], "silence is no news");
}

#[test]
fn a_gap_while_firing_does_not_clear_what_was_not_seen() {
    for (metric, bad) in [(Metric::Rtt, 80.0), (Metric::Loss, 100.0)] {
        let good = move |minute| if metric == Metric::Loss { 0.0 } else { noisy(minute) };
        let mut series = Watched::nm(metric);
        series.minutes(0..DAY, good);
        assert_eq!(series.minutes(DAY..DAY + 30, |_| bad).len(), 1);
        // Two hours of nothing, then as bad as before.
        assert_eq!(series.minutes(DAY + 150..DAY + 180, |_| bad), [], "{metric}: still firing");
        let changes = series.minutes(DAY + 180..DAY + 240, good);
        assert_eq!(changes.len(), 1, "{metric}: {changes:?}");
        assert_eq!(changes[0].1, Change::Cleared);
    }
}

#[test]
fn after_a_year_s_gap_what_was_usual_is_learned_anew() {
    let mut rtt = Watched::nm(Metric::Rtt);
    rtt.minutes(0..DAY, noisy);
    let year = 365 * DAY;
    assert_eq!(rtt.minutes(year..year + 600, |minute| noisy(minute) + 100.0), []);
    let judgement = rtt.push((year + 600) * MINUTE, 120.0).unwrap();
    assert!((115.0..125.0).contains(&judgement.usual), "{judgement:?}");
}

#[test]
fn a_first_sample_that_was_a_spike_is_soon_forgotten() {
    let mut rtt = Watched::nm(Metric::Rtt);
    rtt.push(0, 3000.0);
    rtt.minutes(1..120, noisy);
    let judgement = rtt.push(120 * MINUTE, 20.0).unwrap();
    assert!(judgement.usual < 40.0, "{judgement:?}");
}

#[test]
fn a_rise_that_stays_is_accepted_and_said_so() {
    let mut rtt = Watched::nm(Metric::Rtt);
    rtt.minutes(0..DAY, noisy);
    let changes = rtt.minutes(DAY..2 * DAY, |minute| noisy(minute) + 30.0);
    let [(_, Change::Raised), (accepted, Change::Accepted)] = changes[..] else {
        panic!("raised and accepted: {changes:?}")
    };
    assert!((DAY + 240..DAY + 250).contains(&accepted));
    assert_eq!(rtt.minutes(2 * DAY..3 * DAY, noisy), [], "going back down is no news");
}

#[test]
fn a_limit_is_never_accepted_and_holds_before_anything_is_learned() {
    for (metric, value, limit) in [(Metric::Rtt, 200.0, 150.0), (Metric::Loss, 10.0, 2.0)] {
        let probes = Some(20.0);
        for learned in [Learned::Nm, Learned::Off] {
            let settings = Settings { limit: Some(limit), learned, probes, ..Settings::default() };
            let mut series = Watched::new(metric, &settings);
            let changes = series.minutes(0..3 * DAY, |_| value);
            let [(raised, Change::Raised)] = changes[..] else { panic!("{metric}: {changes:?}") };
            assert!(raised <= 10, "{metric}: {raised}");
            let judgement = series.push(3 * DAY * MINUTE, value).unwrap();
            let Standing::Firing { rule, since } = judgement.standing else {
                panic!("{judgement:?}")
            };
            assert_eq!((rule, judgement.limit), (Rule::Limit, limit as f32));
            assert!(since.0 <= START + 5 * MINUTE);
            let quiet = series.minutes(3 * DAY + 1..3 * DAY + 120, |_| 0.5);
            assert_eq!(quiet.len(), 1, "{metric}");
            assert_eq!(quiet[0].1, Change::Cleared);
        }
    }
}

#[test]
fn a_limit_outlasts_gaps_and_ends_with_its_removal() {
    let limited = Settings { limit: Some(150.0), ..Settings::default() };
    let mut judge = Judge::new();
    judge.watch(SeriesId(1), Metric::Rtt, &limited).unwrap();
    let push = |judge: &mut Judge, minute: i64, value: f64| {
        let at = UnixMs(START + minute * MINUTE);
        judge.push(&Sample { series: SeriesId(1), at, value: value * 1000.0 }).unwrap()
    };
    for minute in 0..20 {
        push(&mut judge, minute, 200.0);
    }
    assert!(push(&mut judge, 20, 200.0).is_firing());
    assert!(push(&mut judge, 300, 200.0).is_firing(), "a gap clears nothing");
    assert!(push(&mut judge, 301, f64::NAN).is_firing(), "nor does a missing sample");
    judge.watch(SeriesId(1), Metric::Rtt, &Settings::default()).unwrap();
    assert_eq!(push(&mut judge, 302, 200.0).change, Some(Change::Cleared));
    assert_eq!(push(&mut judge, 303, 200.0).change, None);
}

#[test]
fn a_spike_does_not_exceed_a_limit() {
    let settings = Settings { limit: Some(150.0), ..Settings::default() };
    let mut rtt = Watched::new(Metric::Rtt, &settings);
    let spiky = |minute: i64| if minute % 30 == 0 { 2000.0 } else { noisy(minute) };
    assert_eq!(rtt.minutes(0..DAY, spiky), []);
}

#[test]
fn rises_below_at_least_are_no_news() {
    for (at_least, alerts) in [(None, 1), (Some(40.0), 0), (Some(25.0), 1)] {
        let mut rtt = Watched::new(Metric::Rtt, &Settings { at_least, ..Settings::default() });
        rtt.minutes(0..DAY, noisy);
        let changes = rtt.minutes(DAY..DAY + 60, |minute| noisy(minute) + 30.0);
        assert_eq!(changes.len(), alerts, "{at_least:?}");
    }
}

#[test]
fn an_outage_is_down_within_a_minute_of_its_first_lost_probe() {
    // A probe each 10 s; after two losses the prober asks each second.
    let mut loss = Watched::nm(Metric::Loss);
    for probe in 0..360 {
        loss.push(probe * 10_000, 0.0);
    }
    let onset = 3_600_000;
    loss.push(onset, 100.0);
    loss.push(onset + 10_000, 100.0);
    let raised = (11..600)
        .find(|second| {
            let judged = loss.push(onset + second * 1000, 100.0).unwrap();
            judged.change == Some(Change::Raised)
        })
        .unwrap();
    assert!(raised <= 60, "{raised} s");
    let standing = loss.push(onset + 120_000, 100.0).unwrap().standing;
    assert_eq!(standing, Standing::Firing { since: UnixMs(START + onset), rule: Rule::Down });
}

#[test]
fn who_answers_all_probes_for_three_minutes_is_up_again() {
    let mut loss = Watched::nm(Metric::Loss);
    let lost = |second: i64| if (600..1200).contains(&second) { 100.0 } else { 0.0 };
    let mut changes = Vec::new();
    for second in 0..2400 {
        let change = loss.push(second * 1000, lost(second)).unwrap().change;
        changes.extend(change.map(|change| (second, change)));
    }
    let [(raised, Change::Raised), (cleared, Change::Cleared)] = changes[..] else {
        panic!("{changes:?}")
    };
    assert!((640..660).contains(&raised) && cleared == 1199 + 180, "{changes:?}");
}

#[test]
fn who_answers_only_some_probes_is_not_up_again() {
    let mut loss = Watched::nm(Metric::Loss);
    let lost = |second: i64| {
        let down = (600..1200).contains(&second);
        if down || (second > 1200 && second % 100 == 0) { 100.0 } else { 0.0 }
    };
    for second in 0..3000 {
        let judgement = loss.push(second * 1000, lost(second)).unwrap();
        assert_ne!(judgement.change, Some(Change::Cleared), "{second} s");
    }
}

#[test]
fn a_small_rise_is_told_once_it_has_stayed_for_an_hour() {
    let mut rtt = Watched::nm(Metric::Rtt);
    // Ten days of 8 ms up and down make 20 ms too little for an alert at once.
    let restless = |minute: i64| 40.0 + 8.0 * (minute as f64 * std::f64::consts::TAU / 173.0).sin();
    assert_eq!(rtt.minutes(0..10 * DAY, restless), []);
    let at = |minute: i64| 10 * DAY + minute;
    let rise = |minute: i64| {
        let minute = minute - 10 * DAY;
        if (60..100).contains(&minute) || minute >= 300 { 60.0 } else { 40.0 }
    };
    assert_eq!(rtt.minutes(at(0)..at(300), rise), [], "forty minutes are too short");
    let mut changes = rtt.minutes(at(300)..at(420), rise);
    let Some((raised, Change::Raised)) = changes.pop() else { panic!("{changes:?}") };
    assert!(changes.is_empty() && (at(358)..at(370)).contains(&raised), "{raised}");
    let told = rtt.push(at(420) * MINUTE, 60.0).unwrap();
    assert!(told.limit < told.value && told.share > 0.9, "{told:?}");
    let Standing::Firing { since, rule: Rule::Nm } = told.standing else { panic!("{told:?}") };
    let began = (since.0 - START) / MINUTE;
    assert!((at(300)..at(305)).contains(&began), "{began}");
}

/// Judges slow samples of loss after a day without any: how many it took to raise.
fn slow_samples_that_raise(percent: &[f64]) -> Option<usize> {
    let settings = Settings { probes: Some(150.0), ..Settings::default() };
    let mut loss = Watched::new(Metric::Loss, &settings);
    (0..288).for_each(|sample| {
        loss.push(sample * 5 * MINUTE, 0.0);
    });
    let judged = |(sample, percent): (i64, &f64)| {
        loss.push(sample * 5 * MINUTE, *percent).unwrap().change == Some(Change::Raised)
    };
    (288..).zip(percent).map(judged).position(|raised| raised).map(|before| before + 1)
}

#[test]
fn a_minute_lost_in_a_slow_sample_is_an_outage_and_what_a_burst_loses_is_not() {
    assert_eq!(slow_samples_that_raise(&[20.0]), Some(1));
    assert_eq!(slow_samples_that_raise(&[16.0, 0.0, 0.0, 0.0]), None);
}

#[test]
fn two_slow_samples_that_lose_two_probes_each_are_too_few_and_three_are_enough() {
    let little = 100.0 * 2.0 / 150.0;
    assert_eq!(slow_samples_that_raise(&[little, little, 0.0, 0.0, 0.0]), None);
    assert_eq!(slow_samples_that_raise(&[little, 0.0, little, 0.0, little]), None);
    assert_eq!(slow_samples_that_raise(&[little; 6]), Some(3));
}

#[test]
fn two_lost_probes_of_a_slow_series_are_no_outage() {
    let mut loss = Watched::nm(Metric::Loss);
    let lost = |probe: i64| if probe == 500 || probe == 501 { 100.0 } else { 0.0 };
    for probe in 0..600 {
        let judgement = loss.push(probe * 5 * MINUTE, lost(probe)).unwrap();
        assert_eq!(judgement.change, None, "probe {probe}");
    }
}

#[test]
fn what_recurs_at_the_hour_of_the_site_is_usual_there() {
    // Every weekday a rise around ten in New York; in three weeks the clocks change.
    let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let settings = Settings { zone: zone.clone(), ..Settings::default() };
    let start: jiff::Timestamp = "2026-02-16T05:00:00Z".parse().unwrap();
    let mut rtt = Watched::new(Metric::Rtt, &settings);
    let mut late = 0;
    for minute in 0..28 * DAY {
        let at = start.as_millisecond() + minute * MINUTE;
        let local = jiff::Timestamp::from_millisecond(at).unwrap().to_zoned(zone.clone());
        let hours = f64::from(local.hour()) + f64::from(local.minute()) / 60.0;
        let busy = if local.weekday().to_monday_zero_offset() < 5 { 25.0 } else { 0.0 };
        let value = noisy(minute) + busy * (-0.5 * ((hours - 10.0) / 1.6).powi(2)).exp();
        let judgement = rtt.detector.push(&mut rtt.rules, UnixMs(at), value).unwrap();
        late += usize::from(judgement.change == Some(Change::Raised) && minute > 14 * DAY);
    }
    assert_eq!(late, 0, "alerts after two weeks, the change of the clocks on March 8 included");
}

#[test]
fn irregular_sampling_finds_the_same_hour() {
    let steps = [700, 3000, 12_000, 61_000, 2500];
    let mut rtt = Watched::nm(Metric::Rtt);
    let (mut at, mut changes) = (0, Vec::new());
    for sample in 0.. {
        at += steps[sample % steps.len()];
        let minute = at / MINUTE;
        if minute > DAY + 120 {
            break;
        }
        let bad = (DAY..DAY + 60).contains(&minute);
        let judged = rtt.push(at, noisy(minute) + if bad { 40.0 } else { 0.0 }).unwrap();
        changes.extend(judged.change.map(|change| (minute - DAY, change)));
    }
    let [(raised, Change::Raised), (cleared, Change::Cleared)] = changes[..] else {
        panic!("raised and cleared: {changes:?}")
    };
    assert!(raised <= 6 && (69..=76).contains(&cleared), "{changes:?}");
}

#[test]
fn many_series_are_judged_apart_and_in_their_own_units() {
    let mut judge = Judge::new();
    judge.watch(SeriesId(1), Metric::Rtt, &Settings::default()).unwrap();
    judge.watch(SeriesId(2), Metric::Loss, &Settings::default()).unwrap();
    let push = |judge: &mut Judge, series, minute: i64, value| {
        judge.push(&Sample { series: SeriesId(series), at: UnixMs(START + minute * MINUTE), value })
    };
    for minute in 0..DAY {
        push(&mut judge, 1, minute, noisy(minute) * 1000.0);
        push(&mut judge, 2, minute, 0.0);
    }
    let rtt = judge.now(SeriesId(1), UnixMs(START + DAY * MINUTE)).unwrap();
    assert!((19_000.0..22_000.0).contains(&rtt.usual), "microseconds: {rtt:?}");
    assert!(push(&mut judge, 3, 0, 1.0).is_none(), "nobody watches it");
    assert!(push(&mut judge, 1, 0, 1.0).is_none(), "it is from the past");
    assert_eq!((judge.len(), judge.refused()), (2, 1));
    assert!(judge.forget(SeriesId(1)) && !judge.forget(SeriesId(1)));
    let limited = Settings { limit: Some(5.0), ..Settings::default() };
    judge.watch(SeriesId(2), Metric::Loss, &limited).unwrap();
    assert!(judge.last(SeriesId(2)).is_some(), "new settings keep what was learned");
    let sigma = Settings { learned: Learned::Sigma(Sigma::default()), ..Settings::default() };
    judge.watch(SeriesId(2), Metric::Loss, &sigma).unwrap();
    assert!(judge.last(SeriesId(2)).is_none(), "another rule starts anew");
}

#[test]
fn of_a_hundred_thousand_series_only_the_one_that_rises_is_raised_and_a_restart_in_mid_rise_changes_nothing()
 {
    const SERIES: u128 = 100_000;
    // Spread as hashes are.
    let id =
        |number: u128| SeriesId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let new = || {
        let mut judge = Judge::new();
        for number in 0..SERIES {
            judge.watch(id(number), Metric::Rtt, &Settings::default()).unwrap();
        }
        judge
    };
    let mut judge = new();
    let mut changes = Vec::new();
    for round in 0..14 {
        for number in 0..SERIES {
            let rise = if number == 4_711 && round >= 10 { 3.0 } else { 1.0 };
            let at = UnixMs(START + round * 20 * MINUTE);
            let value = noisy(round) * (1.0 + number as f64 / 1e5) * rise * 1000.0;
            let judged = judge.push(&Sample { series: id(number), at, value }).unwrap();
            changes.extend(judged.change.map(|change| (number, change)));
        }
        if round == 10 {
            let kept = judge.snapshot();
            judge = new();
            assert_eq!(judge.restore(&kept).unwrap() as u128, SERIES);
        }
    }
    assert_eq!((judge.len() as u128, judge.refused()), (SERIES, 0));
    assert_eq!(changes, [(4_711, Change::Raised)]);
}

#[test]
fn settings_that_make_no_sense_are_refused_with_a_reason() {
    let refused =
        |metric, settings: Settings| Rules::new(metric, &settings).unwrap_err().to_string();
    let own = Settings::default;
    let text = refused(Metric::Rtt, Settings { limit: Some(-1.0), ..own() });
    assert_eq!(text, "limit is -1; it must be a number above 0");
    let text = refused(Metric::Loss, Settings { at_least: Some(101.0), ..own() });
    assert_eq!(text, "at_least is 101 %; loss is at most 100 %");
    let endless = Sigma { baseline: 1e12, ..Sigma::default() };
    let long = Rules::new(Metric::Rtt, &Settings { learned: Learned::Sigma(endless), ..own() });
    assert!(matches!(long, Err(SettingsError::WindowsTooLong { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_makes_a_judgement_that_is_not_finite(
        metric in prop::sample::select(Metric::ALL.to_vec()),
        samples in prop::collection::vec((-1000_i64..4_000_000, prop::num::f64::ANY), 1..300),
    ) {
        let mut series = Watched::nm(metric);
        let mut at = 0;
        for (gap, value) in samples {
            at += gap;
            if let Some(judgement) = series.push(at, value)
                && value.is_finite()
            {
                prop_assert!(judgement.value.is_finite() && judgement.limit.is_finite());
                prop_assert!(judgement.usual.is_finite() && judgement.varies.is_finite());
                prop_assert!((0.0..=1.0).contains(&judgement.share), "{judgement:?}");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_over_after_the_time_that_was_set() {
    for clear_after in [None, Some(120.0), Some(3600.0)] {
        let cleared = |metric, limit: Option<f64>, bad: f64| {
            let settings = Settings { clear_after, limit, ..Settings::default() };
            let mut series = Watched::new(metric, &settings);
            let usual = |minute| if metric == Metric::Loss { 0.0 } else { noisy(minute) };
            series.minutes(0..DAY, usual);
            let raised = series.minutes(DAY..DAY + 60, |minute| usual(minute) + bad);
            assert_eq!(raised.len(), 1, "{metric} {limit:?}");
            let cleared = series.minutes(DAY + 60..DAY + 240, usual);
            assert_eq!(cleared.len(), 1, "{metric} {limit:?}");
            cleared[0].0 - DAY - 59
        };
        let least = clear_after.map_or(10, |seconds| (seconds / 60.0) as i64);
        for (metric, limit, bad, fades) in [
            (Metric::Rtt, None, 60.0, 5),
            (Metric::Jitter, None, 60.0, 5),
            (Metric::Rtt, Some(70.0), 60.0, 5),
            // The loss of the last minutes has to be over first.
            (Metric::Loss, None, 20.0, 15),
        ] {
            let took = cleared(metric, limit, bad);
            assert!(
                (least..=least + fades).contains(&took),
                "{metric} {limit:?} {clear_after:?}: {took} min"
            );
        }
    }
    let wrong = Settings { clear_after: Some(0.0), ..Settings::default() };
    let why = Rules::new(Metric::Rtt, &wrong).unwrap_err();
    assert!(why.to_string().contains("clear_after"), "{why}");
}
