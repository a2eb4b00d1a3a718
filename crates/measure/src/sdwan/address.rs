//! Where an orchestrator is, from what people type: a host name with or without scheme, port and trailing
//! slash. It must not contact anybody.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// Scheme, host and port of an orchestrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// Why something is no address of an orchestrator. The words hold nothing of what was typed, since that may
/// be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It cannot be read at all.
    #[error("is no address: write https://HOST, with :PORT if it is not 443")]
    Unreadable,
    /// It holds a user or a password.
    #[error("holds a user or password: they have keys of their own")]
    Login,
    /// It holds a path, a query or a fragment that orchestrators do not have.
    #[error("holds more than a host and a port: write https://HOST, with :PORT if it is not 443")]
    Path,
    /// Neither HTTPS nor HTTP.
    #[error("must begin with https://")]
    Scheme,
    /// Clear text over a network.
    #[error("begins with http://, which would send the credential in clear text: write https://")]
    Clear,
}

impl Address {
    /// Reads `vco.example.com`, `vco.example.com:8443/`, `https://vco.example.com/portal/`.
    ///
    /// # Errors
    /// What is wrong with it. Plain HTTP is for this machine alone.
    pub fn parse(typed: &str) -> Result<Self, BadAddress> {
        let typed = typed.trim();
        let full =
            if typed.contains("://") { typed.to_owned() } else { format!("https://{typed}") };
        let mut url: Url = full.parse().map_err(|_| BadAddress::Unreadable)?;
        if !url.has_host() {
            return Err(BadAddress::Unreadable);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadAddress::Login);
        }
        let path = url.path().trim_matches('/');
        let bare = matches!(path, "" | "portal" | "portal/rest" | "ui" | "operator");
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(BadAddress::Path);
        }
        url.set_path("/");
        let address = Self(url);
        match address.0.scheme() {
            "https" => Ok(address),
            "http" if address.is_local() => Ok(address),
            "http" => Err(BadAddress::Clear),
            _ => Err(BadAddress::Scheme),
        }
    }

    /// Whether it is on this machine, where no proxy helps.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// The address of a path, which begins without a slash and may end with a query.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        match path.split_once('?') {
            None => url.set_path(path),
            Some((path, query)) => {
                url.set_path(path);
                url.set_query(Some(query));
            }
        }
        url
    }
}

impl fmt::Display for Address {
    /// Scheme, host and, if it is not the scheme's own, port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_type_addresses_in_many_ways() {
        for (typed, read) in [
            ("vco.example.com", "https://vco.example.com"),
            ("vco.managed-sdwan.com/", "https://vco.managed-sdwan.com"),
            (" https://vco.example.com:443/portal/ ", "https://vco.example.com"),
            ("VCO.example.com:8443", "https://vco.example.com:8443"),
            ("[::1]:8443/", "https://[::1]:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(Address::parse(typed).unwrap().to_string(), read, "{typed}");
        }
    }

    #[test]
    fn what_would_leak_or_lead_nowhere_is_refused() {
        for (typed, why) in [
            ("", BadAddress::Unreadable),
            ("https://", BadAddress::Unreadable),
            ("vco.example.com:99999", BadAddress::Unreadable),
            ("me:hunter2@vco.example.com", BadAddress::Login),
            ("vco.example.com/elsewhere", BadAddress::Path),
            ("vco.example.com/?x=1", BadAddress::Path),
            ("ftp://vco.example.com", BadAddress::Scheme),
            ("http://vco.example.com", BadAddress::Clear),
        ] {
            assert_eq!(Address::parse(typed), Err(why), "{typed}");
        }
    }

    #[test]
    fn a_path_keeps_its_query() {
        let address = Address::parse("vco.example.com").unwrap();
        let joined = |path| address.join(path).to_string();
        assert_eq!(joined("portal/rest/a"), "https://vco.example.com/portal/rest/a");
        assert_eq!(joined("api/v1/a?t0=1&t1=2"), "https://vco.example.com/api/v1/a?t0=1&t1=2");
    }

    #[test]
    fn only_loopback_is_local() {
        let local = |typed| Address::parse(typed).unwrap().is_local();
        assert!(local("localhost:1") && local("127.0.0.1") && local("[::1]"));
        assert!(!local("10.0.0.1") && !local("localhost.example.com"));
    }
}
