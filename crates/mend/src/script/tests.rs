//! Tests of whole files, in real child processes: those of the shipped remediations, of wrong files, of files
//! that mean harm, and of children that do.

mod children;
mod commands;
mod files;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::platform::Platform;
use crate::session::Expect;

/// Long enough for any test that ends.
const LONG: Duration = Duration::from_mins(1);

/// The program of the tests themselves, as a child: it runs the named test and no other.
fn program(entry: &str) -> Program {
    let path = std::env::current_exe().unwrap();
    let name = format!("script::tests::{entry}");
    let arguments = ["--exact", &name, "--ignored", "--nocapture"].map(Into::into).to_vec();
    Program { path, arguments }
}

fn scripts() -> Children {
    Children::new(program("child"), 2)
}

#[test]
#[ignore = "the child process of the other tests"]
#[expect(clippy::exit, reason = "the harness must not go on in the sandbox")]
fn child() {
    serve().unwrap();
    std::process::exit(0);
}

/// A remediation of this text.
async fn loaded(children: &Children, source: &str) -> Result<Remediation, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.star");
    std::fs::write(&path, source).unwrap();
    check(&path, children).await
}

/// What is wrong with a text, without the folder.
async fn problems(children: &Children, source: &str) -> Vec<String> {
    let problems = loaded(children, source).await.err().unwrap_or_default();
    let short = |problem: Problem| {
        let name = Path::new(&problem.file).file_name().unwrap().to_string_lossy().into_owned();
        Problem { file: name, ..problem }.to_string()
    };
    problems.into_iter().map(short).collect()
}

/// A device that shows the same to any question and keeps what it is sent.
#[derive(Default)]
struct Device {
    shows: String,
    sent: Vec<String>,
    /// It never answers.
    silent: bool,
}

impl Device {
    fn showing(text: &str) -> Self {
        Self { shows: text.to_owned(), ..Self::default() }
    }

    fn answer(&mut self, sent: String) -> Reply<'_> {
        self.sent.push(sent);
        if self.silent {
            return Box::pin(std::future::pending());
        }
        Box::pin(async { Ok(self.shows.clone()) })
    }
}

impl Host for Device {
    fn show<'a>(&'a mut self, command: &'a str) -> Reply<'a> {
        self.answer(command.to_owned())
    }

    fn configure<'a>(&'a mut self, lines: &'a [String]) -> Reply<'a> {
        self.answer(lines.join(" / "))
    }

    fn command<'a>(&'a mut self, command: &'a str, expect: &'a [Expect]) -> Reply<'a> {
        let answers = expect.iter().map(|it| format!(" [{} {}]", it.question, it.answer));
        let answers = answers.collect::<Vec<_>>().concat();
        self.answer(format!("{command}{answers}"))
    }

    fn wait(&mut self, time: Duration) -> Reply<'_> {
        self.answer(format!("(wait {time:?})"))
    }
}

fn facts(fields: &[(&str, &str)]) -> Facts {
    let fields: BTreeMap<String, String> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    sample("r1", "A-3-B", "", "a message", fields)
}

/// Runs a step of a text; the outcome in words, and what the device was sent.
async fn run(
    children: &Children,
    source: &str,
    step: Step,
    fields: &[(&str, &str)],
    device: &mut Device,
) -> String {
    let remediation = match loaded(children, source).await {
        Ok(remediation) => remediation,
        Err(problems) => return format!("not loaded: {}", problems[0]),
    };
    let facts = facts(fields);
    let mut execution = Execution::new(children, &remediation, &facts, Platform::Ios);
    outcome(&execution.step(step, device, LONG).await)
}

/// The beginning that every file has.
const HEAD: &str = "remediation(match = [\"A-3-B\"], platforms = [\"ios\"])\n";

fn file(body: &str) -> String {
    format!("{HEAD}{body}")
}

