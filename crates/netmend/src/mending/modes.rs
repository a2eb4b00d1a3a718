//! How far each remediation may go: what a person said last, kept in the store, before what the configuration
//! says.

use std::collections::BTreeMap;
use std::sync::Mutex;

use model::UnixMs;
use model::event::Mode;
use serde::{Deserialize, Serialize};
use store::{Change, Memo, Query, State, Value};

use crate::config::MendSettings;

/// How the keys begin; the name of the remediation follows.
const PREFIX: &str = "mend/mode/";

/// A person's word about a remediation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Word {
    /// `None`: as the configuration says.
    pub(super) mode: Option<Mode>,
    /// Who.
    pub(super) by: String,
    /// When: results of before count no more.
    pub(super) at: UnixMs,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Modes(Mutex<BTreeMap<String, Word>>);

/// How far a remediation may go, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) mode: Mode,
    pub(super) by: String,
    /// Results since then count.
    pub(super) since: UnixMs,
}

impl Modes {
    /// As they were left.
    pub(super) fn read(state: &dyn State) -> Result<Self, store::Error> {
        let found = state.find(&Query::Memos { prefix: PREFIX.to_owned() })?;
        let word = |record: store::Record| match record.value {
            Value::Memo(memo) => {
                let name = memo.key.strip_prefix(PREFIX)?.to_owned();
                Some((name, serde_json::from_slice(&memo.body?).ok()?))
            }
            _ => None,
        };
        Ok(Self(Mutex::new(found.into_iter().filter_map(word).collect())))
    }

    /// What makes a word be kept.
    pub(super) fn change(remediation: &str, word: &Word) -> Change {
        let body = serde_json::to_vec(word).expect("words are JSON");
        Change::Memo(Memo { key: format!("{PREFIX}{remediation}"), body: Some(body) })
    }

    /// Takes a word, once it is kept.
    pub(super) fn set(&self, remediation: &str, word: Word) {
        let mut words = self.0.lock().expect("no holder of this lock can panic");
        words.insert(remediation.to_owned(), word);
    }

    /// How far a remediation may go.
    pub(super) fn of(&self, remediation: &str, settings: &MendSettings) -> Allowed {
        let words = self.0.lock().expect("no holder of this lock can panic");
        let word = words.get(remediation);
        let since = word.map_or(UnixMs(0), |word| word.at);
        if let Some(Word { mode: Some(mode), by, .. }) = word {
            return Allowed { mode: *mode, by: by.clone(), since };
        }
        let mode = settings.modes.get(remediation).copied().unwrap_or(settings.mode);
        Allowed { mode, by: "config".into(), since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_word_comes_before_the_configuration_until_it_is_taken_back() {
        let mut settings = MendSettings { mode: Mode::Suggest, ..MendSettings::default() };
        settings.modes.insert("bounce".into(), Mode::Approve);
        let modes = Modes::default();
        let mode = |name| modes.of(name, &settings).mode;
        assert_eq!((mode("bounce"), mode("other")), (Mode::Approve, Mode::Suggest));
        let word = Word { mode: Some(Mode::Auto), by: "noc".into(), at: UnixMs(5) };
        modes.set("bounce", word.clone());
        assert_eq!(modes.of("bounce", &settings).by, "noc");
        modes.set("bounce", Word { mode: None, ..word });
        let now = modes.of("bounce", &settings);
        assert_eq!((now.mode, now.since), (Mode::Approve, UnixMs(5)));
    }
}
