//! A stored line as JSON, the same in the archive and on the command line. Names here are a contract.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;
use store::LineView;

/// What is printed of a line.
#[derive(Serialize)]
struct View<'a> {
    /// When it was received, RFC 3339.
    received: Option<Timestamp>,
    device: &'a str,
    code: Option<&'a str>,
    severity: Option<u8>,
    /// Bytes that are not UTF-8 are shown as U+FFFD.
    raw: Cow<'a, str>,
}

/// Appends a line as one line of JSON.
pub(crate) fn stored(out: &mut Vec<u8>, line: LineView<'_>) {
    let view = View {
        received: Timestamp::from_millisecond(line.at.0).ok(),
        device: line.device,
        code: Some(line.code).filter(|code| !code.is_empty()),
        severity: line.severity,
        raw: String::from_utf8_lossy(line.raw),
    };
    serde_json::to_writer(&mut *out, &view)
        .expect("text and numbers are JSON, and memory takes it");
    out.push(b'\n');
}
