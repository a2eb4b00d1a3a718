//! Simulated network devices: SSH servers with the command lines of several platforms, and their bad habits.
//! What they show is made up and says SIMULATION; they know nothing of the code that talks to them.
//!
//! [`Device`] is the state of one device, [`Device::serve`] an SSH server over any stream, so that tests run
//! it in memory and by tokio's paused time.

mod cli;
mod dialect;
mod server;
mod terminal;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::keys::{Algorithm, HashAlg, PrivateKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::Instant;

pub use dialect::Dialect;

use cli::State;

/// What a device is and how it behaves.
#[derive(Clone)]
pub struct DeviceOptions {
    /// Its name, as in its prompt.
    pub name: String,
    /// Its command line.
    pub dialect: Dialect,
    /// Account and password that it lets in.
    pub user: String,
    /// See [`DeviceOptions::user`].
    pub password: String,
    /// Password of the privileged mode; `None`: one is in it from the start.
    pub enable: Option<String>,
    /// Whether the password is asked for by keyboard-interactive questions only.
    pub interactive: bool,
    /// A public key that it lets in instead of the password, as in a list of authorized keys.
    pub public_key: Option<String>,
    /// Time from a command to the first byte of its answer.
    pub latency: Duration,
    /// Lines of a page, until paging is turned off.
    pub page: usize,
    /// Its interfaces.
    pub interfaces: Vec<String>,
    /// Kind of its host key.
    pub host_key: KeyKind,
    /// One of its interfaces, and the address there.
    pub address: Option<(String, IpAddr)>,
    /// The interface of its only default route.
    pub uplink: Option<String>,
    /// What it does wrong.
    pub misbehaviours: Vec<Misbehaviour>,
}

impl std::fmt::Debug for DeviceOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceOptions")
            .field("name", &self.name)
            .field("dialect", &self.dialect)
            .field("misbehaviours", &self.misbehaviours)
            .finish_non_exhaustive()
    }
}

impl DeviceOptions {
    /// A device that behaves, with the account `netmend` and the password `lab`.
    pub fn new(name: impl Into<String>, dialect: Dialect) -> Self {
        Self {
            name: name.into(),
            dialect,
            user: "netmend".into(),
            password: "lab".into(),
            enable: None,
            interactive: false,
            public_key: None,
            latency: Duration::ZERO,
            page: 24,
            interfaces: dialect.interfaces().map(str::to_owned).to_vec(),
            host_key: KeyKind::Ed25519,
            address: None,
            uplink: None,
            misbehaviours: Vec::new(),
        }
    }
}

/// A kind of host key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `ssh-ed25519`.
    Ed25519,
    /// `ecdsa-sha2-nistp256`.
    Ecdsa,
}

/// What a device does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Never answers a command that shows something.
    Hang,
    /// Stops in the middle of an answer.
    HangInside,
    /// Closes the connection in the middle of an answer.
    Drop,
    /// Shows no prompt at all.
    NoPrompt,
    /// Prints its own prompt, and other prompts, inside its answers.
    PromptInside,
    /// Has the prompt of another device once it has shown something.
    OtherPrompt,
    /// Prints a log line over the prompt after each command.
    LogLines,
    /// Does not repeat what is typed.
    NoEcho,
    /// Asks for a password in the middle of a session.
    Password,
    /// Turns pages whatever it was told.
    StubbornPager,
    /// Never stops printing.
    Endless,
    /// Wants a key pressed before the first prompt.
    PressAnyKey,
}

impl Misbehaviour {
    /// All of them with their names.
    pub const ALL: [(&'static str, Misbehaviour); 12] = [
        ("hang", Misbehaviour::Hang),
        ("hang-inside", Misbehaviour::HangInside),
        ("drop", Misbehaviour::Drop),
        ("no-prompt", Misbehaviour::NoPrompt),
        ("prompt-inside", Misbehaviour::PromptInside),
        ("other-prompt", Misbehaviour::OtherPrompt),
        ("log-lines", Misbehaviour::LogLines),
        ("no-echo", Misbehaviour::NoEcho),
        ("password", Misbehaviour::Password),
        ("stubborn-pager", Misbehaviour::StubbornPager),
        ("endless", Misbehaviour::Endless),
        ("press-any-key", Misbehaviour::PressAnyKey),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, one)| one)
    }
}

