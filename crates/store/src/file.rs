//! Opening a database file: durability settings, schema versions, and the backup before each migration.
//! It knows no table; what a schema holds is in `sql/`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Clock, UnixMs};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, Site};

/// The versions of one database file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    /// Name of the file in the data folder.
    pub(crate) file: &'static str,
    /// Tells the file from other SQLite databases (`PRAGMA application_id`).
    pub(crate) application: i32,
    /// Bytes a page.
    pub(crate) page: u32,
    /// One SQL script a version: step `n` leads from version `n` to `n + 1`.
    pub(crate) steps: &'static [&'static str],
}

impl Schema {
    fn newest(&self) -> u32 {
        self.steps.len() as u32
    }
}

/// Statements that stay prepared: more than any stage uses in turn, or each would be parsed anew each time.
const STATEMENTS: usize = 128;
/// How long to wait for another process that reads or backs up the same file.
const BUSY: Duration = Duration::from_secs(10);
/// Memory for pages of the file that is written, in KiB: journal pages are used over and over.
const CACHE: u32 = 8 << 10;
/// Bytes of write-ahead log after which it is moved into the file. A page of the journal is written again
/// many times; the longer the log, the fewer of these reach the file. A killed process reads all of it.
const CHECKPOINT: u32 = 8 << 20;
/// A write-ahead log that grew beyond this is cut after the next checkpoint, in bytes.
const WAL_KEPT: u32 = 64 << 20;

/// Opens `dir/schema.file` for writing, creates or migrates it. A file of a newer version and a file that
/// is no database of ours are refused before a byte of them changes.
pub(crate) fn open_writer(
    dir: &Path,
    schema: &Schema,
    clock: &dyn Clock,
) -> Result<Connection, Error> {
    let path = dir.join(schema.file);
    let site = Site::new(&path);
    let fresh = check_header(&site, schema)? == Found::Nothing;
    let db = Connection::open(&path).map_err(site.fail("open"))?;
    db.busy_timeout(BUSY).map_err(site.fail("open"))?;
    keep_plans(&db).map_err(site.fail("set up"))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Both stand in the file once it has a page. To say the second again would write it again, and with it
    // move all that a killed process left in the log.
    let layout = format!("PRAGMA page_size = {}; PRAGMA auto_vacuum = INCREMENTAL;", schema.page);
    let setup = format!(
        "{} PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL; PRAGMA journal_size_limit = {WAL_KEPT};
         PRAGMA wal_autocheckpoint = {}; PRAGMA cache_size = -{CACHE};
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
        if fresh { &layout } else { "" },
        CHECKPOINT / schema.page,
    );
    set_up(&db, &setup, &path).map_err(site.fail("set up"))?;
    migrate(&db, &site, schema, clock.now_ms())?;
    Ok(db)
}

/// Bytes kept aside beside each database: room for the index of the write-ahead log (32 KiB at least), so
/// that a database also opens where the disk has become full.
const RESERVE: usize = 64 << 10;

/// Runs the settings; gives the reserve up for them if the disk is full, and fills it again if it can.
fn set_up(db: &Connection, settings: &str, path: &Path) -> rusqlite::Result<()> {
    let mut reserve = path.as_os_str().to_owned();
    reserve.push("-reserve");
    let reserve = PathBuf::from(reserve);
    db.execute_batch(settings).or_else(|error| {
        // Whatever was wrong: without a reserve to give up it will be wrong again.
        std::fs::remove_file(&reserve).map_err(|_| error)?;
        db.execute_batch(settings)
    })?;
    if !reserve.exists()
        && let Err(error) = std::fs::write(&reserve, vec![0xff; RESERVE])
    {
        tracing::debug!(%error, file = %reserve.display(), "no room for a reserve");
        drop(std::fs::remove_file(&reserve));
    }
    Ok(())
}

/// Opens a further connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let site = Site::new(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(site.fail("open for reading"))?;
    db.busy_timeout(BUSY).map_err(site.fail("open for reading"))?;
    keep_plans(&db).map_err(site.fail("open for reading"))?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

