//! Agents to ask: net-snmp's own, which runs on loopback with a folder of its own, and simulated ones.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use lab::{Agent, AgentOptions};
use model::{SnmpAuth, SnmpPrivacy, SystemClock};

pub(crate) const PASSWORD: &str = "authentication";
pub(crate) const PRIVACY: &str = "confidential";

/// Users of the real agent, one for each protocol.
pub(crate) const USERS: [(&str, SnmpAuth, SnmpPrivacy); 5] = [
    ("sha1", SnmpAuth::Sha1, SnmpPrivacy::Aes128),
    ("sha256", SnmpAuth::Sha256, SnmpPrivacy::Aes128),
    ("sha224", SnmpAuth::Sha224, SnmpPrivacy::Aes192),
    ("sha384", SnmpAuth::Sha384, SnmpPrivacy::Aes256),
    ("sha512", SnmpAuth::Sha512, SnmpPrivacy::Aes256),
];

/// net-snmp's agent.
pub(crate) struct Snmpd {
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
}

impl Snmpd {
    /// Starts it on a free port and waits until it answers.
    pub(crate) fn start() -> Self {
        let address = free_port();
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut config = format!(
            "agentaddress udp:{address}\nrocommunity public\nsysName netmend-test\nmaster no\n"
        );
        for (name, auth, privacy) in USERS {
            let auth = match auth {
                SnmpAuth::Sha1 => "SHA",
                SnmpAuth::Sha224 => "SHA-224",
                SnmpAuth::Sha256 => "SHA-256",
                SnmpAuth::Sha384 => "SHA-384",
                _ => "SHA-512",
            };
            let privacy = match privacy {
                SnmpPrivacy::Aes192 => "AES-192",
                SnmpPrivacy::Aes256 => "AES-256",
                _ => "AES",
            };
            writeln!(config, "createUser {name} {auth} \"{PASSWORD}\" {privacy} \"{PRIVACY}\"")
                .expect("a String takes every write");
            writeln!(config, "rouser {name} priv").expect("a String takes every write");
        }
        std::fs::write(folder.path().join("snmpd.conf"), config).expect("the folder takes a file");
        let child = spawn(folder.path());
        let snmpd = Self { address, folder, child };
        snmpd.wait();
        snmpd
    }

    /// Ends it and starts it anew: its uptime begins again.
    pub(crate) fn restart(&mut self) {
        self.child.kill().expect("snmpd runs");
        self.child.wait().expect("snmpd ends");
        self.child = spawn(self.folder.path());
        self.wait();
    }

    fn wait(&self) {
        let to = self.address.to_string();
        let asking = ["-v", "2c", "-c", "public", "-r", "20", "-t", "1", &to, "1.3.6.1.2.1.1.3.0"];
        assert!(sender("snmpget", &asking), "snmpd does not answer");
    }
}

/// A port that nobody has now.
fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
    socket.local_addr().expect("it is bound")
}

fn spawn(folder: &std::path::Path) -> Child {
    Command::new("snmpd")
        .args(["-f", "-C", "-c"])
        .arg(folder.join("snmpd.conf"))
        .arg("-Lf")
        .arg(folder.join("log"))
        // A folder of its own: snmpd keeps a file there that bears the name of its configuration.
        .env("SNMP_PERSISTENT_DIR", folder.join("kept"))
        .env("SNMPCONFPATH", folder)
        .env("MIBS", "")
        .stdin(Stdio::null())
        .spawn()
        .expect("snmpd is installed; `cargo xtask test` does that")
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program of net-snmp; whether it says that it was answered.
pub(crate) fn sender(program: &str, args: &[&str]) -> bool {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let ended = Command::new(program)
        .args(args)
        .env("SNMP_PERSISTENT_DIR", folder.path())
        .env("SNMPCONFPATH", folder.path())
        .env("MIBS", "")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ended.expect("net-snmp's programs are installed; `cargo xtask test` does that").success()
}

/// A simulated agent on loopback; it ends with the runtime.
pub(crate) struct Simulated {
    pub(crate) address: SocketAddr,
}

impl Simulated {
    pub(crate) async fn start(options: AgentOptions) -> Self {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = socket.local_addr().expect("it is bound");
        let agent = Agent::new(options);
        let clock = Arc::new(SystemClock);
        tokio::spawn(async move { agent.serve(socket, &*clock).await });
        Self { address }
    }
}

/// Runs a test to its end on two threads.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime for the test")
        .block_on(test);
}
