//! Files as programs write, rotate and truncate them. Time stands still; each look is asked for.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::Arc;

use model::{Listener, ManualClock, UnixNs};
use tokio::sync::mpsc::{self, error::TryRecvError};

use super::super::batch::Batch;
use super::super::counters::Counts;
use super::*;

/// A folder with a log in it and somebody who follows it.
struct Bed {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    out: mpsc::Receiver<Batch>,
    send: mpsc::Sender<Batch>,
    counts: Arc<Counts>,
    follower: Option<Follower>,
    /// The positions as a store would keep them: the newest of each file, in order.
    stored: Vec<Position>,
}

impl Bed {
    fn new() -> Self {
        let (send, out) = mpsc::channel(1000);
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new(UnixNs(1))),
            out,
            send,
            counts: Arc::default(),
            follower: None,
            stored: Vec::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("messages")
    }

    /// Starts to follow, forgetting all but what is stored.
    fn start(&mut self, start: Start) {
        self.counts = Arc::default();
        let outbox = Outbox {
            listener: Arc::new(Listener::of_file(&self.path())),
            counts: Arc::clone(&self.counts),
            clock: Arc::clone(&self.clock) as _,
            out: self.send.clone(),
        };
        self.follower = Some(Follower::new(&self.path(), &self.stored, start, outbox));
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&self, name: &str) {
        fs::rename(self.path(), self.folder.path().join(name)).unwrap();
    }

    /// Looks once and gives the lines; their positions are stored.
    fn look(&mut self) -> Vec<String> {
        self.follower.as_mut().unwrap().look().unwrap();
        let mut lines = Vec::new();
        loop {
            match self.out.try_recv() {
                Ok(batch) => {
                    for line in batch.lines() {
                        lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
                    }
                    let position = batch.position().unwrap();
                    self.stored.retain(|old| old.file != position.file);
                    self.stored.push(position);
                }
                Err(TryRecvError::Empty) => return lines,
                Err(TryRecvError::Disconnected) => unreachable!("the bed holds a sender"),
            }
        }
    }
}

#[test]
fn only_what_is_written_after_the_start_is_news() {
    let mut bed = Bed::new();
    bed.append("old\nhalf of a ");
    bed.start(Start::End);
    assert!(bed.look().is_empty());
    bed.append("line\nnew\n");
    assert_eq!(bed.look(), ["half of a line", "new"]);
}

#[test]
fn a_file_is_read_from_its_first_byte_if_asked_for_or_if_it_appears_later() {
    let mut bed = Bed::new();
    bed.append("one\n\ntwo\n");
    bed.start(Start::Beginning);
    assert_eq!(bed.look(), ["one", "two"]);
    let mut later = Bed::new();
    later.start(Start::End);
    assert!(later.look().is_empty());
    later.append("one\n");
    assert_eq!(later.look(), ["one"]);
}

#[test]
fn a_long_file_is_read_in_several_looks() {
    let mut bed = Bed::new();
    let line = "x".repeat(999);
    bed.append(&format!("{line}\n").repeat(40_000));
    bed.start(Start::Beginning);
    let looks: Vec<usize> = (0..4).map(|_| bed.look().len()).collect();
    assert_eq!(looks, [16_777, 16_777, 6_446, 0], "16 MiB at a time");
}

#[test]
fn half_a_line_waits_for_its_end() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\ntw");
    assert_eq!(bed.look(), ["one"]);
    bed.append("o");
    assert!(bed.look().is_empty());
    bed.append("\n");
    assert_eq!(bed.look(), ["two"]);
}

#[test]
fn after_a_rotation_both_files_are_read_and_then_the_old_one_no_more() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\n");
    assert_eq!(bed.look(), ["one"]);
    let mut writer = OpenOptions::new().append(true).open(bed.path()).unwrap();
    writer.write_all(b"two\n").unwrap();
    bed.rotate("messages.1");
    bed.append("three\n");
    assert_eq!(bed.look(), ["two", "three"]);
    writer.write_all(b"late\nunfini").unwrap();
    assert_eq!(bed.look(), ["late"]);
    bed.clock.advance(LINGER);
    assert_eq!(bed.look(), ["unfini"]);
    assert!(bed.follower.as_ref().unwrap().former.is_empty());
    assert_eq!(bed.counts.gaps.get(), 0);
}

