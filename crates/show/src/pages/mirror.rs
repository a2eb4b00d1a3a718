//! Mirrored charts: upload above the axis, download below it, each with the detector's lines, as inline SVG
//! that needs no script. Pure.

use std::fmt::Write as _;

use maud::{Markup, html};
use model::UnixMs;

use super::links::number;
use crate::history::Span;

/// Width and height of a half, in units of the picture.
const WIDTH: f64 = 1000.0;
const HALF: f64 = 78.0;

/// One direction: values, what is usual and the limit, each by time, ascending.
#[derive(Clone, Debug, Default)]
pub(super) struct Half {
    /// What was measured.
    pub(super) values: Vec<(UnixMs, f64)>,
    /// What was thought usual.
    pub(super) usual: Vec<(UnixMs, f64)>,
    /// Above it was too much.
    pub(super) limit: Vec<(UnixMs, f64)>,
}

/// A chart of one metric.
pub(super) struct Mirror<'c> {
    /// What is drawn, with its unit: `Latency, ms`.
    pub(super) title: &'c str,
    /// Upload and download.
    pub(super) halves: [&'c Half; 2],
    /// The time that the width stands for.
    pub(super) span: Span,
    /// Longest time between two values that are joined.
    pub(super) reach: i64,
    /// When something was wrong with it: beginnings and ends.
    pub(super) wrong: &'c [(UnixMs, UnixMs)],
}

impl Mirror<'_> {
    /// The picture, with what it shows in words.
    pub(super) fn markup(&self) -> Markup {
        let tops = self.halves.map(top);
        // One scale for both, so that they can be compared.
        let top = tops[0].max(tops[1]);
        html! {
            figure.mirror {
                figcaption { b { (self.title) } " " span.muted { "upload above, download below" } }
                div.plot {
                    span.y.y-top { (number(top)) } span.y.y-zero { "0" } span.y.y-low { (number(top)) }
                    svg viewBox={ "0 " (-HALF) " " (WIDTH) " " (2.0 * HALF) } preserveAspectRatio="none" role="img"
                        aria-label={ (self.title) " over time; the same numbers stand in the table of this page" }
                    {
                        @for (since, until) in self.wrong {
                            @let (from, to) = (self.x(*since).max(0.0), self.x(*until).min(WIDTH));
                            @if to > from { rect.wrong x=(from) y=(-HALF) width=((to - from).max(2.0)) height=(2.0 * HALF) {} }
                        }
                        @for (half, up) in self.halves.into_iter().zip([true, false]) {
                            path.range d=(self.band(half, top, up)) {}
                            path.limit d=(self.line(&half.limit, top, up)) {}
                            path.usual d=(self.line(&half.usual, top, up)) {}
                            path.level.down[!up] d=(self.line(&half.values, top, up)) {}
                        }
                        path.axis d={ "M0 0H" (WIDTH) } {}
                    }
                }
            }
        }
    }

    fn x(&self, at: UnixMs) -> f64 {
        (at.0 - self.span.from.0) as f64 / self.span.millis() as f64 * WIDTH
    }

    /// A line, broken where nothing was measured for long; a value alone is a short dash.
    fn line(&self, points: &[(UnixMs, f64)], top: f64, up: bool) -> String {
        let mut path = String::new();
        let mut last: Option<UnixMs> = None;
        for (place, (at, value)) in points.iter().enumerate() {
            let (x, y) = (self.x(*at), y(*value, top, up));
            let joined = last.is_some_and(|last| at.0 - last.0 <= self.reach);
            let next = points.get(place + 1).is_some_and(|next| next.0.0 - at.0 <= self.reach);
            let word = if joined { 'L' } else { 'M' };
            write!(path, "{word}{x:.1} {y:.1}").expect("a String takes every write");
            if !joined && !next {
                path.push_str("h2");
            }
            last = Some(*at);
        }
        path
    }

    /// The space between what is usual and the limit.
    fn band(&self, half: &Half, top: f64, up: bool) -> String {
        let mut path = String::new();
        for run in half.usual.chunk_by(|one, next| next.0.0 - one.0.0 <= self.reach) {
            let limit_at = |at: UnixMs| {
                let place = half.limit.binary_search_by_key(&at, |(at, _)| *at).ok()?;
                Some(half.limit[place].1)
            };
            let both: Vec<(UnixMs, f64, f64)> =
                run.iter().filter_map(|(at, usual)| Some((*at, *usual, limit_at(*at)?))).collect();
            if both.len() < 2 {
                continue;
            }
            let above = both.iter().map(|(at, _, limit)| (self.x(*at), y(*limit, top, up)));
            let below = both.iter().rev().map(|(at, usual, _)| (self.x(*at), y(*usual, top, up)));
            for (place, (x, y)) in above.chain(below).enumerate() {
                let word = if place == 0 { 'M' } else { 'L' };
                write!(path, "{word}{x:.1} {y:.1}").expect("a String takes every write");
            }
            path.push('Z');
        }
        path
    }
}

/// Where a value stands; upwards is negative in SVG. What is above the scale is cut.
fn y(value: f64, top: f64, up: bool) -> f64 {
    let height = (value / top).clamp(0.0, 1.0) * (HALF - 3.0);
    if up { -height } else { height }
}

/// The top of the scale: above all values, and above the limit unless that is so far up that nothing else
/// would be seen.
fn top(half: &Half) -> f64 {
    let most =
        |points: &[(UnixMs, f64)]| points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let (values, limit) = (most(&half.values), most(&half.limit));
    let top = if limit < values * 3.0 { values.max(limit) } else { values };
    if top > 0.0 { top * 1.05 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(values: &[(i64, f64)]) -> Half {
        let values = values.iter().map(|(at, value)| (UnixMs(*at), *value)).collect();
        Half { values, ..Half::default() }
    }

    #[test]
    fn upload_goes_up_download_goes_down_and_holes_stay_holes() {
        let (up, down) =
            (half(&[(0, 50.0), (10, 100.0), (90, 50.0)]), half(&[(0, 0.0), (10, 25.0)]));
        let span = Span { from: UnixMs(0), until: UnixMs(100) };
        let mirror =
            Mirror { title: "Latency, ms", halves: [&up, &down], span, reach: 20, wrong: &[] };
        let top = top(&up);
        assert!((top - 105.0).abs() < 1e-9);
        assert_eq!(mirror.line(&up.values, top, true), "M0.0 -35.7L100.0 -71.4M900.0 -35.7h2");
        assert_eq!(mirror.line(&down.values, top, false), "M0.0 0.0L100.0 17.9");
        assert!(mirror.markup().into_string().contains("upload above, download below"));
    }

    #[test]
    fn a_limit_far_above_does_not_press_everything_flat() {
        let with = |limit: f64| Half { limit: vec![(UnixMs(0), limit)], ..half(&[(0, 10.0)]) };
        assert!((top(&with(20.0)) - 21.0).abs() < 1e-9);
        assert!((top(&with(500.0)) - 10.5).abs() < 1e-9);
        assert!((top(&Half::default()) - 1.0).abs() < 1e-9, "nothing has a scale too");
    }
}