/// Opens `dir/schema.file` for reading alone, if it is of this netmend's version.
pub(crate) fn open_as_is(dir: &Path, schema: &Schema) -> Result<Connection, Error> {
    let path = dir.join(schema.file);
    // SQLite names neither the file nor what is wrong with it.
    std::fs::metadata(&path).map_err(|source| Error::file("read", &path, source))?;
    let db = open_reader(&path)?;
    let found = check_version(&db, &Site::new(&path), schema)?;
    let known = schema.newest();
    if found < known {
        return Err(Error::Older { path: path.display().to_string(), found, known });
    }
    Ok(db)
}

/// A prepared statement keeps its plan whatever is bound to it. Otherwise SQLite may look at bound values
/// for a better plan, and would parse the statement again for each series of a question.
fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Refuses, for a restore or a look from outside, what [`open_writer`] would refuse.
pub(crate) fn check_version(db: &Connection, site: &Site, schema: &Schema) -> Result<u32, Error> {
    let application: i32 = pragma(db, site, "application_id")?;
    let version: u32 = pragma(db, site, "user_version")?;
    let changes: i64 = pragma(db, site, "schema_version")?;
    refuse(site, schema, application, version, changes != 0)?;
    Ok(version)
}

/// Most databases of other programs have no application and no version either, but `tables`: their schema
/// has been changed since they were made, which ours never is without both being set.
fn refuse(
    site: &Site,
    schema: &Schema,
    application: i32,
    version: u32,
    tables: bool,
) -> Result<(), Error> {
    let fresh = version == 0 && application == 0 && !tables;
    if !fresh && application != schema.application {
        return Err(site.damaged("database", &"it belongs to another program"));
    }
    if version > schema.newest() {
        return Err(Error::Newer {
            path: site.path().display().to_string(),
            found: version,
            known: schema.newest(),
        });
    }
    Ok(())
}

/// What stands where a database is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// No file, or one without a byte.
    Nothing,
    /// A database of ours, of this version or an older one.
    Database,
}

/// Reads what SQLite keeps in the first 100 bytes (sqlite.org/fileformat2.html, section 1.3), without
/// opening the file as a database, which could already change it.
fn check_header(site: &Site, schema: &Schema) -> Result<Found, Error> {
    let mut header = [0; 100];
    let mut file = match File::open(site.path()) {
        Ok(file) => file,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Found::Nothing);
        }
        Err(source) => return Err(Error::file("open", site.path(), source)),
    };
    let length = file.metadata().map_err(|source| Error::file("open", site.path(), source))?.len();
    if length == 0 {
        return Ok(Found::Nothing);
    }
    file.read_exact(&mut header)
        .map_err(|_| site.damaged("header", &"the file is shorter than 100 bytes"))?;
    if &header[..16] != b"SQLite format 3\0" {
        return Err(site.damaged("header", &"the file is not an SQLite database"));
    }
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    refuse(site, schema, number(68).cast_signed(), number(60), number(40) != 0)?;
    Ok(Found::Database)
}

fn pragma<T: rusqlite::types::FromSql>(
    db: &Connection,
    site: &Site,
    name: &str,
) -> Result<T, Error> {
    db.pragma_query_value(None, name, |row| row.get(0)).map_err(site.fail("read the version"))
}

fn migrate(db: &Connection, site: &Site, schema: &Schema, now: UnixMs) -> Result<(), Error> {
    // The header may lag behind what a killed process left in the log: ask again through SQLite.
    let version = check_version(db, site, schema)?;
    if version == schema.newest() {
        return Ok(());
    }
    if version > 0 {
        let kept = dated(site.path(), &format!("v{version}"), now);
        copy_to(db, site, &kept)?;
        tracing::info!(file = %site.path().display(), backup = %kept.display(),
            from = version, to = schema.newest(), "migrating the database");
    }
    for (step, sql) in schema.steps.iter().enumerate().skip(version as usize) {
        let script = format!(
            "BEGIN IMMEDIATE; {sql}; PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
            schema.application,
            step + 1
        );
        if let Err(source) = db.execute_batch(&script) {
            // The transaction may be over already; either way nothing of this step stays.
            drop(db.execute_batch("ROLLBACK"));
            return Err(Error::sqlite("migrate", site.path(), source));
        }
    }
    Ok(())
}

