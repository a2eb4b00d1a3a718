//! Templates of messages: `Interface {interface}, changed state to {state...}`. Compiled once, they match
//! in one pass over the text, without expressions and without going back.

use std::fmt;

/// Defines the fields, their names and what each may hold.
macro_rules! fields {
    ($($(#[$about:meta])* $variant:ident = $word:literal, $fits:ident;)*) => {
        /// What a message may tell of its subject. A value that cannot be one makes a template not match.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($(#[$about])* $variant,)* }

        impl Field {
            /// All of them.
            pub const ALL: &[Field] = &[$(Field::$variant,)*];

            /// The name in templates and output.
            pub fn as_str(self) -> &'static str {
                match self { $(Field::$variant => $word,)* }
            }

            /// Whether text can be a value of it.
            fn fits(self, text: &str) -> bool {
                match self { $(Field::$variant => $fits(text),)* }
            }
        }
    };
}

fields! {
    /// An interface, port, channel or tunnel.
    Interface = "interface", is_name;
    /// A neighbour: its address or name.
    Peer = "peer", is_name;
    /// A VLAN, 1 to 4094, or its name.
    Vlan = "vlan", is_name;
    /// The state it is in now.
    State = "state", is_text;
    /// The state it was in before.
    From = "from", is_text;
    /// Why.
    Reason = "reason", is_text;
    /// Who did it.
    User = "user", is_name;
    /// Where a person or packet came from.
    Source = "source", is_name;
    /// Where a packet was going.
    Destination = "destination", is_name;
    /// Line, method or terminal of a login.
    Line = "line", is_text;
    /// Routing instance.
    Vrf = "vrf", is_name;
    /// Autonomous system, 0 to 4294967295.
    Asn = "asn", is_number;
    /// OSPF area, IS-IS level.
    Area = "area", is_name;
    /// Process or instance of a protocol.
    Process = "process", is_name;
    /// Group of HSRP, VRRP or a port channel.
    Group = "group", is_name;
    /// Slot, module, power supply or fan.
    Module = "module", is_text;
    /// Sensor.
    Sensor = "sensor", is_text;
    /// What was measured.
    Value = "value", is_text;
    /// Access list or rule.
    List = "list", is_name;
    /// Protocol of a packet.
    Protocol = "protocol", is_name;
    /// What was done.
    Action = "action", is_text;
    /// Command that was typed.
    Command = "command", is_text;
    /// Label-switched path.
    Lsp = "lsp", is_name;
}

impl Field {
    /// How many there are.
    pub(super) const COUNT: usize = Self::ALL.len();

    /// The field of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.as_str() == name)
    }
}

/// Longest value of a field.
const LONGEST: usize = 256;

/// A word that can name a thing: printable, without quotes and control characters.
fn is_name(text: &str) -> bool {
    is_text(text) && !text.contains(['"', '\'', '<', '>', ';', '`'])
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
        || text
            .split_once('.')
            .is_some_and(|(high, low)| high.parse::<u16>().is_ok() && low.parse::<u16>().is_ok())
}

/// Values that were found, one place for each field.
pub(super) type Values<'l> = [Option<&'l str>; Field::COUNT];

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// Exactly this.
    Literal(Box<[u8]>),
    /// A word, or with `text` anything, up to what follows.
    Capture { field: Option<Field>, text: bool },
}

/// Why a template cannot be used, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct TemplateError {
    /// Byte within the template.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

