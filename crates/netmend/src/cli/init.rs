//! `netmend init`: writes a config with comments, from targets files, CSV, or what this machine itself uses.
//! It writes that one file and never over another unless told to.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use measure::discover;
use model::{Protocol, Target};

use super::stdout;
use crate::config::{self, Database, Problems};
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take the targets from this file: targets by region, one host a line, a config, or CSV with a first
    /// line that names its columns (host, region, port; others become tags); or the databases from a
    /// `.credentials.json` of network-telemetry. Can be given several times.
    /// Without it: this machine's own default gateways and DNS resolvers.
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// Take orchestrator, rule and receivers from the `.env` file of vco-api-wan-anomaly-alert. The config
    /// then holds its secrets, and only its owner can read it.
    #[arg(long, value_name = "FILE")]
    from_env: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    /// The file to write; `-` is standard output.
    #[arg(default_value = "netmend.yaml", value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let Args { from, from_env, force, output } = args;
    let (Given { targets, databases }, notes) = if from.is_empty() && from_env.is_none() {
        (Given { targets: discovered()?, databases: Vec::new() }, &NOTES[..])
    } else {
        (given(from)?, &[][..])
    };
    let more = from_env.as_deref().map(given_env).transpose()?;
    let secret = !databases.is_empty() || more.is_some();
    let more = more.unwrap_or_default();
    let text = config::write(&targets, notes, &databases, &more).map_err(|problems| {
        wrong("the files do not fit together", &problems)
            .help("remove what is there twice, or make one file of each")
    })?;
    if output == Path::new("-") {
        stdout::print(text)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Passwords are nobody else's.
    let mode = if secret { 0o600 } else { 0o644 };
    write_file(&output, &text, force, mode)?;
    let (path, count) = (output.display(), targets.len());
    let next = format!("next: netmend run --config {path}");
    stdout::print(format!("wrote {path}, {}; {next}\n", stdout::count(count, "target")))?;
    Ok(ExitCode::SUCCESS)
}

/// What stands above the regions of a discovery.
const NOTES: [(&str, &str); 2] = [
    ("gateway", "Next hops of this machine's default routes."),
    ("resolver", "Servers that answer this machine's DNS queries."),
];

fn discovered() -> Result<Vec<Target>, Report> {
    let discovery = discover::discover(&discover::Files::default());
    let hosts = discovery
        .found
        .iter()
        .map(|found| Target::new(&found.host, &found.role.to_string(), Protocol::Icmp));
    let targets: Vec<_> = hosts.filter(|target| config::is_host(&target.host)).collect();
    if let (true, Some(problem)) = (targets.is_empty(), discovery.problems.first()) {
        return Err(Report::because("cannot find this machine's gateways and resolvers", problem)
            .help("name a file with hosts: netmend init --from FILE"));
    }
    Ok(targets)
}

/// What the files hold.
#[derive(Debug, Default)]
struct Given {
    targets: Vec<Target>,
    databases: Vec<Database>,
}

fn given(files: Vec<PathBuf>) -> Result<Given, Report> {
    let mut given = Given::default();
    for path in files {
        let what = format!("cannot take databases from {}", path.display());
        let found = config::load_credentials(&path)
            .map_err(|why| Report::new(what).help(format!("{why}: correct or remove it")))?;
        if let Some(databases) = found {
            given.databases.extend(databases);
            continue;
        }
        let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let read = if csv {
            config::load_csv(&path)
        } else {
            config::load_any(&path).map(|settings| settings.targets)
        };
        let what = format!("cannot take targets from {}", path.display());
        given.targets.extend(read.map_err(|problems| wrong(&what, &problems))?);
    }
    Ok(given)
}

/// What a `.env` file comes to, after it was found to be a configuration.
fn given_env(path: &Path) -> Result<String, Report> {
    let sources = config::Sources { env_file: Some(path.to_owned()), ..config::Sources::default() };
    let what = format!("cannot take an orchestrator from {}", path.display());
    config::load(&sources).map_err(|problems| wrong(&what, &problems))?;
    let text = fs::read_to_string(path).map_err(|why| Report::because(what.clone(), &why))?;
    let config = config::env_as_config(&text)
        .map_err(|wrong| Report::new(format!("{what}: {}", wrong.what)))?;
    let note = "# From the .env file of vco-api-wan-anomaly-alert. Secrets can also be written as ${env:NAME}.";
    Ok(format!("\n{note}\n{config}"))
}

/// A report with a line for each problem.
fn wrong(what: &str, problems: &Problems) -> Report {
    let mut report = Report::new(what);
    report.chain.extend(problems.to_string().lines().map(str::to_owned));
    report
}

