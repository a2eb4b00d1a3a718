//! Whether anybody knows the words that devices have for their platform. An unknown one is no error, as devices may
//! be heard that nobody logs in to; but it may be a slip, and then no remediation is ever for the device.

use std::collections::BTreeMap;

use mend::Platform;

use super::patterns::platforms as of_patterns;
use super::problem::{Problem, instead, quote};
use super::source::Span;

/// A device whose platform is said.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Its name.
    pub(crate) device: String,
    /// The word.
    pub(crate) platform: String,
    /// Where it stands, or where the file is named that it stands in.
    pub(crate) span: Span,
}

/// What to warn of: each unknown word once, at its first device.
pub(crate) fn unknown(all: &[Said]) -> Vec<Problem> {
    let mut words: BTreeMap<&str, Vec<&Said>> = BTreeMap::new();
    for said in all.iter().filter(|said| !is_known(&said.platform)) {
        words.entry(&said.platform).or_default().push(said);
    }
    let names = Platform::ALL.map(Platform::name);
    let mut found = Vec::new();
    for (word, of) in words {
        let Some(first) = of.first() else { continue };
        let others = match of.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let (word_quoted, device) = (quote(word), quote(&first.device));
        let what = format!(
            "nobody knows the platform {word_quoted} of {device}{others}: no remediation is for it"
        );
        let known = instead(word, &names).replace("allowed: ", "known: ");
        found.push(Problem::new(first.span, what).allowed(known));
    }
    found
}

/// Whether somebody can log in to it, or knows what its messages mean; the latter with its vendor's name too, as in
/// `fortinet-fortios`.
fn is_known(word: &str) -> bool {
    let plain = word.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    let heard = |name: &str| plain == name || plain.ends_with(&format!("-{name}"));
    Platform::meant_by(word).is_some() || of_patterns().any(heard)
}

#[cfg(test)]
mod tests {
    use super::super::load::load_text;
    use super::*;

    #[test]
    fn words_of_other_inventories_are_known_and_slips_are_told_once() {
        for word in ["ios", "Cisco-IOS", "cisco_nx_os", "nokia-sros", "asa", "fortinet-fortios"] {
            assert!(is_known(word), "{word}");
        }
        let text = "devices:\n  a: { platform: isoxr }\n  b: { platform: isoxr }\n  c: { platform: cisco-ios-xr }\n";
        let settings = load_text("t", text).unwrap();
        assert_eq!(
            settings.warnings,
            [
                "t:2:18: nobody knows the platform `isoxr` of `a` and 1 more: no remediation is for it; \
             did you mean `iosxr`? known: ios, iosxr, nxos, eos, junos, frr, linux, vrp, sros"
            ]
        );
    }
}
