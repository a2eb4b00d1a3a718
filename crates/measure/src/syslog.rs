//! Receives syslog: datagrams, streams, streams under TLS, followed files. A receiver only receives: it
//! cuts what arrives into lines and hands them on in batches with who sent them and when. Parsing, identity
//! and storing are done elsewhere and never block a socket.
//!
//! Reading order: [`Listen`] and [`bind`], [`Batch`], [`Counters`]; behind them `framing`, `outbox`, and one
//! file a kind: `datagrams`, `streams`, `follow`. [`tls`] reads certificates.

mod batch;
mod counters;
mod datagrams;
mod follow;
mod framing;
mod outbox;
mod streams;
pub mod tls;

use std::io::{self, PipeWriter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use model::{Clock, Listener, Position, Transport};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

pub use batch::Batch;
pub use counters::Counters;
pub use datagrams::BUFFER;
pub use follow::Start;

use counters::Counts;
use datagrams::Datagrams;
use follow::Follower;
use outbox::Outbox;
use streams::Streams;

/// What to receive.
#[derive(Clone, Debug)]
pub enum Listen {
    /// Datagrams to this address.
    Udp(SocketAddr),
    /// Streams to this address.
    Tcp(SocketAddr),
    /// Streams under TLS to this address; [`tls::server`] makes the configuration.
    Tls(SocketAddr, Arc<rustls::ServerConfig>),
    /// A file that another program writes. `stored` are the positions that were stored last for it, the
    /// newest one last; `start` counts where there is none.
    File {
        /// The file by its name.
        path: PathBuf,
        /// How far it has been read.
        stored: Vec<Position>,
        /// Where to start without a position.
        start: Start,
    },
}

impl Listen {
    /// How lines come in.
    pub fn transport(&self) -> Transport {
        match self {
            Listen::Udp(_) => Transport::Udp,
            Listen::Tcp(_) => Transport::Tcp,
            Listen::Tls(..) => Transport::Tls,
            Listen::File { .. } => Transport::File,
        }
    }
}

/// Why nothing can be received there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("cannot listen for syslog on {transport} {address}: {source}")]
    Bind {
        /// By which way.
        transport: Transport,
        /// The address in question.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a thread to receive syslog from {listener}: {source}")]
    Thread {
        /// For which listener.
        listener: String,
        /// Why not.
        source: io::Error,
    },
}

/// A listener that is ready and receives nothing yet; a reload binds all before it starts any.
#[derive(Debug)]
pub struct Bound {
    listener: Arc<Listener>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Datagrams(Datagrams),
    Streams(Streams),
    File { path: PathBuf, stored: Vec<Position>, start: Start },
}

/// Takes hold of an address, or of the name of a file, which need not exist yet.
pub fn bind(listen: &Listen) -> Result<Bound, Error> {
    let transport = listen.transport();
    let refused = |address| move |source| Error::Bind { transport, address, source };
    let (kind, bound) = match listen {
        Listen::Udp(address) => {
            let socket = Datagrams::bind(*address).map_err(refused(*address))?;
            let bound = socket.local_addr().map_err(refused(*address))?;
            (Kind::Datagrams(socket), bound)
        }
        Listen::Tcp(address) => {
            let socket = Streams::bind(*address, None).map_err(refused(*address))?;
            let bound = socket.local_addr().map_err(refused(*address))?;
            (Kind::Streams(socket), bound)
        }
        Listen::Tls(address, tls) => {
            let tls = Some(Arc::clone(tls));
            let socket = Streams::bind(*address, tls).map_err(refused(*address))?;
            let bound = socket.local_addr().map_err(refused(*address))?;
            (Kind::Streams(socket), bound)
        }
        Listen::File { path, stored, start } => {
            let listener = Arc::new(Listener::of_file(path));
            let (path, stored) = (path.clone(), stored.clone());
            return Ok(Bound { listener, kind: Kind::File { path, stored, start: *start } });
        }
    };
    Ok(Bound { listener: Arc::new(Listener::on(transport, bound)), kind })
}

impl Bound {
    /// Where lines will come in; for port 0 with the port that was given.
    pub fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// Starts to receive, in a thread of its own. Lines go into `out`, which must be bounded.
    pub fn start(self, clock: Arc<dyn Clock>, out: Sender<Batch>) -> Result<Receiver, Error> {
        let Self { listener, kind } = self;
        let counts = Arc::<Counts>::default();
        let outbox =
            Outbox { listener: Arc::clone(&listener), counts: Arc::clone(&counts), clock, out };
        let failed = |source| Error::Thread { listener: listener.to_string(), source };
        let name = format!("syslog-{}", listener.transport);
        let thread = std::thread::Builder::new().name(name);
        let (signal, thread) = match kind {
            Kind::Datagrams(socket) => {
                counts.buffer.set(socket.buffer);
                let (stop, signal) = io::pipe().map_err(failed)?;
                let thread = thread.spawn(move || socket.run(&stop, &outbox)).map_err(failed)?;
                (Signal::Pipe(signal), thread)
            }
            Kind::File { path, stored, start } => {
                let (stop, signal) = io::pipe().map_err(failed)?;
                let follow = move || Follower::new(&path, &stored, start, outbox).run(&stop);
                (Signal::Pipe(signal), thread.spawn(follow).map_err(failed)?)
            }
            Kind::Streams(socket) => {
                let stop = CancellationToken::new();
                let signal = Signal::Token(stop.clone());
                let serve = move || {
                    if let Err(why) = socket.run(&stop, &outbox) {
                        tracing::error!(%why, listener = %outbox.listener, "cannot receive syslog");
                    }
                };
                (signal, thread.spawn(serve).map_err(failed)?)
            }
        };
        Ok(Receiver { listener, counts, signal: Some(signal), thread: Some(thread) })
    }
}

/// A listener that receives until it is stopped or dropped.
#[derive(Debug)]
pub struct Receiver {
    listener: Arc<Listener>,
    counts: Arc<Counts>,
    signal: Option<Signal>,
    thread: Option<JoinHandle<()>>,
}

/// How a receiver's thread is told to end.
#[derive(Debug)]
enum Signal {
    /// By closing it.
    Pipe(#[expect(dead_code, reason = "its drop is the signal")] PipeWriter),
    Token(CancellationToken),
}

impl Receiver {
    /// Where lines come in.
    pub fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counts.read(&self.listener)
    }

    /// Stops, and waits until what had arrived is handed on: somebody must still take it. Gives the last
    /// numbers.
    #[must_use = "the numbers tell what was lost"]
    pub fn stop(mut self) -> Counters {
        self.end();
        self.counters()
    }

    fn end(&mut self) {
        if let Some(Signal::Token(token)) = self.signal.take() {
            token.cancel();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(listener = %self.listener, "a syslog receiver panicked");
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.end();
    }
}
