//! Receives streams (RFC 6587), plain or under TLS (RFC 5425), in one thread for all connections of a
//! listener. Memory is bounded whatever senders do: a message under way has its limit, all of them together
//! have one, and so has the time that a sender may stop in the middle of something.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::framing::{Framer, Framing};
use super::outbox::Outbox;

/// Connections that a listener holds at most.
const CONNECTIONS: u64 = 16_384;
/// Connections that the kernel keeps until they are accepted; so many are still when everything stops.
const BACKLOG: u16 = 4096;
/// Bytes of messages that have not ended, over all connections of a listener.
const HELD: u64 = 64 << 20;
/// Bytes a read. What is larger the allocator takes from the kernel each time anew, page by page.
const READ: usize = 64 << 10;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a sender may stop in the middle of a message before what there is of it is taken.
const MIDDLE: Duration = Duration::from_mins(1);
/// A silent connection is asked after so long whether it still stands.
const KEEPALIVE: Duration = Duration::from_mins(2);
/// Bytes that are still taken of a connection when everything stops: more than the kernel holds, so that only a sender
/// that never pauses is cut off.
const LAST: usize = 16 << 20;
/// How long a sender is silent before nothing more is awaited of it when everything stops: what it has written may still be
/// on its way through the kernel.
const SILENT: Duration = Duration::from_millis(100);
/// How long it is listened to in all by then, though it never is.
const LONGEST: Duration = Duration::from_secs(5);
/// Pause after an accept that failed, for instance since no file numbers are left.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket that nobody accepts from yet.
#[derive(Debug)]
pub(super) struct Streams {
    listener: StdListener,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Streams {
    /// Binds and listens; with a configuration the streams are under TLS.
    pub(super) fn bind(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG.into())?;
        Ok(Self { listener: socket.into(), tls })
    }

    /// The address that was bound.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Receives until `stop`. Runs in a thread of its own.
    pub(super) fn run(self, stop: &CancellationToken, outbox: &Outbox) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tasks = LocalSet::new();
        runtime.block_on(tasks.run_until(self.accept(stop, outbox)))?;
        // Connections notice the stop themselves and hand on what they have.
        runtime.block_on(tasks);
        Ok(())
    }

    async fn accept(self, stop: &CancellationToken, outbox: &Outbox) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let acceptor = self.tls.map(TlsAcceptor::from);
        let scratch = Scratch::default();
        let mut last = BACKLOG;
        while last > 0 {
            last -= u16::from(stop.is_cancelled());
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                () = stopped(stop) => return Ok(()),
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(why) => {
                    tracing::warn!(%why, listener = %outbox.listener, "cannot accept a connection");
                    outbox.counts.errors.add(1);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if !outbox.counts.open.add_up_to(1, CONNECTIONS) {
                outbox.counts.refused.add(1);
                continue;
            }
            outbox.counts.accepted.add(1);
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
            // A socket that cannot be kept alive works all the same.
            drop(SockRef::from(&stream).set_tcp_keepalive(&keepalive));
            let connection = Connection {
                peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                stop: stop.clone(),
                outbox: outbox.clone(),
                scratch: Rc::clone(&scratch),
                framer: Framer::new(Framing::Stream),
                pending: Vec::new(),
                held: 0,
                lies: 0,
            };
            tokio::task::spawn_local(connection.serve(stream, acceptor.clone()));
        }
        Ok(())
    }
}

/// Room for one read, shared by all connections of the thread.
type Scratch = Rc<RefCell<Room>>;

struct Room(Vec<u8>);

impl Default for Room {
    fn default() -> Self {
        Self(vec![0; READ])
    }
}

/// One sender's stream.
struct Connection {
    peer: SocketAddr,
    stop: CancellationToken,
    outbox: Outbox,
    scratch: Scratch,
    framer: Framer,
    /// The start of a message whose end has not come.
    pending: Vec<u8>,
    /// How much of it is in the common account.
    held: u64,
    /// Lying counts that have been counted.
    lies: u64,
}

