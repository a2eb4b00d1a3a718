//! `cargo xtask dist`: the folder `target/netmend-dist` with all that a package ships.

use std::fs;
use std::process::Command;

use crate::command;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<(), String> {
    command::run("cargo", &["build", "--profile", "dist", "-p", "netmend"])?;
    let target = std::env::var("CARGO_TARGET_DIR")
        .map_or_else(|_| command::root().join("target"), Into::into);
    let binary = target.join("dist/netmend");
    let folder = target.join("netmend-dist");
    fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let copy = |from: &std::path::Path, name: &str| {
        fs::copy(from, folder.join(name)).map_err(|why| format!("copy {}: {why}", from.display()))
    };
    copy(&binary, "netmend")?;
    for name in ["systemd/netmend.service", "LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
        let from = command::root().join(name);
        copy(&from, from.file_name().and_then(|name| name.to_str()).unwrap_or(name))?;
    }
    for (args, name) in [
        (["completions", "bash"].as_slice(), "netmend.bash"),
        (&["completions", "zsh"], "_netmend"),
        (&["completions", "fish"], "netmend.fish"),
    ] {
        let out = Command::new(&binary).args(args).output().map_err(|why| why.to_string())?;
        fs::write(folder.join(name), out.stdout).map_err(|why| format!("{name}: {why}"))?;
    }
    let manual = folder.join("man1");
    fs::create_dir_all(&manual).map_err(|why| format!("{}: {why}", manual.display()))?;
    let (binary, manual) = (binary.display().to_string(), manual.display().to_string());
    command::run(&binary, &["man", "--to", &manual])?;
    println!("xtask: {}", folder.display());
    Ok(())
}
