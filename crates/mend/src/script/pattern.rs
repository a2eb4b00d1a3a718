//! Patterns of codes and of what messages tell: text in which `*` stands for any number of characters. They are
//! compared in one pass; no pattern is slow.

use std::fmt;

/// Text with stars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The pattern of this text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for itself alone.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// What stands before the first star: everything that fits begins with it.
    pub fn prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Whether the text fits, upper and lower case apart.
    pub fn fits(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes(), |a, b| a == b)
    }

    /// Whether the text fits, upper and lower case alike.
    pub fn fits_folded(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes(), u8::eq_ignore_ascii_case)
    }

    /// The same in small letters.
    pub(super) fn folded(&self) -> Self {
        Self(self.0.to_ascii_lowercase().into())
    }

    /// Whether some text fits both.
    pub fn meets(&self, other: &Self) -> bool {
        meet(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Greedy, with one place to come back to: the last star.
fn fits(pattern: &[u8], text: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(letter) if same(letter, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                (p, t) = (star, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

/// Whether two patterns have a text in common: `reached[j]` says whether the first i letters of one and the
/// first j of the other do.
fn meet(a: &[u8], b: &[u8]) -> bool {
    let star = |pattern: &[u8], n: usize| n > 0 && pattern[n - 1] == b'*';
    let mut above = vec![false; b.len() + 1];
    for i in 0..=a.len() {
        let mut row = vec![false; b.len() + 1];
        for j in 0..=b.len() {
            row[j] = match (star(a, i), star(b, j)) {
                _ if i == 0 && j == 0 => true,
                // A star stands for nothing, or for one letter more of the other.
                (true, _) => above[j] || (j > 0 && row[j - 1]),
                (_, true) => (j > 0 && row[j - 1]) || (i > 0 && above[j]),
                _ => i > 0 && j > 0 && above[j - 1] && a[i - 1] == b[j - 1],
            };
        }
        above = row;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything_and_the_rest_for_itself() {
        for (pattern, text, expected) in [
            ("A-5-B", "A-5-B", true),
            ("A-5-B", "A-5-BC", false),
            ("A-5-*", "A-5-", true),
            ("A-5-*", "A-5-X", true),
            ("*-UPDOWN", "LINK-3-UPDOWN", true),
            ("*-UPDOWN", "LINK-3-UPDOWNS", false),
            ("E*IF_DOWN*E", "ETHPORT-5-IF_DOWN_LINK_FAILURE", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a*a*a", "aa", false),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::new("down*").fits_folded("Down (notconnect)"));
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = Pattern::new(&"a*".repeat(2_000));
        assert!(!pattern.fits(&format!("{}b", "a".repeat(1_999))));
    }

    #[test]
    fn patterns_meet_where_a_text_fits_both() {
        for (a, b, expected) in [
            ("A-*", "A-5-B", true),
            ("A-*", "*-B", true),
            ("A-*", "B-*", false),
            ("A-*-C", "A-B-*", true),
            ("AB*", "A", false),
            ("*", "", true),
            ("A", "A", true),
            ("A", "B", false),
        ] {
            assert_eq!(Pattern::new(a).meets(&Pattern::new(b)), expected, "{a} {b}");
            assert_eq!(Pattern::new(b).meets(&Pattern::new(a)), expected, "{b} {a}");
        }
    }
}
