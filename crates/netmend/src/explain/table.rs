//! A path in columns, as people who know `traceroute` and `mtr` expect it. Pure.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use model::path::{Hop, HopAnswer};
use model::{Path, PathEnd, Reason};

const TITLES: [&str; 6] = ["hop", "address", "loss", "min ms", "mean ms", "max ms"];

/// A line for each router, with the names that are known; empty if nobody answered.
pub(crate) fn lines(path: &Path, names: &HashMap<IpAddr, String>) -> String {
    if path.hops.is_empty() {
        return String::new();
    }
    let mut rows = vec![TITLES.map(str::to_owned)];
    for hop in &path.hops {
        rows.extend(cells(hop, names));
    }
    let mut widths = [0; TITLES.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let start = text.len();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if column == 1 {
                write!(text, "{cell:<width$}  ")
            } else {
                write!(text, "{cell:>width$}  ")
            };
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text
}

/// How it ended, a line; empty if the target answered.
pub(crate) fn end(path: &Path) -> String {
    match path.end {
        PathEnd::Reached => String::new(),
        PathEnd::Silent if path.hops.is_empty() => "nobody answered on the way\n".to_owned(),
        PathEnd::Silent => format!("nobody answered beyond hop {}\n", path.hops.len()),
        PathEnd::Unreachable { from, kind, code } => {
            format!("{}\n", Reason::Icmp { from, kind, code })
        }
    }
}

/// The rows of one distance: one for each who answered there.
fn cells(hop: &Hop, names: &HashMap<IpAddr, String>) -> Vec<[String; TITLES.len()]> {
    let dash = || "-".to_owned();
    let loss = format!("{:.0}%", hop.loss_pct());
    if hop.answers.is_empty() {
        return vec![[hop.distance.to_string(), dash(), loss, dash(), dash(), dash()]];
    }
    let row = |(number, answer): (usize, &HopAnswer)| {
        let ms = |us: Option<u32>| us.map_or_else(dash, |us| format!("{:.2}", f64::from(us) / 1e3));
        let times = answer.rtt_us;
        let once = |text: String| if number == 0 { text } else { String::new() };
        let address = answer.from.to_string();
        [
            once(hop.distance.to_string()),
            match names.get(&answer.from) {
                Some(name) => format!("{name} ({address})"),
                None => address,
            },
            once(loss.clone()),
            ms(times.map(|times| times.min)),
            ms(times.map(|times| times.mean)),
            ms(times.map(|times| times.max)),
        ]
    };
    hop.answers.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use model::path::HopRtt;
    use model::{Method, UnixMs};

    use super::*;

    fn path() -> Path {
        let answer = |last: u8, count, us| HopAnswer {
            from: IpAddr::from([10, 0, 0, last]),
            count,
            rtt_us: Some(HopRtt { min: us, mean: us + 10, max: us + 20 }),
        };
        let hop = |distance, answers| Hop { distance, sent: 3, answers };
        Path {
            at: UnixMs(0),
            from: None,
            to: "192.0.2.1".parse().expect("an address"),
            port: Some(443),
            method: Method::TcpSyn,
            rounds: 3,
            hops: vec![
                hop(1, vec![answer(1, 3, 400)]),
                hop(2, vec![]),
                hop(3, vec![answer(3, 1, 12_000), answer(4, 1, 13_000)]),
            ],
            end: PathEnd::Silent,
        }
    }

    #[test]
    fn routers_stand_in_lines_with_their_figures_below_each_other() {
        let names = HashMap::from([(IpAddr::from([10, 0, 0, 1]), "gw.example".to_owned())]);
        let expected = "\
hop  address                loss  min ms  mean ms  max ms
  1  gw.example (10.0.0.1)    0%    0.40     0.41    0.42
  2  -                      100%       -        -       -
  3  10.0.0.3                33%   12.00    12.01   12.02
     10.0.0.4                      13.00    13.01   13.02
";
        assert_eq!(lines(&path(), &names), expected);
        assert_eq!(end(&path()), "nobody answered beyond hop 3\n");
    }

    #[test]
    fn the_end_of_the_way_is_told_in_words() {
        let mut path = path();
        let from = IpAddr::from([10, 0, 0, 3]);
        path.end = PathEnd::Unreachable { from, kind: 3, code: 13 };
        assert_eq!(end(&path), "prohibited by a filter, reported by 10.0.0.3\n");
        path.end = PathEnd::Reached;
        assert_eq!(end(&path), "");
        (path.hops, path.end) = (Vec::new(), PathEnd::Silent);
        assert_eq!(lines(&path, &HashMap::new()) + &end(&path), "nobody answered on the way\n");
    }
}
