//! Backup beside an open store, restore without one.

use std::path::Path;

use model::{SystemClock, UnixMs};
use store::{
    Batch, Change, DataLock, Error, Mark, Query, RangeAnswer, RangeQuery, State, StateFile, Store,
};

use crate::support::{START, all, append, clock, open, open_with, sample};

fn mark(text: &str) -> Change {
    let (subject, kind) = ("netmend".into(), "start".into());
    Change::Mark(Mark { at: UnixMs(START), subject, kind, text: text.into() })
}

fn marks(state: &StateFile) -> usize {
    let (from, until) = (UnixMs(0), UnixMs(i64::MAX));
    state.find(&Query::Marks { subject: None, from, until, limit: 100 }).unwrap().len()
}

#[test]
fn a_backup_beside_an_open_store_holds_what_was_acknowledged_before() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let _lock = DataLock::acquire(&data).unwrap();
    let (file, ids) = open_with(&data, 1);
    let state = StateFile::open(&data, &SystemClock).unwrap();
    state.apply(vec![mark("one")]).unwrap();
    append(&file, 1, vec![sample(ids[0], START, 1.0)]);
    file.seal().unwrap();
    append(&file, 2, vec![sample(ids[0], START + 1, 2.0)]);
    store::backup(&data, &copy).unwrap();
    append(&file, 3, vec![sample(ids[0], START + 2, 3.0)]);

    let copied = open(&copy);
    assert_eq!(all(&copied, ids[0]), [(START, 1.0), (START + 1, 2.0)]);
    assert_eq!(marks(&StateFile::open(&copy, &SystemClock).unwrap()), 1);
    assert_eq!(all(&file, ids[0]).len(), 3);
    let refused = store::backup(&data, &copy).unwrap_err();
    assert!(refused.to_string().contains("copy/state.db"), "{refused}");
}

#[test]
fn a_restore_is_refused_beside_a_running_netmend_and_keeps_what_it_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let (file, ids) = open_with(&data, 1);
    drop(StateFile::open(&data, &SystemClock).unwrap());
    append(&file, 1, vec![sample(ids[0], START, 1.0)]);
    store::backup(&data, &copy).unwrap();
    append(&file, 2, vec![sample(ids[0], START + 1, 2.0)]);
    drop(file);

    let lock = DataLock::acquire(&data).unwrap();
    let refused = store::restore(&copy, &data, &SystemClock).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    assert_eq!(all(&open(&data), ids[0]).len(), 2);
    drop(lock);

    let kept = store::restore(&copy, &data, &SystemClock).unwrap();
    assert_eq!(all(&open(&data), ids[0]), [(START, 1.0)]);
    assert_eq!(kept.len(), 2);
    let old = dir.path().join("old");
    std::fs::create_dir(&old).unwrap();
    std::fs::rename(&kept[1], old.join("samples.db")).unwrap();
    assert_eq!(all(&open(&old), ids[0]).len(), 2, "the replaced file is whole");
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let (file, ids) = open_with(&data, 300);
    drop(StateFile::open(&data, &SystemClock).unwrap());
    append(&file, 1, ids.iter().map(|&id| sample(id, START, 1.0)).collect());
    store::backup(&data, &copy).unwrap();
    drop(file);
    let path = copy.join("samples.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let refused = store::restore(&copy, &data, &SystemClock).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
    assert_eq!(all(&open(&data), ids[0]), [(START, 1.0)]);
    let missing = store::restore(&dir.path().join("nowhere"), &data, &SystemClock).unwrap_err();
    assert!(missing.to_string().contains("nowhere/state.db"), "{missing}");
}

/// Changes one bit in the middle of the journal's only row, as a disk does: SQLite has no checksum that tells.
fn damage_journal(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let db = rusqlite::Connection::open(path).unwrap();
    let row: Vec<u8> = db.query_row("SELECT data FROM journal", [], |row| row.get(0)).unwrap();
    drop(db);
    let place = bytes.windows(row.len()).position(|window| window == row).unwrap();
    bytes[place + row.len() / 2] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_backup_whose_journal_is_damaged_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let (file, ids) = open_with(&data, 1);
    drop(StateFile::open(&data, &SystemClock).unwrap());
    append(&file, 1, (0..100).map(|n| sample(ids[0], START + n, 1.0)).collect());
    store::backup(&data, &copy).unwrap();
    drop(file);
    damage_journal(&copy.join("samples.db"));
    let before = std::fs::read(data.join("samples.db")).unwrap();
    let refused = store::restore(&copy, &data, &SystemClock).unwrap_err();
    let why = "copy/samples.db is damaged: row 1, at byte 0 of 411: the checksum is wrong";
    assert!(refused.to_string().contains(why), "{refused}");
    assert!(refused.to_string().starts_with("the journal in "), "{refused}");
    assert!(std::fs::read(data.join("samples.db")).unwrap() == before, "the data changed");
    let left = std::fs::read_dir(&data).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("restor")).count(), 0, "half a copy is left");
}

