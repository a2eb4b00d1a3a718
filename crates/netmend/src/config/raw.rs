//! What can be typed in a config file, key by key. This is the one definition: the reader, the lists of
//! allowed keys and the JSON Schema come from it. What the values mean together is decided in
//! [`super::settings`] and [`super::targets`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use model::Family;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::access::{Listen, RawAccess};
use super::devices::{InventoryFiles, RawDevices, RawLogin};
use super::grafana::RawGrafana;
use super::host;
use super::judged::{ListOf, RawAmounts, RawDetect, RawMaintenance, RawNotify, WebAddress};
use super::keys::keys;
use super::orchestrators::RawOrchestrators;
use super::problem::{Problem, quote};
use super::reader::{Read, Reader, key_text};
use super::remediations::RawRemediations;
use super::secret::Text;
use super::sinks::{RawSink, RawSpool};
use super::snmp::RawSnmp;
use super::source::At;
use super::syslog::RawSyslog;
use super::units::{self, DURATION_HELP, SIZE_HELP};
use super::yaml::{Core, Node, Value, core};

/// Adds the keys that a target and `defaults` share.
macro_rules! keys_of_probes {
    (
        $(#[$meta:meta])*
        struct $name:ident ($wanted:literal) { $($own:tt)* }
    ) => {
        keys! {
            $(#[$meta])*
            struct $name ($wanted) {
                $($own)*
                /// Time between two probes, 3s if not given. At least 500ms: at most 2 probes a second go
                /// to one address.
                interval: Interval,
                /// How long to wait for an answer, 1s if not given; independent of the interval. An answer
                /// after it is late, which counts as loss.
                timeout: Timeout,
                /// Address family of a name: 4 (if not given), 6, or both, which makes two targets. An
                /// address has its own.
                family: FamilyChoice,
                /// DSCP of the packets: 0 to 63, or a name such as EF, AF41, CS6.
                dscp: Dscp,
                /// Payload of an ICMP echo in bytes, 56 if not given. TCP probes carry none.
                size: PayloadSize,
                /// Forbid routers to fragment the packets.
                dont_fragment: Flag,
                /// Source address, one of this machine's. In `defaults` it counts for targets of its family.
                source: SourceAddress,
                /// Network device to leave through, such as eth1.
                device: Device,
                /// Your own names and values, to group and filter by. Those in `defaults` are added.
                tags: Tags,
                /// Host that must be reachable for this one to be, such as its gateway.
                parent: Host,
                /// Values above which it is wrong whatever is usual.
                limits: RawAmounts,
            }
        }
    };
}

keys! {
    /// The configuration of netmend: what `netmend run --config` takes.
    #[schemars(title = "netmend.yaml")]
    struct RawConfig ("a map with keys such as `targets`") {
        /// Where this instance stands, such as london-1. The host's name if not given.
        site: Label,
        /// What to probe, by region.
        targets: Regions,
        /// What holds for all targets of this file and of those it includes, unless they say otherwise.
        defaults: RawDefaults,
        /// Address and port of the pages, 127.0.0.1:8420 if not given. Without users (`netmend user add`)
        /// this machine alone is answered.
        listen: Listen,
        /// Who may look at the pages, and how.
        access: RawAccess,
        /// Folder for the data, relative to this file.
        data: Folder,
        /// How much is kept.
        store: RawStore,
        /// Syslog: where lines come in and what becomes of them.
        syslog: RawSyslog,
        /// The devices, by name.
        devices: RawDevices,
        /// How to log in to the devices that have no login of their own.
        login: RawLogin,
        /// SNMP: how devices are asked for their interfaces, and where traps are heard.
        snmp: RawSnmp,
        /// Files with further devices: CSV, or JSON as `NetBox` exports it.
        inventory: InventoryFiles,
        /// The orchestrators of SD-WANs that are asked, by name.
        orchestrators: RawOrchestrators,
        /// Repairs: where the files are, how far they may go, how much at once.
        remediations: RawRemediations,
        /// How it is found out what is wrong.
        detect: RawDetect,
        /// Who is told what is wrong, and how.
        notify: ListOf<RawNotify>,
        /// When which part of the network is worked on.
        maintenance: ListOf<RawMaintenance>,
        /// Where what is measured is passed on to: databases of others.
        sinks: ListOf<RawSink>,
        /// What is kept on disk for sinks that do not take it.
        spool: RawSpool,
        /// A web address that is called each minute while all stages move, so that somebody else notices
        /// when netmend does not.
        heartbeat: WebAddress,
        /// Where people reach the pages, for links in messages.
        pages: WebAddress,
        /// Dashboards for a Grafana, kept up to date in a folder.
        grafana: RawGrafana,
        /// Further config or targets files, relative to this file; `*` and `?` stand for any letters.
        include: Includes,
    }
}

keys! {
    /// How much is kept.
    struct RawStore ("a map with keys such as `raw`") {
        /// How long each sample is kept, 30d if not given.
        raw: Period,
        /// How long the values per minute are kept, 400d if not given.
        rollup: Period,
        /// Size on disk above which the oldest samples go, 10 GiB if not given.
        max_bytes: Bytes,
    }
}

keys_of_probes! {
    /// What holds for all targets that do not say otherwise.
    struct RawDefaults ("a map with keys such as `interval`") {}
}

keys_of_probes! {
    /// A target with its own settings.
    #[schemars(extend("required" = ["host"]))]
    struct RawTarget ("a host or a map with the key `host`") {
        /// Name or address. A link-local address needs its zone, as in `fe80::1%eth0`.
        host: Host,
        /// TCP port, or a list of them, 1 to 65535. Each is a target of its own.
        tcp: Ports,
        /// Whether to ask by ICMP echo; if not given, only where there is no `tcp`.
        icmp: Flag,
    }
}

/// The regions in the order typed.
#[derive(Debug, Default)]
pub(crate) struct Regions(pub(crate) Vec<(At<Label>, Region)>);

/// What stands under a region.
#[derive(Debug)]
pub(crate) enum Region {
    /// `[host, host]`: ICMP.
    List(Vec<Item>),
    /// `{ host: port }`: TCP.
    Map(Vec<(At<Host>, At<Ports>)>),
}

/// One entry of a region's list.
#[derive(Debug)]
pub(crate) enum Item {
    /// A host alone.
    Host(At<Host>),
    /// A host with settings.
    Full(Box<At<RawTarget>>),
}

impl Read for Regions {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, "a map of regions, each with its hosts")?;
        let mut regions = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, region) = (reader.at(key), Region::read(value, reader));
            regions.extend(name.zip(region));
        }
        Some(Self(regions))
    }
}

