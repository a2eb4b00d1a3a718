//! `netmend user`: who may log in to the pages, and the tokens of programs. Beside a running daemon through
//! its control socket, else in the store itself. Passwords come from the terminal or standard input, and
//! leave this process only as hashes.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Clock, Secret, SystemClock, UnixMs};
use show::login::{Done, Hash, LONGEST, Logins, Order, Role, SHORTEST, Terms, name};
use store::{DataLock, StateFile, StateReader};

use super::archive;
use super::stdout::{self, Form};
use crate::control::Client;
use crate::data;
use crate::entrance::{Entry, LOGINS, Roll};
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without any user nobody has to log in, but the pages answer this machine alone and repairs are approved by \
`netmend approve` alone. With users, everything but /healthz needs a login or a token.

Roles: a viewer reads; an operator also acknowledges, silences, approves, pauses and resumes; an admin also \
decides which remediations run by themselves.

Examples:
  netmend user add anna --role admin              # asks for the password twice
  pass show netmend/bo | netmend user add bo --role operator
  netmend user token add grafana --role viewer    # prints the token, this once

Exit codes: 0 done, 1 refused, 3 bad arguments, 4 a system error.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add a user. The password is asked for, or is the first line of standard input.
    Add(WithRole),
    /// List the users.
    List(List),
    /// Remove a user; their sessions end.
    Remove(Named),
    /// Give a user another password; their sessions end.
    Passwd(Named),
    /// Give a user another role, from now on.
    Role(NewRole),
    /// Tokens with which programs ask.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    /// Make a token and print it, this once. Programs send it as `Authorization: Bearer TOKEN`.
    Add(WithRole),
    /// List the tokens, without what opens.
    List(List),
    /// Remove a token: it is worth nothing any more.
    Remove(Named),
}

#[derive(Debug, clap::Args)]
struct WithRole {
    #[command(flatten)]
    named: Named,
    /// What they may do.
    #[arg(long, value_name = "ROLE", default_value = "viewer", value_parser = role)]
    role: Role,
}

#[derive(Debug, clap::Args)]
struct NewRole {
    #[command(flatten)]
    named: Named,
    /// viewer, operator or admin.
    #[arg(value_name = "ROLE", value_parser = role)]
    role: Role,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Of letters a-z, digits, `.`, `_`, `-` and `@`, in any case.
    #[arg(value_name = "NAME", value_parser = fit)]
    name: String,
    /// Data folder of the daemon [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Data folder of the daemon [default: as `netmend run` without a config].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print: lines or JSON.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Form,
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_name(word).ok_or_else(|| "a role is viewer, operator or admin".to_owned())
}

