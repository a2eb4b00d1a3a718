//! Why the store could not do it, in sentences that name what was tried and on which file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{SeriesId, UnixMs};
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Why the store could not do it. Cheap to clone: one failed group commit answers many callers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk is full or a quota was reached; nothing was written, later calls may succeed.
    #[error("{what}: no space left on the disk of {path}")]
    Full {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: String,
    },
    /// Another failure of SQLite.
    #[error("{what} in {path}: {source}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: String,
        /// Why it failed.
        source: Arc<rusqlite::Error>,
    },
    /// The file system refused.
    #[error("{what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file or folder.
        path: String,
        /// Why it failed.
        source: Arc<std::io::Error>,
    },
    /// The database was written by a newer netmend.
    #[error(
        "{path} has schema version {found}, this netmend knows up to {known}: start the newer netmend, or restore a backup"
    )]
    Newer {
        /// Which file.
        path: String,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// The database was written by an older netmend, and is open for reading only: nobody may bring it up to date.
    #[error(
        "{path} has schema version {found}, this netmend reads {known}: start this netmend on it, which brings it up to date; a backup is to be restored first"
    )]
    Older {
        /// Which file.
        path: String,
        /// Version found.
        found: u32,
        /// The version that can be read.
        known: u32,
    },
    /// The store is open for reading only.
    #[error("{what}: the store is open for reading only")]
    ReadOnly {
        /// What was tried.
        what: &'static str,
    },
    /// Stored bytes that do not decode.
    #[error("{what} in {path} is damaged: {why}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another process holds the data folder.
    #[error("the data folder {path} is in use by {holder}")]
    Locked {
        /// Which folder.
        path: String,
        /// Who holds it: `process 123`, or `another process` where its number could not be read.
        holder: String,
    },
    /// A sample is not a finite number; nothing of its batch was stored.
    #[error("sample of series {series} at {} ms is not a finite number: {value}", .at.0)]
    NotFinite {
        /// Whose sample.
        series: SeriesId,
        /// When it was measured.
        at: UnixMs,
        /// NaN or an infinity.
        value: f64,
    },
    /// A sample's time lies outside the years 1970 to 9999; nothing of its batch was stored.
    #[error("sample of series {series} has a time outside the years 1970 to 9999: {} ms", .at.0)]
    NotATime {
        /// Whose sample.
        series: SeriesId,
        /// The time in question.
        at: UnixMs,
    },
    /// A sample belongs to a series that was never registered; nothing of its batch was stored.
    #[error("series {0} is not registered")]
    UnknownSeries(SeriesId),
    /// The question itself makes no sense.
    #[error("range query: {0}")]
    Question(&'static str),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// What an error of SQLite means: a full disk and damage are told from the rest.
    pub(crate) fn sqlite(what: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        let path_text = path.display().to_string();
        if let rusqlite::Error::FromSqlConversionFailure(..) = source {
            return Self::Damaged { what, path: path_text, why: source.to_string() };
        }
        match source.sqlite_error() {
            // A WAL index that cannot grow is a full disk too (`SQLITE_IOERR_SHMSIZE`).
            Some(
                ffi::Error { code: ErrorCode::DiskFull, .. }
                | ffi::Error { extended_code: ffi::SQLITE_IOERR_SHMSIZE, .. },
            ) => Self::Full { what, path: path_text },
            Some(ffi::Error {
                code: ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, ..
            }) => Self::Damaged { what, path: path_text, why: source.to_string() },
            _ => Self::Database { what, path: path_text, source: Arc::new(source) },
        }
    }

    /// An error of the file system; a full disk is told from the rest.
    pub(crate) fn file(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        let path = path.display().to_string();
        if source.kind() == std::io::ErrorKind::StorageFull {
            return Self::Full { what, path };
        }
        Self::File { what, path, source: Arc::new(source) }
    }
}

/// Names a file once, for the many places where SQLite may fail on it.
#[derive(Clone, Debug)]
pub(crate) struct Site(PathBuf);

impl Site {
    /// The site of a file.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Turns an error of SQLite into ours: `.map_err(site.fail("commit"))`.
    pub(crate) fn fail(&self, what: &'static str) -> impl FnOnce(rusqlite::Error) -> Error + '_ {
        move |source| Error::sqlite(what, &self.0, source)
    }

    /// Bytes that do not decode.
    pub(crate) fn damaged(&self, what: &'static str, why: &dyn std::fmt::Display) -> Error {
        let why = why.to_string();
        Error::Damaged { what, path: self.0.display().to_string(), why }
    }
}