impl Read for Region {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::List(items) => Some(Region::List(
                items.iter().filter_map(|item| Item::read(item, reader)).collect(),
            )),
            Value::Map(entries) => {
                let mut ports = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let (host, port) = (reader.at(key), reader.at(value));
                    ports.extend(host.zip(port));
                }
                Some(Region::Map(ports))
            }
            Value::Scalar { .. } => {
                reader.expected(node, "a list of hosts or a map of hosts to ports")
            }
        }
    }
}

impl Read for Item {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            Value::Map(_) => Some(Item::Full(Box::new(reader.at(node)?))),
            _ => reader.at(node).map(Item::Host),
        }
    }
}

/// A name for people: region, site. 1 to 128 letters, no control characters.
#[derive(Debug)]
pub(crate) struct Label(pub(crate) String);

impl Read for Label {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write 1 to 128 letters on one line";
        reader.parsed(node, "a name", help, |text| {
            let fits = !text.trim().is_empty()
                && text.chars().count() <= 128
                && !text.contains(char::is_control);
            fits.then(|| Self(text.to_owned()))
        })
    }
}

/// A host with the family that it has if it is an address.
#[derive(Debug)]
pub(crate) struct Host {
    /// As typed.
    pub(crate) name: String,
    /// Its family; `None` for names.
    pub(crate) family: Option<Family>,
}

impl Read for Host {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if let Value::Scalar { text, plain } = &node.value
            && matches!(core(text, *plain), Core::Number | Core::Bool(_))
        {
            let kind = node.kind().trim_start_matches("a ");
            let what = format!("expected a host, found the {kind} {}", quote(text));
            let help = "put it in quotes if it is the name of a host";
            return reader.refuse(Problem::new(node.span, what).allowed(help));
        }
        let text = reader.text(node, "a host")?;
        Self::from_text(text)
            .map_err(|what| reader.problems.push(Problem::new(node.span, what)))
            .ok()
    }
}

impl Host {
    /// Checks a host that was typed anywhere.
    pub(crate) fn from_text(text: Text) -> Result<Self, String> {
        match host::check(text.value()) {
            Ok(family) => Ok(Self { name: text.into_value(), family }),
            Err(why) => Err(format!("{} {why}", quote(text.typed()))),
        }
    }
}

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(pub(crate) u16);

impl Port {
    /// What is allowed.
    pub(crate) const HELP: &str = host::PORT_HELP;

    /// Reads a port.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        host::port(text).map(Self)
    }
}

impl Read for Port {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a TCP port", Self::HELP, Self::parse)
    }
}

/// One port or a list of them.
#[derive(Debug)]
pub(crate) struct Ports(pub(crate) Vec<At<Port>>);

impl Read for Ports {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let ports = reader.one_or_more(node)?;
        if ports.is_empty() {
            return reader.refuse(Problem::new(node.span, "no port is given").allowed(Port::HELP));
        }
        Some(Self(ports))
    }
}

/// `true` or `false`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(pub(crate) bool);

impl Read for Flag {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a bool", "write true or false", |text| match core(text, true) {
            Core::Bool(value) => Some(Self(value)),
            _ => None,
        })
    }
}

