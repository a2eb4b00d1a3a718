//! `netmend remedy new`: writes a remediation to start from and a recording that tests it. It overwrites nothing.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mend::Platform;

use super::BAD_ARGUMENTS;
use crate::cli::stdout;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is written works as it stands, and its test passes: change both to what you need.

Exit codes: 0 it was written, 1 it was not, 3 bad arguments.")]
pub(super) struct Args {
    /// Its name: letters, digits, dashes.
    name: String,
    /// Folder to write to; made if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "remediations")]
    dir: PathBuf,
    /// Code of the events that it is for, as in LINK-3-UPDOWN; * stands for anything.
    #[arg(long, value_name = "CODE", default_value = "LINEPROTO-5-UPDOWN")]
    code: String,
    /// What runs on the devices that it is for.
    #[arg(long, value_name = "PLATFORM", default_value = "ios")]
    platform: String,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Report> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if args.name.is_empty() || !args.name.bytes().all(fine) {
        let report = Report::new(format!(
            "{} is no name for a remediation",
            crate::config::quote(&args.name)
        ));
        return Err(report.help("letters, digits, - and _").code(BAD_ARGUMENTS));
    }
    let code_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_*.".contains(&byte);
    if args.code.is_empty() || !args.code.bytes().all(code_fine) {
        let report = Report::new(format!("{} is no code", crate::config::quote(&args.code)));
        return Err(report.help("as in LINK-3-UPDOWN or ETHPORT-5-IF_DOWN_*").code(BAD_ARGUMENTS));
    }
    let Some(platform) = Platform::named(&args.platform) else {
        let names = Platform::ALL.map(Platform::name);
        let report =
            Report::new(format!("no platform is named {}", crate::config::quote(&args.platform)));
        return Err(report
            .help(crate::config::instead(&args.platform, &names))
            .code(BAD_ARGUMENTS));
    };
    std::fs::create_dir_all(&args.dir).map_err(|why| {
        Report::because(format!("cannot make the folder {}", args.dir.display()), &why)
    })?;
    let (star, cast) = (
        args.dir.join(format!("{}.star", args.name)),
        args.dir.join(format!("{}.cast.toml", args.name)),
    );
    let sample = Sample::of(platform);
    write(&star, &sample.remediation(&args.code, platform))?;
    write(&cast, &sample.recording(&args.code, platform))?;
    stdout::print(format!(
        "wrote {} and {}\nnext: netmend remedy test {} --dir {}\n",
        star.display(),
        cast.display(),
        args.name,
        args.dir.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), Report> {
    let failed = |why: std::io::Error| {
        let report = Report::because(format!("cannot write {}", path.display()), &why);
        if why.kind() == std::io::ErrorKind::AlreadyExists {
            report.help("choose another name, or change that file")
        } else {
            report
        }
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// How an interface looks on a platform, broken and well.
struct Sample {
    interface: &'static str,
    show: &'static str,
    broken: &'static str,
    well: &'static str,
    /// The changes that take it down and up; none where that is no configuration.
    changes: &'static [&'static [&'static str]],
}

/// Where lines take effect as they are typed.
const TOGETHER: &[&[&str]] = &[&["interface {interface}", "shutdown", "no shutdown"]];
/// Where they take effect with a commit: both in one would change nothing.
const APART: &[&[&str]] =
    &[&["interface {interface}", "shutdown"], &["interface {interface}", "no shutdown"]];

impl Sample {
    fn of(platform: Platform) -> Self {
        match platform {
            Platform::IosXr | Platform::Eos => Self { changes: APART, ..Self::of(Platform::Ios) },
            Platform::Ios => Self {
                interface: "GigabitEthernet0/1",
                show: "show interfaces GigabitEthernet0/1",
                broken: "GigabitEthernet0/1 is down, line protocol is down (notconnect)",
                well: "GigabitEthernet0/1 is up, line protocol is up (connected)",
                changes: TOGETHER,
            },
            Platform::Nxos => Self {
                interface: "Ethernet1/7",
                show: "show interface Ethernet1/7",
                broken: "Ethernet1/7 is down (Link not connected)\nadmin state is up, Dedicated Interface",
                well: "Ethernet1/7 is up\nadmin state is up, Dedicated Interface",
                changes: TOGETHER,
            },
            Platform::Junos => Self {
                interface: "ge-0/0/1",
                show: "show interfaces ge-0/0/1 extensive",
                broken: "Physical interface: ge-0/0/1, Enabled, Physical link is Down",
                well: "Physical interface: ge-0/0/1, Enabled, Physical link is Up",
                changes: &[],
            },
            Platform::Frr => Self {
                interface: "eth1",
                show: "show interface eth1",
                broken: "Interface eth1 is up, line protocol is down",
                well: "Interface eth1 is up, line protocol is up",
                changes: TOGETHER,
            },
            Platform::Vrp => Self {
                interface: "GigabitEthernet0/0/1",
                show: "display interface GigabitEthernet0/0/1",
                broken: "GigabitEthernet0/0/1 current state : DOWN\nLine protocol current state : DOWN",
                well: "GigabitEthernet0/0/1 current state : UP\nLine protocol current state : UP",
                changes: &[
                    &["interface {interface}", "shutdown"],
                    &["interface {interface}", "undo shutdown"],
                ],
            },
            Platform::Sros => Self {
                interface: "1/1/1",
                show: "show port 1/1/1",
                broken: "Interface          : 1/1/1\nAdmin State        : up\nOper State         : down",
                well: "Interface          : 1/1/1\nAdmin State        : up\nOper State         : up",
                changes: &[],
            },
            Platform::Linux => Self {
                interface: "eth1",
                show: "ip -s link show eth1",
                broken: "3: eth1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc fq_codel state DOWN mode DEFAULT",
                well: "3: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP mode DEFAULT",
                changes: &[],
            },
        }
    }

    fn remediation(&self, code: &str, platform: Platform) -> String {
        let mut text = format!(
            "\"\"\"One line about what this does: people read it in lists.\"\"\"\n\n\
             remediation(\n    match = [\"{code}\"],\n    platforms = [\"{platform}\"],\n    timeout = \"2m\",\n    \
             idempotent = True,     # it may run again after a crash\n)\n\n\
             # Is it broken, and may it be repaired? It can only look.\n\
             def check(event, device):\n    port = device.interface(event.interface)\n    \
             if port.admin == \"down\":\n        return no(\"a person shut {{}}\".format(port.name))\n    \
             if port.protocol == \"up\":\n        return no(\"{{}} works again\".format(port.name))\n"
        );
        if self.changes.is_empty() {
            text.push_str("    return escalate(\"{} is down\".format(port.name))\n");
            return text;
        }
        text.push_str("    return yes(\"{} is enabled and down\".format(port.name))\n\n# The repair.\ndef fix(event, device):\n");
        if self.changes.len() > 1 {
            text.push_str("    # Both in one commit would change nothing.\n");
        }
        for lines in self.changes {
            // Writing to a string cannot fail; the same below.
            let _ = writeln!(text, "    device.config([{}], event.interface)", quoted(lines));
        }
        text.push('\n');
        text.push_str("# Is it repaired?\ndef verify(event, device):\n    return device.interface(event.interface).protocol == \"up\"\n");
        text
    }

    fn recording(&self, code: &str, platform: Platform) -> String {
        let Self { interface, show, broken, well, changes } = self;
        // A star stands for anything; something has to be there.
        let code = code.replace('*', "X");
        let exchange = |step: &str, output: &str| {
            format!(
                "\n[[cast.exchange]]\nstep = \"{step}\"\nshow = \"{show}\"\noutput = '''\n{output}\n'''\n"
            )
        };
        let head = |about: &str, expect: &str| {
            format!(
                "[[cast]]\nabout = \"{about}\"\nplatform = \"{platform}\"\ncode = \"{code}\"\n\
                 fields = {{ interface = \"{interface}\", state = \"down\" }}\nexpect = {{ {expect} }}\n"
            )
        };
        let mut text = String::from(
            "# Recordings: the event, what must come of each step, and what the device says.\n\n",
        );
        if changes.is_empty() {
            text.push_str(&head(
                "a port that is down is for people",
                "check = \"escalate: is down\"",
            ));
            text.push_str(&exchange("check", broken));
        } else {
            let expect = "check = \"yes\", fix = \"yes\", verify = \"yes\"";
            text.push_str(&head("a port that is enabled and down is taken down and up", expect));
            text.push_str(&exchange("check", broken));
            for lines in *changes {
                let sent = quoted(lines).replace("{interface}", interface);
                let _ = write!(text, "\n[[cast.exchange]]\nstep = \"fix\"\nconfig = [{sent}]\n");
            }
            text.push_str(&exchange("verify", well));
        }
        text.push('\n');
        text.push_str(&head(
            "a port that works again is left alone",
            "check = \"no: works again\"",
        ));
        text.push_str(&exchange("check", well));
        text
    }
}

/// Lines as a list has them.
fn quoted(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("\"{line}\"")).collect();
    lines.join(", ")
}
