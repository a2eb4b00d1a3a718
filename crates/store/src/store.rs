//! Both files of a data folder together.

use std::path::Path;
use std::sync::Arc;

use model::Clock;

use crate::error::Error;
use crate::samples::Samples;
use crate::samples_file::SamplesFile;
use crate::state::State;
use crate::state_file::StateFile;

/// The open store of a data folder. Take a [`crate::DataLock`] first; the last holder of the parts closes
/// the files.
#[derive(Clone, Debug)]
pub struct Store {
    samples: Arc<SamplesFile>,
    state: Arc<StateFile>,
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

    /// Series over time.
    pub fn samples(&self) -> Arc<dyn Samples> {
        Arc::clone(&self.samples) as Arc<dyn Samples>
    }

    /// Records that change.
    pub fn state(&self) -> Arc<dyn State> {
        Arc::clone(&self.state) as Arc<dyn State>
    }
}
