//! What every channel over HTTP shares: a client, an address that is kept secret, and what an answer means.
//! It must not word a message, and must not try again: `delivery` does.

use std::time::Duration;

use model::text::printable;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};

use super::{BadChannel, Secret, SendError, causes, trust};

/// Longest wait that a server can ask us for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// So much of an answer is read: enough to quote its beginning.
const MAX_REPLY: usize = 4_096;

/// How a web server is reached.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The address, `https://` or `http://`. Kept secret, since paths and queries often hold a token.
    pub url: Secret,
    /// PEM certificates that are trusted instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// For the whole exchange.
    pub timeout: Duration,
}

impl HttpConfig {
    /// For the whole exchange, if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// The address `url` with what else is usual.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), ca: None, timeout: Self::TIMEOUT }
    }
}

/// A web server, ready to be posted to.
#[derive(Debug)]
pub(super) struct Http {
    url: Secret,
    /// Scheme, host and port: what may be shown.
    at: String,
    client: Client,
    timeout: Duration,
}

impl Http {
    /// Checks the address and the certificates. `what` names the channel in errors.
    pub(super) fn new(config: &HttpConfig, what: &str) -> Result<Self, BadChannel> {
        let typed = config.url.reveal();
        let url: Url = typed.parse().map_err(|error| {
            BadChannel(format!(
                "the `url` of {what} is no address ({error}): write https://HOST/PATH"
            ))
        })?;
        let at = url.origin().ascii_serialization();
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            let scheme = printable(url.scheme(), 20);
            let what =
                format!("the `url` of {what} has the scheme {scheme}: write https://HOST/PATH");
            return Err(BadChannel(what));
        }
        let client = client(config, &at)?;
        Ok(Self { url: config.url.clone(), at, client, timeout: config.timeout })
    }

    /// Scheme, host and port: what may be shown.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// A POST of JSON to the address.
    pub(super) fn post(&self) -> RequestBuilder {
        self.client.post(self.url.reveal()).header(CONTENT_TYPE, "application/json")
    }

    /// Sends the request. Only 2xx is a yes.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<(), SendError> {
        let response = request.send().await.map_err(|error| self.explain(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        Err(self.refusal(status, response).await)
    }

    fn explain(&self, error: &reqwest::Error) -> SendError {
        let at = self.at.clone();
        if error.is_timeout() {
            return SendError::Timeout { at, what: "answer", after: self.timeout };
        }
        let why = causes(error).last().map_or_else(|| "it fails".to_owned(), ToString::to_string);
        let why = printable(&why, 400);
        if why.contains("certificate") {
            return SendError::Untrusted { at, why };
        }
        if error.is_connect() {
            return SendError::Connect { at, why };
        }
        SendError::Broken { at, what: "answer", why }
    }

    async fn refusal(&self, status: StatusCode, response: Response) -> SendError {
        let retry_after = retry_after(response.headers());
        let reply = if status.is_redirection() {
            format!("{status}; redirects are not followed: give the address that it leads to")
        } else {
            printable(format!("{status} {}", beginning(response).await).trim_end(), 300)
        };
        // What is wrong with this very message will be wrong with it tomorrow. All else, also a wrong
        // token or path, gets corrected, and what waited must then still be there.
        let for_good = matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::GONE
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNPROCESSABLE_ENTITY
        );
        let (at, what) = (self.at.clone(), "the message".to_owned());
        SendError::Refused { at, what, reply, for_good, retry_after }
    }
}

fn client(config: &HttpConfig, at: &str) -> Result<Client, BadChannel> {
    // Whoever was first to install one wins; ours is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("netmend/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .timeout(config.timeout);
    if let Some(pem) = &config.ca {
        builder = builder.tls_backend_preconfigured(trust::config(pem, at)?);
    }
    builder.build().map_err(|error| BadChannel(format!("cannot speak TLS with {at}: {error}")))
}

/// The beginning of an answer's body; nobody makes us read an endless one.
async fn beginning(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_REPLY {
            break;
        }
    }
    body.truncate(MAX_REPLY);
    String::from_utf8_lossy(&body).into_owned()
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3); its other form, a date, is not worth a parser.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
