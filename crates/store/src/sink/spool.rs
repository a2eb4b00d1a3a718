//! The disk spool: points that were stored and that not every sink has taken. One for all sinks, each with a
//! place of its own; it keeps to a size and an age, and counts for each sink what it lost by that. It sends
//! nothing.
//!
//! Points are written before the store has them and shown to the sinks after it has acknowledged them
//! ([`Spool::append`], [`Spool::reveal`]): a crash in between neither sends what is not stored nor forgets what
//! is.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::{Clock, UnixMs};
use tokio::sync::watch;

use super::bodies::Bodies;
use super::frame::Frames;
use super::points::Points;
use crate::Error;

mod cursors;
mod segment;
#[cfg(test)]
mod tests;

use cursors::Position;
use segment::Segment;

/// How much the spool keeps for sinks that do not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk above which the oldest points go.
    pub max_bytes: u64,
    /// Points that were written longer ago go.
    pub max_age: Duration,
}

impl Limits {
    /// If nobody says: a GiB, a week.
    pub const DEFAULT: Limits =
        Limits { max_bytes: 1 << 30, max_age: Duration::from_hours(7 * 24) };

    /// Size of a segment: what goes at once when there is too much.
    fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 16).clamp(4 << 10, 16 << 20)
    }
}

/// What was found wrong when the spool was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Bytes at the end of segments that are no whole frame: what was being written when the power failed.
    pub truncated: u64,
    /// Points of a batch that the store has never acknowledged, which are therefore not sent.
    pub unstored: u64,
}

/// What waits for one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Points.
    pub points: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Points that went because they were too old or too many, since the start.
    pub dropped: u64,
    /// Points that could not be read again, since the start.
    pub damaged: u64,
}

/// What the next requests are made of.
#[derive(Debug)]
pub struct Batch {
    /// The points.
    pub points: Points,
    /// When the oldest of them was written.
    pub oldest: UnixMs,
    from: Position,
    to: Position,
    /// Points of `to.segment` that lie before `to`.
    passed: u64,
    damaged: u64,
}

impl Batch {
    /// Where it begins and ends.
    pub(super) fn place(&self) -> [(u64, u64); 2] {
        [self.from, self.to].map(|place| (place.segment, place.offset))
    }
}

/// The disk spool.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// Counts up when there is something new.
    shown: watch::Sender<u64>,
    /// What is made of the points for several sinks.
    bodies: Bodies,
}

#[derive(Debug)]
struct Inner {
    limits: Limits,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The last of them, open for appending.
    file: Option<File>,
    /// Number of the next segment.
    next: u64,
    /// The batch at the end that the store has not acknowledged yet: its number, bytes and points.
    hidden: Option<(u64, u64, u64)>,
    cursors: BTreeMap<String, Cursor>,
    /// Places of sinks that have not come back since the start; `None` if nobody knows any.
    known: Option<BTreeMap<String, Position>>,
    /// Whether a place has changed since it was last written down.
    moved: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    at: Position,
    /// Points of the segment that lie before it.
    passed: u64,
    dropped: u64,
    damaged: u64,
}

impl Spool {
    /// Opens the spool in `dir`, which is created. `committed` is the store's latest batch: a batch at the
    /// spool's end with a higher number was never stored and is thrown away.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read or written.
    pub fn open(
        dir: &Path,
        limits: Limits,
        committed: Option<u64>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Found), Error> {
        fs::create_dir_all(dir).map_err(|why| Error::file("create the spool", dir, why))?;
        let mut found = Found::default();
        let ids = segment::list(dir)?;
        let last = ids.last().copied();
        let mut segments = VecDeque::with_capacity(ids.len());
        for id in ids {
            let end = if Some(id) == last { End::Open { committed } } else { End::Sealed };
            segments.push_back(look_through(dir, id, end, &mut found)?);
        }
        let inner = Inner {
            limits,
            segments,
            file: None,
            next: last.map_or(1, |id| id + 1),
            hidden: None,
            cursors: BTreeMap::new(),
            known: cursors::read(dir),
            moved: false,
        };
        let shown = watch::Sender::new(0);
        let (dir, inner, bodies) = (dir.to_owned(), Mutex::new(inner), Bodies::default());
        Ok((Self { dir, clock, inner, shown, bodies }, found))
    }

