//! Which of the three forms a file has: config, targets by region, or one host a line. Told by content, as
//! `netmend check` gets any of them.

use super::host;
use super::raw::RawConfig;
use super::reader::key_text;
use super::yaml::{Node, Value};

/// Whether the text holds one host a line: its first line that is not empty and no comment is a single word
/// that YAML would not read as the start of a map or list.
pub(crate) fn is_lines(text: &str) -> bool {
    let Some(first) = lines(text).map(|(_, word)| word).next() else { return false };
    if first.contains(char::is_whitespace) || first.ends_with(':') {
        return false;
    }
    match first.as_bytes()[0] {
        b'[' => host::split_port(first).0.contains(':'),
        b'{' | b'"' | b'\'' | b'-' | b'&' | b'*' | b'!' | b'%' | b'|' | b'>' => false,
        _ => true,
    }
}

/// The entries of a file with one host a line, each with its first byte; `#` begins a comment.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive(['\n', '\r']).filter_map(move |line| {
        let start = at;
        at += line.len();
        let entry = line.split('#').next().unwrap_or_default();
        let word = entry.trim();
        let indent = entry.len() - entry.trim_start().len();
        (!word.is_empty()).then_some((start + indent, word))
    })
}

/// Whether a document is a targets file: a map of regions, in which no key means something in a config.
pub(crate) fn is_targets(root: &Node<'_>) -> bool {
    let Value::Map(entries) = &root.value else { return false };
    let region = |(key, value): &(Node<'_>, Node<'_>)| {
        let key = key_text(key);
        // These take a scalar in a config, so with a list or a map they are regions of that name.
        let name_of_region =
            matches!(key, "site" | "listen" | "data") || !RawConfig::KEYS.contains(&key);
        name_of_region && may_be_region(value)
    };
    !entries.is_empty() && entries.iter().all(region)
}

/// Whether a value could be meant as a region: a list, or a map of hosts to ports.
fn may_be_region(value: &Node<'_>) -> bool {
    let scalar = |node: &Node<'_>| matches!(node.value, Value::Scalar { .. });
    match &value.value {
        Value::Scalar { .. } => false,
        Value::List(_) => true,
        Value::Map(entries) => entries.iter().all(|(_, port)| match &port.value {
            Value::List(ports) => ports.iter().all(|port| scalar(port) && is_number(port)),
            _ => scalar(port),
        }),
    }
}

fn is_number(node: &Node<'_>) -> bool {
    matches!(&node.value, Value::Scalar { text, .. } if text.parse::<f64>().is_ok())
}

/// Whether a document is plainly a config: all keys are its keys, and there is `targets`.
pub(crate) fn is_config(root: &Node<'_>) -> bool {
    let Value::Map(entries) = &root.value else { return false };
    let mut keys = entries.iter().map(|(key, _)| key_text(key));
    keys.clone().any(|key| key == "targets") && keys.all(|key| RawConfig::KEYS.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problems;
    use super::super::yaml;
    use super::*;

    #[test]
    fn one_host_a_line_is_told_from_yaml() {
        for text in ["h\n", "# c\n\n10.0.0.1 # gw\nh", "h:443\n", "[::1]:443\n", "2001:db8::1"] {
            assert!(is_lines(text), "{text}");
        }
        for text in ["", "# c\n", "r:\n  - h\n", "- h\n", "r: [h]\n", "{r: [h]}", "[a, b]", "a b"] {
            assert!(!is_lines(text), "{text}");
        }
    }

    #[test]
    fn lines_keep_their_places() {
        let found: Vec<_> = lines("a\n  b # c\r\n#x\nd").collect();
        assert_eq!(found, [(0, "a"), (4, "b"), (14, "d")]);
    }

    #[test]
    fn a_targets_file_is_told_from_a_config() {
        let targets = |text: &str| {
            is_targets(&yaml::parse(text, 0, &mut Problems::default()).expect("it is YAML"))
        };
        assert!(targets("r: [h]\nq: {h: 443}\n"));
        assert!(targets("site: [h]\n"), "a region may be called site");
        assert!(!targets("targets: {r: [h]}\n"));
        assert!(!targets("r: [h]\nsite: x\n"));
        assert!(!targets("devices: x\n"));
        assert!(!targets("devices: {sw1: {platform: nxos}}\n"));
        assert!(!targets("target: {r: [h]}\n"), "a typing error in a config");
        assert!(!targets("[r, h]"));
    }
}
