//! The keys `syslog` and what they mean: where lines come in, what of them is an event, how long they are
//! kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::keys::keys;
use super::problem::{Problem, Problems};
use super::raw::{Bytes, Flag, Folder, Label, Period, text_schema};
use super::reader::{Read, Reader, key_text};
use super::source::At;
use super::units::{self, DURATION_HELP};
use super::yaml::Node;

/// Where lines come in unless told otherwise: this machine alone can reach it.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5514);
/// How long lines are kept.
const KEEP: Duration = Duration::from_hours(30 * 24);
/// How many bytes they may take.
const MAX_BYTES: u64 = 5 << 30;
/// How long events are kept that are over.
const KEEP_EVENTS: Duration = Duration::from_hours(400 * 24);

keys! {
    /// Syslog: where lines come in and what becomes of them.
    struct RawSyslog ("a map with keys such as `udp`") {
        /// Addresses that receive datagrams. 127.0.0.1:5514 by UDP and TCP if nothing is given.
        udp: Sockets,
        /// Addresses that receive streams (RFC 6587).
        tcp: Sockets,
        /// Streams under TLS (RFC 5425).
        tls: RawTls,
        /// Files to follow as `tail -F` does.
        files: Paths,
        /// Read a file of which nothing is known from its beginning, instead of from its end.
        from_beginning: Flag,
        /// Addresses of relays: lines from there are believed in the header that the relay wrote.
        relays: Addresses,
        /// Messages of this severity or worse become events: 0 (emergency) to 7 (debug), 3 if not given.
        severity: Severity,
        /// Codes whose messages become events whatever their severity; `*` at the end stands for any more.
        codes: Codes,
        /// A fault that is over within this time comes to nothing, 10s if not given.
        settle: Settle,
        /// How long lines are kept, 30d if not given.
        keep: Period,
        /// Size on disk above which the oldest lines go, 5 GiB if not given.
        max_bytes: Bytes,
        /// How long events that are over are kept, 400d if not given.
        keep_events: Period,
        /// Folder that gets every line as JSON, compressed with zstd, a file an hour.
        archive: Folder,
        /// Folder of pattern files that count before the shipped ones: what messages mean.
        patterns: Folder,
    }
}

keys! {
    /// Streams under TLS.
    #[schemars(extend("required" = ["listen", "cert", "key"]))]
    struct RawTls ("a map with the keys `listen`, `cert` and `key`") {
        /// Addresses that receive streams under TLS.
        listen: Sockets,
        /// Certificate chain, a PEM file.
        cert: Folder,
        /// Private key, a PEM file.
        key: Folder,
        /// Authorities whose certificates senders must show, a PEM file.
        client_ca: Folder,
    }
}

/// Defines one or more values of a type.
macro_rules! list {
    ($(#[$meta:meta])* $name:ident, $one:ty) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(crate) struct $name(pub(crate) Vec<At<$one>>);

        impl Read for $name {
            fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                reader.one_or_more(node).map(Self)
            }
        }

        text_schema!($name, {
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": { "type": "string", "minLength": 1 } }
            ]
        });
    };
}

list!(
    /// Addresses with ports.
    Sockets,
    Socket
);
list!(
    /// Addresses.
    Addresses,
    Address
);
list!(
    /// Paths, relative to the file they are typed in.
    Paths,
    Folder
);
list!(
    /// Codes of messages.
    Codes,
    Label
);

/// An address with a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket(pub(crate) SocketAddr);

impl Read for Socket {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write ADDRESS:PORT, as in 0.0.0.0:514 or [::]:514";
        reader.parsed(node, "an address with a port", help, |text| {
            text.parse().ok().filter(|socket: &SocketAddr| socket.port() != 0).map(Self)
        })
    }
}

/// An IP address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(pub(crate) IpAddr);

impl Read for Address {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write an IPv4 or IPv6 address";
        reader.parsed(node, "an address", help, |text| text.parse().ok().map(Self))
    }
}

/// A severity of RFC 5424, by number or name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Severity(pub(crate) u8);

