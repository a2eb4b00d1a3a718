//! Logins with the keys of an SSH agent, on a real server: what agents need is in the environment, so that this is
//! tested as a user does it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Run, command};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone; what matters is that it is waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn keygen(path: &Path, kind: &str) {
    let mut made = Command::new("ssh-keygen");
    made.args(["-q", "-t", kind, "-N", "", "-C", "", "-f"]).arg(path);
    let made = made.status().expect("the tests need Debian's package openssh-client");
    assert!(made.success(), "ssh-keygen cannot make a key of kind {kind}");
}

/// A server that lets in this key alone, once it listens.
fn sshd(folder: &Path) -> (Running, u16) {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = free.expect("loopback has a free port").port();
    fs::create_dir_all("/run/sshd").expect("the test may make the folder that sshd wants");
    let config = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\n\
         PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n",
        folder.display()
    );
    fs::write(folder.join("sshd.conf"), config).expect("a file");
    let mut sshd = Command::new("/usr/sbin/sshd");
    sshd.args(["-D", "-e", "-f"]).arg(folder.join("sshd.conf")).stderr(Stdio::piped());
    let mut child = sshd.spawn().expect("the tests need Debian's package openssh-server");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening on"));
    assert!(ready, "sshd did not start");
    // Whoever writes into a pipe that nobody reads stops.
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), port)
}

/// An agent with the user's key and, before it, another one.
fn agent(folder: &Path) -> Running {
    let socket = folder.join("agent");
    let mut agent = Command::new("ssh-agent");
    agent.args(["-D", "-a"]).arg(&socket).stdout(Stdio::piped());
    let mut child = agent.spawn().expect("the tests need Debian's package openssh-client");
    // It listens before it says where.
    let mut told = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    out.read_line(&mut told).expect("text");
    let agent = Running(child);
    for key in ["other", "user"] {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(folder.join(key)).env("SSH_AUTH_SOCK", &socket);
        assert!(add.status().expect("ssh-add comes with ssh-agent").success(), "{told}");
    }
    agent
}

#[test]
fn the_keys_of_an_agent_let_us_in_and_without_it_that_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for (name, kind) in [("host", "ed25519"), ("other", "ed25519"), ("user", "rsa")] {
        keygen(&folder.join(name), kind);
    }
    let (_sshd, port) = sshd(folder);
    let _agent = agent(folder);
    let config = format!(
        "data: data\ndevices:\n  host1: {{ addresses: [127.0.0.1], platform: linux }}\n\
         login: {{ user: root, port: {port}, agent: true }}\n"
    );
    fs::write(folder.join("netmend.yaml"), config).expect("a file");
    fs::create_dir(folder.join("data")).expect("a folder");
    let key = fs::read_to_string(folder.join("host.pub")).expect("a file");
    fs::write(folder.join("data/known_devices"), format!("host1 {key}")).expect("a file");
    let show = |socket: &Path| {
        let config = folder.join("netmend.yaml");
        let mut run = command(&["device", "show", "--config"]);
        run.arg(config).args(["host1", "uname", "-s"]).env("SSH_AUTH_SOCK", socket);
        Run::of(run.output().expect("the binary runs"))
    };
    let run = show(&folder.join("agent"));
    assert_eq!((run.code, run.out.trim()), (Some(0), "Linux"), "{run:?}");
    let run = show(&folder.join("nowhere"));
    assert!(run.code != Some(0) && run.err.contains("SSH agent"), "{run:?}");
}
