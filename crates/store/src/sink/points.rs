//! What a sink is sent before it is asked for more: points of several frames, those of a series together and in
//! the order of time. A database looks up each series of a request once, so that a request of few series costs
//! it a fraction of one of many. It must not know how any sink writes points.

use std::collections::HashMap;

use model::UnixMs;

use super::frame::Frame;
use super::point::{MAX_FIELDS, Point};

/// Points, sorted by series and time.
#[derive(Debug, Default)]
pub struct Points {
    frames: Vec<Frame>,
    /// Where each series stands first.
    series: Vec<Place>,
    rows: Vec<Row>,
}

/// A place in one of the frames.
#[derive(Clone, Copy, Debug)]
struct Place {
    frame: u32,
    byte: u32,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    series: u32,
    values: Place,
    at: i64,
}

impl Points {
    /// Sorts the points of `frames`. Of two of a series with the same time the one that was written first stays
    /// first. Those of a kind that this version does not know are left out in silence.
    pub(super) fn of(frames: Vec<Frame>) -> Self {
        let mut numbers: HashMap<&[u8], u32> = HashMap::new();
        let mut series = Vec::new();
        let mut rows = Vec::with_capacity(frames.iter().map(Frame::len).sum());
        let mut known = Vec::new();
        for (frame, number) in frames.iter().zip(0..) {
            known.clear();
            let behind = frame.subjects(|byte, identity, subject| {
                known.push(subject.map(|_| {
                    *numbers.entry(identity).or_insert_with(|| {
                        series.push(Place { frame: number, byte });
                        series.len() as u32 - 1
                    })
                }));
            });
            frame.rows(behind.unwrap_or(u32::MAX), |subject, at, byte| {
                let Some(Some(series)) = known.get(subject) else { return };
                rows.push(Row { series: *series, values: Place { frame: number, byte }, at });
            });
        }
        rows.sort_by_key(|row| (row.series, row.at));
        Self { frames, series, rows }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Calls `each` for up to `most` points, from the one numbered `from` on, and says whether it is of the same
    /// series as the one of the call before.
    pub fn each(&self, from: usize, most: usize, mut each: impl FnMut(Point<'_>, bool)) {
        let end = self.rows.len().min(from.saturating_add(most));
        let mut values = [f64::NAN; MAX_FIELDS];
        for rows in self.rows[from.min(end)..end].chunk_by(|one, two| one.series == two.series) {
            let Place { frame, byte } = self.series[rows[0].series as usize];
            let Some(subject) = self.frames[frame as usize].subject(byte) else { continue };
            let mut same = false;
            for Row { values: place, at, .. } in rows {
                let read = self.frames[place.frame as usize].values(place.byte, &mut values);
                if read.is_some() {
                    each(Point { subject, at: UnixMs(*at), values: &values }, same);
                    same = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::frame::{Frames, Header};
    use super::super::point::{Kind, Subject};
    use super::*;

    /// A frame of points: host, time, value.
    fn frame(points: &[(&str, i64, f64)]) -> Frame {
        let mut frames = Frames::default();
        frames.begin(1, UnixMs(0));
        for (host, at, value) in points {
            let subject = Arc::new(Subject::new(Kind::Ping, &[("host", host)], &[]));
            frames.push(&subject, UnixMs(*at), &[*value]);
        }
        let (bytes, _) = frames.take();
        let (head, body) = bytes.split_first_chunk().unwrap();
        Frame::unpack(&Header::read(head).unwrap(), body).unwrap()
    }

    fn told(points: &Points, from: usize, most: usize) -> Vec<(String, i64, f64, bool)> {
        let mut told = Vec::new();
        points.each(from, most, |point, same| {
            let host = point.subject.tags.iter().next().unwrap().1.to_owned();
            told.push((host, point.at.0, point.values[0], same));
        });
        told
    }

    #[test]
    fn points_of_a_series_stand_together_in_the_order_of_time_whatever_frame_they_were_in() {
        let one = frame(&[("a", 1, 0.0), ("b", 1, 1.0), ("a", 3, 2.0)]);
        let two = frame(&[("b", 2, 3.0), ("c", 2, 4.0), ("a", 2, 5.0), ("a", 3, 6.0)]);
        let points = Points::of(vec![one, two]);
        let expected = [
            ("a", 1, 0.0, false),
            ("a", 2, 5.0, true),
            ("a", 3, 2.0, true),
            ("a", 3, 6.0, true),
            ("b", 1, 1.0, false),
            ("b", 2, 3.0, true),
            ("c", 2, 4.0, false),
        ]
        .map(|(host, at, value, same)| (host.to_owned(), at, value, same));
        assert_eq!(points.len(), 7);
        assert_eq!(told(&points, 0, 100), expected);
        let mut part = expected[2..5].to_vec();
        part[0].3 = false;
        assert_eq!(told(&points, 2, 3), part, "a part begins with a series of its own");
        assert_eq!(told(&points, 7, 1), []);
        assert_eq!(told(&points, 8, 1), []);
    }
}