impl Severity {
    /// The names of RFC 5424, section 6.2.1, as syslog daemons abbreviate them; the place is the number.
    const NAMES: [&str; 8] =
        ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

    /// Reads `3` or `err`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok().filter(|number| *number < 8);
        let name = || {
            let name = text.to_ascii_lowercase();
            let name = match name.as_str() {
                "emergency" => "emerg",
                "critical" => "crit",
                "error" => "err",
                "warn" => "warning",
                "informational" => "info",
                other => other,
            };
            Self::NAMES.iter().position(|known| *known == name).map(|place| place as u8)
        };
        number.or_else(name).map(Self)
    }

    /// What is allowed.
    pub(crate) const HELP: &str =
        "write 0 to 7, or emerg, alert, crit, err, warning, notice, info, debug";
}

impl Read for Severity {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a severity", Self::HELP, Self::parse)
    }
}

text_schema!(Severity, {
    "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 7 },
        { "enum": ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"] }
    ]
});

/// How long a fault must last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settle(pub(crate) Duration);

impl Read for Settle {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let span = reader.parsed(node, "a duration", DURATION_HELP, units::duration)?;
        if span > Duration::from_hours(1) {
            return reader.out_of_range(node.span, "the duration is out of range", "0s to 1h");
        }
        Some(Self(span))
    }
}

text_schema!(Settle, { "type": "string", "examples": ["10s"] });

/// What the keys mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyslogSettings {
    /// Where datagrams come in.
    pub(crate) udp: Vec<SocketAddr>,
    /// Where streams come in.
    pub(crate) tcp: Vec<SocketAddr>,
    /// Where streams under TLS come in.
    pub(crate) tls: Option<TlsSettings>,
    /// Files to follow.
    pub(crate) files: Vec<PathBuf>,
    /// Whether unknown files are read from their beginning.
    pub(crate) from_beginning: bool,
    /// Whether the listeners were asked for; the default ones may fail to bind.
    pub(crate) told: bool,
    /// Relays.
    pub(crate) relays: Vec<IpAddr>,
    /// Severity that makes an event.
    pub(crate) severity: u8,
    /// Codes that make an event.
    pub(crate) codes: HashSet<String>,
    /// How long a fault must last.
    pub(crate) settle: Duration,
    /// How long lines are kept.
    pub(crate) keep: Duration,
    /// How many bytes they may take.
    pub(crate) max_bytes: u64,
    /// How long events are kept.
    pub(crate) keep_events: Duration,
    /// Where lines are archived.
    pub(crate) archive: Option<PathBuf>,
    /// Folder of the user's pattern files.
    pub(crate) patterns: Option<PathBuf>,
}

/// Streams under TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    /// Where they come in.
    pub(crate) listen: Vec<SocketAddr>,
    /// Certificate chain.
    pub(crate) cert: PathBuf,
    /// Private key.
    pub(crate) key: PathBuf,
    /// Authorities of senders.
    pub(crate) client_ca: Option<PathBuf>,
}

impl Default for SyslogSettings {
    fn default() -> Self {
        Self {
            udp: vec![LISTEN],
            tcp: vec![LISTEN],
            tls: None,
            files: Vec::new(),
            from_beginning: false,
            told: false,
            relays: Vec::new(),
            severity: 3,
            codes: HashSet::new(),
            settle: Duration::from_secs(10),
            keep: KEEP,
            max_bytes: MAX_BYTES,
            keep_events: KEEP_EVENTS,
            archive: None,
            patterns: None,
        }
    }
}