/// Writes the whole file or none of it.
fn write_file(path: &Path, text: &str, force: bool, mode: u32) -> Result<(), Report> {
    let failed = |error: &io::Error| {
        let what = format!("cannot write {}", path.display());
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Report::new(format!("{what}: it is there already")).help("--force writes over it")
            }
            _ => Report::because(what, error).code(4),
        }
    };
    if !force {
        let file = File::options().write(true).create_new(true).mode(mode).open(path);
        let mut file = file.map_err(|error| failed(&error))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        return written.map_err(|error| {
            // Half a config is worse than none; that it cannot be removed adds nothing to the report.
            let _ = fs::remove_file(path);
            failed(&error)
        });
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let half = path.with_file_name(name);
    let created = File::options().write(true).create(true).truncate(true).mode(mode).open(&half);
    let written = created
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&half, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&half);
        failed(&error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(from: &[PathBuf], output: &Path, force: bool) -> Result<ExitCode, Report> {
        run(Args { from: from.to_vec(), from_env: None, force, output: output.to_owned() })
    }

    #[test]
    fn a_config_from_targets_and_csv_passes_check_and_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("icmp.yaml"), "r: [a, fe80::1%eth0]\n").unwrap();
        fs::write(at("tcp.yaml"), "databases: { b: 3306, 2001:db8::1: 443 }\n").unwrap();
        fs::write(at("hosts.csv"), "host,region,rack\nc,r,no\n").unwrap();
        let from = [at("icmp.yaml"), at("tcp.yaml"), at("hosts.csv")];
        let output = at("netmend.yaml");
        init(&from, &output, false).unwrap();
        let targets = config::load_any(&output).unwrap().targets;
        let shown: Vec<_> = targets.iter().map(|t| format!("{} {t}", t.region)).collect();
        let expected =
            ["r a", "r fe80::1%eth0", "r c", "databases b:3306", "databases [2001:db8::1]:443"];
        assert_eq!(shown, expected);
        assert_eq!(targets[2].tags["rack"], "no");

        let written = fs::read_to_string(&output).unwrap();
        let report = init(&from[..1], &output, false).unwrap_err();
        assert!(report.to_string().contains("--force"), "{report}");
        assert_eq!(fs::read_to_string(&output).unwrap(), written);
        init(&from[..1], &output, true).unwrap();
        assert_eq!(config::load_any(&output).unwrap().targets.len(), 2);
        assert_eq!(folder.path().read_dir().unwrap().count(), 4, "nothing is left beside it");
    }

    #[test]
    fn databases_of_network_telemetry_become_sinks_that_nobody_else_can_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("targets.yaml"), "r: [a]\n").unwrap();
        let credentials = r#"{ "db": { "username": "root", "password": "h\"unt${er}2" } }"#;
        fs::write(at(".credentials.json"), credentials).unwrap();
        let output = at("netmend.yaml");
        init(&[at("targets.yaml"), at(".credentials.json")], &output, false).unwrap();
        let settings = config::load_any(&output).unwrap();
        assert_eq!((settings.targets.len(), settings.sinks.len()), (1, 1));
        assert_eq!(settings.sinks[0].name, "db:8086/network_telemetry");
        let store::sink::SinkConfig::Influx(influx) = &settings.sinks[0].config else { panic!() };
        let expected =
            store::sink::Credential::Basic("root".into(), model::Secret::new("h\"unt${er}2"));
        assert_eq!(influx.endpoint.credential, expected);
        assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_env_file_becomes_a_config_that_only_its_owner_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(".env"), "VCO_HOSTNAME = 'vco.example.com/'\nVCO_TOKEN = 'hunter2 ${x}'\n")
            .unwrap();
        let output = at("netmend.yaml");
        let from_env = Some(at(".env"));
        run(Args { from: vec![], from_env, force: false, output: output.clone() }).unwrap();
        assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o600);
        let settings = config::load_any(&output).unwrap();
        assert_eq!(settings.orchestrators[0].client.at(), "https://vco.example.com");
        assert!(settings.targets.is_empty(), "nobody asked for this machine's own network");
    }

    #[test]
    fn wrong_or_double_input_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.yaml"), "r: [a]\n").unwrap();
        fs::write(at("wrong.csv"), "host\na b\n").unwrap();
        let output = at("netmend.yaml");
        let report = init(&[at("a.yaml"), at("wrong.csv")], &output, false).unwrap_err();
        assert!(report.to_string().contains("wrong.csv:2:1: `a b`"), "{report}");
        let report = init(&[at("a.yaml"), at("a.yaml")], &output, false).unwrap_err();
        assert!(report.to_string().contains("duplicate target"), "{report}");
        assert!(!output.exists());
    }
}
