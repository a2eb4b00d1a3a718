//! How points lie on disk: frames of up to [`MAX_POINTS`], each with the tags of its points and under zstd, so
//! that it can be read alone. Bytes in, points out; whatever the bytes are, reading them ends.
//!
//! ```text
//! frame   = header body
//! header  = body length u32, plain length u32, points u32, checksum u32 (of the rest of the header and the
//!           body), batch u64, written at i64 (ms), all little endian
//! plain   = count { measurement, packed tags and labels } { subject, time, fields present, values }
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use model::UnixMs;
use xxhash_rust::xxh3::Xxh3;

use super::point::{Kind, MAX_FIELDS, Pairs, Subject, SubjectRef};
use crate::codec::varint::{self, unzigzag, zigzag};

/// Most points in one frame, which are also sent as one request: what `InfluxDB` advises.
pub const MAX_POINTS: usize = 10_000;
/// Bytes of a header.
pub(super) const HEADER: usize = 32;
/// Largest body or plain size that is believed.
const MAX_BYTES: u32 = 64 << 20;
/// A frame is finished when its plain size passes this, whatever its points.
const OPEN_BYTES: usize = 8 << 20;
/// Level 1 is five times as fast as the default and costs a tenth more bytes here.
const LEVEL: i32 = 1;

/// What stands before a frame's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the body.
    pub(super) body: u32,
    /// Bytes of the body once it is unpacked.
    plain: u32,
    /// Points in it.
    pub(super) points: u32,
    checksum: [u8; 4],
    /// Number of the store's batch that the points belong to.
    pub(super) batch: u64,
    /// When it was written.
    pub(super) at: UnixMs,
}

impl Header {
    /// Bytes of the whole frame.
    pub(super) fn frame(&self) -> u64 {
        HEADER as u64 + u64::from(self.body)
    }

    /// Reads a header; `None` if it cannot be one.
    pub(super) fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<4>().0.split_at(4);
        let number = |place: usize| u32::from_le_bytes(numbers[place]);
        let long = |place: usize| {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&rest[place]);
            bytes[4..].copy_from_slice(&rest[place + 1]);
            bytes
        };
        let header = Self {
            body: number(0),
            plain: number(1),
            points: number(2),
            checksum: numbers[3],
            batch: u64::from_le_bytes(long(0)),
            at: UnixMs(i64::from_le_bytes(long(2))),
        };
        let fits = header.body <= MAX_BYTES
            && header.plain <= MAX_BYTES
            && (1..=MAX_POINTS as u32).contains(&header.points);
        fits.then_some(header)
    }

    fn write(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&self.body.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.plain.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.points.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.checksum);
        bytes[16..24].copy_from_slice(&self.batch.to_le_bytes());
        bytes[24..].copy_from_slice(&self.at.0.to_le_bytes());
        bytes
    }

    /// Whether `body` is what was written under this header.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        self.checksum == self.sum(body)
    }

    fn sum(&self, body: &[u8]) -> [u8; 4] {
        let mut hash = Xxh3::new();
        hash.update(&Self { checksum: [0; 4], ..*self }.write());
        hash.update(body);
        (hash.digest() as u32).to_le_bytes()
    }
}

/// Gathers points into frames.
#[derive(Debug, Default)]
pub struct Frames {
    /// Finished frames, one after the other.
    done: Vec<u8>,
    /// Points in them.
    points: u64,
    batch: u64,
    at: UnixMs,
    open: Open,
}

/// The frame that is being filled.
#[derive(Debug, Default)]
struct Open {
    /// Numbers of the subjects by their address. They are kept alive until the frame is finished, so that no
    /// other gets the address of one.
    numbers: HashMap<usize, u64>,
    alive: Vec<Arc<Subject>>,
    /// Bytes of their tags.
    bytes: usize,
    rows: Vec<u8>,
    count: u32,
    last_at: i64,
    plain: Vec<u8>,
}

impl Frames {
    /// Gathers points of the store's batch `batch` from here on; `now` is when they are written. What was
    /// gathered before is gone.
    pub fn begin(&mut self, batch: u64, now: UnixMs) {
        self.open.clear();
        self.done.clear();
        (self.points, self.batch, self.at) = (0, batch, now);
    }

    /// Adds a point with the fields of the subject's kind in its order; what is not finite is missing. A point
    /// without any value is left out.
    pub fn push(&mut self, subject: &Arc<Subject>, at: UnixMs, values: &[f64]) {
        let fields = subject.view().kind.shape().fields.len();
        let values = &values[..values.len().min(fields)];
        let present = (0..).zip(values).filter(|(_, value)| value.is_finite());
        let present = present.fold(0_u64, |bits, (place, _)| bits | 1 << place);
        if present == 0 {
            return;
        }
        let open = &mut self.open;
        let next = open.numbers.len() as u64;
        let number = *open.numbers.entry(Arc::as_ptr(subject).addr()).or_insert_with(|| {
            open.alive.push(Arc::clone(subject));
            open.bytes += subject.packed().len();
            next
        });
        varint::put(&mut open.rows, number);
        varint::put(&mut open.rows, zigzag(at.0.wrapping_sub(open.last_at)));
        open.last_at = at.0;
        varint::put(&mut open.rows, present);
        for value in values.iter().filter(|value| value.is_finite()) {
            open.rows.extend_from_slice(&value.to_le_bytes());
        }
        open.count += 1;
        if open.count as usize == MAX_POINTS || open.bytes + open.rows.len() > OPEN_BYTES {
            self.finish();
        }
    }

