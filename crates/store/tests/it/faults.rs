//! A full disk and damaged files.

use std::path::Path;
use std::process::Command;

use model::{SeriesId, UnixMs};
use store::{Appended, Batch, Error, RangeAnswer, RangeQuery, Samples, SamplesFile};

use crate::support::{START, all, append, open, open_with, sample};

const FOLDER: &str = "NETMEND_TEST_SMALL_DISK";

/// A thousand samples that hardly compress.
fn noise(id: SeriesId, seq: u64) -> Batch {
    let samples = (0..1000).map(|tick| {
        let at = seq.cast_signed() * 1000 + tick;
        sample(
            id,
            START + at,
            f64::from_bits(
                0x3ff0_0000_0000_0000
                    | (at.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12),
            ),
        )
    });
    Batch { source: 0, seq, samples: samples.collect() }
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_is_overcome() {
    let dir = tempfile::tempdir().unwrap();
    // A mount namespace of our own: nobody else sees the small disk, and it goes with the child.
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=3m small \"$0\" && exec \"$@\"")
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "faults::on_a_small_disk", "--ignored", "--nocapture"])
        .env(FOLDER, dir.path())
        .status()
        .expect("unshare is part of util-linux");
    assert!(status.success());
}

#[test]
#[ignore = "the child of a_full_disk_refuses_loses_nothing_and_is_overcome"]
fn on_a_small_disk() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let folder = Path::new(&folder);
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![0; 1_500_000]).unwrap();
    let (file, ids) = open_with(folder, 1);
    let refused = (1..)
        .find_map(|seq| match file.append(noise(ids[0], seq)) {
            Ok(done) => {
                assert_eq!(done, Appended::Committed);
                None
            }
            Err(error) => Some((seq, error)),
        })
        .unwrap();
    let (seq, error) = refused;
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(seq > 3, "refused at batch {seq}");
    let expected = |batches: u64| {
        let samples = (1..=batches).flat_map(|seq| noise(ids[0], seq).samples);
        samples.map(|sample| (sample.at.0, sample.value)).collect::<Vec<_>>()
    };
    assert!(all(&file, ids[0]) == expected(seq - 1));
    assert_eq!(file.committed_until(0).unwrap(), Some(seq - 1));
    drop(file);
    // It starts on the full disk too, and still has everything.
    let file = open(folder);
    assert!(all(&file, ids[0]) == expected(seq - 1));
    std::fs::remove_file(&ballast).unwrap();
    for seq in seq..seq + 10 {
        assert_eq!(file.append(noise(ids[0], seq)).unwrap(), Appended::Committed);
    }
    file.seal().unwrap();
    assert!(all(&file, ids[0]) == expected(seq + 9));
}

/// Opens the file and reads all series.
fn read_all(folder: &Path, ids: &[SeriesId]) -> Result<Vec<RangeAnswer>, Error> {
    let (from, until) = (UnixMs(0), UnixMs(i64::MAX));
    let query = RangeQuery { series: ids.to_vec(), from, until, step: None, exact: true };
    SamplesFile::open(folder, crate::support::clock())?.range(&query)
}

#[test]
fn damage_anywhere_is_an_error_that_names_the_file_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ids) = open_with(dir.path(), 3);
    for seq in 1..=6 {
        let samples = ids.iter().flat_map(|&id| noise(id, seq).samples).collect();
        append(&file, seq, samples);
    }
    file.seal().unwrap();
    append(&file, 7, noise(ids[0], 7).samples);
    drop(file);
    let path = dir.path().join("samples.db");
    let whole = std::fs::read(&path).unwrap();
    let answer = read_all(dir.path(), &ids).unwrap();
    let mut noticed = 0;
    for page in 1..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xee);
        std::fs::write(&path, &bytes).unwrap();
        match read_all(dir.path(), &ids) {
            Ok(found) => assert!(found == answer, "page {page}: wrong samples without an error"),
            Err(error) => {
                assert!(error.to_string().contains("samples.db"), "{error}");
                noticed += 1;
            }
        }
    }
    assert!(noticed > 4, "{noticed} pages");
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = read_all(dir.path(), &ids);
    assert!(matches!(error, Err(Error::Damaged { .. })), "{error:?}");
}

#[test]
fn a_series_number_that_was_never_given_is_damage_and_sets_no_memory_aside() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_with(dir.path(), 2));
    let db = rusqlite::Connection::open(dir.path().join("samples.db")).unwrap();
    db.execute("UPDATE series SET num = 5 WHERE num = 2", []).unwrap();
    drop(db);
    let refused = SamplesFile::open(dir.path(), crate::support::clock()).unwrap_err();
    assert!(matches!(refused, Error::Damaged { what: "table series", .. }), "{refused}");
}
