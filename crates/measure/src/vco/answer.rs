//! What an answer is, a result or a refusal, and how JSON-RPC wraps both. Refusals come with any HTTP status, 200
//! among them, so the body is looked at first.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sdwan::lenient::{List, Object, Word};
use crate::sdwan::read;

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
    error: List<Object<Detail>>,
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

/// A question by JSON-RPC 2.0; `params` is JSON.
pub(super) fn rpc(method: &str, params: &[u8]) -> Vec<u8> {
    let head = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":"#);
    [head.as_bytes(), params, b"}"].concat()
}

/// The result in an answer by JSON-RPC, as it stands there.
///
/// # Errors
/// Why the body is none, for people.
pub(super) fn result(body: &[u8]) -> Result<&[u8], String> {
    #[derive(Deserialize)]
    struct Answer<'b> {
        #[serde(borrow)]
        result: &'b RawValue,
    }
    read::<Answer<'_>>(body).map(|answer| answer.result.get().as_bytes())
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
        let found = result(br#"{"jsonrpc":"2.0","result": [1,2],"id":1}"#);
        assert_eq!(found, Ok(&b"[1,2]"[..]));
        assert!(result(br#"{"jsonrpc":"2.0","id":1}"#).is_err());
    }
}
