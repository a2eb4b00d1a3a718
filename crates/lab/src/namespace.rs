//! A network namespace of one's own: made, used and deleted with the value that stands for it. It
//! must never touch the namespace it was called from.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";
/// What the names of ours start with; the process id and a counter follow.
const PREFIX: &str = "netmend-";

/// Why a namespace could not be made, entered or used.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The program could not be started at all.
    #[error("cannot start {program}: {error}")]
    Start {
        /// What was to be run.
        program: String,
        /// Why not.
        error: io::Error,
    },
    /// It ran and failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status in words.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// The kernel would not let us in.
    #[error("cannot enter network namespace {name} (needs CAP_SYS_ADMIN): {error}")]
    Enter {
        /// Name of the namespace.
        name: String,
        /// Why not.
        error: io::Error,
    },
}

/// A network namespace with its loopback up. One that was created here is deleted when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    ours: bool,
}

impl Namespace {
    /// Creates a namespace with a name that no other process uses. What crashed runs have left behind is
    /// removed first. Needs `CAP_SYS_ADMIN` and `ip` of iproute2.
    pub fn create() -> Result<Self, NamespaceError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        remove_left_behind();
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::create_as(&format!("{PREFIX}{}-{serial}", std::process::id()))
    }

    /// Creates the namespace `name`; an error if it exists.
    pub fn create_as(name: &str) -> Result<Self, NamespaceError> {
        checked(Command::new("ip").args(["netns", "add", name]))?;
        let created = Self { name: name.to_owned(), ours: true };
        created.run("ip", ["link", "set", "lo", "up"])?;
        Ok(created)
    }

    /// The namespace `name` if it exists, which is then left in place on drop; else a new one.
    pub fn open_or_create(name: &str) -> Result<Self, NamespaceError> {
        if Path::new(NAMES).join(name).exists() {
            return Ok(Self { name: name.to_owned(), ours: false });
        }
        Self::create_as(name)
    }

    /// Its name, as `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a program inside and waits for it; an exit status other than 0 is an error with its words.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Output, NamespaceError> {
        checked(self.command(program).args(args))
    }

    /// Runs `work` inside, on a thread of its own. Sockets and devices opened there stay inside, wherever
    /// they are used later; threads started there start inside.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let refused = |error: io::Error| NamespaceError::Enter { name: self.name.clone(), error };
        let handle = File::open(self.path()).map_err(refused)?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(handle, CloneFlags::CLONE_NEWNET)?;
                Ok(work())
            });
            match inside.join() {
                Ok(result) => result.map_err(|errno: nix::errno::Errno| refused(errno.into())),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn path(&self) -> PathBuf {
        Path::new(NAMES).join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.ours {
            return;
        }
        if let Err(error) = checked(Command::new("ip").args(["netns", "del", &self.name])) {
            tracing::warn!(%error, name = self.name, "network namespace is left behind");
        }
    }
}

/// Deletes namespaces whose process was killed before it could do so.
fn remove_left_behind() {
    let Ok(names) = std::fs::read_dir(NAMES) else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some(pid) = owner(&name) else { continue };
        if !Path::new("/proc").join(pid.to_string()).exists() {
            drop(Namespace { name, ours: true });
        }
    }
}

/// The process that a name of ours belongs to.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok()
}

/// Runs a command to its end; an exit status other than 0 is an error with its words.
fn checked(command: &mut Command) -> Result<Output, NamespaceError> {
    let words = || {
        let args = command.get_args().map(OsStr::to_string_lossy);
        std::iter::once(command.get_program().to_string_lossy()).chain(args).collect::<Vec<_>>()
    };
    let line = words().join(" ");
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| NamespaceError::Start { program, error })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(NamespaceError::Failed {
        command: line,
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn names_tell_their_process() {
        assert_eq!(owner("netmend-4711-0"), Some(4711));
        assert_eq!(owner("netmend-lab"), None);
        assert_eq!(owner("other-4711-0"), None);
    }

    #[test]
    fn a_namespace_has_a_loopback_of_its_own_and_goes_with_its_value() {
        let (first, second) = (Namespace::create().unwrap(), Namespace::create().unwrap());
        let bind = || UdpSocket::bind("127.0.0.1:4711").unwrap();
        let _held = first.enter(bind).unwrap();
        let _same_port_elsewhere = second.enter(bind).unwrap();

        let path = first.path();
        assert!(path.exists());
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_command_runs_inside_and_its_failure_is_told_in_its_own_words() {
        let namespace = Namespace::create().unwrap();
        let links = namespace.run("ip", ["-o", "link"]).unwrap();
        let text = String::from_utf8(links.stdout).unwrap();
        assert!(text.lines().all(|line| line.contains("lo:") || line.contains("@NONE")), "{text}");

        let error = namespace.run("ip", ["link", "show", "nosuch0"]).unwrap_err().to_string();
        assert!(error.contains("nosuch0") && error.contains("does not exist"), "{error}");
    }

    #[test]
    fn a_namespace_that_was_there_before_is_left_in_place() {
        let owner = Namespace::create().unwrap();
        drop(Namespace::open_or_create(owner.name()).unwrap());
        assert!(owner.path().exists());
    }
}
