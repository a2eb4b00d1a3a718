//! `netmend availability`: how much of a month each target was up, as CSV. Reads the store, beside a running
//! daemon through its control socket.

use std::path::PathBuf;
use std::process::ExitCode;

use model::{Clock as _, SystemClock};
use show::Month;

use super::archive;
use super::stdout;
use crate::data;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Availability is up / (up + down), in minutes of UTC: a minute is down if every probe sent in it was lost. \
Minutes without data count as neither and are a column of their own, and so are those of maintenance: in a window \
of `maintenance`, also one that was taken out of the configuration since, or silenced; an outage that was silenced \
after it had begun stays one. Windows that match a tag count while the daemon runs, which alone knows tags.

Exit codes: 0 done, 1 the store cannot be used, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    /// Which month [default: the last one that is over].
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    month: Option<Month>,
    /// Data folder [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn month(text: &str) -> Result<Month, &'static str> {
    Month::parse(text).ok_or("a month is written as 2026-10")
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let folder = data::folder(args.data)?;
    let now = SystemClock.now_ms();
    let month = args.month.or_else(|| Month::before(now));
    let month =
        month.ok_or_else(|| Report::new("the clock shows no time of this world").code(4))?;
    if month.span().start > now {
        return Err(Report::new(format!("{} is not here yet", month.name())).code(3));
    }
    let csv = archive::ask(
        &folder,
        &format!("{}?month={}", crate::archive::AVAILABILITY, month.name()),
        |archive| crate::archive::availability(archive, month),
    )?;
    stdout::print(csv)?;
    Ok(ExitCode::SUCCESS)
}