    /// Sets what is kept from now on.
    pub fn limit(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    /// Keeps points for exactly the sinks of these names. One that is new begins with what comes next, one that
    /// was known before the start goes on where it was, and what nobody needs any more goes. Places that cannot
    /// be written down, as on a full disk, are written with the next batch.
    ///
    /// # Errors
    /// A segment cannot be looked through.
    pub fn keep_for(&self, names: &[String]) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.cursors.retain(|name, _| names.contains(name));
        for name in names {
            if inner.cursors.contains_key(name) {
                continue;
            }
            let place = match &inner.known {
                // The file is lost: better twice than never.
                None if !inner.segments.is_empty() => Some(Position::default()),
                None => None,
                Some(known) => known.get(name).copied(),
            };
            let cursor = match place {
                Some(place) => inner.cursor_at(&self.dir, place)?,
                None => inner.end(),
            };
            inner.cursors.insert(name.clone(), cursor);
        }
        inner.known = Some(BTreeMap::new());
        inner.moved = true;
        inner.forget(&self.dir);
        if let Err(why) = inner.save(&self.dir) {
            tracing::warn!(%why, "how far each sink is will be written down later");
        }
        Ok(())
    }

    /// Writes points of a batch that the store is about to get. They stay hidden until [`Spool::reveal`].
    /// Writing the same batch again does nothing, and gives false.
    ///
    /// # Errors
    /// They were not written, for instance because the disk is full; nothing else has changed.
    pub fn append(&self, frames: &mut Frames) -> Result<bool, Error> {
        let now = self.clock.now_ms();
        let batch = frames.batch();
        let (bytes, points) = frames.take();
        let mut inner = self.lock();
        if inner.hidden.is_some_and(|(known, ..)| known == batch) {
            return Ok(false);
        }
        if points == 0 {
            return Ok(true);
        }
        inner.roll(&self.dir, now)?;
        let Inner { segments, file, .. } = &mut *inner;
        let segment = segments.back_mut().expect("`roll` leaves a segment");
        let file = file.as_mut().expect("`roll` leaves the last segment open");
        segment::append(file, segment.bytes, bytes)
            .map_err(|why| Error::file("append to", &segment::path(&self.dir, segment.id), why))?;
        segment.bytes += bytes.len() as u64;
        segment.points += points;
        segment.last_at = now;
        inner.hidden = Some((batch, bytes.len() as u64, points));
        Ok(true)
    }

    /// Shows the sinks what was appended: the store has it. Also drops what is too old or too much.
    ///
    /// # Errors
    /// The places of the sinks cannot be written down; nothing is lost by that.
    pub fn reveal(&self) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let mut inner = self.lock();
        let fresh = inner.hidden.take().is_some();
        inner.drop_excess(&self.dir, now);
        let saved = inner.save(&self.dir);
        drop(inner);
        if fresh {
            self.shown.send_modify(|version| *version += 1);
        }
        saved
    }

    /// The bodies of requests that are made of its points.
    pub(super) fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Rings when there is something new.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shown.subscribe()
    }

    /// The next points for a sink, up to `most` and at least a frame; `None` if there are none, or no such sink.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn read(&self, name: &str, most: usize) -> Result<Option<Batch>, Error> {
        let look = || {
            let inner = self.lock();
            let cursor = *inner.cursors.get(name)?;
            Some((cursor, inner.shown_from(cursor.at.segment)))
        };
        let Some((mut cursor, mut segments)) = look() else { return Ok(None) };
        loop {
            let read = gather(&self.dir, cursor, &segments, most);
            match look() {
                // What was to be read has gone meanwhile because there was too much.
                Some(again) if read.is_err() && again.0.at != cursor.at => {
                    (cursor, segments) = again;
                }
                _ => return read,
            }
        }
    }

    /// Says that a sink has no further use for the points of `batch`, and writes that down: a Prometheus would
    /// refuse them the second time.
    pub fn advance(&self, name: &str, batch: &Batch) {
        let mut inner = self.lock();
        let Some(cursor) = inner.cursors.get_mut(name) else { return };
        // It may have been moved on meanwhile because there was too much.
        if cursor.at == batch.from {
            (cursor.at, cursor.passed) = (batch.to, batch.passed);
            cursor.damaged += batch.damaged;
            inner.moved = true;
            inner.forget(&self.dir);
            if let Err(why) = inner.save(&self.dir) {
                tracing::debug!(%why, "what a sink took is written down later");
            }
        }
    }

    /// What waits for a sink.
    pub fn waiting(&self, name: &str) -> Option<Waiting> {
        let inner = self.lock();
        let cursor = inner.cursors.get(name)?;
        let segments = inner.shown_from(cursor.at.segment);
        let points: u64 = segments.iter().map(|segment| segment.points).sum();
        let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        Some(Waiting {
            points: points.saturating_sub(cursor.passed),
            bytes: bytes.saturating_sub(cursor.at.offset),
            dropped: cursor.dropped,
            damaged: cursor.damaged,
        })
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.lock().segments.iter().map(|segment| segment.bytes).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock can panic")
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Err(why) = self.lock().save(&self.dir) {
            tracing::warn!(%why, "the last second of points will be sent again");
        }
    }
}

