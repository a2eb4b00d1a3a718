//! Arguments of commands. Whatever a script hands over may have come out of a message that a stranger wrote, so
//! it is parsed as the thing that it should be, and what is sent is put together from what was parsed. Nothing
//! that could end a word or a line gets through.

use std::fmt;
use std::net::IpAddr;

/// Longest name.
const LONGEST: usize = 64;
/// Names that mean many things at once, or change what a command does.
const MANY: &[&str] = &[
    "all",
    "any",
    "both",
    "each",
    "every",
    "external",
    "internal",
    "force",
    "forced",
    "default-all",
    "soft",
    "in",
    "out",
    "peer-group",
    "process",
    "restart",
    "range",
];

/// What an argument has to be, as the place in a template says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{}`: an interface, an address or a number, whatever it is.
    Any,
    /// `{interface}`
    Interface,
    /// `{ip}`: an IPv4 or IPv6 address.
    Ip,
    /// `{vlan}`: 1 to 4094.
    Vlan,
    /// `{asn}`: 1 to 4294967295.
    Asn,
    /// `{number}`: 0 to 4294967295.
    Number,
    /// `{name}`: of a VRF, a tunnel, a module.
    Name,
}

impl Kind {
    /// All of them with their names in templates.
    pub(super) const ALL: [(&'static str, Kind); 7] = [
        ("", Kind::Any),
        ("interface", Kind::Interface),
        ("ip", Kind::Ip),
        ("vlan", Kind::Vlan),
        ("asn", Kind::Asn),
        ("number", Kind::Number),
        ("name", Kind::Name),
    ];

    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    /// In words.
    fn words(self) -> &'static str {
        match self {
            Kind::Any => "interface, IP address or number",
            Kind::Interface => "interface",
            Kind::Ip => "IP address",
            Kind::Vlan => "VLAN from 1 to 4094",
            Kind::Asn => "AS number",
            Kind::Number => "number",
            Kind::Name => "name",
        }
    }
}

/// An argument that is what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Letters, then the place of the interface.
    Interface(String),
    /// An address.
    Ip(IpAddr),
    /// A VLAN, an AS, a slot.
    Number(u32),
    /// Another name.
    Name(String),
}

/// Why text is no argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoArgument {
    /// It is something else.
    #[error("{} is no {}", quoted(.text), .kind.words())]
    Kind { text: String, kind: Kind },
    /// It means more than one thing.
    #[error("{} could mean more than one thing", quoted(.text))]
    Many { text: String },
}

/// Text of a stranger, so that it does no harm where it is shown.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

impl Argument {
    /// Reads text as what it has to be.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, NoArgument> {
        let parsed = match kind {
            Kind::Any => ip(text).or_else(|| number(text, 0, u32::MAX)).or_else(|| {
                interface(text).filter(|_| text.contains(|c: char| c.is_ascii_digit()))
            }),
            Kind::Interface => interface(text),
            Kind::Ip => ip(text),
            Kind::Vlan => number(vlan_digits(text), 1, 4094),
            Kind::Asn => number(text, 1, u32::MAX),
            Kind::Number => number(text, 0, u32::MAX),
            Kind::Name => is_name(text).then(|| Argument::Name(text.to_owned())),
        };
        let text = || text.to_owned();
        let parsed = parsed.ok_or_else(|| NoArgument::Kind { text: text(), kind })?;
        match &parsed {
            Argument::Interface(name) | Argument::Name(name)
                if MANY.iter().any(|many| many.eq_ignore_ascii_case(name)) =>
            {
                Err(NoArgument::Many { text: text() })
            }
            _ => Ok(parsed),
        }
    }
}

impl fmt::Display for Argument {
    /// As it is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Interface(name) | Argument::Name(name) => f.write_str(name),
            Argument::Ip(address) => address.fmt(f),
            Argument::Number(number) => number.fmt(f),
        }
    }
}

fn ip(text: &str) -> Option<Argument> {
    text.parse().ok().map(Argument::Ip)
}

fn number(text: &str, least: u32, most: u32) -> Option<Argument> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (least..=most).contains(number))?;
    Some(Argument::Number(number))
}

/// `VLAN0010` and `vlan 10` are 10.
fn vlan_digits(text: &str) -> &str {
    let word = text.get(..4).filter(|word| word.eq_ignore_ascii_case("vlan"));
    word.map_or(text, |word| text[word.len()..].trim_start().trim_start_matches('0'))
}

