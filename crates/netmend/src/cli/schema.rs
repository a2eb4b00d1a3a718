//! `netmend schema`: the JSON Schema of the config file, for editors and for those who generate configs.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config;
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<ExitCode, Report> {
    let schema = serde_json::to_string_pretty(&config::schema())
        .map_err(|error| Report::because("cannot write the schema as JSON", &error))?;
    match writeln!(io::stdout(), "{schema}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Report::because("cannot write to standard output", &error).code(4))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
