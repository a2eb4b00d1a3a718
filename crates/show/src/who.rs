//! Who asks, and what they may do. Each request is answered within the [`Who`] that the guard found out, so
//! that the frame of a page and the name in an audit need no argument of every page. It must not decide who
//! somebody is.

use model::text::printable;

use crate::login::{Role, SessionId};

/// Most characters of a name that somebody gave.
const NAME: usize = 200;

/// What may be done; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    /// Look.
    Read,
    /// Say what concerns messages alone: acknowledge, silence.
    Note,
    /// Say what concerns devices: approve and reject, pause and resume.
    Mend,
    /// Decide what may be done without asking.
    Govern,
}

impl Right {
    /// The most that a role allows.
    fn of(role: Role) -> Self {
        match role {
            Role::Viewer => Right::Read,
            Role::Operator => Right::Mend,
            Role::Admin => Right::Govern,
        }
    }

    /// What it allows, in words that follow "may not" or "needs".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Right::Read => "look at the pages",
            Right::Note => "acknowledge and silence",
            Right::Mend => "approve, pause and resume repairs",
            Right::Govern => "change how remediations are run",
        }
    }

    /// The least role that has it.
    pub(crate) fn role(self) -> Role {
        let has = |role: &Role| Right::of(*role) >= self;
        Role::ALL.into_iter().find(has).unwrap_or(Role::Admin)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody at a netmend without users, on this machine.
    Anybody,
    /// A user who logged in.
    User {
        /// Their name.
        name: String,
        /// Their role at this moment.
        role: Role,
        /// By which session.
        session: SessionId,
    },
    /// A program with a token.
    Program {
        /// Name of the token.
        name: String,
        /// Its role.
        role: Role,
    },
    /// A process that the kernel vouches for, by the control socket.
    Local(String),
}

tokio::task_local! {
    static WHO: Who;
}

impl Who {
    /// Runs `work` as this one's request.
    pub(crate) async fn asks<T>(self, work: impl Future<Output = T>) -> T {
        WHO.scope(self, work).await
    }

    /// Who asks; [`Who::Anybody`] outside a request, which may do least of those who may do anything.
    pub(crate) fn now() -> Self {
        WHO.try_with(Clone::clone).unwrap_or(Who::Anybody)
    }

    /// Whether they may do this.
    pub(crate) fn may(&self, right: Right) -> bool {
        right
            <= match self {
                // Who cannot be named must not touch devices.
                Who::Anybody => Right::Note,
                Who::User { role, .. } | Who::Program { role, .. } => Right::of(*role),
                Who::Local(_) => Right::Govern,
            }
    }

    /// Whether somebody has to say their name, since nobody else knows it.
    pub(crate) fn is_unnamed(&self) -> bool {
        matches!(self, Who::Anybody)
    }

    /// The name of a user who logged in.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Who::User { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What an audit calls them. `typed` is the name that somebody without a login gave.
    pub(crate) fn actor(&self, typed: &str) -> String {
        match self {
            Who::Anybody => match printable(typed, NAME) {
                name if name.is_empty() => "somebody, by the pages".to_owned(),
                name => format!("{name}, by the pages"),
            },
            Who::User { name, .. } => name.clone(),
            Who::Program { name, .. } => format!("token {name}"),
            Who::Local(caller) => caller.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_one_before_it_may_and_more() {
        let may = |who: &Who| {
            [Right::Read, Right::Note, Right::Mend, Right::Govern].map(|right| who.may(right))
        };
        let user = |role| Who::Program { name: "x".into(), role };
        assert_eq!(may(&Who::Anybody), [true, true, false, false]);
        assert_eq!(may(&user(Role::Viewer)), [true, false, false, false]);
        assert_eq!(may(&user(Role::Operator)), [true, true, true, false]);
        assert_eq!(may(&user(Role::Admin)), [true; 4]);
        assert_eq!(may(&Who::Local("uid 0".into())), [true; 4]);
        assert_eq!(Right::Note.role(), Role::Operator);
    }

    #[test]
    fn only_who_has_no_name_may_give_one() {
        assert_eq!(Who::Anybody.actor(" anna\u{202e} "), "anna\u{fffd}, by the pages");
        assert_eq!(Who::Anybody.actor(""), "somebody, by the pages");
        let program = Who::Program { name: "ci".into(), role: Role::Admin };
        assert_eq!(program.actor("anna"), "token ci");
        assert_eq!(Who::Local("uid 0, pid 7".into()).actor("anna"), "uid 0, pid 7");
    }
}
