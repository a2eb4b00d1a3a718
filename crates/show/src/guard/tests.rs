//! Who is let in and who is not.

use super::*;

use axum::body::Body;
use axum::routing::get;
use model::Secret;
use tower::ServiceExt;

use crate::login::{Done, Hash, Order, Role, Terms};

const OURS: &str = "10.1.2.3:8420";

fn token() -> Token {
    Token("0123456789abcdef0123456789abcdef".into())
}

/// Nobody's logins, in a store of their own.
fn logins() -> (Arc<Logins>, tempfile::TempDir) {
    let clock = Arc::new(model::ManualClock::new(model::UnixMs(1_795_301_347_000).to_ns()));
    let folder = tempfile::tempdir().unwrap();
    let state = Arc::new(store::StateFile::open(folder.path(), &*clock).unwrap());
    (Arc::new(Logins::open(state, clock, Terms::default()).unwrap()), folder)
}

fn app(listen: &str, logins: &Arc<Logins>) -> Router {
    let who = || async { Who::now().actor("") };
    let form = get(who).post(who);
    let routes = Router::new()
        .route("/", form.clone())
        .route("/silences", form.clone())
        .route("/pause", form.clone())
        .route("/login", form.clone())
        .route("/metrics", form.clone())
        .route("/api/v1/alerts", form)
        .route("/healthz", get(who));
    let access = (Arc::clone(logins), false);
    let hosts = ["NOC.example.com".to_owned()];
    let guard = Guard::new(listen.parse().unwrap(), &hosts, token(), access);
    protect(routes, guard)
}

async fn answer(listen: &str, request: axum::http::request::Builder) -> (u16, Response) {
    let (logins, _folder) = logins();
    sent(&app(listen, &logins), request).await
}

async fn sent(app: &Router, request: axum::http::request::Builder) -> (u16, Response) {
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    (response.status().as_u16(), response)
}

