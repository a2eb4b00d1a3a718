//! What is wrong with a configuration: every problem with its place, what is allowed there, and the three
//! ways to show it: lines for tools, snippets for people, records for JSON. It prints nothing itself.

use std::fmt::{self, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::source::{Position, Span, Texts};

/// How many problems are kept; the rest is counted, so that a hostile file cannot fill the memory.
const KEPT: usize = 10_000;
/// A line longer than this is not shown as a snippet, only by its position.
const SNIPPET_LINE: usize = 400;
/// Longest quotation of what was typed.
const QUOTED: usize = 60;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) span: Span,
    /// What is wrong, without the place.
    pub(crate) what: String,
    /// What would be right.
    pub(crate) allowed: Option<String>,
    /// The other place that matters, with the words that lead to it.
    pub(crate) related: Option<(&'static str, Span)>,
}

impl Problem {
    /// A problem at this place.
    pub(crate) fn new(span: Span, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), allowed: None, related: None }
    }

    /// Says what would be right.
    pub(crate) fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// Names another place: `words` lead to it, as in "first at".
    pub(crate) fn related(mut self, words: &'static str, span: Span) -> Self {
        self.related = Some((words, span));
        self
    }
}

/// All that is wrong, in the order of the places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    dropped: usize,
    texts: Texts,
}

impl Problems {
    /// Adds one; beyond ten thousand it is only counted.
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.list.len() < KEPT {
            self.list.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len() + self.dropped
    }

    /// Words what is wrong, and what would be right, in another way.
    pub(crate) fn reword(&mut self, reworded: impl Fn(String) -> String) {
        for problem in &mut self.list {
            problem.what = reworded(std::mem::take(&mut problem.what));
            problem.allowed = problem.allowed.take().map(&reworded);
        }
    }

    /// Sorts by place and takes the texts that the places lie in.
    pub(crate) fn finish(mut self, texts: Texts) -> Self {
        self.list.sort_by_key(|problem| (problem.span.source, problem.span.start));
        self.texts = texts;
        self
    }

    /// Takes over those that were found in other texts, which go into `texts`.
    pub(crate) fn absorb(&mut self, others: Self, texts: &mut Texts) {
        let first = texts.append(others.texts);
        let moved = |span: Span| Span { source: span.source + first, ..span };
        self.extend(others.list.into_iter().map(|problem| Problem {
            span: moved(problem.span),
            related: problem.related.map(|(words, span)| (words, moved(span))),
            ..problem
        }));
        self.dropped += others.dropped;
    }

    /// `name`, line and column of a place.
    fn place(&self, span: Span) -> (&str, Position) {
        let source = self.texts.get(span.source);
        (&source.name, source.position(span.start))
    }

    /// The problems as records, for JSON.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.list.iter().map(|problem| {
            let (file, Position { line, column }) = self.place(problem.span);
            let related = problem.related.map(|(words, span)| {
                let (file, Position { line, column }) = self.place(span);
                Related { file, line, column, message: words }
            });
            let allowed = problem.allowed.as_deref();
            Record { file, line, column, message: &problem.what, allowed, related }
        })
    }

    /// The problems as a compiler shows them, with the text they lie in.
    pub(crate) fn snippets(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for problem in &self.list {
            match self.snippet(problem) {
                Some(groups) => out.push_str(&renderer.render(&groups)),
                None => out.push_str(&Line { problems: self, problem }.to_string()),
            }
            out.push_str("\n\n");
        }
        if self.dropped > 0 {
            let _ = writeln!(out, "and {} more problems", self.dropped);
        }
        out
    }

    fn snippet<'a>(&'a self, problem: &'a Problem) -> Option<Vec<Group<'a>>> {
        let at = self.element(problem.span, AnnotationKind::Primary, None)?;
        let mut group = Group::with_title(Level::ERROR.primary_title(&problem.what)).element(at);
        if let Some((words, span)) = problem.related {
            group = group.element(self.element(span, AnnotationKind::Context, Some(words))?);
        }
        if let Some(allowed) = &problem.allowed {
            group = group.element(Level::HELP.message(allowed));
        }
        Some(vec![group])
    }

    /// The line of a place, cut out so that a file of megabytes costs no more than its line.
    fn element(
        &self,
        span: Span,
        kind: AnnotationKind,
        label: Option<&'static str>,
    ) -> Option<Snippet<'_, annotate_snippets::Annotation<'_>>> {
        let source = self.texts.get(span.source);
        let line = source.line(span.start);
        if line.is_empty() || line.len() > SNIPPET_LINE {
            return None;
        }
        let length = line.len();
        let start = (span.start as usize - line.start).min(length);
        let end = (span.end as usize).saturating_sub(line.start).clamp(start, length);
        Some(
            Snippet::source(&source.text[line])
                .line_start(source.position(span.start).line)
                .path(source.name.as_str())
                .annotation(kind.span(start..end).label(label)),
        )
    }
}

