//! Where people log in and out, and the page of their own account. Who they are, `login` knows; this file
//! asks it and keeps no secret.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use maud::{DOCTYPE, Markup, html};
use model::{Secret, UnixMs};
use tokio::sync::Semaphore;

use super::{layout, signs, sorry, when};
use crate::app::App;
use crate::format;
use crate::guard::Visit;
use crate::login::{LONGEST, NotIn, SHORTEST, Session, SessionId};
use crate::who::Who;

/// So many passwords are checked at a time: each takes a core for some ten milliseconds, and 19 MiB.
static CHECKS: Semaphore = Semaphore::const_new(2);
/// Where the script that asked goes next.
const GO: HeaderName = HeaderName::from_static("hx-redirect");

/// The form; straight on for who need not fill it in.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let to = back(field(&pairs, "to"));
    let known = Who::now().user().is_some();
    if known || !app.deps.access.logins.has_users() {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    }
    form(&app, "", &to, "").into_response()
}

/// Lets in, or says why not.
pub(super) async fn enter(
    State(app): State<Arc<App>>,
    Extension(visit): Extension<Visit>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let (name, to) = (field(&fields, "name").to_owned(), back(field(&fields, "to")));
    let password = Secret::new(field(&fields, "password"));
    let (logins, asked, peer) = (Arc::clone(&app.deps.access.logins), name.clone(), visit.peer);
    match checked(move || logins.log_in(&asked, &password, peer)).await {
        Ok(shown) => {
            let cookie = visit.cookie.set(shown.reveal());
            let next = [(header::LOCATION, to)];
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie)], next).into_response()
        }
        Err(why) => (status(&why), form(&app, &name, &to, &why.to_string())).into_response(),
    }
}

/// Checks a password on a thread that may block, a few at a time.
async fn checked<T: Send + 'static>(
    check: impl FnOnce() -> Result<T, NotIn> + Send + 'static,
) -> Result<T, NotIn> {
    let slot = CHECKS.acquire().await.expect("this semaphore is never closed");
    // The thread has the slot: it goes on when whoever asked has hung up.
    let done = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        check()
    });
    let done = done.await;
    // A thread that panicked let nobody in.
    done.unwrap_or(Err(NotIn::Wrong))
}

fn status(why: &NotIn) -> StatusCode {
    match why {
        NotIn::Wrong => StatusCode::UNAUTHORIZED,
        NotIn::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
        NotIn::Broken(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// Where somebody goes after the login: a page of ours, whatever the address says.
fn back(to: &str) -> String {
    let plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let ours = to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/login");
    if plain && ours { to.to_owned() } else { "/".to_owned() }
}

fn form(app: &App, name: &str, to: &str, problem: &str) -> Markup {
    let site = app.deps.now.system().site;
    html! {
        (DOCTYPE)
        html lang="en" {
            (layout::head("Log in", &site, None))
            body.login {
                main #main {
                    h1 {
                        svg viewBox="0 0 16 16" aria-hidden="true" { path d="M1 9h3l2-6 4 10 2-4h3" {} }
                        "netmend " small { (site) }
                    }
                    form.act method="post" action="/login" {
                        label { "Name"
                            input name="name" value=(name) autocomplete="username" autocapitalize="none"
                                spellcheck="false" required autofocus[name.is_empty()] maxlength="64";
                        }
                        label { "Password"
                            input type="password" name="password" autocomplete="current-password" required
                                autofocus[!name.is_empty()] maxlength=(LONGEST);
                        }
                        input type="hidden" name="to" value=(to);
                        (signs::problem(problem))
                        button type="submit" { "Log in" }
                    }
                    p.hint { "Who has no login asks an administrator: " code { "netmend user add NAME" } }
                }
            }
        }
    }
}

/// Ends this session.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    Extension(visit): Extension<Visit>,
) -> Response {
    if let Who::User { session, .. } = Who::now() {
        end(&app, move |id, _| id == session).await;
    }
    let next = [(header::SET_COOKIE, visit.cookie.clear()), (GO, "/login".parse().expect("ASCII"))];
    (StatusCode::NO_CONTENT, next).into_response()
}

/// Ends every session of this user but the one that asks.
pub(super) async fn end_others(State(app): State<Arc<App>>) -> Response {
    if let Who::User { name, session, .. } = Who::now() {
        end(&app, move |id, other| other.user == name && id != session).await;
    }
    (StatusCode::NO_CONTENT, [(GO, "/account")]).into_response()
}

async fn end(app: &App, which: impl Fn(SessionId, &Session) -> bool + Send + 'static) {
    let logins = Arc::clone(&app.deps.access.logins);
    let ended = tokio::task::spawn_blocking(move || logins.end(which)).await;
    if let Ok(Err(why)) = ended {
        // They are over in memory; the next start might find them.
        tracing::warn!(%why, "ended sessions could not be forgotten");
    }
}

/// Changes the password of who asks.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Extension(visit): Extension<Visit>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let refused = |code: StatusCode, why: &str| (code, signs::problem(why)).into_response();
    let Who::User { name, .. } = Who::now() else {
        return refused(StatusCode::FORBIDDEN, "Only a user who logged in has a password.");
    };
    if field(&fields, "new") != field(&fields, "again") {
        return refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The new password was typed in two ways.",
        );
    }
    let old = Secret::new(field(&fields, "old"));
    let new = Secret::new(field(&fields, "new"));
    let logins = Arc::clone(&app.deps.access.logins);
    let changed = checked(move || logins.change_password(&name, (&old, &new), visit.peer)).await;
    match changed {
        // All sessions are over, this one too.
        Ok(()) => (StatusCode::NO_CONTENT, [(GO, "/login?to=%2Faccount")]).into_response(),
        Err(NotIn::Wrong) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, "The password you have now is another one.")
        }
        Err(NotIn::Broken(why)) => refused(StatusCode::UNPROCESSABLE_ENTITY, &format!("{why}.")),
        Err(why) => refused(status(&why), &why.to_string()),
    }
}

