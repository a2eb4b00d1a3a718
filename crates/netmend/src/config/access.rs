//! The keys `listen` and `access` and what they mean: where the pages are, and who may look. Users are not in
//! the configuration but in the store: see `netmend user`.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use show::login::Terms;

use super::keys::keys;
use super::problem::{Problem, Problems};
use super::raw::{Flag, Folder, text_schema};
use super::reader::{Read, Reader, key_text};
use super::source::At;
use super::units::{self, DURATION_HELP};
use super::yaml::Node;

/// Where the pages are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listen(pub(crate) SocketAddr);

impl Read for Listen {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write ADDRESS:PORT, as in 127.0.0.1:8420 or [::1]:8420";
        reader.parsed(node, "an address with a port", help, |text| {
            text.parse().ok().filter(|listen: &SocketAddr| listen.port() != 0).map(Self)
        })
    }
}

text_schema!(Listen, { "type": "string", "examples": ["127.0.0.1:8420", "[::1]:8420"] });

/// How long a login lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term(pub(crate) Duration);

impl Read for Term {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let span = reader.parsed(node, "a duration", DURATION_HELP, units::duration)?;
        let allowed = Duration::from_mins(5)..=Duration::from_hours(90 * 24);
        if !allowed.contains(&span) {
            return reader.out_of_range(node.span, "the duration is out of range", "5m to 90d");
        }
        Some(Self(span))
    }
}

text_schema!(Term, { "type": "string", "examples": ["12h", "7d"] });

keys! {
    /// Who may look at the pages, and how.
    struct RawAccess ("a map with keys such as `tls`") {
        /// Serve the pages under TLS.
        tls: RawPagesTls,
        /// Further names that the pages are asked by, such as that of a proxy. That of `pages` is known.
        names: Names,
        /// Whether /metrics needs no login.
        open_metrics: Flag,
        /// A login ends after so long without a click, 12h if not given.
        idle: Term,
        /// A login ends after so long, 7d if not given.
        longest: Term,
    }
}

keys! {
    /// The pages under TLS.
    #[schemars(extend("required" = ["cert", "key"]))]
    struct RawPagesTls ("a map with the keys `cert` and `key`") {
        /// Certificate chain, a PEM file.
        cert: Folder,
        /// Private key, a PEM file.
        key: Folder,
    }
}

/// Host names.
#[derive(Debug, Default)]
pub(crate) struct Names(pub(crate) Vec<At<Name>>);

impl Read for Names {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.one_or_more(node).map(Self)
    }
}

text_schema!(Names, {
    "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 } }
    ]
});

/// A host name.
#[derive(Debug)]
pub(crate) struct Name(pub(crate) String);

impl Read for Name {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write a name without port, as in noc.example.com";
        reader.parsed(node, "a host name", help, |text| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let plain = !text.is_empty() && text.len() <= 253 && text.bytes().all(fits);
            plain.then(|| Self(text.to_owned()))
        })
    }
}

/// Who may look at the pages, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Certificate chain and key, if the pages are under TLS.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Further names that the pages are asked by.
    pub(crate) names: Vec<String>,
    /// Whether `/metrics` needs no login.
    pub(crate) open_metrics: bool,
    /// How long a login lasts.
    pub(crate) terms: Terms,
}

impl RawAccess {
    /// What it means; paths are relative to `folder`.
    pub(crate) fn access(self, folder: &Path, problems: &mut Problems) -> Access {
        let usual = Terms::default();
        let terms = Terms {
            idle: self.idle.as_ref().map_or(usual.idle, |idle| idle.value.0),
            longest: self.longest.as_ref().map_or(usual.longest, |longest| longest.value.0),
        };
        if terms.idle > terms.longest
            && let Some(span) = self.longest.as_ref().or(self.idle.as_ref()).map(|at| at.span)
        {
            let what = "a login may be idle for longer than it may last";
            let allowed = "`longest` (7d if not given) must be at least `idle` (12h)";
            problems.push(Problem::new(span, what).allowed(allowed));
        }
        Access {
            tls: self.tls.and_then(|tls| files(tls, folder, problems)),
            names: self.names.map_or_else(Vec::new, |names| {
                names.value.0.into_iter().map(|name| name.value.0).collect()
            }),
            open_metrics: self.open_metrics.is_some_and(|flag| flag.value.0),
            terms,
        }
    }
}

fn files(
    At { value: RawPagesTls { cert, key }, span }: At<RawPagesTls>,
    folder: &Path,
    problems: &mut Problems,
) -> Option<(PathBuf, PathBuf)> {
    for (name, missing) in [("cert", cert.is_none()), ("key", key.is_none())] {
        if missing {
            problems.push(Problem::new(span, format!("`tls` needs the key `{name}`")));
        }
    }
    let path = |path: At<Folder>| folder.join(path.value.0);
    Some((path(cert?), path(key?)))
}

/// The host of a web address.
pub(crate) fn host(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::from_text;
    use super::super::load::load_text;
    use super::*;

    #[test]
    fn what_is_not_said_is_the_usual_and_the_name_of_the_pages_is_known() {
        let access = from_text("site: a\n").access;
        assert_eq!(*access, Access::default());
        let access = from_text(
            "pages: https://noc.example.com:8443/netmend\naccess:\n  names: [n1, n2.example.com]\n  open_metrics: true\n  idle: 30m\n",
        )
        .access;
        assert_eq!(access.names, ["n1", "n2.example.com", "noc.example.com"]);
        assert!(access.open_metrics);
        assert_eq!(access.terms.idle, Duration::from_mins(30));
        assert_eq!(access.terms.longest, Terms::default().longest);
    }

    #[test]
    fn what_cannot_be_meant_is_a_problem_with_its_place() {
        for (text, words) in [
            ("access: { tls: { cert: a.pem } }", "`tls` needs the key `key`"),
            ("access: { idle: 8d }", "idle for longer"),
            ("access: { idle: 1m }", "5m to 90d"),
            ("access: { names: 'a/b' }", "a host name"),
            ("access: { tsl: 1 }", "tsl"),
        ] {
            let problems = load_text("test", text).unwrap_err().to_string();
            assert!(problems.contains(words), "{text}: {problems}");
        }
    }

    #[test]
    fn a_web_address_has_a_host() {
        for (address, expected) in [
            ("https://noc.example.com", Some("noc.example.com")),
            ("http://10.0.0.1:8420/x", Some("10.0.0.1")),
            ("http://[2001:db8::1]:1", Some("2001:db8::1")),
            ("noc", None),
        ] {
            assert_eq!(host(address).as_deref(), expected, "{address}");
        }
    }
}
