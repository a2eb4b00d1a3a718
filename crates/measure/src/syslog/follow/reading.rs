//! One file that is being followed: reads whole lines from a position on, and notices when the bytes before
//! that position are no longer those that were read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use model::{FileId, MAX_LINE, Position};
use xxhash_rust::xxh3::xxh3_64;

use super::super::framing::{Framer, Framing};
use super::super::outbox::{Closed, Outbox};
use super::id_of;

/// Bytes a read.
const READ: usize = 256 << 10;
/// Reads a look: between two looks the stop is looked for, and other files have their turn.
const READS: u32 = 64;
/// How many of its first bytes tell a file from another.
const HEAD: usize = 1024;

/// Opens a file to follow. It must be a regular one: a pipe or a device has no position.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// A file and how far it has been read.
#[derive(Debug)]
pub(super) struct Reading {
    file: File,
    id: FileId,
    /// Everything before it has been handed on.
    offset: u64,
    /// What was read after it: the start of a line.
    pending: Vec<u8>,
    /// The file's first bytes, none of them after `offset`.
    head: Vec<u8>,
    framer: Framer,
    /// Whether the file was the one that its stored position tells of.
    known: bool,
    /// Monotonic time of the last line.
    touched: Duration,
}

/// What a look at the file brought.
pub(super) enum Outcome {
    /// Nothing new.
    Nothing,
    /// Lines were handed on, or there is more.
    Lines,
    /// It cannot be read.
    Failed(io::Error),
}

impl Reading {
    /// From the first byte on.
    pub(super) fn at_start(file: File) -> io::Result<Self> {
        let id = id_of(&file.metadata()?);
        Ok(Self {
            file,
            id,
            offset: 0,
            pending: Vec::new(),
            head: Vec::new(),
            framer: Framer::new(Framing::Lines),
            known: false,
            touched: Duration::ZERO,
        })
    }

    /// From the end of the last whole line on.
    pub(super) fn at_end(file: File) -> io::Result<Self> {
        let mut reading = Self::at_start(file)?;
        let length = reading.file.metadata()?.len();
        let start = length.saturating_sub(MAX_LINE as u64);
        let mut tail = vec![0; (length - start) as usize];
        let filled = read_at(&reading.file, &mut tail, start)?;
        let last = memchr::memrchr(b'\n', &tail[..filled]);
        let offset = last.map_or(start, |last| start + last as u64 + 1);
        reading.jump(offset)?;
        Ok(reading)
    }

    /// From a stored position on, if this is the file it tells of; else from the first byte.
    pub(super) fn after(file: File, position: &Position) -> io::Result<Self> {
        let mut reading = Self::at_start(file)?;
        if reading.file.metadata()?.len() >= position.offset {
            reading.jump(position.offset)?;
            reading.known = reading.position() == *position;
        }
        if !reading.known {
            reading.jump(0)?;
        }
        Ok(reading)
    }

    /// Goes to an offset and remembers the bytes by which the file is known.
    fn jump(&mut self, offset: u64) -> io::Result<()> {
        let mut head = vec![0; offset.min(HEAD as u64) as usize];
        let filled = read_at(&self.file, &mut head, 0)?;
        head.truncate(filled);
        (self.offset, self.head) = (offset, head);
        self.pending.clear();
        self.framer = Framer::new(Framing::Lines);
        Ok(())
    }

    /// Its number.
    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// Whether it is the file that its stored position tells of.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// Remembers when it last had something to say.
    pub(super) fn touched(&mut self, at: Duration) {
        self.touched = at;
    }

    /// When it last had something to say.
    pub(super) fn quiet_since(&self) -> Duration {
        self.touched
    }

    fn position(&self) -> Position {
        Position { file: self.id, offset: self.offset, head: xxh3_64(&self.head) }
    }

    /// Hands on whole lines that are new, as many as come of [`READS`].
    pub(super) fn advance(&mut self, outbox: &Outbox) -> Result<Outcome, Closed> {
        let mut outcome = Outcome::Nothing;
        for _ in 0..READS {
            match self.fill(outbox) {
                Ok(0) => return Ok(outcome),
                Ok(_) => {}
                Err(why) => return Ok(Outcome::Failed(why)),
            }
            if self.hand_on(outbox)? {
                outcome = Outcome::Lines;
            }
        }
        Ok(Outcome::Lines)
    }

    /// Reads more behind what is pending; from the start again if the file was truncated.
    fn fill(&mut self, outbox: &Outbox) -> io::Result<usize> {
        let length = self.file.metadata()?.len();
        let read_until = self.offset + self.pending.len() as u64;
        if length == read_until {
            return Ok(0);
        }
        if length < read_until || !self.is_same()? {
            tracing::info!(lost = self.pending.len(), "a followed file was truncated");
            outbox.counts.gaps.add(u64::from(!self.pending.is_empty()));
            self.jump(0)?;
        }
        let from = self.pending.len();
        self.pending.resize(from + READ, 0);
        let filled = read_at(&self.file, &mut self.pending[from..], self.offset + from as u64);
        self.pending.truncate(from + filled.as_ref().map_or(0, |filled| *filled));
        filled
    }

    /// Whether the file still starts as it did.
    fn is_same(&self) -> io::Result<bool> {
        let mut now = [0; HEAD];
        let now = &mut now[..self.head.len()];
        let filled = read_at(&self.file, now, 0)?;
        Ok(filled == self.head.len() && *now == self.head[..])
    }

    /// Hands on the whole lines among what is pending; whether there were any.
    fn hand_on(&mut self, outbox: &Outbox) -> Result<bool, Closed> {
        let mut batch = outbox.batch();
        let bytes = std::mem::take(&mut self.pending);
        let used = self.framer.cut(&bytes, |piece| batch.mark(&piece, None));
        self.pending = bytes[used..].to_vec();
        self.consume(&bytes[..used]);
        if used == 0 {
            return Ok(false);
        }
        batch.fill(bytes);
        batch.reach(self.position());
        outbox.send_blocking(batch)?;
        Ok(true)
    }

    /// Hands on the last line though it has no end: the file is read no more.
    pub(super) fn finish(mut self, outbox: &Outbox) -> Result<(), Closed> {
        let mut batch = outbox.batch();
        let bytes = std::mem::take(&mut self.pending);
        self.framer.finish(&bytes, |piece| batch.mark(&piece, None));
        self.consume(&bytes);
        if batch.is_empty() {
            return Ok(());
        }
        batch.fill(bytes);
        batch.reach(self.position());
        outbox.send_blocking(batch)
    }

    /// Moves the offset behind bytes that are done with.
    fn consume(&mut self, bytes: &[u8]) {
        let more = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..more]);
        self.offset += bytes.len() as u64;
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => break,
            Ok(more) => {
                filled += more;
                offset += more as u64;
                buffer = &mut buffer[more..];
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(filled)
}