/// Defines a duration with a range.
macro_rules! duration {
    ($(#[$meta:meta])* $name:ident, $least:expr, $most:expr, $help:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) Duration);

        impl Read for $name {
            fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let span = reader.parsed(node, "a duration", DURATION_HELP, units::duration)?;
                if span < $least || span > $most {
                    return reader.out_of_range(node.span, "the duration is out of range", $help);
                }
                Some(Self(span))
            }
        }

        text_schema!($name, {
            "type": "string",
            "pattern": r"^\s*([0-9.]+\s*(ms|s|m|h|d|w|y)\s*)+$|\$\{",
            "examples": ["10s", "1m 30s"]
        });
    };
}

/// Gives a type its part of the schema, inline.
macro_rules! text_schema {
    ($name:ident, $schema:tt) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

pub(super) use {duration, text_schema};

mod schema;

duration! {
    /// Time between two probes.
    Interval, Duration::from_millis(500), Duration::from_hours(24),
    "500ms to 24h: at most 2 probes a second go to one address"
}
duration! {
    /// How long to wait for an answer.
    Timeout, Duration::from_millis(1), Duration::from_mins(1), "1ms to 1m"
}
duration! {
    /// How long to keep something.
    Period, Duration::from_hours(1), Duration::from_hours(100 * 365 * 24), "1h to 100y"
}

/// A size in bytes, at least 64 MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl Read for Bytes {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let size = reader.parsed(node, "a size", SIZE_HELP, units::size)?;
        if size < 64 << 20 {
            return reader.out_of_range(node.span, "the size is too small", "at least 64 MiB");
        }
        Some(Self(size))
    }
}

/// The families that a name is probed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FamilyChoice {
    /// One.
    One(Family),
    /// Both, as two targets.
    Both,
}

impl Read for FamilyChoice {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "an address family", "write 4, 6 or both", |text| match text {
            "4" => Some(Self::One(Family::V4)),
            "6" => Some(Self::One(Family::V6)),
            "both" => Some(Self::Both),
            _ => None,
        })
    }
}

/// A DSCP, 0 to 63.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dscp(pub(crate) u8);

impl Dscp {
    /// What may be written.
    pub(crate) const HELP: &str = "write 0 to 63 or a name such as EF, AF41 or CS6";

    /// The number, or the name as in RFC 2474 (`CS0` to `CS7`), RFC 2597 (`AF11` to `AF43`), RFC 3246 (`EF`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_uppercase();
        let code = match name.as_bytes() {
            b"EF" => 46,
            [b'C', b'S', class @ b'0'..=b'7'] => (class - b'0') << 3,
            [b'A', b'F', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => {
                (class - b'0') << 3 | (drop - b'0') << 1
            }
            _ => text.parse().ok().filter(|code| *code < 64)?,
        };
        Some(Self(code))
    }
}

impl Read for Dscp {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a DSCP", Self::HELP, Self::parse)
    }
}

/// Payload of an ICMP echo in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayloadSize(pub(crate) u16);

impl PayloadSize {
    /// The least that holds slot, round and MAC of a probe.
    const LEAST: u16 = 16;
    /// What is left of an IPv4 packet of 65,535 bytes.
    const MOST: u16 = 65_507;
}

impl Read for PayloadSize {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let range = Self::LEAST..=Self::MOST;
        let help = "16 to 65507 bytes";
        reader.parsed(node, "a payload's size", help, |text| {
            text.parse().ok().filter(|size| range.contains(size)).map(Self)
        })
    }
}

/// An address of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceAddress(pub(crate) IpAddr);

impl Read for SourceAddress {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write an address of this machine, as in 10.0.0.5";
        reader.parsed(node, "a source address", help, |text| {
            let address: IpAddr = text.parse().ok()?;
            (!address.is_unspecified() && !address.is_multicast()).then_some(Self(address))
        })
    }
}

/// A network device's name.
#[derive(Debug)]
pub(crate) struct Device(pub(crate) String);

impl Read for Device {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "1 to 15 letters, as `ip link` shows them";
        reader.parsed(node, "a network device", help, |text| {
            host::device(text).then(|| Self(text.to_owned()))
        })
    }
}

/// Tags by name.
#[derive(Debug, Default)]
pub(crate) struct Tags(pub(crate) BTreeMap<String, String>);

impl Read for Tags {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let mut tags = BTreeMap::new();
        for (key, value) in reader.entries(node, "a map of names to values")? {
            let (name, value) = (Label::read(key, reader), Label::read(value, reader));
            tags.extend(name.zip(value).map(|(name, value)| (name.0, value.0)));
        }
        Some(Self(tags))
    }
}

/// A path, relative to the file it is typed in.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) String);

impl Read for Folder {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a path", "write a folder's path", |text| {
            (!text.is_empty()).then(|| Self(text.to_owned()))
        })
    }
}

/// PEM certificates, out of the file that is typed.
#[derive(Debug)]
pub(crate) struct Certificates(pub(crate) Vec<u8>);

impl Read for Certificates {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.file(node).map(Self)
    }
}

/// Paths and patterns of further files.
#[derive(Debug, Default)]
pub(crate) struct Includes(pub(crate) Vec<At<Folder>>);

impl Read for Includes {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.one_or_more(node).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
