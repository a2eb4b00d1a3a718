//! `grafana:`: which dashboards are kept up to date in which folder. It only reads what was typed; what is in
//! a dashboard is decided in `show::grafana`, who writes the folder in [`crate::grafana`].

use std::borrow::Cow;
use std::path::{Path, PathBuf, absolute};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use show::grafana::{Flavour, Settings, Source};

use super::judged::{Line, WebAddress};
use super::keys::keys;
use super::problem::{Problem, Problems};
use super::raw::{Folder, text_schema};
use super::reader::{Read, Reader, key_text};
use super::source::At;
use super::yaml::Node;

/// Database of network-telemetry.
const DATABASE: &str = "network_telemetry";

/// A folder with all that a Grafana needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grafana {
    /// Where it is.
    pub(crate) dir: PathBuf,
    /// What is in it.
    pub(crate) settings: Settings,
}

/// What can be left out of a [`Grafana`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// For which Grafana.
    pub(crate) flavour: Option<Flavour>,
    /// What panels ask; `false` is `InfluxDB`.
    pub(crate) prometheus: Option<bool>,
    /// Where the database is as Grafana sees it.
    pub(crate) url: Option<String>,
    /// Its name.
    pub(crate) database: Option<String>,
    /// Who reads it.
    pub(crate) user: Option<String>,
    /// Folder of the dashboards as Grafana sees it.
    pub(crate) path: Option<String>,
}

impl Wanted {
    /// These, and what they leave out as `others` have it.
    pub(crate) fn or(self, others: &Self) -> Self {
        let Self { flavour, prometheus, url, database, user, path } = others.clone();
        Self {
            flavour: self.flavour.or(flavour),
            prometheus: self.prometheus.or(prometheus),
            url: self.url.or(url),
            database: self.database.or(database),
            user: self.user.or(user),
            path: self.path.or(path),
        }
    }

    /// The export into `dir`; the error says what does not go together.
    pub(crate) fn into(self, dir: &Path) -> Result<Grafana, String> {
        let dir = absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let source = if self.prometheus == Some(true) {
            let named = [("database", &self.database), ("user", &self.user)];
            if let Some((key, _)) = named.iter().find(|(_, value)| value.is_some()) {
                return Err(format!("`{key}` is of InfluxDB, but `source` is prometheus"));
            }
            Source::Prometheus
        } else {
            let database = self.database.unwrap_or_else(|| DATABASE.to_owned());
            Source::Influxdb { database, user: self.user }
        };
        let port = if source == Source::Prometheus { 9090 } else { 8086 };
        let url = self.url.unwrap_or_else(|| format!("http://localhost:{port}"));
        let Some((_, place)) = url.split_once("://") else {
            return Err("the `url` is no address such as http://db:8086".to_owned());
        };
        // Not shown: what stands before it may be a password, and the files are for others to read.
        if place.split('/').next().is_some_and(|host| host.contains('@')) {
            return Err("a login does not belong into the `url`: name the user with `user` and give Grafana the password".to_owned());
        }
        let path = self
            .path
            .unwrap_or_else(|| dir.join(Settings::DASHBOARDS).to_string_lossy().into_owned());
        let flavour = self.flavour.unwrap_or_default();
        Ok(Grafana { dir, settings: Settings { flavour, source, url, path } })
    }
}

keys! {
    /// Dashboards for a Grafana, made from the targets.
    #[schemars(extend("required" = ["dir"]))]
    struct RawGrafana ("a map with keys such as `dir`") {
        /// Folder that is kept up to date, relative to this file.
        dir: Folder,
        /// For which Grafana: current (10 and newer; if not given) or grafana5 (5 to 7).
        flavour: FlavourName,
        /// What the panels ask: influxdb (if not given) or prometheus.
        source: SourceName,
        /// Where the database is as Grafana sees it; port 8086 of localhost, or 9090 for Prometheus,
        /// if not given.
        url: WebAddress,
        /// Name of InfluxDB's database, that of network-telemetry if not given.
        database: Line,
        /// Who reads it, if it asks for a login; Grafana takes the password from its environment.
        user: Line,
        /// Folder of the dashboards as Grafana sees it; `dir` and `dashboards` if not given.
        path: Line,
    }
}

impl RawGrafana {
    /// What it means; `folder` is where its file lies.
    pub(crate) fn finish(
        raw: At<Self>,
        folder: &Path,
        problems: &mut Problems,
    ) -> Option<(Grafana, Wanted)> {
        let At { value, span } = raw;
        let Some(At { value: Folder(dir), .. }) = value.dir else {
            problems.push(Problem::new(span, "`grafana` needs `dir`: where to write the files"));
            return None;
        };
        let line = |at: Option<At<Line>>| at.map(|at| at.value.0);
        let wanted = Wanted {
            flavour: value.flavour.map(|at| at.value.0),
            prometheus: value.source.map(|at| at.value.0),
            url: value.url.map(|at| at.value.0),
            database: line(value.database),
            user: line(value.user),
            path: line(value.path),
        };
        match wanted.clone().into(&folder.join(dir)) {
            Ok(grafana) => Some((grafana, wanted)),
            Err(what) => {
                problems.push(Problem::new(span, what));
                None
            }
        }
    }
}

/// A flavour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlavourName(pub(crate) Flavour);

impl Read for FlavourName {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a flavour", "write current or grafana5", |text| {
            Flavour::ALL.into_iter().find(|flavour| flavour.name() == text).map(Self)
        })
    }
}

/// Whether it is Prometheus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceName(pub(crate) bool);

impl Read for SourceName {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a source", "write influxdb or prometheus", |text| match text {
            "influxdb" => Some(Self(false)),
            "prometheus" => Some(Self(true)),
            _ => None,
        })
    }
}

text_schema!(FlavourName, { "enum": ["current", "grafana5"] });
text_schema!(SourceName, { "enum": ["influxdb", "prometheus"] });
