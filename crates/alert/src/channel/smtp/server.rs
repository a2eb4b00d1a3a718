//! Which mail server, how it is protected, and what its failures mean in words that help. No I/O.

use std::error::Error;
use std::fmt;
use std::io;
use std::str::FromStr;

use model::text::printable;
use rustls::CertificateError;

use crate::channel::{BadChannel, SendError, causes};

type Failure = lettre::transport::smtp::Error;

/// A mail server, written as `smtps://HOST[:465]` (implicit TLS), `starttls://HOST[:587]`, or
/// `smtp://HOST[:25]` (no encryption, and so no login).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    pub(super) security: Security,
    pub(super) host: String,
    pub(super) port: u16,
}

/// How the way to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// TLS after a greeting in the clear (RFC 3207); never without.
    StartTls,
    /// None.
    None,
}

impl Security {
    const ALL: [Security; 3] = [Security::Implicit, Security::StartTls, Security::None];

    fn scheme(self) -> &'static str {
        match self {
            Security::Implicit => "smtps",
            Security::StartTls => "starttls",
            Security::None => "smtp",
        }
    }

    fn port(self) -> u16 {
        match self {
            Security::Implicit => 465,
            Security::StartTls => 587,
            Security::None => 25,
        }
    }
}

impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (self.security.scheme(), &self.host, self.port);
        if host.contains(':') {
            return write!(f, "{scheme}://[{host}]:{port}");
        }
        write!(f, "{scheme}://{host}:{port}")
    }
}

impl FromStr for SmtpServer {
    type Err = BadChannel;

    /// Reads `smtps://mail.example.com`, `starttls://[2001:db8::25]:587`.
    fn from_str(text: &str) -> Result<Self, BadChannel> {
        const ALLOWED: &str = "smtps://HOST (port 465), starttls://HOST (port 587) or smtp://HOST \
                               (port 25, without login), each with :PORT if it is another";
        let refuse = |what: &str| BadChannel(format!("mail server {what}: write {ALLOWED}"));
        if text.contains('@') {
            // Not repeated, since it holds a password as often as not.
            return Err(refuse("with a login in its address; `user` and `password` are keys"));
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refuse(&format!("{:?} has no scheme", printable(text, 100))))?;
        let security = Security::ALL.into_iter().find(|security| security.scheme() == scheme);
        let security = security
            .ok_or_else(|| refuse(&format!("scheme {:?} is not known", printable(scheme, 20))))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("none"))),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if host.is_empty() || host.len() > 253 || !host.chars().all(fits) {
            return Err(refuse(&format!("{:?} has no usable host", printable(text, 300))));
        }
        let port = match port.map(str::parse) {
            None => security.port(),
            Some(Ok(port)) if port != 0 => port,
            Some(_) => return Err(refuse(&format!("{:?} has a wrong port", printable(text, 300)))),
        };
        Ok(Self { security, host: host.to_owned(), port })
    }
}

impl SmtpServer {
    /// What a failure at the server means that is no refusal; `what` says what it should have done, as a verb.
    pub(super) fn explain(&self, what: &'static str, failure: &Failure) -> SendError {
        let at = self.to_string();
        if let Some(tls) = tls_error(failure) {
            return SendError::Untrusted { at, why: self.tls_words(tls) };
        }
        if let Some(reply) = reply(failure) {
            let (what, for_good, retry_after) = (format!("to {what}"), false, None);
            return SendError::Refused { at, what, reply, for_good, retry_after };
        }
        let why = innermost(failure);
        if failure.to_string().starts_with("Connection error") {
            return SendError::Connect { at, why };
        }
        SendError::Broken { at, what, why }
    }

