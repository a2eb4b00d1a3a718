//! What a child process may do: compute, and talk over the one stream that it was given. Limits of memory and
//! time, then a list of the system calls that computing needs; any other ends the process.

use std::io;

use nix::sys::resource::{Resource, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Memory that scripts may use in all, beyond what the process maps at its start.
const MEMORY: u64 = 256 << 20;
/// CPU seconds of a child's whole life.
const CPU_SECONDS: u64 = 300;

/// Closes the doors. What was opened before stays open.
///
/// # Errors
/// A limit or the filter could not be set; then nothing of others may run here.
pub(super) fn enter() -> io::Result<()> {
    let mapped = mapped()?;
    for (resource, limit) in [
        (Resource::RLIMIT_AS, mapped + MEMORY),
        (Resource::RLIMIT_CPU, CPU_SECONDS),
        // Nothing is opened, written or dumped.
        (Resource::RLIMIT_NOFILE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, limit, limit)?;
    }
    let program = filter().map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)
}

/// Bytes that the process has mapped: its program, stacks and what its allocator took.
fn mapped() -> io::Result<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| {
        io::Error::other("/proc/self/statm does not say how much memory is mapped")
    })?;
    // Pages of 4 KiB are the smallest that Linux knows; larger ones only make the limit tighter.
    Ok(pages * 4096)
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let allowed = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_gettid,
        libc::SYS_getpid,
        // A process that runs out of memory ends itself.
        libc::SYS_tgkill,
        #[cfg(target_env = "musl")]
        libc::SYS_tkill,
    ];
    let rules = allowed.into_iter().map(|call| (call, Vec::new())).collect();
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}