    /// The frames with all points since [`Frames::begin`], ready to be written, and how many points they hold.
    pub fn take(&mut self) -> (&[u8], u64) {
        self.finish();
        (&self.done, self.points)
    }

    /// The store's batch that the points belong to.
    pub fn batch(&self) -> u64 {
        self.batch
    }

    fn finish(&mut self) {
        let open = &mut self.open;
        if open.count == 0 {
            return;
        }
        open.plain.clear();
        varint::put(&mut open.plain, open.alive.len() as u64);
        for subject in &open.alive {
            let measurement = subject.view().kind.shape().measurement;
            varint::put(&mut open.plain, measurement.len() as u64);
            open.plain.extend_from_slice(measurement.as_bytes());
            open.plain.extend_from_slice(subject.packed());
        }
        open.plain.append(&mut open.rows);
        let start = self.done.len();
        self.done.resize(start + HEADER + zstd::zstd_safe::compress_bound(open.plain.len()), 0);
        let room = &mut self.done[start + HEADER..];
        let body = zstd::bulk::compress_to_buffer(&open.plain, room, LEVEL)
            .expect("the buffer has the size that zstd asks for");
        let mut header = Header {
            body: body as u32,
            plain: open.plain.len() as u32,
            points: open.count,
            checksum: [0; 4],
            batch: self.batch,
            at: self.at,
        };
        header.checksum = header.sum(&self.done[start + HEADER..start + HEADER + body]);
        self.done[start..start + HEADER].copy_from_slice(&header.write());
        self.done.truncate(start + HEADER + body);
        self.points += u64::from(open.count);
        self.open.clear();
    }
}

impl Open {
    fn clear(&mut self) {
        self.numbers.clear();
        self.alive.clear();
        self.rows.clear();
        (self.bytes, self.count, self.last_at) = (0, 0, 0);
    }
}

/// Points of one frame, unpacked.
#[derive(Debug)]
pub struct Frame {
    plain: Vec<u8>,
    points: usize,
}

impl Frame {
    /// Unpacks a body that fits its header.
    ///
    /// # Errors
    /// It is no frame's body after all, in words.
    pub(super) fn unpack(header: &Header, body: &[u8]) -> Result<Self, &'static str> {
        let plain = zstd::bulk::decompress(body, header.plain as usize)
            .map_err(|_| "the points do not unpack")?;
        let frame = Self { plain, points: header.points as usize };
        frame.subjects(|_, _, _| {}).ok_or("the tags of the points are cut off")?;
        Ok(frame)
    }

    /// How many points it was written with.
    pub fn len(&self) -> usize {
        self.points
    }

    /// Whether there are none, which no frame that was read from disk is.
    pub fn is_empty(&self) -> bool {
        self.points == 0
    }

    /// Calls `each` for the subjects that its points have, in the order of their numbers: where one begins, the
    /// bytes that no other has, and the subject, unless this version does not know the kind. Returns where the
    /// rows begin; `None` if they cannot be found.
    pub(super) fn subjects<'f>(
        &'f self,
        mut each: impl FnMut(u32, &'f [u8], Option<SubjectRef<'f>>),
    ) -> Option<u32> {
        let mut rest = &*self.plain;
        for _ in 0..varint::take(&mut rest)? {
            let (start, identity) = (self.place(rest), rest);
            let (kind, [tags, labels]) = subject(&mut rest)?;
            let subject = kind.map(|kind| SubjectRef { kind, tags, labels });
            each(start, &identity[..identity.len() - rest.len()], subject);
        }
        Some(self.place(rest))
    }

    /// The subject that begins at a place that [`Frame::subjects`] told.
    pub(super) fn subject(&self, at: u32) -> Option<SubjectRef<'_>> {
        let (kind, [tags, labels]) = subject(&mut self.plain.get(at as usize..)?)?;
        Some(SubjectRef { kind: kind?, tags, labels })
    }

    /// Calls `each` for the rows from the place on that [`Frame::subjects`] told: the number of the subject, the
    /// time, and where the values are. It ends where rows cannot be read.
    pub(super) fn rows(&self, start: u32, mut each: impl FnMut(usize, i64, u32)) {
        let mut rest = self.plain.get(start as usize..).unwrap_or_default();
        let mut at = 0_i64;
        for _ in 0..self.points {
            let Some((subject, step)) = varint::take(&mut rest).zip(varint::take(&mut rest)) else {
                return;
            };
            at = at.wrapping_add(unzigzag(step));
            let place = self.place(rest);
            if values(&mut rest, |_, _| {}).is_none() {
                return;
            }
            each(usize::try_from(subject).unwrap_or(usize::MAX), at, place);
        }
    }

    /// Reads the values that are at a place which [`Frame::rows`] told; a field without one is not a number.
    pub(super) fn values(&self, at: u32, into: &mut [f64; MAX_FIELDS]) -> Option<()> {
        into.fill(f64::NAN);
        values(&mut self.plain.get(at as usize..)?, |field, value| into[field] = value)
    }

    /// Where `rest`, the end of what is unpacked, begins.
    fn place(&self, rest: &[u8]) -> u32 {
        (self.plain.len() - rest.len()) as u32
    }
}

