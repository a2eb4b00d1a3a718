//! Repairs through the daemon: lines are sent to it, simulated devices are logged in to, and what was typed there
//! is what counts. Each guard has a test that would see a repair if the guard were not there.

mod by_hand;
mod faults;
mod frr;
mod guards;
mod looks;
mod repairs;
mod secrets;
mod starts;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use ::lab::{Device, DeviceOptions, Dialect};
use model::{Clock, SystemClock};
use serde_json::Value;

use crate::daemon::{Daemon, bare, free};

/// The password of the devices, looked for where it must not be.
const PASSWORD: &str = "hunter2-of-the-lab";
/// Longest that a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(90);

/// Shuts and enables a port that is down, as people do.
const BOUNCE: &str = r#""""Shuts and enables a port that is down."""
remediation(
    match = ["LINK-3-UPDOWN", "LINEPROTO-5-UPDOWN"], when = state("down"),
    platforms = ["ios"], timeout = "30s", idempotent = True,
)

def check(event, device):
    port = device.interface(event.interface)
    return port.admin == "up" and port.oper == "down"

def fix(event, device):
    device.config(["interface {}", "shutdown", "no shutdown"], event.interface)

def verify(event, device):
    return device.interface(event.interface).oper == "up"
"#;

/// The same for events of this code that name no interface: it is always the first port that is repaired.
fn literal(code: &str) -> String {
    format!(
        r#"
remediation(match = ["{code}"], platforms = ["ios"], timeout = "30s", idempotent = True)

def check(event, device):
    port = device.interface("{PORT}")
    return port.admin == "up" and port.oper == "down"

def fix(event, device):
    device.config(["interface {PORT}", "shutdown", "no shutdown"])

def verify(event, device):
    return device.interface("{PORT}").oper == "up"
"#
    )
}

/// Devices, a daemon that may repair them, and the ways to both.
struct World {
    folder: tempfile::TempDir,
    devices: Vec<Device>,
    /// Where each device listens.
    places: Vec<SocketAddr>,
    /// Where the daemon hears syslog by TCP and by UDP.
    syslog: SocketAddr,
    runtime: tokio::runtime::Runtime,
    daemon: Option<Daemon>,
}

/// What differs from test to test.
struct Plan<'a> {
    /// How many devices; they are named r1, r2 and so on.
    devices: usize,
    /// What is under `remediations:`, besides `dir`.
    remediations: &'a str,
    /// Further lines of the configuration.
    more: &'a str,
    /// Further keys of each device, such as `pair: r2`; one for each.
    keys: &'a [&'a str],
    /// The file `bounce.star`.
    bounce: &'a str,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        let remediations =
            "mode: auto, budgets: { device: 100, remediation: 1000, inventory: 100, at_once: 50 }";
        Self { devices: 1, remediations, more: "", keys: &[], bounce: BOUNCE }
    }
}

/// The address of a device, by its number.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 11 + (number / 200) as u8, (number % 200) as u8 + 1)
}

/// Where devices are served.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

/// Serves a device at an address; gives the place.
fn serve(device: &Device, at: Ipv4Addr, runtime: &tokio::runtime::Runtime) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).expect("loopback is wide");
    listener.set_nonblocking(true).expect("a socket can be");
    let place = listener.local_addr().expect("it is bound");
    let served = device.clone();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
        served.listen(listener).await
    });
    place
}

/// A device as the configuration names it, with further keys of its own.
fn entry(name: &str, platform: &str, place: SocketAddr, keys: &str) -> String {
    format!(
        "  {name}: {{ addresses: {}, platform: {platform}, login: {{ user: netmend, port: {}, \
         password: \"${{env:DEVICE_PASSWORD}}\" }}{keys} }}\n",
        place.ip(),
        place.port()
    )
}

impl World {
    /// A daemon beside devices that behave, with a port down on each.
    fn new(plan: &Plan<'_>) -> Self {
        Self::with(plan, |_, _| {})
    }

    /// The same with devices that are changed first.
    fn with(plan: &Plan<'_>, change: impl Fn(usize, &mut DeviceOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let runtime = runtime();
        let (mut devices, mut places) = (Vec::new(), Vec::new());
        for number in 0..plan.devices {
            let mut options = DeviceOptions::new(format!("r{}", number + 1), Dialect::Ios);
            options.password = PASSWORD.into();
            change(number, &mut options);
            let device = Device::new(options).expect("a device");
            device.break_interface("GigabitEthernet0/1");
            places.push(serve(&device, address(number), &runtime));
            devices.push(device);
        }
        let syslog = free();
        let mut world = Self { folder, devices, places, syslog, runtime, daemon: None };
        world.write(plan);
        world.trust();
        world.start();
        world
    }

    fn write(&self, plan: &Plan<'_>) {
        let fixes = self.folder.path().join("fixes");
        std::fs::create_dir_all(&fixes).expect("a folder");
        std::fs::write(fixes.join("bounce.star"), plan.bounce).expect("a file");
        let mut text = format!(
            "syslog: {{ tcp: '{0}', udp: '{0}', settle: 0s }}\nremediations: {{ dir: fixes, {1} }}\n{2}\ndevices:\n",
            self.syslog, plan.remediations, plan.more
        );
        for (number, place) in self.places.iter().enumerate() {
            let keys = plan.keys.get(number).map(|keys| format!(", {keys}")).unwrap_or_default();
            text.push_str(&entry(&format!("r{}", number + 1), "ios", *place, &keys));
        }
        std::fs::write(self.folder.path().join("netmend.yaml"), text).expect("a file");
    }

