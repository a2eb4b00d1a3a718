//! `netmend device` as a user runs it, on a device that `netmend lab device` simulates.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use super::{Run, command};

const PASSWORD: &str = "lab";

/// A simulated device, ended with the test.
pub(crate) struct Lab {
    child: Child,
    pub(crate) port: String,
    pub(crate) fingerprint: String,
}

impl Lab {
    /// Starts one on a port that the kernel chooses, and reads from its output where it is.
    fn start() -> Self {
        Self::with(&["--platform=nxos", "--name=sw1"])
    }

    /// The same with options of its own.
    pub(crate) fn with(options: &[&str]) -> Self {
        let args = [&["lab", "device", "--listen=127.0.0.1:0"], options].concat();
        let mut child = command(&args).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let out = child.stdout.take().expect("its output is piped");
        let told: Vec<String> =
            BufReader::new(out).lines().take(3).map(|line| line.expect("text")).collect();
        assert!(told[0].starts_with("SIMULATION"), "{told:?}");
        let after = |line: &str, mark: char| line.rsplit(mark).next().unwrap_or("").to_owned();
        Self { child, port: after(&told[0], ':'), fingerprint: after(&told[1], ' ') }
    }

    /// Writes a configuration with this device.
    fn configure(&self, folder: &Path) {
        let config = format!(
            "data: data\ndevices:\n  sw1: {{ addresses: [127.0.0.1], platform: nxos }}\n\
             login: {{ user: netmend, port: {}, password: \"${{env:DEVICE_PASSWORD}}\" }}\n",
            self.port
        );
        fs::write(folder.join("netmend.yaml"), config).expect("a config is written");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It may be gone; what matters is that it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn device(folder: &Path, args: &[&str]) -> Run {
    let config = folder.join("netmend.yaml");
    let mut all = vec!["device", args[0], "--config"];
    all.push(config.to_str().expect("the folder's name is text"));
    all.extend(&args[1..]);
    let run = command(&all).env("DEVICE_PASSWORD", PASSWORD).output();
    Run::of(run.expect("the binary runs"))
}

#[test]
fn a_device_is_asked_once_its_host_key_is_trusted_and_never_when_it_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (folder, lab) = (folder.path(), Lab::start());
    lab.configure(folder);
    let show = || device(folder, &["show", "sw1", "show", "version"]);
    let run = show();
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("not trusted yet") && run.err.contains(&lab.fingerprint), "{run:?}");
    // Nobody is there to agree, and then not to this one.
    for args in [&["trust", "sw1"][..], &["trust", "sw1", "--fingerprint", "SHA256:other"]] {
        assert_eq!(device(folder, args).code, Some(5));
        assert!(!folder.join("data/known_devices").exists());
    }
    let run = device(folder, &["trust", "sw1", "--fingerprint", &lab.fingerprint]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = show();
    assert_eq!(
        (run.code, run.out.lines().next()),
        (Some(0), Some("SIMULATION of nxos")),
        "{run:?}"
    );

    let other = Lab::start();
    other.configure(folder);
    let run = show();
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("HAS CHANGED") && run.err.contains("--replace"), "{run:?}");
    let trust = ["trust", "sw1", "--fingerprint", &other.fingerprint];
    assert_eq!(device(folder, &trust).code, Some(5), "not without --replace");
    assert_eq!(device(folder, &[&trust[..], &["--replace"]].concat()).code, Some(0));
    assert_eq!(show().code, Some(0));
}

#[test]
fn answers_are_json_without_secrets_and_mistakes_have_codes_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (folder, lab) = (folder.path(), Lab::start());
    lab.configure(folder);
    device(folder, &["trust", "sw1", "--fingerprint", &lab.fingerprint]);
    let run = device(folder, &["show", "--output=json", "sw1", "show", "running-config"]);
    let shown = &run.json()[0];
    assert_eq!((&shown["device"], &shown["platform"]), (&"sw1".into(), &"nxos".into()));
    let output = shown["output"].as_str().expect("the output is text");
    assert!(output.contains("password 7 ***") && !output.contains("0822455D0A16"), "{output}");
    for (args, code, words) in [
        (&["show", "sw1", "reload"][..], 3, "not known to only read"),
        (&["show", "sw1", "show", "version", "|", "tee", "x"], 3, "filter `tee`"),
        (&["show", "sw1", "show", "nonsense"], 1, "Invalid input"),
        (&["show", "sw9", "show", "version"], 2, "no device sw9"),
    ] {
        let run = device(folder, args);
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(run.err.contains(words) && !run.err.contains("password"), "{run:?}");
    }
}
