//! Acknowledged means on disk: a child of this very binary appends and says what was acknowledged; it is
//! killed, or watched by strace.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use model::SystemClock;
use store::{Batch, Samples, SamplesFile};

use crate::support::{START, all, open_with, sample};

const SERIES: usize = 24;
/// Samples a series has in each batch, one a millisecond.
const TICKS: i64 = 8;
/// Two sources append at the same time, so that they share commits.
const SOURCES: [u32; 2] = [0, 1];
const FOLDER: &str = "NETMEND_TEST_FOLDER";
const SOURCE_COUNT: &str = "NETMEND_TEST_SOURCES";
const BATCHES: &str = "NETMEND_TEST_BATCHES";

/// Batch `seq` of `source` holds the times `(seq - 1) * TICKS ..` of the series of that source.
fn batch(ids: &[model::SeriesId], source: u32, seq: u64) -> Batch {
    let first = START + (seq.cast_signed() - 1) * TICKS;
    let own = ids.iter().skip(source as usize).step_by(SOURCES.len());
    let ticks = (first..first + TICKS).flat_map(|at| own.clone().map(move |&id| (id, at)));
    let samples = ticks.map(|(id, at)| sample(id, at, (at % 997) as f64 / 8.0)).collect();
    Batch { source, seq, samples }
}

fn child(test: &str, folder: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    child.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    child
}

#[test]
#[ignore = "the child of the other tests"]
fn appender() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let folder = std::env::var_os(FOLDER).unwrap();
    let (sources, batches) = (number(SOURCE_COUNT).unwrap(), number(BATCHES).unwrap());
    let (_, ids) = open_with(Path::new(&folder), SERIES);
    let file = SamplesFile::open(Path::new(&folder), Arc::new(SystemClock)).unwrap();
    std::thread::scope(|scope| {
        for &source in &SOURCES[..sources as usize] {
            let (file, ids) = (&file, &ids);
            scope.spawn(move || {
                let start = file.committed_until(source).unwrap().unwrap_or(0);
                for seq in start + 1..=start + batches {
                    file.append(batch(ids, source, seq)).unwrap();
                    // One write call, so that lines stay whole.
                    let line = format!("acknowledged {source} {seq}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// Source and number of an acknowledgement; other lines are the test harness talking.
fn acknowledged(line: &str) -> Option<(u32, u64)> {
    let rest = line.split_once("acknowledged ")?.1;
    let (source, seq) = rest.split_once(' ')?;
    Some((source.parse().ok()?, seq.trim_end().parse().ok()?))
}

/// Starts the child and kills it while it works, `kills` times on one folder; after each kill everything
/// acknowledged must be there exactly once.
fn kill_again_and_again(kills: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    for kill in 1..=kills {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wait_for = 1 + (state >> 33) % 400;
        let mut child = child("crash::appender", dir.path())
            .env(SOURCE_COUNT, "2")
            .env(BATCHES, "100000000")
            .spawn()
            .unwrap();
        let mut newest = [0; 2];
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (count, (source, seq)) in
            lines.map_while(Result::ok).filter_map(|line| acknowledged(&line)).enumerate()
        {
            newest[source as usize] = seq;
            if count as u64 == wait_for {
                child.kill().unwrap(); // what it still acknowledged is read on to the end
            }
        }
        assert_eq!(child.wait().unwrap().code(), None, "it ended by the signal and not by itself");
        verify(dir.path(), newest, kill);
    }
}

fn verify(folder: &Path, newest: [u64; 2], kill: u64) {
    let (file, ids) = open_with(folder, SERIES);
    for source in SOURCES {
        let committed = file.committed_until(source).unwrap().unwrap_or(0);
        let told = newest[source as usize];
        assert!(committed >= told, "kill {kill}: source {source}: {committed} of {told} are there");
        for &id in ids.iter().skip(source as usize).step_by(SOURCES.len()) {
            let expected = START..START + committed.cast_signed() * TICKS;
            let found = all(&file, id);
            assert!(
                found.iter().map(|&(at, _)| at).eq(expected),
                "kill {kill}: {} samples of {committed} batches",
                found.len()
            );
            let wrong = found.iter().find(|&&(at, value)| (value * 8.0) as i64 != at % 997);
            assert_eq!(wrong, None, "kill {kill}");
        }
    }
}

/// `cargo xtask soak` sets a larger number of kills.
#[test]
fn kills_lose_nothing_acknowledged_and_double_nothing() {
    let kills = std::env::var("NETMEND_KILLS").map_or(5, |kills| kills.parse().unwrap());
    kill_again_and_again(kills);
}

#[test]
fn the_disk_is_synced_before_each_acknowledgement() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let child = child("crash::appender", &data);
    let status = Command::new("strace")
        .args(["-f", "-y", "-s", "64", "-e", "trace=fsync,fdatasync,write,pwrite64", "-o"])
        .arg(&trace)
        .arg(child.get_program())
        .args(child.get_args())
        .env(FOLDER, &data)
        .envs([(SOURCE_COUNT, "1"), (BATCHES, "20")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace is installed: `cargo xtask test` does that");
    assert!(status.success());
    // Until the next acknowledgement: has the log been written, and synced since?
    let (mut written, mut synced, mut acknowledgements) = (false, false, 0);
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        let log = line.contains("samples.db-wal");
        if log && line.contains("pwrite64(") {
            (written, synced) = (true, false);
        } else if (log && line.contains("sync(") && line.ends_with("= 0"))
            || (line.contains("sync resumed>") && line.ends_with("= 0"))
        {
            synced = written;
        } else if line.contains("write(1") && line.contains("acknowledged 0 ") {
            assert!(written && synced, "acknowledged without a sync before: {line}");
            (written, synced) = (false, false);
            acknowledgements += 1;
        }
    }
    assert_eq!(acknowledgements, 20);
}