impl Inner {
    /// Makes the last segment one that can be appended to.
    fn roll(&mut self, dir: &Path, now: UnixMs) -> Result<(), Error> {
        let full = self.segments.back().is_none_or(|segment| {
            let old = segment.first_at + self.limits.max_age / 16;
            segment.bytes >= self.limits.segment_bytes() || (segment.points > 0 && now > old)
        });
        if full {
            self.file = Some(segment::create(dir, self.next)?);
            let empty = Segment { id: self.next, bytes: 0, points: 0, first_at: now, last_at: now };
            self.segments.push_back(empty);
            self.next += 1;
        } else if let (None, Some(last)) = (&self.file, self.segments.back()) {
            self.file = Some(segment::open(dir, last.id)?);
        }
        Ok(())
    }

    /// The place behind all that is shown.
    fn end(&self) -> Cursor {
        let Some(last) = self.shown_from(0).pop() else {
            return Cursor { at: Position { segment: self.next, offset: 0 }, ..Cursor::default() };
        };
        let at = Position { segment: last.id, offset: last.bytes };
        Cursor { at, passed: last.points, ..Cursor::default() }
    }

    /// Segments from `id` on, without what is hidden.
    fn shown_from(&self, id: u64) -> Vec<Segment> {
        let mut segments: Vec<Segment> =
            self.segments.iter().filter(|segment| segment.id >= id).copied().collect();
        if let (Some(last), Some((_, bytes, points))) = (segments.last_mut(), self.hidden) {
            last.bytes -= bytes;
            last.points -= points;
        }
        segments
    }

    /// A cursor at a place that was written down: the nearest one that there is.
    fn cursor_at(&self, dir: &Path, place: Position) -> Result<Cursor, Error> {
        let Some(segment) = self.shown_from(place.segment).first().copied() else {
            return Ok(self.end());
        };
        if segment.id > place.segment {
            let at = Position { segment: segment.id, offset: 0 };
            return Ok(Cursor { at, ..Cursor::default() });
        }
        let path = segment::path(dir, segment.id);
        let failed = |why| Error::file("read", &path, why);
        let file = File::open(&path).map_err(failed)?;
        let (mut offset, mut passed) = (0, 0);
        while offset < place.offset.min(segment.bytes)
            && let Some(header) = segment::header(&file, offset, segment.bytes).map_err(failed)?
        {
            offset += header.frame();
            passed += u64::from(header.points);
        }
        let at = Position { segment: segment.id, offset };
        Ok(Cursor { at, passed, ..Cursor::default() })
    }

    /// Drops the oldest segments while they are too old or all are too much. The last one stays.
    fn drop_excess(&mut self, dir: &Path, now: UnixMs) {
        let oldest_kept = now - self.limits.max_age;
        while self.segments.len() > 1 {
            let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
            let Some(first) = self.segments.front().copied() else { return };
            if bytes <= self.limits.max_bytes && first.last_at >= oldest_kept {
                return;
            }
            self.segments.pop_front();
            let next = self.segments.front().map_or(self.next, |segment| segment.id);
            let behind = |(_, cursor): &(&String, &mut Cursor)| cursor.at.segment <= first.id;
            for (sink, cursor) in self.cursors.iter_mut().filter(behind) {
                let points = first.points - cursor.passed.min(first.points);
                tracing::warn!(%sink, points, "points are given up: too old, or too many");
                cursor.dropped += points;
                (cursor.at, cursor.passed) = (Position { segment: next, offset: 0 }, 0);
            }
            self.moved = true;
            remove(dir, first.id);
        }
    }

    /// Removes the segments that every sink has behind it.
    fn forget(&mut self, dir: &Path) {
        let needed = self.cursors.values().map(|cursor| cursor.at.segment).min();
        let needed = needed.unwrap_or(self.next);
        while let Some(first) = self.segments.front().copied() {
            let last = self.segments.len() == 1 && !self.cursors.is_empty();
            if first.id >= needed || last {
                return;
            }
            self.segments.pop_front();
            if self.segments.is_empty() {
                (self.file, self.hidden) = (None, None);
            }
            remove(dir, first.id);
        }
    }

