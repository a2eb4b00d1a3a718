//! `netmend remedy run`: tries a remediation on a device. It looks, says what it would send, and sends it only if
//! a person says so. The guards of the daemon do not watch over this; the person does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mend::Platform;
use mend::script::{
    Cast, Casts, Exchange, Execution, Facts, Host, HostError, Paper, Recorder, Remediation, Reply,
    ScriptError, Step, Verdict, VerdictKind, outcome, sample,
};
use mend::session::{Change, Expect, Limits, Session, SessionError};
use model::SystemClock;

use super::{BAD_ARGUMENTS, Folder, find, with_children};
use crate::cli::{device, stdout};
use crate::mending::paused;
use crate::report::Report;

/// Time between two looks whether it is repaired.
const AGAIN: Duration = Duration::from_secs(3);
/// Beyond the time of `fix` and `verify`, until a device takes back what was not confirmed.
const SPARE: Duration = Duration::from_mins(1);
/// The longest that every platform waits.
const LONGEST: Duration = Duration::from_mins(59);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks first. What the repair would send is shown and sent after a yes, or with --yes; --dry-run never sends it. \
Where the platform can do that, a change of the configuration stays only if `verify` says yes in the end. \
The guards of the daemon do not watch over this command; while repairs are paused it does nothing.

Exit codes: 0 repaired, or nothing to do, or a dry run came to its end; 1 not repaired, or it is for people; 2 no \
such remediation or device; 3 bad arguments; 5 the device's host key is not trusted.")]
pub(super) struct Args {
    /// The remediation: its name, or a file.
    name: String,
    /// The device.
    #[arg(long, value_name = "NAME")]
    device: String,
    /// What the event would tell, as in interface=Gi0/1; once for each.
    #[arg(long = "field", value_name = "FIELD=VALUE", value_parser = pair)]
    fields: Vec<(String, String)>,
    /// The event's code [default: the first that the remediation is for].
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Show what the repair would send, and do not send it.
    #[arg(long)]
    dry_run: bool,
    /// Send it without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Write what was said to this file, as a recording for `netmend remedy test`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    place: device::Where,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write FIELD=VALUE, as in interface=Gi0/1")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Report> {
    let settings = args.place.settings()?;
    let endpoint = device::endpoint(&args.device, &settings)?;
    let data = args.place.data_folder(&settings)?;
    let keys = device::keys(&data);
    if let Some(file) = args.record.as_deref().filter(|file| file.exists()) {
        let report = Report::new(format!("{} exists already", file.display()));
        return Err(report.help("choose another file for --record").code(BAD_ARGUMENTS));
    }
    if !args.dry_run {
        refuse_while_paused(&data)?;
    }
    let folder = args.folder.find_or(settings.mending.dir.as_deref());
    let fields: BTreeMap<String, String> = args.fields.iter().cloned().collect();
    with_children(1, async |children| {
        let remediation = find(&args.name, folder.as_deref(), children).await?;
        let facts = event(args, &remediation, fields, endpoint.platform)?;
        let limits = Limits::default();
        let session = Session::open(&endpoint, &keys, limits, Arc::new(SystemClock)).await;
        let session = session.map_err(|why| device::failed(&args.device, &why))?;
        let mut attempt = Attempt {
            execution: Execution::new(children, &remediation, &facts, endpoint.platform),
            remediation: &remediation,
            host: SessionHost {
                session,
                revert_after: revert_after(&remediation, endpoint.platform),
            },
            exchanges: Vec::new(),
            expect: BTreeMap::new(),
        };
        let done = attempt.all(args).await;
        let kept = attempt.host.end(matches!(done, Ok(true)), &args.device).await;
        let Attempt { host, exchanges, expect, .. } = attempt;
        host.session.close().await;
        if let Some(file) = &args.record {
            write(file, &facts, endpoint.platform, expect, exchanges)?;
        }
        let good = done?;
        kept?;
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })?
}

/// After what time a device shall take back what was not confirmed, where it can: `fix` and `verify` take no longer.
fn revert_after(remediation: &Remediation, platform: Platform) -> Option<Duration> {
    let meta = &remediation.meta;
    let most = meta.timeout.saturating_mul(2).saturating_add(meta.settle).saturating_add(SPARE);
    platform.can_revert().then(|| most.min(LONGEST))
}

