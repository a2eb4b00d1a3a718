//! What the spool promises: nothing is lost but what is counted.

use std::fs::OpenOptions;
use std::io::Write as _;

use model::{ManualClock, UnixNs};

use super::super::point::{Kind, Subject};
use super::*;

const LIMITS: Limits = Limits { max_bytes: 1 << 20, max_age: Duration::from_hours(1) };

struct Bed {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    limits: Limits,
    subject: Arc<Subject>,
}

impl Bed {
    fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(UnixNs(1_000_000_000_000)));
        let subject = Arc::new(Subject::new(Kind::Ping, &[("host", "h")], &[]));
        Self { dir, clock, limits, subject }
    }

    fn open(&self, committed: Option<u64>) -> (Spool, Found) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Spool::open(self.dir.path(), self.limits, committed, clock).unwrap()
    }

    /// Writes one frame with the values of a range, each a point, as the batch of that number.
    fn append(&self, spool: &Spool, batch: u64, values: std::ops::Range<i64>) {
        let mut frames = Frames::default();
        frames.begin(batch, self.clock.now_ms());
        for value in values {
            frames.push(&self.subject, UnixMs(value), &[value as f64]);
        }
        spool.append(&mut frames).unwrap();
    }

    fn write(&self, spool: &Spool, batch: u64, values: std::ops::Range<i64>) {
        self.append(spool, batch, values);
        spool.reveal().unwrap();
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Takes all that waits for a sink, a request at a time.
fn take(spool: &Spool, name: &str) -> Vec<i64> {
    let mut found = Vec::new();
    while let Some(batch) = spool.read(name, 100).unwrap() {
        found.extend(values(&batch));
        spool.advance(name, &batch);
    }
    found
}

fn values(batch: &Batch) -> Vec<i64> {
    let mut found = Vec::new();
    batch.points.each(0, usize::MAX, |point, _| found.push(point.values[0] as i64));
    assert_eq!(found.len(), batch.points.len());
    found
}

fn range(values: std::ops::Range<i64>) -> Vec<i64> {
    values.collect()
}

#[test]
fn each_sink_gets_all_from_when_it_came_and_at_its_own_pace() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["a"])).unwrap();
    bed.write(&spool, 1, 0..3);
    spool.keep_for(&names(&["a", "b"])).unwrap();
    bed.write(&spool, 2, 3..5);
    assert_eq!(take(&spool, "b"), range(3..5));
    assert_eq!(spool.waiting("a").unwrap().points, 5);
    assert_eq!(take(&spool, "a"), range(0..5));
    assert_eq!(spool.waiting("a").unwrap(), Waiting::default());
    assert!(spool.read("nobody", 1).unwrap().is_none());
}

#[test]
fn what_the_store_has_not_acknowledged_is_not_shown() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["a"])).unwrap();
    bed.write(&spool, 1, 0..3);
    bed.append(&spool, 2, 3..5);
    assert_eq!(spool.waiting("a").unwrap().points, 3);
    assert_eq!(take(&spool, "a"), range(0..3));
    bed.append(&spool, 2, 3..5);
    spool.reveal().unwrap();
    assert_eq!(take(&spool, "a"), range(3..5), "the second try of a batch is no second copy");
}

#[test]
fn a_start_after_a_crash_goes_on_where_it_was_and_forgets_what_was_not_stored() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["a", "b"])).unwrap();
    bed.write(&spool, 1, 0..3);
    assert_eq!(take(&spool, "a"), range(0..3));
    bed.write(&spool, 2, 3..5);
    bed.append(&spool, 3, 5..9);
    std::mem::forget(spool);

    let (spool, found) = bed.open(Some(2));
    assert_eq!(found, Found { truncated: 0, unstored: 4 });
    spool.keep_for(&names(&["a", "b"])).unwrap();
    bed.write(&spool, 3, 9..10);
    assert_eq!(take(&spool, "a"), [3, 4, 9]);
    assert_eq!(take(&spool, "b"), [0, 1, 2, 3, 4, 9]);
}

#[test]
fn a_batch_that_the_store_acknowledged_right_before_the_crash_is_sent() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["a"])).unwrap();
    bed.append(&spool, 1, 0..3);
    std::mem::forget(spool);
    let (spool, found) = bed.open(Some(1));
    assert_eq!(found, Found::default());
    spool.keep_for(&names(&["a"])).unwrap();
    assert_eq!(take(&spool, "a"), range(0..3));
}

#[test]
fn a_tail_that_was_cut_off_is_ignored_and_counted() {
    for cut in [1, 20, 40] {
        let bed = Bed::new(LIMITS);
        let (spool, _) = bed.open(None);
        spool.keep_for(&names(&["a"])).unwrap();
        bed.write(&spool, 1, 0..3);
        let whole = spool.bytes();
        bed.write(&spool, 2, 3..5);
        let length = spool.bytes() - cut;
        drop(spool);
        let file = OpenOptions::new().write(true).open(segment::path(bed.dir.path(), 1)).unwrap();
        file.set_len(length).unwrap();
        let (spool, found) = bed.open(Some(2));
        assert_eq!(found, Found { truncated: length - whole, unstored: 0 });
        spool.keep_for(&names(&["a"])).unwrap();
        bed.write(&spool, 3, 5..6);
        assert_eq!(take(&spool, "a"), [0, 1, 2, 5]);
    }
}

