//! Gives the steps' parameters their types: people write `def check(event, device)`, and mistakes such as
//! `device.shwo(...)` are found before anything runs all the same. Places in the text stay those of the file.

use starlark::codemap::Span;
use starlark::syntax::AstModule;
use starlark_syntax::syntax::ast::{ParameterP, Stmt};

use super::super::meta::Step;
use super::super::wire::Flaw;
use super::suggest::suggest;

/// A file with types, and what was added where.
pub(super) struct Annotated {
    /// The text.
    pub(super) text: String,
    /// Where something was added, in bytes of the file, and how much.
    added: Vec<(u32, u32)>,
}

impl Annotated {
    /// Adds what is missing.
    pub(super) fn new(ast: &AstModule, source: &str) -> Self {
        let mut places = Vec::new();
        ast.statement().visit_stmt(|statement| {
            let Stmt::Def(def) = &statement.node else { return };
            if Step::named(&def.name.node.ident).is_none() {
                return;
            }
            for (parameter, kind) in def.params.iter().zip([": Event", ": Device"]) {
                if let ParameterP::Normal(name, None, None) = &parameter.node {
                    places.push((name.span.end().get(), kind));
                }
            }
        });
        places.sort_unstable();
        let mut text = String::with_capacity(source.len() + 64);
        let mut from = 0;
        for (at, kind) in &places {
            text.push_str(&source[from..*at as usize]);
            text.push_str(kind);
            from = *at as usize;
        }
        text.push_str(&source[from..]);
        Self { text, added: places.into_iter().map(|(at, kind)| (at, kind.len() as u32)).collect() }
    }

    /// The bytes of the file that a place in the text with types stands for.
    pub(super) fn place(&self, span: Span) -> (u32, u32) {
        let original = |at: u32| {
            let mut shift = 0;
            for (place, length) in &self.added {
                if at < place + shift + length {
                    return (at - shift).min(*place);
                }
                shift += length;
            }
            at - shift
        };
        (original(span.begin().get()), original(span.end().get()))
    }

    /// An error as a flaw of the file.
    pub(super) fn flaw(&self, error: &starlark::Error) -> Flaw {
        let span = error.span().map_or((0, 0), |span| self.place(span.span));
        let what = message(error);
        let allowed = suggest(&what);
        Flaw { span, what, allowed }
    }
}

/// An error of the file as it is, without types.
pub(super) fn flaw(error: &starlark::Error) -> Flaw {
    let span = error.span().map_or((0, 0), |span| (span.span.begin().get(), span.span.end().get()));
    Flaw { span, what: message(error), allowed: None }
}

/// What an error says, without the place.
fn message(error: &starlark::Error) -> String {
    let text = error.without_diagnostic().to_string();
    let text = text.trim();
    text.strip_prefix("Parse error: ").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use starlark::codemap::Pos;

    use super::*;

    #[test]
    fn types_are_added_and_places_stay() {
        let source = "def check(event, device):\n    return True\n\ndef help(event):\n    pass\n\ndef fix(e: Event, d):\n    pass\n";
        let ast = AstModule::parse("x", source.to_owned(), &super::super::load::dialect()).unwrap();
        let annotated = Annotated::new(&ast, source);
        assert!(annotated.text.starts_with("def check(event: Event, device: Device):"));
        assert!(annotated.text.contains("def help(event):"));
        assert!(annotated.text.contains("def fix(e: Event, d: Device):"));
        for word in ["check", "event", "device", "return True", "help", "pass", "fix"] {
            let (here, there) = (source.find(word).unwrap(), annotated.text.find(word).unwrap());
            let span = Span::new(Pos::new(there as u32), Pos::new(there as u32 + 1));
            assert_eq!(annotated.place(span).0, here as u32, "{word}");
        }
    }
}