/// The event that there would be; the remediation must be meant for it.
fn event(
    args: &Args,
    remediation: &Remediation,
    fields: BTreeMap<String, String>,
    platform: Platform,
) -> Result<Facts, Report> {
    let codes = &remediation.meta.codes;
    let first = || codes.first().map(|code| code.as_str().replace('*', "X")).unwrap_or_default();
    let code = args.code.clone().unwrap_or_else(first);
    let facts = sample(&args.device, &code, "", "", fields);
    if remediation.meta.matches(&facts, Some(platform)) {
        return Ok(facts);
    }
    let report = Report::new(format!("{} is not meant for {code} on {platform}", remediation.name));
    let conditions = remediation.meta.when.iter().map(|condition| {
        let values: Vec<&str> =
            condition.values.iter().map(mend::script::Pattern::as_str).collect();
        format!("--field {}={}", condition.field, values.join("|"))
    });
    let needs: Vec<String> = conditions.collect();
    let platforms: Vec<&str> =
        remediation.meta.platforms.iter().map(|platform| platform.name()).collect();
    let help = format!("its platforms: {}; it needs {}", platforms.join(", "), needs.join(" "));
    Err(report.help(help).code(BAD_ARGUMENTS))
}

/// The kill switch counts here too.
fn refuse_while_paused(data: &Path) -> Result<(), Report> {
    let paused = paused(data)
        .map_err(|why| Report::because("cannot see whether repairs are paused", &why).code(4))?;
    let Some(why) = paused else { return Ok(()) };
    let report = Report::new(format!("nothing is sent to any device: {why}"));
    Err(report.help("`netmend resume`, or remove the file PAUSE; --dry-run only looks"))
}

/// One try of a remediation.
struct Attempt<'a> {
    execution: Execution<'a>,
    remediation: &'a Remediation,
    host: SessionHost,
    exchanges: Vec<Exchange>,
    expect: BTreeMap<String, String>,
}

impl Attempt<'_> {
    /// Everything in its order; whether it is repaired, or there is nothing to do.
    async fn all(&mut self, args: &Args) -> Result<bool, Report> {
        if !self.remediation.meta.has(Step::Check) {
            stdout::print("it has no check: events are recorded, nothing is asked or done\n")?;
            return Ok(true);
        }
        let checked = self.step(Step::Check, None).await?;
        match checked.kind {
            VerdictKind::Yes => {}
            VerdictKind::No => return Ok(true),
            VerdictKind::Escalate => return Ok(false),
        }
        if !self.remediation.meta.has(Step::Fix) {
            return Ok(true);
        }
        let mut paper = Paper::default();
        self.step(Step::Fix, Some(&mut paper)).await?;
        stdout::print(format!("fix would send:\n{}", indented(paper.entries())))?;
        if args.dry_run || !(args.yes || agreed(&args.device)?) {
            return Ok(args.dry_run);
        }
        let fixed = self.step(Step::Fix, None).await?;
        if fixed.kind != VerdictKind::Yes {
            return Ok(false);
        }
        if !self.remediation.meta.has(Step::Verify) {
            return Ok(true);
        }
        let mut left = self.remediation.meta.settle;
        loop {
            let verified = self.step(Step::Verify, None).await?;
            match verified.kind {
                VerdictKind::Yes => return Ok(true),
                VerdictKind::No if !left.is_zero() => {
                    tokio::time::sleep(AGAIN.min(left)).await;
                    left = left.saturating_sub(AGAIN);
                    // Of several looks the last is the one to record.
                    self.exchanges.retain(|exchange| exchange.step != Step::Verify.name());
                }
                _ => return Ok(false),
            }
        }
    }

    /// Runs a step and tells what came of it; with `paper` changes are written there instead of being sent.
    async fn step(&mut self, step: Step, paper: Option<&mut Paper>) -> Result<Verdict, Report> {
        let limit = self.remediation.meta.timeout;
        let dry = paper.is_some();
        let result = if let Some(paper) = paper {
            let mut host = OnPaper { host: &mut self.host, paper };
            self.execution.step(step, &mut host, limit).await
        } else {
            let mut host = Recorder::new(&mut self.host, step, &mut self.exchanges);
            self.execution.step(step, &mut host, limit).await
        };
        if !dry {
            self.expect.insert(step.name().to_owned(), outcome(&result));
        }
        let verdict = result.map_err(|why| told(step, &why))?;
        let mut text = String::new();
        for note in &verdict.notes {
            // Writing to a string cannot fail; the same below.
            let _ = writeln!(text, "{step}: {note}");
        }
        if !dry {
            let words = match verdict.kind {
                VerdictKind::Yes => "yes",
                VerdictKind::No => "no",
                VerdictKind::Escalate => "for people",
            };
            let reason = if verdict.reason.is_empty() {
                String::new()
            } else {
                format!(", {}", verdict.reason)
            };
            let _ = writeln!(text, "{step}: {words}{reason}");
        }
        stdout::print(text)?;
        Ok(verdict)
    }
}

fn told(step: Step, why: &ScriptError) -> Report {
    let report = Report::because(format!("{step} came to no end"), why);
    match why {
        ScriptError::Script(problem) | ScriptError::Refused { at: problem, .. }
            if !problem.line().is_empty() =>
        {
            report.help(format!("the line is: {}", problem.line().trim()))
        }
        _ => report,
    }
}

