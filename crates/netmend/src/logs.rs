//! Structured logs on standard error: text for people, JSON for machines. Secrets never reach it: their
//! type prints stars.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::report::Report;

/// Form of the log lines.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// One readable line an entry.
    #[default]
    Text,
    /// One JSON object an entry.
    Json,
}

/// Starts logging at `info`, or at what `$NETMEND_LOG` says (`debug`, `measure=trace,info`).
pub(crate) fn start(format: Format) -> Result<(), Report> {
    let filter = match std::env::var("NETMEND_LOG") {
        Ok(text) => EnvFilter::try_new(&text).map_err(|why| {
            Report::because(format!("$NETMEND_LOG is `{text}`"), &why)
                .help("give a level, or levels by module: `debug`, `netmend_measure=trace,info`")
                .code(3)
        })?,
        // The SNMP library logs each request that failed and each datagram that is none; both are counted.
        Err(_) => EnvFilter::new("info,async_snmp=off"),
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let logs = logs.with_ansi(std::io::stderr().is_terminal());
    match format {
        Format::Text => logs.with_target(false).init(),
        Format::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
}
