//! A curve as a small picture for mail: the level, what was usual, the limit, and the time it was too high.
//! PNG, since mail clients show no SVG; without letters, which stand beside it as text; transparent, in
//! colours that are legible on white and on black.

use model::alert::words;
use model::{Metric, UnixMs};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash,
    Transform,
};

use super::curve::Curve;

/// Twice the size at which it is shown, for dense screens.
const WIDTH: u32 = 1_208;
const HEIGHT: u32 = 300;
const MARGIN: f32 = 6.0;

/// RGBA of the parts.
const LEVEL: [u8; 4] = [47, 127, 214, 255];
const USUAL: [u8; 4] = [128, 140, 150, 100];
const LIMIT: [u8; 4] = [217, 130, 43, 255];
const BAD: [u8; 4] = [214, 69, 69, 40];
const AXIS: [u8; 4] = [128, 140, 150, 160];

/// A curve that can be drawn.
#[derive(Clone, Debug)]
pub struct Chart<'c> {
    curve: &'c Curve,
    /// Value at the upper edge.
    top: f64,
}

impl<'c> Chart<'c> {
    /// `None` where there is nothing to see: no span, or no finite value.
    pub fn of(curve: &'c Curve) -> Option<Self> {
        let mut levels: Vec<f64> = curve.level.iter().map(|(_, level)| *level).collect();
        levels.retain(|level| level.is_finite());
        levels.sort_by(f64::total_cmp);
        if curve.from >= curve.until || levels.is_empty() {
            return None;
        }
        let limits = curve.limit.iter().chain(&curve.usual).map(|(_, value)| *value);
        let limit = limits.filter(|limit| limit.is_finite()).fold(0.0, f64::max);
        // A few outliers must not press the rest to the ground: they leave at the top. What the alert is about
        // is none, though it be a single reading.
        let most = levels[(levels.len() - 1) * 98 / 100];
        let seen = (most * 1.5).max(limit * 2.0).max(wrong(curve));
        let largest = levels[levels.len() - 1].min(seen);
        let top = round_up((largest.max(limit) * 1.05).max(f64::MIN_POSITIVE));
        let top = if curve.metric == Metric::Loss { top.clamp(1.0, 100.0) } else { top };
        top.is_finite().then_some(Self { curve, top })
    }

    /// What its height means.
    pub fn scale(&self) -> String {
        let metric = self.curve.metric;
        format!("{} 0 to {}", words::metric(metric), words::value(metric, self.top as f32))
    }