    /// Writes the places down if one has changed.
    fn save(&mut self, dir: &Path) -> Result<(), Error> {
        if self.moved {
            let places = self.cursors.iter().map(|(name, cursor)| (name.clone(), cursor.at));
            cursors::write(dir, &places.collect())?;
            self.moved = false;
        }
        Ok(())
    }
}

/// Removes a segment. One that stays is found and removed after the next start.
fn remove(dir: &Path, id: u64) {
    let path = segment::path(dir, id);
    if let Err(why) = fs::remove_file(&path) {
        tracing::warn!(%why, path = %path.display(), "cannot remove a segment of the spool");
    }
}

/// What may stand at a segment's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing but whole frames of what was stored: later segments follow.
    Sealed,
    /// Half a frame, or a batch behind the one that the store acknowledged last.
    Open { committed: Option<u64> },
}

/// Takes stock of a segment. The last one is checked to the last byte and cut off behind what is whole and stored.
fn look_through(dir: &Path, id: u64, end: End, found: &mut Found) -> Result<Segment, Error> {
    let path = segment::path(dir, id);
    let failed = |why| Error::file("read", &path, why);
    let file = segment::open(dir, id)?;
    let mut segment =
        Segment { id, bytes: 0, points: 0, first_at: UnixMs(i64::MAX), last_at: UnixMs(0) };
    // Where the last batch begins, its number and its points.
    let mut tail: Option<(u64, u64, u64)> = None;
    segment.bytes = segment::scan(&file, end != End::Sealed, |at, header| {
        segment.points += u64::from(header.points);
        segment.first_at = segment.first_at.min(header.at);
        segment.last_at = segment.last_at.max(header.at);
        tail = match tail {
            Some((start, batch, points)) if batch == header.batch => {
                Some((start, batch, points + u64::from(header.points)))
            }
            _ => Some((at, header.batch, u64::from(header.points))),
        };
    })
    .map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    found.truncated += length - segment.bytes;
    let End::Open { committed } = end else { return Ok(segment) };
    if let Some((start, batch, points)) = tail
        && committed.is_none_or(|committed| batch > committed)
    {
        found.unstored += points;
        segment.points -= points;
        segment.bytes = start;
    }
    if segment.bytes < length {
        file.set_len(segment.bytes).map_err(|why| Error::file("cut off", &path, why))?;
    }
    Ok(segment)
}

/// Reads frames from a cursor on.
fn gather(
    dir: &Path,
    cursor: Cursor,
    segments: &[Segment],
    most: usize,
) -> Result<Option<Batch>, Error> {
    let (mut frames, mut points) = (Vec::new(), 0);
    let mut batch = Batch {
        points: Points::default(),
        oldest: UnixMs(i64::MAX),
        from: cursor.at,
        to: cursor.at,
        passed: cursor.passed,
        damaged: 0,
    };
    'read: for segment in segments {
        if segment.id > batch.to.segment {
            (batch.to, batch.passed) = (Position { segment: segment.id, offset: 0 }, 0);
        }
        if batch.to.offset >= segment.bytes {
            continue;
        }
        let path = segment::path(dir, segment.id);
        let failed = |why| Error::file("read", &path, why);
        let file = File::open(&path).map_err(failed)?;
        while batch.to.offset < segment.bytes {
            let at = batch.to.offset;
            let header = segment::header(&file, at, segment.bytes).map_err(failed)?;
            let Some(header) = header else {
                batch.skip_rest(segment, "a header is no header");
                break;
            };
            if points > 0 && points + header.points as usize > most {
                break 'read;
            }
            match segment::frame(&file, at, &header).map_err(failed)? {
                Ok(frame) => {
                    points += frame.len();
                    batch.oldest = batch.oldest.min(header.at);
                    frames.push(frame);
                }
                Err(why) => {
                    tracing::warn!(path = %path.display(), at, why, "points of the spool are damaged");
                    batch.damaged += u64::from(header.points);
                }
            }
            batch.to.offset += header.frame();
            batch.passed += u64::from(header.points);
        }
    }
    batch.points = Points::of(frames);
    Ok((batch.to != batch.from && (points > 0 || batch.damaged > 0)).then_some(batch))
}

impl Batch {
    /// Passes over the rest of a segment that cannot be read.
    fn skip_rest(&mut self, segment: &Segment, why: &'static str) {
        tracing::warn!(
            segment = segment.id,
            at = self.to.offset,
            why,
            "points of the spool are damaged"
        );
        self.damaged += segment.points.saturating_sub(self.passed);
        self.to.offset = segment.bytes;
        self.passed = segment.points;
    }
}
