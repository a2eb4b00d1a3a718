//! `netmend syslog receive`: listens, parses, writes JSON lines. It knows no inventory and stores nothing:
//! the daemon does that.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use measure::syslog::{self, Batch, Counters, Listen, Receiver};
use measure::wire;
use model::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::json;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Streams may count octets or end messages with line feeds (RFC 6587). The objects are those of `netmend
syslog parse`. Ctrl-C or SIGTERM ends it once everything that has arrived is written.

Exit codes: 0 ended by a signal, 1 an address cannot be bound or a certificate not be used, 3 bad
arguments, 4 the output cannot be written.")]
pub(crate) struct Args {
    /// Receive datagrams on this address.
    #[arg(long, value_name = "ADDR:PORT", required_unless_present_any = ["tcp", "tls", "file"])]
    udp: Vec<SocketAddr>,
    /// Receive streams on this address.
    #[arg(long, value_name = "ADDR:PORT")]
    tcp: Vec<SocketAddr>,
    /// Receive streams under TLS (RFC 5425) on this address.
    #[arg(long, value_name = "ADDR:PORT", requires_all = ["cert", "key"])]
    tls: Vec<SocketAddr>,
    /// Certificate chain for TLS, a PEM file.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Private key of the certificate, a PEM file.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Authorities whose certificates senders must show, a PEM file.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Follow this file as `tail -F` does, from its end.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Append to this file; `-`, if not given, is standard output.
    #[arg(long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    output: PathBuf,
    /// Believe the outer of two headers: the lines come through a relay that you trust.
    #[arg(long)]
    trust_relay: bool,
}

/// Batches that may wait to be parsed.
const QUEUE: usize = 64;
/// Bytes that are written at once while more lines wait.
const CHUNK: usize = 1 << 20;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let mut output = open(&args.output)?;
    let bound = listens(args)?.iter().map(syslog::bind).collect::<Result<Vec<_>, _>>();
    let bound = bound.map_err(|why| Report::because("cannot receive syslog", &why))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Report::because("cannot start to receive", &why).code(4))?;
    let (out, lines) = mpsc::channel(QUEUE);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut receivers = Vec::new();
    for bound in bound {
        let started = bound.start(Arc::clone(&clock), out.clone());
        receivers.push(started.map_err(|why| Report::because("cannot receive", &why).code(4))?);
    }
    drop(out);
    for receiver in &receivers {
        say(&format!("receiving on {}", receiver.listener()));
    }
    runtime.block_on(receive(receivers, lines, &mut *output, args))?;
    Ok(ExitCode::SUCCESS)
}

fn listens(args: &Args) -> Result<Vec<Listen>, Report> {
    let mut all: Vec<Listen> = args.udp.iter().copied().map(Listen::Udp).collect();
    all.extend(args.tcp.iter().copied().map(Listen::Tcp));
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        let tls = syslog::tls::server(cert, key, args.client_ca.as_deref())
            .map_err(|why| Report::because("cannot offer TLS", &why))?;
        all.extend(args.tls.iter().map(|address| Listen::Tls(*address, Arc::clone(&tls))));
    }
    all.extend(args.file.iter().map(|path| Listen::File {
        path: path.clone(),
        stored: Vec::new(),
        start: syslog::Start::End,
    }));
    Ok(all)
}

fn open(path: &Path) -> Result<Box<dyn Write>, Report> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let file: io::Result<File> = OpenOptions::new().append(true).create(true).open(path);
    let failed = |why| Report::because(format!("cannot open {}", path.display()), &why).code(4);
    Ok(Box::new(file.map_err(failed)?))
}

/// Writes until a signal comes, then what has arrived by then.
async fn receive(
    receivers: Vec<Receiver>,
    mut lines: mpsc::Receiver<Batch>,
    output: &mut dyn Write,
    args: &Args,
) -> Result<(), Report> {
    let watched =
        |kind| signal(kind).map_err(|why| Report::because("cannot wait for signals", &why));
    let (mut term, mut int) =
        (watched(SignalKind::terminate())?, watched(SignalKind::interrupt())?);
    let mut text = Vec::new();
    loop {
        let batch = tokio::select! {
            batch = lines.recv() => batch,
            _ = term.recv() => break,
            _ = int.recv() => break,
        };
        let Some(batch) = batch else { break };
        take(&batch, &mut text, args);
        while text.len() < CHUNK
            && let Ok(batch) = lines.try_recv()
        {
            take(&batch, &mut text, args);
        }
        write(output, &mut text, &args.output)?;
    }
    // The receivers end once everything that has arrived is taken from them.
    let ending = tokio::task::spawn_blocking(move || end(receivers));
    while let Some(batch) = lines.recv().await {
        take(&batch, &mut text, args);
        write(output, &mut text, &args.output)?;
    }
    let counted = ending.await.map_err(|why| Report::because("a receiver failed", &why).code(4))?;
    for counters in &counted {
        tell(counters);
    }
    Ok(())
}

fn take(batch: &Batch, text: &mut Vec<u8>, args: &Args) {
    let received = batch.at().to_ms();
    for line in batch.lines() {
        json::record(text, &wire::syslog::parse(line.bytes, received), args.trust_relay);
    }
}

fn write(output: &mut dyn Write, text: &mut Vec<u8>, path: &Path) -> Result<(), Report> {
    let written = output.write_all(text).and_then(|()| output.flush());
    text.clear();
    written.map_err(|why| {
        Report::because(format!("cannot write to {}", path.display()), &why)
            .help("lines that were received and not written are lost")
            .code(4)
    })
}

fn end(receivers: Vec<Receiver>) -> Vec<Counters> {
    receivers.into_iter().map(Receiver::stop).collect()
}

fn tell(counters: &Counters) {
    let Counters { listener, lines, drops, .. } = counters;
    let drops = match drops {
        0 => String::new(),
        drops => format!(", {drops} datagrams were dropped by the kernel"),
    };
    say(&format!("{lines} lines on {listener}{drops}"));
}

/// Tells people on standard error, where it does not mix with the lines.
fn say(text: &str) {
    // A closed standard error leaves nobody to tell.
    drop(writeln!(io::stderr(), "{text}"));
}
