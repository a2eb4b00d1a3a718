//! One POST of JSON for each message, signed as Standard Webhooks (standardwebhooks.com, version 1.0.0)
//! says, so that existing libraries verify it. It must not word a message: `render` does; and must not try
//! again: `delivery` does.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::UnixMs;
use model::alert::Notice;
use model::text::printable;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use ring::hmac;

use super::{BadChannel, Missed, Secret, SendError, Sent, causes, trust};
use crate::letter::Letter;
use crate::render;

/// Longest wait that a server can ask us for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);
/// So much of an answer is read: enough to quote its beginning.
const MAX_REPLY: usize = 4_096;

/// Where messages are posted to.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The address, `https://` or `http://`. Kept secret, since paths and queries often hold a token.
    pub url: Secret,
    /// What messages are signed with, if they are: bytes as text, or `whsec_` and base64.
    pub secret: Option<Secret>,
    /// PEM certificates that are trusted instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// For the whole exchange.
    pub timeout: Duration,
}

impl WebhookConfig {
    /// For the whole exchange, if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

/// A webhook, ready to be used.
#[derive(Debug)]
pub struct Webhook {
    url: Secret,
    /// Scheme, host and port: what may be shown.
    at: String,
    key: Option<hmac::Key>,
    client: Client,
    timeout: Duration,
}

impl Webhook {
    /// Checks the address, the secret and the CA file.
    pub fn new(config: &WebhookConfig) -> Result<Self, BadChannel> {
        let typed = config.url.reveal();
        let url: Url = typed.parse().map_err(|error| {
            BadChannel(format!(
                "the webhook's `url` is no address ({error}): write https://HOST/PATH"
            ))
        })?;
        let at = url.origin().ascii_serialization();
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            let scheme = printable(url.scheme(), 20);
            let what =
                format!("the webhook's `url` has the scheme {scheme}: write https://HOST/PATH");
            return Err(BadChannel(what));
        }
        let key = config.secret.as_ref().map(|secret| key(secret, &at)).transpose()?;
        let client = client(config, &at)?;
        Ok(Self { url: config.url.clone(), at, key, client, timeout: config.timeout })
    }

    /// Scheme, host and port: what may be shown.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Posts the notice's message unless it was taken already.
    pub(super) async fn tell(&self, notice: &Notice, now: UnixMs, sent: &mut Sent) {
        if notice.delivered.contains(&self.at) {
            return;
        }
        // A notice's number starts again in a new data folder; its time does not.
        let id = format!("netmend-{}-{}", notice.created.0, notice.id);
        match self.send(&id, now, render::json(&notice.message, &id)).await {
            Ok(()) => sent.delivered.push(self.at.clone()),
            Err(why) => sent.missed.push(Missed { to: self.at.clone(), why }),
        }
    }

    /// Posts a report.
    pub(super) async fn post(&self, letter: &Letter, now: UnixMs, sent: &mut Sent) {
        let id = format!("netmend-{}", letter.message.thread);
        match self.send(&id, now, letter.json.clone()).await {
            Ok(()) => sent.delivered.push(self.at.clone()),
            Err(why) => sent.missed.push(Missed { to: self.at.clone(), why }),
        }
    }

    /// Posts `body`. `id` is the same for each try of a notice, so that the other side can tell a double.
    async fn send(&self, id: &str, now: UnixMs, body: Vec<u8>) -> Result<(), SendError> {
        let seconds = now.0.div_euclid(1_000);
        let mut request = self.client.post(self.url.reveal());
        request = request.header(CONTENT_TYPE, "application/json");
        request = request.header("webhook-id", id).header("webhook-timestamp", seconds);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", sign(key, id, seconds, &body));
        }
        let response = request.body(body).send().await.map_err(|error| self.explain(&error))?;
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

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
fn sign(key: &hmac::Key, id: &str, seconds: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    format!("v1,{}", BASE64.encode(context.sign().as_ref()))
}

/// The bytes of a secret: those behind `whsec_` are base64, as Standard Webhooks writes them.
fn key(secret: &Secret, at: &str) -> Result<hmac::Key, BadChannel> {
    let bytes = match secret.reveal().strip_prefix("whsec_") {
        None => secret.reveal().as_bytes().to_vec(),
        Some(encoded) => BASE64.decode(encoded).map_err(|_| {
            BadChannel(format!("the `secret` for {at} starts with whsec_, but no base64 follows"))
        })?,
    };
    // 16 bytes are what no one guesses; below that, a signature promises more than it holds.
    if bytes.len() < 16 {
        return Err(BadChannel(format!("the `secret` for {at} is shorter than 16 bytes")));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn client(config: &WebhookConfig, at: &str) -> Result<Client, BadChannel> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str, secret: Option<&str>) -> Result<Webhook, BadChannel> {
        let (url, secret) = (Secret::new(url), secret.map(Secret::new));
        Webhook::new(&WebhookConfig { url, secret, ca: None, timeout: WebhookConfig::TIMEOUT })
    }

    /// The example of the specification (standard-webhooks.md, "Signature scheme").
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            sign(&key(&secret, "there").unwrap(), id, 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_wrong_address_or_secret_is_refused_without_being_shown() {
        for (url, secret) in [
            ("hooks.example.com/hunter2", None),
            ("ftp://hooks.example.com/hunter2", None),
            ("https://hooks.example.com/hunter2", Some("hunter2")),
            ("https://hooks.example.com/hunter2", Some("whsec_hunter2!")),
        ] {
            let refused = webhook(url, secret).unwrap_err();
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn neither_path_nor_secret_of_a_webhook_is_ever_printed() {
        let hook = webhook("https://h.example.com/hunter2", Some("hunter2-hunter2-hunter2"));
        let shown = format!("{:?}", hook.unwrap());
        assert!(shown.contains("https://h.example.com") && !shown.contains("hunter2"), "{shown}");
    }
}
