//! Asking the router, and reading its HTML as people read it: the text, without tags.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use crate::world::World;

/// An answer with its body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Asks for a path of ourselves.
pub(crate) async fn get(router: &Router, path: &str) -> Answer {
    get_with(router, path, &[]).await
}

/// The same with further request headers.
pub(crate) async fn get_with(router: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(router, "GET", path, headers, "").await
}

/// Sends a form or JSON as a page of ours does: with Origin and token.
pub(crate) async fn send(world: &World, method: &str, path: &str, body: &str) -> Answer {
    let kind = if body.starts_with(['{', '[']) {
        "application/json"
    } else {
        "application/x-www-form-urlencoded"
    };
    let headers = [
        ("origin", "http://localhost:8420"),
        ("x-netmend-token", world.token.as_str()),
        ("content-type", kind),
    ];
    ask(&world.router, method, path, &headers, body).await
}

/// Asks in any way.
pub(crate) async fn ask(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8420");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// What people read.
    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    /// The element with this start of its opening tag, up to its closing tag of that name.
    pub(crate) fn part(&self, open: &str) -> &str {
        let start = self.body.find(open).unwrap_or_else(|| panic!("no {open} in {}", self.body));
        let name: String = open[1..].chars().take_while(char::is_ascii_alphanumeric).collect();
        let rest = &self.body[start..];
        let end = rest.find(&format!("</{name}>")).expect("a closing tag");
        &rest[..end]
    }
}

/// The text of some HTML: tags become spaces, the entities that maud writes become characters, runs of
/// space become one.
pub(crate) fn text(html: &str) -> String {
    let mut out = String::new();
    let mut in_tag = false;
    for letter in html.chars() {
        match letter {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                out.push(' ');
            }
            _ if !in_tag => out.push(letter),
            _ => {}
        }
    }
    let plain =
        out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
