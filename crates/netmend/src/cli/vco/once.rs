//! `netmend vco once`: one poll of each orchestrator, judged by the rule `sigma`, and printed. It keeps
//! nothing, so that it can run from cron.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use detect::Sigma;
use measure::orchestrator::Orchestrator as Client;
use measure::sdwan::{Poll, Scope, Window};
use model::{Clock, SystemClock, UnixMs};

use super::super::stdout::{self, Form};
use super::mail;
use crate::config::{self, Orchestrator, Settings, Sources};
use crate::report::Report;
use crate::wan;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A value is unusual if the mean of the last 5 minutes is more than 2 standard deviations above that of the 60 minutes \
before; `detect: { sigma: ... }` of the config sets both spans, the time between samples, and k. The windows end \
10 minutes ago (`lag` of the orchestrator), since orchestrators are late.

Exit codes: 0 all edges were judged, 1 the configuration is wrong, 2 some edges, enterprises or orchestrators \
could not be asked, or somebody could not be told, 3 bad arguments, 4 nothing could be asked.")]
pub(crate) struct Args {
    /// Configuration with the key `orchestrators`.
    #[arg(long, value_name = "FILE", required_unless_present = "env_file")]
    config: Option<PathBuf>,
    /// The `.env` file of vco-api-wan-anomaly-alert instead of a configuration.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    env_file: Option<PathBuf>,
    /// Take this for the present, in seconds since 1970.
    #[arg(long, value_name = "EPOCH", value_parser = clap::value_parser!(i64).range(0..=253_402_300_799))]
    now: Option<i64>,
    /// Tell the receivers of `notify` of the anomalies, if there are any: one message each.
    #[arg(long)]
    notify: bool,
    /// Say on standard error how many links there are, and how long asking and judging took.
    #[arg(short, long)]
    verbose: bool,
    /// How to print: an object or a sentence for each anomaly.
    #[arg(long, value_name = "FORM", default_value = "json")]
    output: Form,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let settings = load(args)?;
    let file = args.config.as_ref().or(args.env_file.as_ref());
    let file = file.map_or_else(String::new, |file| file.display().to_string());
    if settings.orchestrators.is_empty() {
        let what = format!("{file} names no orchestrator");
        let help = "add `orchestrators: { NAME: { kind: vco, url: https://HOST, token: ... } }`";
        return Err(Report::new(what).help(help));
    }
    if args.notify && settings.verdict.routes.is_empty() {
        let what = format!("{file} names nobody to tell");
        return Err(Report::new(what).help("docs/notify.md shows how to add receivers: `notify`"));
    }
    let now = args.now.map_or_else(|| SystemClock.now_ms(), |now| UnixMs(now * 1_000));
    // One thread: it waits most of the time, and wakes no other one for each answer.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Report::because("cannot start the runtime", &why).code(4))?;
    let begun = SystemClock.monotonic();
    let polled = runtime.block_on(poll_all(&settings, now));
    let asked = SystemClock.monotonic();
    let mut links = 0;
    let mut answered = 0;
    let mut whole = true;
    let mut odd = Vec::new();
    for (orchestrator, poll) in settings.orchestrators.iter().zip(polled) {
        match poll {
            Ok(poll) => {
                answered += 1;
                whole &= poll.failures.is_empty() && poll.unseen.is_empty();
                tell(orchestrator, &poll);
                links += poll.links.len();
                odd.extend(wan::judge(&poll, window(&settings, orchestrator, now), &settings));
            }
            Err(why) => {
                whole = false;
                complain(&format!("error: orchestrator {}: {why}", orchestrator.name));
            }
        }
    }
    if args.verbose {
        let judging = SystemClock.monotonic().saturating_sub(asked).as_secs_f64() * 1e3;
        let asking = asked.saturating_sub(begun).as_secs_f64();
        let links = stdout::count(links, "link");
        complain(&format!("note: {links}, asked for in {asking:.2} s, judged in {judging:.1} ms"));
    }
    let anomalies: Vec<_> = odd.iter().flat_map(|odd| &odd.anomalies).collect();
    stdout::print(match args.output {
        Form::Json => stdout::json_lines(&anomalies)?,
        Form::Text => anomalies.iter().flat_map(|one| [one.to_string(), "\n".to_owned()]).collect(),
    })?;
    if args.notify {
        whole &= runtime.block_on(mail::tell(&settings, &odd, now));
    }
    Ok(ExitCode::from(match (whole, answered) {
        (true, _) => 0,
        (false, 0) => 4,
        (false, _) => 2,
    }))
}

/// The configuration, from either kind of file.
fn load(args: &Args) -> Result<Settings, Report> {
    let (config, env_file) = (args.config.clone(), args.env_file.clone());
    let sources = Sources { config, env_file, ..Sources::default() };
    config::load(&sources).map_err(|problems| Report::new(problems.to_string()))
}

/// The windows of the rule `sigma` as the orchestrator is asked for them.
fn window(settings: &Settings, orchestrator: &Orchestrator, now: UnixMs) -> wan::Windows {
    wan::Windows::before(now - orchestrator.lag, settings.verdict.judging.sigma())
}

async fn poll_all(settings: &Settings, now: UnixMs) -> Vec<Result<Poll, String>> {
    let mut polls = tokio::task::JoinSet::new();
    for (place, orchestrator) in settings.orchestrators.iter().enumerate() {
        let windows = window(settings, orchestrator, now);
        let scope = Scope {
            window: Window { start: windows.baseline.start, end: windows.present.end },
            minutes: minutes(settings.verdict.judging.sigma()),
            enterprises: orchestrator.enterprises.clone(),
        };
        let client = Client::new(orchestrator.client.clone());
        polls.spawn(async move {
            let polled = match client {
                Ok(client) => client.poll(&scope).await.map_err(|why| why.to_string()),
                Err(why) => Err(why.to_string()),
            };
            (place, polled)
        });
    }
    let mut all = polls.join_all().await;
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, polled)| polled).collect()
}

/// Minutes between two samples, as the orchestrator is asked for them.
fn minutes(sigma: &Sigma) -> u64 {
    let step = match sigma.samples {
        detect::Samples::Means(step) | detect::Samples::Each(step) => step,
    };
    (Duration::from_secs_f64(step).as_secs() / 60).max(1)
}

/// Says what could not be had, beside the output.
fn tell(orchestrator: &Orchestrator, poll: &Poll) {
    for failure in &poll.failures {
        complain(&format!("warning: {failure}"));
    }
    for unseen in &poll.unseen {
        complain(&format!("error: orchestrator {}: {unseen}", orchestrator.name));
    }
    if poll.links.is_empty() && poll.unseen.is_empty() {
        let name = &orchestrator.name;
        complain(&format!("warning: orchestrator {name} shows no link that was active today"));
    }
    if poll.odd > 0 {
        let values = stdout::count(usize::try_from(poll.odd).unwrap_or(usize::MAX), "value");
        let name = &orchestrator.name;
        complain(&format!("note: orchestrator {name}: {values} missing or not as documented"));
    }
}

/// Says something to people. A closed standard error leaves nobody to tell.
pub(super) fn complain(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}
