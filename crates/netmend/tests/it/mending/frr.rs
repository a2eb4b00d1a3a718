//! The whole story on real routers: a BGP session of `FRRouting` stays down because the neighbour once announced
//! too many prefixes; rsyslog tells netmend, which clears the session over sshd and vtysh, and proves by a target
//! behind it that this held. Beside it the same without netmend's hand: there the session stays down.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::daemon::Daemon;

/// Where netmend hears syslog; the namespace is our own, so that nobody else has it.
const SYSLOG: &str = "192.0.2.1:22514";
/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

const R1: &str = "\
hostname r1
log syslog informational
router bgp 65001
 bgp router-id 1.1.1.1
 no bgp ebgp-requires-policy
 bgp log-neighbor-changes
 neighbor 198.51.100.2 remote-as 65002
 neighbor 198.51.100.2 timers 1 3
 neighbor 198.51.100.2 timers connect 1
 address-family ipv4 unicast
  neighbor 198.51.100.2 maximum-prefix 3
";

const R2: &str = "\
hostname r2
router bgp 65002
 bgp router-id 2.2.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 198.51.100.1 remote-as 65001
 neighbor 198.51.100.1 timers 1 3
 neighbor 198.51.100.1 timers connect 1
 address-family ipv4 unicast
  network 203.0.113.1/32
";

/// The routers, and netmend beside them.
struct Routers {
    folder: tempfile::TempDir,
    /// What r2 is told.
    r2: fs::File,
    /// Ends with its namespaces, and all that runs in them.
    _daemon: Daemon,
}

