//! A connection that speaks TLS from the first byte, by trust of our own: lettre's settings know no other
//! verifier than webpki's. It must not know SMTP.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::SmtpServer;
use crate::channel::SendError;

/// Such a connection, as lettre takes it.
#[derive(Debug)]
pub(super) struct Secured(TlsStream<TcpStream>);

/// Connects and shakes hands. The caller sets the time limit.
pub(super) async fn connect(
    server: &SmtpServer,
    trust: Arc<ClientConfig>,
) -> Result<Secured, SendError> {
    let at = || server.to_string();
    let name = ServerName::try_from(server.host.clone())
        .map_err(|error| SendError::Connect { at: at(), why: error.to_string() })?;
    let stream = TcpStream::connect((server.host.as_str(), server.port))
        .await
        .map_err(|error| SendError::Connect { at: at(), why: error.to_string() })?;
    let secured = TlsConnector::from(trust).connect(name, stream).await;
    secured.map(Secured).map_err(|error| server.explain_handshake(&error))
}

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
