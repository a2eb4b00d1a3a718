//! What is wrong with remediations, shown as everything else that is wrong with a configuration.

use mend::script;

use super::problem::{Problem, Problems};
use super::source::{Span, Texts};

/// The problems of remediations, with their texts.
pub(crate) fn script_problems(found: Vec<script::Problem>) -> Problems {
    let (mut texts, mut problems) = (Texts::default(), Problems::default());
    for script::Problem { file, source, span, what, allowed } in found {
        let source = texts.add(file, source.as_ref());
        let span = Span { source, start: span.start as u32, end: span.end as u32 };
        let problem = Problem::new(span, what);
        problems.push(match allowed {
            Some(allowed) => problem.allowed(allowed),
            None => problem,
        });
    }
    problems.finish(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_a_remediation_is_shown_with_its_line() {
        let source = "x = 1\ny = wrong\n".into();
        let (what, allowed) = ("no `wrong` here".to_owned(), Some("right".to_owned()));
        let found =
            vec![script::Problem { file: "a.star".into(), source, span: 10..15, what, allowed }];
        let problems = script_problems(found);
        assert_eq!(problems.to_string(), "a.star:2:5: no `wrong` here; right");
        assert!(problems.snippets(false).contains("y = wrong"));
    }
}
