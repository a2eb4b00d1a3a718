//! HTTP as all sinks speak it: one request, a bounded answer, no redirects, and what a status means where all
//! agree. What is special to a sink is decided in its own file.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use model::Secret;
use model::text::printable;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url};

use super::answer::{Answer, Failure, MAX_RETRY_AFTER, Retry};

/// So much of an answer is read.
const MAX_REPLY: usize = 4_096;

/// Why a sink cannot be made of what was configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSink(pub String);

/// Where a sink is and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// `http://` or `https://`, host, port, and the path in front of the API if there is one.
    pub url: String,
    /// What opens it.
    pub credential: Credential,
    /// PEM certificates that are trusted instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// For one request with its answer.
    pub timeout: Duration,
}

impl Endpoint {
    /// For one request, if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// Whether its address is one of this machine alone: what is sent there needs no packing.
    pub fn is_here(&self) -> bool {
        let url: Option<Url> = self.url.parse().ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// What opens a sink.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Credential {
    /// Nothing is needed.
    #[default]
    None,
    /// Name and password, in the `Authorization` header and never in the address.
    Basic(String, Secret),
    /// A token.
    Token(Secret),
}

/// An endpoint, ready to be used.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base: Url,
    /// Scheme, host and port: what may be shown.
    at: String,
    credential: Credential,
    timeout: Duration,
}

/// The beginning of an answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Http {
    /// Checks the address and the certificates.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, BadSink> {
        let base: Url = endpoint.url.parse().map_err(|why| {
            BadSink(format!("the sink's `url` is no address ({why}): write http://HOST:PORT"))
        })?;
        let at = base.origin().ascii_serialization();
        if !matches!(base.scheme(), "https" | "http") || !base.has_host() {
            let scheme = printable(base.scheme(), 20);
            let what = format!("the sink's `url` has the scheme {scheme}: write http://HOST:PORT");
            return Err(BadSink(what));
        }
        if !base.username().is_empty() || base.password().is_some() {
            let what = "name and password have keys of their own, `username` and `password`";
            return Err(BadSink(what.to_owned()));
        }
        // Whoever was first to install one wins; ours is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("netmend/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .timeout(endpoint.timeout);
        if let Some(pem) = &endpoint.ca {
            let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(BadSink(format!("the CA file of {at} holds no PEM certificate")));
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build();
        let client = client.map_err(|why| BadSink(format!("cannot speak TLS with {at}: {why}")))?;
        let (credential, timeout) = (endpoint.credential.clone(), endpoint.timeout);
        Ok(Self { client, base, at, credential, timeout })
    }

    /// Scheme, host and port: what may be shown.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// What opens it.
    pub(super) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The address as it was configured.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The address of `path` below the configured one, with a query.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}{path}", self.base.path().trim_end_matches('/'));
        url.set_path(&path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request and reads the beginning of the answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Reply, Failure> {
        let response = request.send().await.map_err(|error| self.explain(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = beginning(response).await;
        Ok(Reply { status, headers, body })
    }

    fn explain(&self, error: &reqwest::Error) -> Failure {
        let at = &self.at;
        if error.is_timeout() {
            let why = format!("{at} did not answer within {} s", self.timeout.as_secs_f32());
            return Failure { why, fix: String::new(), retry: Retry::Smaller };
        }
        let mut last: &dyn Error = error;
        while let Some(cause) = last.source() {
            last = cause;
        }
        let cause = printable(&last.to_string(), 300);
        let retry = Retry::Backoff(Duration::ZERO);
        if cause.contains("certificate") {
            let fix = "give the certificate of its authority as `ca: FILE`".to_owned();
            return Failure { why: format!("{at} is not trusted: {cause}"), fix, retry };
        }
        let tried = if error.is_connect() { "cannot be reached" } else { "broke off" };
        Failure { why: format!("{at} {tried}: {cause}"), fix: String::new(), retry }
    }

    /// What a status means to every sink.
    pub(super) fn judge(&self, reply: &Reply) -> Answer {
        let said = self.said(reply);
        let failed = |fix: &str, retry| {
            Answer::Failed(Failure { why: said.clone(), fix: fix.to_owned(), retry })
        };
        match reply.status {
            status if status.is_success() => Answer::Taken,
            StatusCode::PAYLOAD_TOO_LARGE => Answer::TooLarge,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Answer::Refused(said),
            StatusCode::UNAUTHORIZED => {
                failed("correct `username` and `password`, or `token`, of this sink", Retry::Slowly)
            }
            StatusCode::FORBIDDEN => {
                failed("give the user or token of this sink the right to write", Retry::Slowly)
            }
            status if status.is_redirection() => failed(
                "redirects are not followed: give the address that it leads to as `url`",
                Retry::Slowly,
            ),
            status
                if status.is_client_error()
                    && !matches!(
                        status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    ) =>
            {
                failed("check the `url` of this sink", Retry::Slowly)
            }
            _ => failed("", Retry::Backoff(retry_after(&reply.headers).unwrap_or_default())),
        }
    }

    /// Status and beginning of the body, with what may be secret left out.
    pub(super) fn said(&self, reply: &Reply) -> String {
        // Before it is shortened: half a secret is still one.
        let body = match &self.credential {
            Credential::None => reply.body.clone(),
            Credential::Basic(_, secret) | Credential::Token(secret) => secret.redact(&reply.body),
        };
        let body = printable(&body, 300);
        format!("{} answers {} {body}", self.at, reply.status).trim_end().to_owned()
    }
}

/// The beginning of a body; nobody makes us read an endless one.
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

    fn http(url: &str) -> Result<Http, BadSink> {
        let credential = Credential::Basic("u".into(), Secret::new("hunter2"));
        let timeout = Endpoint::TIMEOUT;
        Http::new(&Endpoint { url: url.to_owned(), credential, ca: None, timeout })
    }

    #[test]
    fn addresses_that_are_none_or_hold_a_password_are_refused() {
        for (url, told) in [
            ("db:8086", "scheme"),
            ("/write", "no address"),
            ("ftp://db", "scheme ftp"),
            ("http://u:hunter3@db:8086", "keys of their own"),
        ] {
            let why = http(url).unwrap_err().to_string();
            assert!(why.contains(told) && !why.contains("hunter"), "{url}: {why}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_are_here() {
        for (url, here) in [
            ("http://localhost:8086", true),
            ("http://127.0.0.2/influx", true),
            ("https://[::1]:8086", true),
            ("http://10.0.0.1:8086", false),
            ("http://localhost.example.com", false),
            ("no address", false),
        ] {
            let (url, credential, timeout) = (url.to_owned(), Credential::None, Endpoint::TIMEOUT);
            assert_eq!(Endpoint { url, credential, ca: None, timeout }.is_here(), here);
        }
    }

    #[test]
    fn paths_and_queries_go_below_the_address_as_configured() {
        let url = |base: &str| http(base).unwrap().url("/write", &[("db", "a b&c")]).to_string();
        assert_eq!(url("http://db:8086"), "http://db:8086/write?db=a+b%26c");
        assert_eq!(url("http://proxy/influx/"), "http://proxy/influx/write?db=a+b%26c");
    }

    #[test]
    fn an_answer_that_quotes_the_password_is_shown_without_it() {
        let reply = Reply {
            status: StatusCode::UNAUTHORIZED,
            headers: HeaderMap::new(),
            body: "user u with hunter2\n\u{1b}[31m is unknown".to_owned(),
        };
        let said = http("http://db").unwrap().said(&reply);
        assert!(said.contains("401") && !said.contains("hunter2"), "{said}");
        assert!(!said.contains(char::is_control), "{said:?}");
    }
}
