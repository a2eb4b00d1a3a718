//! Takes apart what a sender put into one datagram. It only cuts where a new header surely begins, so no
//! message with a line break in it is torn.

use super::scan::Scan;
use super::stamp;

/// The messages of a datagram: one, mostly. A new one begins behind a line end or NUL with `<PRI>`, and
/// without any separator at a `<PRI>` that a time, or a sequence and a time, follows.
pub fn split(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(datagram);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let cut = memchr::memchr_iter(b'<', bytes)
            .skip_while(|&at| at == 0)
            .find(|&at| begins(bytes, at));
        let message = &bytes[..cut.unwrap_or(bytes.len())];
        rest = cut.map(|at| &bytes[at..]);
        Some(message)
    })
}

fn begins(bytes: &[u8], at: usize) -> bool {
    let mut scan = Scan::new(&bytes[at + 1..]);
    if scan.number(1, 3).is_none_or(|number| number > 191) || !scan.eat(b'>') {
        return false;
    }
    if matches!(bytes[at - 1], b'\n' | 0) {
        return true;
    }
    // Glued: only a header of its own shows that this is no text in angle brackets.
    if scan.peek() == b'1' && scan.peek_at(1) == b' ' && scan.peek_at(6) == b'-' {
        return true;
    }
    scan.blanks();
    let mut numbered = scan;
    let sequence = numbered.number(1, 19).is_some() && numbered.eat(b':');
    numbered.blanks();
    stamp::is_next(scan) || (sequence && (stamp::is_next(numbered) || origin(numbered)))
}

/// `router1: *Nov 14 ...` behind a sequence.
fn origin(mut scan: Scan<'_>) -> bool {
    scan.take_while(|byte| byte != b':' && byte != b' ');
    scan.eat(b':') && {
        scan.blanks();
        stamp::is_next(scan)
    }
}