#[test]
fn damage_costs_its_frame_alone_and_is_counted() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["a"])).unwrap();
    bed.write(&spool, 1, 0..3);
    let first = spool.bytes();
    bed.write(&spool, 2, 3..5);
    bed.write(&spool, 3, 5..6);
    let path = segment::path(bed.dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[first as usize + 40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(take(&spool, "a"), [0, 1, 2, 5]);
    assert_eq!(spool.waiting("a").unwrap(), Waiting { damaged: 2, ..Waiting::default() });
}

#[test]
fn too_much_costs_the_oldest_and_each_sink_counts_its_own_loss() {
    let bed = Bed::new(Limits { max_bytes: 64 << 10, ..LIMITS });
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["dead", "alive"])).unwrap();
    let mut alive = Vec::new();
    for batch in 0..400_i64 {
        bed.write(&spool, batch.cast_unsigned(), batch * 100..(batch + 1) * 100);
        alive.append(&mut take(&spool, "alive"));
    }
    assert!(spool.bytes() <= 64 << 10, "{} bytes", spool.bytes());
    assert_eq!(alive, range(0..40_000));
    assert_eq!(spool.waiting("alive").unwrap().dropped, 0);
    let waiting = spool.waiting("dead").unwrap();
    assert!(waiting.dropped > 10_000 && waiting.points > 1_000, "{waiting:?}");
    assert_eq!(waiting.dropped + waiting.points, 40_000);
    assert_eq!(take(&spool, "dead"), range(waiting.dropped.cast_signed()..40_000));
}

#[test]
fn what_is_too_old_goes_and_is_counted() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["dead"])).unwrap();
    bed.write(&spool, 1, 0..10);
    bed.clock.advance(Duration::from_mins(50));
    bed.write(&spool, 2, 10..20);
    assert_eq!(spool.waiting("dead").unwrap().points, 20);
    bed.clock.advance(Duration::from_mins(50));
    bed.write(&spool, 3, 20..21);
    let waiting = spool.waiting("dead").unwrap();
    assert_eq!((waiting.points, waiting.dropped), (11, 10));
    assert_eq!(take(&spool, "dead"), range(10..21));
}

#[test]
fn a_sink_that_goes_takes_what_only_it_needed_and_one_that_stays_notices_nothing() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["dead", "slow"])).unwrap();
    bed.write(&spool, 1, 0..2);
    spool.keep_for(&names(&["slow", "new"])).unwrap();
    bed.write(&spool, 2, 2..3);
    assert_eq!(take(&spool, "slow"), range(0..3));
    assert_eq!(take(&spool, "new"), range(2..3));
    spool.keep_for(&[]).unwrap();
    assert_eq!(spool.bytes(), 0);
    assert_eq!(segment::list(bed.dir.path()).unwrap(), [0_u64; 0]);
    spool.keep_for(&names(&["again"])).unwrap();
    bed.write(&spool, 3, 3..4);
    assert_eq!(take(&spool, "again"), range(3..4));
}

#[test]
fn without_the_file_of_the_places_all_is_sent_again_and_nothing_lost() {
    for content in [None, Some(&b"{\"a\":"[..])] {
        let bed = Bed::new(LIMITS);
        let (spool, _) = bed.open(None);
        spool.keep_for(&names(&["a"])).unwrap();
        bed.write(&spool, 1, 0..3);
        take(&spool, "a");
        bed.write(&spool, 2, 3..4);
        drop(spool);
        let path = bed.dir.path().join("cursors.json");
        fs::remove_file(&path).unwrap();
        if let Some(content) = content {
            File::create(&path).unwrap().write_all(content).unwrap();
        }
        let (spool, _) = bed.open(Some(2));
        spool.keep_for(&names(&["a"])).unwrap();
        assert_eq!(take(&spool, "a"), range(0..4));
    }
}

#[test]
fn a_request_holds_whole_frames_up_to_its_size() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["a"])).unwrap();
    for batch in 0..5_i64 {
        bed.write(&spool, batch.cast_unsigned(), batch * 40..(batch + 1) * 40);
    }
    let batch = spool.read("a", 100).unwrap().unwrap();
    assert_eq!(values(&batch), range(0..80));
    let one = spool.read("a", 1).unwrap().unwrap();
    assert_eq!(values(&one), range(0..40));
    let again = spool.read("a", 100).unwrap().unwrap();
    assert_eq!(values(&again), range(0..80), "what was not acknowledged comes again");
}

#[test]
fn a_disk_without_room_changes_nothing() {
    let bed = Bed::new(LIMITS);
    let (spool, _) = bed.open(None);
    spool.keep_for(&names(&["a"])).unwrap();
    bed.write(&spool, 1, 0..2);
    fs::remove_file(segment::path(bed.dir.path(), 1)).unwrap();
    fs::create_dir(segment::path(bed.dir.path(), 1)).unwrap();
    spool.lock().file = None;
    let mut frames = Frames::default();
    frames.begin(2, UnixMs(0));
    frames.push(&bed.subject, UnixMs(0), &[1.0]);
    assert!(spool.append(&mut frames).unwrap_err().to_string().contains("points"));
    assert_eq!(spool.waiting("a").unwrap().points, 2);
}