/// One problem as JSON tells it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Record<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    allowed: Option<&'a str>,
    related: Option<Related<'a>>,
}

/// The other place of a problem.
#[derive(Debug, serde::Serialize)]
struct Related<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
}

struct Line<'a> {
    problems: &'a Problems,
    problem: &'a Problem,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { span, what, allowed, related } = self.problem;
        let (name, Position { line, column }) = self.problems.place(*span);
        write!(f, "{name}:{line}:{column}: {what}")?;
        if let Some((words, span)) = related {
            let (name, Position { line, column }) = self.problems.place(*span);
            write!(f, ", {words} {name}:{line}:{column}")?;
        }
        allowed.iter().try_for_each(|allowed| write!(f, "; {allowed}"))
    }
}

impl fmt::Display for Problems {
    /// `file:line:col: what is wrong; what is allowed`, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}{}", Line { problems: self, problem })?;
        }
        if self.dropped > 0 {
            write!(f, "\nand {} more problems", self.dropped)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

/// What was typed, in backquotes, cut where it is long and without control characters.
pub(crate) fn quote(typed: &str) -> String {
    let mut quoted: String = typed.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if typed.chars().nth(QUOTED).is_some() {
        quoted.push_str("...");
    }
    format!("`{quoted}`")
}

/// "did you mean" for a word that is not among the allowed ones, and the list of these.
pub(crate) fn instead(typed: &str, allowed: &[&str]) -> String {
    let near = allowed
        .iter()
        .map(|word| (distance(typed, word), word))
        .filter(|&(distance, word)| distance <= word.len().div_ceil(3))
        .min();
    let guess = near.map(|(_, word)| format!("did you mean `{word}`? ")).unwrap_or_default();
    format!("{guess}allowed: {}", allowed.join(", "))
}

/// How many letters must be added, removed, changed or swapped with their neighbour (optimal string
/// alignment); long words are cut, as only nearness matters.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(32).collect();
    let b: Vec<char> = b.chars().take(32).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_guessed_and_a_far_one_is_not() {
        let keys = ["site", "targets", "listen"];
        assert_eq!(
            instead("tragets", &keys),
            "did you mean `targets`? allowed: site, targets, listen"
        );
        assert_eq!(instead("remediations", &keys), "allowed: site, targets, listen");
    }

    #[test]
    fn a_line_names_both_places_and_what_is_allowed() {
        let mut texts = Texts::default();
        let source = texts.add("a.yaml", "site: x\nsite: y\n");
        let mut problems = Problems::default();
        problems.push(
            Problem::new(Span { source, start: 8, end: 12 }, "key `site` is given twice")
                .related("first at", Span { source, start: 0, end: 4 })
                .allowed("keep one"),
        );
        let problems = problems.finish(texts);
        assert_eq!(
            problems.to_string(),
            "a.yaml:2:1: key `site` is given twice, first at a.yaml:1:1; keep one"
        );
        let shown = problems.snippets(false);
        assert!(shown.contains("^^^^") && shown.contains("a.yaml:2:1"), "{shown}");
    }

    #[test]
    fn what_was_typed_is_quoted_short_and_harmless() {
        assert_eq!(quote("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        assert_eq!(quote(&"x".repeat(10_000_000)).len(), QUOTED + 5);
    }
}
