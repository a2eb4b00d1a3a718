//! `cargo xtask dist`: the folder `target/netmend-dist` with all that is shipped, and the Debian package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{command, package, packages};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Cargo profile of the binary; `dev` is quick, for a look at the package.
    #[arg(long, default_value = "dist")]
    profile: String,
    /// Install the package in a throw-away copy of this machine's files, start netmend, and remove it again.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    let package = build(&args.profile)?;
    println!("xtask: {}", package.display());
    if args.check { package::check(&package) } else { Ok(()) }
}

/// Builds all that is shipped; gives the Debian package.
pub(crate) fn build(profile: &str) -> Result<PathBuf, String> {
    packages::install_cargo("cargo-deb")?;
    command::run("cargo", &["build", "--profile", profile, "-p", "netmend"])?;
    let target = std::env::var("CARGO_TARGET_DIR")
        .map_or_else(|_| command::root().join("target"), Into::into);
    // Cargo's own name for the folder of the profile `dev`.
    let built = target.join(if profile == "dev" { "debug" } else { profile });
    let staged = built.join("netmend-package");
    stage(&built.join("netmend"), &staged)?;
    let folder = target.join("netmend-dist");
    // What an earlier build left must not be taken for this one's.
    let _ = fs::remove_dir_all(&folder);
    make(&folder)?;
    copy_all(&staged, &folder)?;
    copy(&built.join("netmend"), &folder.join("netmend"))?;
    for name in ["systemd/netmend.service", "LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
        let from = command::root().join(name);
        let to = folder.join(from.file_name().expect("each of them is a file"));
        copy(&from, &to)?;
    }
    let output = folder.display().to_string();
    let mut deb = vec!["deb", "--no-build", "-p", "netmend", "--profile", profile];
    deb.extend(["--output", output.as_str()]);
    if profile == "dev" {
        // Packing what is only looked at must not take longer than looking.
        deb.extend(["--strip", "--fast"]);
    }
    command::run("cargo", &deb)?;
    let found = fs::read_dir(&folder).map_err(|why| format!("{output}: {why}"))?;
    let mut found = found.filter_map(|entry| Some(entry.ok()?.path()));
    let package = found.find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    package.ok_or_else(|| format!("cargo-deb left no package in {output}"))
}

/// Completions and manual pages, which the binary itself writes.
fn stage(binary: &Path, folder: &Path) -> Result<(), String> {
    let manual = folder.join("man1");
    make(&manual)?;
    for (shell, name) in [("bash", "netmend.bash"), ("zsh", "_netmend"), ("fish", "netmend.fish")] {
        let out = Command::new(binary).args(["completions", shell]).output();
        let out = out.map_err(|why| format!("cannot start {}: {why}", binary.display()))?;
        fs::write(folder.join(name), out.stdout).map_err(|why| format!("{name}: {why}"))?;
    }
    let (binary, manual) = (binary.display().to_string(), manual.display().to_string());
    command::run(&binary, &["man", "--to", &manual])
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|why| format!("copy {}: {why}", from.display()))
}

/// The files of a folder and of those below it.
fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    make(to)?;
    for entry in fs::read_dir(from).map_err(|why| format!("{}: {why}", from.display()))? {
        let path = entry.map_err(|why| format!("{}: {why}", from.display()))?.path();
        let to = to.join(path.file_name().expect("an entry of a folder has a name"));
        if path.is_dir() {
            copy_all(&path, &to)?;
        } else {
            copy(&path, &to)?;
        }
    }
    Ok(())
}
