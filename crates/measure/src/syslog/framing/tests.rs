//! Framing as senders do it, and as they get it wrong.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// The messages of a stream that arrives in these pieces, then ends.
fn messages(pieces: &[&[u8]], framing: Framing) -> (Vec<(Vec<u8>, bool)>, u64) {
    checks::messages(pieces.iter().copied(), framing)
}

fn texts(pieces: &[&[u8]]) -> Vec<String> {
    let (found, _) = messages(pieces, Framing::Stream);
    found.into_iter().map(|(bytes, _)| String::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn both_framings_are_told_apart_message_by_message() {
    assert_eq!(texts(&[b"<13>one\n<13>two\n"]), ["<13>one", "<13>two"]);
    assert_eq!(texts(&[b"7 <13>one9 <13>t\nwo"]), ["<13>one", "<13>t\nwo"]);
    assert_eq!(texts(&[b"7 <13>one\n<13>two\r\n8 <13>four"]), ["<13>one", "<13>two", "<13>four"]);
    assert_eq!(texts(&[b"2026 Nov 1 12:00:00 sw1 text\n"]), ["2026 Nov 1 12:00:00 sw1 text"]);
    assert_eq!(texts(&[b"1234567 <13>x\n"]), ["1234567 <13>x"]);
    assert_eq!(texts(&[b"07 <13>one\n"]), ["07 <13>one"]);
}

#[test]
fn what_is_left_at_the_end_is_a_message_too() {
    assert_eq!(texts(&[b"<13>one\n<13>tw"]), ["<13>one", "<13>tw"]);
    assert_eq!(texts(&[b"12"]), ["12"]);
    let (found, _) = messages(&[b"99 <13>half"], Framing::Stream);
    assert_eq!(found, [(b"<13>half".to_vec(), true)]);
}

#[test]
fn nothing_but_separators_is_no_message() {
    assert_eq!(texts(&[b"\n\r\n\0\n<13>x\0\n"]), ["<13>x"]);
}

#[test]
fn a_count_that_is_too_small_costs_one_message_and_is_counted() {
    let (found, lies) = messages(&[b"5 <13>hello world\n<13>next\n"], Framing::Stream);
    let found: Vec<&[u8]> = found.iter().map(|(bytes, _)| &bytes[..]).collect();
    assert_eq!(found, [&b"<13>h"[..], b"ello world", b"<13>next"]);
    assert_eq!(lies, 1);
}

#[test]
fn a_count_that_is_too_large_swallows_no_more_than_it_says() {
    let (found, lies) = messages(&[b"12 <13>one\n<13>two\n<13>three\n"], Framing::Stream);
    let found: Vec<&[u8]> = found.iter().map(|(bytes, _)| &bytes[..]).collect();
    assert_eq!(found, [&b"<13>one\n<13>"[..], b"two", b"<13>three"]);
    assert_eq!(lies, 1);
}

#[test]
fn a_message_that_is_too_long_is_cut_and_the_next_one_is_whole() {
    let long = vec![b'x'; MAX_LINE + 1000];
    let mut lines = long.clone();
    lines.extend_from_slice(b"\n<13>next\n");
    let mut counted = format!("{} <", long.len() + 1).into_bytes();
    counted.extend_from_slice(&long);
    counted.extend_from_slice(b"10 <13>next\n\n");
    for stream in [lines, counted] {
        let (found, _) = messages(&stream.chunks(1000).collect::<Vec<_>>(), Framing::Stream);
        assert_eq!((found[0].0.len(), found[0].1), (MAX_LINE, true));
        assert_eq!(found[1], (b"<13>next".to_vec(), false));
        assert_eq!(found.len(), 2);
    }
}

#[test]
fn digits_at_the_start_of_a_files_line_are_no_count() {
    let (found, _) = messages(&[b"7 <13>one more\n"], Framing::Lines);
    assert_eq!(found, [(b"7 <13>one more".to_vec(), false)]);
}

#[test]
fn messages_glued_in_a_datagram_are_taken_apart_and_only_those() {
    let split = |bytes: &[u8]| {
        let mut found = Vec::new();
        split_datagram(bytes, |message, glued| {
            let mark = if glued { "+" } else { "" };
            found.push(format!("{mark}{}", String::from_utf8(message.to_vec()).unwrap()));
        });
        found
    };
    assert_eq!(split(b"<13>one\n<14>two\r\n<191>three\n"), ["<13>one", "<14>two", "<191>three"]);
    assert_eq!(split(b"<13>one\ntwo\n<x>\n<192>\n<1"), ["<13>one\ntwo\n<x>\n<192>\n<1"]);
    assert_eq!(split(b"<13>audit<166> x"), ["<13>audit<166> x"]);
    assert_eq!(split(b"<13>text\0"), ["<13>text"]);
    assert!(split(b"\n\0").is_empty());
    let user = b"<13>sw1 sshd: Invalid user x<187>Nov 23 05:00:00 sw2 %A-3-B: y\n<13>two";
    assert_eq!(split(user)[1..], ["+<187>Nov 23 05:00:00 sw2 %A-3-B: y", "<13>two"]);
}

proptest! {
    #[test]
    fn how_a_stream_is_cut_into_reads_changes_nothing(
        bytes in proptest::collection::vec(prop::sample::select(b"<13>ab 0129\n".to_vec()), 0..200),
        lengths: [u8; 4],
    ) {
        checks::stream(&[&lengths[..], &bytes].concat());
        for size in 1..20 {
            let pieces = bytes.chunks(size).collect::<Vec<_>>();
            let whole = messages(&[&bytes], Framing::Stream);
            prop_assert_eq!(messages(&pieces, Framing::Stream), whole);
        }
    }

    #[test]
    fn counted_messages_come_out_as_they_went_in(
        texts in proptest::collection::vec("[a-z<>0-9\n ]{0,40}[a-z]", 1..20),
    ) {
        let sent: Vec<String> = texts.iter().map(|text| format!("<13>{text}")).collect();
        let mut stream = String::new();
        for text in &sent {
            write!(stream, "{} {text}", text.len()).unwrap();
        }
        let (found, lies) = messages(&[stream.as_bytes()], Framing::Stream);
        let found: Vec<String> =
            found.into_iter().map(|(bytes, _)| String::from_utf8(bytes).unwrap()).collect();
        prop_assert_eq!(found, sent);
        prop_assert_eq!(lies, 0);
    }
}
