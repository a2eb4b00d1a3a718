//! Logging in and out, as forms do it.

use std::time::Duration;

use model::Secret;
use netmend_show::login::{Hash, Order, Role};

use crate::http::{Answer, ask, get, get_with, send};
use crate::sim::small_network;
use crate::world::World;

/// A small network with a user of each role; all have one password.
pub(crate) fn guarded() -> World {
    let world = World::alarmed();
    add_users(&world);
    world
}

pub(crate) fn add_users(world: &World) {
    for (name, role) in [("vera", Role::Viewer), ("otto", Role::Operator), ("ada", Role::Admin)] {
        let hash = Hash::of(&Secret::new("correct horse")).unwrap();
        world.logins.order("test", Order::Add { name: name.into(), role, hash }).unwrap();
    }
}

async fn enter(world: &World, form: &str) -> Answer {
    let headers = [
        ("origin", "http://localhost:8420"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    ask(&world.router, "POST", "/login", &headers, form).await
}

/// The cookie of a login, as the browser sends it back.
pub(crate) async fn cookie(world: &World, name: &str) -> String {
    let answer = enter(world, &format!("name={name}&password=correct+horse&to=%2F")).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let set = answer.headers["set-cookie"].to_str().unwrap();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

/// Sends a form as a page of this session does.
pub(crate) async fn act(world: &World, cookie: &str, path: &str, form: &str) -> Answer {
    let page = get_with(&world.router, "/account", &[("cookie", cookie)]).await;
    let token = page.body.split("netmend-token\" content=\"").nth(1).map(|rest| &rest[..32]);
    let headers = [
        ("origin", "http://localhost:8420"),
        ("cookie", cookie),
        ("x-netmend-token", token.unwrap_or_default()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    ask(&world.router, "POST", path, &headers, form).await
}

#[tokio::test]
async fn a_login_leads_back_and_names_who_acts() {
    let world = guarded();
    assert_eq!(get(&world.router, "/").await.status, 303);
    let form = get(&world.router, "/login?to=/alerts/21").await;
    assert_eq!(form.status, 200);
    assert!(form.body.contains("name=\"to\" value=\"/alerts/21\""), "{}", form.body);
    assert!(!form.body.contains("netmend-token"), "who is nobody gets no token");
    let in_ = enter(&world, "name=Otto&password=correct+horse&to=%2Falerts%2F21").await;
    assert_eq!(
        (in_.status.as_u16(), &in_.headers["location"]),
        (303, &"/alerts/21".parse().unwrap())
    );
    let cookie = cookie(&world, "otto").await;
    let page = get_with(&world.router, "/alerts/21", &[("cookie", &cookie)]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("href=\"/account\"") && page.text().contains("otto"));
    assert!(!page.text().contains("Your name"), "the login says it");
    let done = act(&world, &cookie, "/alerts/21/ack", "note=known&by=mallory").await;
    assert_eq!(done.status, 204, "{}", done.body);
    assert_eq!(world.alarms.asked()[0].0, "otto");
    let me = get_with(&world.router, "/api/v1/me", &[("cookie", &cookie)]).await.json();
    assert_eq!((&me["name"], &me["role"]), (&"otto".into(), &"operator".into()));
    let already = get_with(&world.router, "/login?to=/alerts", &[("cookie", &cookie)]).await;
    assert_eq!(
        (already.status.as_u16(), &already.headers["location"]),
        (303, &"/alerts".parse().unwrap())
    );
}

#[tokio::test]
async fn a_wrong_login_says_no_more_than_that_and_many_are_stopped() {
    let world = guarded();
    let wrong = "The name or the password is wrong.";
    for name in ["otto", "nobody", "%3Cscript%3E"] {
        let answer = enter(&world, &format!("name={name}&password=guessed1&to=%2F")).await;
        assert_eq!(answer.status, 401, "{name}");
        assert!(answer.text().contains(wrong), "{}", answer.text());
        assert!(!answer.headers.contains_key("set-cookie"));
        assert!(!answer.body.contains("<script>") && !answer.body.contains("guessed1"));
    }
    for _ in 0..4 {
        enter(&world, "name=otto&password=guessed1").await;
    }
    let answer = enter(&world, "name=otto&password=correct+horse").await;
    assert_eq!(answer.status, 429);
    assert!(answer.text().contains("Wait 15 min"), "{}", answer.text());
    world.clock.advance(Duration::from_mins(16));
    cookie(&world, "otto").await;
}

#[tokio::test]
async fn viewers_are_told_what_they_may_not_and_nothing_is_done() {
    let world = guarded();
    let cookie = cookie(&world, "vera").await;
    let done = act(&world, &cookie, "/alerts/21/ack", "note=known").await;
    assert_eq!(done.status, 403);
    assert!(done.body.contains("needs the role operator"), "{}", done.body);
    assert_eq!(world.alarms.asked(), []);
    let page = get_with(&world.router, "/alerts/21", &[("cookie", &cookie)]).await;
    assert!(!page.body.contains("hx-post=\"/alerts/21/ack\""), "no form that cannot be sent");
    let page = get_with(&world.router, "/silences", &[("cookie", &cookie)]).await;
    assert!(!page.body.contains("hx-post=\"/silences"), "no form that cannot be sent");
}

#[tokio::test]
async fn a_logout_ends_this_session_and_another_password_all() {
    let world = guarded();
    let (one, two) = (cookie(&world, "otto").await, cookie(&world, "otto").await);
    let left = act(&world, &one, "/logout", "").await;
    assert_eq!(
        (left.status.as_u16(), &left.headers["hx-redirect"]),
        (204, &"/login".parse().unwrap())
    );
    assert!(left.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let status = async |cookie: &str| {
        get_with(&world.router, "/account", &[("cookie", cookie)]).await.status.as_u16()
    };
    assert_eq!((status(&one).await, status(&two).await), (303, 200));
    let form = |old: &str, new: &str, again: &str| format!("old={old}&new={new}&again={again}");
    for (fields, words) in [
        (form("correct+horse", "new password", "new passwort"), "typed in two ways"),
        (form("wrong", "new password", "new password"), "is another one"),
        (form("correct+horse", "short", "short"), "at least 8 characters"),
    ] {
        let answer = act(&world, &two, "/account/password", &fields).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let fields = form("correct+horse", "new+password", "new+password");
    let changed = act(&world, &two, "/account/password", &fields).await;
    assert_eq!(changed.status, 204, "{}", changed.body);
    assert_eq!(status(&two).await, 303);
    assert_eq!(enter(&world, "name=otto&password=new+password").await.status, 303);
}

#[tokio::test]
async fn who_is_logged_in_twice_can_end_the_other_session() {
    let world = guarded();
    let (one, two) = (cookie(&world, "otto").await, cookie(&world, "otto").await);
    let page = get_with(&world.router, "/account", &[("cookie", &one)]).await;
    assert!(page.text().contains("Log out everywhere else"), "{}", page.text());
    assert_eq!(act(&world, &one, "/account/sessions", "").await.status, 204);
    for (cookie, status) in [(&one, 200), (&two, 303)] {
        let page = get_with(&world.router, "/account", &[("cookie", cookie.as_str())]).await;
        assert_eq!(page.status, status);
    }
}

#[tokio::test]
async fn without_users_there_is_nothing_to_log_in_to() {
    let world = World::new(small_network());
    let page = get(&world.router, "/login?to=/alerts").await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["location"]),
        (303, &"/alerts".parse().unwrap())
    );
    assert_eq!(get(&world.router, "/account").await.status, 404);
    let me = get(&world.router, "/api/v1/me").await.json();
    assert_eq!(
        (&me["kind"], &me["may"]),
        (&"anybody".into(), &serde_json::json!(["read", "note"]))
    );
    let refused = send(&world, "POST", "/pause", "").await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn a_page_that_is_left_open_keeps_no_session_alive() {
    let world = guarded();
    let cookie = cookie(&world, "vera").await;
    let asked = async |path: &str, unasked: bool| {
        let mut headers = vec![("cookie", &*cookie)];
        headers.extend(unasked.then_some(("x-netmend-unasked", "yes")));
        get_with(&world.router, path, &headers).await.status.as_u16()
    };
    world.clock.advance(Duration::from_hours(11));
    assert_eq!(asked("/alerts", false).await, 200);
    world.clock.advance(Duration::from_hours(11));
    assert_eq!(asked("/alerts", true).await, 200, "a click put the end off");
    assert_eq!(asked("/api/v1/marks", false).await, 200, "as a chart asks");
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(asked("/alerts", false).await, 303, "half a day without a click");
}

/// Every address of the pages and the API with what it is asked by, as the code names them.
fn addresses() -> Vec<(&'static str, String)> {
    let pages = include_str!("../../src/pages/mod.rs").lines().map(|line| ("", line));
    let api = include_str!("../../src/api/mod.rs").lines().map(|line| ("/api/v1", line));
    let mut found = Vec::new();
    for (before, line) in pages.chain(api) {
        let Some((path, methods)) =
            line.trim().strip_prefix(".route(\"").and_then(|rest| rest.split_once('"'))
        else {
            continue;
        };
        // Any name will do: who may not ask does not learn whether it exists.
        let mut address = before.to_owned();
        for part in path.split('/').skip(1) {
            address.push('/');
            address.push_str(if part.starts_with('{') { "1" } else { part });
        }
        for (call, method) in [("get(", "GET"), ("post(", "POST"), ("delete(", "DELETE")] {
            if methods.contains(call) {
                found.push((method, address.clone()));
            }
        }
    }
    found
}

#[tokio::test]
async fn strangers_are_answered_nothing_and_viewers_change_nothing() {
    let world = guarded();
    let addresses = addresses();
    let changing = addresses.iter().filter(|(method, _)| *method != "GET").count();
    assert!(addresses.len() > 50 && changing > 12, "{addresses:?}");
    let cookie = cookie(&world, "vera").await;
    let page = get_with(&world.router, "/account", &[("cookie", &cookie)]).await;
    let token = page.body.split("netmend-token\" content=\"").nth(1).unwrap()[..32].to_owned();
    for (method, path) in &addresses {
        if path == "/login" {
            continue;
        }
        let origin = ("origin", "http://localhost:8420");
        let program = ("accept", "application/json");
        let stranger = ask(&world.router, method, path, &[origin, program], "").await;
        assert_eq!(stranger.status, 401, "{method} {path} answers strangers");
        let own = ["/logout", "/account/password", "/account/sessions"].contains(&path.as_str());
        if *method == "GET" || own {
            continue;
        }
        let mut headers = vec![origin, ("cookie", &*cookie), ("x-netmend-token", &*token)];
        let viewer = ask(&world.router, method, path, &headers, "").await;
        assert_eq!(viewer.status, 403, "{method} {path} is for viewers: {}", viewer.body);
        assert!(viewer.body.contains("needs the role"), "{method} {path}: {}", viewer.body);
        headers.pop();
        let without = ask(&world.router, method, path, &headers, "").await;
        assert!(without.body.contains("token"), "{method} {path}: {}", without.body);
        let foreign = ("origin", "http://evil.example");
        let headers = [foreign, ("cookie", &*cookie), ("x-netmend-token", &*token)];
        let foreign = ask(&world.router, method, path, &headers, "").await;
        assert_eq!(foreign.status, 403, "{method} {path}");
        assert!(!foreign.body.contains("needs the role"), "{method} {path} forgets its origin");
    }
    assert_eq!(world.alarms.asked(), []);
    assert!(world.menders.asked().is_empty());
}

#[tokio::test]
async fn a_session_that_somebody_else_made_up_is_never_taken_over() {
    let world = guarded();
    let planted = format!("netmend-session-8420={}", "a".repeat(64));
    let headers = [
        ("origin", "http://localhost:8420"),
        ("cookie", planted.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let form = "name=otto&password=correct+horse";
    let answer = ask(&world.router, "POST", "/login", &headers, form).await;
    let made = answer.headers["set-cookie"].to_str().unwrap();
    assert!(!made.starts_with(&planted), "a login makes a session of its own: {made}");
    let stale = get_with(&world.router, "/account", &[("cookie", &planted)]).await;
    assert_eq!(stale.status, 303, "the planted one is worth nothing");
    let again = cookie(&world, "otto").await;
    assert!(!made.starts_with(&again), "and no two are the same");
}
