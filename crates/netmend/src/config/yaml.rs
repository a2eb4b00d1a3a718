//! YAML 1.2 text -> a tree in which every node knows its place and scalars keep what was typed. It knows no
//! keys of ours. Typed readers stop at the first mistake; a tree lets us report all of them.
//!
//! Limits against hostile files: nesting, what aliases may add, one document, no tags.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::problem::{Problem, Problems, quote};
use super::source::Span;

/// Deepest nesting; the config needs seven levels.
const NESTING: usize = 32;
/// How many nodes all aliases of a file may add: plenty for people, too few for an alias bomb.
const ALIASED: usize = 100_000;

/// A part of the document.
#[derive(Clone, Debug)]
pub(crate) struct Node<'t> {
    /// Where it stands.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Value<'t>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Value<'t> {
    /// Text as typed. `plain` text had no quotes, so it could also be a number, a bool or null.
    Scalar {
        /// The text, escapes resolved.
        text: Cow<'t, str>,
        /// Whether it was typed without quotes.
        plain: bool,
    },
    /// `[a, b]` or lines with dashes.
    List(Vec<Node<'t>>),
    /// `key: value`, in the order typed; keys are scalars and none is there twice.
    Map(Vec<(Node<'t>, Node<'t>)>),
}

/// What plain text means in the core schema of YAML 1.2 (section 10.3.2), where `no` is a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or floating-point number.
    Number,
    /// Everything else.
    Text,
}

impl Node<'_> {
    /// The value of a key that has none.
    fn left_out(key: Span) -> Self {
        Self { span: key, value: Value::Scalar { text: Cow::Borrowed(""), plain: true } }
    }

    /// The node in the words of an error message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar { text, plain } => match core(text, *plain) {
                Core::Null => "nothing",
                Core::Bool(_) => "a bool",
                Core::Number => "a number",
                Core::Text => "text",
            },
        }
    }

    /// Whether it is the value of a key that has none; its place is that of the key.
    pub(crate) fn is_left_out(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if text.is_empty())
            && self.span.start < self.span.end
    }

    /// Whether nothing was typed.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain } if core(text, *plain) == Core::Null)
    }
}

/// Meaning of a scalar.
pub(crate) fn core(text: &str, plain: bool) -> Core {
    if !plain {
        return Core::Text;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Core::Null,
        "true" | "True" | "TRUE" => Core::Bool(true),
        "false" | "False" | "FALSE" => Core::Bool(false),
        _ if is_number(text) => Core::Number,
        _ => Core::Text,
    }
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|b| matches!(b, b'0'..=b'7'));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits =
        exponent.is_none_or(|text| digits(text.strip_prefix(['-', '+']).unwrap_or(text)));
    let mantissa_fits = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
    };
    exponent_fits && mantissa_fits
}

/// Parses a document. `None`: it is not YAML, or empty; in the first case there is a problem.
pub(crate) fn parse<'t>(text: &'t str, source: u32, problems: &mut Problems) -> Option<Node<'t>> {
    let mut options = granit_parser::options! {
        flow_nesting_limit: NESTING,
        block_nesting_limit: NESTING,
        disallow_directives: true,
    };
    options.set_emit_comments(false);
    let mut tree = Tree::new(problems);
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let start = span.start.byte_offset().unwrap_or(text.len());
                let end = span.end.byte_offset().unwrap_or(start).max(start);
                let span = Span { source, start: start as u32, end: end as u32 };
                tree.event(event, span)?;
            }
            Err(error) => {
                let start = error.marker().byte_offset().unwrap_or(text.len()) as u32;
                let span = Span { source, start, end: start };
                tree.problems.push(Problem::new(span, format!("not YAML: {}", error.info())));
                return None;
            }
        }
    }
    tree.root
}

/// A collection that is still open.
struct Open<'t> {
    span: Span,
    anchor: usize,
    content: Content<'t>,
}

