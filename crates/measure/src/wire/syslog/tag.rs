//! The process that speaks on a device, as it stands before its text: `sshd[1066]:`. It reads a word by its form; it
//! knows no single process.

use super::scan::{Scan, class, is_blank, text};

/// Process and number: `sshd[1066]:`, `STP:`, `hx : `.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'l> {
    pub(super) name: &'l str,
    pub(super) pid: Option<&'l str>,
    /// What stands behind it.
    pub(super) after: &'l [u8],
}

/// Longest name of a process.
pub(super) const LONGEST: usize = 64;

/// Reads the process at the cursor.
pub(super) fn read(mut scan: Scan<'_>) -> Option<Tag<'_>> {
    scan.blanks();
    let start = scan.rest;
    let mut name = scan.take_while(|byte| !class::is(byte, class::TAG_END));
    // Which of several it is, or its system: `dot1x-proc:1[8869]:`, `CUSTOMER:rpd[2902]:`.
    if scan.peek() == b':' && scan.peek_at(1).is_ascii_alphanumeric() {
        let mut whole = scan;
        whole.skip(1);
        whole.take_while(|byte| !class::is(byte, class::TAG_END));
        if whole.peek() == b'[' {
            name = &start[..start.len() - whole.rest.len()];
            scan = whole;
        }
    }
    if name.is_empty() || name.len() > LONGEST || matches!(name[0], b'%' | b'<' | b'(') {
        return None;
    }
    let mut pid = None;
    if scan.eat(b'[') {
        pid = text(scan.take_while(|byte| !is_blank(byte) && byte != b']'));
        if !scan.eat(b']') {
            return None;
        }
    }
    let mut colon = scan;
    let apart = colon.blanks() == 1;
    let known = if colon.eat(b':') {
        let next = colon.peek();
        (!apart || is_blank(next))
            && (is_blank(next) || matches!(next, 0 | b'[' | b'%' | b'\n') || pid.is_some())
    } else {
        colon = scan;
        pid.is_some() && (is_blank(scan.peek()) || scan.rest.is_empty())
    };
    if !known {
        return None;
    }
    colon.blanks();
    Some(Tag { name: text(name)?, pid, after: colon.rest })
}
