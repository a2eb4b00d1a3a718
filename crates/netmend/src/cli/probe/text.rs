//! The person's view: a line a probe as it happens, and at the end a line a target with its distribution.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::{Counts, Outcome, ProbeResult};

use super::board::{Board, Verdict};
use super::cells::{self, Scale};

/// Columns of the distribution.
const BINS: usize = 20;
/// Names longer than this push their line out rather than the whole table.
const NAME: usize = 40;

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    /// For a terminal that is not told `NO_COLOR`.
    Ansi,
    /// For files and pipes.
    Plain,
}

impl Colour {
    fn wrap(self, code: u8, text: &str) -> String {
        match self {
            Colour::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
            Colour::Plain => text.to_owned(),
        }
    }
}

const RED: u8 = 31;
const YELLOW: u8 = 33;
const DIM: u8 = 2;

/// Writes one report: `12:00:01.234 www.example.com (192.0.2.1) #3 20.3ms`.
pub(super) fn probe(
    out: &mut impl Write,
    board: &Board,
    result: &ProbeResult,
    zone: &TimeZone,
) -> io::Result<()> {
    let index = result.target.0 as usize;
    let name = board.list.name(index);
    let at = Timestamp::from_nanosecond(i128::from(result.sent_at.0)).map_err(io::Error::other)?;
    write!(out, "{} {name}", at.to_zoned(zone.clone()).strftime("%H:%M:%S%.3f"))?;
    if let Some(address) = board.address(index)
        && super::hosts::literal(board.list.host(index)).is_none()
    {
        write!(out, " ({address})")?;
    }
    write!(out, " #{}", result.round)?;
    let rtt = result.rtt_ns.map(|ns| cells::rtt(Some(ns as f64)));
    match (result.outcome, &rtt) {
        (Outcome::Reply, Some(rtt)) => write!(out, " {rtt}")?,
        (Outcome::Reply, None) => write!(out, " reply (SYN was retransmitted, so no RTT)")?,
        (outcome, Some(rtt)) => write!(out, " {outcome} {rtt}")?,
        (outcome, None) => write!(out, " {outcome}")?,
    }
    if let Some(reason) = result.reason {
        write!(out, ": {reason}")?;
    }
    out.write_all(b"\n")
}

/// Writes a line a target and one for all of them.
pub(super) fn summary(
    out: &mut impl Write,
    board: &Board,
    took: Duration,
    colour: Colour,
) -> io::Result<()> {
    let table = Table::of(board);
    writeln!(out, "{}", colour.wrap(DIM, &table.header()))?;
    for index in 0..board.len() {
        writeln!(out, "{}", table.row(board, index, colour))?;
    }
    out.write_all(totals(board, took).as_bytes())
}

/// Widths and scale, the same for every row.
struct Table {
    name: usize,
    address: usize,
    scale: Option<Scale>,
}

impl Table {
    fn of(board: &Board) -> Self {
        let names = (0..board.len()).map(|index| board.list.name(index).chars().count());
        let named = |index: &usize| super::hosts::literal(board.list.host(*index)).is_none();
        let addresses = (0..board.len()).filter(named).map(|index| address(board, index).len());
        Self {
            name: names.max().unwrap_or(0).clamp(4, NAME),
            address: addresses.max().unwrap_or(0),
            scale: board.rtt_range().map(|range| Scale::new(range, BINS)),
        }
    }

    fn header(&self) -> String {
        let mut line = format!("{:<width$}", "host", width = self.name);
        if self.address > 0 {
            let _ = write!(line, "  {:<width$}", "address", width = self.address);
        }
        let _ = write!(line, " {:>6} {:>6} {:>6}", "sent", "recv", "loss");
        if let Some(scale) = &self.scale {
            for title in ["min", "median", "p90", "max", "jitter"] {
                let _ = write!(line, " {title:>7}");
            }
            let _ = write!(line, "  {}", scale.legend());
        }
        line
    }

