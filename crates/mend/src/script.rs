//! Remediations: one Starlark file each, which says what it repairs (`remediation(...)`) and how (`check`, `fix`,
//! `verify`, `undo`). Files are read and run in child processes that can do nothing but compute; what they want
//! of a device goes through [`Host`], which others implement. This module decides whether a command may be
//! sent, never whether a remediation may run: that is for guards.
//!
//! Reading order: [`Meta`], [`Remediation`], [`Remediations`]; [`Facts`], [`Step`], [`Host`], [`Verdict`].

mod error;
mod facts;
mod host;
mod library;
mod meta;
mod pattern;
mod problem;

pub use error::ScriptError;
pub use facts::Facts;
pub use host::{Host, HostError, Reply};
pub use library::{Found, Origin, Remediation, Remediations};
pub use meta::{Condition, Meta, Step, Verdict, VerdictKind};
pub use pattern::Pattern;
pub use problem::Problem;
