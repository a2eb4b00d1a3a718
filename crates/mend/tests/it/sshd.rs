//! An OpenSSH server of our own on loopback, with fresh keys, ended with the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mend::session::{HostKeys, Limits, ask_host_key};
use mend::{Endpoint, Platform};
use model::{Login, Secret};

const SSHD: &str = "/usr/sbin/sshd";

/// A running server.
pub(crate) struct Sshd {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Sshd {
    /// A server with a host key of this kind.
    pub(crate) fn start(kind: &str) -> Self {
        Self::start_with(kind, "")
    }

    /// The same with further lines of its configuration.
    pub(crate) fn start_with(kind: &str, more: &str) -> Self {
        Self::start_in(kind, more, |config, _| {
            let mut sshd = Command::new(SSHD);
            sshd.args(["-D", "-e", "-f"]).arg(config);
            sshd
        })
    }

    /// A server beside `FRRouting`'s bgpd, in namespaces of their own that end with it.
    pub(crate) fn start_with_frr() -> Self {
        assert!(Path::new("/usr/bin/vtysh").exists(), "the tests need Debian's package frr");
        Self::start_in("ed25519", "", |config, folder| {
            let bgpd = "hostname frr1\nrouter bgp 65000\n no bgp ebgp-requires-policy\n \
                        neighbor 127.0.0.9 remote-as 65001\n neighbor 127.0.0.9 passive\n";
            fs::write(folder.join("bgpd.conf"), bgpd).unwrap();
            // Read by the account that bgpd becomes.
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
            let script = "set -e; mount -t tmpfs none /run/frr; chown frr:frr /run/frr; \
                          /usr/lib/frr/bgpd -d -Z -p 0 -f \"$1/bgpd.conf\" -i /run/frr/bgpd.pid -u frr -g frr; \
                          exec /usr/sbin/sshd -D -e -f \"$2\"";
            let mut unshare = Command::new("unshare");
            unshare.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"]);
            unshare.arg(folder).arg(config);
            unshare
        })
    }

    fn start_in(kind: &str, more: &str, command: impl FnOnce(&Path, &Path) -> Command) -> Self {
        assert!(Path::new(SSHD).exists(), "the tests need Debian's package openssh-server");
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        keygen(&path("host"), kind);
        keygen(&path("user"), "ed25519");
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        // sshd wants a folder for the part of it that runs without privileges.
        fs::create_dir_all("/run/sshd").unwrap();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\n\
             PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nLogLevel VERBOSE\n\
             PasswordAuthentication yes\nAllowTcpForwarding yes\n{more}\n",
            path("host").display(),
            path("authorized").display()
        );
        fs::write(path("config"), config).unwrap();
        let mut child = command(&path("config"), folder.path())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(ready, "sshd did not start");
        // Whoever writes into a pipe that nobody reads stops.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, folder, port }
    }

    /// Lets in another key, of this kind and locked with this passphrase, instead; gives it.
    pub(crate) fn let_in(&self, kind: &str, passphrase: &str) -> String {
        let path = self.folder.path().join(format!("{kind}{}", passphrase.len()));
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success(), "ssh-keygen cannot make a key of kind {kind}");
        fs::copy(path.with_extension("pub"), self.folder.path().join("authorized")).unwrap();
        fs::read_to_string(path).unwrap()
    }

    /// The key that it lets in.
    pub(crate) fn user_key(&self) -> String {
        fs::read_to_string(self.folder.path().join("user")).unwrap()
    }

    /// Where to keep host keys in the test.
    pub(crate) fn keys(&self) -> HostKeys {
        HostKeys::at(self.folder.path().join("known_devices"))
    }

    /// Trusts the key that the server shows.
    pub(crate) async fn trust(&self, endpoint: &Endpoint) {
        let key = ask_host_key(endpoint, &self.keys(), &Limits::default()).await.unwrap();
        let public = self.folder.path().join("host.pub");
        let shown = Command::new("ssh-keygen").arg("-lf").arg(public).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&key.fingerprint()), "{shown} is not {}", key.fingerprint());
        self.keys().trust(&endpoint.device, &key, false).unwrap();
    }

    /// How to log in with the key.
    pub(crate) fn endpoint(&self, device: &str) -> Endpoint {
        let mut login = Login::new("root");
        login.port = self.port;
        login.key = Some(Secret::new(self.user_key()));
        Endpoint {
            device: device.into(),
            addresses: vec!["127.0.0.1".parse().unwrap()],
            login,
            platform: Platform::Linux,
            jump: None,
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Makes a pair of keys without a passphrase.
pub(crate) fn keygen(path: &PathBuf, kind: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success(), "ssh-keygen cannot make a key of kind {kind}");
}
