//! The simulated devices of the bench, in a process of their own that is not counted. They know nothing of who
//! works on them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::Args;

/// Addresses of the devices: from this one on, on this port. `crates/lab/examples/devices.rs` says the same.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 27, 0, 1);
pub(super) const PORT: u16 = 27_022;
/// Account and password of all devices.
pub(super) const USER: &str = "netmend";
pub(super) const PASSWORD: &str = "lab";

/// The running devices; they end with the value.
pub(super) struct Devices {
    child: Child,
    answers: BufReader<ChildStdout>,
    /// How many there are.
    pub(super) count: usize,
}

impl Devices {
    /// Starts as many as told, each with so many interfaces.
    pub(super) fn start(program: &Path, args: &Args, interfaces: usize) -> Result<Self, String> {
        let given = [usize::from(args.devices), interfaces, args.latency as usize];
        let mut child = Command::new(program)
            .args(given.map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| format!("{}: {why}", program.display()))?;
        let answers = child.stdout.take().ok_or("the devices have no output")?;
        Ok(Self { child, answers: BufReader::new(answers), count: args.devices.into() })
    }

    fn order(&mut self, order: &str) -> Result<String, String> {
        let failed = |why: std::io::Error| format!("the devices do not take `{order}`: {why}");
        let orders = self.child.stdin.as_mut().ok_or("the devices have no input")?;
        writeln!(orders, "{order}").map_err(failed)?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer).map_err(failed)? {
            0 => Err(format!("the devices ended with `{order}`")),
            _ => Ok(answer.trim_end().to_owned()),
        }
    }

    /// The address and the interface of an event, by its number: one device after the other.
    pub(super) fn place(&self, event: usize) -> (Ipv4Addr, String) {
        let interface = event / self.count;
        let name = format!("GigabitEthernet{}/{}", interface / 48, interface % 48 + 1);
        (address(event % self.count), name)
    }

    /// Takes the interfaces of the first events down.
    pub(super) fn break_for(&mut self, events: usize) -> Result<(), String> {
        self.order(&format!("break 0 {events}")).map(drop)
    }

    /// Lets the devices tell of the first events.
    pub(super) fn tell(&mut self, to: SocketAddr, events: usize) -> Result<(), String> {
        self.order(&format!("tell {to} 0 {events}")).map(drop)
    }

    /// Breaks and tells one after the other; how long it took to the first command each time, in ms.
    pub(super) fn first_commands(
        &mut self,
        to: SocketAddr,
        events: std::ops::Range<usize>,
    ) -> Result<Vec<f64>, String> {
        let took = self.order(&format!("first {to} {} {}", events.start, events.end))?;
        took.split(' ').map(|ms| ms.parse().map_err(|why| format!("{ms}: {why}"))).collect()
    }

    /// How often somebody logged in so far.
    pub(super) fn logins(&mut self) -> Result<u64, String> {
        let logins = self.order("logins")?;
        logins.parse().map_err(|why| format!("{logins}: {why}"))
    }

    /// The devices as a list of known hosts.
    pub(super) fn known_hosts(&mut self) -> Result<String, String> {
        let mut text = String::new();
        for (number, key) in self.order("hosts")?.split(',').enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} {key}", name(number));
        }
        Ok(text)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        // It may be gone; what matters is that it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The name of a device, by its number.
pub(super) fn name(number: usize) -> String {
    format!("sim{}", number + 1)
}

/// Its address.
pub(super) fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(FIRST).wrapping_add(number as u32))
}