impl RawSyslog {
    /// The settings; paths are relative to `folder`.
    pub(crate) fn settings(self, folder: &Path, problems: &mut Problems) -> SyslogSettings {
        let default = SyslogSettings::default();
        let told = self.udp.is_some() || self.tcp.is_some() || self.tls.is_some();
        let sockets = |raw: Option<At<Sockets>>, default: Vec<SocketAddr>| match raw {
            Some(raw) => raw.value.0.iter().map(|socket| socket.value.0).collect(),
            None if told => Vec::new(),
            None => default,
        };
        let paths = self.files.map(|files| files.value.0).unwrap_or_default();
        // As devices print them or not: `%SYS-5-CONFIG_I`.
        let plain = |code: String| code.trim_start_matches('%').to_owned();
        let list = |codes: Codes| codes.0.into_iter().map(move |code| plain(code.value.0));
        SyslogSettings {
            udp: sockets(self.udp, default.udp),
            tcp: sockets(self.tcp, default.tcp),
            tls: self.tls.and_then(|tls| tls_settings(tls, folder, problems)),
            files: paths.into_iter().map(|path| placed(&folder.join(path.value.0))).collect(),
            from_beginning: self.from_beginning.is_some_and(|flag| flag.value.0),
            told,
            relays: self.relays.map_or_else(Vec::new, |relays| {
                relays.value.0.iter().map(|relay| relay.value.0).collect()
            }),
            severity: self.severity.map_or(default.severity, |severity| severity.value.0),
            codes: self.codes.into_iter().flat_map(|codes| list(codes.value)).collect(),
            settle: self.settle.map_or(default.settle, |settle| settle.value.0),
            keep: self.keep.map_or(default.keep, |keep| keep.value.0),
            max_bytes: self.max_bytes.map_or(default.max_bytes, |bytes| bytes.value.0),
            keep_events: self.keep_events.map_or(default.keep_events, |keep| keep.value.0),
            archive: self.archive.map(|path| folder.join(path.value.0)),
            patterns: self.patterns.map(|path| folder.join(path.value.0)),
        }
    }
}

fn tls_settings(raw: At<RawTls>, folder: &Path, problems: &mut Problems) -> Option<TlsSettings> {
    let At { value: RawTls { listen, cert, key, client_ca }, span } = raw;
    let path = |path: At<Folder>| folder.join(path.value.0);
    match (listen, cert, key) {
        (Some(listen), Some(cert), Some(key)) => Some(TlsSettings {
            listen: listen.value.0.iter().map(|socket| socket.value.0).collect(),
            cert: path(cert),
            key: path(key),
            client_ca: client_ca.map(path),
        }),
        (listen, cert, key) => {
            let missing =
                [("listen", listen.is_none()), ("cert", cert.is_none()), ("key", key.is_none())];
            for (name, _) in missing.into_iter().filter(|(_, missing)| *missing) {
                problems.push(Problem::new(span, format!("`tls` needs the key `{name}`")));
            }
            None
        }
    }
}

/// A file from the root on: how far it was read is kept under its path, wherever netmend is started from.
fn placed(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::from_text;
    use super::super::load::load_text;
    use super::*;

    #[test]
    fn without_a_word_this_machine_alone_is_heard() {
        let syslog = from_text("site: x\n").syslog;
        assert_eq!(*syslog, SyslogSettings::default());
        assert_eq!((syslog.udp, syslog.tcp), (vec![LISTEN], vec![LISTEN]));
    }

    #[test]
    fn who_names_a_listener_gets_that_one_alone() {
        let text =
            "syslog:\n  udp: 0.0.0.0:514\n  relays: [10.0.0.5]\n  severity: warn\n  files: log\n";
        let syslog = from_text(text).syslog;
        assert_eq!(syslog.udp, ["0.0.0.0:514".parse().unwrap()]);
        assert!(syslog.tcp.is_empty() && syslog.told);
        assert_eq!((syslog.severity, syslog.relays.len()), (4, 1));
        assert!(syslog.files[0].is_absolute() && syslog.files[0].ends_with("log"), "{syslog:?}");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, words) in [
            ("syslog: { udp: 514 }", "not an address with a port"),
            ("syslog: { udp: 1.2.3.4:0 }", "not an address with a port"),
            ("syslog: { severity: bad }", "not a severity"),
            ("syslog: { tls: { listen: 0.0.0.0:6514 } }", "`tls` needs the key `cert`"),
            ("syslog: { relays: [a] }", "not an address"),
            ("syslog: { settle: 2h }", "out of range"),
            ("syslog: { upd: 1.2.3.4:514 }", "unknown key"),
        ] {
            let told = load_text("t", text).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}
