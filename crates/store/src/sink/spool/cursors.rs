//! How far each sink has come, in a small file beside the segments. Losing it, or its latest second, sends
//! points twice and loses none: a sink takes the same point as often as it comes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The file's name.
const NAME: &str = "cursors.json";

/// A place in the spool: before the frame that begins there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which segment.
    pub(super) segment: u64,
    /// Which byte of it.
    pub(super) offset: u64,
}

/// Where the sinks were; `None` if there is no such file, or none that can be read.
pub(super) fn read(dir: &Path) -> Option<BTreeMap<String, Position>> {
    let text = fs::read(dir.join(NAME)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes all of it or nothing.
pub(super) fn write(dir: &Path, cursors: &BTreeMap<String, Position>) -> Result<(), Error> {
    let path = dir.join(NAME);
    let half = dir.join("cursors.json.new");
    let text = serde_json::to_vec(cursors).expect("names and numbers have a JSON form");
    let written = fs::write(&half, text).and_then(|()| fs::rename(&half, &path));
    written.map_err(|why| Error::file("write", &path, why))
}
