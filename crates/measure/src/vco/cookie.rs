//! The two cookies of an orchestrator's login. They are no cookie jar: nothing is kept here.

use reqwest::Url;
use reqwest::header::{HeaderMap, SET_COOKIE};

/// Holds a value after a login that succeeded, and only then.
pub(super) const SESSION: &str = "velocloud.session";
/// Says why a login failed, percent-encoded.
pub(super) const MESSAGE: &str = "velocloud.message";

/// The value of a cookie that is being set, unless it is empty.
pub(super) fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .filter_map(|cookie| cookie.split(';').next()?.split_once('='))
        .filter(|(found, value)| found.trim() == name && !value.trim().is_empty())
        .map(|(_, value)| value.trim().to_owned())
        .next_back()
}

/// Percent-encoded text as people read it.
pub(super) fn decode(text: &str) -> String {
    let url = Url::parse(&format!("http://x/?m={}", text.replace(['&', '#'], " ")));
    let decoded = url.ok().and_then(|url| Some(url.query_pairs().next()?.1.into_owned()));
    decoded.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_session_is_none_and_the_message_is_decoded() {
        let mut headers = HeaderMap::new();
        for cookie in [
            "velocloud.session=; Path=/; Secure",
            "velocloud.message=Invalid%20credentials; Path=/",
            "other=x",
        ] {
            headers.append(SET_COOKIE, cookie.parse().unwrap());
        }
        assert_eq!(value(&headers, SESSION), None);
        let message = value(&headers, MESSAGE).unwrap();
        assert_eq!(decode(&message), "Invalid credentials");
        headers.append(SET_COOKIE, "velocloud.session=abc=; HttpOnly".parse().unwrap());
        assert_eq!(value(&headers, SESSION).unwrap(), "abc=");
    }
}
