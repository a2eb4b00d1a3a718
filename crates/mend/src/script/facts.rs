//! What a remediation knows of an event. All of it may have been written by a stranger: it is read and compared,
//! and becomes part of a command only after it was parsed as what it should be.

use std::collections::BTreeMap;

use model::Event;

/// What a message can tell, by the names that patterns of messages have for it.
pub(super) const FIELDS: &[&str] = &[
    "interface",
    "peer",
    "vlan",
    "state",
    "from",
    "reason",
    "user",
    "source",
    "destination",
    "line",
    "vrf",
    "asn",
    "area",
    "process",
    "group",
    "module",
    "sensor",
    "value",
    "list",
    "protocol",
    "action",
    "command",
    "lsp",
];

/// An event as a remediation sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The event.
    pub event: Event,
    /// What the message told, by the fields of patterns: `interface`, `peer`, `state`, `reason` and so on.
    pub fields: BTreeMap<String, String>,
}

impl Facts {
    /// What the message told of this; `None` if nothing.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}
