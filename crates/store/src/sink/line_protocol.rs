//! The line protocol of `InfluxDB` (docs.influxdata.com, "Line protocol reference"): a point a line,
//! `measurement,tag=value field=value timestamp`, times in milliseconds. It writes bytes and sends nothing.
//!
//! All fields are floats: an integer (`1i`) would give a field another type than network-telemetry gave
//! it, and the database would refuse one of the two for ever.

use std::io::Write as _;
use std::ops::Range;

use super::point::Point;

/// Appends `point` with its line end; `extra` are tags that all points get unless they have one of that
/// name. A point without any value is left out; returns whether it was written.
///
/// A tag's value cannot end with a backslash, since that would escape what follows: there it is left out.
/// Line ends and other control characters become spaces. An empty value means that the tag is missing.
pub fn write(out: &mut Vec<u8>, point: Point<'_>, extra: &[(String, String)]) -> bool {
    write_next(out, &mut None, point, extra)
}

/// The same for a point after others: `head` is where in `out` measurement and tags of this series stand already,
/// if they do; after it, where they stand now.
pub fn write_next(
    out: &mut Vec<u8>,
    head: &mut Option<Range<usize>>,
    point: Point<'_>,
    extra: &[(String, String)],
) -> bool {
    let start = out.len();
    if let Some(head) = head {
        out.extend_from_within(head.clone());
    } else {
        write_head(out, point, extra);
        *head = Some(start..out.len());
    }
    let mut before = b' ';
    for (field, value) in point.fields() {
        out.push(before);
        before = b',';
        escape(out, field.name, b",= ");
        out.push(b'=');
        number(out, value);
    }
    if before == b' ' {
        out.truncate(start);
        head.take_if(|head| head.end > start);
        return false;
    }
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(point.at.0).as_bytes());
    out.push(b'\n');
    true
}

fn write_head(out: &mut Vec<u8>, point: Point<'_>, extra: &[(String, String)]) {
    let subject = point.subject;
    escape(out, subject.kind.shape().measurement, b", ");
    for (name, value) in subject.tags.iter() {
        tag(out, name, value);
    }
    for (name, value) in extra {
        if subject.tags.iter().all(|(known, _)| known != name) {
            tag(out, name, value);
        }
    }
}

fn tag(out: &mut Vec<u8>, name: &str, value: &str) {
    let (name, value) = (name.trim_end_matches('\\'), value.trim_end_matches('\\'));
    if name.is_empty() || value.is_empty() {
        return;
    }
    out.push(b',');
    escape(out, name, b",= ");
    out.push(b'=');
    escape(out, value, b",= ");
}

