//! The result in an orchestrator's answer, or why it is none: people read that. It knows no field.

use serde::Deserialize;

/// The result in an answer.
///
/// # Errors
/// Why the body is none, for people.
pub(crate) fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, String> {
    let start = body.trim_ascii_start();
    match start.first() {
        None => return Err("it is empty".to_owned()),
        Some(_) if start.trim_ascii_end() == b"null" => return Err("it is null".to_owned()),
        Some(b'<') => return Err(format!("it is no JSON but a page: {}", beginning(start))),
        Some(_) => {}
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => {
            format!("its JSON ends too early, after {} bytes", body.len())
        }
        _ => format!("its JSON is broken ({error})"),
    })
}

/// The beginning of a body, as text. Of a page, the words without the tags.
pub(super) fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(2_048)]);
    if text.trim_start().starts_with('<') { without_tags(&text) } else { text.into_owned() }
}

fn without_tags(page: &str) -> String {
    let parts = page.split('<').filter_map(|part| part.split_once('>'));
    parts
        .map(|(_, words)| words.trim())
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_named() {
        let why = |body: &[u8]| read::<serde::de::IgnoredAny>(body).map(drop).unwrap_err();
        assert_eq!(why(b"  "), "it is empty");
        assert_eq!(why(b"null\n"), "it is null");
        assert_eq!(
            why(b"<html><body><h1>502 Bad Gateway</h1></body></html>"),
            "it is no JSON but a page: 502 Bad Gateway"
        );
        assert_eq!(why(br#"{"a":[1,"#), "its JSON ends too early, after 8 bytes");
        assert!(why(b"{x").starts_with("its JSON is broken"));
    }
}
