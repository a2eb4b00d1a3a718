//! The configuration: what was typed (raw), what it means (validated), and where each word stands.
//!
//! Reading order, each importing only what is above it: [`source`] texts and places, [`problem`] what is
//! wrong, [`yaml`] text to tree, [`secret`] references, [`reader`] tree to values, [`raw`] and
//! [`judged`] the keys, [`targets`], [`ways`], [`verdict`], [`grafana`] and [`settings`] their meaning,
//! [`forms`] which file is what, [`named`] whether what is named besides is there, [`load`] all of it together, [`watch`] again after each change. Beside it:
//! [`patterns`] reads what syslog messages mean; [`access`] who may look at the pages; [`dotenv`] turns a `.env`
//! file into a config; for `init`, [`csv`] and [`credentials`] read what others have and
//! [`write`](self::write()) writes configs.

use model::Target;

mod access;
mod credentials;
mod csv;
mod devices;
mod dotenv;
mod forms;
mod glob;
mod grafana;
mod host;
mod judged;
mod keys;
mod load;
mod named;
mod orchestrators;
mod patterns;
mod platforms;
mod problem;
mod raw;
mod reader;
mod remediations;
mod scripts;
mod secret;
mod settings;
mod sinks;
mod snmp;
mod source;
mod syslog;
mod targets;
#[cfg(test)]
mod tests;
mod units;
mod verdict;
mod watch;
mod ways;
mod write;
mod yaml;

pub(crate) use access::Access;
pub(crate) use credentials::{Database, load_credentials};
pub(crate) use csv::load_csv;
pub(crate) use dotenv::as_config as env_as_config;
pub(crate) use forms::is_lines;
pub(crate) use grafana::{Grafana, Wanted as GrafanaWanted};
pub(crate) use host::{PORT_HELP, Typed, port};
pub(crate) use load::{Sources, load, load_any, load_any_to_check, load_to_check, load_to_run};
pub(crate) use orchestrators::Orchestrator;
pub(crate) use patterns::{check_patterns, is_patterns, load_patterns};
pub(crate) use problem::{Problems, instead, quote};
pub(crate) use raw::Dscp;
pub(crate) use remediations::MendSettings;
pub(crate) use scripts::script_problems;
pub(crate) use settings::Settings;
pub(crate) use sinks::Sink;
pub(crate) use snmp::TrapSettings;
pub(crate) use syslog::{Severity, SyslogSettings};
pub(crate) use units::{DURATION_HELP, duration};
pub(crate) use verdict::Verdict;
pub(crate) use watch::{Loaded, Reload, Ticket, Watcher};

/// Whether this can be the host of a target.
pub(crate) fn is_host(host: &str) -> bool {
    host::check(host).is_ok()
}

/// The settings of a config that is no file, for tests of what comes after them.
#[cfg(test)]
pub(crate) fn from_text(text: &str) -> Settings {
    load::load_text("test", text).expect("the test's config is good")
}

/// The text of a config file with these targets, comments above some regions, databases as sinks, and more
/// keys after them.
///
/// # Errors
/// What is wrong with the targets as a whole: the same one twice in a region.
pub(crate) fn write(
    targets: &[Target],
    notes: &[(&str, &str)],
    databases: &[Database],
    more: &str,
) -> Result<String, Problems> {
    let text = write::config(targets, notes) + &write::sinks(databases) + more;
    load::load_text("the new config", &text)?;
    Ok(text)
}

/// The JSON Schema (draft 2020-12) of a config file.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(raw::RawConfig)
}
