//! From an endpoint to an SSH connection with the right device, directly or through others. It proves who
//! the device is; who we are is for [`super::auth`].

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::Login;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, HashAlg};
use russh::{Disconnect, Preferred, SshId, cipher, kex, mac};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::auth;
use super::error::SessionError;
use super::hostkeys::{self, HostKey, HostKeyError, HostKeys};
use super::limits::Limits;
use crate::endpoint::Endpoint;

/// A connection that is logged in, with those that it goes through.
pub(super) struct Connection {
    pub(super) handle: Handle<Guard>,
    through: Option<Box<Connection>>,
}

/// Looks at the device's key before anything is told to it.
pub(super) struct Guard {
    device: String,
    task: Task,
}

enum Task {
    /// Let through whom we know by one of these keys.
    Check(Vec<HostKey>),
    /// Note the key and let nobody through.
    Ask(Arc<Mutex<Option<HostKey>>>),
}

/// Why the guard, or SSH itself, ended a connection.
#[derive(Debug)]
pub(super) enum GuardError {
    Key(HostKeyError),
    /// The key was noted, which is all that was wanted.
    Asked,
    Ssh(russh::Error),
}

impl From<russh::Error> for GuardError {
    fn from(why: russh::Error) -> Self {
        GuardError::Ssh(why)
    }
}

impl client::Handler for Guard {
    type Error = GuardError;

    async fn check_server_key(
        &mut self,
        shown: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, GuardError> {
        let russh::keys::PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            let device = self.device.clone();
            return Err(GuardError::Key(HostKeyError::Certificate { device }));
        };
        let key = HostKey(key.clone());
        match &self.task {
            Task::Check(trusted) => {
                hostkeys::compare(&self.device, trusted, &key).map_err(GuardError::Key)?;
                Ok(true)
            }
            Task::Ask(place) => {
                *place.lock().expect("nobody panics with this lock") = Some(key);
                Err(GuardError::Asked)
            }
        }
    }
}

impl Connection {
    /// Connects and logs in.
    pub(super) async fn open(
        endpoint: &Endpoint,
        keys: &HostKeys,
        limits: &Limits,
    ) -> Result<Self, SessionError> {
        let (stream, through) = reach(endpoint, keys, limits).await?;
        let mut connection = Self::over(stream, endpoint, keys, limits).await?;
        connection.through = through;
        Ok(connection)
    }

    /// Logs in over a stream that leads to the device.
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        endpoint: &Endpoint,
        keys: &HostKeys,
        limits: &Limits,
    ) -> Result<Self, SessionError> {
        let known = keys.of(&endpoint.device)?;
        let config = config(&endpoint.login, &known);
        let guard = Guard { device: endpoint.device.clone(), task: Task::Check(known) };
        let login = async {
            let mut handle = client::connect_stream(config, stream, guard)
                .await
                .map_err(|why| told(&endpoint.device, why))?;
            auth::authenticate(&mut handle, &endpoint.device, &endpoint.login).await?;
            Ok(handle)
        };
        let handle = limited(&endpoint.device, "let us log in", limits.login, login).await?;
        Ok(Self { handle, through: None })
    }

    /// Says goodbye, to the last one first.
    pub(super) async fn close(self) {
        let mut next = Some(self);
        while let Some(Connection { handle, through }) = next {
            // Who has gone already cannot be told.
            let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
            next = through.map(|through| *through);
        }
    }
}

/// The key that a device shows now, which nobody has trusted yet. Nothing is told to the device.
///
/// # Errors
/// It cannot be reached, or what is on the way there is not trusted.
pub async fn ask_host_key(
    endpoint: &Endpoint,
    keys: &HostKeys,
    limits: &Limits,
) -> Result<HostKey, SessionError> {
    let (stream, through) = reach(endpoint, keys, limits).await?;
    let place = Arc::new(Mutex::new(None));
    let guard = Guard { device: endpoint.device.clone(), task: Task::Ask(place.clone()) };
    let config = config(&endpoint.login, &[]);
    let asking = async {
        let shown = client::connect_stream(config, stream, guard).await;
        match shown.err() {
            Some(GuardError::Asked) | None => Ok(()),
            Some(why) => Err(told(&endpoint.device, why)),
        }
    };
    limited(&endpoint.device, "show its host key", limits.login, asking).await?;
    if let Some(through) = through {
        through.close().await;
    }
    let key = place.lock().expect("nobody panics with this lock").take();
    key.ok_or_else(|| SessionError::Ssh {
        device: endpoint.device.clone(),
        doing: "the key exchange",
        why: russh::Error::Kex,
    })
}

/// What SSH runs over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Reached = (Box<dyn Stream>, Option<Box<Connection>>);

