//! Reads remediations from files, in children of their own: those that netmend brings along and those of a
//! folder. A file that is wrong keeps its last good version, and it is said what is wrong.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::children::{Child, Children, Lost};
use super::execution::problem;
use super::library::{Origin, Remediation, Remediations};
use super::meta::{Condition, Meta, Step};
use super::overlap;
use super::pattern::Pattern;
use super::problem::Problem;
use super::shipped::SHIPPED;
use super::wire::{Flaw, FromChild, Loaded, ToChild};
use crate::platform::Platform;

/// Most files of a folder.
const MOST: usize = 10_000;
/// Longest file that is read at all, in bytes.
const LONGEST: u64 = 1 << 20;
/// Children that read at a time.
const READERS: usize = 4;

/// What came of reading.
#[derive(Debug, Default)]
pub struct Loading {
    /// The remediations that can be used.
    pub remediations: Remediations,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// A file to read.
struct File {
    name: String,
    path: String,
    origin: Origin,
    source: Arc<str>,
    sha256: String,
}

/// Reads what is shipped, and the `*.star` files of a folder in the order of their names. Of a file that is
/// wrong the version in `before` is kept, if it has one. Files that have not changed are not read again.
pub async fn load(folder: Option<&Path>, before: &Remediations, children: &Children) -> Loading {
    let mut problems = Vec::new();
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    for (name, source) in SHIPPED {
        let file = file(name, format!("{name}.star"), Origin::Shipped, (*source).into());
        files.insert((*name).to_owned(), file);
    }
    if let Some(folder) = folder {
        for file in read_folder(folder, &mut problems) {
            files.insert(file.name.clone(), file);
        }
    }
    let mut known: HashMap<&str, &Arc<Remediation>> = HashMap::new();
    for remediation in before.all() {
        known.insert(&remediation.name, remediation);
    }
    let same = |file: &File| {
        let old = known.get(file.name.as_str())?;
        (old.sha256 == file.sha256 && old.path == file.path).then(|| Arc::clone(old))
    };
    let (mut found, mut new): (BTreeMap<String, Arc<Remediation>>, Vec<File>) = Default::default();
    for (name, file) in files {
        match same(&file) {
            Some(old) => drop(found.insert(name, old)),
            None => new.push(file),
        }
    }
    for (file, result) in read(new, children).await {
        match result {
            Ok(remediation) => drop(found.insert(file.name, Arc::new(remediation))),
            Err(wrong) => {
                problems.extend(wrong);
                if let Some(old) = known.get(file.name.as_str()) {
                    found.insert(file.name, Arc::clone(old));
                }
            }
        }
    }
    problems.extend(overlap::conflicts(found.values()));
    Loading { remediations: Remediations::new(found.into_values()), problems }
}

/// Checks one file; its name is that of the path.
pub async fn check(path: &Path, children: &Children) -> Result<Remediation, Vec<Problem>> {
    let file = read_file(path).map_err(|problem| vec![problem])?;
    let mut results = read(vec![file], children).await;
    match results.pop() {
        Some((_, result)) => result,
        None => Err(vec![unreadable(path, "nothing was read")]),
    }
}

fn file(name: &str, path: String, origin: Origin, source: Arc<str>) -> File {
    let digest = ring::digest::digest(&ring::digest::SHA256, source.as_bytes());
    let sha256 = digest.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    File { name: name.to_owned(), path, origin, source, sha256 }
}

fn unreadable(path: &Path, what: impl Into<String>) -> Problem {
    let (file, what) = (path.display().to_string(), what.into());
    Problem { file, source: "".into(), span: 0..0, what, allowed: None }
}

fn read_folder(folder: &Path, problems: &mut Vec<Problem>) -> Vec<File> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) => {
            problems.push(unreadable(folder, format!("the folder cannot be read: {why}")));
            return Vec::new();
        }
    };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "star")).collect();
    paths.sort();
    if paths.len() > MOST {
        problems.push(unreadable(
            folder,
            format!("more than {MOST} remediations; the rest is left out"),
        ));
        paths.truncate(MOST);
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        match read_file(&path) {
            Ok(file) => files.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    files
}

fn read_file(path: &Path) -> Result<File, Problem> {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(fine) {
        return Err(unreadable(
            path,
            "the name of a remediation has letters, digits, dashes, dots and underscores",
        ));
    }
    let size = std::fs::metadata(path).map(|data| data.len()).unwrap_or_default();
    if size > LONGEST {
        return Err(unreadable(path, format!("the file has {size} bytes, more than {LONGEST}")));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|why| unreadable(path, format!("cannot be read: {why}")))?;
    Ok(file(name, path.display().to_string(), Origin::Folder, text.into()))
}

/// Reads files in a few children at once. These end afterwards: they saw no text of a device or a stranger,
/// and none that did tells what a file is.
async fn read(
    files: Vec<File>,
    children: &Children,
) -> Vec<(File, Result<Remediation, Vec<Problem>>)> {
    let readers = READERS.min(files.len().div_ceil(8)).max(1);
    let mut lists: Vec<Vec<File>> = Vec::new();
    lists.resize_with(readers, Vec::new);
    for (number, file) in files.into_iter().enumerate() {
        lists[number % readers].push(file);
    }
    let mut readings = Vec::new();
    for list in lists {
        readings.push(read_list(list, children));
    }
    together(readings).await.into_iter().flatten().collect()
}

/// Waits for all, side by side on this task.
async fn together<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, done) in &mut pending {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}

