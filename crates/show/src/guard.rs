//! Who may ask: the `Host` check against DNS rebinding, who it is, what they may do, Origin and token for
//! everything that changes something, and the security headers of every answer. It must not know any page.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use crate::login::{Logins, SessionId};
use crate::who::Who;

mod cookie;
mod refusal;
mod rights;

pub(crate) use cookie::Cookie;
use refusal::Refusal;
use rights::{Door, door};

/// The header that carries the token.
pub(crate) const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-netmend-token");

/// The header of what a page asks for by itself, while perhaps nobody sits there.
const UNASKED: HeaderName = HeaderName::from_static("x-netmend-unasked");

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
        Ok(Self(crate::random::hex(&crate::random::bytes::<16>()?).into()))
    }

    /// The token of a session: whoever does not see what its browser shows cannot tell it.
    pub(crate) fn of_session(shown: &str) -> Self {
        let digest = SessionId::of(&format!("token of {shown}")).to_string();
        Self(digest[..32].into())
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

/// A request from a process of this machine that the kernel vouches for: the layer of a socket that only such
/// processes reach adds it. It needs no login and may do everything.
#[derive(Clone, Debug)]
pub struct Local(pub String);

/// How a request came. Without it, it was made within this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// From where.
    pub(crate) peer: IpAddr,
    /// Whether our own TLS is around it.
    pub(crate) tls: bool,
}

impl Wire {
    fn of(request: &Request) -> Self {
        let near = Self { peer: Ipv4Addr::LOCALHOST.into(), tls: false };
        request.extensions().get().copied().unwrap_or(near)
    }
}

/// What the pages of login need of a request beside its form.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// From where it came.
    pub(crate) peer: IpAddr,
    /// How its session is kept.
    pub(crate) cookie: Cookie,
    /// What its forms must carry.
    pub(crate) token: Token,
}

tokio::task_local! {
    static TOKEN: Token;
}

/// The token that the forms of the page that is being made must carry.
pub(crate) fn token_now() -> Option<Token> {
    TOKEN.try_with(Clone::clone).ok()
}

/// The rules, made once from where the pages are served.
#[derive(Debug)]
pub(crate) struct Guard {
    listen: SocketAddr,
    hosts: Vec<String>,
    token: Token,
    logins: Arc<Logins>,
    /// Whether `/metrics` is for everybody.
    open_metrics: bool,
}

/// Who asks, and what a request of theirs that changes something must carry.
struct Caller {
    who: Who,
    /// None where a browser does not add by itself what lets them in.
    token: Option<Token>,
}

impl Guard {
    /// Rules for pages at `listen`, also known by the names `hosts`.
    pub(crate) fn new(
        listen: SocketAddr,
        hosts: &[String],
        token: Token,
        (logins, open_metrics): (Arc<Logins>, bool),
    ) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { listen, hosts, token, logins, open_metrics }
    }

    /// Who asks and how, or why they are refused.
    fn admit(&self, request: &Request) -> Result<(Caller, Visit), Refusal> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let host = authority(uri, headers).ok_or(Refusal::NoHost)?;
        if !self.serves(host.host()) {
            return Err(Refusal::ForeignHost(host.to_string(), self.allowed()));
        }
        let wire = Wire::of(request);
        let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
        let cookie =
            Cookie::of(&host, wire.tls || origin.is_some_and(|from| from.starts_with("https://")));
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let door = door(method, uri.path(), self.open_metrics);
        let caller = match door {
            Door::Open => Caller { who: Who::Anybody, token: Some(self.token.clone()) },
            Door::Login | Door::Right(_) => self.caller(request, &cookie, wire, door)?,
        };
        let token = caller.token.clone().unwrap_or_else(|| self.token.clone());
        if let Some(token) = caller.token.as_ref().filter(|_| changes) {
            same_origin(origin, &host)?;
            let given = headers.get(TOKEN_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
            // Who logs in has no page of ours yet whose token would be worth something.
            if door != Door::Login && !token.accepts(given) {
                return Err(Refusal::NoToken);
            }
        }
        match door {
            Door::Right(right) if !caller.who.may(right) => {
                Err(Refusal::NoRight(right, caller.who.is_unnamed()))
            }
            _ => Ok((caller, Visit { peer: wire.peer, cookie, token })),
        }
    }

    /// Who asks.
    fn caller(
        &self,
        request: &Request,
        cookie: &Cookie,
        wire: Wire,
        door: Door,
    ) -> Result<Caller, Refusal> {
        if let Some(Local(caller)) = request.extensions().get() {
            return Ok(Caller { who: Who::Local(caller.clone()), token: None });
        }
        if let Some(shown) = bearer(request.headers()) {
            let (name, role) = self.logins.token(shown).ok_or(Refusal::BadToken)?;
            return Ok(Caller { who: Who::Program { name, role }, token: None });
        }
        let shown = cookie.find(request.headers());
        let session = shown.map(SessionId::of);
        let user = session.and_then(|id| Some((id, self.logins.session(id)?)));
        if let (Some(shown), Some((session, (name, role)))) = (shown, user) {
            let token = Some(Token::of_session(shown));
            return Ok(Caller { who: Who::User { name, role, session }, token });
        }
        let anybody = Caller { who: Who::Anybody, token: Some(self.token.clone()) };
        match (self.logins.has_users(), door) {
            (_, Door::Login) => Ok(anybody),
            (true, _) => Err(Refusal::NotLoggedIn(refusal::Asked::of(request))),
            (false, _) if wire.peer.to_canonical().is_loopback() => Ok(anybody),
            (false, _) => Err(Refusal::NoUsers),
        }
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

    /// Remembers that a session is in use. What pages do by themselves does not count: the live feed, lists
    /// that are fetched again, charts that go on.
    fn touch(&self, who: &Who, request: &Request) {
        let path = request.uri().path();
        let by_itself =
            path == "/live" || path.starts_with("/api/") || request.headers().contains_key(UNASKED);
        if let Who::User { session, .. } = who
            && !by_itself
            && self.logins.touch(*session)
        {
            let (logins, session) = (Arc::clone(&self.logins), *session);
            tokio::task::spawn_blocking(move || logins.write_touched(session));
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

/// What a program shows to be let in (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

/// Browsers name the origin of each request that changes something.
fn same_origin(origin: Option<&str>, host: &Authority) -> Result<(), Refusal> {
    let same = origin.is_some_and(|origin| {
        let plain = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        plain.is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
    });
    if same { Ok(()) } else { Err(Refusal::ForeignOrigin) }
}

/// Puts the guard in front of all routes, those that are not found included.
pub(crate) fn protect(router: Router, guard: Guard) -> Router {
    router.layer(from_fn_with_state(Arc::new(guard), check))
}

async fn check(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let admitted = guard.admit(&request);
    let mut response = match admitted {
        Err(refusal) => refusal.answer(request.uri().path()),
        Ok((caller, visit)) => {
            guard.touch(&caller.who, &request);
            let token = visit.token.clone();
            request.extensions_mut().insert(visit);
            TOKEN.scope(token, caller.who.asks(next.run(request))).await
        }
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
