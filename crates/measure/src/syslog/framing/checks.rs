//! What must hold for the messages that a stream is cut into, wherever its reads end. Shared by the tests and the fuzz
//! target `syslog_frames`.

use model::MAX_LINE;

use super::{Framer, Framing};

/// A stream in one piece, and in pieces of the lengths that the first bytes tell: the messages are the same. It
/// is repeated, so that messages that are too long are tried as well.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((&[repeats, lengths @ ..], text)) = bytes.split_first_chunk::<4>() else { return };
    let text = text.repeat(1 + usize::from(repeats % 32));
    for framing in [Framing::Lines, Framing::Stream] {
        let mut lengths = lengths.iter().cycle();
        let mut left = &text[..];
        let pieces = std::iter::from_fn(|| {
            let length = lengths.next().map_or(1, |&length| 1 + 16 * usize::from(length));
            let (piece, rest) = left.split_at(length.min(left.len()));
            left = rest;
            (!piece.is_empty()).then_some(piece)
        });
        assert_eq!(messages(pieces, framing), messages(std::iter::once(&text[..]), framing));
    }
}

/// All messages of a stream that arrives in these pieces and then ends, whether each was cut, and how many octet
/// counts lied.
pub(super) fn messages<'b>(
    pieces: impl Iterator<Item = &'b [u8]>,
    framing: Framing,
) -> (Vec<(Vec<u8>, bool)>, u64) {
    let mut framer = Framer::new(framing);
    let (mut pending, mut found) = (Vec::new(), Vec::new());
    for piece in pieces {
        pending.extend_from_slice(piece);
        let used = framer.cut(&pending, |piece| {
            found.push((pending[piece.range.clone()].to_vec(), piece.cut));
        });
        pending.drain(..used);
        assert!(pending.len() <= MAX_LINE + 8, "{} bytes are kept", pending.len());
    }
    framer.finish(&pending, |piece| {
        found.push((pending[piece.range.clone()].to_vec(), piece.cut));
    });
    assert!(found.iter().all(|(message, _)| (1..=MAX_LINE).contains(&message.len())));
    (found, framer.lies())
}
