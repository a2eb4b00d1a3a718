//! The two pictures of a target's last probes, sparkline and loss cells: first as short strings, which
//! the live feed sends and `live.js` draws alike, then as inline SVG. Pure.

use std::fmt::Write as _;

use maud::{Markup, html};
use model::{Outcome, Recent, TargetNow};

/// Levels of the sparkline, lowest first; `.` is a probe without RTT.
const LEVELS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const SLOTS: usize = TargetNow::WINDOW;

/// The RTTs of the window, one character a probe. The scale runs from the smallest to the largest, but
/// spans at least a quarter of the smallest, so that a steady target looks steady.
pub(crate) fn levels(recent: &[Recent]) -> String {
    let rtts = || recent.iter().filter_map(|probe| probe.rtt_us).filter(|rtt| rtt.is_finite());
    let low = rtts().fold(f32::INFINITY, f32::min);
    let high = rtts().fold(0.0, f32::max).max(low * 1.25).max(low + 1.0);
    let level = |rtt: f32| char::from(LEVELS[level(rtt, low, high)]);
    let one = |probe: &Recent| probe.rtt_us.filter(|rtt| rtt.is_finite()).map_or('.', level);
    latest(recent).iter().map(one).collect()
}

#[expect(clippy::cast_sign_loss, reason = "the value is clamped to 0..=63 before")]
fn level(rtt: f32, low: f32, high: f32) -> usize {
    ((rtt - low) / (high - low) * 63.0).round().clamp(0.0, 63.0) as usize
}

/// Values of a window, one character each, from nothing to the largest; those that are no numbers are gaps.
pub(crate) fn levels_of(values: impl Iterator<Item = f32> + Clone) -> String {
    let high = values.clone().filter(|value| value.is_finite()).fold(1.0, f32::max);
    let one = |value: f32| {
        if value.is_finite() { char::from(LEVELS[level(value, 0.0, high)]) } else { '.' }
    };
    values.map(one).collect()
}

/// What became of the window's probes, one character each: `o` answered, `x` lost, `?` we cannot know.
pub(crate) fn cells(recent: &[Recent]) -> String {
    latest(recent)
        .iter()
        .map(|probe| match probe.outcome {
            Outcome::Reply | Outcome::Refused | Outcome::Duplicate => 'o',
            Outcome::Lost | Outcome::Late | Outcome::Unreachable => 'x',
            Outcome::Unsent | Outcome::Unknown => '?',
        })
        .collect()
}

fn latest(recent: &[Recent]) -> &[Recent] {
    &recent[recent.len().saturating_sub(SLOTS)..]
}

/// The sparkline as SVG, the newest probe at the right edge.
pub(crate) fn spark_svg(levels: &str) -> Markup {
    html! {
        svg.spark viewBox="0 0 120 24" preserveAspectRatio="none" aria-hidden="true" {
            path d=(spark_path(levels)) {}
        }
    }
}

fn spark_path(levels: &str) -> String {
    let mut path = String::with_capacity(levels.len() * 7);
    let mut pen_down = false;
    let first = SLOTS.saturating_sub(levels.len());
    for (slot, level) in levels.bytes().enumerate() {
        let level = LEVELS.iter().position(|known| *known == level);
        if let Some(level) = level {
            let (x, y) = ((first + slot) * 2 + 1, 22 - level * 20 / 63);
            let pen = if pen_down { 'L' } else { 'M' };
            // A dot of zero length shows a probe between two lost ones.
            let dot = if pen_down { "" } else { "h0" };
            write!(path, "{pen}{x} {y}{dot}").expect("a String takes every write");
        }
        pen_down = level.is_some();
    }
    path
}

/// The loss cells as SVG, the newest probe at the right edge; one path a colour.
pub(crate) fn cells_svg(cells: &str) -> Markup {
    let lost = cells.bytes().filter(|cell| *cell == b'x').count();
    let label = format!("{lost} of the last {} probes lost", cells.len());
    html! {
        svg.cells viewBox="0 0 60 10" preserveAspectRatio="none" role="img" aria-label=(label) {
            path.c-ok d=(cells_path(cells, b'o')) {}
            path.c-unknown d=(cells_path(cells, b'?')) {}
            path.c-lost d=(cells_path(cells, b'x')) {}
        }
    }
}

/// Rectangles of all runs of `kind`: answered ones are low, so that lost ones stand out by shape too.
fn cells_path(cells: &str, kind: u8) -> String {
    let (top, height) = if kind == b'x' { (0, 10) } else { (4, 6) };
    let first = SLOTS.saturating_sub(cells.len());
    let bytes = cells.as_bytes();
    let mut path = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|cell| **cell == bytes[at]).count();
        if bytes[at] == kind {
            write!(path, "M{} {top}h{run}v{height}h-{run}z", first + at)
                .expect("a String takes every write");
        }
        at += run;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(script: &str) -> Vec<Recent> {
        script
            .chars()
            .map(|letter| match letter.to_digit(10) {
                Some(ms) => Recent { outcome: Outcome::Reply, rtt_us: Some(ms as f32 * 1_000.0) },
                None if letter == 'x' => Recent { outcome: Outcome::Lost, rtt_us: None },
                None => Recent { outcome: Outcome::Unknown, rtt_us: None },
            })
            .collect()
    }

    #[test]
    fn a_probe_is_one_character_and_a_lost_one_is_a_gap() {
        assert_eq!(levels(&probes("1x9")), "0._");
        assert_eq!(cells(&probes("1x?9")), "ox?o");
        assert_eq!(levels(&[]), "");
    }

    #[test]
    fn values_stand_between_nothing_and_the_largest() {
        let values = [0.0, 50.0, f32::NAN, 100.0];
        assert_eq!(levels_of(values.into_iter()), "0W._");
        assert_eq!(levels_of([0.0, 0.0].into_iter()), "00");
    }

    #[test]
    fn a_steady_target_stays_at_the_bottom_instead_of_showing_noise() {
        let mut steady = probes("88");
        steady[1].rtt_us = Some(8_100.0);
        assert_eq!(levels(&steady), "03");
    }

    #[test]
    fn values_that_are_no_numbers_are_gaps() {
        let mut odd = probes("123");
        odd[1].rtt_us = Some(f32::NAN);
        assert_eq!(levels(&odd), "0._");
    }

    #[test]
    fn more_probes_than_the_window_leave_the_latest() {
        let many = probes(&format!("x{}", "1".repeat(60)));
        assert_eq!(cells(&many), "o".repeat(60));
    }

    #[test]
    fn the_line_is_broken_where_a_probe_has_no_rtt() {
        assert_eq!(spark_path("0._"), "M115 22h0M119 2h0");
        assert_eq!(spark_path("0_"), "M117 22h0L119 2");
    }

    #[test]
    fn runs_of_cells_become_one_rectangle_at_the_right_edge() {
        assert_eq!(cells_path("oxxo", b'x'), "M57 0h2v10h-2z");
        assert_eq!(cells_path("oxxo", b'o'), "M56 4h1v6h-1zM59 4h1v6h-1z");
    }
}