/// Takes a subject: its kind if this version knows that, tags and labels.
fn subject<'f>(bytes: &mut &'f [u8]) -> Option<(Option<Kind>, [Pairs<'f>; 2])> {
    let length = usize::try_from(varint::take(bytes)?).ok()?;
    let (name, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let pairs = [Pairs::take(bytes)?, Pairs::take(bytes)?];
    Some((Kind::from_measurement(std::str::from_utf8(name).ok()?), pairs))
}

/// Takes the values of a row; `each` is told the number of the field.
fn values(bytes: &mut &[u8], mut each: impl FnMut(usize, f64)) -> Option<()> {
    let mut present = varint::take(bytes)?;
    if present >> MAX_FIELDS != 0 {
        return None;
    }
    while present != 0 {
        let (value, rest) = bytes.split_first_chunk()?;
        each(present.trailing_zeros() as usize, f64::from_le_bytes(*value));
        *bytes = rest;
        present &= present - 1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The frames in `bytes`, unpacked.
    fn read(mut bytes: &[u8]) -> Vec<(Header, Frame)> {
        let mut frames = Vec::new();
        while let Some((head, rest)) = bytes.split_first_chunk() {
            let header = Header::read(head).unwrap();
            let (body, rest) = rest.split_at(header.body as usize);
            assert!(header.fits(body));
            frames.push((header, Frame::unpack(&header, body).unwrap()));
            bytes = rest;
        }
        frames
    }

    /// Host, time and values of each point.
    fn told(frame: &Frame) -> Vec<(String, i64, Vec<f64>)> {
        let (mut places, mut found) = (Vec::new(), Vec::new());
        let Some(behind) = frame.subjects(|place, _, _| places.push(place)) else { return found };
        frame.rows(behind, |subject, at, place| {
            let subject = places.get(subject).and_then(|place| frame.subject(*place));
            let host = subject.and_then(|subject| subject.tags.iter().next());
            let mut values = [0.0; MAX_FIELDS];
            frame.values(place, &mut values).unwrap();
            let values = values.into_iter().filter(|value| value.is_finite());
            found.push((host.unwrap_or_default().1.to_owned(), at, values.collect()));
        });
        found
    }

    #[test]
    fn points_come_back_with_their_tags_and_missing_values() {
        let subject = |host: &str| Arc::new(Subject::new(Kind::Ping, &[("host", host)], &[]));
        let (a, b) = (subject("a b"), subject("ü"));
        let mut frames = Frames::default();
        frames.begin(7, UnixMs(5));
        frames.push(&a, UnixMs(1_000), &[1.0, 1.0, 0.0]);
        frames.push(&b, UnixMs(999), &[1.0, f64::NAN, 100.0]);
        frames.push(&a, UnixMs(1_001), &[f64::NAN]);
        frames.push(&a, UnixMs(-4), &[2.5]);
        let (bytes, points) = frames.take();
        assert_eq!(points, 3);
        let frames = read(bytes);
        let [(header, frame)] = &frames[..] else { panic!("one frame") };
        assert_eq!((header.batch, header.at, header.points), (7, UnixMs(5), 3));
        let expected = [
            ("a b".to_owned(), 1_000, vec![1.0, 1.0, 0.0]),
            ("ü".to_owned(), 999, vec![1.0, 100.0]),
            ("a b".to_owned(), -4, vec![2.5]),
        ];
        assert_eq!(told(frame), expected);
    }

    #[test]
    fn many_points_become_frames_of_one_request_each() {
        let subject = Arc::new(Subject::new(Kind::Tcp, &[("host", "h")], &[]));
        let mut frames = Frames::default();
        frames.begin(1, UnixMs(0));
        for _ in 0..=MAX_POINTS {
            frames.push(&subject, UnixMs(1), &[0.0]);
        }
        let counts: Vec<_> = read(frames.take().0).iter().map(|(_, frame)| frame.len()).collect();
        assert_eq!(counts, [MAX_POINTS, 1]);
        frames.begin(2, UnixMs(0));
        assert_eq!(frames.take(), (&[][..], 0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_points_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            points in 0_usize..50,
        ) {
            let frame = Frame { plain: bytes.clone(), points };
            prop_assert!(told(&frame).len() <= points);
            if let Some(head) = bytes.first_chunk() {
                let header = Header::read(head);
                prop_assert!(header.is_none_or(|header| !header.fits(&bytes[HEADER..])));
            }
        }
    }
}
