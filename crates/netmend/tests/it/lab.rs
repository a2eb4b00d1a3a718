//! `netmend lab network` as people use it: told what is there, asked with `ping`, ended by a signal.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn netmend() -> Command {
    Command::new(env!("CARGO_BIN_EXE_netmend"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A lab that is killed if the test fails before its end.
struct Lab {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Lab {
    fn start(scenario: &str, namespace: &str) -> Self {
        let mut child = netmend()
            .args(["lab", "network", scenario, "--netns", namespace])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let output = BufReader::new(child.stdout.take().expect("it was asked to be piped"));
        Self { child, output }
    }

    /// All lines up to the one that contains `words`.
    fn read_until(&mut self, words: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(words) {
            let length = self.output.read_line(&mut seen).expect("it writes UTF-8");
            assert!(length > 0, "it ended before `{words}`: {seen}");
        }
        seen
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it is running");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_scenario_is_told_answered_counted_and_cleaned_up() {
    // The name is swept by the lab's namespaces if this test is killed.
    let namespace = format!("netmend-{}-cli", std::process::id());
    let mut lab = Lab::start("ports", &namespace);
    let told = lab.read_until("try: ");
    assert!(told.starts_with("SIMULATION, not a real network: "), "{told}");
    assert!(told.contains("TCP 22, 443, 8000-8099 open, 3306 silent, others reset"), "{told}");

    let command = told.rsplit_once("try: ").expect("it was waited for").1;
    let words: Vec<&str> = command.split_whitespace().collect();
    let ping = Command::new(words[0]).args(&words[1..]).args(["-c", "1"]).output();
    let ping = ping.expect("ip can be run");
    assert!(ping.status.success(), "what it proposes works: {}", text(&ping));

    lab.signal(Signal::SIGUSR1);
    let report = lab.read_until("lateness");
    assert!(report.contains("echo requests 1, replies 1;"), "{report}");

    lab.signal(Signal::SIGTERM);
    lab.read_until("SIMULATION ended");
    assert!(lab.child.wait().expect("it ends").success());
    assert!(!Path::new("/run/netns").join(namespace).exists());
}

#[test]
fn a_scenario_with_a_mistake_is_refused_with_its_place() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "about = \"x\"\n[[hosts]]\nprefixes = [\"10.0.0.1/8\"]\n").expect("room");
    let output = netmend().args(["lab", "network"]).arg(&file).output().expect("it was built");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("wrong.toml:3:12: ") && said.contains("10.0.0.0/8"), "{said}");

    let output = netmend().args(["lab", "network", "nosuch"]).output().expect("it was built");
    let said = text(&output);
    assert!(
        said.contains("cannot read scenario nosuch") && said.contains("one of bench"),
        "{said}"
    );
}