    /// What a handshake that failed means.
    pub(super) fn explain_handshake(&self, failure: &io::Error) -> SendError {
        let at = self.to_string();
        match failure.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(tls) => SendError::Untrusted { at, why: self.tls_words(tls) },
            None => SendError::Broken { at, what: "start TLS", why: failure.to_string() },
        }
    }

    /// What the server's answer to an address or a message means.
    pub(super) fn explain_refusal(&self, what: &str, failure: &Failure) -> SendError {
        let Some(reply) = reply(failure) else {
            return self.explain("take the mail", failure);
        };
        let (at, what) = (self.to_string(), what.to_owned());
        let for_good = failure.is_permanent();
        SendError::Refused { at, what, reply, for_good, retry_after: None }
    }

    /// What the server's answer to a login means. Never for good: passwords get corrected.
    pub(super) fn explain_login(&self, user: &str, failure: &Failure) -> SendError {
        if failure.is_client() {
            let at = self.to_string();
            let what = format!("the login of {user}");
            let reply = "it offers no way to log in that we know (PLAIN, LOGIN); leave out the \
                         login if it wants none"
                .to_owned();
            return SendError::Refused { at, what, reply, for_good: false, retry_after: None };
        }
        self.explain_refusal(&format!("the login of {user}"), failure).try_again()
    }

    fn tls_words(&self, error: &rustls::Error) -> String {
        match error {
            rustls::Error::InvalidCertificate(problem) => match problem {
                CertificateError::UnknownIssuer => {
                    "its certificate is signed by none of the certificates we trust; if it is your \
                     own CA's, name that CA's file with `ca`"
                        .to_owned()
                }
                CertificateError::NotValidForName => {
                    format!("its certificate is not for the name {}", self.host)
                }
                CertificateError::Other(why)
                    if why.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
                {
                    "its certificate is a CA's own (basicConstraints CA:TRUE) and not a server's; \
                     name it with `ca` and use smtps://, or make one with CA:FALSE"
                        .to_owned()
                }
                other => format!("its certificate: {}", printable(&other.to_string(), 400)),
            },
            rustls::Error::InvalidMessage(_) => {
                "it does not speak TLS from the first byte on; try starttls://".to_owned()
            }
            other => printable(&other.to_string(), 400),
        }
    }
}

/// What the server said, with its code, if it is an answer.
fn reply(failure: &Failure) -> Option<String> {
    let code = failure.status()?;
    let text = failure.source().map(ToString::to_string).unwrap_or_default();
    Some(printable(format!("{code} {text}").trim_end(), 400))
}

fn tls_error(failure: &Failure) -> Option<&rustls::Error> {
    causes(failure).find_map(|error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref())
    })
}

/// The last cause, which is the system's own sentence.
fn innermost(failure: &Failure) -> String {
    let last = causes(failure).last().map_or_else(|| failure.to_string(), ToString::to_string);
    printable(&last, 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_its_scheme_host_and_port() {
        for (text, written) in [
            ("smtps://mail.example.com", "smtps://mail.example.com:465"),
            ("starttls://mail.example.com/", "starttls://mail.example.com:587"),
            ("starttls://[2001:db8::25]:2587", "starttls://[2001:db8::25]:2587"),
            ("smtp://localhost", "smtp://localhost:25"),
        ] {
            assert_eq!(text.parse::<SmtpServer>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_what_is_one() {
        for text in [
            "mail.example.com",
            "http://mail.example.com",
            "smtps://",
            "smtps://mail.example.com:0",
            "smtps://mail.example.com:99999",
            "smtps://[::1]x",
            "smtps://mail example.com",
            "smtps://mail.example.com\r\nRCPT",
        ] {
            let refused = text.parse::<SmtpServer>().unwrap_err().to_string();
            assert!(refused.contains("starttls://HOST (port 587)"), "{refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let refused = "me:hunter2@mail.example.com".parse::<SmtpServer>().unwrap_err();
        assert!(!format!("{refused:?}").contains("hunter2"));
        let refused = "smtps://me:hunter2@mail.example.com".parse::<SmtpServer>().unwrap_err();
        assert!(refused.to_string().contains("`password`"), "{refused}");
        assert!(!format!("{refused:?}").contains("hunter2"));
    }
}