impl Routers {
    /// Starts everything; remediations go as far as `mode` says.
    fn start(mode: &str) -> Self {
        for program in ["/usr/lib/frr/bgpd", "/usr/sbin/sshd", "/usr/sbin/rsyslogd"] {
            assert!(
                Path::new(program).exists(),
                "the tests need {program}: packages frr, openssh-server, rsyslog"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // Read by the accounts that FRR and sshd become.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
                .arg(path(name))
                .status();
            assert!(made.unwrap().success());
        }
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        fs::write(path("r1.conf"), R1).unwrap();
        fs::write(path("r2.conf"), R2).unwrap();
        let sshd = format!(
            "ListenAddress 192.0.2.2\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nPidFile none\n",
            path("host").display(),
            path("authorized").display()
        );
        fs::write(path("sshd.conf"), sshd).unwrap();
        let rsyslog = "module(load=\"imuxsock\")\n\
             action(type=\"omfwd\" target=\"192.0.2.1\" port=\"22514\" protocol=\"tcp\" queue.type=\"LinkedList\" \
             action.resumeInterval=\"1\" action.resumeRetryCount=\"-1\")\n";
        fs::write(path("rsyslog.conf"), rsyslog).unwrap();
        let config = format!(
            "syslog: {{ tcp: '{SYSLOG}', settle: 3s }}\n\
             targets: {{ behind-r1: [{{ host: 203.0.113.1, interval: 1s }}] }}\n\
             devices:\n  r1: {{ addresses: [192.0.2.2], platform: frr, targets: [203.0.113.1], \
             login: {{ user: root, key: \"${{file:{}}}\" }} }}\n\
             remediations: {{ mode: observe, modes: {{ bgp-maximum-prefix: {mode} }} }}\n",
            path("user").display()
        );
        fs::write(path("netmend.yaml"), config).unwrap();
        fs::create_dir(path("data")).unwrap();
        let key = fs::read_to_string(path("host.pub")).unwrap();
        fs::write(path("data/known_devices"), format!("r1 {key}")).unwrap();
        mkfifo(&path("r2"), Mode::S_IRWXU).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh"]);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mending/frr.sh"));
        command.arg(folder.path()).arg(env!("CARGO_BIN_EXE_netmend"));
        command.args(["run", "--log-format", "json", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(path("data")).arg("--config").arg(path("netmend.yaml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let daemon = Daemon::start(command);
        let r2 = fs::OpenOptions::new().write(true).open(path("r2")).unwrap();
        Self { folder, r2, _daemon: daemon }
    }

    /// Lets r2 announce so many prefixes too many, or take them back.
    fn announce(&mut self, no: &str) {
        for number in 1..=6 {
            writeln!(self.r2, "{no}network 10.{number}.0.0/24").unwrap();
        }
    }

    fn ask(&self, args: &[&str]) -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netmend"));
        command
            .args(args)
            .args(["--output", "json", "--data"])
            .arg(self.folder.path().join("data"));
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn until(&self, args: &[&str], pleases: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let start = SystemClock.monotonic();
        loop {
            let found = self.ask(args);
            if pleases(&found) {
                return found;
            }
            assert!(
                SystemClock.monotonic().saturating_sub(start) < PATIENCE,
                "{args:?} still finds {found:#?}; lines: {:#?}",
                self.ask(&["lines"])
            );
        }
    }

    /// Whether the target behind the session answered the latest probes of netmend's own.
    fn answers(&self) -> bool {
        let found = self.ask(&["status"]);
        let recent = found.first().and_then(|status| status["targets"][0]["recent"].as_str());
        recent.is_some_and(|recent| recent.ends_with("ooo"))
    }

    /// Brings the session up, then down for good: it stays down although its cause is gone.
    fn break_down(&mut self) {
        let start = SystemClock.monotonic();
        while !self.answers() {
            let waited = SystemClock.monotonic().saturating_sub(start);
            assert!(waited < PATIENCE, "the session never came up: {:#?}", self.ask(&["status"]));
        }
        self.announce("");
        self.until(&["lines", "MAXPFXEXCEED"], |lines| !lines.is_empty());
        self.announce("no ");
    }
}

#[test]
fn a_bgp_session_that_stays_down_is_cleared_and_that_is_proven() {
    let mut routers = Routers::start("auto");
    routers.break_down();
    let runs = routers.until(&["runs", "list", "--state", "success"], |runs| !runs.is_empty());
    let run = &routers.ask(&["runs", "show", &runs[0]["id"].to_string()])[0];
    assert_eq!((&run["device"], &run["platform"]), (&"r1".into(), &"frr".into()), "{run:#}");
    assert_eq!(run["proof"]["verdict"], "proven", "{run:#}");
    let target = &run["proof"]["targets"][0];
    assert!(
        target["before"]["received"].as_u64() < target["before"]["sent"].as_u64(),
        "{target:#}"
    );
    let after = &target["after"];
    assert!(after["sent"] == 10 && after["received"].as_u64() >= Some(9), "{target:#}");
    let sent = run["sent"].as_array().unwrap();
    assert!(sent.iter().any(|line| line.as_str().unwrap().starts_with("clear bgp")), "{run:#}");
    assert!(routers.answers());
}

/// How long the session is watched to stay down.
fn watched() -> Duration {
    let text = std::env::var("NETMEND_FRR_WATCH");
    Duration::from_secs(text.map_or(15, |text| text.parse().expect("a number of seconds")))
}

#[test]
fn without_netmends_hand_the_session_stays_down() {
    let mut routers = Routers::start("observe");
    routers.break_down();
    let events = routers.until(&["events", "list", "--state", "recorded"], |events| {
        events.iter().any(|event| event["remediation"] == "bgp-maximum-prefix")
    });
    assert!(!events.is_empty());
    let start = SystemClock.monotonic();
    while routers.answers() {
        assert!(SystemClock.monotonic().saturating_sub(start) < PATIENCE, "it never went down");
    }
    let down = SystemClock.monotonic();
    while SystemClock.monotonic().saturating_sub(down) < watched() {
        assert!(!routers.answers(), "it came back by itself");
    }
    assert_eq!(routers.ask(&["runs", "list"]).len(), 0);
}
