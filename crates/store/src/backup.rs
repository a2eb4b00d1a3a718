//! Copies of a data folder: made beside a running netmend, brought back only without one.

use std::path::{Path, PathBuf};

use model::{Clock, UnixMs};
use rusqlite::Connection;

use crate::engine::load;
use crate::error::{Error, Site};
use crate::file::{self, Schema};
use crate::lock::DataLock;
use crate::{samples_file, state_file};

const FILES: [Schema; 2] = [state_file::SCHEMA, samples_file::SCHEMA];

/// Copies both files of the data folder `from` into the folder `to`, which is made if it is missing and
/// must not hold them yet. Each copy is complete in itself, compact and synced, as of a moment during the
/// call; what has been acknowledged before the call is in it. A netmend that runs on `from` goes on. Nothing
/// is left of copies that a netmend could not start with.
pub fn backup(from: &Path, to: &Path) -> Result<(), Error> {
    for schema in &FILES {
        open(from, schema)?;
        refuse_existing(&to.join(schema.file))?;
    }
    std::fs::create_dir_all(to).map_err(|source| Error::file("create the folder", to, source))?;
    let copy = |schema: &Schema| {
        let (db, site) = open(from, schema)?;
        check_journal(&db, &site, schema)?;
        file::copy_to(&db, &site, &to.join(schema.file))
    };
    FILES.iter().try_for_each(copy).inspect_err(|_| {
        // Half a copy is of no use; the error that led here counts.
        for schema in &FILES {
            drop(remove(&to.join(schema.file)));
        }
    })
}

/// Puts the copies in the folder `from` in the place of the files of the data folder `to`, after checking
/// them: all pages, and all that a netmend reads when it starts. Refused while a netmend runs on `to`. Files that
/// are there are not deleted but renamed; returns their new names.
pub fn restore(from: &Path, to: &Path, clock: &dyn Clock) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(to).map_err(|source| Error::file("create the folder", to, source))?;
    let _lock = DataLock::acquire(to)?;
    let staged = |schema: &Schema| to.join(format!("{}.restoring", schema.file));
    let stage = |schema: &Schema| {
        let (db, site) = open(from, schema)?;
        file::check_pages(&db, &site)?;
        check_journal(&db, &site, schema)?;
        remove(&staged(schema))?;
        file::copy_to(&db, &site, &staged(schema))
    };
    if let Err(why) = FILES.iter().try_for_each(stage) {
        // Half a copy is of no use; the error that led here counts.
        for schema in &FILES {
            drop(remove(&staged(schema)));
        }
        return Err(why);
    }
    let mut kept = Vec::new();
    for schema in &FILES {
        let path = to.join(schema.file);
        kept.extend(set_aside(&path, clock.now_ms())?);
        rename(&staged(schema), &path)?;
    }
    file::sync_folder(&to.join(DataLock::FILE))?;
    Ok(kept)
}

/// Opens one file of the folder `from` for reading, if it is there and of a version that we know. A file
/// without a version holds nothing, as a copy cut off at its first byte: it is not taken for a store.
fn open(from: &Path, schema: &Schema) -> Result<(Connection, Site), Error> {
    let path = from.join(schema.file);
    require(&path)?;
    let site = Site::new(&path);
    let db = file::open_reader(&path)?;
    if file::check_version(&db, &site, schema)? == 0 {
        return Err(site.damaged("database", &"it is empty"));
    }
    Ok((db, site))
}

/// Reads of the file of samples what the engine reads when it starts: pages may be whole, and what stands in
/// them is not.
fn check_journal(db: &Connection, site: &Site, schema: &Schema) -> Result<(), Error> {
    if schema.application == samples_file::SCHEMA.application {
        load::check(db, site)?;
    }
    Ok(())
}

fn require(path: &Path) -> Result<(), Error> {
    std::fs::metadata(path).map(drop).map_err(|source| Error::file("read", path, source))
}

fn refuse_existing(path: &Path) -> Result<(), Error> {
    if path.exists() {
        let taken = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(Error::file("write the copy", path, taken));
    }
    Ok(())
}

/// Renames a database and its log, which belong together: the log may hold the newest commits.
fn set_aside(path: &Path, now: UnixMs) -> Result<Option<PathBuf>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let kept = file::dated(path, "before-restore", now);
    let beside = |path: &Path, end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let log = beside(path, "-wal");
    if log.exists() {
        rename(&log, &beside(&kept, "-wal"))?;
    }
    remove(&beside(path, "-shm"))?;
    rename(path, &kept)?;
    Ok(Some(kept))
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(|source| Error::file("rename to", to, source))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", path, source))
        }
        _ => Ok(()),
    }
}
