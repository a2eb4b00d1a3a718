//! Random numbers of the kernel, and how they are written. Nothing else.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};

/// Random bytes.
///
/// # Errors
/// `/dev/urandom` cannot be read.
pub(crate) fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Two hexadecimal digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes every write");
    }
    text
}
