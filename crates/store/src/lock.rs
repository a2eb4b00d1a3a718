//! The lock of the data folder: one running netmend a folder. It is released by the kernel when its
//! holder ends, however it ends, so a stale lock cannot exist.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::Error;

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
        let path = dir.join(Self::FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| Error::file("open the lock", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: dir.display().to_string(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::file("lock", &path, source));
            }
        }
        write_pid(&mut file).map_err(|source| Error::file("write the lock", &path, source))?;
        Ok(Self { _file: file })
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
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

    #[test]
    fn a_missing_folder_is_named() {
        let refused = DataLock::acquire(Path::new("/nonexistent/netmend")).unwrap_err();
        assert!(refused.to_string().contains("/nonexistent/netmend/lock"), "{refused}");
    }
}