#[tokio::test]
async fn every_shipped_remediation_does_what_its_recordings_say() {
    let children = scripts();
    let loading = load(None, &Remediations::default(), &children).await;
    let told: Vec<String> = loading.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0]);
    let remediations = loading.remediations;
    assert!(remediations.all().len() >= 13, "{} shipped", remediations.all().len());
    let mut wrong = Vec::new();
    for remediation in remediations.all().iter().filter(|one| one.name != "default") {
        let name = &remediation.name;
        assert!(!remediation.meta.about.is_empty(), "{name} does not say what it does");
        let casts = Casts::parse(name, shipped_cast(name).unwrap()).unwrap();
        assert!(casts.cast.len() >= 2 || name == "module-failed", "{name} has too few recordings");
        for cast in casts.cast {
            if let Err(why) = cast.play(remediation, &children).await {
                wrong.push(format!("{name}: {}: {why}", cast.about));
            }
            let shut = cast.about.contains("a person shut");
            assert!(
                !shut || cast.exchange.iter().all(|it| it.config.is_none() && it.command.is_none())
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_codes_of_the_talk_are_shipped() {
    for code in [
        "BGP-5-ADJCHANGE",
        "BGP-3-NOTIFICATION",
        "MODULE-5-MOD_OK",
        "ETHPORT-5-IF_DOWN_INTERFACE_REMOVED",
        "ETHPORT-5-IF_DOWN_LINK_FAILURE",
        "LINEPROTO-5-UPDOWN",
        "lsp_change",
        "*",
    ] {
        let named = format!("\"{code}\"");
        assert!(shipped::SHIPPED.iter().any(|(_, text)| text.contains(&named)), "{code}");
    }
}

#[tokio::test]
async fn a_folder_is_read_again_and_a_broken_file_keeps_its_last_version() {
    let children = scripts();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.star", &file("def check(event, device):\n    return True\n"));
    write("b.star", "remediation(match = [\"B-3-C\"])\n");
    write("notes.txt", "not one");
    let first = load(Some(folder.path()), &Remediations::default(), &children).await;
    assert_eq!(first.problems, []);
    let a = Arc::clone(first.remediations.named("a").unwrap());
    assert_eq!((a.origin, a.sha256.len()), (Origin::Folder, 64));
    write("a.star", "remediation(match = [\"A-3-B\"\n");
    write("b.star", "remediation(match = [\"B-3-D\"])\n");
    let second = load(Some(folder.path()), &first.remediations, &children).await;
    assert_eq!(second.problems.len(), 1, "{:?}", second.problems);
    assert!(second.problems[0].file.ends_with("a.star"));
    assert!(Arc::ptr_eq(second.remediations.named("a").unwrap(), &a), "the old one stays");
    assert_eq!(second.remediations.named("b").unwrap().meta.codes, [Pattern::new("B-3-D")]);
    std::fs::remove_file(folder.path().join("a.star")).unwrap();
    let third = load(Some(folder.path()), &second.remediations, &children).await;
    assert!(third.remediations.named("a").is_none(), "what is gone is gone");
}

#[tokio::test]
async fn two_files_for_one_event_are_a_problem_unless_their_priority_or_condition_differs() {
    let children = scripts();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.star", "remediation(match = [\"A-3-*\"])\n");
    write("b.star", "remediation(match = [\"A-3-B\"])\n");
    write("c.star", "remediation(match = [\"A-*\"], priority = 5)\n");
    write("d.star", "remediation(match = [\"X-1-Y\"], when = state(\"down\"))\n");
    write("e.star", "remediation(match = [\"X-1-Y\"], when = state(\"up\"))\n");
    write(
        "f.star",
        "remediation(match = [\"X-1-Y\"], when = state(\"Down\"), platforms = [\"eos\"])\n",
    );
    let loading = load(Some(folder.path()), &Remediations::default(), &children).await;
    let told: Vec<&str> = loading.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(
        told,
        [
            "b and a are meant for the same events with the same priority",
            "f and d are meant for the same events with the same priority",
        ]
    );
}
