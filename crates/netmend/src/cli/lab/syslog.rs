//! `netmend lab syslog`: lines of a simulated network, to standard output, a file or a syslog receiver.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use lab::syslog::Generator;
use model::{Clock, SystemClock};

use crate::report::Report;

/// Lines are written in steps of this length while they are paced.
const STEP: Duration = Duration::from_millis(10);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The devices and what happens to them are SIMULATION; their lines look as those of real ones: Cisco IOS,
IOS XR, NX-OS and ASA, Arista EOS, Junos, Huawei VRP, Nokia SR OS, FRR.

Exit codes: 0 all lines were written, 3 bad arguments, 4 they cannot be written.")]
pub(crate) struct Args {
    /// Go on until interrupted.
    #[arg(long)]
    continuous: bool,
    /// Lines a second; with --continuous 10 if not given, else as fast as they can be written.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// How many lines, unless --continuous.
    #[arg(short = 'c', long, value_name = "N", default_value_t = 100)]
    count: u64,
    /// How many devices speak.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: u32,
    /// Seed of what happens; the same seed makes the same happen.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where to: ADDR:PORT or udp:ADDR:PORT (datagrams), tcp:ADDR:PORT, or a file to append to. Standard
    /// output if `-` or not given.
    #[arg(long, value_name = "ADDR|FILE", default_value = "-", hide_default_value = true)]
    to: To,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum To {
    Output,
    Udp(SocketAddr),
    Tcp(SocketAddr),
    File(PathBuf),
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            |text: &str| format!("`{text}` is no address with a port, such as 127.0.0.1:5514");
        let address = |text: &str| text.parse().map_err(|_| wrong(text));
        if let Some(rest) = text.strip_prefix("udp:") {
            return address(rest).map(To::Udp);
        }
        if let Some(rest) = text.strip_prefix("tcp:") {
            return address(rest).map(To::Tcp);
        }
        if let Ok(address) = text.parse() {
            return Ok(To::Udp(address));
        }
        // Nobody means a file by such a name.
        let has_port = |(_, port): (&str, &str)| port.parse::<u16>().is_ok();
        let place = text.parse::<IpAddr>().is_ok() || text.rsplit_once(':').is_some_and(has_port);
        if place && !text.contains('/') {
            return Err(format!("{}; for a file write ./{text}", wrong(text)));
        }
        Ok(if text == "-" { To::Output } else { To::File(text.into()) })
    }
}

/// The open way out.
enum Out {
    Datagrams(UdpSocket),
    Stream(Box<dyn Write>),
}

impl Out {
    fn open(to: &To) -> io::Result<Self> {
        Ok(match to {
            To::Output => Out::Stream(Box::new(io::stdout())),
            To::Udp(address) => {
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                Out::Datagrams(socket)
            }
            To::Tcp(address) => Out::Stream(Box::new(TcpStream::connect(address)?)),
            To::File(path) => {
                let file: File = OpenOptions::new().append(true).create(true).open(path)?;
                Out::Stream(Box::new(file))
            }
        })
    }

    /// Writes so many lines.
    fn write(&mut self, generator: &mut Generator, count: u64) -> io::Result<()> {
        let mut text = String::new();
        for _ in 0..count {
            generator.line(SystemClock.now_ms(), &mut text);
            match self {
                Out::Datagrams(socket) => {
                    match socket.send(text.as_bytes()) {
                        // Nobody listens there now; who sends syslog by UDP does not mind.
                        Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {}
                        sent => drop(sent?),
                    }
                    text.clear();
                }
                Out::Stream(stream) => {
                    text.push('\n');
                    if text.len() > 1 << 16 {
                        stream.write_all(text.as_bytes())?;
                        text.clear();
                    }
                }
            }
        }
        match self {
            Out::Datagrams(_) => Ok(()),
            Out::Stream(stream) => stream.write_all(text.as_bytes()).and_then(|()| stream.flush()),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let failed = |why: &io::Error| match &args.to {
        To::Output => Report::because("cannot write to standard output", why).code(4),
        To::File(path) => {
            Report::because(format!("cannot write to {}", path.display()), why).code(4)
        }
        To::Udp(address) | To::Tcp(address) => {
            Report::because(format!("cannot send to {address}"), why)
                .help("does a syslog receiver listen there?")
                .code(4)
        }
    };
    let mut out = Out::open(&args.to).map_err(|why| failed(&why))?;
    match write(args, &mut out) {
        // A reader that has gone away is not a failure.
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe && args.to == To::Output => {
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Err(failed(&why)),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn write(args: &Args, out: &mut Out) -> io::Result<()> {
    let mut generator = Generator::new(args.seed, args.devices as usize);
    let total = if args.continuous { u64::MAX } else { args.count };
    let Some(rate) = args.rate.or(args.continuous.then_some(10)) else {
        return out.write(&mut generator, total);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let start = SystemClock.monotonic();
    let mut written = 0;
    while written < total {
        let passed = SystemClock.monotonic().saturating_sub(start);
        // The first line goes at once; what could not be written in time is made up for.
        let due = 1 + (passed.as_micros() * u128::from(rate) / 1_000_000) as u64;
        let step = due.min(total).saturating_sub(written);
        out.write(&mut generator, step)?;
        written += step;
        runtime.block_on(async { tokio::time::sleep(STEP).await });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_udp_unless_it_says_otherwise_and_the_rest_is_a_file() {
        let to = |text: &str| text.parse::<To>();
        let address = "127.0.0.1:5514".parse().unwrap();
        assert_eq!(to("127.0.0.1:5514"), Ok(To::Udp(address)));
        assert_eq!(to("udp:127.0.0.1:5514"), Ok(To::Udp(address)));
        assert_eq!(to("tcp:127.0.0.1:5514"), Ok(To::Tcp(address)));
        assert_eq!(to("/tmp/messages"), Ok(To::File("/tmp/messages".into())));
        assert_eq!(to("-"), Ok(To::Output));
        assert_eq!(to("./sw1:5514"), Ok(To::File("./sw1:5514".into())));
        for typing_error in ["localhost:5514", "127.0.0.1", "tls:127.0.0.1:6514", "::1"] {
            assert!(to(typing_error).unwrap_err().contains("no address with a port"));
        }
        assert!(to("tcp:nowhere").unwrap_err().contains("no address with a port"));
    }
}
