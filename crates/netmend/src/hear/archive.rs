//! The archive: every line as JSON, in files of an hour that only grow. Each write is a zstd frame of its own,
//! so that a file is whole whenever netmend ends; `zstd -dc` and `zstdcat` read all of them. A frame that a
//! crash has cut is taken off before anything is put behind it, since it would hide what follows.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::UnixMs;
use store::LineBatch;

use crate::json_line;

/// Compression level.
const LEVEL: i32 = 3;

/// Largest file that is looked through for a cut end; a larger one is left as it is, and another begun.
const MOST: u64 = 256 << 20;

/// The archive, as far as it was written by this process.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// Whether it could not be written last.
    failing: bool,
    /// The folder and hour that are written, and the file, whose end is whole.
    current: Option<(PathBuf, PathBuf)>,
}

impl Archive {
    /// Appends lines to the file of this hour. What cannot be written is told once and is in the store all
    /// the same.
    pub(super) fn append(&mut self, folder: &Path, lines: &LineBatch, now: UnixMs) {
        match self.write(folder, lines, now) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(folder = %folder.display(), "the archive of lines is written again");
            }
            Ok(()) => {}
            Err(why) => {
                if !self.failing {
                    tracing::error!(%why, folder = %folder.display(), "the archive of lines cannot be written; the store has them");
                }
                self.failing = true;
            }
        }
    }

    fn write(&mut self, folder: &Path, lines: &LineBatch, now: UnixMs) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for line in lines.iter() {
            json_line::stored(&mut text, line);
        }
        let frame = zstd::bulk::compress(&text, LEVEL)?;
        let at = Timestamp::from_millisecond(now.0).map_err(io::Error::other)?;
        let at = at.to_zoned(TimeZone::UTC);
        let folder = folder.join(at.strftime("%Y-%m-%d").to_string());
        let hour = folder.join(at.strftime("%H").to_string());
        fs::create_dir_all(&folder)?;
        let path = match self.current.take() {
            Some((known, path)) if known == hour => path,
            _ => whole_file(&hour)?,
        };
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        let before = file.metadata()?.len();
        let written = file.write_all(&frame);
        // What was cut off is looked for again if it cannot be taken off now.
        if written.is_ok() || file.set_len(before).is_ok() {
            self.current = Some((hour, path));
        }
        written
    }
}

/// The file of an hour that can be gone on with: `HH.jsonl.zst`, or `HH-1.jsonl.zst` where that is very large.
fn whole_file(hour: &Path) -> io::Result<PathBuf> {
    let named = |number: u32| {
        let more = if number == 0 { String::new() } else { format!("-{number}") };
        let mut name = hour.as_os_str().to_owned();
        name.push(format!("{more}.jsonl.zst"));
        PathBuf::from(name)
    };
    for path in (0..u32::MAX).map(named) {
        let length = match path.metadata() {
            Ok(found) if found.is_file() => found.len(),
            // Whoever put something else there has their reasons.
            Ok(_) => return Ok(path),
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(why) => return Err(why),
        };
        if length <= MOST {
            let whole = whole_frames(&fs::read(&path)?) as u64;
            if whole < length {
                tracing::warn!(file = %path.display(), bytes = length - whole, "the last frame was cut by a crash; it is taken off");
                OpenOptions::new().write(true).open(&path)?.set_len(whole)?;
            }
            return Ok(path);
        }
    }
    Err(io::Error::other("the hour has too many files"))
}

/// How many bytes the whole frames at the start take.
fn whole_frames(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Ok(length) = zstd::zstd_safe::find_frame_compressed_size(&bytes[at..]) {
        if length == 0 || length > bytes.len() - at {
            break;
        }
        at += length;
    }
    at
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use store::StoredLine;

    use super::*;

    /// 2026-11-22 23:59:59 UTC.
    const LATE: UnixMs = UnixMs(1_795_391_999_000);

    fn lines(text: &str) -> LineBatch {
        let line = |raw: &str| StoredLine {
            at: LATE,
            device: "sw1".into(),
            code: "A-1-B".into(),
            severity: Some(1),
            raw: raw.as_bytes().to_vec(),
        };
        text.split(' ').map(line).collect()
    }

    /// The texts of all lines of a file.
    fn texts(path: &Path) -> String {
        let bytes = fs::read(path).unwrap();
        let plain = zstd::stream::decode_all(&bytes[..]).expect("every frame is whole");
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["raw"].as_str().expect("text").to_owned()
        };
        let lines: Vec<String> = String::from_utf8(plain).unwrap().lines().map(line).collect();
        lines.join(" ")
    }

    #[test]
    fn an_hour_is_a_file_and_a_restart_goes_on_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::default();
        archive.append(folder.path(), &lines("a b"), LATE);
        archive.append(folder.path(), &lines("c"), LATE);
        archive.append(folder.path(), &lines("d"), UnixMs(LATE.0 + 1_000));
        Archive::default().append(folder.path(), &lines("e"), LATE);
        assert_eq!(texts(&folder.path().join("2026-11-22/23.jsonl.zst")), "a b c e");
        assert_eq!(texts(&folder.path().join("2026-11-23/00.jsonl.zst")), "d");
    }

    #[test]
    fn what_a_crash_cut_is_taken_off_and_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-11-22/23.jsonl.zst");
        Archive::default().append(folder.path(), &lines("a"), LATE);
        let one = fs::read(&path).unwrap();
        for cut in 1..one.len() {
            fs::write(&path, [&one[..], &one[..cut]].concat()).unwrap();
            Archive::default().append(folder.path(), &lines("b"), LATE);
            assert_eq!(texts(&path), "a b", "{cut} bytes of {}", one.len());
        }
        fs::write(&path, b"no zstd at all").unwrap();
        Archive::default().append(folder.path(), &lines("c"), LATE);
        assert_eq!(texts(&path), "c");
    }

    #[test]
    fn a_full_disk_loses_lines_of_the_archive_alone_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("2026-11-22");
        fs::create_dir(&day).unwrap();
        symlink("/dev/full", day.join("23.jsonl.zst")).unwrap();
        let mut archive = Archive::default();
        archive.append(folder.path(), &lines("a"), LATE);
        assert!(archive.failing);
        fs::remove_file(day.join("23.jsonl.zst")).unwrap();
        archive.append(folder.path(), &lines("b"), LATE);
        assert!(!archive.failing);
        assert_eq!(texts(&day.join("23.jsonl.zst")), "b");
    }
}
