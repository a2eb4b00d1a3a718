//! A checksum before each blob: what comes back from the disk is what was written, or an error.

use xxhash_rust::xxh3::xxh3_64;

use super::Malformed;

/// Bytes of a checksum.
pub(crate) const LENGTH: usize = 4;

/// The low half of the XXH3-64 of a body, little endian.
pub(crate) fn of(body: &[u8]) -> [u8; LENGTH] {
    (xxh3_64(body) as u32).to_le_bytes()
}

/// A body behind its checksum.
pub(crate) fn seal(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH + body.len());
    bytes.extend_from_slice(&of(body));
    bytes.extend_from_slice(body);
    bytes
}

/// The body, if its checksum is right.
pub(crate) fn open(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let (sum, body) = bytes.split_first_chunk().ok_or(Malformed("the checksum is cut off"))?;
    if *sum != of(body) {
        return Err(Malformed("the checksum is wrong"));
    }
    Ok(body)
}
