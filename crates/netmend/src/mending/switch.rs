//! The kill switch: a person's word, kept in the store, or the file `PAUSE` in the data folder, which works even
//! where nothing else does. It is asked before each command, so asking is cheap.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use mend::worker::Switch;
use model::{Clock, SystemClock, UnixMs};
use show::Paused;
use store::{Change, Memo, Query, Record, State, StateReader, Value};

/// Name of the file in the data folder.
const FILE: &str = "PAUSE";
/// Where a person's word is kept.
const KEY: &str = "mend/paused";
/// Most of the file that is told.
const TOLD: usize = 200;

/// See the module.
#[derive(Debug)]
pub(super) struct KillSwitch {
    file: PathBuf,
    clock: Arc<dyn Clock>,
    /// A person's word.
    word: Mutex<Option<Paused>>,
    /// When the file was seen first.
    seen: Mutex<Option<UnixMs>>,
}

impl KillSwitch {
    /// As it was left.
    pub(super) fn read(
        folder: &Path,
        state: &dyn State,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, store::Error> {
        Ok(Self::with(folder, word(state.find(&question())?), clock))
    }

    fn with(folder: &Path, word: Option<Paused>, clock: Arc<dyn Clock>) -> Self {
        let file = folder.join(FILE);
        Self { file, clock, word: Mutex::new(word), seen: Mutex::default() }
    }

    /// What makes a word, or none, be kept.
    pub(super) fn change(word: Option<&Paused>) -> Change {
        let body = word.map(|word| serde_json::to_vec(word).expect("words are JSON"));
        Change::Memo(Memo { key: KEY.to_owned(), body })
    }

    /// Takes a person's word, once it is kept.
    pub(super) fn set(&self, word: Option<Paused>) {
        *self.word.lock().expect("no holder of this lock can panic") = word;
    }

    /// Where the file is, for those who shall remove it.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.exists().then_some(&*self.file)
    }

    /// Who stopped everything.
    pub(super) fn now(&self) -> Option<Paused> {
        let mut seen = self.seen.lock().expect("no holder of this lock can panic");
        // A file that cannot be looked at is taken for there: who wants to stop must be able to.
        if !matches!(self.file.try_exists(), Ok(false)) {
            let at = *seen.get_or_insert_with(|| self.clock.now_ms());
            let text = fs::read_to_string(&self.file).unwrap_or_default();
            let note = model::text::printable(text.trim(), TOLD);
            return Some(Paused { by: format!("the file {}", self.file.display()), at, note });
        }
        *seen = None;
        self.word.lock().expect("no holder of this lock can panic").clone()
    }
}

/// What asks for a person's word.
fn question() -> Query {
    Query::Memos { prefix: KEY.to_owned() }
}

fn word(found: Vec<Record>) -> Option<Paused> {
    found.into_iter().find_map(|record| match record.value {
        Value::Memo(memo) if memo.key == KEY => serde_json::from_slice(&memo.body?).ok(),
        _ => None,
    })
}

/// Why all repairs are stopped, for a command that works without the daemon; `None` if they are not.
///
/// # Errors
/// The store is there and cannot be read.
pub(crate) fn paused(folder: &Path) -> Result<Option<String>, store::Error> {
    let word = match StateReader::open_if_there(folder)? {
        Some(reader) => word(reader.find(&question())?),
        None => None,
    };
    Ok(KillSwitch::with(folder, word, Arc::new(SystemClock)).stopped())
}

impl Switch for KillSwitch {
    fn stopped(&self) -> Option<String> {
        self.now().map(|paused| sentence(&paused))
    }
}

/// Who stopped everything, and why.
pub(super) fn sentence(paused: &Paused) -> String {
    match paused.note.as_str() {
        "" => format!("all repairs are paused by {}", paused.by),
        note => format!("all repairs are paused by {}: {note}", paused.by),
    }
}

#[cfg(test)]
mod tests {
    use model::{ManualClock, UnixNs};
    use store::StateFile;

    use super::*;

    #[test]
    fn a_word_outlives_a_restart_and_the_file_counts_as_long_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(UnixNs(0)));
        let state = StateFile::open(folder.path(), &*clock).unwrap();
        let read = || KillSwitch::read(folder.path(), &state, Arc::clone(&clock)).unwrap();
        let switch = read();
        assert_eq!(switch.stopped(), None);
        let word = Paused { by: "uid 0".into(), at: UnixMs(1), note: "lunch".into() };
        state.apply(vec![KillSwitch::change(Some(&word))]).unwrap();
        assert_eq!(read().stopped().unwrap(), "all repairs are paused by uid 0: lunch");
        assert_eq!(paused(folder.path()).unwrap(), read().stopped());
        state.apply(vec![KillSwitch::change(None)]).unwrap();
        assert_eq!(read().stopped(), None);
        fs::write(folder.path().join("PAUSE"), "core is on fire\n").unwrap();
        assert!(switch.stopped().unwrap().ends_with("PAUSE: core is on fire"));
        fs::remove_file(folder.path().join("PAUSE")).unwrap();
        assert_eq!(switch.stopped(), None);
        assert_eq!(paused(folder.path()).unwrap(), None);
        assert_eq!(paused(&folder.path().join("none")).unwrap(), None);
    }
}
