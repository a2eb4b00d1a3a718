//! Reads a file: syntax, lint, types, the commands in it, what it says of itself, its steps. All that is wrong is
//! found at once where that is possible.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use starlark::analysis::{AstModuleLint, EvalSeverity};
use starlark::environment::{FrozenModule, Globals, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect, DialectTypes};
use starlark::typing::AstModuleTypecheck;
use starlark_syntax::syntax::ast::{AstLiteral, AstStmt, Expr, Stmt};

use super::super::meta::Step;
use super::super::template::{Template, Verb};
use super::super::wire::{Flaw, Loaded};
use super::annotate::{self, Annotated};
use super::context::Context;
use super::literal;
use crate::platform::Platform;

/// Longest file, in bytes.
const LONGEST: usize = 256 << 10;

/// The language: the standard one, with types and f-strings, and nothing of other files.
pub(super) fn dialect() -> Dialect {
    Dialect {
        enable_load: false,
        enable_types: DialectTypes::Enable,
        enable_f_strings: true,
        enable_keyword_only_arguments: true,
        ..Dialect::Standard
    }
}

static DIALECT: LazyLock<Dialect> = LazyLock::new(dialect);

fn parse(file: &str, source: &str) -> Result<AstModule, Flaw> {
    if source.len() > LONGEST {
        let what = format!("the file has {} bytes, more than {LONGEST}", source.len());
        return Err(Flaw { what, ..Flaw::default() });
    }
    AstModule::parse(file, source.to_owned(), &DIALECT).map_err(|why| annotate::flaw(&why))
}

/// Reads a file to run it: with types, without looking for more mistakes.
pub(super) fn evaluate(
    globals: &Globals,
    file: &str,
    source: &str,
) -> Result<(Annotated, FrozenModule, Context), Flaw> {
    let annotated = Annotated::new(&parse(file, source)?, source);
    let ast = parse(file, &annotated.text)?;
    let context = Context::reading();
    let module = Module::with_temp_heap(|module| {
        {
            let mut evaluator = Evaluator::new(&module);
            super::limit(&mut evaluator);
            evaluator.extra = Some(&context);
            evaluator.eval_module(ast, globals).map_err(|why| annotated.flaw(&why))?;
        }
        module.freeze().map_err(|why| Flaw { what: format!("{why:?}"), ..Flaw::default() })
    })?;
    Ok((annotated, module, context))
}

/// Reads a file to know what it is, and all that is wrong with it.
pub(super) fn load(globals: &Globals, file: &str, source: &str) -> Result<Loaded, Vec<Flaw>> {
    let ast = parse(file, source).map_err(|flaw| vec![flaw])?;
    let (templates, mut flaws) = literal::commands(ast.statement());
    flaws.extend(lint(&ast, globals));
    let annotated = Annotated::new(&ast, source);
    let typed = parse(file, &annotated.text).map_err(|flaw| vec![flaw])?;
    let (errors, ..) = typed.typecheck(globals, &HashMap::new());
    for flaw in errors.iter().map(|error| annotated.flaw(error)) {
        // Lint and types find an unknown name both.
        if !flaws.iter().any(|known| known.span == flaw.span) {
            flaws.push(flaw);
        }
    }
    let (steps, wrong) = steps(ast.statement());
    flaws.extend(wrong);
    if !flaws.is_empty() {
        return Err(flaws);
    }
    let (_, _, context) = evaluate(globals, file, source).map_err(|flaw| vec![flaw])?;
    let (mut loaded, said) = context.meta();
    loaded.place = description(ast.statement()).unwrap_or_default();
    loaded.about = about(ast.statement());
    loaded.steps = steps.iter().map(|step| step.name().to_owned()).collect();
    loaded.templates = templates;
    let flaws = complaints(&loaded, &steps, said);
    if flaws.is_empty() { Ok(loaded) } else { Err(flaws) }
}

fn lint(ast: &AstModule, globals: &Globals) -> Vec<Flaw> {
    let names: HashSet<String> = globals.names().map(|name| name.as_str().to_owned()).collect();
    let found = ast.lint(Some(&names)).into_iter();
    let serious =
        found.filter(|lint| matches!(lint.severity, EvalSeverity::Error | EvalSeverity::Warning));
    let flaw = |lint: starlark::analysis::Lint| {
        let span = lint.location.span;
        Flaw { span: (span.begin().get(), span.end().get()), what: lint.problem, allowed: None }
    };
    serious.map(flaw).collect()
}

