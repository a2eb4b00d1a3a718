//! The lock of the data folder: one running netmend a folder. It is released by the kernel when its
//! holder ends, however it ends, so a stale lock cannot exist. A child that a killed holder was about to start
//! has it for a moment longer, until it runs its own program; that is waited for.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::Error;

/// A lock whose holder has ended is tried again so often, ...
const TRIES: u32 = 500;
/// ... each time after this.
const PAUSE: Duration = Duration::from_millis(10);

/// Holds a data folder (`flock` on its file `lock`) until dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Name of the lock's file in the data folder. It holds the process id of the holder.
    pub const FILE: &str = "lock";

    /// Takes the folder, which must exist. [`Error::Locked`] names the process that has it.
    pub fn acquire(dir: &Path) -> Result<Self, Error> {
        Self::acquire_after(dir, pause)
    }

    /// Keeps a netmend from starting on the folder while it is read, and changes nothing there; `None` where none
    /// ever ran, as in a backup. [`Error::Locked`] names the process that has it.
    pub fn share(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(Self::FILE);
        let mut file = match File::open(&path) {
            Err(none) if none.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| Error::file("open the lock", &path, source))?,
        };
        take(&mut file, dir, File::try_lock_shared, pause)?;
        Ok(Some(Self { _file: file }))
    }

    /// The same, with what is done before a lock whose holder has ended is tried again.
    fn acquire_after(dir: &Path, pause: impl FnMut()) -> Result<Self, Error> {
        let path = dir.join(Self::FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| Error::file("open the lock", &path, source))?;
        take(&mut file, dir, File::try_lock, pause)?;
        write_pid(&mut file).map_err(|source| Error::file("write the lock", &path, source))?;
        Ok(Self { _file: file })
    }
}

/// Locks by `lock`, and waits for the end of a holder that has ended.
fn take(
    file: &mut File,
    dir: &Path,
    lock: impl Fn(&File) -> Result<(), TryLockError>,
    mut pause: impl FnMut(),
) -> Result<(), Error> {
    let mut tries = 0..TRIES;
    while let Err(refused) = lock(file) {
        if let TryLockError::Error(source) = refused {
            return Err(Error::file("lock", &dir.join(DataLock::FILE), source));
        }
        let holder = holder(file);
        if holder.is_none_or(lives) || tries.next().is_none() {
            let holder =
                holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            return Err(Error::Locked { path: dir.display().to_string(), holder });
        }
        pause();
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "nothing runs yet that could be held up")]
fn pause() {
    std::thread::sleep(PAUSE);
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

/// The process that wrote itself down; `None` if that cannot be read.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether there is such a process.
fn lives(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataLock::acquire(dir.path()).unwrap();
        let refused = DataLock::acquire(dir.path()).unwrap_err();
        let pid = std::process::id();
        assert!(refused.to_string().ends_with(&format!("in use by process {pid}")), "{refused}");
        drop(first);
        DataLock::acquire(dir.path()).unwrap();
    }

    /// A folder as a killed holder leaves it whose child is about to start: locked, with the name of a process
    /// that is no more.
    fn left_locked() -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let path = dir.path().join(DataLock::FILE);
        std::fs::write(&path, format!("{}\n", ended.id())).unwrap();
        let left = File::open(&path).unwrap();
        left.lock().unwrap();
        (dir, left)
    }

    #[test]
    fn what_a_killed_holder_left_is_waited_for() {
        let (dir, left) = left_locked();
        let mut left = Some(left);
        let mut waited = 0;
        let pause = || {
            waited += 1;
            if waited == 3 {
                left.take();
            }
        };
        DataLock::acquire_after(dir.path(), pause).unwrap();
        assert_eq!(waited, 3);
        let holder = std::fs::read_to_string(dir.path().join(DataLock::FILE)).unwrap();
        assert_eq!(holder.trim(), std::process::id().to_string());
    }

    #[test]
    fn it_is_not_waited_for_ever() {
        let (dir, _left) = left_locked();
        let mut waited = 0;
        let refused = DataLock::acquire_after(dir.path(), || waited += 1).unwrap_err();
        assert!(refused.to_string().contains("in use by process "), "{refused}");
        assert_eq!(waited, TRIES);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let refused = DataLock::acquire(Path::new("/nonexistent/netmend")).unwrap_err();
        assert!(refused.to_string().contains("/nonexistent/netmend/lock"), "{refused}");
    }
}
