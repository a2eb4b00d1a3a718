//! One POST of JSON for each message, signed as Standard Webhooks (standardwebhooks.com, version 1.0.0)
//! says, so that existing libraries verify it. It must not word a message: `render` does; and must not try
//! again: `delivery` does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::UnixMs;
use model::alert::Notice;
use ring::hmac;

use super::http::{Http, HttpConfig};
use super::{BadChannel, Secret, SendError};
use crate::letter::Letter;
use crate::render;

/// Where messages are posted to.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The server.
    pub http: HttpConfig,
    /// What messages are signed with, if they are: bytes as text, or `whsec_` and base64.
    pub secret: Option<Secret>,
}

/// A webhook, ready to be used.
#[derive(Debug)]
pub struct Webhook {
    http: Http,
    key: Option<hmac::Key>,
}

impl Webhook {
    /// Checks the address, the secret and the CA file.
    pub fn new(config: &WebhookConfig) -> Result<Self, BadChannel> {
        let http = Http::new(&config.http, "the webhook")?;
        let key = config.secret.as_ref().map(|secret| key(secret, http.at())).transpose()?;
        Ok(Self { http, key })
    }

    /// Scheme, host and port: what may be shown.
    pub fn at(&self) -> &str {
        self.http.at()
    }

    /// Posts the notice's message.
    pub(super) async fn tell(&self, notice: &Notice, now: UnixMs) -> Result<(), SendError> {
        // A notice's number starts again in a new data folder; its time does not.
        let id = format!("netmend-{}-{}", notice.created.0, notice.id);
        self.send(&id, now, render::json(&notice.message, &id)).await
    }

    /// Posts a report.
    pub(super) async fn post(&self, letter: &Letter, now: UnixMs) -> Result<(), SendError> {
        let id = format!("netmend-{}", letter.message.thread);
        self.send(&id, now, letter.json.clone()).await
    }

    /// Posts `body`. `id` is the same for each try of a notice, so that the other side can tell a double.
    async fn send(&self, id: &str, now: UnixMs, body: Vec<u8>) -> Result<(), SendError> {
        let seconds = now.0.div_euclid(1_000);
        let mut request = self.http.post();
        request = request.header("webhook-id", id).header("webhook-timestamp", seconds);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", sign(key, id, seconds, &body));
        }
        self.http.send(request.body(body)).await
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

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str, secret: Option<&str>) -> Result<Webhook, BadChannel> {
        let http = HttpConfig::new(url);
        Webhook::new(&WebhookConfig { http, secret: secret.map(Secret::new) })
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
