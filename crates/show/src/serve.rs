//! The sockets: accepts connections, bounds their number and their patience, and stops cleanly. It must
//! not know what is served.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::guard::Wire;
use crate::patient::Patient;

/// So many connections at once; the next ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;
/// A client has so long to send its request's head, also between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that takes nothing of its answer for so long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Answers under way have so long after the shutdown; live feeds never end by themselves.
const GRACE: Duration = Duration::from_millis(500);
/// Pause after an `accept` that failed for want of file descriptors or memory.
const BREATH: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `shutdown` resolves, then lets answers under way finish for half
/// a second and returns. With `tls`, nothing is said in clear.
///
/// # Errors
/// The listener has no local address, so it was never a listening socket.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    tracing::info!(listen = %listener.local_addr()?, tls = tls.is_some(), "pages are served");
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = &mut shutdown => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        // A refusal only costs latency of small answers.
        let _ = stream.set_nodelay(true);
        let served = converse(stream, peer.ip(), tls.clone(), router.clone(), graceful.watcher());
        connections.spawn(async move {
            let _slot = slot;
            if let Err(error) = served.await {
                tracing::debug!(%error, %peer, "a connection broke");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections were cut at the end of the grace period");
    }
    connections.shutdown().await;
    Ok(())
}

/// One connection, from its first byte to its last.
async fn converse(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    graceful: Watcher,
) -> io::Result<()> {
    let broke = |error: hyper::Error| io::Error::other(error);
    let wire = Wire { peer, tls: tls.is_some() };
    match tls {
        None => graceful.watch(connection(stream, router, wire)).await.map_err(broke),
        Some(tls) => {
            let greeting = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await;
            let stream = greeting.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            graceful.watch(connection(stream, router, wire)).await.map_err(broke)
        }
    }
}

/// Whether a client is on this machine: packing an answer then costs more than carrying it.
fn is_near(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    wire: Wire,
) -> impl GracefulConnection<Error = hyper::Error> {
    let router = TowerToHyperService::new(router);
    let near = is_near(wire.peer);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(wire);
        if near {
            request.headers_mut().remove(header::ACCEPT_ENCODING);
        }
        router.call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIMEOUT)), service)
}

#[cfg(test)]
mod tests {
    use super::*;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn an_answer_that_never_ends_does_not_hold_up_the_shutdown() {
        let endless = get(|| async { std::future::pending::<&str>().await });
        let router = Router::new().route("/", get(|| async { "here" })).route("/endless", endless);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, router, None, async { drop(stopped.await) }));

        let mut stuck = TcpStream::connect(address).await.unwrap();
        stuck.write_all(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");

        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
    }

    #[tokio::test]
    async fn nobody_packs_answers_for_a_client_on_the_same_machine() {
        let asked = get(|headers: axum::http::HeaderMap| async move {
            format!("{:?}", headers.get(header::ACCEPT_ENCODING))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", asked);
        let server = tokio::spawn(serve(listener, router, None, std::future::pending()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let ask = "GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
        client.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("None"), "{answer}");
        server.abort();
    }

    #[tokio::test]
    async fn under_tls_nothing_is_said_in_clear_and_the_guard_knows() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        let told = get(|wire: axum::Extension<Wire>| async move { format!("tls {}", wire.tls) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", told);
        let tls = TlsAcceptor::from(Arc::new(server));
        let serving = tokio::spawn(serve(listener, router, Some(tls), std::future::pending()));
        let ask = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        stream.write_all(ask).await.unwrap();
        let mut answer = String::new();
        // The end of a connection need not be told in TLS.
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.ends_with("tls true"), "{answer}");

        let mut clear = TcpStream::connect(address).await.unwrap();
        clear.write_all(ask).await.unwrap();
        let mut answer = Vec::new();
        let _ = clear.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
        serving.abort();
    }

    #[test]
    fn near_is_loopback_in_either_family() {
        for (address, near) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap()), near, "{address}");
        }
    }
}