/// A stream to the device's SSH port, and the connection that it goes through.
async fn reach(
    endpoint: &Endpoint,
    keys: &HostKeys,
    limits: &Limits,
) -> Result<Reached, SessionError> {
    let port = endpoint.login.port;
    let Some(jump) = &endpoint.jump else {
        let stream = dial(endpoint, limits.connect).await?;
        return Ok((Box::new(stream), None));
    };
    let address = *endpoint.addresses.first().ok_or_else(|| no_address(endpoint))?;
    // An async function that calls itself must know its size.
    let through = Box::pin(Connection::open(jump, keys, limits)).await?;
    let opening = async {
        let opened = through.handle.channel_open_direct_tcpip(
            address.to_string(),
            u32::from(port),
            "127.0.0.1",
            0,
        );
        opened.await.map_err(|why| SessionError::Ssh {
            device: jump.device.clone(),
            doing: "opening a way to the next device",
            why,
        })
    };
    let channel = limited(&jump.device, "open a way on", limits.connect, opening).await?;
    Ok((Box::new(channel.into_stream()), Some(Box::new(through))))
}

/// Connects to the first address that answers.
async fn dial(endpoint: &Endpoint, limit: Duration) -> Result<BufReader<TcpStream>, SessionError> {
    let share = limit / (endpoint.addresses.len().max(1) as u32);
    let mut failed = no_address(endpoint);
    for address in &endpoint.addresses {
        let address = SocketAddr::new(*address, endpoint.login.port);
        let why = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Commands are short and wait for their echo: Nagle's algorithm would hold them back.
                let _ = stream.set_nodelay(true);
                // A packet is read in parts.
                return Ok(BufReader::new(stream));
            }
            Ok(Err(why)) => why,
            Err(_) => std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {share:?}"),
            ),
        };
        let device = endpoint.device.clone();
        failed = SessionError::Connect { device, address: address.to_string(), why };
    }
    Err(failed)
}

fn no_address(endpoint: &Endpoint) -> SessionError {
    SessionError::NoAddress { device: endpoint.device.clone() }
}

/// Waits no longer than `limit`.
pub(super) async fn limited<T>(
    device: &str,
    doing: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(SessionError::Timeout { device: device.to_owned(), doing, limit }))
}

fn told(device: &str, why: GuardError) -> SessionError {
    let device = device.to_owned();
    match why {
        GuardError::Key(why) => SessionError::HostKey(why),
        GuardError::Ssh(russh::Error::NoCommonAlgo { kind, theirs, .. }) => {
            let theirs = theirs.join(", ");
            SessionError::Algorithm { device, kind: format!("{kind:?}"), theirs }
        }
        GuardError::Ssh(why) => SessionError::Ssh { device, doing: "the key exchange", why },
        GuardError::Asked => {
            SessionError::Ssh { device, doing: "the key exchange", why: russh::Error::UnknownKey }
        }
    }
}

fn config(login: &Login, known: &[HostKey]) -> Arc<client::Config> {
    let mut config = client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-netmend_",
            env!("CARGO_PKG_VERSION")
        ))),
        preferred: preferred(login.legacy, known),
        keepalive_interval: Some(Duration::from_secs(10)),
        nodelay: true,
        ..client::Config::default()
    };
    if login.legacy {
        config.gex = client::GexParams::new(1024, 2048, 8192).unwrap_or_default();
    }
    Arc::new(config)
}

/// The algorithms that we speak: the library's without SHA-1 signatures, plus the old ones if asked for. The
/// kinds of key that we know of the device come first, so that it shows one that can be compared.
fn preferred(legacy: bool, known: &[HostKey]) -> Preferred {
    let mut preferred = Preferred::default();
    let mut kinds = preferred.key.to_vec();
    if !legacy {
        kinds.retain(|kind| *kind != Algorithm::Rsa { hash: None });
    }
    let plain = |kind: &Algorithm| match kind {
        Algorithm::Rsa { .. } => Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        other => other.clone(),
    };
    let is_known =
        |kind: &Algorithm| known.iter().any(|key| plain(&key.0.algorithm()) == plain(kind));
    kinds.sort_by_key(|kind| !is_known(kind));
    preferred.key = Cow::Owned(kinds);
    if legacy {
        preferred.kex.to_mut().extend([kex::DH_G14_SHA1, kex::DH_GEX_SHA1, kex::DH_G1_SHA1]);
        preferred.cipher.to_mut().extend([
            cipher::AES_256_CBC,
            cipher::AES_192_CBC,
            cipher::AES_128_CBC,
            cipher::TRIPLE_DES_CBC,
        ]);
        if !preferred.mac.contains(&mac::HMAC_SHA1) {
            preferred.mac.to_mut().push(mac::HMAC_SHA1);
        }
    }
    preferred
}
