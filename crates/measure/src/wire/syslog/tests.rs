//! Tests of the parser: real lines with what they say, and what must hold for every input.

use model::UnixMs;

use super::*;

/// 2026-11-22 00:00 UTC.
const RECEIVED: UnixMs = UnixMs(1_795_305_600_000);

/// Real lines, each followed by `= format | device | relay | app | code | norm`, `-` where the line does
/// not say; `#` names where the lines come from.
const LINES: &str = include_str!("tests/lines.txt");

/// A line of the file and what it must say.
struct Example {
    number: usize,
    line: String,
    expected: String,
}

fn examples() -> Vec<Example> {
    let mut lines =
        LINES.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    let mut examples = Vec::new();
    while let Some((number, line)) = lines.next() {
        let expected = lines.next().and_then(|(_, line)| line.strip_prefix("= "));
        let expected = expected.unwrap_or_else(|| panic!("line {}: nothing expected", number + 1));
        let line = line.replace("\\t", "\t");
        examples.push(Example { number: number + 1, line, expected: expected.to_owned() });
    }
    examples
}

fn said(line: &[u8]) -> String {
    let record = parse(line, RECEIVED);
    let or_dash = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let code = record.code.map(|code| (code.printed.to_owned(), code.norm().concat()));
    let (printed, norm) = code.unwrap_or_else(|| ("-".to_owned(), "-".to_owned()));
    let format = record.format.as_str();
    let (device, relay, app) = (or_dash(record.device), or_dash(record.relay), or_dash(record.app));
    let norm = if norm == printed { String::new() } else { format!(" | {norm}") };
    format!("{format} | {device} | {relay} | {app} | {printed}{norm}")
}

#[test]
fn real_lines_say_who_spoke_and_which_message_it_is() {
    let wrong: Vec<String> = examples()
        .iter()
        .filter_map(|example| {
            let said = said(example.line.as_bytes());
            let Example { number, line, expected } = example;
            (said != *expected)
                .then(|| format!("{number}: {line}\n  want {expected}\n  got  {said}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn any_bytes_yield_a_record_that_lies_within_them() {
    for line in [
        &b""[..],
        b"\0\0",
        b"<",
        b"<1",
        b"<192>x",
        b"<0>",
        b"\xEF\xBB\xBF<13>\xEF\xBB\xBF",
        b"\x1b[31m<13>x",
    ] {
        let record = parse(line, RECEIVED);
        assert!(line.starts_with(record.raw), "{line:?}");
    }
    let long = [b"<189>Nov 14 08:30:56 sw1 %A-1-B: ".as_slice(), &vec![0xff; 65_536]].concat();
    let record = parse(&long, RECEIVED);
    assert_eq!((record.device, record.message.len()), (Some("sw1"), 65_536));
}

#[test]
fn a_year_left_out_is_the_one_nearest_to_the_receipt() {
    let year = |line: &str, received: &str| {
        let mut scan = Scan::new(received.as_bytes());
        let Some(DeviceTime::Wall(received)) = stamp::read(&mut scan, UnixMs(0)) else {
            panic!("{received}")
        };
        let record = parse(line.as_bytes(), received.unix());
        let Some(DeviceTime::Wall(stamp)) = record.time else { panic!("{line}: no time") };
        (stamp.year, record.quality().as_str())
    };
    assert_eq!(year("<13>Dec 31 23:59:59 sw1 x", "2027-01-01T00:00:02Z"), (2026, "no_year"));
    assert_eq!(year("<13>Jan  1 00:00:01 sw1 x", "2026-12-31T23:59:59Z"), (2027, "no_year"));
    assert_eq!(year("<13>Feb 29 12:00:00 sw1 x", "2025-03-01T00:00:00Z"), (2024, "no_year"));
    assert_eq!(year("<13>Feb 29 12:00:00 sw1 x", "2028-03-01T00:00:00Z"), (2028, "no_year"));
    assert_eq!(year("<13>2099 Apr  2 14:25:06 UTC sw1 x", "2026-03-01T00:00:00Z"), (2099, "exact"));
    assert_eq!(year("<13>2015 Apr  2 14:25:06 sw1 x", "2026-03-01T00:00:00Z"), (2015, "no_zone"));
    assert_eq!(
        year("<13>*Apr  2 2015 14:25:06 UTC: %A-1-B: x", "2026-03-01T00:00:00Z"),
        (2015, "unsynced")
    );
}

#[test]
fn an_uptime_is_kept_as_it_was_printed() {
    for clock in ["2y10w", "1w2d", "3d04h", "00:01:01"] {
        let line = format!("<165>7433: sw1: 7439: {clock}: %SYS-5-RESTART: System restarted");
        let record = parse(line.as_bytes(), RECEIVED);
        assert_eq!(record.time, Some(DeviceTime::Uptime(clock.as_bytes())), "{line}");
        assert_eq!((record.device, record.seq), (Some("sw1"), Some(7439)), "{line}");
    }
}

#[test]
fn a_trusted_relay_is_believed_and_a_strange_one_is_not() {
    let line = b"<13>Apr 29 13:58:46 10.0.0.5 521: router1: *Nov 14 08:30:56.699: %LINK-3-UPDOWN: Interface Gi1, changed state to down";
    let record = parse(line, RECEIVED);
    assert_eq!((record.host(false), record.host(true)), (Some("router1"), Some("10.0.0.5")));
    let record = parse(b"<13>Apr 29 13:58:46 sw1 %LINK-3-UPDOWN: Interface Gi1, down", RECEIVED);
    assert_eq!((record.host(false), record.host(true)), (Some("sw1"), Some("sw1")));
}

#[test]
fn two_messages_glued_in_one_datagram_come_apart_and_text_in_brackets_does_not() {
    let parts = |datagram: &'static str| {
        let parts = split(datagram.as_bytes()).map(|part| std::str::from_utf8(part).unwrap());
        parts.collect::<Vec<_>>()
    };
    assert_eq!(parts("<13>a\n<14>b\n"), ["<13>a\n", "<14>b\n"]);
    assert_eq!(
        parts("<189>1: r1: *Nov 14 08:30:56: %A-1-B: x<189>2: r1: *Nov 14 08:30:57: %A-1-B: y")
            .len(),
        2
    );
    assert_eq!(
        parts("<166> Apr 29 13:58:46 h a10logd: [audit log]<166> Partition: shared").len(),
        1
    );
    assert_eq!(parts("<13>first line\n  second line"), ["<13>first line\n  second line"]);
    assert_eq!(parts(""), [""]);
}
