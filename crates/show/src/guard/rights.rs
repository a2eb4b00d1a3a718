//! Which right each address needs. What is not named here and changes something needs the highest one, so
//! that a new form is closed until somebody thinks of it. It must know addresses alone.

use axum::http::Method;

use crate::who::Right;

/// What stands before an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Nothing: it tells nothing of the network.
    Open,
    /// It is where people log in.
    Login,
    /// This right.
    Right(Right),
}

/// The door of an address.
pub(super) fn door(method: &Method, path: &str, open_metrics: bool) -> Door {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match path {
        "/healthz" if reads => return Door::Open,
        "/metrics" if reads && open_metrics => return Door::Open,
        "/login" => return Door::Login,
        _ if reads && path.starts_with("/assets/") => return Door::Open,
        _ if reads => return Door::Right(Right::Read),
        // What concerns nobody but who asks.
        "/logout" | "/account/password" | "/account/sessions" => {
            return Door::Right(Right::Read);
        }
        _ => {}
    }
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    Door::Right(match path.split('/').nth(1) {
        Some("alerts" | "silences") => Right::Note,
        Some("events" | "runs" | "pause" | "resume") => Right::Mend,
        _ => Right::Govern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_door_and_what_is_unknown_the_heaviest() {
        let check = |method: Method, path: &str, expected: Door| {
            assert_eq!(door(&method, path, false), expected, "{method} {path}");
        };
        for path in ["/", "/alerts/3", "/api/v1/targets", "/metrics", "/live", "/nowhere"] {
            check(Method::GET, path, Door::Right(Right::Read));
        }
        check(Method::GET, "/healthz", Door::Open);
        check(Method::GET, "/assets/netmend.css", Door::Open);
        check(Method::GET, "/login", Door::Login);
        check(Method::POST, "/login", Door::Login);
        check(Method::POST, "/healthz", Door::Right(Right::Govern));
        check(Method::POST, "/logout", Door::Right(Right::Read));
        for path in ["/alerts/3/ack", "/silences", "/api/v1/silences", "/silences/2/expire"] {
            check(Method::POST, path, Door::Right(Right::Note));
        }
        check(Method::DELETE, "/api/v1/silences/2", Door::Right(Right::Note));
        for path in ["/events/3/approve", "/runs/7/cancel", "/pause", "/api/v1/events/3/reject"] {
            check(Method::POST, path, Door::Right(Right::Mend));
        }
        for path in ["/remediations/bgp/mode", "/", "/users", "/api/v1/x", "/alertsx", "//alerts"] {
            check(Method::POST, path, Door::Right(Right::Govern));
        }
        assert_eq!(door(&Method::GET, "/metrics", true), Door::Open);
        assert_eq!(door(&Method::POST, "/metrics", true), Door::Right(Right::Govern));
    }
}