/// Who somebody is here, where they are logged in, and their password.
pub(super) async fn account(State(app): State<Arc<App>>) -> Response {
    let Who::User { name, role, session } = Who::now() else {
        return sorry(&app, StatusCode::NOT_FOUND, "You are not logged in as a user.");
    };
    let sessions = app.deps.access.logins.sessions(&name);
    let others = sessions.iter().any(|(id, _)| *id != session);
    let body = html! {
        header.target { h1 { (name) } p { (role) } }
        div.columns {
            section {
                h2 { "Where you are logged in" }
                ul.marks { @for (id, one) in &sessions { (listed(one, *id == session, app.now())) } }
                div.buttons {
                    form hx-post="/logout" { button type="submit" { "Log out" } (signs::problem("")) }
                    @if others {
                        form hx-post="/account/sessions" { button type="submit" { "Log out everywhere else" } (signs::problem("")) }
                    }
                }
            }
            section {
                h2 { "Another password" }
                form.act hx-post="/account/password" hx-target="find .problem" hx-swap="outerHTML" {
                    input type="text" name="name" value=(name) autocomplete="username" hidden;
                    label { "The one you have" input type="password" name="old" autocomplete="current-password" required; }
                    label { "The new one" input type="password" name="new" autocomplete="new-password" required minlength=(SHORTEST) maxlength=(LONGEST); }
                    label { "The new one again" input type="password" name="again" autocomplete="new-password" required; }
                    p.hint { "At least " (SHORTEST) " characters. You are logged out everywhere then." }
                    (signs::problem(""))
                    button type="submit" { "Change it" }
                }
            }
        }
    };
    layout::page(&app, &app.present.view(), "Account", "/account", &body).into_response()
}

fn listed(session: &Session, here: bool, now: UnixMs) -> Markup {
    html! { li {
        "from " b { (session.from) } " since " (when::moment(session.created))
        @if here { ", this one" } @else { ", used " (format::since(session.seen, now)) " ago" }
    } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_always_a_page_of_ours() {
        for ours in ["/", "/alerts?severity=critical", "/devices/%3Cscript%3E"] {
            assert_eq!(back(ours), ours);
        }
        for foreign in [
            "",
            "alerts",
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "/a\r\nset-cookie: x",
            "/ü",
            "/login?to=/login",
        ] {
            assert_eq!(back(foreign), "/", "{foreign:?}");
        }
    }
}
