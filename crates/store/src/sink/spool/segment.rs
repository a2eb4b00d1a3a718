//! One file of the spool: frames one after the other, only ever appended to. It must not know who reads it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use model::UnixMs;

use super::super::frame::{Frame, HEADER, Header};
use crate::Error;

/// What the names of segments end with.
const ENDING: &str = ".points";

/// A segment, as it is known in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its number: later segments have higher ones.
    pub(super) id: u64,
    /// Bytes of whole frames.
    pub(super) bytes: u64,
    /// Points in them.
    pub(super) points: u64,
    /// When the first and the last frame were written.
    pub(super) first_at: UnixMs,
    pub(super) last_at: UnixMs,
}

/// Where a segment lies.
pub(super) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:020}{ENDING}"))
}

/// The numbers of all segments in `dir`, ascending.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>, Error> {
    let failed = |why| Error::file("list the spool", dir, why);
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(ENDING));
        ids.extend(id.and_then(|id| id.parse::<u64>().ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Creates an empty segment, open for appending.
pub(super) fn create(dir: &Path, id: u64) -> Result<File, Error> {
    let path = path(dir, id);
    let mut options = OpenOptions::new();
    let file = options.create_new(true).append(true).read(true).mode(0o600).open(&path);
    let file = file.map_err(|why| Error::file("create", &path, why))?;
    // Without it the name may be gone after a power failure.
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|why| Error::file("sync", dir, why))?;
    Ok(file)
}

/// Opens a segment for appending.
pub(super) fn open(dir: &Path, id: u64) -> Result<File, Error> {
    let path = path(dir, id);
    let file = OpenOptions::new().append(true).read(true).open(&path);
    file.map_err(|why| Error::file("open", &path, why))
}

/// Appends whole frames behind the first `length` bytes, or none of them.
pub(super) fn append(file: &mut File, length: u64, frames: &[u8]) -> io::Result<()> {
    let written = file.write_all(frames).and_then(|()| file.sync_data());
    if written.is_err() {
        // What was half written would hide what comes after it. If even this fails, opening cuts it off.
        let _ = file.set_len(length);
    }
    written
}

/// Looks through the frames of a segment without unpacking them. `each` is told where each frame begins and
/// what stands before it, and may end the look. Returns the bytes up to the first that are no frame.
///
/// With `checked`, bodies are compared with their checksums too.
pub(super) fn scan(
    file: &File,
    checked: bool,
    mut each: impl FnMut(u64, &Header),
) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut at = 0;
    let mut body = Vec::new();
    while let Some(header) = header(file, at, length)? {
        if checked {
            body.resize(header.body as usize, 0);
            file.read_exact_at(&mut body, at + HEADER as u64)?;
            if !header.fits(&body) {
                break;
            }
        }
        each(at, &header);
        at += header.frame();
    }
    Ok(at)
}

/// The header of the frame at `at`; `None` if no whole frame begins there below `end`.
pub(super) fn header(file: &File, at: u64, end: u64) -> io::Result<Option<Header>> {
    if at + HEADER as u64 > end {
        return Ok(None);
    }
    let mut bytes = [0; HEADER];
    file.read_exact_at(&mut bytes, at)?;
    Ok(Header::read(&bytes).filter(|header| at + header.frame() <= end))
}

/// The frame under a header; `Ok(Err)` if its bytes are damaged.
pub(super) fn frame(
    file: &File,
    at: u64,
    header: &Header,
) -> io::Result<Result<Frame, &'static str>> {
    let mut body = vec![0; header.body as usize];
    file.read_exact_at(&mut body, at + HEADER as u64)?;
    if !header.fits(&body) {
        return Ok(Err("the checksum is wrong"));
    }
    Ok(Frame::unpack(header, &body))
}
