//! The machine's view: the JSON lines that `docs/probe.md` promises. Field names and their order are a
//! contract; nothing here allocates per line.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;

use jiff::Timestamp;
use model::{Outcome, ProbeResult, Protocol, RttStats, UnixNs};
use serde::{Serialize, Serializer};

use super::board::Board;

/// A target at the end.
#[derive(Serialize)]
struct TargetLine<'a> {
    target: &'a str,
    address: Option<IpAddr>,
    #[serde(serialize_with = "in_words")]
    protocol: Protocol,
    sent: u32,
    received: u32,
    refused: u32,
    lost: u32,
    late: u32,
    unreachable: u32,
    unknown: u32,
    duplicates: u32,
    unsent: u32,
    loss_pct: Option<f64>,
    rtt_us: RttLine,
    jitter_us: Option<f64>,
}

/// All members are there always, null without an answer, so that a reader needs one shape only.
#[derive(Default, Serialize)]
struct RttLine {
    min: Option<f64>,
    mean: Option<f64>,
    max: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    stddev: Option<f64>,
}

/// A probe, as its answer comes or its deadline passes.
#[derive(Serialize)]
struct ProbeLine<'a> {
    target: &'a str,
    address: Option<IpAddr>,
    round: u32,
    outcome: Outcome,
    reason: Option<Words<model::Reason>>,
    rtt_us: Option<f64>,
    sent_at: Words<Rfc3339>,
}

/// Writes the line of one target.
pub(super) fn target(out: &mut impl Write, board: &Board, index: usize) -> io::Result<()> {
    let row = board.row(index);
    let counts = row.tally.counts();
    let line = TargetLine {
        target: board.list.name(index),
        address: board.address(index),
        protocol: board.protocol(index),
        sent: counts.sent,
        received: counts.received,
        refused: counts.refused,
        lost: counts.lost,
        late: counts.late,
        unreachable: counts.unreachable,
        unknown: counts.unknown,
        duplicates: counts.duplicates,
        unsent: counts.unsent,
        loss_pct: counts.loss_pct(),
        rtt_us: row.tally.rtt().map_or_else(RttLine::default, |rtt| rtt_line(&rtt)),
        jitter_us: row.tally.jitter_ns().map(micros),
    };
    write_line(out, &line)
}

/// Writes the line of one report.
pub(super) fn probe(out: &mut impl Write, board: &Board, result: &ProbeResult) -> io::Result<()> {
    let index = result.target.0 as usize;
    let line = ProbeLine {
        target: board.list.name(index),
        address: board.address(index),
        round: result.round,
        outcome: result.outcome,
        reason: result.reason.map(Words),
        rtt_us: result.rtt_ns.map(|ns| micros(ns as f64)),
        sent_at: Words(Rfc3339(result.sent_at)),
    };
    write_line(out, &line)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn rtt_line(rtt: &RttStats) -> RttLine {
    RttLine {
        min: Some(micros(rtt.min as f64)),
        mean: Some(micros(rtt.mean)),
        max: Some(micros(rtt.max as f64)),
        p50: Some(micros(rtt.p50)),
        p90: Some(micros(rtt.p90)),
        p99: Some(micros(rtt.p99)),
        stddev: Some(micros(rtt.stddev)),
    }
}

/// Microseconds, rounded to the nanoseconds that are measured.
fn micros(ns: f64) -> f64 {
    ns.round() / 1_000.0
}

fn in_words<S: Serializer>(value: &impl fmt::Display, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

/// Serialises what it holds as the text it displays.
struct Words<T>(T);

impl<T: fmt::Display> Serialize for Words<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

/// `2026-11-21T22:54:16.123456789Z` (RFC 3339), always with nanoseconds.
struct Rfc3339(UnixNs);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Timestamp::from_nanosecond(i128::from(self.0.0)).map_err(|_| fmt::Error)?;
        write!(f, "{at:.9}")
    }
}

#[cfg(test)]
mod tests {
    use model::Reason;

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
}
