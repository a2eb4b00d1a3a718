//! The way to an orchestrator: one HTTPS client, the gate before it, and what is done where no answer comes that
//! counts. It must not know what is asked, nor how an orchestrator says no.

use std::error::Error as _;
use std::time::Duration;

use model::Secret;
use model::text::printable;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Proxy, RequestBuilder, Response, StatusCode};
use tokio::time::sleep;

use super::address::Address;
use super::answer::beginning;
use super::error::{BadConfig, Error};
use super::gate::Gate;

/// So much of what others say is quoted, in characters.
const QUOTED: usize = 200;
/// Further tries of a question that failed for a reason that may pass.
const RETRIES: u32 = 3;
/// Further tries of a question that was refused with 429.
const LIMITED_RETRIES: u32 = 12;
/// Largest answer that is read: 10,000 links are about 15 MiB.
const MAX_ANSWER: usize = 256 << 20;

/// Whom to trust, and by whose way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust<'t> {
    /// PEM certificates that are trusted instead of the system's.
    pub(crate) ca: Option<&'t [u8]>,
    /// Proxy to go through; `None` is what `HTTPS_PROXY` and `NO_PROXY` say.
    pub(crate) proxy: Option<&'t str>,
}

/// The way to one orchestrator. Many tasks may use it at once; they wait for each other.
#[derive(Debug)]
pub(crate) struct Line {
    address: Address,
    at: String,
    http: Client,
    timeout: Duration,
    /// What opens the orchestrator: it is never quoted.
    secret: Secret,
    gate: Gate,
}

/// An answer, whatever its status; never a 429.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Line {
    /// Makes a client; contacts nobody.
    ///
    /// # Errors
    /// What is wrong with the certificates or the proxy.
    pub(crate) fn new(
        address: Address,
        trust: Trust<'_>,
        timeout: Duration,
        secret: Secret,
    ) -> Result<Self, BadConfig> {
        let at = address.to_string();
        let http = client(&address, trust, timeout)?;
        Ok(Self { address, at, http, timeout, secret, gate: Gate::new() })
    }

    /// Scheme, host and port.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// What opens the orchestrator.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// A request for a path, which begins without a slash and may end with a query.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.address.join(path))
    }

    /// A request that brings something to a path.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.address.join(path))
    }

    /// Sends a request when the gate lets it pass, and reads all of its answer. `method` is what is asked, for
    /// errors.
    ///
    /// # Errors
    /// No whole answer came, or it was a 429, after which nobody passes the gate for a while.
    pub(crate) async fn send(
        &self,
        method: &'static str,
        request: RequestBuilder,
    ) -> Result<Answer, Error> {
        let _slot = self.gate.pass().await;
        let sent = request.send().await;
        let response = sent.map_err(|error| self.explain(method, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status == StatusCode::TOO_MANY_REQUESTS {
            self.gate.stop(retry_after(&headers));
            return Err(Error::Limited { at: self.at.clone(), method });
        }
        let body = self.body(method, response).await?;
        Ok(Answer { status, headers, body })
    }

    async fn body(&self, method: &'static str, mut response: Response) -> Result<Vec<u8>, Error> {
        // As long as it says it is, as far as that is common.
        let length = response.content_length().unwrap_or_default().min(1 << 20);
        let mut body = Vec::with_capacity(length as usize);
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(body),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Err(error) => return Err(self.explain(method, &error)),
            }
            if body.len() > MAX_ANSWER {
                let why = format!("it is larger than {} MiB", MAX_ANSWER >> 20);
                return Err(self.senseless(method, why));
            }
        }
    }

    /// What came is no answer to the question, and why not.
    pub(crate) fn senseless(&self, method: &'static str, why: String) -> Error {
        Error::Answer { at: self.at.clone(), method, why }
    }

    /// An HTTP status that is no success, with the beginning of what came with it.
    pub(crate) fn status(&self, method: &'static str, answer: &Answer) -> Error {
        let body = self.quote(&beginning(&answer.body));
        Error::Status { at: self.at.clone(), method, status: answer.status.as_u16(), body }
    }

    /// What others said, fit to be shown: short, printable, without our secret should they quote it.
    pub(crate) fn quote(&self, text: &str) -> String {
        printable(&self.secret.redact(text), QUOTED)
    }

    /// Why a question got no answer, for people.
    fn explain(&self, method: &'static str, error: &reqwest::Error) -> Error {
        let at = self.at.clone();
        if error.is_timeout() {
            return Error::Timeout { at, method, after: self.timeout };
        }
        // What is said last is what the system said; a proxy in between is worth a word.
        let (mut why, mut by_proxy) = (error.to_string(), false);
        let mut source = error.source();
        while let Some(cause) = source {
            why = cause.to_string();
            if let Some(tunnel) = why.strip_prefix("tunnel error: ") {
                (why, by_proxy) = (tunnel.to_owned(), true);
            }
            source = cause.source();
        }
        if by_proxy {
            why.insert_str(0, "by way of its proxy: ");
        }
        let why = self.quote(&why);
        if why.contains("certificate") {
            return Error::Untrusted { at, why };
        }
        if error.is_connect() {
            return Error::Connect { at, why };
        }
        Error::Broken { at, method, why }
    }
}

/// How often a question was tried.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    failures: u32,
    limited: u32,
}

impl Tries {
    /// Returns when it is time for another try after one that `failed`.
    ///
    /// # Errors
    /// The same failure: it will not pass, or there were tries enough.
    pub(crate) async fn again(&mut self, failed: Error) -> Result<(), Error> {
        match &failed {
            // The gate lets it wait.
            Error::Limited { .. } if self.limited < LIMITED_RETRIES => self.limited += 1,
            failed if failed.is_passing() && self.failures < RETRIES => {
                self.failures += 1;
                sleep(pause(self.failures)).await;
            }
            _ => return Err(failed),
        }
        Ok(())
    }
}

/// A header that is never logged; `None`: not all characters may stand in one.
pub(crate) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn client(address: &Address, trust: Trust<'_>, timeout: Duration) -> Result<Client, BadConfig> {
    // Whoever was first to install one wins; ours is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("netmend/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        .timeout(timeout);
    if let Some(pem) = trust.ca {
        let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(BadConfig(format!("the CA file of {address} holds no PEM certificate")));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(proxy) = trust.proxy {
        // Its address may hold a password: nothing of it is quoted.
        let proxy = Proxy::all(proxy).map_err(|_| {
            BadConfig(format!("the proxy of {address} is no address: write http://HOST:PORT"))
        })?;
        builder = builder.proxy(proxy);
    } else if address.is_local() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| BadConfig(format!("cannot speak TLS with {address}: {error}")))
}

/// Time before try `n`, doubling from a quarter second, drawn from its upper half so that tries of many
/// questions spread.
fn pause(n: u32) -> Duration {
    let most = 250 << n.min(6);
    Duration::from_millis(fastrand::u64(most / 2..=most))
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3); orchestrators send no date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