fn indented(entries: &[String]) -> String {
    if entries.is_empty() {
        return "  (nothing)\n".to_owned();
    }
    let mut text = String::new();
    for line in entries.iter().flat_map(|entry| entry.lines()) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn agreed(device: &str) -> Result<bool, Report> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let report = Report::new("nobody is there to say yes, so nothing was sent");
        return Err(report.help("add --yes, or --dry-run to only look").code(BAD_ARGUMENTS));
    }
    stdout::print(format!("Send this to {device}? [y/N] "))?;
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    input
        .lock()
        .read_line(&mut answer)
        .map_err(|why| Report::because("cannot read the answer", &why).code(4))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn write(
    file: &Path,
    facts: &Facts,
    platform: Platform,
    expect: BTreeMap<String, String>,
    exchange: Vec<Exchange>,
) -> Result<(), Report> {
    let event = &facts.event;
    let cast = Cast {
        about: format!("recorded on {}", event.device),
        platform: platform.name().to_owned(),
        device: event.device.clone(),
        code: event.code.clone(),
        message: event.message.clone(),
        fields: facts.fields.clone(),
        expect,
        exchange,
    };
    let text = Casts { cast: vec![cast] }.to_text();
    let text = text.map_err(|why| Report::because("the run cannot be recorded", &why))?;
    let mut options = std::fs::OpenOptions::new();
    let written = options
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|why| Report::because(format!("cannot write {}", file.display()), &why))?;
    stdout::print(format!(
        "recorded in {}; look whether it holds anything that others must not see\n",
        file.display()
    ))
}

/// A device over a session.
struct SessionHost {
    session: Session,
    /// After what time changes undo themselves that are not confirmed; `None` where they cannot.
    revert_after: Option<Duration>,
}

impl SessionHost {
    /// Makes stay what was changed, if that was good, or takes it back; tells which.
    async fn end(&mut self, good: bool, device: &str) -> Result<(), Report> {
        if good {
            let confirmed = self.session.confirm().await;
            return confirmed.map_err(|why| {
                let report =
                    Report::because(format!("the change of {device} was not confirmed"), &why);
                report.help("the device takes it back by itself; look at it")
            });
        }
        if self.session.undoes_itself() {
            let minutes = self.revert_after.unwrap_or_default().as_secs().div_ceil(60);
            let said =
                format!("{device} takes the change back by itself within {minutes} minutes\n");
            return stdout::print(said);
        }
        if self.session.can_restore() {
            let restored = self.session.restore().await;
            restored.map_err(|why| {
                Report::because(format!("what was changed on {device} was not taken back"), &why)
            })?;
            return stdout::print(format!("{device} is as it was before\n"));
        }
        Ok(())
    }
}

fn no(why: &SessionError) -> HostError {
    let mut words = why.to_string();
    if let Some(source) = std::error::Error::source(why) {
        let _ = write!(words, ": {source}");
    }
    HostError::Device(words)
}

impl Host for SessionHost {
    fn show<'a>(&'a mut self, command: &'a str) -> Reply<'a> {
        Box::pin(async {
            let answer = self.session.show(command).await.map_err(|why| no(&why))?;
            Ok(self.session.redacted(&answer.text))
        })
    }

    fn configure<'a>(&'a mut self, lines: &'a [String]) -> Reply<'a> {
        Box::pin(async {
            let change = Change { lines: lines.to_vec(), revert_after: self.revert_after };
            let answers = self.session.configure(&change).await.map_err(|why| no(&why))?;
            let text: String = answers.into_iter().map(|answer| answer.text).collect();
            Ok(self.session.redacted(&text))
        })
    }

    fn command<'a>(&'a mut self, command: &'a str, expect: &'a [Expect]) -> Reply<'a> {
        Box::pin(async move {
            let answer = self.session.command(command, expect).await.map_err(|why| no(&why))?;
            Ok(self.session.redacted(&answer.text))
        })
    }

    fn wait(&mut self, time: Duration) -> Reply<'_> {
        Box::pin(async move {
            tokio::time::sleep(time).await;
            Ok(String::new())
        })
    }
}

/// Asks the device, and writes what would change it on paper.
struct OnPaper<'h> {
    host: &'h mut SessionHost,
    paper: &'h mut Paper,
}

impl Host for OnPaper<'_> {
    fn show<'a>(&'a mut self, command: &'a str) -> Reply<'a> {
        self.host.show(command)
    }

    fn configure<'a>(&'a mut self, lines: &'a [String]) -> Reply<'a> {
        self.paper.configure(lines);
        Box::pin(async { Ok(String::new()) })
    }

    fn command<'a>(&'a mut self, command: &'a str, _expect: &'a [Expect]) -> Reply<'a> {
        self.paper.command(command);
        Box::pin(async { Ok(String::new()) })
    }

    fn wait(&mut self, time: Duration) -> Reply<'_> {
        self.paper.wait(time);
        Box::pin(async { Ok(String::new()) })
    }
}
