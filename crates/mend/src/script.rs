//! Remediations: one Starlark file each, which says what it repairs (`remediation(...)`) and how (`check`, `fix`,
//! `verify`, `undo`). Files are read and run in child processes that can do nothing but compute; what they want
//! of a device goes through [`Host`], which others implement. This module decides whether a command may be
//! sent, never whether a remediation may run: that is for guards.
//!
//! Reading order: [`Meta`], [`Remediation`], [`Remediations`]; [`Facts`], [`Step`], [`Host`], [`Verdict`],
//! [`Execution`]; then what runs where: `children`, `execution`, `template`, `argument`, `seen` in the parent,
//! which decides; `child`, `sandbox`, `engine`, `parse` in the children, which compute; `wire` in between.

mod argument;
mod cast;
mod child;
mod children;
mod engine;
mod error;
mod execution;
mod facts;
mod host;
mod library;
mod loader;
mod meta;
mod overlap;
mod parse;
mod pattern;
mod problem;
mod sandbox;
mod seen;
mod shipped;
mod template;
mod wire;

pub use cast::{Cast, CastError, Casts, Exchange, Recorder, outcome, sample};
pub use child::serve;
pub use children::{Children, Program};
pub use error::ScriptError;
pub use execution::Execution;
pub use facts::Facts;
pub use host::{Host, HostError, Paper, Reply};
pub use library::{Found, Origin, Remediation, Remediations};
pub use loader::{Loading, check, load};
pub use meta::{Condition, Meta, Step, Verdict, VerdictKind};
#[cfg(any(test, fuzzing))]
pub use parse::checks::facts as check_facts;
pub use pattern::Pattern;
pub use problem::Problem;
pub use shipped::{shipped, shipped_cast, shipped_source};

#[cfg(test)]
mod tests;
