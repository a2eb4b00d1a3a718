//! `cargo xtask dist`: the folder `target/netmend-dist` with all that is shipped, and the Debian package; or, with
//! `--static`, a binary that needs no library.

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
    /// Instead, build a binary that needs no library and runs on any Linux of this architecture: it has musl's C
    /// library in it.
    #[arg(long = "static", conflicts_with = "check")]
    standalone: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    if args.standalone {
        println!("xtask: {}", standalone(&args.profile)?.display());
        return Ok(());
    }
    let package = build(&args.profile)?;
    println!("xtask: {}", package.display());
    if args.check { package::check(&package) } else { Ok(()) }
}

/// Builds all that is shipped; gives the Debian package.
pub(crate) fn build(profile: &str) -> Result<PathBuf, String> {
    packages::install_cargo("cargo-deb")?;
    command::run("cargo", &["build", "--profile", profile, "-p", "netmend"])?;
    let target = target_folder();
    let built = built(&target, profile);
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

/// A folder with the binary and what the kernel shows alone: it probes, and runs remediations in processes that can
/// only compute.
const EMPTY: &str = r#"
set -e
mount -t tmpfs tmpfs "$2"
cp "$1" "$2"
mkdir "$2/proc" "$2/dev"
mount -t proc proc "$2/proc"
mount --bind /dev "$2/dev"
ip link set lo up
chroot "$2" /netmend probe -c 1 127.0.0.1
exec chroot "$2" /netmend remedy test
"#;

/// Builds the binary that needs no library, and tries it where there is none. The one in the package has glibc, of
/// which the machine keeps a current one.
fn standalone(profile: &str) -> Result<PathBuf, String> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    packages::install(&["musl-tools"])?;
    command::run("rustup", &["target", "add", &target])?;
    command::run("cargo", &["build", "--profile", profile, "-p", "netmend", "--target", &target])?;
    let built = built(&target_folder().join(&target), profile).join("netmend");
    let folder = target_folder().join("netmend-static");
    let _ = fs::remove_dir_all(&folder);
    make(&folder)?;
    let binary = folder.join("netmend");
    copy(&built, &binary)?;
    let empty = tempfile::tempdir().map_err(|why| format!("an empty folder: {why}"))?;
    let (path, empty) = (binary.display().to_string(), empty.path().display().to_string());
    let own = ["--mount", "--pid", "--fork", "--net", "--kill-child"];
    let line = [&own[..], &["sh", "-c", EMPTY, "empty", &path, &empty]].concat();
    command::run_quiet("unshare", &line, &format!("try {path} where nothing else is"))?;
    Ok(binary)
}

fn target_folder() -> PathBuf {
    std::env::var("CARGO_TARGET_DIR").map_or_else(|_| command::root().join("target"), Into::into)
}

/// Where a build leaves what it makes; cargo's own name for the folder of the profile `dev` is another.
fn built(target: &Path, profile: &str) -> PathBuf {
    target.join(if profile == "dev" { "debug" } else { profile })
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
