//! The remediations there are: those that netmend brings along and those of a folder, indexed by the codes that
//! they are for. Which one is meant for an event is decided here; whether it runs is not.

use std::collections::HashMap;
use std::sync::Arc;

use super::facts::Facts;
use super::meta::Meta;
use super::template::Template;
use crate::platform::Platform;

/// The remediation of what no other is for.
pub(super) const DEFAULT: &str = "default";

/// A remediation that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remediation {
    /// Its name: that of the file without `.star`.
    pub name: String,
    /// The file as it is shown to people.
    pub path: String,
    /// Where it comes from.
    pub origin: Origin,
    /// SHA-256 of the text in small hexadecimal digits: which text it was that ran.
    pub sha256: String,
    /// The text.
    pub source: Arc<str>,
    /// What it says of itself.
    pub meta: Meta,
    /// The commands that the file holds; no other is ever sent for it.
    pub(super) templates: Arc<[Template]>,
    /// Where `remediation(...)` stands in the text.
    pub(super) place: (u32, u32),
}

impl Remediation {
    /// One without a text: its steps are run by something else than a script, and it holds no command.
    pub fn without_text(name: impl Into<String>, meta: Meta) -> Self {
        let name = name.into();
        let path = format!("({name})");
        let source = Arc::from("");
        let (origin, sha256, templates) = (Origin::Folder, String::new(), Arc::default());
        Self { name, path, origin, sha256, source, meta, templates, place: (0, 0) }
    }
}

/// Where a remediation comes from. Those of the folder come before those that are shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// netmend brings it along.
    Shipped,
    /// It lies in the folder of the configuration.
    Folder,
}

/// Which remediation is meant for an event.
#[derive(Clone, Debug)]
pub enum Found {
    /// This one.
    One(Arc<Remediation>),
    /// None but the default, which records and opens no session.
    Default(Arc<Remediation>),
    /// None at all.
    Nothing,
    /// These, and none has a higher priority: nothing may run.
    Several(Vec<Arc<Remediation>>),
}

/// All remediations, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Remediations {
    all: Vec<Arc<Remediation>>,
    default: Option<Arc<Remediation>>,
    /// By a code that is written out.
    exact: HashMap<Box<str>, Vec<u32>>,
    /// By what stands before the first star of a code.
    prefixes: HashMap<Box<str>, Vec<u32>>,
    /// The lengths of these, shortest first.
    lengths: Vec<usize>,
}

impl Remediations {
    /// Takes remediations of different names.
    pub fn new(remediations: impl IntoIterator<Item = Arc<Remediation>>) -> Self {
        let mut library = Self::default();
        for remediation in remediations {
            if remediation.name == DEFAULT {
                library.default = Some(Arc::clone(&remediation));
            } else {
                let number = library.all.len() as u32;
                for code in &remediation.meta.codes {
                    let (index, key) = if code.is_exact() {
                        (&mut library.exact, code.as_str())
                    } else {
                        (&mut library.prefixes, code.prefix())
                    };
                    index.entry(key.into()).or_default().push(number);
                }
            }
            library.all.push(remediation);
        }
        library.lengths = library.prefixes.keys().map(|prefix| prefix.len()).collect();
        library.lengths.sort_unstable();
        library.lengths.dedup();
        library
    }

    /// All of them, the default included, in the order given.
    pub fn all(&self) -> &[Arc<Remediation>] {
        &self.all
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Remediation>> {
        self.all.iter().find(|remediation| remediation.name == name)
    }

    /// Which one is meant for an event on a platform; `None` if it is not known what runs there.
    pub fn matching(&self, facts: &Facts, platform: Option<Platform>) -> Found {
        let mut best: Vec<u32> = Vec::new();
        let mut rank = None;
        self.candidates(facts, |number| {
            let remediation = &self.all[number as usize];
            let its = Some((remediation.origin, remediation.meta.priority));
            if its < rank || !remediation.meta.matches(facts, platform) {
                return;
            }
            if its > rank {
                best.clear();
                rank = its;
            }
            // One file may name a code twice, exactly and by a star.
            if !best.contains(&number) {
                best.push(number);
            }
        });
        match (best.as_slice(), &self.default) {
            ([one], _) => Found::One(Arc::clone(&self.all[*one as usize])),
            ([], Some(default)) => Found::Default(Arc::clone(default)),
            ([], None) => Found::Nothing,
            (several, _) => {
                let one = |number: &u32| Arc::clone(&self.all[*number as usize]);
                Found::Several(several.iter().map(one).collect())
            }
        }
    }

    /// Calls `with` for each that names one of the event's codes, or begins as one does.
    fn candidates(&self, facts: &Facts, mut with: impl FnMut(u32)) {
        let (printed, norm) = (facts.event.code.as_str(), facts.event.code_norm.as_str());
        let codes = if printed == norm { &[printed][..] } else { &[printed, norm][..] };
        for code in codes {
            let exact = self.exact.get(*code);
            let starting = self.lengths.iter().filter_map(|length| code.get(..*length));
            let starting = starting.filter_map(|prefix| self.prefixes.get(prefix));
            exact.into_iter().chain(starting).flatten().for_each(|number| with(*number));
        }
    }
}

#[cfg(test)]
mod tests;
