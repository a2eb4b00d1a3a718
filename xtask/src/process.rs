//! Processes that a bench starts and looks at: what they have used, as the kernel counts it. It measures nothing
//! by itself.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// A process that ends with its handle.
pub(crate) struct Running(Child);

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// CPU, in seconds.
    pub(crate) cpu_s: f64,
    /// Most memory that it had at once, in MiB.
    pub(crate) rss_mib: f64,
}

impl Running {
    /// Starts it without input and output.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Self).map_err(|why| format!("cannot start {command:?}: {why}"))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// CPU that it has used, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64, String> {
        Ok(cpu(self.0.id())?[0])
    }

    /// CPU that its threads of this name have used, in seconds.
    pub(crate) fn thread_cpu_s(&self, name: &str) -> Result<f64, String> {
        let folder = format!("/proc/{}/task", self.0.id());
        let threads = std::fs::read_dir(&folder).map_err(|why| format!("{folder}: {why}"))?;
        let read = |thread: &std::path::Path, file: &str| {
            std::fs::read_to_string(thread.join(file)).unwrap_or_default()
        };
        let named = threads.flatten().map(|thread| thread.path());
        let times = named.filter(|thread| read(thread, "comm").trim() == name).map(|thread| {
            // Nanoseconds on a CPU come first.
            let schedstat = read(&thread, "schedstat");
            schedstat.split_whitespace().next().and_then(|spent| spent.parse::<f64>().ok())
        });
        let times: Option<Vec<f64>> = times.collect();
        let times = times.filter(|times| !times.is_empty());
        let times = times.ok_or_else(|| format!("no thread `{name}` to be seen in {folder}"))?;
        Ok(times.iter().sum::<f64>() / 1e9)
    }

    /// What it has used.
    pub(crate) fn used(&self) -> Result<Used, String> {
        Ok(Used { cpu_s: self.cpu_s()?, rss_mib: peak_rss_mib(self.0.id()) })
    }

    /// What its children have used together, those that have ended included; their memory is that of those
    /// that have not.
    pub(crate) fn children_used(&self) -> Result<Used, String> {
        let mut used = Used { cpu_s: cpu(self.0.id())?[1], rss_mib: 0.0 };
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.0.id()));
        for thread in threads.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children"));
            for child in children.unwrap_or_default().split_whitespace() {
                let child = child.parse().map_err(|why| format!("no process id: {why}"))?;
                // One that has just ended is counted with its parent's next time.
                used.cpu_s += cpu(child).map_or(0.0, |cpu| cpu[0]);
                used.rss_mib += peak_rss_mib(child);
            }
        }
        Ok(used)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already if that fails.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// CPU of a process, and of its children that have ended, in seconds: fields 14 to 17 of its `stat`, in ticks.
fn cpu(process: u32) -> Result<[f64; 2], String> {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).map_err(|why| format!("{path}: {why}"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(4);
    let fields: Vec<f64> = fields.filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, system, children_user, children_system] = fields[..] else {
        return Err(format!("{path} is not as it should be: {stat}"));
    };
    let hertz = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
    Ok([(user + system) / hertz, (children_user + children_system) / hertz])
}

/// Most memory that a process had at once, in MiB; 0 if it has ended.
fn peak_rss_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