/// The steps that a file defines, in their order, and those that are defined wrongly.
fn steps(file: &AstStmt) -> (Vec<Step>, Vec<Flaw>) {
    let (mut steps, mut flaws) = (Vec::new(), Vec::new());
    top_level(file, &mut |statement| {
        let Stmt::Def(def) = &statement.node else { return };
        let Some(step) = Step::named(&def.name.node.ident) else { return };
        if def.params.len() != 2 {
            let span = def.signature_span();
            let what = format!("`{step}` must take the event and the device");
            let allowed = Some(format!("def {step}(event, device):"));
            flaws.push(Flaw { span: (span.begin().get(), span.end().get()), what, allowed });
        }
        steps.push(step);
    });
    steps.sort_unstable();
    steps.dedup();
    (steps, flaws)
}

fn top_level<'a>(file: &'a AstStmt, with: &mut impl FnMut(&'a AstStmt)) {
    match &file.node {
        Stmt::Statements(statements) => {
            for statement in statements {
                top_level(statement, with);
            }
        }
        _ => with(file),
    }
}

/// Where `remediation(...)` stands.
fn description(file: &AstStmt) -> Option<(u32, u32)> {
    let mut found = None;
    top_level(file, &mut |statement| {
        if let Stmt::Expression(expression) = &statement.node
            && let Expr::Call(callee, _) = &expression.node
            && matches!(&callee.node, Expr::Identifier(name) if name.node.ident == "remediation")
        {
            found = found.or(Some((callee.span.begin().get(), callee.span.end().get())));
        }
    });
    found
}

/// The first line of the text that the file begins with.
fn about(file: &AstStmt) -> String {
    let mut first = None;
    top_level(file, &mut |statement| {
        first.get_or_insert(statement);
    });
    let text = first.and_then(|statement| match &statement.node {
        Stmt::Expression(expression) => match &expression.node {
            Expr::Literal(AstLiteral::String(text)) => Some(text.node.trim()),
            _ => None,
        },
        _ => None,
    });
    text.and_then(|text| text.lines().next()).unwrap_or_default().trim().to_owned()
}

/// What is wrong with a file whose parts are good.
fn complaints(loaded: &Loaded, steps: &[Step], said: u32) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut complain = |span, what: &str, allowed: &str| {
        flaws.push(Flaw { span, what: what.to_owned(), allowed: Some(allowed.to_owned()) });
    };
    match said {
        1 => {}
        0 => complain(
            (0, 0),
            "the file does not say what it is for",
            "remediation(match = [\"CODE\"], ...) at its top",
        ),
        _ => complain(
            loaded.place,
            "`remediation(...)` is called more than once",
            "once, at the top of the file",
        ),
    }
    let has = |step| steps.contains(&step);
    if has(Step::Fix) && !has(Step::Check) {
        let what =
            "`fix` without `check`: nothing would look whether it is broken, and may be repaired";
        complain(loaded.place, what, "def check(event, device):");
    }
    for (step, needed) in [(Step::Undo, Step::Fix), (Step::Verify, Step::Check)] {
        if has(step) && !has(needed) {
            complain(
                loaded.place,
                &format!("`{step}` without `{needed}`"),
                &format!("def {needed}(event, device):"),
            );
        }
    }
    for (template, place) in &loaded.templates {
        if let Some(why) = no_reading(template, &loaded.platforms) {
            complain(*place, &why, "device.command(...) in fix, for what does more than read");
        }
    }
    flaws
}

/// Why no platform of the file takes this as a command that only reads; `None` if one does.
fn no_reading(template: &Template, platforms: &[String]) -> Option<String> {
    if template.verb != Verb::Show {
        return None;
    }
    let listed = |platform: &Platform| {
        platforms.is_empty() || platforms.iter().any(|name| name == platform.name())
    };
    let line = template.sample().next()?;
    let refusals: Vec<_> = Platform::ALL
        .into_iter()
        .filter(listed)
        .map(|platform| platform.check_reading(&line).err())
        .collect();
    // A file for several platforms may ask each in its own words.
    if refusals.iter().any(Option::is_none) {
        None
    } else {
        refusals.into_iter().flatten().next().map(|why| why.to_string())
    }
}