#[test]
fn a_deleted_file_is_read_to_its_end_and_its_successor_from_the_start() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\n");
    bed.look();
    bed.append("two\n");
    fs::remove_file(bed.path()).unwrap();
    assert_eq!(bed.look(), ["two"]);
    bed.append("three\n");
    assert_eq!(bed.look(), ["three"]);
}

#[test]
fn a_truncated_file_is_read_from_its_start() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\ntwo\nhalf a li");
    assert_eq!(bed.look(), ["one", "two"]);
    let file = OpenOptions::new().write(true).open(bed.path()).unwrap();
    file.set_len(0).unwrap();
    bed.append("3\n");
    assert_eq!(bed.look(), ["3"]);
    assert_eq!(bed.counts.gaps.get(), 1, "half a line was lost and is counted");
}

#[test]
fn a_truncated_file_that_has_grown_again_is_known_by_its_first_bytes() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\ntwo\n");
    bed.look();
    File::create(bed.path()).unwrap().write_all(b"three\nfour\nfive\n").unwrap();
    assert_eq!(bed.look(), ["three", "four", "five"]);
}

#[test]
fn a_restart_goes_on_where_the_store_says() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\ntwo\nthr");
    assert_eq!(bed.look(), ["one", "two"]);
    bed.append("ee\nfour\n");
    bed.start(Start::End);
    assert_eq!(bed.look(), ["three", "four"]);
}

#[test]
fn a_restart_finds_the_file_that_was_rotated_meanwhile() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\n");
    bed.look();
    bed.append("two\n");
    bed.rotate("messages-20261122");
    bed.append("three\n");
    bed.start(Start::End);
    assert_eq!(bed.look(), ["two", "three"]);
    assert_eq!(bed.counts.gaps.get(), 0);
}

#[test]
fn a_restart_that_finds_neither_the_file_nor_its_rest_says_so() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\n");
    bed.look();
    // The successor is written first, so that it does not get the number of the file that goes.
    fs::write(bed.folder.path().join("next"), "new\n").unwrap();
    fs::rename(bed.folder.path().join("next"), bed.path()).unwrap();
    bed.start(Start::End);
    assert_eq!(bed.counts.gaps.get(), 1);
    assert_eq!(bed.look(), ["new"]);
}

#[test]
fn a_restart_takes_a_rewritten_file_for_a_new_one() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append("one\ntwo\n");
    bed.look();
    File::create(bed.path()).unwrap().write_all(b"other\nlines\n").unwrap();
    bed.stored.retain(|position| position.offset == 8);
    bed.start(Start::End);
    assert_eq!(bed.counts.gaps.get(), 1, "nobody knows what the file before still got");
    let position = bed.stored[0];
    bed.stored.clear();
    assert_eq!(bed.look(), ["other", "lines"]);
    assert_eq!(position.file, bed.stored[0].file);
}

#[test]
fn a_file_without_a_folder_in_its_name_is_in_this_one() {
    let folders = ["messages", "log/messages", "/messages"].map(|path| folder_of(Path::new(path)));
    assert_eq!(folders, [".", "log", "/"].map(Path::new));
}

#[test]
fn a_line_without_end_is_cut_and_the_next_one_is_whole() {
    let mut bed = Bed::new();
    bed.start(Start::End);
    bed.append(&"x".repeat(200_000));
    let cut = bed.look();
    assert_eq!(cut.iter().map(String::len).collect::<Vec<_>>(), [model::MAX_LINE]);
    bed.append("yyy\nnext\n");
    assert_eq!(bed.look(), ["next"]);
}

#[test]
fn what_is_no_file_is_said_once_and_tried_again() {
    let mut bed = Bed::new();
    fs::create_dir(bed.path()).unwrap();
    bed.start(Start::End);
    bed.look();
    bed.look();
    assert_eq!(bed.counts.errors.get(), 1);
    fs::remove_dir(bed.path()).unwrap();
    bed.append("one\n");
    assert_eq!(bed.look(), ["one"]);
}
