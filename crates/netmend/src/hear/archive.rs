//! The archive: every line as JSON, in files of an hour that only grow. Each write is a zstd frame of its own,
//! so that a file is whole whenever netmend ends; `zstd -dc` and `zstdcat` read all of them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::UnixMs;
use store::StoredLine;

use crate::json_line;

/// Compression level.
const LEVEL: i32 = 3;

/// Whether the archive can be written, as told last.
#[derive(Debug, Default)]
pub(super) struct Archive {
    failing: bool,
}

impl Archive {
    /// Appends lines to the file of this hour. What cannot be written is told once and is in the store all
    /// the same.
    pub(super) fn append(&mut self, folder: &Path, lines: &[StoredLine], now: UnixMs) {
        match write(folder, lines, now) {
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
}

fn write(folder: &Path, lines: &[StoredLine], now: UnixMs) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for line in lines {
        json_line::stored(&mut text, line);
    }
    let frame = zstd::bulk::compress(&text, LEVEL)?;
    let at = Timestamp::from_millisecond(now.0).map_err(io::Error::other)?;
    let at = at.to_zoned(TimeZone::UTC);
    let folder = folder.join(at.strftime("%Y-%m-%d").to_string());
    fs::create_dir_all(&folder)?;
    let path = folder.join(at.strftime("%H.jsonl.zst").to_string());
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let before = file.metadata()?.len();
    // A frame that was cut off would hide all that come after it.
    file.write_all(&frame).inspect_err(|_| drop(file.set_len(before)))
}