/// `Gi1/0/5`, `vlan 20`, `xe-0/0/1.0`, `swp1s0`, `Port-channel10`; `10GE1/0/1` of VRP and `1/1/c2/1` of SR OS.
fn interface(text: &str) -> Option<Argument> {
    let joined = match text.split_once(' ') {
        // Some write a blank before the number, and only there.
        Some((letters, place))
            if letters.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
                && place.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            format!("{letters}{place}")
        }
        _ => text.to_owned(),
    };
    let starts = joined.starts_with(|c: char| c.is_ascii_alphabetic());
    let of_vrp = || joined.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with("GE");
    let slot = |part: &str| {
        let digits = part.strip_prefix('c').unwrap_or(part);
        !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let of_sros = || joined.split('/').count() > 2 && joined.split('/').all(slot);
    ((starts || of_vrp() || of_sros()) && is_name(&joined)).then_some(Argument::Interface(joined))
}

fn is_name(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:/+-".contains(&byte))
}

/// Whether two names are of one interface: a number for a number, and letters of which one is the beginning of
/// the other. `Gi1/0/5` is `GigabitEthernet1/0/5`.
pub(super) fn same_interface(a: &str, b: &str) -> bool {
    let split = |name: &str| name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    let (a_letters, a_place) = a.split_at(split(a));
    let (b_letters, b_place) = b.split_at(split(b));
    if a_place != b_place {
        return false;
    }
    let length = a_letters.len().min(b_letters.len());
    let same = match (a_letters.get(..length), b_letters.get(..length)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    // Without a number there is nothing to tell a short name from another one.
    same && (a_letters.len() == b_letters.len() || (length >= 2 && !a_place.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: Kind, text: &str) -> String {
        Argument::parse(kind, text).map_or_else(|why| why.to_string(), |it| it.to_string())
    }

    #[test]
    fn what_is_what_it_should_be_is_taken() {
        for (kind, text, sent) in [
            (Kind::Any, "Gi1/0/5", "Gi1/0/5"),
            (Kind::Any, "vlan 20", "vlan20"),
            (Kind::Any, "xe-0/0/1.0", "xe-0/0/1.0"),
            (Kind::Any, "10GE1/0/1", "10GE1/0/1"),
            (Kind::Interface, "1/1/c2/1", "1/1/c2/1"),
            (Kind::Any, "10.0.0.2", "10.0.0.2"),
            (Kind::Any, "2001:DB8::0:1", "2001:db8::1"),
            (Kind::Any, "65001", "65001"),
            (Kind::Interface, "peerlink", "peerlink"),
            (Kind::Vlan, "VLAN0010", "10"),
            (Kind::Asn, "4200000000", "4200000000"),
            (Kind::Name, "to-nyc.2", "to-nyc.2"),
        ] {
            assert_eq!(parsed(kind, text), sent, "{kind:?} {text}");
        }
    }

    #[test]
    fn what_could_be_more_than_an_argument_is_refused() {
        for text in [
            "Ethernet1\nreload",
            "Ethernet1\rreload",
            "1; reload",
            "$(reboot)",
            "`reboot`",
            "Ethernet1 | redirect x",
            "Ethernet1 shutdown",
            "eth0;reboot",
            "-rf",
            "1.1.1.1 soft",
            "\u{202e}1/0",
            "Gi1/0/٣",
            "",
            " ",
            "?",
            "a?1",
        ] {
            for (name, kind) in Kind::ALL {
                assert!(Argument::parse(kind, text).is_err(), "{{{name}}} took {text:?}");
            }
        }
        assert!(Argument::parse(Kind::Name, &"a".repeat(65)).is_err());
        assert!(Argument::parse(Kind::Vlan, "4095").is_err());
        assert!(Argument::parse(Kind::Asn, "0").is_err());
        assert!(Argument::parse(Kind::Number, "+1").is_err());
    }

    #[test]
    fn a_peer_named_all_is_none() {
        for (name, kind) in Kind::ALL {
            assert!(Argument::parse(kind, "all").is_err(), "{{{name}}}");
        }
        assert_eq!(parsed(Kind::Interface, "ALL"), "`ALL` could mean more than one thing");
        assert_eq!(parsed(Kind::Any, "all"), "`all` is no interface, IP address or number");
    }

    #[test]
    fn short_names_of_interfaces_are_known_and_others_are_not_confused() {
        assert!(same_interface("Gi1/0/5", "GigabitEthernet1/0/5"));
        assert!(same_interface("Ethernet1/7", "Eth1/7"));
        assert!(same_interface("vlan20", "Vlan20"));
        assert!(!same_interface("Gi1/0/5", "GigabitEthernet1/0/50"));
        assert!(!same_interface("Te1/0/5", "GigabitEthernet1/0/5"));
        assert!(!same_interface("G1/0/5", "GigabitEthernet1/0/5"));
        assert!(!same_interface("pe", "peerlink"));
    }
}
