//! How samples become bytes and come back: pure functions over slices, no I/O. Every decoder takes bytes
//! from a disk that may lie, and answers with an error instead of a panic.

pub(crate) mod checksum;
pub(crate) mod chunk;
mod column;
pub(crate) mod journal;
pub(crate) mod points;
pub(crate) mod rollup;
pub(crate) mod scalar;
pub(crate) mod varint;

/// Bytes that do not decode, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);
