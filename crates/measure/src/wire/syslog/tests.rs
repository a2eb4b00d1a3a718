//! Tests of the parser: real lines with what they say, and what must hold for every input.

use std::ops::Range;

use model::UnixMs;

use super::*;

/// 2026-11-22 00:00 UTC.
const RECEIVED: UnixMs = UnixMs(1_795_305_600_000);

/// Real lines, each followed by `= format | device | relay | app | code | norm`, `-` where the line does
/// not say; `#` names where the lines come from.
const LINES: &str = include_str!("tests/lines.txt");
/// Made-up ones, followed by `= device | code | severity`.
const VARIANTS: &str = include_str!("tests/variants.txt");
/// The folder of further ones in batches, followed by `= device | code | severity`; what they say was written down before
/// the parser saw them.
const UNSEEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/syslog/tests/unseen");

fn unseen() -> Vec<Example> {
    let files = std::fs::read_dir(UNSEEN).unwrap().map(|file| file.unwrap().path());
    let batch = |path| {
        let found = examples(&std::fs::read_to_string(&path).unwrap());
        assert!(!found.is_empty(), "{path:?} holds no line");
        found
    };
    let unseen: Vec<_> = files.flat_map(batch).collect();
    assert!(!unseen.is_empty(), "there are no batches");
    unseen
}

/// A line of the file and what it must say.
struct Example {
    number: usize,
    line: String,
    expected: String,
}

fn examples(text: &str) -> Vec<Example> {
    let mut lines =
        text.lines().enumerate().filter(|(_, line)| !line.starts_with("# ") && !line.is_empty());
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
    all_say(&examples(LINES), said);
}

#[test]
fn lines_that_were_never_seen_say_who_spoke_which_message_it_is_and_how_severe() {
    all_say(&unseen(), said_in_short);
}

#[test]
fn forms_put_together_from_known_parts_say_it_too() {
    all_say(&examples(VARIANTS), said_in_short);
}

/// `device | code | severity`.
fn said_in_short(line: &[u8]) -> String {
    let record = parse(line, RECEIVED);
    let severity = record.severity().map_or("-".to_owned(), |severity| severity.to_string());
    let code = record.code.map_or("-", |code| code.printed);
    format!("{} | {code} | {severity}", record.device.unwrap_or("-"))
}

/// Checks that each line says what is expected of it.
fn all_say(examples: &[Example], said: impl Fn(&[u8]) -> String) {
    let wrong: Vec<String> = examples
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
fn a_relay_s_header_before_a_line_changes_neither_host_nor_code() {
    // With a time of its own or without: then it is the line's priority that shows a relay.
    let relays = [
        (true, "relay-7.example.net", "<13>Nov 22 10:00:00 relay-7.example.net "),
        (true, "10.9.9.9", "2026-11-22T10:00:00.123456+01:00 10.9.9.9 "),
        (true, "relay-7.example.net", "<13>1 2026-11-22T10:00:00Z relay-7.example.net - - - - "),
        (false, "172.25.0.1", "<13>1 2026-11-22T10:00:00Z relay-7.example.net - - - - 172.25.0.1 "),
        (false, "10.9.9.9", "10.9.9.9 "),
    ];
    for example in unseen().into_iter().chain(examples(LINES)) {
        let plain = parse(example.line.as_bytes(), RECEIVED);
        if plain.priority.is_none() {
            continue;
        }
        for (timed, relay, header) in relays {
            if !timed && !example.line.starts_with('<') {
                continue;
            }
            let line = format!("{header}{}", example.line);
            let record = parse(line.as_bytes(), RECEIVED);
            let code = |record: &Record<'_>| record.code.map(|code| code.printed.to_owned());
            assert_eq!(record.device, plain.device.or(Some(relay)), "{line}");
            assert_eq!(code(&record), code(&plain), "{line}");
            assert_eq!(record.severity(), plain.severity(), "{line}");
        }
    }
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
        b"x <13>x",
        b"2026-04-17 18:16:57 [a] b <13>2026-04-17 18:16:57 [a] b <13>2026-04-17 18:16:57 [a] b <13>2026-04-17 18:16:57 [a] b <13>2026-04-17 18:16:57 [a] b <13>x",
    ] {
        let record = parse(line, RECEIVED);
        assert!(line.starts_with(record.raw), "{line:?}");
    }
    let long = [b"<189>Nov 14 08:30:56 sw1 %A-1-B: ".as_slice(), &vec![0xff; 65_536]].concat();
    let record = parse(&long, RECEIVED);
    assert_eq!((record.device, record.message.len()), (Some("sw1"), 65_536));
}

