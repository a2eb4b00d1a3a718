//! The remediations of the daemon: those it brings along and those of the folder, read again when a file
//! changes. A file that is wrong leaves what it held before, and is told.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use mend::script::{Pattern, Remediations};

use crate::bell::Bell;

/// What was read last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Library {
    /// Ready to be asked.
    pub(crate) remediations: Arc<Remediations>,
    /// What is wrong with files, each with its place.
    pub(crate) problems: Vec<String>,
    codes: HashSet<String>,
    patterns: Vec<Pattern>,
}

impl Library {
    /// The remediations, ready to be asked.
    pub(crate) fn new(remediations: Remediations, problems: Vec<String>) -> Self {
        let (mut codes, mut patterns) = (HashSet::new(), Vec::new());
        let changing = remediations.all().iter().filter(|remediation| remediation.meta.changes());
        for code in changing.flat_map(|remediation| &remediation.meta.codes) {
            if code.is_exact() {
                codes.insert(code.as_str().to_owned());
            } else {
                patterns.push(code.clone());
            }
        }
        Self { remediations: Arc::new(remediations), problems, codes, patterns }
    }

    /// Whether a remediation may be for messages of this code, as printed or in normal form.
    pub(crate) fn is_for(&self, code: &str, code_norm: &str) -> bool {
        !code.is_empty()
            && (self.codes.contains(code_norm)
                || self.codes.contains(code)
                || self.patterns.iter().any(|one| one.fits(code_norm) || one.fits(code)))
    }
}

/// The library as it is now, shared with those who hear.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Arc<Library>>);

impl Shelf {
    /// What is there now.
    pub(crate) fn now(&self) -> Arc<Library> {
        Arc::clone(&self.0.lock().expect("no holder of this lock can panic"))
    }

    pub(crate) fn set(&self, library: Library) {
        *self.0.lock().expect("no holder of this lock can panic") = Arc::new(library);
    }

    /// Whether a remediation may be for messages of this code.
    pub(crate) fn is_for(&self, code: &str, code_norm: &str) -> bool {
        self.0.lock().expect("no holder of this lock can panic").is_for(code, code_norm)
    }
}

/// How those who find events call for repairs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summons {
    /// What remediations are for.
    pub(crate) shelf: Arc<Shelf>,
    /// Who is woken when one may be due.
    pub(crate) bell: Arc<Bell>,
}

/// Names, sizes and times of the files of a folder: what changes when one of them does.
pub(crate) type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// The files of remediations in a folder, as they are now; empty if there is none.
pub(crate) fn stamp(folder: Option<&Path>) -> Stamp {
    let Some(entries) = folder.and_then(|folder| std::fs::read_dir(folder).ok()) else {
        return Vec::new();
    };
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let path = entry.path();
        let meta = entry.metadata().ok()?;
        (path.extension()? == "star").then(|| (path, meta.len(), meta.modified().ok()))
    };
    let mut files: Stamp = entries.filter_map(file).collect();
    files.sort();
    files
}