/// What a read brought.
enum Arrived {
    Bytes,
    /// The sender has ended the stream, or broken it off.
    End,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        match acceptor {
            None => self.receive(stream).await,
            Some(acceptor) => {
                let stop = self.stop.clone();
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = timeout(HANDSHAKE, acceptor.accept(stream)) => accepted,
                };
                match accepted {
                    Ok(Ok(stream)) => self.receive(stream).await,
                    Ok(Err(why)) => {
                        tracing::info!(%why, peer = %self.peer, "a TLS handshake failed");
                        self.outbox.counts.handshakes.add(1);
                    }
                    Err(_) => {
                        tracing::info!(peer = %self.peer, "a TLS handshake stalled");
                        self.outbox.counts.stalled.add(1);
                    }
                }
            }
        }
    }

    /// Receives until the sender ends, stalls, or everything stops and what has arrived is taken; then hands on what is
    /// left.
    async fn receive(&mut self, mut stream: impl AsyncRead + Unpin) {
        let stop = self.stop.clone();
        let (mut last, mut until) = (LAST, None);
        while last > 0 && until.is_none_or(|until| Instant::now() < until) {
            let patience = if self.pending.is_empty() { Duration::MAX } else { MIDDLE };
            let read = std::future::poll_fn(|cx| self.poll_read(&mut stream, cx));
            let silent = async {
                stop.cancelled().await;
                tokio::time::sleep(SILENT).await;
            };
            let arrived = tokio::select! {
                biased;
                arrived = within(patience, read) => arrived,
                () = silent => break,
            };
            match arrived {
                None => {
                    self.outbox.counts.stalled.add(1);
                    break;
                }
                Some(Arrived::End) => break,
                Some(Arrived::Bytes) if stop.is_cancelled() => {
                    last = last.saturating_sub(self.pending.len());
                    until = until.or_else(|| Some(Instant::now() + LONGEST));
                }
                Some(Arrived::Bytes) => {}
            }
            if self.hand_on().await.is_err() || !self.hold() {
                break;
            }
        }
        self.finish().await;
    }

    /// Reads what there is behind what is pending. While nothing is there no memory is held.
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Arrived> {
        let mut room = self.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut room.0);
        match ready!(Pin::new(stream).poll_read(cx, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {
                self.pending.extend_from_slice(buffer.filled());
                Poll::Ready(Arrived::Bytes)
            }
            Ok(()) => Poll::Ready(Arrived::End),
            Err(why) => {
                tracing::debug!(%why, peer = %self.peer, "a stream broke off");
                Poll::Ready(Arrived::End)
            }
        }
    }

    /// Hands on the messages that have ended; keeps the start of the next one.
    async fn hand_on(&mut self) -> Result<(), super::outbox::Closed> {
        let mut batch = self.outbox.batch();
        let bytes = std::mem::take(&mut self.pending);
        let used = self.framer.cut(&bytes, |piece| batch.mark(&piece, Some(self.peer)));
        self.outbox.counts.lies.add(self.framer.lies() - self.lies);
        self.lies = self.framer.lies();
        if batch.is_empty() {
            self.pending = bytes;
            self.pending.drain(..used);
            return Ok(());
        }
        self.pending = bytes[used..].to_vec();
        batch.fill(bytes);
        self.outbox.send(batch).await
    }

    /// Takes what is pending into the common account; whether there was room for it.
    fn hold(&mut self) -> bool {
        let held = &self.outbox.counts.held;
        let now = self.pending.len() as u64;
        if now > self.held && !held.add_up_to(now - self.held, HELD) {
            tracing::warn!(peer = %self.peer, "too many unfinished messages, a connection is closed");
            self.outbox.counts.refused.add(1);
            return false;
        }
        held.sub(self.held.saturating_sub(now));
        self.held = now;
        true
    }

    /// Hands on the last message though it has no end.
    async fn finish(&mut self) {
        let mut batch = self.outbox.batch();
        let bytes = std::mem::take(&mut self.pending);
        self.framer.finish(&bytes, |piece| batch.mark(&piece, Some(self.peer)));
        if !batch.is_empty() {
            batch.fill(bytes);
            // Whoever took lines is gone when everything stops at once.
            drop(self.outbox.send(batch).await);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outbox.counts.held.sub(self.held);
        self.outbox.counts.open.sub(1);
    }
}

/// Ends when everything stops and the runtime has looked at its sockets once more.
async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::task::yield_now().await;
}

/// `None` if it takes longer.
async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    if patience == Duration::MAX {
        return Some(work.await);
    }
    timeout(patience, work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use model::{Listener, SystemClock, Transport};
    use tokio::sync::mpsc;

    use super::super::batch::Batch;
    use super::*;

    /// Serves while `senders` waits for lines; time passes as soon as nothing else happens.
    async fn serve<T>(
        tls: Option<Arc<rustls::ServerConfig>>,
        senders: impl AsyncFnOnce(SocketAddr, &Outbox, &mut mpsc::Receiver<Batch>) -> T,
    ) -> T {
        let streams = Streams::bind("127.0.0.1:0".parse().unwrap(), tls).unwrap();
        let address = streams.local_addr().unwrap();
        let (out, mut lines) = mpsc::channel(10);
        let outbox = Outbox {
            listener: Arc::new(Listener::on(Transport::Tcp, address)),
            counts: Arc::default(),
            clock: Arc::new(SystemClock),
            out,
        };
        let stop = CancellationToken::new();
        let tasks = LocalSet::new();
        let work = async {
            tokio::select! {
                served = streams.accept(&stop, &outbox) => panic!("{served:?}"),
                done = senders(address, &outbox, &mut lines) => done,
            }
        };
        tasks.run_until(work).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_stops_within_a_message_is_cut_off_and_what_it_said_is_kept() {
        serve(None, async |address, outbox, lines| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"99 <13>half").unwrap();
            let batch = lines.recv().await.unwrap();
            let line = batch.lines().next().unwrap();
            assert_eq!((line.bytes, line.cut), (&b"<13>half"[..], true));
            assert_eq!(outbox.counts.stalled.get(), 1);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_stalls_is_given_up() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
        serve(Some(Arc::new(tls)), async |address, outbox, _| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"\x16\x03\x01").unwrap();
            while outbox.counts.stalled.get() == 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(outbox.counts.open.get(), 0);
        })
        .await;
    }
}