#[test]
fn a_host_behind_many_slots_is_none_and_costs_no_more_than_another_word() {
    for (slots, device) in [(1, Some("edge-1")), (2, None), (100_000, None)] {
        let line = format!("<13>Nov 14 08:30:56 {}edge-1 app: text", "slot1/".repeat(slots));
        assert_eq!(parse(line.as_bytes(), RECEIVED).device, device, "{slots} slots");
    }
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
fn what_a_relay_tells_of_several_messages_at_once_is_the_message_and_their_number() {
    let told = b"<187>Nov 22 02:00:00 sw1 %LINK-3-UPDOWN:  message repeated 3 times: [ Interface Gi0/1, changed state to down]";
    let record = parse(told, RECEIVED);
    assert_eq!(
        (record.repeated, record.message),
        (3, &b"Interface Gi0/1, changed state to down"[..])
    );
    // Within itself it is text: what comes from the network does not decide how deep we go.
    let line = b"<27>Nov 22 02:00:00 srv1 a[1]: message repeated 2 times: [ message repeated 9 times: [ x]]";
    let record = parse(line, RECEIVED);
    assert_eq!((record.repeated, record.message), (2, &b"message repeated 9 times: [ x]"[..]));
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

/// A small generator, so that one seed shrinks well and tells the whole change.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// Another character of the same kind.
    fn like(&mut self, c: char) -> char {
        let (first, n) = match c {
            '0'..='9' => (b'0', 10),
            'A'..='Z' => (b'A', 26),
            'a'..='z' => (b'a', 26),
            _ => return c,
        };
        char::from(first + self.below(n) as u8)
    }

    fn host(&mut self) -> String {
        match self.below(4) {
            0 => format!("10.{}.{}.{}", self.below(256), self.below(256), 1 + self.below(250)),
            1 => format!("sw-{}.site{}.example.net", self.below(100), self.below(9)),
            2 => format!("{}R{}-core", self.below(9), self.below(1000)),
            _ => format!("edge{}_{}", self.below(90), self.below(90)),
        }
    }

    /// Another code of the same grammar: severities and fixed words stay.
    fn code(&mut self, code: &str) -> String {
        let separator = ['/', ':'].into_iter().find(|&one| code.contains(one)).unwrap_or('-');
        let fixed = |part: &str| {
            let word = matches!(
                part,
                "ASA"
                    | "FTD"
                    | "PIX"
                    | "FWSM"
                    | "WARNING"
                    | "MAJOR"
                    | "MINOR"
                    | "CRITICAL"
                    | "CLEARED"
                    | "Viptela"
                    | "INFO"
                    | "UC_AUDITLOG"
            );
            part.len() == 1 || word
        };
        // Letters before a colon are hexadecimal digits.
        let may = |c: char| separator != ':' || c.is_ascii_digit();
        let parts = code.split(separator).map(|part| {
            loop {
                let like = |c| if may(c) { self.like(c) } else { c };
                let other: String = part.chars().map(like).collect();
                if fixed(part) {
                    return part.to_owned();
                }
                // A word by which another maker is known would make it another code.
                if !fixed(&other) && !code::is_junos_facility(&other) {
                    return other;
                }
            }
        });
        parts.collect::<Vec<String>>().join(&separator.to_string())
    }
}

/// Where a part of a line lies in it.
fn span(line: &str, part: &[u8]) -> Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr() as usize - line.as_ptr() as usize;
    start..start + part.len()
}

