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
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

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
/// a second and returns.
///
/// # Errors
/// The listener has no local address, so it was never a listening socket.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    tracing::info!(listen = %listener.local_addr()?, "pages are served");
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
        let connection = graceful.watch(connection(stream, router.clone(), is_near(peer.ip())));
        connections.spawn(async move {
            let _slot = slot;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
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

/// Whether a client is on this machine: packing an answer then costs more than carrying it.
fn is_near(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

fn connection(
    stream: TcpStream,
    router: Router,
    near: bool,
) -> impl GracefulConnection<Error = hyper::Error> {
    // A refusal only costs latency of small answers.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
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
        let server = tokio::spawn(serve(listener, router, async { drop(stopped.await) }));

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
        let server = tokio::spawn(serve(listener, router, std::future::pending()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let ask = "GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
        client.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("None"), "{answer}");
        server.abort();
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
