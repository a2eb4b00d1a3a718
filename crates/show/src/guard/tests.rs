//! Who is let in and who is not.

use super::*;

use axum::body::Body;
use axum::routing::get;
use tower::ServiceExt;

const OURS: &str = "10.1.2.3:8420";

fn token() -> Token {
    Token("0123456789abcdef0123456789abcdef".into())
}

fn app(listen: &str) -> Router {
    let routes = Router::new().route("/", get(|| async { "read" }).post(|| async { "changed" }));
    let guard = Guard::new(listen.parse().unwrap(), &["NOC.example.com".to_owned()], token());
    protect(routes, guard)
}

async fn answer(listen: &str, request: axum::http::request::Builder) -> (u16, Response) {
    let response = app(listen).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    (response.status().as_u16(), response)
}

async fn get_with_host(listen: &str, host: &str) -> u16 {
    answer(listen, Request::get("/").header("host", host)).await.0
}

#[tokio::test]
async fn only_our_own_names_are_answered() {
    for host in [
        "localhost",
        "localhost:8420",
        "LOCALHOST:9999",
        "127.0.0.1:8420",
        "[::1]:8420",
        OURS,
        "noc.example.com",
        "noc.example.com:8420",
    ] {
        assert_eq!(get_with_host(OURS, host).await, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:8420", "localhost.evil.example", "10.9.9.9:8420"] {
        assert_eq!(get_with_host(OURS, host).await, 421, "{host}");
    }
    for host in ["", "a b", "user@localhost"] {
        assert_eq!(get_with_host(OURS, host).await, 400, "{host:?}");
    }
}

#[tokio::test]
async fn a_refusal_names_what_would_be_answered_and_nothing_that_cannot_be_done() {
    let (_, response) = answer(OURS, Request::get("/").header("host", "evil.example")).await;
    let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
    let words = "this server is not called \"evil.example\"; \
                 it answers to localhost, 127.0.0.1, [::1], 10.1.2.3, noc.example.com\n";
    assert_eq!(body, words);
}

#[tokio::test]
async fn listening_everywhere_any_literal_address_is_ours_but_no_name_is() {
    assert_eq!(get_with_host("0.0.0.0:8420", "192.0.2.7:8420").await, 200);
    assert_eq!(get_with_host("[::]:8420", "[2001:db8::1]:8420").await, 200);
    assert_eq!(get_with_host("0.0.0.0:8420", "rebound.example:8420").await, 421);
}

#[tokio::test]
async fn a_request_without_host_or_with_two_is_refused() {
    assert_eq!(answer(OURS, Request::get("/")).await.0, 400);
    let two = Request::get("/").header("host", "localhost").header("host", "evil.example");
    assert_eq!(answer(OURS, two).await.0, 400);
}

#[tokio::test]
async fn an_absolute_request_target_wins_over_host() {
    let request = Request::get("http://evil.example/").header("host", "localhost");
    assert_eq!(answer(OURS, request).await.0, 421);
}

#[tokio::test]
async fn changing_something_needs_our_origin_and_the_token() {
    let post = || Request::post("/").header("host", OURS);
    let ours = format!("http://{OURS}");
    let good = post().header("origin", &ours).header(TOKEN_HEADER, token().as_str());
    assert_eq!(answer(OURS, good).await.0, 200);
    let refused = [
        post(),
        post().header(TOKEN_HEADER, token().as_str()),
        post().header("origin", "null").header(TOKEN_HEADER, token().as_str()),
        post().header("origin", "http://evil.example").header(TOKEN_HEADER, token().as_str()),
        post().header("origin", "http://10.1.2.3:80").header(TOKEN_HEADER, token().as_str()),
        post().header("origin", &ours),
        post().header("origin", &ours).header(TOKEN_HEADER, ""),
        post().header("origin", &ours).header(TOKEN_HEADER, "0123456789abcdef0123456789abcdee"),
    ];
    for (number, request) in refused.into_iter().enumerate() {
        assert_eq!(answer(OURS, request).await.0, 403, "case {number}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_refusals_too() {
    for host in ["localhost", "evil.example"] {
        let (_, response) = answer(OURS, Request::get("/").header("host", host)).await;
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
    }
}

#[test]
fn tokens_are_random_and_do_not_print() {
    let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
    assert_ne!(one.as_str(), two.as_str());
    assert_eq!(one.as_str().len(), 32);
    assert_eq!(format!("{one:?}"), "Token(..)");
}
