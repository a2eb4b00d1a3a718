//! Who may ask: the `Host` check against DNS rebinding, Origin and token for everything that changes
//! something, and the security headers of every answer. It must not know any page.

use std::fmt;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

/// The header that carries the token.
pub(crate) const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-netmend-token");

/// What the pages may load: nothing but our own files, and no script or style inside a page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// A secret of this process: pages carry it, and what changes something must send it back. A page of
/// another origin cannot read it.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// 128 random bits from the kernel.
    ///
    /// # Errors
    /// `/dev/urandom` cannot be read.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 16];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes)).into()))
    }

    /// The token as pages carry it: 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is the token, in time that does not depend on where it differs.
    fn accepts(&self, given: &[u8]) -> bool {
        let ours = self.0.as_bytes();
        let differs = ours.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
        ours.len() == given.len() && differs == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The rules, made once from where the pages are served.
#[derive(Debug)]
pub(crate) struct Guard {
    listen: SocketAddr,
    hosts: Vec<String>,
    token: Token,
}

impl Guard {
    /// Rules for pages at `listen`, also known by the names `hosts`.
    pub(crate) fn new(listen: SocketAddr, hosts: &[String], token: Token) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { listen, hosts, token }
    }

    /// Why the request is refused, if it is.
    fn refusal(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
        let Some(host) = authority(uri, headers) else { return Some(Refusal::NoHost) };
        if !self.serves(host.host()) {
            return Some(Refusal::ForeignHost(host.to_string(), self.allowed()));
        }
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return None;
        }
        let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
        let same = origin.is_some_and(|origin| {
            let plain = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            plain.is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
        });
        if !same {
            return Some(Refusal::ForeignOrigin);
        }
        let token = headers.get(TOKEN_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
        (!self.token.accepts(token)).then_some(Refusal::NoToken)
    }

    /// Whether `host` (without port) names us. A loopback name is ours whatever the port, so that SSH
    /// tunnels work. An attacker rebinds a *name*; so where we listen on every address, a literal
    /// address is as good as ours, while a name is not.
    fn serves(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        match literal {
            Some(ip) if ip.is_loopback() || ip == self.listen.ip() => true,
            Some(_) => self.listen.ip().is_unspecified(),
            None => host == "localhost" || self.hosts.contains(&host),
        }
    }

    fn allowed(&self) -> String {
        let listen = match self.listen.ip() {
            ip if ip.is_unspecified() => "any address of this machine".to_owned(),
            ip => ip.to_string(),
        };
        let mut allowed = format!("localhost, 127.0.0.1, [::1], {listen}");
        for host in &self.hosts {
            allowed.push_str(", ");
            allowed.push_str(host);
        }
        allowed
    }
}

/// Whom the request is for. An absolute request target wins over `Host` (RFC 9112, section 3.2.2); two
/// `Host` fields are refused there, here they count as none.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let authority: Authority = host.to_str().ok()?.parse().ok()?;
            (!authority.as_str().contains('@')).then_some(authority)
        }
        _ => None,
    }
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the request has no usable Host field")]
    NoHost,
    #[error("this server is not called {0:?}; it answers to {1}")]
    ForeignHost(String, String),
    #[error("a request that changes something must come from a page of this server (Origin)")]
    ForeignOrigin,
    #[error("a request that changes something must carry the page's token ({TOKEN_HEADER})")]
    NoToken,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match self {
            Refusal::NoHost => StatusCode::BAD_REQUEST,
            Refusal::ForeignHost(..) => StatusCode::MISDIRECTED_REQUEST,
            Refusal::ForeignOrigin | Refusal::NoToken => StatusCode::FORBIDDEN,
        };
        (code, format!("{self}\n")).into_response()
    }
}

/// Puts the guard in front of all routes, those that are not found included.
pub(crate) fn protect(router: Router, guard: Guard) -> Router {
    router.layer(from_fn_with_state(Arc::new(guard), check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let refusal = guard.refusal(request.method(), request.uri(), request.headers());
    let mut response = match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
