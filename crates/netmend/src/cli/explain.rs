//! `netmend explain`: why netmend thinks what it thinks of a host or an alert, with the numbers. Asks the
//! running daemon, else reads the store.

use std::path::PathBuf;
use std::process::ExitCode;

use model::alert::AlertId;
use model::{Clock as _, SystemClock};

use super::archive;
use super::stdout::{self, Form};
use crate::archive::{Asked, EXPLAIN, Story};
use crate::config::Typed;
use crate::data;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 explained, 1 there is no such host or alert, or no store, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Number of an alert, as in `17` or `#17`, or a host: its name or address.
    #[arg(value_name = "ID|HOST")]
    what: String,
    /// Print a ticket for the carrier: UTC times, loss, RTT and both paths, to be copied.
    #[arg(long)]
    ticket: bool,
    /// Data folder [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print: sentences, or one JSON object.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let bad = |why: &str| Report::new(format!("`{}` {why}", args.what)).code(3);
    let (asked, query) = if let Ok(id) = args.what.parse::<AlertId>() {
        (Asked { host: None, alert: Some(id) }, format!("alert={id}"))
    } else {
        let host = Typed::read(&args.what).map_err(|why| bad(&why))?.host.to_owned();
        // Nothing that can be a host needs an escape but the sign of a zone.
        let query = format!("host={}", host.replace('%', "%25"));
        (Asked { host: Some(host), alert: None }, query)
    };
    if args.ticket && asked.alert.is_none() {
        return Err(bad("is no alert: a ticket is about one").help("`netmend alerts list`"));
    }
    let folder = data::folder(args.data)?;
    let story = archive::ask(&folder, &format!("{EXPLAIN}?{query}"), |archive| {
        crate::archive::explain(archive, &asked, None)
    })?;
    let text = match args.output {
        Form::Json => match (&story.host, &story.alert) {
            (Some(host), _) => stdout::json_lines([host])?,
            (_, Some(alert)) => stdout::json_lines([alert])?,
            _ => return Err(unknown(&args.what, &asked)),
        },
        Form::Text => words(&story, args.ticket).ok_or_else(|| unknown(&args.what, &asked))??,
    };
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// The text; `None`: nothing was found.
fn words(story: &Story, ticket: bool) -> Option<Result<String, Report>> {
    let now = SystemClock.now_ms();
    if let Some(host) = &story.host {
        return Some(Ok(host.text(now)));
    }
    let alert = story.alert.as_ref()?;
    if !ticket {
        return Some(Ok(alert.text(now)));
    }
    if alert.ticket.is_empty() {
        let what =
            format!("alert #{} is not about one target, so there is no path to tell of", alert.id);
        return Some(Err(Report::new(what).help("ask for the ticket of one of its members")));
    }
    Some(Ok(alert.ticket.clone()))
}

fn unknown(what: &str, asked: &Asked) -> Report {
    if asked.alert.is_some() {
        return Report::new(format!("there is no alert {what}")).help("`netmend alerts list`");
    }
    Report::new(format!("nothing is stored of a host {what}"))
        .help("`netmend status` lists the hosts; `netmend probe HOST` asks one now")
}
