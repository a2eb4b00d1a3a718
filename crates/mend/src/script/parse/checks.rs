//! What must hold of facts, whatever a device prints: what is read stands in the text, and is about what was
//! asked for. The tests and the fuzz target both call it.

use super::{bgp, interface, lsp, module, ospf};
use crate::platform::Platform;

/// The facts in what a device printed, of the platform that is in the first byte; names are its words.
pub fn facts(bytes: &[u8]) {
    let Some((&kind, printed)) = bytes.split_first() else { return };
    let platform = Platform::ALL[usize::from(kind) % Platform::ALL.len()];
    let text = &*String::from_utf8_lossy(printed);
    let stands = |fact: &str| assert!(text.contains(fact), "{fact:?} is not in {text:?}");
    for port in interface::parse_all(platform, text) {
        stands(&port.name);
        stands(&port.description);
        stands(&port.reason);
        assert!(!port.name.contains(char::is_whitespace), "{port:?}");
    }
    for name in text.split([' ', ',', '\n', ':']).filter(|name| !name.is_empty()).take(20) {
        if let Some(port) = interface::parse(platform, name, text) {
            stands(&port.name);
        }
        if let Some(peer) = bgp::parse(platform, name, text) {
            stands(&peer.name);
            stands(&peer.state);
        }
        if let Some(neighbor) = ospf::parse(platform, name, text) {
            assert!(neighbor.id == name || neighbor.address == name, "{neighbor:?}");
        }
        if let Some(lsp) = lsp::parse(platform, name, text) {
            stands(&lsp.to);
        }
        if let Some(module) = module::parse(name, text) {
            stands(&module.status);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_read_of_the_fuzzers_seeds_stands_in_them() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/facts");
        let seeds = std::fs::read_dir(seeds).unwrap().map(|seed| seed.unwrap().path());
        let read = seeds.map(|seed| facts(&std::fs::read(seed).unwrap())).count();
        assert!(read > 0, "there are no seeds");
    }

    proptest! {
        #[test]
        fn what_is_read_stands_in_what_the_device_printed(
            kind: u8,
            lines in proptest::collection::vec(
                "(Interface |Physical interface: |BGP neighbor is |Peer: |Name: |10\\.0\\.0\\.2 |)\
                 (eth0|ge-0/0/0|10\\.0\\.0\\.2|1|é)(, | is | \\()(up|down|FULL/DR|ok|Established)?[ -~]{0,20}",
                0..12,
            ),
        ) {
            facts(&[&[kind], lines.join("\n").as_bytes()].concat());
        }
    }
}
