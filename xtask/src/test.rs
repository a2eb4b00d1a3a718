//! `cargo xtask test`: everything that must pass before a change lands, the same here and in CI.

use crate::{command, dist, package, packages};

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
    command::run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])?;
    containers()?;
    // The binary of the tests does for the package, too: it is the same package.
    package::check(&dist::build("dev")?)
}

/// Whether the example of containers is one. No container engine is needed for it, and none is started.
fn containers() -> Result<(), String> {
    let folder = command::root().join("packaging/docker");
    let file = |name: &str| folder.join(name).display().to_string();
    let (compose, env) = (file("compose.yaml"), file("env.example"));
    let line = ["--file", &compose, "--env-file", &env, "config", "--quiet"];
    command::run("docker-compose", &line)
}