/// Appends `text` with a backslash before each of `special`. A backslash itself stands for itself.
fn escape(out: &mut Vec<u8>, text: &str, special: &[u8]) {
    let plain = |byte: &u8| !byte.is_ascii_control() && !special.contains(byte);
    let mut rest = text.as_bytes();
    while let Some(odd) = rest.iter().position(|byte| !plain(byte)) {
        out.extend_from_slice(&rest[..odd]);
        let byte = if rest[odd].is_ascii_control() { b' ' } else { rest[odd] };
        if special.contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
        rest = &rest[odd + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends a finite number, in digits that read back as the same.
///
/// Nearly all are thousandths: whole numbers, and milliseconds that were measured in microseconds. These are
/// written several times faster than the shortest digits of any number are found.
fn number(out: &mut Vec<u8>, value: f64) {
    /// Below it a thousandth more or less makes another number.
    const MOST: f64 = 1e12;
    let thousandths = (value.abs() * 1e3).round();
    // A division is rounded as reading is: what gives `value` here is read as `value` there.
    #[expect(
        clippy::float_cmp,
        reason = "whether the digits are the same number is an exact question"
    )]
    let exact = thousandths < MOST * 1e3 && thousandths / 1e3 == value.abs();
    if !exact {
        return write!(out, "{value}").expect("a Vec takes every write");
    }
    #[expect(clippy::cast_sign_loss, reason = "it is the round of an absolute value")]
    let thousandths = thousandths as u64;
    if value < 0.0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(thousandths / 1_000).as_bytes());
    let mut part = thousandths % 1_000;
    if part > 0 {
        out.push(b'.');
    }
    let mut unit = 100;
    while part > 0 {
        out.push(b'0' + (part / unit) as u8);
        part %= unit;
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use model::UnixMs;
    use proptest::prelude::*;

    use super::super::point::{Kind, Subject};
    use super::*;

    fn line(tags: &[(&str, &str)], values: &[f64], extra: &[(&str, &str)]) -> String {
        let subject = Subject::new(Kind::Ping, tags, &[]);
        let extra: Vec<_> = extra.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let point = Point { subject: subject.view(), at: UnixMs(1_700_000_000_123), values };
        let mut out = Vec::new();
        let written = write(&mut out, point, &extra);
        assert_eq!(written, !out.is_empty());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_ping_is_written_as_network_telemetry_named_it() {
        let tags = [("region", "aws-london"), ("host", "www.example.com")];
        assert_eq!(
            line(&tags, &[1.0, 1.0, 0.0, 12.345, 12.345, 12.345, 0.25], &[]),
            "ping_rtt,host=www.example.com,region=aws-london transmitted=1,received=1,loss=0,\
             min=12.345,avg=12.345,max=12.345,jitter=0.25 1700000000123\n"
        );
        assert_eq!(
            line(&tags, &[1.0, 0.0, 100.0], &[]),
            "ping_rtt,host=www.example.com,region=aws-london transmitted=1,received=0,loss=100 \
             1700000000123\n"
        );
    }

    #[test]
    fn hostile_names_stay_one_tag_of_one_line() {
        for (typed, written) in [
            ("a b", r"a\ b"),
            ("a,b=c", r"a\,b\=c"),
            ("\"quoted\"", "\"quoted\""),
            (r"C:\dir,x", r"C:\dir\,x"),
            (r"ends\\", "ends"),
            ("two\nlines\r", r"two\ lines\ "),
            ("Zürich 東京", r"Zürich\ 東京"),
        ] {
            let expected = format!("ping_rtt,host={written} transmitted=1 1700000000123\n");
            assert_eq!(line(&[("host", typed)], &[1.0], &[]), expected);
        }
        assert_eq!(line(&[("host", "")], &[1.0], &[]), "ping_rtt transmitted=1 1700000000123\n");
    }

    #[test]
    fn tags_of_the_sink_come_after_those_of_the_point_and_never_twice() {
        let found = line(&[("host", "h")], &[1.0], &[("host", "other"), ("site", "x")]);
        assert_eq!(found, "ping_rtt,host=h,site=x transmitted=1 1700000000123\n");
    }

    #[test]
    fn what_follows_of_a_series_is_written_as_if_it_stood_alone() {
        let subject = Subject::new(Kind::Ping, &[("host", "a b")], &[]);
        let (mut together, mut alone, mut head) = (Vec::new(), Vec::new(), None);
        for (at, value) in (1..).zip([f64::NAN, 1.0, f64::NAN, 0.5]) {
            let point = Point { subject: subject.view(), at: UnixMs(at), values: &[value] };
            let written = write_next(&mut together, &mut head, point, &[]);
            assert_eq!(written, write(&mut alone, point, &[]));
        }
        let expected =
            "ping_rtt,host=a\\ b transmitted=1 2\nping_rtt,host=a\\ b transmitted=0.5 4\n";
        assert_eq!(String::from_utf8(together).unwrap(), expected);
        assert_eq!(String::from_utf8(alone).unwrap(), expected);
    }

    #[test]
    fn what_is_no_number_is_never_sent() {
        assert_eq!(line(&[], &[f64::NAN, f64::INFINITY], &[]), "");
        assert_eq!(line(&[], &[f64::NAN, 0.5], &[]), "ping_rtt received=0.5 1700000000123\n");
    }

    #[test]
    fn numbers_are_written_without_an_exponent_and_without_needless_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (100.0, "100"),
            (12.345, "12.345"),
            (0.1, "0.1"),
            (-7.05, "-7.05"),
            (0.007, "0.007"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1.5e15, "1500000000000000"),
            (1e-7, "0.0000001"),
        ] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn microseconds_read_back_as_they_were(us in -1_000_000_000_000_i64..1_000_000_000_000) {
            let value = us as f64 / 1e3;
            let mut out = Vec::new();
            number(&mut out, value);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!((text.parse::<f64>().unwrap() + 0.0).to_bits(), (value + 0.0).to_bits());
        }

        #[test]
        fn numbers_read_back_as_they_were(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let mut out = Vec::new();
            number(&mut out, value);
            let text = String::from_utf8(out).unwrap();
            prop_assert!(!text.ends_with('i'));
            // -0.0 is written as 0.
            prop_assert_eq!((text.parse::<f64>().unwrap() + 0.0).to_bits(), (value + 0.0).to_bits());
        }
    }
}
