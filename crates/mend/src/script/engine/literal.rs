//! Finds the commands that stand in a file. They must be written out: what a script could put together while it
//! runs could hold anything, and nobody could read in the file what is sent.

use starlark_syntax::syntax::ast::{
    ArgumentP, AstExpr, AstLiteral, AstStmt, CallArgsP, Expr, Stmt,
};

use super::super::meta::Step;
use super::super::template::{Template, Verb};
use super::super::wire::Flaw;

/// A command and its place in the text.
pub(super) type Found = (Template, (u32, u32));

/// The commands of a file, and what is wrong with the way they are written.
pub(super) fn commands(file: &AstStmt) -> (Vec<Found>, Vec<Flaw>) {
    let mut search = Search::default();
    search.statement(file);
    (search.found, search.flaws)
}

#[derive(Default)]
struct Search {
    found: Vec<Found>,
    flaws: Vec<Flaw>,
    /// The step whose function is being looked at.
    step: Option<Step>,
}

fn place(expression: &AstExpr) -> (u32, u32) {
    (expression.span.begin().get(), expression.span.end().get())
}

fn text(expression: &AstExpr) -> Option<&String> {
    match &expression.node {
        Expr::Literal(AstLiteral::String(text)) => Some(&text.node),
        _ => None,
    }
}

impl Search {
    fn statement(&mut self, statement: &AstStmt) {
        if let Stmt::Def(def) = &statement.node {
            let outer = self.step;
            self.step = self.step.or_else(|| Step::named(&def.name.node.ident));
            self.children(statement);
            self.step = outer;
        } else {
            self.children(statement);
        }
    }

    fn children(&mut self, statement: &AstStmt) {
        use starlark_syntax::syntax::uniplate::Visit;
        statement.visit_children(|child| match child {
            Visit::Stmt(statement) => self.statement(statement),
            Visit::Expr(expression) => self.expression(expression),
        });
    }

    fn expression(&mut self, expression: &AstExpr) {
        match &expression.node {
            Expr::Call(callee, arguments) => {
                if let Expr::Dot(object, name) = &callee.node
                    && let Some(verb) = Verb::named(&name.node)
                {
                    self.call(expression, verb, arguments);
                    self.expression(object);
                    arguments.args.iter().for_each(|argument| self.expression(argument.expr()));
                    return;
                }
            }
            Expr::Dot(_, name) if Verb::named(&name.node).is_some() => {
                let name = &name.node;
                self.flaw(
                    expression,
                    format!(
                        "`{name}` is not called here, so that nobody can read what it would send"
                    ),
                    format!("device.{name}(\"...\")"),
                );
            }
            _ => {}
        }
        expression.visit_expr(|child| self.expression(child));
    }

    fn flaw(&mut self, at: &AstExpr, what: String, allowed: String) {
        self.flaws.push(Flaw { span: place(at), what, allowed: Some(allowed) });
    }

    /// `device.show("...", ...)` and its kin.
    fn call(
        &mut self,
        call: &AstExpr,
        verb: Verb,
        arguments: &CallArgsP<starlark_syntax::syntax::ast::AstNoPayload>,
    ) {
        if let Some(step) = self.step.filter(|step| !step.may_change() && verb != Verb::Show) {
            let what = format!("`{step}` can only look: `{}` is for fix and undo", verb.name());
            self.flaw(call, what, "device.show(...), device.interface(...) and the like".into());
        }
        let first = arguments.args.first().map(|argument| &argument.node);
        let Some(ArgumentP::Positional(command)) = first else {
            let what = format!("the command must be the first argument of `{}`", verb.name());
            return self.flaw(call, what, format!("device.{}(\"...\")", verb.name()));
        };
        let lines = match (&command.node, verb) {
            (Expr::List(lines), Verb::Config) => {
                lines.iter().map(|line| text(line).cloned()).collect()
            }
            (_, Verb::Config) => {
                let allowed = "device.config([\"interface {}\", \"no shutdown\"], name)";
                return self.flaw(command, "`config` takes a list of lines".into(), allowed.into());
            }
            _ => text(command).cloned().map(|line| vec![line]),
        };
        let Some(lines) = lines else {
            let allowed =
                "text with {} for each argument, as in device.show(\"show interfaces {}\", name)";
            return self.flaw(command, "a command must be written out".into(), allowed.into());
        };
        let named = |argument: &ArgumentP<_>| argument.name() == Some("expect");
        let expect = match arguments.args.iter().find(|argument| named(&argument.node)) {
            None => Some(Vec::new()),
            Some(argument) => pairs(argument.expr()),
        };
        let Some(expect) = expect else {
            let allowed = "expect = [(\"[confirm]\", \"y\")]";
            return self.flaw(
                call,
                "questions and answers must be written out".into(),
                allowed.into(),
            );
        };
        let template = Template { verb, lines, expect };
        match template.check() {
            Ok(()) => self.found.push((template, place(command))),
            Err(why) => {
                self.flaws.push(Flaw {
                    span: place(command),
                    what: why.to_string(),
                    allowed: None,
                });
            }
        }
    }
}

/// `[("question", "answer"), ...]`.
fn pairs(list: &AstExpr) -> Option<Vec<(String, String)>> {
    let Expr::List(items) = &list.node else { return None };
    let pair = |item: &AstExpr| match &item.node {
        Expr::Tuple(pair) => match pair.as_slice() {
            [question, answer] => Some((text(question)?.clone(), text(answer)?.clone())),
            _ => None,
        },
        _ => None,
    };
    items.iter().map(pair).collect()
}
