//! What an orchestrator's answer is: a result, a refusal, or no JSON at all. Refusals come with any HTTP
//! status, 200 among them, so the body is looked at first.

use memchr::memmem;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::lenient::{Object, Word};

/// Where in an answer a refusal begins: `{"error":` or `{"jsonrpc":"2.0","error":`.
const HEAD: usize = 256;

/// An orchestrator's no.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// In its own words.
    pub(super) message: String,
    /// Whether token or session are not taken (any more).
    pub(super) session_ended: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    error: Object<Refusal>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: Word,
    message: Word,
    data: Object<Data>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    error: super::lenient::List<Object<Detail>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    message: Word,
}

/// The refusal that the body holds, if it does.
pub(super) fn refusal(body: &[u8]) -> Option<Said> {
    let head = &body[..body.len().min(HEAD)];
    memmem::find(head, br#""error""#)?;
    let envelope: Object<Envelope> = serde_json::from_slice(body).ok()?;
    let refusal = envelope.0?.error.0?;
    let mut message = refusal.message.0.unwrap_or_else(|| match refusal.code.as_str() {
        Some(code) => format!("error {code}, without a word why"),
        None => "it does not say why".to_owned(),
    });
    let details = refusal.data.0.unwrap_or_default().error.0.unwrap_or_default();
    for detail in details.into_iter().filter_map(|detail| detail.0?.message.0).take(3) {
        message.push_str("; ");
        message.push_str(&detail);
    }
    let session_ended = message.contains("tokenError");
    Some(Said { message, session_ended })
}

/// The result in an answer.
///
/// # Errors
/// Why the body is none, for people.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let start = body.trim_ascii_start();
    match start.first() {
        None => Err("it is empty".to_owned()),
        Some(_) if start.trim_ascii_end() == b"null" => Err("it is null".to_owned()),
        Some(b'<') => Err(format!("it is no JSON but a page: {}", beginning(start))),
        Some(_) => serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => {
                format!("its JSON ends too early, after {} bytes", body.len())
            }
            _ => format!("its JSON is broken ({error})"),
        }),
    }
}

/// A question by JSON-RPC 2.0; `params` is JSON.
pub(super) fn rpc(method: &str, params: &[u8]) -> Vec<u8> {
    let head = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":"#);
    [head.as_bytes(), params, b"}"].concat()
}

/// The result in an answer by JSON-RPC.
///
/// # Errors
/// Why the body is none, for people.
pub(super) fn read_rpc<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Answer<T> {
        result: T,
    }
    read::<Answer<T>>(body).map(|answer| answer.result)
}

/// The beginning of a body, as text. Of a page, the words without the tags.
pub(crate) fn beginning(body: &[u8]) -> String {
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
    fn both_forms_of_a_refusal_are_heard() {
        let rest = br#"{"error":{"code":-32000,"message":"tokenError [expired session cookie]"}}"#;
        let said = refusal(rest).unwrap();
        assert_eq!(said.message, "tokenError [expired session cookie]");
        assert!(said.session_ended);
        let rpc = br#"{"jsonrpc":"2.0","error":{"code":"x","message":"methodError"},"id":1}"#;
        assert!(!refusal(rpc).unwrap().session_ended);
        let detailed = br#"{"error":{"message":"bad","data":{"valid":false,"error":[{"code":"y","message":"interval"}]}}}"#;
        assert_eq!(refusal(detailed).unwrap().message, "bad; interval");
        assert_eq!(
            refusal(br#"{"error":{"code":5}}"#).unwrap().message,
            "error 5, without a word why"
        );
    }

    #[test]
    fn results_are_no_refusals() {
        for result in
            [&b"[]"[..], b"", b"null", br#"[{"error":{"message":"x"}}]"#, br#"{"error":null}"#]
        {
            assert_eq!(refusal(result), None);
        }
    }

    #[test]
    fn a_question_by_json_rpc_is_json_and_its_answer_holds_the_result() {
        let asked: serde_json::Value = serde_json::from_slice(&rpc("a/b", br#"{"id":7}"#)).unwrap();
        assert_eq!((&asked["method"], &asked["params"]["id"]), (&"a/b".into(), &7.into()));
        let result = read_rpc::<Vec<u8>>(br#"{"jsonrpc":"2.0","result":[1,2],"id":1}"#);
        assert_eq!(result, Ok(vec![1, 2]));
        assert!(read_rpc::<Vec<u8>>(br#"{"jsonrpc":"2.0","id":1}"#).is_err());
    }

    #[test]
    fn what_is_no_json_is_named() {
        let why = |body: &[u8]| read::<Object<Envelope>>(body).map(drop).unwrap_err();
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
