//! What all detectors have learned as bytes, so that a restart goes on where it was. Bytes of another
//! version or with damage are refused: the caller then replays samples, which is slower and as good.

use model::SeriesId;
use xxhash_rust::xxh3::xxh3_64;

use crate::bytes::{Reader, Writer};
use crate::detector::Detector;

/// Opens each snapshot.
const MAGIC: [u8; 4] = *b"NMDT";
/// Raised whenever the order or the meaning of what is written changes.
const VERSION: u32 = 3;

/// Why a snapshot was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is no snapshot at all.
    #[error("these bytes are no snapshot of the detectors")]
    Foreign,
    /// It was written by another release.
    #[error("the snapshot of the detectors has version {found}; this release reads {VERSION}")]
    Version {
        /// The version of the bytes.
        found: u32,
    },
    /// It is cut short, or some of it was changed.
    #[error("the snapshot of the detectors is damaged")]
    Damaged,
}

/// Writes a snapshot: magic, version, number of series, each series, XXH3-64 of all before.
pub(crate) fn write<'a>(
    series: impl ExactSizeIterator<Item = (SeriesId, &'a Detector)>,
) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(MAGIC);
    out.u32(VERSION);
    out.u32(series.len() as u32);
    for (id, detector) in series {
        out.bytes(id.to_bytes());
        detector.save(&mut out);
    }
    let sum = xxh3_64(&out.0);
    out.bytes(sum.to_le_bytes());
    out.0
}

/// Hands each series of a snapshot to `take`; all of it was checked before the first.
pub(crate) fn read(
    bytes: &[u8],
    mut take: impl FnMut(SeriesId, Detector),
) -> Result<(), SnapshotError> {
    let mut head = Reader(bytes);
    if head.bytes() != Some(MAGIC) {
        return Err(SnapshotError::Foreign);
    }
    let found = head.u32().ok_or(SnapshotError::Damaged)?;
    if found != VERSION {
        return Err(SnapshotError::Version { found });
    }
    let (body, sum) = bytes.split_last_chunk().ok_or(SnapshotError::Damaged)?;
    if xxh3_64(body) != u64::from_le_bytes(*sum) {
        return Err(SnapshotError::Damaged);
    }
    let mut body = Reader(&body[MAGIC.len() + size_of::<u32>()..]);
    let count = body.u32().ok_or(SnapshotError::Damaged)?;
    for _ in 0..count {
        let id = body.bytes().map(SeriesId::from_bytes).ok_or(SnapshotError::Damaged)?;
        take(id, Detector::load(&mut body).ok_or(SnapshotError::Damaged)?);
    }
    if body.0.is_empty() { Ok(()) } else { Err(SnapshotError::Damaged) }
}
