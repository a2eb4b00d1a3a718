//! From YAML nodes to raw values. A reader notes every problem with its place and goes on, so that one run
//! shows all of them. It knows kinds of values, not what they are for.

use std::hash::{DefaultHasher, Hash};
use std::path::PathBuf;

use super::problem::{Problem, Problems, instead, quote};
use super::secret::{self, References, Surroundings, Text};
use super::source::{At, Span};
use super::yaml::{Core, Node, Value, core};

/// What a value can be read into. `None` means that a problem was noted.
pub(crate) trait Read: Sized {
    /// Reads a node.
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self>;
}

/// Notes problems and looks up references while one file is read.
pub(crate) struct Reader<'e> {
    /// What is wrong so far.
    pub(crate) problems: Problems,
    /// Where references lead.
    pub(crate) surroundings: Surroundings<'e>,
    /// Those that were replaced.
    pub(crate) references: References,
    /// Files that were named and read.
    pub(crate) files: Vec<PathBuf>,
    /// Of all that was read, references included.
    pub(crate) digest: DefaultHasher,
}

impl Reader<'_> {
    /// Notes a problem; `None`, so that a reading function can end with it.
    pub(crate) fn refuse<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }

    /// Notes that something else stands where `wanted` should.
    pub(crate) fn expected<T>(&mut self, node: &Node<'_>, wanted: &str) -> Option<T> {
        let what = if node.is_left_out() {
            format!("this key has no value; expected {wanted}")
        } else {
            format!("expected {wanted}, found {}", node.kind())
        };
        self.refuse(Problem::new(node.span, what))
    }

    /// Reads a node and keeps its place.
    pub(crate) fn at<T: Read>(&mut self, node: &Node<'_>) -> Option<At<T>> {
        Some(At { value: T::read(node, self)?, span: node.span })
    }

    /// The entries of a map.
    pub(crate) fn entries<'n, 't>(
        &mut self,
        node: &'n Node<'t>,
        wanted: &str,
    ) -> Option<&'n [(Node<'t>, Node<'t>)]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => self.expected(node, wanted),
        }
    }

    /// The text of a scalar with its references replaced. Numbers and bools are taken as typed; a list, a
    /// map or nothing at all is a problem.
    pub(crate) fn text(&mut self, node: &Node<'_>, wanted: &str) -> Option<Text> {
        match &node.value {
            Value::Scalar { text, plain } if core(text, *plain) != Core::Null => {
                match secret::resolve(
                    text,
                    &self.surroundings,
                    &mut self.files,
                    &mut self.references,
                ) {
                    Ok(text) => {
                        // What was typed is in the digest with its file.
                        if text.has_references() {
                            text.value().hash(&mut self.digest);
                        }
                        Some(text)
                    }
                    Err(what) => self.refuse(Problem::new(node.span, what)),
                }
            }
            _ => self.expected(node, wanted),
        }
    }

    /// What is in the file that a scalar names, relative to the file it stands in. It is watched as that is.
    pub(crate) fn file(&mut self, node: &Node<'_>) -> Option<Vec<u8>> {
        let path = self.parsed(node, "a path", "write a file's path", |text| {
            (!text.is_empty()).then(|| PathBuf::from(text))
        })?;
        let path = self.surroundings.folder.join(path);
        self.files.push(path.clone());
        match std::fs::read(&path) {
            Ok(bytes) => {
                bytes.hash(&mut self.digest);
                Some(bytes)
            }
            Err(why) => {
                let what = format!("cannot read {}: {why}", path.display());
                self.refuse(Problem::new(node.span, what))
            }
        }
    }

    /// A scalar that `parse` understands; `help` says what is allowed.
    pub(crate) fn parsed<T>(
        &mut self,
        node: &Node<'_>,
        wanted: &str,
        help: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(node, wanted)?;
        parse(text.value()).or_else(|| {
            let what = format!("{} is not {wanted}", quote(text.typed()));
            self.refuse(Problem::new(node.span, what).allowed(help))
        })
    }

    /// One value or a list of them.
    pub(crate) fn one_or_more<T: Read>(&mut self, node: &Node<'_>) -> Option<Vec<At<T>>> {
        match &node.value {
            Value::List(items) => {
                let read: Vec<_> = items.iter().filter_map(|item| self.at(item)).collect();
                (read.len() == items.len()).then_some(read)
            }
            _ => self.at(node).map(|one| vec![one]),
        }
    }

    /// Notes a key that does not exist.
    pub(crate) fn unknown_key(&mut self, key: &Node<'_>, allowed: &[&str]) {
        let typed = key_text(key);
        let what = format!("unknown key {}", quote(typed));
        self.problems.push(Problem::new(key.span, what).allowed(instead(typed, allowed)));
    }

    /// Notes that a value is out of its range.
    pub(crate) fn out_of_range<T>(&mut self, span: Span, what: &str, allowed: &str) -> Option<T> {
        self.refuse(Problem::new(span, what).allowed(allowed))
    }
}

/// A key as typed; keys are scalars once [`super::yaml::parse`] is through with them.
pub(crate) fn key_text<'n>(key: &'n Node<'_>) -> &'n str {
    match &key.value {
        Value::Scalar { text, .. } => text,
        _ => "",
    }
}
