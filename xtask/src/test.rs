//! `cargo xtask test`: everything that must pass before a change lands, the same here and in CI.

use crate::{command, packages};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the tests, without format, lints and licences.
    #[arg(long)]
    tests_only: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    packages::install(packages::TESTS)?;
    packages::install_cargo("cargo-nextest")?;
    if !args.tests_only {
        packages::install_cargo("cargo-deny")?;
        command::run("cargo", &["fmt", "--all", "--check"])?;
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        command::run("cargo", &clippy)?;
        command::run("cargo", &["deny", "check", "bans", "licenses", "sources"])?;
    }
    command::run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])
}
