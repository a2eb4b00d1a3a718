//! Headers that users describe, for devices whose lines the grammar of `header` does not read: templates that
//! are tried before it. They read in one pass, copy nothing, and may refuse a line, which is then read as ever.

use model::UnixMs;

use super::code::Code;
use super::record::{Format, Record};
use super::scan::{Scan, text};
use super::template::TemplateError;
use super::{host, stamp};

/// What stands in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Skip,
    Time,
    Device,
    Relay,
    App,
    Pid,
    Seq,
    Code,
    Severity,
    Message,
}

impl Slot {
    const NAMED: [(&str, Self); 10] = [
        ("_", Self::Skip),
        ("time", Self::Time),
        ("device", Self::Device),
        ("relay", Self::Relay),
        ("app", Self::App),
        ("pid", Self::Pid),
        ("seq", Self::Seq),
        ("code", Self::Code),
        ("severity", Self::Severity),
        ("message", Self::Message),
    ];
}

#[derive(Clone, Debug)]
enum Part {
    /// Exactly this.
    Literal(Box<[u8]>),
    /// A word, or with `text` anything, up to what follows; a time as far as it goes.
    Slot { slot: Slot, text: bool },
}

/// A header as a template: `{time} [{device}] {app}/{pid} #{code}: {message...}`, behind the priority.
#[derive(Clone, Debug)]
pub struct HeaderFormat {
    parts: Vec<Part>,
}

impl HeaderFormat {
    /// The names between braces.
    pub fn slots() -> impl Iterator<Item = &'static str> {
        Slot::NAMED.into_iter().map(|(name, _)| name)
    }

    /// Compiles `text` with `{name}`, a word; `{name...}`, any text up to what follows.
    ///
    /// # Errors
    /// What is wrong with it, and where: an unknown name, a name that stands twice, two with nothing between
    /// them, a brace without its end, or a template in which nothing is fixed, which would fit any line.
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let error = |at, what: String| Err(TemplateError { at, what });
        let mut parts = Vec::new();
        let mut taken = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let Some(inner) = rest.strip_prefix('{') else {
                let end = rest.find('{').unwrap_or(rest.len());
                parts.push(Part::Literal(rest.as_bytes()[..end].into()));
                at += end;
                continue;
            };
            let Some(end) = inner.find('}') else {
                return error(at, "the brace is not closed".to_owned());
            };
            if matches!(parts.last(), Some(Part::Slot { .. })) {
                let what = "nothing stands between two fields, so they cannot be told apart";
                return error(at, what.to_owned());
            }
            let (name, is_text) = match inner[..end].strip_suffix("...") {
                Some(name) => (if name.is_empty() { "_" } else { name }, true),
                None => (&inner[..end], false),
            };
            let Some((_, slot)) = Slot::NAMED.into_iter().find(|(known, _)| *known == name) else {
                return error(at + 1, format!("no field of a header is named `{name}`"));
            };
            if slot != Slot::Skip && taken.contains(&slot) {
                return error(at + 1, format!("`{name}` stands twice"));
            }
            taken.push(slot);
            parts.push(Part::Slot { slot, text: is_text });
            at += end + 2;
        }
        let fixed = parts.iter().any(|part| match part {
            Part::Literal(literal) => literal.iter().any(|byte| !byte.is_ascii_whitespace()),
            Part::Slot { slot, .. } => *slot == Slot::Time,
        });
        if !fixed {
            let what =
                "nothing in it is fixed, so that it would fit any line: give a `{time}` or a mark";
            return error(0, what.to_owned());
        }
        Ok(Self { parts })
    }

    /// Reads a line behind its priority; whether it is one of these.
    pub(super) fn read<'l>(
        &self,
        record: &mut Record<'l>,
        scan: Scan<'l>,
        received: UnixMs,
    ) -> bool {
        let mut found = Record { format: Format::Custom, message: &[], ..*record };
        let mut severity = None;
        let mut scan = scan;
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            let (slot, wide) = match part {
                Part::Literal(literal) if scan.eat_all(literal) => continue,
                Part::Literal(_) => return false,
                Part::Slot { slot: Slot::Time, .. } => {
                    found.time = stamp::read(&mut scan, received);
                    if found.time.is_none() {
                        return false;
                    }
                    continue;
                }
                Part::Slot { slot, text } => (*slot, *text),
            };
            let Some(value) = take(&mut scan, wide, parts.peek()) else { return false };
            let fits = match slot {
                Slot::Skip | Slot::Time => true,
                Slot::Device => put(&mut found.device, host::name(value)),
                Slot::Relay => put(&mut found.relay, host::name(value)),
                Slot::App => put(&mut found.app, text(value)),
                Slot::Pid => put(&mut found.pid, text(value)),
                Slot::Seq => put(&mut found.seq, text(value).and_then(|seq| seq.parse().ok())),
                Slot::Code => put(&mut found.code, text(value).map(|code| Code::plain(code, None))),
                Slot::Severity => put(&mut severity, level(value)),
                Slot::Message => {
                    found.message = value;
                    true
                }
            };
            if !fits {
                return false;
            }
        }
        if found.message.is_empty() {
            found.message = scan.rest;
        }
        if let (Some(code), Some(severity)) = (&mut found.code, severity) {
            code.severity = Some(severity);
        }
        // Without a code the severity has no place but the priority: facility 1, as RFC 3164 has it.
        if found.priority.is_none() && found.code.is_none() {
            found.priority = severity.map(|severity| 8 + severity);
        }
        *record = found;
        true
    }
}

fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let fits = value.is_some();
    *place = value;
    fits
}

/// Takes a value: up to the literal that follows, else a word or the rest.
fn take<'l>(scan: &mut Scan<'l>, wide: bool, next: Option<&&Part>) -> Option<&'l [u8]> {
    let rest = scan.rest;
    let end = match next {
        Some(Part::Literal(literal)) => memchr::memmem::find(rest, literal)?,
        _ if wide => rest.len(),
        _ => rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len()),
    };
    let value = &rest[..end];
    let fits = wide || (!value.is_empty() && !value.iter().any(u8::is_ascii_whitespace));
    scan.skip(end);
    fits.then_some(value)
}

/// A severity as a digit or as a word.
fn level(word: &[u8]) -> Option<u8> {
    const WORDS: [(&str, u8); 14] = [
        ("emerg", 0),
        ("emergency", 0),
        ("alert", 1),
        ("crit", 2),
        ("critical", 2),
        ("err", 3),
        ("error", 3),
        ("warn", 4),
        ("warning", 4),
        ("notice", 5),
        ("info", 6),
        ("informational", 6),
        ("debug", 7),
        ("debugging", 7),
    ];
    match word {
        [digit @ b'0'..=b'7'] => Some(digit - b'0'),
        _ => WORDS
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, level)| *level),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_with;
    use super::*;

    const RECEIVED: UnixMs = UnixMs(1_795_305_600_000);

    #[test]
    fn a_described_header_is_read_and_other_lines_are_read_as_ever() {
        let formats = [
            HeaderFormat::new("{time} <{device}> {app}#{pid} {severity} {code} >> {message...}")
                .unwrap(),
            HeaderFormat::new("ACME|{device}|{severity}|{message...}").unwrap(),
        ];
        let read = |line: &'static str| parse_with(line.as_bytes(), RECEIVED, &formats);
        let record = read("<134>2026-11-22 10:00:00 <edge-1> bgpd#77 warning E-104 >> peer lost");
        assert_eq!((record.format, record.device), (Format::Custom, Some("edge-1")));
        assert_eq!((record.app, record.pid), (Some("bgpd"), Some("77")));
        assert_eq!(record.code.map(|code| code.printed), Some("E-104"));
        assert_eq!((record.severity(), record.message), (Some(6), &b"peer lost"[..]), "of PRI");
        let record = read("ACME|fw1|3|port 7 went down");
        assert_eq!((record.device, record.severity()), (Some("fw1"), Some(3)));
        assert_eq!(record.message, b"port 7 went down");
        for other in [
            "ACME|fw 1|3|port 7 went down",
            "ACME|fw1|9|port 7",
            "<189>Nov 14 08:30:56 sw1 %LINK-3-UPDOWN: Interface Gi1, changed state to down",
            "",
        ] {
            let (ours, theirs) = (read(other), super::super::parse(other.as_bytes(), RECEIVED));
            assert_eq!((ours.format, ours.device), (theirs.format, theirs.device), "{other}");
        }
    }

    #[test]
    fn a_template_that_cannot_be_one_is_refused_with_its_place() {
        for (template, at, what) in [
            ("{time} {hostname}", 8, "no field of a header is named `hostname`"),
            ("{time} {device", 7, "not closed"),
            ("{time}{device}", 6, "nothing stands between"),
            ("x {app} {app}", 9, "stands twice"),
            ("{device} {message...}", 0, "would fit any line"),
            ("", 0, "would fit any line"),
        ] {
            let why = HeaderFormat::new(template).unwrap_err();
            assert!(why.at == at && why.what.contains(what), "{template}: {why:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_a_template_read_beyond_it(
            line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        ) {
            let formats = [
                HeaderFormat::new("{time} {device} {app}[{pid}]: {...} {code} {message...}").unwrap(),
                HeaderFormat::new("<{_...}>{message}").unwrap(),
            ];
            let record = parse_with(&line, RECEIVED, &formats);
            let within = |part: &[u8]| {
                part.is_empty() || line.windows(part.len()).any(|window| window == part)
            };
            proptest::prop_assert!(within(record.message) && within(record.raw));
        }
    }
}