/// `samples.db.v1.20261121T224908Z.bak` for `v1`, beside the file; a number is added while that name is
/// taken.
pub(crate) fn dated(path: &Path, reason: &str, now: UnixMs) -> PathBuf {
    let date = jiff::Timestamp::from_millisecond(now.0)
        .map_or_else(|_| now.0.to_string(), |at| at.strftime("%Y%m%dT%H%M%SZ").to_string());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let candidate =
        |extra: String| path.with_file_name(format!("{name}.{reason}.{date}{extra}.bak"));
    let mut kept = candidate(String::new());
    let mut number = 2;
    while kept.exists() {
        kept = candidate(format!("-{number}"));
        number += 1;
    }
    kept
}

/// Reads the whole file and says what is wrong with it, if anything.
pub(crate) fn check_pages(db: &Connection, site: &Site) -> Result<(), Error> {
    let verdict: String = pragma(db, site, "quick_check")?;
    if verdict == "ok" { Ok(()) } else { Err(site.damaged("database", &verdict)) }
}

/// Writes a consistent, compact copy to a file that must not exist, synced, complete or not there.
pub(crate) fn copy_to(db: &Connection, site: &Site, target: &Path) -> Result<(), Error> {
    let mut partial = target.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let at_target = |source| Error::file("write the copy", target, source);
    match std::fs::remove_file(&partial) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(at_target(source));
        }
        _ => {}
    }
    let name = partial.to_string_lossy();
    if let Err(source) = db.execute("VACUUM INTO ?1", [name.as_ref()]) {
        drop(std::fs::remove_file(&partial));
        return Err(Error::sqlite("copy", site.path(), source));
    }
    let file = File::open(&partial).map_err(at_target)?;
    file.sync_all().map_err(at_target)?;
    std::fs::rename(&partial, target).map_err(at_target)?;
    sync_folder(target)
}

/// Moves all of the write-ahead log into the database file. Nothing depends on it: if a reader or a full
/// disk is in the way, the log stays and is read at the next start.
pub(crate) fn empty_log(db: &Connection) {
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::debug!(%error, "the write-ahead log stays");
    }
}

/// Gives up to that many free pages at the end of the file back to the file system.
pub(crate) fn give_back(db: &Connection, site: &Site, pages: u32) -> Result<(), Error> {
    let fail = |source| Error::sqlite("give pages back", site.path(), source);
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({pages})")).map_err(fail)?;
    let mut freed = vacuum.query([]).map_err(fail)?;
    // Each step frees one page.
    while freed.next().map_err(fail)?.is_some() {}
    Ok(())
}

/// Makes a rename in the folder of `path` outlive a power cut.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| Error::file("sync", folder, source))
}

#[cfg(test)]
mod tests {
    use model::{ManualClock, UnixNs};

    use super::*;

    const ONE: &[&str] = &["CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7)"];
    const TWO: &[&str] = &[ONE[0], "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 8"];
    const BROKEN: &[&str] = &[ONE[0], "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"];

