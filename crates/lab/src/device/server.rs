//! The SSH side of a simulated device: lets in whom it knows and gives each channel a terminal, or on Linux a
//! command. It knows nothing of what is typed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PublicKey;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet, SshId};
use tokio::io::{AsyncRead, AsyncWrite};

use super::cli;
use super::terminal::Terminal;
use super::{Device, Dialect};

/// Serves one connection until it ends.
pub(super) async fn serve(
    device: Device,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<(), russh::Error> {
    let method = match &device.options.public_key {
        Some(_) => MethodKind::PublicKey,
        None if device.options.interactive => MethodKind::KeyboardInteractive,
        None => MethodKind::Password,
    };
    let config = server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-SIMULATION")),
        methods: MethodSet::from(&[method][..]),
        keys: vec![device.key.as_ref().clone()],
        auth_rejection_time: Duration::from_millis(1),
        nodelay: true,
        ..server::Config::default()
    };
    let peer = Peer { device, user: String::new(), channels: HashMap::new() };
    server::run_stream(Arc::new(config), stream, peer).await?.await
}

/// Whoever is connected.
struct Peer {
    device: Device,
    user: String,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Peer {
    fn judge(&mut self, user: &str, password: &[u8]) -> Auth {
        self.device.locked().logins += 1;
        let options = &self.device.options;
        if user == options.user && password == options.password.as_bytes() {
            user.clone_into(&mut self.user);
            return Auth::Accept;
        }
        Auth::reject()
    }

    /// Gives a channel a terminal of its own.
    fn terminal(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.remove(&id) {
            let terminal = Terminal::new(self.device.clone(), &self.user, channel.into_stream());
            // Who hangs up in the middle of a line is no failure of the device.
            tokio::spawn(async move {
                let _ = terminal.run().await;
            });
        }
    }
}

impl server::Handler for Peer {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.judge(user, password.as_bytes()))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.device.locked().logins += 1;
        let options = &self.device.options;
        let known = options.public_key.as_deref().and_then(|key| PublicKey::from_openssh(key).ok());
        let same = known.is_some_and(|known| known.key_data() == key.public_key.key_data());
        if user == options.user && same {
            user.clone_into(&mut self.user);
            return Ok(Auth::Accept);
        }
        Ok(Auth::reject())
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut answers) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed("SIMULATION"),
                prompts: Cow::Owned(vec![(Cow::Borrowed("Password: "), false)]),
            });
        };
        let answer = answers.next().unwrap_or_default();
        Ok(self.judge(user, &answer))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _terminal: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        self.terminal(channel);
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let command = String::from_utf8_lossy(command);
        if self.device.options.dialect == Dialect::Frr && command.trim() == "vtysh" {
            session.channel_success(channel)?;
            self.terminal(channel);
            return Ok(());
        }
        if self.device.options.dialect != Dialect::Linux {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        let mut shell = cli::Session::new(&self.device.options);
        let (text, _) = shell.command(&command, &mut self.device.locked());
        let failed = text == Dialect::Linux.unknown();
        let text = text.replace("\r\n", "\n");
        if failed {
            session.extended_data(channel, 1, text.into_bytes())?;
        } else {
            session.data(channel, text.into_bytes())?;
        }
        session.exit_status_request(channel, if failed { 127 } else { 0 })?;
        session.eof(channel)?;
        session.close(channel)
    }
}