async fn said(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    String::from_utf8_lossy(&body).into_owned()
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
    let post = || Request::post("/silences").header("host", OURS);
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

/// A guard with these users, all of one password, and what the browser of each shows.
fn with_users(users: &[(&str, Role)]) -> (Router, Arc<Logins>, Vec<String>, tempfile::TempDir) {
    let (logins, folder) = logins();
    let password = Secret::new("correct horse");
    let mut shown = Vec::new();
    for (name, role) in users {
        let hash = Hash::of(&password).unwrap();
        logins.order("test", Order::Add { name: (*name).into(), role: *role, hash }).unwrap();
        let session = logins.log_in(name, &password, Ipv4Addr::LOCALHOST.into()).unwrap();
        shown.push(session.reveal().to_owned());
    }
    (app(OURS, &logins), logins, shown, folder)
}

fn ours(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", OURS)
}

fn by(shown: &str, method: &str, path: &str) -> axum::http::request::Builder {
    ours(method, path)
        .header("cookie", format!("netmend-session-8420={shown}"))
        .header("origin", format!("http://{OURS}"))
        .header(TOKEN_HEADER, Token::of_session(shown).as_str())
}

#[tokio::test]
async fn with_users_each_asker_is_sent_where_it_understands() {
    let (app, ..) = with_users(&[("anna", Role::Viewer)]);
    let (code, page) =
        sent(&app, ours("GET", "/silences?x=1%202").header("accept", "text/html")).await;
    assert_eq!(
        (code, &page.headers()["location"]),
        (303, &"/login?to=%2Fsilences%3Fx%3D1%25202".parse().unwrap())
    );
    let script = ours("GET", "/").header("hx-request", "true");
    let script = script.header("hx-current-url", format!("http://{OURS}/alerts?a=b"));
    let (code, answer) = sent(&app, script).await;
    assert_eq!(
        (code, &answer.headers()["hx-redirect"]),
        (401, &"/login?to=%2Falerts%3Fa%3Db".parse().unwrap())
    );
    for path in ["/api/v1/alerts", "/metrics"] {
        let (code, answer) = sent(&app, ours("GET", path)).await;
        assert_eq!(code, 401, "{path}");
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        assert!(said(answer).await.contains("netmend user token add"));
    }
    assert_eq!(sent(&app, ours("GET", "/healthz")).await.0, 200);
    assert_eq!(sent(&app, ours("GET", "/login")).await.0, 200);
    assert_eq!(sent(&app, ours("POST", "/silences")).await.0, 401);
    let near = ours("GET", "/api/v1/alerts").header("cookie", "netmend-session-8420=");
    assert_eq!(sent(&app, near).await.0, 401);
}

#[tokio::test]
async fn each_role_does_what_it_may_and_no_more() {
    let users = [("vera", Role::Viewer), ("otto", Role::Operator), ("ada", Role::Admin)];
    let (app, _, shown, _folder) = with_users(&users);
    for (path, allowed) in [
        ("/silences", [false, true, true]),
        ("/pause", [false, true, true]),
        ("/", [false, false, true]),
    ] {
        for (place, shown) in shown.iter().enumerate() {
            assert_eq!(sent(&app, by(shown, "GET", path)).await.0, 200, "{path}");
            let (code, answer) = sent(&app, by(shown, "POST", path)).await;
            let expected = if allowed[place] { 200 } else { 403 };
            assert_eq!(code, expected, "{path} by {}", users[place].0);
            let words = said(answer).await;
            if allowed[place] {
                assert_eq!(words, users[place].0);
            } else {
                assert!(words.contains("needs the role "), "{words}");
            }
        }
    }
}

#[tokio::test]
async fn the_token_of_one_session_is_worth_nothing_for_another() {
    let (app, _, shown, _folder) = with_users(&[("otto", Role::Operator), ("ada", Role::Admin)]);
    let post = |session: &str, token: &str| {
        ours("POST", "/silences")
            .header("cookie", format!("netmend-session-8420={session}"))
            .header("origin", format!("http://{OURS}"))
            .header(TOKEN_HEADER, token)
    };
    let token_of = |session: &str| Token::of_session(session).as_str().to_owned();
    assert_eq!(sent(&app, post(&shown[0], &token_of(&shown[0]))).await.0, 200);
    let (code, answer) = sent(&app, post(&shown[0], &token_of(&shown[1]))).await;
    assert_eq!((code, &answer.headers()["x-netmend-reload"]), (403, &"yes".parse().unwrap()));
    assert_eq!(sent(&app, post(&shown[0], token().as_str())).await.0, 403);
    let foreign = by(&shown[0], "POST", "/silences");
    let (mut parts, body) = foreign.body(Body::empty()).unwrap().into_parts();
    parts.headers.insert("origin", "http://evil.example".parse().unwrap());
    let response = app.clone().oneshot(Request::from_parts(parts, body)).await.unwrap();
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn a_login_needs_our_origin_though_no_token() {
    let (app, ..) = with_users(&[("otto", Role::Operator)]);
    let post = |origin: &str| ours("POST", "/login").header("origin", origin);
    assert_eq!(sent(&app, post(&format!("http://{OURS}"))).await.0, 200);
    assert_eq!(sent(&app, post("http://evil.example")).await.0, 403);
    assert_eq!(sent(&app, ours("POST", "/login")).await.0, 403);
}

#[tokio::test]
async fn programs_show_a_token_and_need_neither_origin_nor_page() {
    let (app, logins, ..) = with_users(&[("otto", Role::Operator)]);
    let order = Order::AddToken { name: "ci".into(), role: Role::Operator };
    let Done::Token(secret) = logins.order("test", order).unwrap() else { panic!("no token") };
    let ask = |secret: &str, method: &str, path: &str| {
        ours(method, path).header("authorization", format!("Bearer {secret}"))
    };
    let (code, answer) = sent(&app, ask(&secret, "POST", "/silences")).await;
    assert_eq!((code, said(answer).await.as_str()), (200, "token ci"));
    assert_eq!(sent(&app, ask(&secret, "POST", "/")).await.0, 403, "its role counts");
    let (code, answer) = sent(&app, ask("netmend_0", "GET", "/")).await;
    assert_eq!(code, 401);
    assert!(said(answer).await.contains("none of ours"));
    logins.order("test", Order::RemoveToken { name: "ci".into() }).unwrap();
    assert_eq!(sent(&app, ask(&secret, "GET", "/")).await.0, 401);
}

#[tokio::test]
async fn without_users_this_machine_alone_is_answered_and_nobody_touches_devices() {
    let (logins, _folder) = logins();
    let app = app("0.0.0.0:8420", &logins);
    let from = |peer: &str, method: &str, path: &str| {
        let wire = Wire { peer: peer.parse().unwrap(), tls: false };
        let origin = format!("http://{OURS}");
        ours(method, path)
            .header("origin", origin)
            .header(TOKEN_HEADER, token().as_str())
            .extension(wire)
    };
    for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(sent(&app, from(peer, "GET", "/")).await.0, 200, "{peer}");
    }
    assert_eq!(sent(&app, from("127.0.0.1", "POST", "/silences")).await.0, 200);
    let (code, answer) = sent(&app, from("127.0.0.1", "POST", "/pause")).await;
    assert_eq!(code, 403);
    let words = said(answer).await;
    assert!(words.contains("netmend user add NAME --role operator"), "{words}");
    let (code, answer) = sent(&app, from("192.0.2.9", "GET", "/")).await;
    assert_eq!(code, 403);
    assert!(said(answer).await.contains("netmend user add NAME --role admin"));
    assert_eq!(sent(&app, from("192.0.2.9", "GET", "/healthz")).await.0, 200);
    let local = ours("POST", "/pause").extension(Local("uid 0, pid 7".into()));
    let (code, answer) = sent(&app, local).await;
    assert_eq!((code, said(answer).await.as_str()), (200, "uid 0, pid 7"));
}
