//! The page "From netfbar", with the simulated device that it offers to whoever has none at hand.

#![expect(clippy::unwrap_used, reason = "a failed helper of a test is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lab::Namespace;
use model::{Clock as _, SystemClock};
use serde_json::Value;

use super::{block, blocks, follow, run};
use crate::daemon::{Daemon, PATIENCE};

const PAGE: &str = include_str!("../../../../../docs/from-netfbar.md");

/// The device, which ends with the test.
struct Device {
    child: Child,
    user: String,
    password: String,
    fingerprint: String,
}

impl Device {
    /// The one of the page.
    fn start() -> Self {
        let line = PAGE.split('`').find(|code| code.starts_with("netmend lab device --")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_netmend"))
            .args(line.split(' ').skip(1))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut words = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let account = words.find(|line| line.starts_with("user ")).unwrap();
        let mut parts = account.split(", ");
        let mut part = |name: &str| parts.next().unwrap().strip_prefix(name).unwrap().to_owned();
        let (user, password) = (part("user "), part("password "));
        Self { child, user, password, fingerprint: part("host key ") }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until the event is in this state.
fn event(daemon: &Daemon, state: &str) -> Value {
    daemon.wait_for("/api/v1/events", |answer| {
        let event = answer["events"].as_array()?.iter().find(|event| event["id"] == 1)?;
        (event["state"] == state).then(|| event.clone())
    })
}

fn migrate(folder: &Path) {
    let page = blocks(PAGE, "        ");
    let device = Device::start();
    fs::write(folder.join("password"), format!("{}\n", device.password)).unwrap();
    let login = format!("login: {{ port: 2222, user: {},", device.user);
    let config = block(&page, "syslog:")
        .replace("[10.0.0.1]", "[127.0.0.1]")
        .replace("login: { user: netmend,", &login);
    assert!(config.contains("127.0.0.1") && config.contains(&login), "{config}");
    fs::write(folder.join("netmend.yaml"), config).unwrap();
    follow(folder, "mkdir remediations", &[]);
    follow(folder, "netmend check netmend.yaml", &[]);
    let daemon = run(folder, "127.0.0.1:0", &["--config", "netmend.yaml"], &[]);

    let (line, looks) = block(&page, "logger").split_once('\n').unwrap();
    follow(folder, line, &[]);
    let code = "ETHPORT-5-IF_DOWN_LINK_FAILURE";
    assert_eq!(event(&daemon, "recorded")["code"], code);
    let said = follow(folder, looks, &[]);
    assert!(said.matches(code).count() >= 3 && said.contains("Ethernet1/1"), "{said}");

    let (trust, look) = block(&page, "netmend device trust").split_once('\n').unwrap();
    assert!(PAGE.contains("`--fingerprint`"));
    follow(folder, &format!("{trust} --fingerprint {}", device.fingerprint), &[]);
    let said = follow(folder, look, &[]);
    assert!(said.contains("Ethernet1/1 is down"), "{said}");

    let said = follow(folder, block(&page, "netmend remedy new"), &[]);
    assert!(said.contains("no shutdown"), "what would be sent: {said}");

    let steps: Vec<&str> = block(&page, "netmend mode").lines().collect();
    let [mode, retry, approve, show] = steps[..] else { panic!("{steps:?}") };
    // Whoever reads the page takes longer to type it than the daemon to find the new file.
    let start = SystemClock.monotonic();
    while !follow(folder, "netmend mode", &[]).contains("bounce-port") {
        let waited = SystemClock.monotonic().saturating_sub(start);
        assert!(waited < PATIENCE, "the new remediation is not read");
    }
    follow(folder, mode, &[]);
    follow(folder, retry, &[]);
    event(&daemon, "awaiting_approval");
    follow(folder, approve, &[]);
    event(&daemon, "success");
    let said = follow(folder, show, &[]);
    assert!(said.contains("success") && said.contains("no shutdown"), "{said}");
    let said = follow(folder, look, &[]);
    assert!(said.contains("Ethernet1/1 is up"), "{said}");
}

#[test]
fn the_page_from_netfbar_is_true_to_the_word() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::create().unwrap();
    namespace.enter(|| migrate(folder.path())).unwrap();
}
