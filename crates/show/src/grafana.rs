//! Grafana: the files that make a Grafana show what netmend watches, made from targets, devices and orchestrators.
//! Pure: values in, texts out; whoever calls writes them where Grafana finds them. It must not ask a database,
//! and no file holds a password.
//!
//! Reading order: `name`, what a name is in other languages; `query`, what a panel asks; `board`, what a
//! dashboard is whatever the version of Grafana; `region`, `overview`, `device` and `links`, one kind of dashboard
//! each; `current` and `grafana5`, how a version of Grafana writes it down; `provision`, what brings it in. A new
//! kind of dashboard is one file and one line in [`export`].

use std::time::Duration;

use model::Target;

mod board;
mod current;
mod device;
mod grafana5;
mod links;
mod name;
mod overview;
mod provision;
mod query;
mod region;

/// What to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For which Grafana.
    pub flavour: Flavour,
    /// What is asked.
    pub source: Source,
    /// Where the database is as Grafana sees it, such as `http://influxdb:8086`.
    pub url: String,
    /// Folder of the dashboards as Grafana sees it.
    pub path: String,
}

impl Settings {
    /// Where the dashboards lie within the exported folder.
    pub const DASHBOARDS: &str = "dashboards";
}

/// How dashboards are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// Schema version 39 with `timeseries` and `stat` panels: Grafana 10 and newer.
    #[default]
    Current,
    /// Schema version 16 with `graph` and `singlestat` panels: Grafana 5 to 7.
    Grafana5,
}

impl Flavour {
    /// All, the default first.
    pub const ALL: [Flavour; 2] = [Flavour::Current, Flavour::Grafana5];

    /// The word for it on the command line and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Current => "current",
            Flavour::Grafana5 => "grafana5",
        }
    }
}

/// The database that panels ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An `InfluxDB` by InfluxQL, with the measurements of network-telemetry.
    Influxdb {
        /// Name of the database.
        database: String,
        /// Who reads it, if it asks for a login; the password comes from Grafana's environment.
        user: Option<String>,
    },
    /// Prometheus, or what speaks its language, with the metrics of `/metrics`.
    Prometheus,
}

impl Source {
    /// Grafana's name for the kind.
    pub fn name(&self) -> &'static str {
        match self {
            Source::Influxdb { .. } => "influxdb",
            Source::Prometheus => "prometheus",
        }
    }
}

/// What dashboards are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Targets, in the order of the configuration.
    pub targets: Vec<Target>,
    /// Devices that are asked for their interfaces: the name of each, and how often.
    pub devices: Vec<(String, Duration)>,
    /// Names of the orchestrators whose WAN links are watched.
    pub orchestrators: Vec<String>,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where, relative to the exported folder. Letters, digits, `-`, `.` and `/` only.
    pub path: String,
    /// What.
    pub text: String,
}

/// All files for what is watched. The same gives the same bytes, and a dashboard keeps its name and uid whatever
/// happens to others.
pub fn export(settings: &Settings, watched: &Watched) -> Vec<File> {
    let source = &settings.source;
    let regions = region::regions(&watched.targets);
    let mut boards = vec![overview::board(source, &regions)];
    boards.extend(regions.iter().map(|region| region::board(source, region)));
    boards.extend(watched.devices.iter().map(|(name, every)| device::board(source, name, *every)));
    boards.extend(watched.orchestrators.iter().map(|name| links::board(source, name)));
    board::tell_apart(&mut boards);
    let mut files = provision::files(settings);
    files.extend(boards.iter().map(|board| File {
        path: format!("{}/{}.json", Settings::DASHBOARDS, board.uid),
        text: match settings.flavour {
            Flavour::Current => current::text(board, &settings.source),
            Flavour::Grafana5 => grafana5::text(board, &settings.source),
        },
    }));
    files
}

#[cfg(test)]
mod tests;