    fn row(&self, board: &Board, index: usize, colour: Colour) -> String {
        let (row, verdict) = (board.row(index), board.verdict(index));
        let counts = row.tally.counts();
        let mut line = format!("{:<width$}", board.list.name(index), width = self.name);
        if self.address > 0 {
            let _ = write!(line, "  {:<width$}", address(board, index), width = self.address);
        }
        let loss = format!("{:>6}", cells::percent(counts.loss_pct()));
        let loss = match counts.loss_pct() {
            Some(100.0) => colour.wrap(RED, &loss),
            Some(loss_pct) if loss_pct > 0.0 => colour.wrap(YELLOW, &loss),
            _ => loss,
        };
        let _ = write!(line, " {:>6} {:>6} {loss}", counts.sent, counts.received);
        if let (Some(rtt), Some(scale)) = (row.tally.rtt(), &self.scale) {
            let jitter = row.tally.jitter_ns();
            for ns in
                [Some(rtt.min as f64), Some(rtt.p50), Some(rtt.p90), Some(rtt.max as f64), jitter]
            {
                let _ = write!(line, " {:>7}", cells::rtt(ns));
            }
            let _ = write!(line, "  {}", scale.bars(&row.tally));
        }
        let remarks = remarks(board, index, verdict);
        if !remarks.is_empty() {
            let code = if verdict == Verdict::Up { YELLOW } else { RED };
            let _ = write!(line, "  {}", colour.wrap(code, &remarks));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Where a target is asked; empty where the name says it already.
fn address(board: &Board, index: usize) -> String {
    match board.address(index) {
        Some(address) if super::hosts::literal(board.list.host(index)).is_none() => {
            address.to_string()
        }
        _ => String::new(),
    }
}

/// What the columns do not say.
pub(super) fn remarks(board: &Board, index: usize, verdict: Verdict) -> String {
    let counts = board.row(index).tally.counts();
    let mut remarks: Vec<String> = Vec::new();
    if let Some(why) = board.unresolved(index) {
        let host = board.list.host(index);
        let why = why.strip_prefix(host).and_then(|why| why.strip_prefix(": ")).unwrap_or(why);
        remarks.push(why.to_owned());
    }
    let protocol = board.protocol(index);
    if protocol != board.list.protocol(index) {
        remarks.push(format!("asked by {protocol}"));
    }
    if counts.refused > 0 && counts.refused == counts.received {
        remarks.push("port closed".to_owned());
    }
    for (count, what) in numbered(&counts) {
        if count > 0 {
            remarks.push(format!("{count} {what}"));
        }
    }
    if let Some(reason) = board.reason(index)
        && (counts.unreachable + counts.unknown + counts.unsent > 0 || verdict == Verdict::Unknown)
    {
        remarks.push(reason.to_string());
    }
    remarks.join(", ")
}

fn numbered(counts: &Counts) -> [(u32, &'static str); 6] {
    let partly = if counts.refused == counts.received { 0 } else { counts.refused };
    [
        (partly, "refused"),
        (counts.late, "late"),
        (counts.duplicates, if counts.duplicates == 1 { "duplicate" } else { "duplicates" }),
        (counts.unreachable, "unreachable"),
        (counts.unknown, "unknown"),
        (counts.unsent, "unsent"),
    ]
}

/// `3 targets: 2 up, 1 down. 30 probes in 10.0 s, 25 answered, 16.7% lost.`
fn totals(board: &Board, took: Duration) -> String {
    let totals = board.totals();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut line = format!("{} target{}: {} up", board.len(), plural(board.len()), totals.up);
    let rest =
        [(totals.down, "down"), (totals.not_found, "not found"), (totals.unknown, "unknown")];
    for (count, what) in rest {
        if count > 0 {
            let _ = write!(line, ", {count} {what}");
        }
    }
    let counts = totals.counts;
    let _ = write!(
        line,
        ". {} probe{} in {:.1} s, {} answered, {} lost.",
        counts.sent,
        plural(counts.sent as usize),
        took.as_secs_f64(),
        counts.received,
        cells::percent(counts.loss_pct()),
    );
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{board, not_found, result};
    use super::*;
    use model::Reason;

    fn shown(board: &Board) -> String {
        let mut out = Vec::new();
        summary(&mut out, board, Duration::from_millis(2_040), Colour::Plain).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_summary_aligns_and_says_what_numbers_cannot() {
        let reports = [
            (0, 0, Outcome::Reply, 1_000),
            (0, 1, Outcome::Reply, 4_000),
            (1, 0, Outcome::Lost, 0),
            (1, 1, Outcome::Lost, 0),
            (2, 0, Outcome::Refused, 250),
        ];
        let mut board = board(&["10.0.0.1", "10.0.0.22", "10.0.0.3:81", "no.example"], &reports);
        board.update(&[not_found(3, "no.example: name not found (IPv4)")]);
        let expected = "\
host          sent   recv   loss     min  median     p90     max  jitter  250µs         4.00ms
10.0.0.1         2      2     0%  1.00ms  2.50ms  3.70ms  4.00ms  3.00ms            █        █
10.0.0.22        2      0   100%
10.0.0.3:81      1      1     0%   250µs   250µs   250µs   250µs       -  █                     port closed
no.example       0      0      -  name not found (IPv4)
4 targets: 2 up, 1 down, 1 not found. 5 probes in 2.0 s, 3 answered, 40% lost.
";
        assert_eq!(shown(&board), expected);
    }

    #[test]
    fn a_name_shows_its_address_and_an_address_does_not_repeat_itself() {
        let mut named = board(&["localhost", "10.0.0.1"], &[(0, 0, Outcome::Lost, 0)]);
        named.update(&[measure::TargetStatus {
            address: Some("127.0.0.1:0".parse().expect("an address")),
            unresolved: None,
            ..not_found(0, "")
        }]);
        let text = shown(&named);
        assert!(text.contains("localhost  127.0.0.1 "), "{text}");
        assert!(text.contains("10.0.0.1              "), "{text}");
    }

    #[test]
    fn a_probe_line_says_what_became_of_it() {
        let board = board(&["10.0.0.1"], &[]);
        let line = |report: &ProbeResult| {
            let mut out = Vec::new();
            probe(&mut out, &board, report, &TimeZone::UTC).expect("memory");
            String::from_utf8(out).expect("UTF-8")
        };
        let cases = [
            ((0, 0, Outcome::Reply, 20_300), "22:13:20.123 10.0.0.1 #0 20.3ms\n"),
            ((0, 1, Outcome::Lost, 0), "22:13:21.123 10.0.0.1 #1 lost\n"),
            ((0, 1, Outcome::Late, 1_500_000), "22:13:21.123 10.0.0.1 #1 late 1.50s\n"),
        ];
        for (report, expected) in cases {
            assert_eq!(line(&result(report)), expected);
        }
        let mut refused = result((0, 2, Outcome::Unsent, 0));
        refused.reason = Some(Reason::Errno(1));
        assert_eq!(line(&refused), "22:13:22.123 10.0.0.1 #2 unsent: Operation not permitted\n");
    }
}
