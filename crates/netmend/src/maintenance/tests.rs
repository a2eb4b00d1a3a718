//! When targets were worked on, over months with and without summer time, on a real store.

use std::sync::Arc;

use alert::matching::parse;
use model::alert::{SilenceId, Weekday};
use model::{ManualClock, UnixNs};
use show::Month;
use store::StateFile;
use tempfile::TempDir;

use super::*;

fn at(text: &str) -> UnixMs {
    UnixMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn weekly(days: &[Weekday], from: u16, until: u16, zone: &str) -> Weekly {
    Weekly { days: days.to_vec(), from, until, zone: zone.into() }
}

fn configured(matcher: &str, weekly: Option<Weekly>) -> Maintenance {
    let matchers = vec![parse(matcher).unwrap()];
    Maintenance {
        name: "patch night".into(),
        matching: Matching::new(&matchers).unwrap(),
        matchers,
        hours: weekly.as_ref().map(|weekly| Hours::new(weekly).unwrap()),
        weekly,
        from: None,
        until: None,
    }
}

fn store() -> (TempDir, Arc<StateFile>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(UnixNs(at("2026-01-01T00:00Z").0 * 1_000_000));
    let state = Arc::new(StateFile::open(folder.path(), &clock).unwrap());
    (folder, state)
}

/// How many minutes of a month a target of a region was worked on, which was up all the time.
fn worked(state: &dyn State, month: &str, region: &str) -> usize {
    let span = Month::parse(month).unwrap().span();
    let minutes = usize::try_from((span.end.0 - span.start.0) / MINUTE_MS).unwrap();
    let upkeep = Upkeep::read(state, &span).unwrap();
    let worked = upkeep.of(&|label| (label == "region").then(|| region.to_owned()));
    worked.minutes(&vec![Some(true); minutes]).into_iter().filter(|worked| *worked).count()
}

#[test]
fn weekly_hours_are_those_of_the_place_also_where_summer_time_begins_and_ends() {
    let (_folder, state) = store();
    let sundays = weekly(&[Weekday::Sun], 30, 90, "Europe/London");
    let windows = [configured("region=office", Some(sundays))];
    remember(&*state, &windows, at("2026-05-01T00:00Z")).unwrap();
    assert_eq!(worked(&*state, "2026-02", "office"), 4 * 60, "four Sundays of GMT");
    assert_eq!(worked(&*state, "2026-03", "office"), 4 * 60 + 30, "from 01:00 on it is 02:00");
    assert_eq!(worked(&*state, "2026-10", "office"), 3 * 60 + 90, "01:00 to 01:30 comes twice");
    assert_eq!(worked(&*state, "2026-02", "lab"), 0, "somebody else's");
}

#[test]
fn a_window_that_was_taken_out_counts_until_then_and_a_new_one_from_then_on() {
    let (_folder, state) = store();
    let day = weekly(&Weekday::ALL, 0, 60, "UTC");
    let other = weekly(&Weekday::ALL, 120, 180, "UTC");
    remember(&*state, &[configured("region=a", Some(day.clone()))], at("2026-03-01T00:00Z"))
        .unwrap();
    // Its hours are changed on the 11th: the old ones no longer count, the new ones not before.
    remember(&*state, &[configured("region=a", Some(other))], at("2026-03-11T12:00Z")).unwrap();
    assert_eq!(worked(&*state, "2026-03", "a"), 11 * 60 + 20 * 60);
    remember(&*state, &[], at("2026-03-21T12:00Z")).unwrap();
    assert_eq!(worked(&*state, "2026-03", "a"), 11 * 60 + 10 * 60);
    assert_eq!(worked(&*state, "2026-02", "a"), 28 * 60, "known before anybody wrote that down");
    remember(&*state, &[], at("2027-08-01T12:00Z")).unwrap();
    assert_eq!(worked(&*state, "2026-03", "a"), 0, "forgotten after 400 days");
}

#[test]
fn a_window_with_a_beginning_and_an_end_counts_whenever_it_was_written_down() {
    let (_folder, state) = store();
    remember(&*state, &[], at("2026-03-01T00:00Z")).unwrap();
    let mut window = configured("region=a", None);
    window.from = Some(at("2026-03-02T22:00:30Z"));
    window.until = Some(at("2026-03-03T02:00:30Z"));
    remember(&*state, &[window], at("2026-03-20T00:00Z")).unwrap();
    assert_eq!(worked(&*state, "2026-03", "a"), 240, "minutes that begin in it");
    remember(&*state, &[], at("2026-03-21T00:00Z")).unwrap();
    assert_eq!(worked(&*state, "2026-03", "a"), 240, "taken out once it was over");
}

#[test]
fn a_silence_counts_until_it_was_ended_and_only_for_what_it_was_set_for() {
    let (_folder, state) = store();
    let silence = |id, matcher: &str, expired| Silence {
        id: SilenceId(id),
        matchers: vec![parse(matcher).unwrap()],
        from: at("2026-03-02T22:00Z"),
        until: Some(at("2026-03-03T02:00Z")),
        weekly: None,
        created: at("2026-03-02T20:00Z"),
        by: "uid 0".into(),
        note: String::new(),
        expired,
    };
    let set = |silence| state.apply(vec![Change::Silence(silence)]).unwrap();
    set(silence(1, "region=a", Some((at("2026-03-02T23:00Z"), "uid 0".into()))));
    set(silence(2, "severity=warning", None));
    set(silence(3, "alert=17", None));
    assert_eq!(worked(&*state, "2026-03", "a"), 60);
    assert_eq!(worked(&*state, "2026-03", "b"), 0, "of other severities and alerts");
    set(silence(4, "severity=critical", None));
    assert_eq!(worked(&*state, "2026-03", "b"), 240);
}

#[test]
fn an_outage_that_was_silenced_after_it_had_begun_stays_one() {
    let down = |from: usize, until: usize| {
        let mut states = vec![Some(true); 20];
        states[from..until].fill(Some(false));
        states
    };
    let time = |set| Time {
        matching: Matching::default(),
        minutes: std::iter::once(5..15).collect(),
        set,
    };
    let count = |set, from, until| {
        let time = time(set);
        let minutes = Worked(vec![&time]).minutes(&down(from, until));
        minutes.into_iter().filter(|worked| *worked).count()
    };
    assert_eq!(count(None, 3, 10), 10, "a window excuses what lies in it");
    assert_eq!(count(Some(4), 3, 10), 5, "down since 3, silenced at 4: from 10 on it is quiet");
    assert_eq!(count(Some(4), 6, 10), 10, "it began while silenced");
    assert_eq!(count(Some(0), 3, 10), 10, "the work was planned");
}
