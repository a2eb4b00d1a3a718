//! `netmend remedy run` on a device that takes back what nobody confirms: no daemon is there.

use std::process::Command;

use super::*;

/// Shuts a port, in as many changes as it is given.
fn shut(changes: usize, verify: &str) -> String {
    let line = "    device.config([\"interface {}\", \"shutdown\"], event.interface)\n";
    format!(
        "remediation(match = [\"X\"], platforms = [\"eos\"], settle = \"0s\")\n\
         def check(event, device):\n    return device.interface(event.interface).admin == \"up\"\n\
         def fix(event, device):\n{}\
         def verify(event, device):\n    return device.interface(event.interface).admin == \"{verify}\"\n",
        line.repeat(changes)
    )
}

/// Runs a remediation by hand; gives the device and what was said.
fn by_hand(remediation: &str) -> (Device, Output) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let runtime = runtime();
    let mut options = DeviceOptions::new("r1", Dialect::Eos);
    options.password = PASSWORD.into();
    let device = Device::new(options).expect("a device");
    let place = serve(&device, Ipv4Addr::LOCALHOST, &runtime);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    write("data/known_devices", &format!("r1 {}\n", device.public_key()));
    let entry = entry("r1", "eos", place, "");
    let config = write("netmend.yaml", &format!("devices:\n{entry}"));
    let star = write("shut.star", remediation);
    let run = Command::new(env!("CARGO_BIN_EXE_netmend"))
        .args(["remedy", "run"])
        .arg(star)
        .args(["--device", "r1", "--field", "interface=Ethernet1", "--yes", "--config"])
        .arg(config)
        .arg("--data")
        .arg(data)
        .env("DEVICE_PASSWORD", PASSWORD)
        .output()
        .expect("the binary runs");
    (device, run)
}

fn said(run: &Output) -> String {
    String::from_utf8_lossy(&[&run.stdout[..], &run.stderr].concat()).into_owned()
}

#[test]
fn what_is_verified_stays() {
    for changes in [1, 2] {
        let (device, run) = by_hand(&shut(changes, "down"));
        assert_eq!(run.status.code(), Some(0), "{}", said(&run));
        assert!(!device.roll_back(), "nothing waits to be confirmed: {:?}", device.commands());
        assert_eq!(device.is_enabled("Ethernet1"), Some(false));
    }
}

#[test]
fn one_change_that_is_not_verified_undoes_itself() {
    let (device, run) = by_hand(&shut(1, "up"));
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    let words = "r1 takes the change back by itself within 3 minutes";
    assert!(said(&run).contains(words), "{}", said(&run));
    assert!(device.roll_back(), "{:?}", device.commands());
    assert_eq!(device.is_enabled("Ethernet1"), Some(true));
}

#[test]
fn several_changes_that_are_not_verified_are_taken_back() {
    let (device, run) = by_hand(&shut(2, "up"));
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    assert!(said(&run).contains("r1 is as it was before"), "{}", said(&run));
    assert_eq!(device.is_enabled("Ethernet1"), Some(true), "{:?}", device.commands());
}
