//! `netmend grafana export DIR`: dashboards and provisioning files for a Grafana, made from the configuration. It
//! speaks to no Grafana and no database.

use std::path::PathBuf;
use std::process::ExitCode;

use show::grafana::Flavour;

use super::stdout::{self, Form};
use crate::config::{self, GrafanaWanted, Sources};
use crate::grafana::{Kept, keep, watched};
use crate::plan::refusal;
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write dashboards and provisioning files into a folder: an overview, and one dashboard a region, device and
    /// orchestrator.
    Export(Box<ExportArgs>),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
DIR/provisioning belongs to /etc/grafana/provisioning, DIR/dashboards to the folder that --path names. \
If the database asks for a login, Grafana takes the password from $NETMEND_GRAFANA_PASSWORD of its own \
environment. With `grafana: { dir: DIR }` in the configuration the daemon keeps a folder up to date by itself.

Exit codes: 0 done, 1 the configuration is wrong, 3 bad arguments, 4 a system error.")]
struct ExportArgs {
    /// Folder to write into; made if it is not there. Dashboards of what is no more are removed.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Configuration; what it says under `grafana` holds unless an option says otherwise.
    #[arg(long, value_name = "FILE", required_unless_present = "targets")]
    config: Option<PathBuf>,
    /// Targets file.
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// For which Grafana [default: current].
    #[arg(long, value_name = "FLAVOUR")]
    flavour: Option<FlavourArg>,
    /// What the panels ask [default: influxdb].
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceArg>,
    /// Where the database is as Grafana sees it [default: `http://localhost:8086`, or `:9090` for
    /// Prometheus].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Name of InfluxDB's database [default: `network_telemetry`].
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Who reads it, if it asks for a login.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Folder of the dashboards as Grafana sees it [default: DIR/dashboards].
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// How to print what was done.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FlavourArg {
    /// Grafana 10 and newer: schema version 39.
    Current,
    /// Grafana 5 to 7: schema version 16, with the panels of network-telemetry.
    Grafana5,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SourceArg {
    /// InfluxDB, by InfluxQL.
    Influxdb,
    /// Prometheus, or what speaks its language.
    Prometheus,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let Command::Export(args) = args.command;
    let (config, targets) = (args.config, args.targets);
    let sources = Sources { config, targets, ..Sources::default() };
    let settings = config::load(&sources).map_err(|problems| refusal(&problems, &sources))?;
    let typed = GrafanaWanted {
        flavour: args.flavour.map(|flavour| match flavour {
            FlavourArg::Current => Flavour::Current,
            FlavourArg::Grafana5 => Flavour::Grafana5,
        }),
        prometheus: args.source.map(|source| matches!(source, SourceArg::Prometheus)),
        url: args.url,
        database: args.database,
        user: args.user,
        path: args.path,
    };
    let watched = watched(&settings);
    let mut configured = settings.grafana.map(|both| both.1).unwrap_or_default();
    if typed.prometheus.is_some() && typed.prometheus != configured.prometheus {
        // Address and login of one database mean nothing to the other.
        (configured.url, configured.database, configured.user) = (None, None, None);
    }
    let grafana = typed.or(&configured).into(&args.dir).map_err(|why| Report::new(why).code(3))?;
    let kept = keep(&grafana, &watched)?;
    stdout::print(match args.output {
        Form::Json => stdout::json_lines([kept])?,
        Form::Text => {
            let Kept { written, unchanged, removed } = kept;
            let dir = args.dir.display();
            format!("{dir}: {written} written, {unchanged} as they were, {removed} removed\n")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
