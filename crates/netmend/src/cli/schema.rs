//! `netmend schema`: the JSON Schema of the config file, for editors and for those who generate configs.

use std::process::ExitCode;

use super::stdout;
use crate::config;
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<ExitCode, Report> {
    let schema = serde_json::to_string_pretty(&config::schema())
        .map_err(|error| Report::because("cannot write the schema as JSON", &error))?;
    stdout::print(schema + "\n")?;
    Ok(ExitCode::SUCCESS)
}
