//! `netmend syslog receive`: listens, parses, writes JSON lines. It knows no inventory and stores nothing:
//! the daemon does that.

use std::fs::OpenOptions;
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
use tokio::task::{JoinHandle, spawn_blocking};

use super::json;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("from").required(true).multiple(true))]
#[command(after_help = "\
Streams may count octets or end messages with line feeds (RFC 6587). The objects are those of `netmend
syslog parse`. Ctrl-C or SIGTERM ends it once everything that has arrived is written.

Exit codes: 0 ended by a signal, 1 an address cannot be bound or a certificate not be used, 3 bad
arguments, 4 the output cannot be written.")]
pub(crate) struct Args {
    /// Receive datagrams on this address.
    #[arg(long, value_name = "ADDR:PORT", group = "from")]
    udp: Vec<SocketAddr>,
    /// Receive streams on this address.
    #[arg(long, value_name = "ADDR:PORT", group = "from")]
    tcp: Vec<SocketAddr>,
    /// Receive streams under TLS (RFC 5425) on this address.
    #[arg(long, value_name = "ADDR:PORT", group = "from", requires_all = ["cert", "key"])]
    tls: Vec<SocketAddr>,
    /// Certificate chain for TLS, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls")]
    cert: Option<PathBuf>,
    /// Private key of the certificate, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls")]
    key: Option<PathBuf>,
    /// Authorities whose certificates senders must show, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls")]
    client_ca: Option<PathBuf>,
    /// Follow this file as `tail -F` does, from its end.
    #[arg(long, value_name = "FILE", group = "from")]
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
const CHUNK: usize = 256 << 10;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let output = Output::open(&args.output)?;
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
    runtime.block_on(receive(receivers, lines, output, args))?;
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
    if let Some(folder) = args.file.iter().find(|path| path.is_dir()) {
        let what = format!("cannot follow {}: it is a folder", folder.display());
        return Err(Report::new(what).help("name the files in it, each with --file"));
    }
    all.extend(args.file.iter().map(|path| Listen::File {
        path: path.clone(),
        stored: Vec::new(),
        start: syslog::Start::End,
    }));
    Ok(all)
}

/// Writes until a signal comes, then what has arrived by then.
async fn receive(
    receivers: Vec<Receiver>,
    mut lines: mpsc::Receiver<Batch>,
    mut output: Output,
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
            written = output.written(), if output.is_writing() => {
                written?;
                continue;
            }
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
        output.write(&mut text).await?;
    }
    // The receivers end once everything that has arrived is taken from them.
    let ending = spawn_blocking(move || end(receivers));
    while let Some(batch) = lines.recv().await {
        take(&batch, &mut text, args);
        output.write(&mut text).await?;
    }
    output.written().await?;
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

fn end(receivers: Vec<Receiver>) -> Vec<Counters> {
    receivers.into_iter().map(Receiver::stop).collect()
}

/// Where the lines go. A text is written in a thread of its own while the next is made.
struct Output {
    path: PathBuf,
    state: State,
}

enum State {
    Idle(Sheet),
    Writing(JoinHandle<io::Result<Sheet>>),
    Failed,
}

/// The file with what is written to it next.
struct Sheet {
    file: Box<dyn Write + Send>,
    text: Vec<u8>,
}

impl Sheet {
    /// Gives itself back, empty.
    fn write(mut self) -> io::Result<Self> {
        self.file.write_all(&self.text)?;
        self.file.flush()?;
        self.text.clear();
        Ok(self)
    }
}

impl Output {
    fn open(path: &Path) -> Result<Self, Report> {
        let file: Box<dyn Write + Send> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let failed =
                |why| Report::because(format!("cannot open {}", path.display()), &why).code(4);
            Box::new(file.map_err(failed)?)
        };
        Ok(Self { path: path.to_owned(), state: State::Idle(Sheet { file, text: Vec::new() }) })
    }

    fn is_writing(&self) -> bool {
        matches!(self.state, State::Writing(_))
    }

    /// Begins to write a text, once the one before is written, and leaves an empty one in its place.
    async fn write(&mut self, text: &mut Vec<u8>) -> Result<(), Report> {
        self.written().await?;
        if let State::Idle(mut sheet) = std::mem::replace(&mut self.state, State::Failed) {
            std::mem::swap(&mut sheet.text, text);
            self.state = State::Writing(spawn_blocking(|| sheet.write()));
        }
        Ok(())
    }

    /// Waits until what was begun is written; where nobody waits to the end, it goes on.
    async fn written(&mut self) -> Result<(), Report> {
        let State::Writing(writing) = &mut self.state else { return Ok(()) };
        let written = writing.await.unwrap_or_else(|why| Err(io::Error::other(why)));
        self.state = State::Failed;
        let sheet = written.map_err(|why| {
            Report::because(format!("cannot write to {}", self.path.display()), &why)
                .help("lines that were received and not written are lost")
                .code(4)
        })?;
        self.state = State::Idle(sheet);
        Ok(())
    }
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
