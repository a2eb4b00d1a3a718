//! The other end of the control socket: how a command speaks to the daemon of a data folder. It starts no
//! daemon and reads no store.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::NAME;
use crate::report::Report;

/// How long an answer may take: a reload waits for files to stand still and may look at many of them.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer that is taken: ten thousand targets have a tenth of it.
const LARGEST: usize = 256 << 20;

/// The daemon that runs on a data folder.
#[derive(Debug)]
pub(crate) struct Client {
    folder: PathBuf,
    runtime: Runtime,
}

impl Client {
    /// Speaks to the daemon of `folder`; whether one runs shows with the first call.
    pub(crate) fn new(folder: PathBuf) -> Result<Self, Report> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Report::because("cannot start the runtime", &why).code(4))?;
        Ok(Self { folder, runtime })
    }

    /// Asks for a JSON document.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Report> {
        self.call(Method::GET, path, Vec::new())
    }

    /// Gives a command that is all in its path.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Report> {
        self.call(Method::POST, path, Vec::new())
    }

    /// Gives a command with more to say than its path holds.
    pub(crate) fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        more: &impl Serialize,
    ) -> Result<T, Report> {
        let body = serde_json::to_vec(more)
            .map_err(|why| Report::because("cannot put the command into words", &why).code(4))?;
        self.call(Method::POST, path, body)
    }

    /// Lets some time pass before the next call.
    pub(crate) fn wait(&self, span: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(span).await });
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Report> {
        let exchange = self.exchange(method, path, body);
        let exchange = async { tokio::time::timeout(PATIENCE, exchange).await };
        let (status, body) = self.runtime.block_on(exchange).unwrap_or_else(|_| {
            let what = format!("the netmend of {} does not answer", self.folder.display());
            Err(Report::new(what).help("its log says what holds it up").code(4))
        })?;
        if matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY
        ) {
            // The daemon understood, and says why it does not: sentences for people.
            return Err(Report::new(String::from_utf8_lossy(&body).trim()));
        }
        if status != StatusCode::OK {
            let what = format!("the netmend of {} does not do {path}", self.folder.display());
            let said = String::from_utf8_lossy(&body);
            let said = io::Error::other(format!("{status}: {}", said.trim()));
            return Err(Report::because(what, &said).code(4));
        }
        serde_json::from_slice(&body).map_err(|why| {
            Report::because(format!("the answer to {path} cannot be read"), &why)
                .help("is the netmend that runs another version? Start it anew")
                .code(4)
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>), Report> {
        let stream = UnixStream::connect(self.folder.join(NAME))
            .await
            .map_err(|why| self.unreachable(&why))?;
        let broke = |why: &(dyn std::error::Error + 'static)| {
            let what = format!("the netmend of {} broke off", self.folder.display());
            Report::because(what, why).code(4)
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|why| broke(&why))?;
        // It is driven beside the exchange, and ends with it.
        let driven = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .expect("our own paths are valid");
        let answer = sender.send_request(request).await.map_err(|why| broke(&why))?;
        let status = answer.status();
        let body =
            to_bytes(Body::new(answer.into_body()), LARGEST).await.map_err(|why| broke(&why))?;
        driven.abort();
        Ok((status, body.into()))
    }

    /// Why there is nobody to speak to.
    fn unreachable(&self, why: &io::Error) -> Report {
        let folder = self.folder.display();
        match why.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Report::new(format!("no netmend runs on {folder}"))
                    .help("name the data folder of the one that runs with --data DIR")
            }
            io::ErrorKind::PermissionDenied => {
                Report::because(format!("may not speak to the netmend of {folder}"), why)
                    .help("ask as the user that netmend runs as, or as root")
            }
            _ => Report::because(format!("cannot speak to the netmend of {folder}"), why).code(4),
        }
    }
}