fn fit(typed: &str) -> Result<String, String> {
    name(typed).ok_or_else(|| {
        "a name has 1 to 64 of the letters a-z, digits, `.`, `_`, `-` and `@`".to_owned()
    })
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Report> {
    let (data, order) = match args.command {
        Command::List(list) => return listed(list, |roll| roll.users),
        Command::Token { command: TokenCommand::List(list) } => {
            return listed(list, |roll| roll.tokens);
        }
        Command::Add(WithRole { named: Named { name, data }, role }) => {
            (data, Order::Add { hash: password(&name)?, name, role })
        }
        Command::Passwd(Named { name, data }) => {
            (data, Order::Password { hash: password(&name)?, name })
        }
        Command::Role(NewRole { named: Named { name, data }, role }) => {
            (data, Order::Role { name, role })
        }
        Command::Remove(Named { name, data }) => (data, Order::Remove { name }),
        Command::Token { command } => match command {
            TokenCommand::Add(WithRole { named: Named { name, data }, role }) => {
                (data, Order::AddToken { name, role })
            }
            TokenCommand::Remove(Named { name, data }) => (data, Order::RemoveToken { name }),
            TokenCommand::List(_) => unreachable!("listed above"),
        },
    };
    let first = matches!(order, Order::Add { .. } | Order::AddToken { .. });
    let done = match Office::of(data, first)? {
        Office::Daemon(client) => client.post_json(LOGINS, &order)?,
        Office::Store(logins, _lock) => {
            let uid = nix::unistd::getuid();
            let done = logins.order(&format!("uid {uid}"), order);
            done.map_err(|why| Report::new(why.to_string()))?
        }
    };
    stdout::print(match done {
        Done::Said(what) => format!("{what}\n"),
        Done::Token(token) => format!("{token}\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn listed(list: List, which: impl Fn(Roll) -> Vec<Entry>) -> Result<ExitCode, Report> {
    let roll = roll(list.data)?;
    let entries = which(roll);
    stdout::print(match list.output {
        Form::Json => stdout::json_lines(entries.iter().map(|entry| {
            serde_json::json!({
                "name": entry.name, "role": entry.role, "created": rfc3339(entry.created),
                "by": entry.by, "seen": entry.seen.map(rfc3339),
            })
        }))?,
        Form::Text => text(&entries),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// All users and tokens: as the daemon has them, or the store, which is only read.
fn roll(data: Option<PathBuf>) -> Result<Roll, Report> {
    let folder = data::folder(data)?;
    archive::require(&folder)?;
    let failed = |why: &(dyn std::error::Error + 'static)| {
        Report::because(format!("cannot read {}", folder.display()), why).code(4)
    };
    let _lock = match DataLock::share(&folder) {
        Ok(lock) => lock,
        Err(store::Error::Locked { .. }) => return Client::new(folder)?.get(LOGINS),
        Err(why) => return Err(failed(&why)),
    };
    let state = StateReader::open(&folder).map_err(|why| failed(&why))?;
    let logins = Logins::open(Arc::new(state), Arc::new(SystemClock), Terms::default());
    Ok(Roll::of(&logins.map_err(|why| failed(&why))?))
}

fn text(entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let line = |entry: &Entry| {
        let seen = entry.seen.map_or_else(String::new, |at| format!(", seen {}", rfc3339(at)));
        let (name, role, created) = (&entry.name, entry.role, rfc3339(entry.created));
        format!("{name:width$}  {role:8}  added {created} by {}{seen}\n", entry.by)
    };
    entries.iter().map(line).collect()
}

fn rfc3339(at: UnixMs) -> String {
    let at = Timestamp::from_millisecond(at.0 / 1_000 * 1_000);
    at.map_or_else(|_| "-".to_owned(), |at| at.to_string())
}

/// Where an order goes.
enum Office {
    /// To the daemon that runs.
    Daemon(Client),
    /// To the store, which nobody else uses.
    Store(Box<Logins>, DataLock),
}

impl Office {
    /// `first`: users may be there before netmend has ever run, so that the store may be made for them.
    fn of(data: Option<PathBuf>, first: bool) -> Result<Self, Report> {
        let folder = data::folder(data)?;
        if let Err(none) = archive::require(&folder) {
            if !first {
                return Err(none);
            }
            let shown = folder.display();
            // A closed standard error leaves nobody to tell.
            drop(writeln!(io::stderr(), "{shown} held no store of netmend: it is made now"));
        }
        data::create(&folder)?;
        own(&folder)?;
        let failed = |why: &(dyn std::error::Error + 'static)| {
            Report::because(format!("cannot use {}", folder.display()), why).code(4)
        };
        let lock = match DataLock::acquire(&folder) {
            Ok(lock) => lock,
            Err(store::Error::Locked { .. }) => return Ok(Self::Daemon(Client::new(folder)?)),
            Err(why) => return Err(failed(&why)),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let state = StateFile::open(&folder, &*clock).map_err(|why| failed(&why))?;
        let logins = Logins::open(Arc::new(state), clock, Terms::default());
        Ok(Self::Store(Box::new(logins.map_err(|why| failed(&why))?), lock))
    }
}

/// Refuses to leave files of this user's in a folder of somebody else's: that daemon could not write them.
fn own(folder: &Path) -> Result<(), Report> {
    let owner = fs::metadata(folder).map(|about| about.uid());
    let us = nix::unistd::geteuid().as_raw();
    match owner {
        Ok(owner) if owner != us && !folder.join("netmend.sock").exists() => {
            let shown = folder.display();
            Err(Report::new(format!("{shown} belongs to the user with the number {owner}")).help(
                "start netmend first, or do this as that user: `sudo -u USER netmend user ...`",
            ))
        }
        _ => Ok(()),
    }
}

/// The hash of a password that is asked for, twice, or read.
fn password(name: &str) -> Result<Hash, Report> {
    let asked = |why: &io::Error| Report::because("cannot read the password", why).code(4);
    let typed = if io::stdin().is_terminal() {
        let prompt = format!("Password of {name} (at least {SHORTEST} characters): ");
        let first = Secret::new(rpassword::prompt_password(prompt).map_err(|why| asked(&why))?);
        let again = rpassword::prompt_password("Again: ").map_err(|why| asked(&why))?;
        if Secret::new(again) != first {
            return Err(Report::new("the password was typed in two ways"));
        }
        first
    } else {
        let mut line = String::new();
        // Enough to see that it is too long.
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 3;
        let mut input = io::stdin().lock().take(most);
        input.read_line(&mut line).map_err(|why| asked(&why))?;
        Secret::new(line.trim_end_matches(['\r', '\n']))
    };
    Hash::of(&typed).map_err(|why| Report::new(why.to_string()))
}
