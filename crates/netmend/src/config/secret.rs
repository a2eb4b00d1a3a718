//! `${env:NAME}` and `${file:PATH}` in typed text, and the type that keeps what they stand for out of logs
//! and messages. Nothing outside this file can print a secret by accident: whoever words a message may have the
//! value alone, so [`References`] put back what was typed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::source;

/// Largest file that `${file:PATH}` reads.
const MAX_SECRET: u64 = 64 << 10;

/// Letters that a secret has at least.
const SHORT: usize = 4;

/// A value that must not be shown: both ways of printing it give `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The value itself, for use and never for show.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Text as typed and, if it held references, what they stand for. Messages show the typed form alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    typed: String,
    resolved: Option<Secret>,
}

/// All references that were replaced, to take their values out of messages again.
#[derive(Debug, Default)]
pub(crate) struct References(BTreeMap<String, Secret>);

impl References {
    /// Puts the references in the place of their values, whether these were escaped or cut for show. A value
    /// shorter than [`SHORT`] is no secret: it counts in backquotes alone, as it may be part of any word.
    pub(crate) fn hide(&self, mut message: String) -> String {
        for (typed, Secret(value)) in &self.0 {
            let escaped: String = value.chars().flat_map(char::escape_debug).collect();
            for value in [value.as_str(), &escaped] {
                message = if value.chars().count() < SHORT {
                    message.replace(&format!("`{value}`"), &format!("`{typed}`"))
                } else {
                    replaced(&message, value, typed)
                };
            }
        }
        message
    }
}

/// `message` with `typed` wherever `value` stands, or as much of it as fitted before `...`.
fn replaced(message: &str, value: &str, typed: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let same = rest.chars().zip(value.chars());
        let same = same.take_while(|(a, b)| a.eq_ignore_ascii_case(b));
        let length: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
        let cut = length >= SHORT && rest[length..].starts_with("...");
        if length == value.len() || cut {
            out.push_str(typed);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

impl Text {
    /// Text without references.
    pub(crate) fn plain(typed: impl Into<String>) -> Self {
        Self { typed: typed.into(), resolved: None }
    }

    /// What it stands for.
    pub(crate) fn value(&self) -> &str {
        self.resolved.as_ref().map_or(&self.typed, Secret::reveal)
    }

    /// Whether references were replaced in it.
    pub(crate) fn has_references(&self) -> bool {
        self.resolved.is_some()
    }

    /// What was typed: safe to show.
    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    /// What it stands for, as a value to keep.
    pub(crate) fn into_value(self) -> String {
        self.resolved.map_or(self.typed, |secret| secret.0)
    }
}

/// Where references lead.
pub(crate) struct Surroundings<'e> {
    /// Looks up an environment variable.
    pub(crate) env: &'e dyn Fn(&str) -> Option<String>,
    /// Folder that a relative `${file:PATH}` starts from: that of the file it is typed in.
    pub(crate) folder: PathBuf,
}

/// Replaces the references in `typed`, which become known to `known`. Files that are named, found or not, are
/// added to `files`. `$${` stands for `${`. `Err`: which reference is wrong and why, without any value.
pub(crate) fn resolve(
    typed: &str,
    surroundings: &Surroundings<'_>,
    files: &mut Vec<PathBuf>,
    known: &mut References,
) -> Result<Text, String> {
    if !typed.contains("${") {
        return Ok(Text::plain(typed));
    }
    let mut value = String::new();
    let mut rest = typed;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            value.push_str(before);
            value.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        value.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let end = inner.find('}').ok_or_else(|| "`${` without its `}`".to_owned())?;
        let found = reference(&inner[..end], surroundings, files)?;
        value.push_str(&found);
        known.0.insert(format!("${{{}}}", &inner[..end]), Secret(found));
        rest = &inner[end + 1..];
    }
    value.push_str(rest);
    Ok(Text { typed: typed.to_owned(), resolved: Some(Secret(value)) })
}

fn reference(
    inner: &str,
    surroundings: &Surroundings<'_>,
    files: &mut Vec<PathBuf>,
) -> Result<String, String> {
    let quoted = super::problem::quote(inner);
    match inner.split_once(':') {
        Some(("env", name)) => (surroundings.env)(name).ok_or_else(|| {
            format!("the environment has no variable {}", super::problem::quote(name))
        }),
        Some(("file", path)) if !path.is_empty() => {
            let path = surroundings.folder.join(path);
            let read = read_secret(&path);
            files.push(path);
            read.map_err(|what| format!("the file of {quoted} {what}"))
        }
        _ => Err(format!("{quoted} is neither `env:NAME` nor `file:PATH`")),
    }
}

/// A file's text without the line end that editors add.
fn read_secret(path: &Path) -> Result<String, String> {
    if path == Path::new("-") {
        return Err("cannot be standard input".to_owned());
    }
    let text = source::read(path).map_err(|unreadable| unreadable.what)?;
    if text.len() as u64 > MAX_SECRET {
        return Err(format!("is larger than {} KiB", MAX_SECRET >> 10));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(typed: &str) -> Result<Text, String> {
        let env = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
        let surroundings = Surroundings { env: &env, folder: PathBuf::from("/nowhere") };
        resolve(typed, &surroundings, &mut Vec::new(), &mut References::default())
    }

    #[test]
    fn references_are_replaced_and_never_shown() {
        let text = resolved("a${env:TOKEN}b").unwrap();
        assert_eq!(text.value(), "ahunter2b");
        assert_eq!(text.typed(), "a${env:TOKEN}b");
        assert!(!format!("{text:?}").contains("hunter2"));
        assert_eq!(Secret("x".into()).to_string(), "***");
    }

    #[test]
    fn a_message_shows_the_reference_wherever_its_value_stands() {
        let long = format!("swordfish {}", "x".repeat(100));
        let known = [("${env:A}", "hunter2"), ("${env:B}", "1"), ("${env:C}", &long)];
        let known = known.map(|(typed, value)| (typed.to_owned(), Secret(value.to_owned())));
        let known = References(known.into());
        let hidden = |message: &str| known.hide(message.to_owned());
        assert_eq!(hidden("dir/hunter2x is in HUNTER2"), "dir/${env:A}x is in ${env:A}");
        assert_eq!(hidden("`1` is not 1 to 10"), "`${env:B}` is not 1 to 10");
        assert_eq!(hidden("`swordfish xx...` and swords"), "`${env:C}...` and swords");
        assert_eq!(hidden(&format!("no {long}!")), "no ${env:C}!");
    }

    #[test]
    fn an_escaped_reference_is_text() {
        assert_eq!(resolved("$${env:TOKEN}").unwrap().value(), "${env:TOKEN}");
        assert_eq!(resolved("$5").unwrap().value(), "$5");
    }

    #[test]
    fn a_wrong_reference_is_named() {
        let refused = |typed| resolved(typed).unwrap_err();
        assert_eq!(refused("${env:NO}"), "the environment has no variable `NO`");
        assert_eq!(refused("${vault:x}"), "`vault:x` is neither `env:NAME` nor `file:PATH`");
        assert_eq!(refused("${env:TOKEN"), "`${` without its `}`");
        assert!(refused("${file:x}").ends_with("cannot be read: no such file or directory"));
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "hunter2\r\n").unwrap();
        let surroundings = Surroundings { env: &|_| None, folder: folder.path().to_owned() };
        let mut files = Vec::new();
        let text = resolve("${file:key}", &surroundings, &mut files, &mut References::default());
        let text = text.unwrap();
        assert_eq!(text.value(), "hunter2");
        assert_eq!(files, [folder.path().join("key")]);
    }
}