impl Template {
    /// Compiles `text` with `{field}`, a word; `{field...}`, any text; `{_}` and `{...}`, the same kept
    /// nowhere. Braces cannot be escaped: no device prints them around a word.
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let error = |at, what: String| Err(TemplateError { at, what });
        let mut parts = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let Some(inner) = rest.strip_prefix('{') else {
                let end = rest.find('{').unwrap_or(rest.len());
                parts.push(Part::Literal(rest.as_bytes()[..end].into()));
                at += end;
                continue;
            };
            let Some(end) = inner.find('}') else {
                return error(at, "the brace is not closed".to_owned());
            };
            if matches!(parts.last(), Some(Part::Capture { .. })) {
                return error(
                    at,
                    "nothing stands between two fields, so they cannot be told apart".to_owned(),
                );
            }
            let (name, is_text) = match inner[..end].strip_suffix("...") {
                Some(name) => (name, true),
                None => (&inner[..end], false),
            };
            let field = match name {
                "" if is_text => None,
                "_" => None,
                name => match Field::from_name(name) {
                    None => return error(at + 1, format!("no field is named `{name}`")),
                    field => field,
                },
            };
            parts.push(Part::Capture { field, text: is_text });
            at += end + 2;
        }
        if parts.is_empty() {
            return error(0, "the template is empty".to_owned());
        }
        Ok(Self { parts })
    }

    /// Whether the text begins as the template says; what it captures goes to `values`.
    pub(super) fn matches<'l>(&self, text: &'l [u8], values: &mut Values<'l>) -> bool {
        let mut rest = text;
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Literal(literal) => match rest.strip_prefix(&**literal) {
                    Some(after) => rest = after,
                    None => return false,
                },
                Part::Capture { field, text } => {
                    let Some((value, after)) = capture(rest, *text, parts.peek()) else {
                        return false;
                    };
                    if let Some(field) = field {
                        let Some(value) = std::str::from_utf8(value).ok().map(str::trim) else {
                            return false;
                        };
                        if !field.fits(value) {
                            return false;
                        }
                        values[*field as usize] = Some(value);
                    }
                    rest = after;
                }
            }
        }
        true
    }
}

/// Takes a capture: up to the literal that follows, else a word or the rest.
fn capture<'l>(rest: &'l [u8], text: bool, next: Option<&&Part>) -> Option<(&'l [u8], &'l [u8])> {
    let end = match next {
        Some(Part::Literal(literal)) => memchr::memmem::find(rest, literal)?,
        _ if text => rest.len(),
        _ => rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len()),
    };
    let (value, after) = rest.split_at(end);
    if !text && value.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    // A sentence ends with a full stop that is no part of its last word.
    let last = next.is_none();
    let value = if last { value.strip_suffix(b".").unwrap_or(value) } else { value };
    (!value.is_empty() || text).then_some((value, after))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str, text: &str) -> Option<Vec<String>> {
        let mut values = [None; Field::COUNT];
        let template = Template::new(template).unwrap();
        template.matches(text.as_bytes(), &mut values).then(|| {
            let named = Field::ALL.iter().zip(values);
            named.filter_map(|(field, value)| Some(format!("{field}={}", value?))).collect()
        })
    }

    #[test]
    fn a_word_ends_at_what_follows_and_text_takes_blanks() {
        let link = "Interface {interface}, changed state to {state...}";
        assert_eq!(
            found(link, "Interface Gi1/0/1, changed state to administratively down").unwrap(),
            ["interface=Gi1/0/1", "state=administratively down"]
        );
        assert_eq!(found(link, "Interface Gi 1, changed state to up"), None);
        assert_eq!(found(link, "Line protocol on Interface Gi1, changed state to up"), None);
        assert_eq!(found("Port {interface} is up", "Port  is up"), None);
        assert_eq!(found("{_} {user} did {...}", "then bob did x").unwrap(), ["user=bob"]);
        assert_eq!(found("is {state}", "is down.").unwrap(), ["state=down"]);
    }

    #[test]
    fn a_value_that_cannot_be_one_does_not_match() {
        assert_eq!(found("AS {asn}", "AS 65001").unwrap(), ["asn=65001"]);
        assert_eq!(found("AS {asn}", "AS 1.10").unwrap(), ["asn=1.10"]);
        assert_eq!(found("AS {asn}", "AS 99999999999"), None);
        assert_eq!(found("port {interface} down", "port `reboot` down"), None);
        assert_eq!(found("user {user...}", "user a\u{1b}[31m"), None);
    }

    #[test]
    fn a_template_that_means_nothing_is_refused_with_its_place() {
        let refused = |text| Template::new(text).unwrap_err();
        assert_eq!(refused("a {b").at, 2);
        assert_eq!(refused("a {nonsense}").what, "no field is named `nonsense`");
        assert_eq!(refused("{user}{source}").at, 6);
        assert_eq!(refused("").what, "the template is empty");
    }
}
