//! Mail over SMTP: implicit TLS (RFC 8314), STARTTLS (RFC 3207), or, where the configuration says so and no
//! login is at stake, plain. One transaction carries a mail to all its addresses; each is accepted or refused
//! on its own. It must not word a mail: `render` does; and must not try again: `delivery` does.

mod mime;
mod secured;
mod server;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use model::alert::{Message, Notice};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::{BadChannel, Missed, Secret, SendError, Sent, trust};
use crate::letter::Letter;
use crate::render::{self, Curve};
use server::Security;
pub use server::SmtpServer;

/// User and password of a mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user, mostly a mail address.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How long each step of a mail may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmtpTimeouts {
    /// Connection, TLS, greeting and login, together.
    pub connect: Duration,
    /// Sender, each address, and the start of the data. Short, since trying again costs nothing before the
    /// message is handed over.
    pub command: Duration,
    /// The message and the server's word that it has it. Long, since a server may have taken a message whose
    /// confirmation is late, and a second try would be a double (RFC 5321, 4.5.3.2.6: 10 minutes).
    pub message: Duration,
}

impl Default for SmtpTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            command: Duration::from_secs(30),
            message: Duration::from_mins(10),
        }
    }
}

/// Where mail goes and as whom.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// The server.
    pub server: SmtpServer,
    /// Login, if the server wants one.
    pub login: Option<Login>,
    /// Whom the mail comes from.
    pub from: Mailbox,
    /// Who gets it; at least one.
    pub to: Vec<Mailbox>,
    /// PEM certificates that are trusted instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// How we name ourselves in EHLO; a host name.
    pub hello: String,
    /// How long to wait.
    pub timeouts: SmtpTimeouts,
}

