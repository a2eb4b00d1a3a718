//! A syslog line as it arrived: who sent it, by which way, when. What it says is read elsewhere; nothing
//! here looks into the text.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::UnixNs;

/// Longest message in bytes that is kept whole; what is longer is cut here and marked as cut. A datagram is
/// never longer; RFC 5425 asks for 2,048 and recommends 8,192.
pub const MAX_LINE: usize = 65_536;

/// How lines come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams (RFC 5426): the sender's address can be forged, lines can be lost.
    Udp,
    /// A stream (RFC 6587): nothing is forged from afar, nothing is lost while it stands.
    Tcp,
    /// A stream under TLS (RFC 5425).
    Tls,
    /// A file that another program writes.
    File,
}

impl Transport {
    /// `udp`, `tcp`, `tls` or `file`, as in labels and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::File => "file",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where lines come in: one socket or one followed file. Half of a sender's identity; the other half is
/// its address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listener {
    /// How lines come in here.
    pub transport: Transport,
    /// The address that was bound, as `127.0.0.1:5514`, or the path of the file.
    pub place: Arc<str>,
}

impl Listener {
    /// A listener on a socket.
    pub fn on(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, place: address.to_string().into() }
    }

    /// The follower of a file.
    pub fn of_file(path: &Path) -> Self {
        Self { transport: Transport::File, place: path.to_string_lossy().into() }
    }
}

impl fmt::Display for Listener {
    /// `udp 127.0.0.1:5514`, as in counters and messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.place)
    }
}

/// Which file stands behind a path, so that it is known again under another name or after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId {
    /// Number of the device (`st_dev`).
    pub device: u64,
    /// Number of the file on it (`st_ino`); used again once the file is gone.
    pub inode: u64,
}

/// How far a followed file has been read: everything before `offset` has been handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The file.
    pub file: FileId,
    /// Bytes from its start.
    pub offset: u64,
    /// Hash of the first bytes before `offset`, 1,024 at most: tells the file from one that took its
    /// number, or its place after a truncation.
    pub head: u64,
}

/// One line: bytes as received, without what separates it from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRef<'a> {
    /// The bytes, at most [`MAX_LINE`]; never empty.
    pub bytes: &'a [u8],
    /// Who sent it; `None` for files.
    pub peer: Option<SocketAddr>,
    /// Whether bytes are missing at its end: it was longer than [`MAX_LINE`], or the sender stopped in the
    /// middle of it.
    pub cut: bool,
    /// Whether it stood behind another one in a datagram with nothing between them: then it may as well be that one's
    /// text, which anybody can have written.
    pub glued: bool,
    /// When it was received.
    pub at: UnixNs,
}