    /// What its colours mean.
    pub fn legend(&self) -> &'static str {
        match (self.curve.usual.is_empty(), self.curve.limit.is_empty()) {
            (true, true) => "Red: too high.",
            (true, false) => "Dashed: limit. Red: too high.",
            (false, true) => "Grey: usual. Red: too high.",
            (false, false) => "Grey: usual. Dashed: limit. Red: too high.",
        }
    }

    /// All of it in words, for who does not see it.
    pub fn words(&self) -> String {
        let last = self.curve.level.last().map_or(f64::NAN, |(_, level)| *level);
        let (metric, last) = (self.curve.metric, last as f32);
        let (from, until) = (self.from(), self.until());
        format!(
            "{} from {from} to {until}, last {}",
            words::metric(metric),
            words::value(metric, last)
        )
    }

    /// The time at its left edge.
    pub fn from(&self) -> String {
        words::moment(self.curve.from, self.curve.until)
    }

    /// The time at its right edge.
    pub fn until(&self) -> String {
        words::moment(self.curve.until, self.curve.until)
    }

    /// The picture.
    pub fn png(&self) -> Vec<u8> {
        let mut pixels = Pixmap::new(WIDTH, HEIGHT).expect("the size is fixed and not zero");
        let curve = self.curve;
        let (left, right) = (self.x(curve.bad.0), self.x(curve.bad.1));
        if let Some(bad) = Rect::from_ltrb(left, 0.0, right.max(left + 2.0), HEIGHT as f32) {
            pixels.fill_rect(bad, &paint(BAD), Transform::identity(), None);
        }
        if let Some(usual) = self.band() {
            let (paint, rule) = (paint(USUAL), FillRule::Winding);
            pixels.fill_path(&usual, &paint, rule, Transform::identity(), None);
        }
        let mut line = |path: Option<Path>, colour, width, dash| {
            let stroke = Stroke {
                width,
                dash,
                line_cap: LineCap::Round,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            if let Some(path) = path {
                pixels.stroke_path(&path, &paint(colour), &stroke, Transform::identity(), None);
            }
        };
        line(self.line(&[(curve.from, 0.0), (curve.until, 0.0)], false), AXIS, 2.0, None);
        line(self.line(&curve.limit, false), LIMIT, 3.0, StrokeDash::new(vec![12.0, 10.0], 0.0));
        line(self.line(&curve.level, true), LEVEL, 4.0, None);
        pixels.encode_png().expect("a picture in memory can be written to memory")
    }

    /// A line through the points; where they are too far apart, with a gap if `gaps`.
    fn line(&self, points: &[(UnixMs, f64)], gaps: bool) -> Option<Path> {
        let gap = i64::try_from(self.curve.step.as_millis()).unwrap_or(i64::MAX).saturating_mul(3);
        let mut path = PathBuilder::new();
        let mut before: Option<UnixMs> = None;
        for (at, value) in points.iter().filter(|(_, value)| value.is_finite()) {
            let (x, y) = (self.x(*at), self.y(*value));
            match before {
                Some(before) if !gaps || at.0.saturating_sub(before.0) <= gap => path.line_to(x, y),
                // A point alone is a dot, which needs some length to be drawn.
                _ => {
                    path.move_to(x, y);
                    path.line_to(x + 0.1, y);
                }
            }
            before = Some(*at);
        }
        path.finish()
    }

    /// The band around what is usual, at least as high as a line is thick.
    fn band(&self) -> Option<Path> {
        let half = self.curve.varies.max(self.top * 0.012);
        let finite = || self.curve.usual.iter().filter(|(_, value)| value.is_finite());
        let mut path = PathBuilder::new();
        for (at, value) in finite() {
            let (x, y) = (self.x(*at), self.y(value + half));
            if path.is_empty() { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        for (at, value) in finite().rev() {
            path.line_to(self.x(*at), self.y(value - half));
        }
        path.close();
        path.finish()
    }

    fn x(&self, at: UnixMs) -> f32 {
        let (from, until) = (self.curve.from.0 as f64, self.curve.until.0 as f64);
        let share = ((at.0 as f64 - from) / (until - from)).clamp(0.0, 1.0);
        MARGIN + share as f32 * (WIDTH as f32 - 2.0 * MARGIN)
    }

    fn y(&self, value: f64) -> f32 {
        let share = (value / self.top).clamp(0.0, 1.0);
        HEIGHT as f32 - MARGIN - share as f32 * (HEIGHT as f32 - 2.0 * MARGIN)
    }
}

/// The middle one of the levels while it was too high; 0 if there is none.
fn wrong(curve: &Curve) -> f64 {
    let from = curve.bad.0 - curve.step;
    let within = |at: UnixMs| from < at && at <= curve.bad.1;
    let levels = curve.level.iter().filter(|(at, level)| within(*at) && level.is_finite());
    let mut levels: Vec<f64> = levels.map(|(_, level)| *level).collect();
    levels.sort_by(f64::total_cmp);
    levels.get(levels.len() / 2).copied().unwrap_or(0.0)
}

/// The next number that is easy to read: 60, 75, 80, 100, 120, ...
fn round_up(value: f64) -> f64 {
    let unit = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 8.0, 10.0];
    steps.into_iter().map(|step| step * unit).find(|step| *step >= value).unwrap_or(value)
}

fn paint(colour: [u8; 4]) -> Paint<'static> {
    let [red, green, blue, alpha] = colour;
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(Color::from_rgba8(red, green, blue, alpha));
    paint
}