/// A mail server, ready to be used.
pub struct Smtp {
    config: SmtpConfig,
    tls: Option<TlsParameters>,
    /// What TLS from the first byte trusts, if not the system's certificates.
    own: Option<Arc<ClientConfig>>,
    hello: ClientId,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Smtp {
    /// Checks what the types cannot: that a password never travels in the clear, that there is somebody to
    /// write to, and that the CA file holds certificates.
    pub fn new(config: SmtpConfig) -> Result<Self, BadChannel> {
        let server = &config.server;
        if config.to.is_empty() {
            return Err(BadChannel(format!("mail over {server} has nobody to go to: add `to`")));
        }
        if server.security == Security::None && config.login.is_some() {
            return Err(BadChannel(format!(
                "{server} would send the password in the clear: use smtps:// (port 465) or \
                 starttls:// (port 587), or leave out the login"
            )));
        }
        let tls = match server.security {
            Security::None => None,
            Security::Implicit | Security::StartTls => Some(tls(&config)?),
        };
        let own = match (server.security, &config.ca) {
            (Security::Implicit, Some(pem)) => {
                Some(Arc::new(trust::config(pem, &server.to_string())?))
            }
            _ => None,
        };
        let hello = match config.hello.parse() {
            Ok(std::net::IpAddr::V4(address)) => ClientId::Ipv4(address),
            Ok(std::net::IpAddr::V6(address)) => ClientId::Ipv6(address),
            Err(_) => ClientId::Domain(hello_name(&config.hello)),
        };
        Ok(Self { config, tls, own, hello })
    }

    /// Whom the mail comes from.
    pub fn from(&self) -> &Mailbox {
        &self.config.from
    }

    /// Who gets the mail.
    pub fn to(&self) -> &[Mailbox] {
        &self.config.to
    }

    /// The server as it is written in errors and on pages.
    pub fn server(&self) -> &SmtpServer {
        &self.config.server
    }

    /// Sends the notice's mail to all addresses that do not have it yet.
    pub(super) async fn tell(&self, notice: &Notice, curve: Option<&Curve>, sent: &mut Sent) {
        let has = |to: &&Mailbox| notice.delivered.iter().any(|done| *done == to.email.to_string());
        let to: Vec<Mailbox> = self.config.to.iter().filter(|to| !has(to)).cloned().collect();
        if to.is_empty() {
            return;
        }
        self.deliver(&notice.message, render::mail(&notice.message, curve), &to, sent).await;
    }

    /// Sends a report to all addresses.
    pub(super) async fn post(&self, letter: &Letter, sent: &mut Sent) {
        self.deliver(&letter.message, letter.mail.clone(), &self.config.to, sent).await;
    }

    /// Sends a mail to some of the addresses and notes what became of it.
    async fn deliver(
        &self,
        message: &Message,
        mail: render::Mail,
        to: &[Mailbox],
        sent: &mut Sent,
    ) {
        let tried = match mime::bytes(message, mail, &self.config.from, &self.config.to) {
            Ok(bytes) => self.send(&bytes, to).await,
            Err(unsendable) => Err(unsendable),
        };
        let missed = match tried {
            Ok(missed) => missed,
            Err(why) => {
                to.iter().map(|to| Missed { to: to.email.to_string(), why: why.clone() }).collect()
            }
        };
        let addresses = to.iter().map(|to| to.email.to_string());
        sent.delivered.extend(addresses.filter(|to| missed.iter().all(|miss| miss.to != *to)));
        sent.missed.extend(missed);
    }

    /// Sends one formatted mail to those of `to` that the server accepts, and names the others. `Err`: nobody
    /// got it.
    async fn send(&self, mail: &[u8], to: &[Mailbox]) -> Result<Vec<Missed>, SendError> {
        let connect = self.config.timeouts.connect;
        let mut connection =
            within(self.at(), "greet us and take the login", connect, self.connect()).await?;
        let sent = self.transact(&mut connection, mail, to).await;
        // The mail is decided by now. Who still answers is told goodbye, for a while.
        if sent.as_ref().err().is_none_or(|error| !error.is_of_the_way()) {
            let _ = timeout(Duration::from_secs(5), connection.abort()).await;
        }
        sent
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let SmtpConfig { server, login, timeouts, .. } = &self.config;
        let at_once = self.tls.clone().filter(|_| server.security == Security::Implicit);
        let address = (server.host.as_str(), server.port);
        let limit = Some(timeouts.connect);
        let connected = match &self.own {
            Some(own) => {
                let stream = secured::connect(server, Arc::clone(own)).await?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await
            }
            None => {
                AsyncSmtpConnection::connect_tokio1(address, limit, &self.hello, at_once, None)
                    .await
            }
        };
        let mut connection = connected.map_err(|error| server.explain("greet us", &error))?;
        if server.security == Security::StartTls {
            if !connection.can_starttls() {
                let at = self.at();
                let why = "it offers no STARTTLS; port 465 is smtps://".to_owned();
                return Err(SendError::Untrusted { at, why });
            }
            let tls = self.tls.clone().expect("STARTTLS has its TLS settings since `new`");
            let started = connection.starttls(tls, &self.hello).await;
            started.map_err(|error| server.explain("start TLS", &error))?;
        }
        if let Some(Login { user, password }) = login {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            let taken = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            taken.map_err(|error| server.explain_login(user, &error))?;
        }
        Ok(connection)
    }

    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &[u8],
        to: &[Mailbox],
    ) -> Result<Vec<Missed>, SendError> {
        let SmtpConfig { server, from, timeouts, .. } = &self.config;
        let command = timeouts.command;
        let utf8 = connection.server_info().supports_feature(Extension::SmtpUtfEight);
        // RFC 6531: addresses in other scripts are announced with the sender. A server that does not know
        // them refuses them one by one, which is what we want of it.
        let mut addresses = to.iter().chain([from]).map(|mailbox| mailbox.email.to_string());
        let foreign = utf8 && addresses.any(|address| !address.is_ascii());
        let parameters = if foreign { vec![MailParameter::SmtpUtfEight] } else { Vec::new() };
        let sender = connection.command(Mail::new(Some(from.email.clone()), parameters));
        within(self.at(), "take the sender", command, async {
            let what = format!("the sender <{}>", from.email);
            sender.await.map_err(|error| server.explain_refusal(&what, &error).try_again())
        })
        .await?;

        let mut missed = Vec::new();
        for mailbox in to {
            let recipient = connection.command(Rcpt::new(mailbox.email.clone(), Vec::new()));
            let accepted = within(self.at(), "take an address", command, async {
                let what = format!("the address <{}>", mailbox.email);
                recipient.await.map_err(|error| server.explain_refusal(&what, &error))
            })
            .await;
            match accepted {
                Ok(_) => {}
                Err(why @ SendError::Refused { .. }) => {
                    missed.push(Missed { to: mailbox.email.to_string(), why });
                }
                Err(broken) => return Err(broken),
            }
        }
        if missed.len() == to.len() {
            return Ok(missed);
        }
        within(self.at(), "start to take the message", command, async {
            let started = connection.command(Data).await;
            started.map_err(|error| server.explain_refusal("the message", &error))
        })
        .await?;
        within(self.at(), "confirm the message", timeouts.message, async {
            let taken = connection.message(mail).await;
            taken.map_err(|error| server.explain_refusal("the message", &error))
        })
        .await?;
        Ok(missed)
    }

    fn at(&self) -> String {
        self.config.server.to_string()
    }
}

/// Ends what hangs: lettre's own time limit covers the TCP connection alone (lettre issue 1027).
async fn within<T>(
    at: String,
    what: &'static str,
    after: Duration,
    step: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    timeout(after, step).await.unwrap_or(Err(SendError::Timeout { at, what, after }))
}

fn tls(config: &SmtpConfig) -> Result<TlsParameters, BadChannel> {
    let server = &config.server;
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(pem) = &config.ca {
        let none = || BadChannel(format!("the CA file of {server} holds no PEM certificate"));
        let certificate = Certificate::from_pem(pem).map_err(|_| none())?;
        if !pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
            return Err(none());
        }
        builder = builder.certificate_store(CertificateStore::None);
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| {
        BadChannel(format!("the certificates trusted for {server} cannot be used: {error}"))
    })
}

/// A name that servers take in EHLO: letters, digits, hyphens and dots.
fn hello_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let name: String = name.chars().filter(|c| fits(*c)).take(253).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
