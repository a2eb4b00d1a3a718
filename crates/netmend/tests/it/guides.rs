//! The pages of `docs/` that lead here from other programs or go together with them, followed by their words: the
//! commands and configurations are those of the pages, run by a shell, and what the pages promise is looked at.

mod grafana;
mod netfbar;
mod network_telemetry;
mod prometheus;
mod smokeping;
mod vco;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::daemon::{Daemon, bare};

/// The blocks of a page that are indented by so much, without that.
fn blocks(page: &str, indent: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        let block = blocks.last_mut().expect("there is one from the start");
        match line.strip_prefix(indent) {
            Some(code) => writeln!(block, "{code}").expect("a string takes everything"),
            None if block.is_empty() => {}
            None => blocks.push(String::new()),
        }
    }
    blocks
}

/// The block that begins with these words.
#[track_caller]
fn block<'b>(blocks: &'b [String], start: &str) -> &'b str {
    let found = blocks.iter().find(|block| block.starts_with(start));
    found.unwrap_or_else(|| panic!("the page has no {start:?}: {blocks:#?}"))
}

/// Runs a command of a page in `folder` by a shell that finds netmend, on the data in the folder `data`.
fn shell(folder: &Path, line: &str, env: &[(&str, &str)]) -> Output {
    let netmend = Path::new(env!("CARGO_BIN_EXE_netmend"));
    let own = netmend.parent().expect("a file lies in a folder").display();
    let path = std::env::var("PATH").expect("shells have one");
    Command::new("sh")
        .args(["-euc", line])
        .current_dir(folder)
        .env("PATH", format!("{own}:{path}"))
        .env("STATE_DIRECTORY", folder.join("data"))
        .envs(env.iter().copied())
        .output()
        .expect("there is a shell")
}

/// The same of a command that must succeed; gives what it printed.
#[track_caller]
fn follow(folder: &Path, line: &str, env: &[(&str, &str)]) -> String {
    let ended = shell(folder, line, env);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{line}: {}: {said}", ended.status);
    String::from_utf8(ended.stdout).expect("it prints UTF-8")
}

/// `netmend run` in `folder` with the arguments of a page.
fn run(folder: &Path, listen: &str, args: &[&str], env: &[(&str, &str)]) -> Daemon {
    let mut command = bare(listen, &folder.join("data"));
    command.args(args).current_dir(folder).envs(env.iter().copied());
    Daemon::start(command)
}