enum Content<'t> {
    List(Vec<Node<'t>>),
    Map(Vec<(Node<'t>, Node<'t>)>, Option<Node<'t>>),
}

/// Builds the tree from the parser's events.
struct Tree<'t, 'p> {
    problems: &'p mut Problems,
    root: Option<Node<'t>>,
    documents: usize,
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Node<'t>>,
    aliased: usize,
}

impl<'t, 'p> Tree<'t, 'p> {
    fn new(problems: &'p mut Problems) -> Self {
        let (root, open, anchors) = (None, Vec::new(), HashMap::new());
        Self { problems, root, documents: 0, open, anchors, aliased: 0 }
    }

    /// Takes one event; `None` when it makes no sense to go on.
    fn event(&mut self, event: Event<'t>, span: Span) -> Option<()> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.give_up(span, "a second document begins; a file holds one");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let string = self.tag(tag.as_deref(), span);
                let plain = style == ScalarStyle::Plain && !string;
                self.add(Node { span, value: Value::Scalar { text, plain } }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                self.open.push(Open { span, anchor, content: Content::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span);
                self.open.push(Open { span, anchor, content: Content::Map(Vec::new(), None) });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => {}
        }
        Some(())
    }

    fn give_up(&mut self, span: Span, what: &str) -> Option<()> {
        self.problems.push(Problem::new(span, what));
        self.root = None;
        None
    }

    /// Refuses tags but `!!str`; says whether it is that one.
    fn tag(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        let Some(tag) = tag else { return false };
        let string = tag.is_yaml_core_schema_tag("str");
        if !string {
            let what = format!("the tag {} has no meaning here", quote(&tag.original()));
            self.problems.push(Problem::new(span, what));
        }
        string
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Option<()> {
        let Some(node) = self.anchors.get(&anchor) else {
            return self.give_up(span, "an alias stands inside what it names");
        };
        self.aliased += weight(node, ALIASED + 1);
        if self.aliased > ALIASED {
            return self
                .give_up(span, "the aliases up to here add too many nodes: at most 100,000");
        }
        let copy = Node { span, value: node.value.clone() };
        self.add(copy, 0);
        Some(())
    }

    fn add(&mut self, node: Node<'t>, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map(_, key @ None)) => *key = Some(node),
            Some(Content::Map(entries, key)) => entries.extend(key.take().map(|key| {
                // Where nothing was typed there is nothing to point at but the key.
                let nothing = node.is_null() && node.span.start == node.span.end;
                let node = if nothing { Node::left_out(key.span) } else { node };
                (key, node)
            })),
        }
    }

    fn close(&mut self) {
        let Some(Open { span, anchor, content }) = self.open.pop() else { return };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map(entries, _) => Value::Map(self.unique(entries)),
        };
        self.add(Node { span, value }, anchor);
    }

    /// Entries with scalar keys, each once; the others become problems.
    fn unique(&mut self, mut entries: Vec<(Node<'t>, Node<'t>)>) -> Vec<(Node<'t>, Node<'t>)> {
        let mut seen: HashMap<&str, Span> = HashMap::with_capacity(entries.len());
        let mut keep = Vec::with_capacity(entries.len());
        for (key, _) in &entries {
            let Value::Scalar { text, .. } = &key.value else {
                let what = format!("a key must be text, not {}", key.kind());
                self.problems.push(Problem::new(key.span, what));
                keep.push(false);
                continue;
            };
            let first = *seen.entry(text).or_insert(key.span);
            keep.push(first == key.span);
            if first != key.span {
                let what = format!("the key {} is given twice", quote(text));
                self.problems.push(Problem::new(key.span, what).related("first at", first));
            }
        }
        let mut keep = keep.into_iter();
        entries.retain(|_| keep.next().unwrap_or(true));
        entries
    }
}

/// Number of nodes, counted up to `limit`.
fn weight(node: &Node<'_>, limit: usize) -> usize {
    let mut count = 0;
    let mut rest = vec![node];
    while let Some(node) = rest.pop() {
        count += 1;
        if count >= limit {
            return limit;
        }
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => rest.extend(items),
            Value::Map(entries) => {
                rest.extend(entries.iter().flat_map(|(key, value)| [key, value]));
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::super::source::Texts;
    use super::*;

    fn problems_of(text: &str) -> String {
        let mut texts = Texts::default();
        let source = texts.add("f", text);
        let mut problems = Problems::default();
        let root = parse(text, source, &mut problems);
        assert!(root.is_some() || !problems.is_empty() || text.trim().is_empty());
        problems.finish(texts).to_string()
    }

    #[test]
    fn plain_text_means_what_the_core_schema_says() {
        for number in
            ["0", "-1", "+12", "0x1F", "0o17", "1.5", ".5", "1.", "1e3", "-1.5E-3", ".inf"]
        {
            assert_eq!(core(number, true), Core::Number, "{number}");
            assert_eq!(core(number, false), Core::Text, "{number} in quotes");
        }
        for text in ["no", "yes", "on", "1.1.1.1", "0x", "1e", "e3", ".", "-", "12:30:45", "1_000"]
        {
            assert_eq!(core(text, true), Core::Text, "{text}");
        }
        assert_eq!(core("true", true), Core::Bool(true));
        assert_eq!(core("", true), Core::Null);
    }

    #[test]
    fn an_alias_bomb_ends_at_the_limit() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            writeln!(bomb, "a{n}: &a{n} [{aliases}]").unwrap();
        }
        assert!(problems_of(&bomb).contains("add too many nodes"), "{}", problems_of(&bomb));
    }

    #[test]
    fn nesting_second_documents_tags_and_loops_are_refused() {
        assert!(problems_of(&"[".repeat(100_000)).starts_with("f:1:"), "flow nesting");
        assert!(problems_of("a: 1\n---\nb: 1\n").starts_with("f:2:1: a second document"));
        assert_eq!(problems_of("a: !secret x\n"), "f:1:12: the tag `!secret` has no meaning here");
        assert_eq!(problems_of("a: !!str 5\n"), "");
        assert!(problems_of("a: &a [*a]\n").contains("inside what it names"));
        assert!(problems_of("{[a]: b}").contains("a key must be text, not a list"));
        assert_eq!(problems_of("x: 1\n x: 2\n").lines().count(), 1, "bad indentation");
    }
}
