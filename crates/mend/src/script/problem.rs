//! What is wrong with a remediation's file: where, what, and what is allowed. It does not say how to print it
//! nicely; who does finds the text and the bytes here.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file, as it was given.
    pub file: String,
    /// The text of the file; empty if it cannot be read.
    pub source: Arc<str>,
    /// The bytes of the text that it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub allowed: Option<String>,
}

impl Problem {
    /// Line and column of the place, both from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        let end = self.source.floor_char_boundary(self.span.start);
        let before = &self.source[..end];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    /// The line of the file that it stands in.
    pub fn line(&self) -> &str {
        let (line, _) = self.position();
        self.source.lines().nth(line - 1).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    /// `file:line:col: what is wrong; what is allowed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{}:{line}:{column}: {}", self.file, self.what)?;
        self.allowed.iter().try_for_each(|allowed| write!(f, "; {allowed}"))
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_line_and_column() {
        let problem = Problem {
            file: "a.star".into(),
            source: "x = 1\nä = wrong\n".into(),
            span: 11..16,
            what: "no `wrong` here".into(),
            allowed: Some("right".into()),
        };
        assert_eq!(problem.to_string(), "a.star:2:5: no `wrong` here; right");
        assert_eq!(problem.line(), "ä = wrong");
    }
}