async fn read_list(
    files: Vec<File>,
    children: &Children,
) -> Vec<(File, Result<Remediation, Vec<Problem>>)> {
    let mut child: Option<Child> = None;
    let mut results = Vec::with_capacity(files.len());
    for file in files {
        let result = match child.take().map_or_else(|| children.start(), Ok) {
            Err(why) => {
                Err(vec![wrong(&file, format!("cannot be read: no child process starts: {why}"))])
            }
            Ok(mut started) => match ask(&mut started, &file).await {
                Ok(answer) => {
                    child = Some(started);
                    answer
                }
                // The child is gone; the next file gets another.
                Err(Lost::Endless) => Err(vec![wrong(&file, "reading it takes too long".into())]),
                Err(Lost::Ended(how)) => {
                    Err(vec![wrong(&file, format!("the process that read it ended: {how}"))])
                }
            },
        };
        results.push((file, result));
    }
    results
}

fn wrong(file: &File, what: String) -> Problem {
    problem(&file.path, &file.source, &Flaw { what, ..Flaw::default() })
}

async fn ask(child: &mut Child, file: &File) -> Result<Result<Remediation, Vec<Problem>>, Lost> {
    child.tell(&ToChild::Load { file: file.path.clone(), source: file.source.to_string() }).await?;
    // A guard against a clock that stands still is in `hear`.
    match child.hear().await? {
        FromChild::Loaded(loaded) => Ok(made(file, *loaded)),
        FromChild::Flawed(flaws) => {
            Ok(Err(flaws.iter().map(|flaw| problem(&file.path, &file.source, flaw)).collect()))
        }
        _ => Err(Lost::Ended("it answered something else".to_owned())),
    }
}

fn made(file: &File, loaded: Loaded) -> Result<Remediation, Vec<Problem>> {
    let condition = |(field, values): (String, Vec<String>)| Condition {
        field,
        values: values.iter().map(|value| Pattern::new(value)).collect(),
    };
    let meta = Meta {
        about: loaded.about,
        codes: loaded.codes.iter().map(|code| Pattern::new(code)).collect(),
        when: loaded.when.into_iter().map(condition).collect(),
        platforms: loaded.platforms.iter().filter_map(|name| Platform::named(name)).collect(),
        timeout: Duration::from_millis(loaded.timeout_ms),
        settle: Duration::from_millis(loaded.settle_ms),
        idempotent: loaded.idempotent,
        priority: loaded.priority,
        retries: loaded.retries,
        steps: loaded.steps.iter().filter_map(|step| Step::named(step)).collect(),
    };
    if file.name == "default" && !meta.steps.is_empty() {
        let what =
            "`default` records what no other remediation is for, and has no steps".to_owned();
        let flaw =
            Flaw { span: loaded.place, what, allowed: Some("a file with another name".to_owned()) };
        return Err(vec![problem(&file.path, &file.source, &flaw)]);
    }
    Ok(Remediation {
        name: file.name.clone(),
        path: file.path.clone(),
        origin: file.origin,
        sha256: file.sha256.clone(),
        source: Arc::clone(&file.source),
        meta,
        templates: loaded.templates.into_iter().map(|(template, _)| template).collect(),
        place: loaded.place,
    })
}