impl Example {
    /// The line with another host, another code and other digits in its text, and the host and code that it
    /// has now.
    fn changed(&self, dice: &mut Dice) -> (String, String, String) {
        let record = parse(self.line.as_bytes(), RECEIVED);
        let (format, app) = (record.format, record.app.unwrap_or_default());
        let (device, code) = (record.device.unwrap_or("-"), record.code.map(|code| code.printed));
        let (mut line, mut host, mut code) =
            (self.line.clone(), device.to_owned(), code.unwrap_or("-").to_owned());
        if device != "-" {
            host = dice.host();
            line = line.replace(device, &host);
            // A firewall names itself in a field, too, without its domain.
            if let Some((short, _)) = device.split_once('.').filter(|_| format == Format::PanOs) {
                line = line.replace(&format!(",{short}"), &format!(",{host}"));
            }
            // Viptela's codes hold the host.
            code = if format == Format::Viptela { code.replace(device, &host) } else { code };
        }
        // The types of PAN-OS are a closed list.
        let is_closed = format == Format::Viptela || (format == Format::PanOs && code == app);
        if code != "-" && !is_closed {
            let printed = parse(line.as_bytes(), RECEIVED).code.map(|code| code.printed);
            let printed = printed.unwrap_or_else(|| panic!("{}: no code: {line}", self.number));
            let at = span(&line, printed.as_bytes());
            code = dice.code(&code);
            line.replace_range(at, &code);
        }
        // Host and code may stand in the text itself, and stay.
        let record = parse(line.as_bytes(), RECEIVED);
        let kept = [record.device, record.code.map(|code| code.printed)];
        let kept = kept.map(|part| part.map_or(0..0, |part| span(&line, part.as_bytes())));
        let text = span(&line, record.message);
        let changed = line.char_indices().map(|(at, c)| {
            let may = c.is_ascii_digit()
                && text.contains(&at)
                && !kept.iter().any(|part| part.contains(&at));
            if may { dice.like(c) } else { c }
        });
        (changed.collect(), host, code)
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn another_host_code_or_text_in_the_same_header_is_read_as_well(seed: u64) {
        let mut dice = Dice(seed);
        for example in unseen().into_iter().chain(examples(LINES)) {
            let (line, host, code) = example.changed(&mut dice);
            let record = parse(line.as_bytes(), RECEIVED);
            let said = (record.device.unwrap_or("-"), record.code.map_or("-", |code| code.printed));
            proptest::prop_assert_eq!(said, (host.as_str(), code.as_str()), "{}: {}", example.number, line);
        }
    }

    #[test]
    fn a_year_left_out_is_the_nearest_of_all(received in 0_i64..4_000_000_000, month in 0_usize..12, day in 1_u8..=28, hour in 0_u8..24) {
        const NAMES: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let received = UnixMs(received * 1000);
        let line = format!("<13>{} {day:2} {hour:02}:30:00 sw1 x", NAMES[month]);
        let Some(DeviceTime::Wall(stamp)) = parse(line.as_bytes(), received).time else {
            panic!("{line}: no time")
        };
        let distance = |year: i16| Stamp { year, ..stamp }.unix().0.abs_diff(received.0);
        for year in [stamp.year - 2, stamp.year - 1, stamp.year + 1, stamp.year + 2] {
            proptest::prop_assert!(distance(stamp.year) <= distance(year), "{} {:?}", line, received);
        }
    }

    #[test]
    fn pieces_of_lines_put_together_yield_parts_of_themselves(seed: u64) {
        let mut dice = Dice(seed);
        let lines: Vec<_> = unseen().into_iter().chain(examples(LINES)).map(|one| one.line).collect();
        for _ in 0..200 {
            let mut piece = || {
                let line = lines[dice.below(lines.len() as u64) as usize].as_bytes();
                let end = 1 + dice.below(line.len() as u64) as usize;
                &line[dice.below(end as u64) as usize..end]
            };
            let line = [piece(), piece(), piece()].concat();
            let record = parse(&line, RECEIVED);
            let message = record.message.as_ptr_range();
            let inside = record.message.is_empty()
                || (line.as_ptr_range().contains(&message.start) && message.end <= line.as_ptr_range().end);
            proptest::prop_assert!(inside, "{:?}", String::from_utf8_lossy(&line));
        }
    }

    #[test]
    fn every_input_yields_parts_of_itself(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let record = parse(&bytes, RECEIVED);
        let within = |part: &[u8]| part.is_empty() || bytes.windows(part.len()).any(|window| window == part);
        proptest::prop_assert!(within(record.message) && within(record.raw) && within(record.structured));
        let parts: usize = split(&bytes).map(<[u8]>::len).sum();
        proptest::prop_assert_eq!(parts, bytes.len());
    }
}
