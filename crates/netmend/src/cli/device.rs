//! `netmend device`: looks at the devices of the inventory over SSH and SNMP. It changes nothing on them; what
//! it changes here is the list of host keys that are trusted.

mod interfaces;

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use mend::session::{HostKey, HostKeyError, HostKeys, Limits, Session, SessionError, ask_host_key};
use mend::{Endpoint, EndpointError};
use model::SystemClock;
use serde::Serialize;

use super::stdout::{self, Form};
use crate::config::{self, Settings, Sources};
use crate::data;
use crate::report::Report;

/// File of the trusted host keys in the data folder.
const HOST_KEYS: &str = "known_devices";

/// Exit code: the device could not be reached or did not do it.
const FAILED: u8 = 1;
/// Exit code: the inventory has no such device, or no login for it.
const UNKNOWN: u8 = 2;
/// Exit code: what was typed makes no sense.
const BAD_ARGUMENTS: u8 = 3;
/// Exit code: its host key is not the trusted one.
const NOT_TRUSTED: u8 = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Trust the host key that a device shows, after a look at its fingerprint.
    Trust(TrustArgs),
    /// Run a command that only reads, and print what the device says.
    Show(ShowArgs),
    /// Ask a device over SNMP for its interfaces, as the daemon does, and print what it tells.
    Interfaces(interfaces::Args),
}

/// Where the configuration is, and what netmend keeps.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// Configuration with the device and its login.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Data folder, where trusted host keys are kept [default: `data` of the configuration, else as
    /// `netmend run`].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Compare the fingerprint with what the device itself shows, on its console or where you trust the way to it: \
`ssh-keygen -lf` on Linux, `show crypto key mypubkey` or `show ssh server` on others. The keys are in \
known_devices in the data folder, in the format of known_hosts, by names of devices.

Exit codes: 0 it is trusted now, 1 it could not be reached, 2 the inventory has no such device, 3 bad \
arguments, 5 it is not trusted: refused, another key than asked for, or another one is trusted already.")]
struct TrustArgs {
    /// Name of the device.
    device: String,
    #[command(flatten)]
    place: Where,
    /// Trust it only if it has this fingerprint, without asking: `SHA256:...`.
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
    /// Trust the key in the place of the one that was trusted before.
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Secrets in the output are shown as ***. JSON has the keys device, platform, command, output, logs, took_ms.

Exit codes: 0 the device answered, 1 it could not be reached or refused the command, 2 the inventory has no \
such device, 3 bad arguments, 5 its host key is not trusted.")]
struct ShowArgs {
    /// Name of the device.
    device: String,
    /// The command, such as `show version`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    #[command(flatten)]
    place: Where,
    /// How to print.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    match args.command {
        Command::Trust(args) => trust(&args),
        Command::Show(args) => show(&args),
        Command::Interfaces(args) => interfaces::run(&args),
    }
}

impl Where {
    /// What the configuration says.
    pub(super) fn settings(&self) -> Result<Settings, Report> {
        let sources = Sources { config: Some(self.config.clone()), ..Sources::default() };
        config::load(&sources)
            .map_err(|problems| Report::new(problems.to_string()).code(BAD_ARGUMENTS))
    }

    /// The data folder that goes with it.
    pub(super) fn data_folder(&self, settings: &Settings) -> Result<PathBuf, Report> {
        data::folder(self.data.clone().or_else(|| settings.data.clone()))
    }
}

/// The device, and the keys that are trusted in its data folder.
fn find(device: &str, place: &Where) -> Result<(Endpoint, HostKeys), Report> {
    let settings = place.settings()?;
    Ok((endpoint(device, &settings)?, keys(&place.data_folder(&settings)?)))
}

/// The keys that are trusted.
pub(super) fn keys(folder: &Path) -> HostKeys {
    HostKeys::at(folder.join(HOST_KEYS))
}

/// How one logs in to a device.
pub(super) fn endpoint(device: &str, settings: &Settings) -> Result<Endpoint, Report> {
    Endpoint::of(&settings.inventory, device).map_err(|why| {
        let report = Report::because(format!("cannot log in to {device}"), &why).code(UNKNOWN);
        match why {
            EndpointError::Unknown(_) => {
                let names = settings.inventory.devices().iter().map(|device| device.name.as_str());
                let names = names.take(20).collect::<Vec<_>>().join(", ");
                report.help(format!("devices of the inventory: {names}"))
            }
            EndpointError::NoLogin(_) => report.help(
                "add `login: { user: NAME, key: \"${file:PATH}\" }` to the device, or for all at the top",
            ),
            _ => report,
        }
    })
}

