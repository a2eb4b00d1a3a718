//! How a browser keeps its session: one cookie that no script and no other site can use (RFC 6265bis). It must
//! not know what the value means.

use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::uri::Authority;

/// The cookie of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    name: String,
    secure: bool,
}

impl Cookie {
    /// That of the server that is asked for as `host`. Browsers keep one jar for all ports of a host, so that
    /// two netmends behind two tunnels would throw each other out: the name has the port.
    pub(super) fn of(host: &Authority, secure: bool) -> Self {
        let port = host.port_u16().map(|port| format!("-{port}")).unwrap_or_default();
        Self { name: format!("netmend-session{port}"), secure }
    }

    /// What the browser shows.
    pub(super) fn find<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            all.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        let (_, shown) = pairs.find(|(name, _)| name.trim() == self.name)?;
        Some(shown.trim())
    }

    /// Tells the browser to show this until it is closed.
    pub(crate) fn set(&self, shown: &str) -> HeaderValue {
        self.line(shown, "")
    }

    /// Tells the browser to forget it.
    pub(crate) fn clear(&self) -> HeaderValue {
        self.line("", "; Max-Age=0")
    }

    fn line(&self, shown: &str, more: &str) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let name = &self.name;
        let line = format!("{name}={shown}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
        HeaderValue::try_from(line).expect("hexadecimal digits are valid in a header")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_no_other_site_and_no_other_port_gets_the_cookie() {
        let at = |host: &str, secure| Cookie::of(&host.parse().unwrap(), secure);
        let cookie = at("localhost:8420", false);
        let line = "netmend-session-8420=ab12; Path=/; HttpOnly; SameSite=Strict";
        assert_eq!(cookie.set("ab12"), line);
        assert_eq!(
            at("noc.example.com", true).set("x"),
            "netmend-session=x; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(cookie.clear().to_str().unwrap().ends_with("; Max-Age=0"));

        let mut headers = HeaderMap::new();
        assert_eq!(cookie.find(&headers), None);
        let text = "a=b; netmend-session-8421=other; netmend-session-8420=ab12 ; c";
        headers.insert(header::COOKIE, HeaderValue::from_static(text));
        assert_eq!(cookie.find(&headers), Some("ab12"));
        assert_eq!(at("localhost:1", false).find(&headers), None);
    }
}