#[test]
fn a_damaged_journal_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let (file, ids) = open_with(&data, 1);
    drop(StateFile::open(&data, &SystemClock).unwrap());
    append(&file, 1, (0..100).map(|n| sample(ids[0], START + n, 1.0)).collect());
    drop(file);
    damage_journal(&data.join("samples.db"));
    let refused = store::backup(&data, &copy).unwrap_err();
    assert!(refused.to_string().contains("data/samples.db is damaged: row 1, "), "{refused}");
    assert_eq!(std::fs::read_dir(&copy).unwrap().count(), 0, "half a copy looks like a backup");
}

#[test]
fn a_copy_whose_log_ends_within_a_write_is_restored_up_to_there() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let (file, ids) = open_with(&data, 1);
    let state = StateFile::open(&data, &SystemClock).unwrap();
    append(&file, 1, vec![sample(ids[0], START, 1.0)]);
    append(&file, 2, vec![sample(ids[0], START + 1, 2.0)]);
    // As `cp` takes it from a machine that lost its power.
    std::fs::create_dir(&copy).unwrap();
    for name in ["samples.db", "samples.db-wal", "state.db", "state.db-wal"] {
        std::fs::copy(data.join(name), copy.join(name)).unwrap();
    }
    drop((file, state));
    let log = std::fs::File::options().write(true).open(copy.join("samples.db-wal")).unwrap();
    log.set_len(log.metadata().unwrap().len() - 100).unwrap();
    store::restore(&copy, &data, &SystemClock).unwrap();
    assert_eq!(all(&open(&data), ids[0]), [(START, 1.0)]);
}

#[test]
fn an_empty_file_is_not_restored_in_the_place_of_data() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let (file, ids) = open_with(&data, 1);
    drop(StateFile::open(&data, &SystemClock).unwrap());
    append(&file, 1, vec![sample(ids[0], START, 1.0)]);
    store::backup(&data, &copy).unwrap();
    drop(file);
    // What a copy onto a full disk leaves.
    std::fs::write(copy.join("samples.db"), []).unwrap();
    let refused = store::restore(&copy, &data, &SystemClock).unwrap_err();
    assert!(refused.to_string().contains("copy/samples.db is damaged: it is empty"), "{refused}");
    assert_eq!(all(&open(&data), ids[0]), [(START, 1.0)]);
}

#[test]
fn a_backup_of_a_folder_without_a_store_fails_and_makes_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let refused = store::backup(&data, &copy).unwrap_err();
    assert!(refused.to_string().contains("data/state.db"), "{refused}");
    assert!(!copy.exists(), "a failed backup leaves no folder that looks like one");
}

#[test]
fn a_store_that_is_only_read_answers_refuses_changes_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    std::fs::create_dir(&data).unwrap();
    let (file, ids) = open_with(&data, 1);
    let state = StateFile::open(&data, &SystemClock).unwrap();
    state.apply(vec![mark("one")]).unwrap();
    append(&file, 1, vec![sample(ids[0], START, 1.0)]);
    file.seal().unwrap();
    append(&file, 2, vec![sample(ids[0], START + 1, 2.0)]);
    store::backup(&data, &copy).unwrap();
    let bytes = || ["state.db", "samples.db"].map(|name| std::fs::read(copy.join(name)).unwrap());
    let before = bytes();

    assert!(DataLock::share(&copy).unwrap().is_none());
    let store = Store::open_to_read(&copy, clock()).unwrap();
    let (from, until) = (UnixMs(0), UnixMs(i64::MAX));
    let query = RangeQuery { series: ids.clone(), from, until, step: None, exact: true };
    let samples = vec![(UnixMs(START), 1.0), (UnixMs(START + 1), 2.0)];
    assert_eq!(store.samples().range(&query).unwrap(), [RangeAnswer::Samples(samples)]);
    let marks = Query::Marks { subject: None, from, until, limit: 100 };
    assert_eq!(store.state().find(&marks).unwrap().len(), 1);
    let refused = store.state().apply(vec![mark("two")]).unwrap_err();
    assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
    let batch = Batch { source: 0, seq: 3, samples: vec![sample(ids[0], START + 2, 3.0)] };
    let refused = store.samples().append(batch).unwrap_err();
    assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
    drop(store);
    assert!(bytes() == before, "something was written");
    assert_eq!(std::fs::read_dir(&copy).unwrap().count(), 2);

    let older = rusqlite::Connection::open(copy.join("state.db")).unwrap();
    older.execute_batch("PRAGMA user_version = 1").unwrap();
    let refused = Store::open_to_read(&copy, clock()).unwrap_err();
    assert!(refused.to_string().contains("has schema version 1, this netmend reads"), "{refused}");
}

#[test]
fn whoever_reads_a_folder_keeps_others_from_starting_on_it_and_not_each_other() {
    let dir = tempfile::tempdir().unwrap();
    drop(DataLock::acquire(dir.path()).unwrap());
    let lock = dir.path().join(DataLock::FILE);
    let before = std::fs::read(&lock).unwrap();
    let readers = [(); 2].map(|()| DataLock::share(dir.path()).unwrap().unwrap());
    assert!(matches!(DataLock::acquire(dir.path()), Err(Error::Locked { .. })));
    drop(readers);
    assert_eq!(std::fs::read(&lock).unwrap(), before);
    let _writer = DataLock::acquire(dir.path()).unwrap();
    assert!(matches!(DataLock::share(dir.path()), Err(Error::Locked { .. })));
}
