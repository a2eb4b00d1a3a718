//! `netmend notify test`: sends a message that says TEST the way alerts go, and says what became of it.
//! Through the control socket.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use model::alert::{Notice, NoticeId, NoticeState};

use super::common::Common;
use super::stdout::{self, Form};
use crate::desk::{NOTICES, TEST, TestOrder};
use crate::report::Report;

/// Time between two looks, and how many of them.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: u32 = 150;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Send a message that says TEST, and wait up to 30 s for what becomes of it.
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all receivers have it, 1 one does not (yet), or no netmend runs, 3 bad arguments, 4 a system error.")]
struct TestArgs {
    /// Name of the receiver [default: all].
    #[arg(value_name = "RECEIVER")]
    receiver: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let Command::Test(args) = args.command;
    let client = args.common.client()?;
    let order = TestOrder { receiver: args.receiver };
    let written: Vec<(String, NoticeId)> = client.post_json(TEST, &order)?;
    if written.is_empty() {
        return Err(Report::new("nobody is to be told: the configuration has no `notify`")
            .help("docs/notify.md shows how to add receivers"));
    }
    let mut found = Vec::new();
    for _ in 0..LOOKS {
        let notices: Vec<Notice> = client.get(NOTICES)?;
        let ours = |notice: &Notice| written.iter().any(|(_, id)| *id == notice.id);
        found = notices.into_iter().filter(ours).collect();
        let tried = |notice: &Notice| notice.state != NoticeState::Waiting || notice.attempts > 0;
        if found.iter().all(tried) {
            break;
        }
        client.wait(LOOK);
    }
    let sent = found.iter().all(|notice| notice.state == NoticeState::Sent);
    stdout::print(match args.common.output {
        Form::Json => stdout::json_lines(&found)?,
        Form::Text => words(&found),
    })?;
    Ok(ExitCode::from(u8::from(!sent)))
}

fn words(notices: &[Notice]) -> String {
    let mut text = String::new();
    for notice in notices {
        let why = notice.last_error.as_deref().unwrap_or("no answer yet");
        let what = match notice.state {
            NoticeState::Sent => "sent".to_owned(),
            NoticeState::Waiting => format!("not sent, it is tried again: {why}"),
            NoticeState::GivenUp => format!("not sent: {why}"),
        };
        let _ = writeln!(text, "{}: {what}", notice.receiver);
    }
    text
}
