//! Runs other programs, shows what is run, and fails with the command that failed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs a program with its output shown; an exit code other than 0 is an error that names it.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<(), String> {
    run_in(program, args, &[])
}

/// The same with environment variables set.
pub(crate) fn run_in(program: &str, args: &[&str], envs: &[(&str, &str)]) -> Result<(), String> {
    start(program, args, envs, &format!("{program} {}", args.join(" ")))
}

/// The same for a line that nobody wants to read: `what` is shown instead.
pub(crate) fn run_quiet(program: &str, args: &[&str], what: &str) -> Result<(), String> {
    start(program, args, &[], what)
}

fn start(program: &str, args: &[&str], envs: &[(&str, &str)], line: &str) -> Result<(), String> {
    println!("xtask: {line}");
    let status = Command::new(program)
        .args(args)
        .envs(envs.iter().copied())
        .current_dir(root())
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}")) }
}

/// Whether a program can be started and says its version.
pub(crate) fn exists(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask lies in the workspace's root").to_owned()
}