/// A simulated device: one state, however many sessions.
#[derive(Clone, Debug)]
pub struct Device {
    options: Arc<DeviceOptions>,
    state: Arc<Mutex<State>>,
    key: Arc<PrivateKey>,
}

impl Device {
    /// A device with a fresh host key.
    ///
    /// # Errors
    /// No key can be made.
    pub fn new(options: DeviceOptions) -> io::Result<Self> {
        let kind = match options.host_key {
            KeyKind::Ed25519 => Algorithm::Ed25519,
            KeyKind::Ecdsa => Algorithm::Ecdsa { curve: russh::keys::EcdsaCurve::NistP256 },
        };
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), kind)
            .map_err(io::Error::other)?;
        let state = State::new(&options);
        Ok(Self {
            options: Arc::new(options),
            state: Arc::new(Mutex::new(state)),
            key: Arc::new(key),
        })
    }

    /// The fingerprint of its host key, as ssh shows it.
    pub fn fingerprint(&self) -> String {
        self.key.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// Its public host key, as in a list of known hosts.
    pub fn public_key(&self) -> String {
        self.key.public_key().to_openssh().unwrap_or_default()
    }

    /// How often somebody tried to log in, with success or without.
    pub fn logins(&self) -> usize {
        self.locked().logins
    }

    /// All that was typed at its prompts so far, in any session, passwords left out.
    pub fn commands(&self) -> Vec<String> {
        self.locked().commands.iter().map(|(_, line)| line.clone()).collect()
    }

    /// The first command that was typed after `since`, and when it was there.
    pub fn next_command(&self, since: Instant) -> Option<(Instant, String)> {
        let state = self.locked();
        let after = state.commands.partition_point(|(at, _)| *at <= since);
        state.commands.get(after).cloned()
    }

    /// Whether somebody is in its configuration mode.
    pub fn is_being_configured(&self) -> bool {
        self.locked().configuring > 0
    }

    /// Whether an interface is not shut, as a person or a fix left it; `None`: there is none of this name.
    pub fn is_enabled(&self, interface: &str) -> Option<bool> {
        self.locked().interfaces.get(interface).map(|port| port.enabled)
    }

    /// Lets the time pass that a change may wait to be confirmed; whether one did, and is taken back.
    pub fn roll_back(&self) -> bool {
        let mut state = self.locked();
        match state.before.take() {
            Some(before) => {
                state.interfaces = before;
                true
            }
            None => false,
        }
    }

    /// Whether the line of an interface works; `None`: there is none of this name.
    pub fn is_up(&self, interface: &str) -> Option<bool> {
        self.locked().interfaces.get(interface).map(|port| port.enabled && port.up)
    }

    /// Takes an interface down until it is shut and enabled again. One that is shut is enabled first.
    pub fn break_interface(&self, interface: &str) {
        if let Some(port) = self.locked().interfaces.get_mut(interface) {
            (port.enabled, port.up) = (true, false);
        }
    }

    /// Serves one connection until it ends.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), russh::Error> {
        server::serve(self.clone(), stream).await
    }

    /// Serves all that connect, until dropped.
    ///
    /// # Errors
    /// Nobody can be accepted any more.
    pub async fn listen(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            let _ = stream.set_nodelay(true);
            let device = self.clone();
            // Who goes away in the middle is nothing to report: that is what the lab is for.
            tokio::spawn(async move { device.serve(stream).await });
        }
    }

    fn has(&self, misbehaviour: Misbehaviour) -> bool {
        self.options.misbehaviours.contains(&misbehaviour)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with this lock")
    }
}
