//! `/api/v1/me`: who asks, as netmend sees it. For scripts that want to know whether their login holds.

use axum::Json;
use serde::Serialize;

use crate::login::Role;
use crate::who::{Right, Who};

#[derive(Serialize)]
pub(super) struct Me {
    kind: &'static str,
    name: Option<String>,
    role: Option<Role>,
    may: Vec<&'static str>,
}

pub(super) async fn me() -> Json<Me> {
    let who = Who::now();
    let rights = [
        (Right::Read, "read"),
        (Right::Note, "note"),
        (Right::Mend, "mend"),
        (Right::Govern, "govern"),
    ];
    let may = rights.into_iter().filter(|(right, _)| who.may(*right)).map(|(_, word)| word);
    let may = may.collect();
    let (kind, name, role) = match who {
        Who::Anybody => ("anybody", None, None),
        Who::User { name, role, .. } => ("user", Some(name), Some(role)),
        Who::Program { name, role } => ("token", Some(name), Some(role)),
        Who::Local(caller) => ("local", Some(caller), None),
    };
    Json(Me { kind, name, role, may })
}
