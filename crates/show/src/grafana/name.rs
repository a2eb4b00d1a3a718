//! Names from the configuration in the languages of others: InfluxQL, PromQL, regular expressions, and
//! Grafana's own, which replaces `$name` and `[[name]]` in whatever it is given before a database sees it.
//! No name can leave its quotes or be taken for a variable.

use std::fmt::Write as _;

use model::text::printable;

/// Longest title in characters.
const MAX_TITLE: usize = 160;

/// A name within a title, which has no way to quote: what could begin a variable is replaced by a sign that
/// looks alike.
pub(super) fn title(name: &str) -> String {
    printable(name, MAX_TITLE).replace('$', "\u{ff04}").replace("[[", "\u{ff3b}\u{ff3b}")
}

/// A condition of InfluxQL that holds if `tag` is one of `names`.
pub(super) fn influx(tag: &str, names: &[&str]) -> String {
    // A tag there cannot end with a backslash: docs/influxdb.md.
    let names: Vec<&str> = names.iter().map(|name| name.trim_end_matches('\\')).collect();
    match names.as_slice() {
        [name] if !name.contains('$') && !name.contains("[[") => {
            let escaped = name.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n");
            format!("\"{tag}\" = '{escaped}'")
        }
        // A string has no escape for `$`, a regular expression has.
        _ => format!("\"{tag}\" =~ /^({})$/", any_of(&names)),
    }
}

/// A matcher of PromQL that holds if `label` is one of `names`. PromQL anchors by itself.
pub(super) fn prom(label: &str, names: &[&str]) -> String {
    match names {
        [name] => format!("{label}=\"{}\"", prom_string(name)),
        _ => format!("{label}=~\"{}\"", prom_string(&any_of(names))),
    }
}

/// The inside of a string of PromQL, which has Go's escapes.
fn prom_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '$' | '[' => hex(&mut out, c),
            c => out.push(c),
        }
    }
    out
}

/// A regular expression of Go (RE2) that these names fit, and nothing else does.
fn any_of(names: &[&str]) -> String {
    let mut out = String::new();
    for (number, name) in names.iter().enumerate() {
        if number > 0 {
            out.push('|');
        }
        for c in name.chars() {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | ':' => out.push(c),
                '.' => out.push_str("\\."),
                // Also `/`, `$`, `[` and quotes, which mean something to those around the expression.
                c if c.is_ascii() => hex(&mut out, c),
                c => out.push(c),
            }
        }
    }
    out
}

/// The escape of a sign by its number.
fn hex(out: &mut String, c: char) {
    write!(out, "\\x{:02x}", c as u32).expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_readable() {
        assert_eq!(influx("host", &["www.example.com"]), r#""host" = 'www.example.com'"#);
        assert_eq!(influx("host", &["a.b", "c-d"]), r#""host" =~ /^(a\.b|c-d)$/"#);
        assert_eq!(prom("host", &["www.example.com"]), r#"host="www.example.com""#);
        assert_eq!(prom("host", &["a.b", "c-d"]), r#"host=~"a\\.b|c-d""#);
    }

    #[test]
    fn no_name_leaves_its_quotes_or_becomes_a_variable() {
        assert_eq!(influx("r", &[r"it's \ 1"]), r#""r" = 'it\'s \\ 1'"#);
        assert_eq!(influx("r", &["$__interval"]), r#""r" =~ /^(\x24__interval)$/"#);
        assert_eq!(influx("r", &["[[x]]", "a/b"]), r#""r" =~ /^(\x5b\x5bx\x5d\x5d|a\x2fb)$/"#);
        assert_eq!(prom("r", &["a\"b\\c$d[[e]]"]), r#"r="a\"b\\c\x24d\x5b\x5be]]""#);
        assert_eq!(prom("r", &["$x", "y"]), r#"r=~"\\x24x|y""#);
        assert_eq!(title("a $b [[c]] \u{202e}d"), "a \u{ff04}b \u{ff3b}\u{ff3b}c]] \u{fffd}d");
    }
}
