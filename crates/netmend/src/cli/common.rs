//! What commands that speak of a daemon's data share: where it lies, how to print, and how to follow what is
//! new. No command's own words are here.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use store::{Query, StateReader, Value};

use super::stdout::{self, Form};
use crate::control::Client;
use crate::data;
use crate::report::Report;

/// Options of every such command.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Data folder of the daemon [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// How to print: lines for people, or JSON, an object a line.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) output: Form,
}

impl Common {
    /// The way to the running daemon.
    pub(super) fn client(&self) -> Result<Client, Report> {
        Client::new(data::folder(self.data.clone())?)
    }

    /// The store, beside a running daemon or without one.
    pub(super) fn reader(&self) -> Result<StateReader, Report> {
        let folder = data::folder(self.data.clone())?;
        StateReader::open(&folder).map_err(|why| {
            Report::because(format!("cannot read the store in {}", folder.display()), &why)
                .help("give the folder of the daemon with --data DIR")
                .code(4)
        })
    }
}

/// The device that is meant, by its name in the store: upper and lower case and the domain do not matter, as in
/// lines. A name that nobody has stays as it is typed.
pub(super) fn device(reader: &StateReader, typed: Option<&str>) -> Result<Option<String>, Report> {
    let Some(typed) = typed else { return Ok(None) };
    let found = reader
        .find(&Query::Devices)
        .map_err(|why| Report::because("cannot read the names of the devices", &why).code(4))?;
    let names = found.iter().filter_map(|record| match &record.value {
        Value::Device(name) => Some(name.as_str()),
        _ => None,
    });
    match *model::device::meant(typed, &names.collect::<Vec<_>>()) {
        [] => Ok(Some(typed.to_owned())),
        [one] => Ok(Some(one.to_owned())),
        ref several => Err(Report::new(format!("`{typed}` can be {}", several.join(" or ")))
            .help("write the whole name")
            .code(3)),
    }
}

/// Prints what `news` gives at each look, until nobody reads it any more.
pub(super) fn follow(
    look: Duration,
    mut news: impl FnMut() -> Result<String, Report>,
) -> Result<ExitCode, Report> {
    loop {
        stdout::print(news()?)?;
        if !is_read(&io::stdout(), look) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Waits, and ends sooner with `false` when the other end of a pipe or socket is closed: there may be nothing to
/// write for hours by which that would show.
fn is_read(out: &impl AsFd, wait: Duration) -> bool {
    let mut fds = [PollFd::new(out.as_fd(), PollFlags::empty())];
    let millis = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX);
    !matches!(poll(&mut fds, PollTimeout::from(millis)), Ok(1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_without_a_reader_is_noticed_although_nothing_is_written() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(is_read(&writer, Duration::ZERO));
        drop(reader);
        assert!(!is_read(&writer, Duration::from_mins(1)));
    }
}
