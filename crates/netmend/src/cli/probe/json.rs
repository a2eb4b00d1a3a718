//! The machine's view: the JSON lines that `docs/probe.md` promises. Field names and their order are a
//! contract; nothing here allocates per line. The lines are written by hand: for 60,000 targets a general
//! serialiser costs as much as sending the probes.

use std::io::{self, Write};
use std::net::IpAddr;

use jiff::Timestamp;
use model::{ProbeResult, Protocol, RttStats, UnixNs};

use super::board::Board;

/// Writes the line of one target at the end.
pub(super) fn target(out: &mut impl Write, board: &Board, index: usize) -> io::Result<()> {
    let tally = &board.row(index).tally;
    let counts = tally.counts();
    out.write_all(br#"{"target":"#)?;
    string(out, board.list.name(index))?;
    out.write_all(br#","address":"#)?;
    or_null(out, board.address(index), address)?;
    out.write_all(br#","protocol":""#)?;
    protocol(out, board.protocol(index))?;
    for (key, count) in [
        (r#","sent":"#, counts.sent),
        (r#","received":"#, counts.received),
        (r#","refused":"#, counts.refused),
        (r#","lost":"#, counts.lost),
        (r#","late":"#, counts.late),
        (r#","unreachable":"#, counts.unreachable),
        (r#","unknown":"#, counts.unknown),
        (r#","duplicates":"#, counts.duplicates),
        (r#","unsent":"#, counts.unsent),
    ] {
        out.write_all(key.as_bytes())?;
        whole(out, u64::from(count))?;
    }
    out.write_all(br#","loss_pct":"#)?;
    or_null(out, counts.loss_pct(), percent)?;
    out.write_all(br#","rtt_us":"#)?;
    rtts(out, tally.rtt().as_ref())?;
    out.write_all(br#","jitter_us":"#)?;
    or_null(out, tally.jitter_ns(), micros)?;
    out.write_all(b"}\n")
}

/// Writes the line of one report, as an answer comes or a deadline passes.
pub(super) fn probe(out: &mut impl Write, board: &Board, result: &ProbeResult) -> io::Result<()> {
    let index = result.target.0 as usize;
    out.write_all(br#"{"target":"#)?;
    string(out, board.list.name(index))?;
    out.write_all(br#","address":"#)?;
    or_null(out, board.address(index), address)?;
    out.write_all(br#","round":"#)?;
    whole(out, u64::from(result.round))?;
    write!(out, r#","outcome":"{}","reason":"#, result.outcome.as_str())?;
    or_null(out, result.reason, |out, reason| string(out, &reason.to_string()))?;
    out.write_all(br#","rtt_us":"#)?;
    or_null(out, result.rtt_ns, |out, ns| micros(out, ns as f64))?;
    out.write_all(br#","sent_at":""#)?;
    rfc3339(out, result.sent_at)?;
    out.write_all(b"\"}\n")
}

/// All members are there always, null without an answer, so that a reader needs one shape only.
fn rtts(out: &mut impl Write, rtt: Option<&RttStats>) -> io::Result<()> {
    for (key, value) in [
        (r#"{"min":"#, rtt.map(|rtt| rtt.min as f64)),
        (r#","mean":"#, rtt.map(|rtt| rtt.mean)),
        (r#","max":"#, rtt.map(|rtt| rtt.max as f64)),
        (r#","p50":"#, rtt.map(|rtt| rtt.p50)),
        (r#","p90":"#, rtt.map(|rtt| rtt.p90)),
        (r#","p99":"#, rtt.map(|rtt| rtt.p99)),
        (r#","stddev":"#, rtt.map(|rtt| rtt.stddev)),
    ] {
        out.write_all(key.as_bytes())?;
        or_null(out, value, micros)?;
    }
    out.write_all(b"}")
}

fn or_null<W: Write, T>(
    out: &mut W,
    value: Option<T>,
    write: impl FnOnce(&mut W, T) -> io::Result<()>,
) -> io::Result<()> {
    match value {
        Some(value) => write(out, value),
        None => out.write_all(b"null"),
    }
}

/// A string with its quotes and whatever must be escaped.
fn string(out: &mut impl Write, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

fn address(out: &mut impl Write, address: IpAddr) -> io::Result<()> {
    let IpAddr::V4(v4) = address else { return write!(out, "\"{address}\"") };
    let mut before: &[u8] = b"\"";
    for octet in v4.octets() {
        out.write_all(before)?;
        whole(out, u64::from(octet))?;
        before = b".";
    }
    out.write_all(b"\"")
}

/// As [`Protocol`] is printed, with the quote behind it.
fn protocol(out: &mut impl Write, protocol: Protocol) -> io::Result<()> {
    match protocol {
        Protocol::Icmp => out.write_all(b"icmp\""),
        Protocol::Tcp(_) => write!(out, "{protocol}\""),
    }
}

/// Nearly all targets lose nothing.
fn percent(out: &mut impl Write, share: f64) -> io::Result<()> {
    if share <= 0.0 {
        return out.write_all(b"0.0");
    }
    serde_json::to_writer(out, &share).map_err(io::Error::from)
}

/// Nanoseconds as microseconds, rounded to the nanoseconds that are measured, in the shortest form that
/// says it is no whole number: `1000.0`, `0.25`.
fn micros(out: &mut impl Write, ns: f64) -> io::Result<()> {
    /// Up to here every whole number has its own `f64`, and a shortest form without an exponent.
    const EXACT: f64 = 9e15;
    if !(0.0..EXACT).contains(&ns) {
        return serde_json::to_writer(out, &(ns.round() / 1_000.0)).map_err(io::Error::from);
    }
    #[expect(clippy::cast_sign_loss, reason = "the range was just looked at")]
    let ns = (ns + 0.5) as u64;
    whole(out, ns / 1_000)?;
    let rest = ns % 1_000;
    let digits = [b'.', digit(rest / 100), digit(rest / 10), digit(rest)];
    let length = match rest {
        _ if rest.is_multiple_of(100) => 2,
        _ if rest.is_multiple_of(10) => 3,
        _ => 4,
    };
    out.write_all(&digits[..length])
}

fn whole(out: &mut impl Write, number: u64) -> io::Result<()> {
    // Most counts are 0 or 1.
    if number < 10 {
        return out.write_all(&[digit(number)]);
    }
    out.write_all(itoa::Buffer::new().format(number).as_bytes())
}

/// The last digit of a number.
fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

/// `2026-11-21T22:54:16.123456789Z` (RFC 3339), always with nanoseconds.
fn rfc3339(out: &mut impl Write, at: UnixNs) -> io::Result<()> {
    let at = Timestamp::from_nanosecond(i128::from(at.0)).map_err(io::Error::other)?;
    write!(out, "{at:.9}")
}

#[cfg(test)]
mod tests {
    use model::{Outcome, Reason};

    use super::super::board::tests::{board, not_found, result};
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("memory takes it");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn a_target_line_is_the_contract_to_the_letter() {
        let reports = [
            (0, 0, Outcome::Reply, 1_000),
            (0, 1, Outcome::Reply, 3_000),
            (0, 2, Outcome::Lost, 0),
            (0, 2, Outcome::Late, 1_500_000),
        ];
        let board = board(&["10.0.0.1:80"], &reports);
        assert_eq!(
            text(|out| target(out, &board, 0)),
            concat!(
                r#"{"target":"10.0.0.1:80","address":"10.0.0.1","protocol":"tcp:80","sent":3,"#,
                r#""received":2,"refused":0,"lost":0,"late":1,"unreachable":0,"unknown":0,"#,
                r#""duplicates":0,"unsent":0,"loss_pct":33.333333333333336,"#,
                r#""rtt_us":{"min":1000.0,"mean":2000.0,"max":3000.0,"p50":2000.0,"p90":2800.0,"#,
                r#""p99":2980.0,"stddev":1000.0},"jitter_us":2000.0}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_is_not_known_is_null_and_never_absent_or_zero() {
        let mut board = board(&["nowhere.example"], &[]);
        board.update(&[not_found(0, "nowhere.example: name not found")]);
        let line = text(|out| target(out, &board, 0));
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert!(value["address"].is_null() && value["loss_pct"].is_null());
        assert!(value["jitter_us"].is_null());
        let rtt = value["rtt_us"].as_object().expect("an object");
        assert_eq!((rtt.len(), rtt.values().all(serde_json::Value::is_null)), (7, true));
    }

    #[test]
    fn a_probe_line_says_when_and_why() {
        let board = board(&["10.0.0.1"], &[]);
        let mut report = result((0, 3, Outcome::Unreachable, 0));
        let from = "10.0.0.254".parse().expect("an address");
        report.reason = Some(Reason::Icmp { from, kind: 3, code: 1 });
        assert_eq!(
            text(|out| probe(out, &board, &report)),
            concat!(
                r#"{"target":"10.0.0.1","address":"10.0.0.1","round":3,"outcome":"unreachable","#,
                r#""reason":"host unreachable, reported by 10.0.0.254","rtt_us":null,"#,
                r#""sent_at":"2023-11-14T22:13:23.123456789Z"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn numbers_look_as_a_general_serialiser_writes_them() {
        let cases = [
            0.0,
            1.0,
            10.0,
            100.0,
            250.0,
            999.4,
            1_000.0,
            1_001.0,
            12_345_678.5,
            4.2e12,
            9.1e15,
            3e19,
        ];
        for ns in cases {
            let expected = serde_json::to_string(&(f64::round(ns) / 1_000.0)).expect("a number");
            assert_eq!(text(|out| micros(out, ns)), expected, "{ns}");
        }
        for share in [0.0, 100.0, 50.0, 100.0 / 3.0] {
            let expected = serde_json::to_string(&share).expect("a number");
            assert_eq!(text(|out| percent(out, share)), expected);
        }
        for number in [0, 9, 10, 4_294_967_295, u64::MAX] {
            assert_eq!(text(|out| whole(out, number)), number.to_string());
        }
        for word in ["10.0.0.1", "255.255.255.0", "2001:db8::1"] {
            let ip = word.parse().expect("an address");
            assert_eq!(text(|out| address(out, ip)), format!("\"{word}\""));
        }
    }
}
