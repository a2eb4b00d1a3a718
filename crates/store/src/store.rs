//! Both files of a data folder together.

use std::path::Path;
use std::sync::Arc;

use model::Clock;

use crate::error::Error;
use crate::samples::Samples;
use crate::samples_file::{SamplesFile, SamplesReader};
use crate::state::State;
use crate::state_file::{StateFile, StateReader};

/// The open store of a data folder. Take a [`crate::DataLock`] first; the last holder of the parts closes
/// the files.
#[derive(Clone)]
pub struct Store {
    samples: Arc<dyn Samples>,
    state: Arc<dyn State>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("stats", &self.samples.stats()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `dir/state.db` and `dir/samples.db`; creates the folder and the files where they are missing,
    /// and migrates older files after a backup beside them.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        std::fs::create_dir_all(dir)
            .map_err(|source| Error::file("create the data folder", dir, source))?;
        let state = Arc::new(StateFile::open(dir, &*clock)?);
        let samples = Arc::new(SamplesFile::open(dir, clock)?);
        Ok(Self { samples, state })
    }

    /// Opens both files for reading alone: nothing of the folder changes, and what would change it is refused with
    /// [`Error::ReadOnly`]. Hold [`DataLock::share`](crate::DataLock::share) meanwhile.
    pub fn open_to_read(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let state = Arc::new(StateReader::open(dir)?);
        let samples = Arc::new(SamplesReader::open(dir, clock)?);
        Ok(Self { samples, state })
    }

    /// Series over time.
    pub fn samples(&self) -> Arc<dyn Samples> {
        Arc::clone(&self.samples)
    }

    /// Records that change.
    pub fn state(&self) -> Arc<dyn State> {
        Arc::clone(&self.state)
    }
}