    fn schema(steps: &'static [&'static str]) -> Schema {
        Schema { file: "t.db", application: 0x6e6d_0001, page: 4096, steps }
    }

    fn clock() -> ManualClock {
        ManualClock::new(UnixNs(1_700_000_000_000_000_000))
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn cell(db: &Connection, sql: &str) -> i64 {
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_migration_keeps_a_backup_of_the_older_version() {
        let dir = tempfile::tempdir().unwrap();
        drop(open_writer(dir.path(), &schema(ONE), &clock()).unwrap());
        assert_eq!(names(dir.path()), ["t.db", "t.db-reserve"]);
        let db = open_writer(dir.path(), &schema(TWO), &clock()).unwrap();
        assert_eq!(cell(&db, "SELECT x + y FROM a"), 15);
        let kept = dir.path().join("t.db.v1.20231114T221320Z.bak");
        let old = open_reader(&kept).unwrap();
        assert_eq!(cell(&old, "PRAGMA user_version"), 1);
        assert_eq!(cell(&old, "SELECT x FROM a"), 7);
        drop(db);
        drop(open_writer(dir.path(), &schema(TWO), &clock()).unwrap());
        assert_eq!(names(dir.path()), ["t.db", "t.db-reserve", "t.db.v1.20231114T221320Z.bak"]);
    }

    #[test]
    fn a_step_that_fails_leaves_the_older_version_whole() {
        let dir = tempfile::tempdir().unwrap();
        drop(open_writer(dir.path(), &schema(ONE), &clock()).unwrap());
        let failed = open_writer(dir.path(), &schema(BROKEN), &clock()).unwrap_err();
        assert!(failed.to_string().starts_with("migrate in "), "{failed}");
        let db = open_writer(dir.path(), &schema(ONE), &clock()).unwrap();
        assert_eq!(cell(&db, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
    }

    #[test]
    fn a_newer_database_is_refused_and_not_a_byte_of_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        drop(open_writer(dir.path(), &schema(TWO), &clock()).unwrap());
        let before = std::fs::read(dir.path().join("t.db")).unwrap();
        let refused = open_writer(dir.path(), &schema(ONE), &clock()).unwrap_err();
        assert!(matches!(refused, Error::Newer { found: 2, known: 1, .. }), "{refused}");
        assert_eq!(std::fs::read(dir.path().join("t.db")).unwrap(), before);
        assert_eq!(names(dir.path()), ["t.db", "t.db-reserve"]);
    }

    #[test]
    fn files_that_are_not_ours_are_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let other = Connection::open(dir.path().join("other.db")).unwrap();
        other.execute_batch("PRAGMA application_id = 5; PRAGMA user_version = 1").unwrap();
        drop(other);
        let other = std::fs::read(dir.path().join("other.db")).unwrap();
        let unnamed = Connection::open(dir.path().join("unnamed.db")).unwrap();
        unnamed.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(unnamed);
        let unnamed = std::fs::read(dir.path().join("unnamed.db")).unwrap();
        for (bytes, why) in [
            (b"shor".to_vec(), "shorter than 100 bytes"),
            (vec![b'x'; 5000], "not an SQLite database"),
            (other, "belongs to another program"),
            (unnamed, "belongs to another program"),
        ] {
            std::fs::write(&path, &bytes).unwrap();
            let refused = open_writer(dir.path(), &schema(ONE), &clock()).unwrap_err();
            assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
            assert!(refused.to_string().contains(why), "{refused}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn opening_a_database_again_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), &schema(ONE), &clock()).unwrap();
        db.execute_batch("INSERT INTO a VALUES (9)").unwrap();
        // As a killed process leaves it: what was written last is in the log alone.
        let killed = tempfile::tempdir().unwrap();
        for name in ["t.db", "t.db-wal"] {
            std::fs::copy(dir.path().join(name), killed.path().join(name)).unwrap();
        }
        let bytes = |name: &str| std::fs::read(killed.path().join(name)).unwrap();
        let before = (bytes("t.db"), bytes("t.db-wal"));
        let again = open_writer(killed.path(), &schema(ONE), &clock()).unwrap();
        assert_eq!(cell(&again, "SELECT sum(x) FROM a"), 16);
        assert_eq!(cell(&again, "PRAGMA auto_vacuum"), 2);
        assert!(before == (bytes("t.db"), bytes("t.db-wal")), "something was written");
    }

    #[test]
    fn a_commit_waits_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_writer(dir.path(), &schema(ONE), &clock()).unwrap();
        assert_eq!(cell(&db, "PRAGMA synchronous"), 2);
        assert_eq!(cell(&db, "PRAGMA auto_vacuum"), 2);
        let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