    /// Trusts the keys that the devices have now.
    fn trust(&self) {
        let data = self.folder.path().join("data");
        std::fs::create_dir_all(&data).expect("a folder");
        let keys: Vec<String> = self
            .devices
            .iter()
            .enumerate()
            .map(|(number, device)| format!("r{} {}\n", number + 1, device.public_key()))
            .collect();
        std::fs::write(data.join("known_devices"), keys.concat()).expect("a file");
    }

    /// Starts the daemon, anew if it ran.
    fn start(&mut self) {
        self.daemon = None;
        let mut command = bare("127.0.0.1:0", &self.folder.path().join("data"));
        command.arg("--config").arg(self.folder.path().join("netmend.yaml"));
        command.env("DEVICE_PASSWORD", PASSWORD);
        command.env("NETMEND_LOG", "info,netmend::mending=warn");
        self.daemon = Some(Daemon::start(command));
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Sends lines from the address of a device, by its number from 0, as errors.
    fn say_all(&self, number: usize, messages: &[String]) {
        self.say_as(187, number, messages);
    }

    /// The same with another priority.
    fn say_as(&self, priority: u8, number: usize, messages: &[String]) {
        let mut stream = self.stream(number);
        let name = number + 1;
        let lines: Vec<String> =
            messages.iter().map(|message| format!("<{priority}>7: r{name}: {message}\n")).collect();
        stream.write_all(lines.concat().as_bytes()).expect("the line is sent");
    }

    fn say(&self, number: usize, message: &str) {
        self.say_all(number, &[message.to_owned()]);
    }

    fn stream(&self, number: usize) -> TcpStream {
        let connecting = async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind((address(number), 0).into()).expect("loopback is wide");
            let stream = socket.connect(self.syslog).await.expect("the daemon listens");
            stream.into_std().expect("it is registered")
        };
        let stream = self.runtime.block_on(connecting);
        stream.set_nonblocking(false).expect("a socket can be");
        stream
    }

    /// Runs a command of netmend on the data of this world.
    fn command(&self, args: &[&str]) -> Output {
        self.netmend(args).output().expect("the binary was built for this test")
    }

    /// The same, to be changed before it runs.
    fn netmend(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
        command.args(args).arg("--data").arg(self.path("data"));
        command
    }

    /// What a command prints as JSON lines.
    fn ask(&self, args: &[&str]) -> Vec<Value> {
        let mut all = args.to_vec();
        all.extend(["--output", "json"]);
        let out = self.command(&all);
        let text = String::from_utf8(out.stdout).expect("JSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Asks until the answer pleases.
    #[track_caller]
    fn until(&self, args: &[&str], pleases: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let start = SystemClock.monotonic();
        loop {
            let found = self.ask(args);
            if pleases(&found) {
                return found;
            }
            let waited = SystemClock.monotonic().saturating_sub(start);
            assert!(waited < PATIENCE, "{args:?} still finds {found:#?}");
        }
    }

    /// Loads a page until it holds these words.
    #[track_caller]
    fn page_says(&self, path: &str, words: &str) {
        let start = SystemClock.monotonic();
        loop {
            let (_, page) = self.daemon().get(path);
            if page.contains(words) {
                return;
            }
            let waited = SystemClock.monotonic().saturating_sub(start);
            assert!(waited < PATIENCE, "{path} does not say {words:?}: {page}");
        }
    }

    /// Waits until an event is in a state; gives it.
    #[track_caller]
    fn event(&self, id: u64, state: &str) -> Value {
        let found = self.until(&["events", "list"], |events| {
            events.iter().any(|event| event["id"] == id && event["state"] == state)
        });
        found.into_iter().find(|event| event["id"] == id).expect("it was just there")
    }

    /// Waits until an event is in a state, for a reason that holds these words, and nobody has logged in to
    /// any device.
    #[track_caller]
    fn held(&self, id: u64, state: &str, words: &str) {
        let event = self.event(id, state);
        let reason = event["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(words), "{event:#}");
        for device in &self.devices {
            assert_eq!(device.commands(), [""; 0], "{}", event["reason"]);
        }
    }

    /// What was typed in configuration mode on a device.
    fn changes(&self, number: usize) -> Vec<String> {
        let all = self.devices[number].commands();
        let changes = ["shutdown", "no shutdown"];
        all.into_iter().filter(|line| changes.contains(&line.as_str())).collect()
    }
}

/// A port went down, as a device tells it.
fn down(port: &str) -> String {
    format!("%LINK-3-UPDOWN: Interface {port}, changed state to down")
}

/// It works again.
fn up(port: &str) -> String {
    format!("%LINK-3-UPDOWN: Interface {port}, changed state to up")
}

const PORT: &str = "GigabitEthernet0/1";

/// All files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}