fn trust(args: &TrustArgs) -> Result<ExitCode, Report> {
    let (endpoint, keys) = find(&args.device, &args.place)?;
    let device = endpoint.device.as_str();
    let limits = Limits::default();
    let key =
        block_on(ask_host_key(&endpoint, &keys, &limits))?.map_err(|why| failed(device, &why))?;
    let (kind, fingerprint) = (key.algorithm(), key.fingerprint());
    let old = keys.of(device).map_err(|why| untrusted(device, &why))?;
    if old.contains(&key) {
        stdout::print(format!("{device} is trusted already: {kind} {fingerprint}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !old.is_empty() && !args.replace {
        let error = keys.trust(device, &key, false).err();
        return Err(error
            .map_or_else(|| Report::new("another key is trusted"), |why| untrusted(device, &why)));
    }
    if !agreed(device, &key, args)? {
        let refused = format!("{device} is not trusted: nobody agreed to {kind} {fingerprint}");
        return Err(Report::new(refused).code(NOT_TRUSTED));
    }
    keys.trust(device, &key, args.replace).map_err(|why| untrusted(device, &why))?;
    stdout::print(format!("{device} is trusted from now on: {kind} {fingerprint}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the key is the one that was asked for, or a person says so.
fn agreed(device: &str, key: &HostKey, args: &TrustArgs) -> Result<bool, Report> {
    let (kind, fingerprint) = (key.algorithm(), key.fingerprint());
    if let Some(wanted) = &args.fingerprint {
        if *wanted == fingerprint {
            return Ok(true);
        }
        let report = Report::new(format!("{device} shows {kind} {fingerprint}, not {wanted}"));
        return Err(report.help("somebody may be in between").code(NOT_TRUSTED));
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        let report =
            Report::new(format!("{device} shows {kind} {fingerprint}, which nobody has agreed to"));
        let help = format!("compare it on the device, then add --fingerprint {fingerprint}");
        return Err(report.help(help).code(NOT_TRUSTED));
    }
    stdout::print(format!(
        "{device} shows {kind} {fingerprint}\nCompare it with what the device itself shows. Trust it? [y/N] "
    ))?;
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    input
        .lock()
        .read_line(&mut answer)
        .map_err(|why| Report::because("cannot read the answer", &why).code(4))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What a device said, as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    device: &'a str,
    platform: &'a str,
    command: &'a str,
    output: &'a str,
    logs: &'a [String],
    took_ms: u64,
}

fn show(args: &ShowArgs) -> Result<ExitCode, Report> {
    let (endpoint, keys) = find(&args.device, &args.place)?;
    let device = endpoint.device.as_str();
    let command = args.command.join(" ");
    // Before a connection is made: most mistakes are typed.
    endpoint
        .platform
        .check_reading(&command)
        .map_err(|why| Report::because(format!("cannot ask {device}"), &why).code(BAD_ARGUMENTS))?;
    let asking = async {
        let clock = Arc::new(SystemClock);
        let mut session = Session::open(&endpoint, &keys, Limits::default(), clock).await?;
        let answer = session.show(&command).await;
        let answer = answer.map(|answer| (session.redacted(&answer.text), answer));
        session.close().await;
        answer
    };
    let (output, answer) = block_on(asking)?.map_err(|why| failed(device, &why))?;
    let text = match args.output {
        Form::Text => output,
        Form::Json => stdout::json_lines([Shown {
            device,
            platform: endpoint.platform.name(),
            command: &command,
            output: &output,
            logs: &answer.logs,
            took_ms: u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
        }])?,
    };
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Why a device was not asked.
pub(super) fn failed(device: &str, why: &SessionError) -> Report {
    let code = if matches!(why, SessionError::HostKey(_)) { NOT_TRUSTED } else { FAILED };
    let report = Report::because(format!("cannot ask {device}"), why).code(code);
    match why {
        SessionError::Algorithm { .. } => {
            report.help("if the device is old, add `legacy: true` to its login")
        }
        _ => report,
    }
}

fn untrusted(device: &str, why: &HostKeyError) -> Report {
    Report::because(format!("{device} is not trusted"), why).code(NOT_TRUSTED)
}

/// Runs to the end on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Report::because("cannot start", &why).code(4))?;
    Ok(runtime.block_on(work))
}
