//! Devices asked over SNMP by the daemon: simulated agents, and traps of net-snmp's real sender.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lab::{Agent, AgentOptions};
use model::SystemClock;
use serde_json::Value;

use crate::daemon::{Daemon, bare, free};

/// A simulated agent with 12 interfaces, which ends with the runtime.
fn agent() -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime for the test");
    let bound = tokio::net::UdpSocket::bind("127.0.0.1:0");
    let socket = runtime.block_on(bound).expect("loopback has a port");
    let address = socket.local_addr().expect("it is bound");
    let clock = Arc::new(SystemClock);
    let agent = Agent::new(AgentOptions::new("sim1", 12));
    runtime.spawn(async move { agent.serve(socket, &*clock).await });
    (runtime, address)
}

fn start(folder: &Path, agent: SocketAddr, traps: SocketAddr) -> Daemon {
    std::fs::write(folder.join("community"), "public\n").expect("a folder for the test");
    let config = format!(
        "targets: {{ local: [127.0.0.1] }}\n\
         snmp: {{ community: '${{file:community}}', interval: 1s, traps: {{ listen: '{traps}' }} }}\n\
         devices:\n  sw1: {{ addresses: {}, snmp: {{ port: {} }} }}\n",
        agent.ip(),
        agent.port()
    );
    let file = folder.join("netmend.yaml");
    std::fs::write(&file, config).expect("a folder for the test");
    let mut run = bare("127.0.0.1:0", &folder.join("data"));
    run.arg("--config").arg(file);
    Daemon::start(run)
}

const INTERFACES: &str = "/api/v1/devices/sw1/interfaces";

#[test]
fn interfaces_are_asked_shown_and_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (_runtime, address) = agent();
    let daemon = start(folder.path(), address, free());
    let one = daemon.wait_for(INTERFACES, |answer| {
        let one = answer["interfaces"].get(4)?.clone();
        one["bits_per_second"]["in"].is_number().then_some(one)
    });
    assert_eq!((&one["name"], &one["oper"]), (&"Ethernet1/5".into(), &"up".into()), "{one}");
    // The fifth port receives 6 Mbit/s by its own clock, and sends half of it.
    let (received, sent) = (&one["bits_per_second"]["in"], &one["bits_per_second"]["out"]);
    let near =
        |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < wanted / 20.0;
    assert!(near(received, 6e6) && near(sent, 3e6), "{one}");
    let (code, page) = daemon.get("/devices/sw1");
    assert!(code == 200 && page.contains("Ethernet1/12") && page.contains("1 Gbit/s"), "{page}");
    let (code, page) = daemon.get("/devices/sw1/interfaces/Ethernet1%2F5");
    assert!(code == 200 && page.contains("to sim1 5"), "{page}");
    let series = one["traffic"]["in"].as_str().unwrap();
    daemon.wait_for(&format!("/api/v1/range?series={series}&step=raw&span=1h"), |answer| {
        let points = answer["series"][0]["points"].as_array()?;
        (!points.is_empty()).then_some(())
    });
    let (_, metrics) = daemon.get("/metrics");
    let labels = "{device=\"sw1\",interface=\"Ethernet1/5\"}";
    assert!(metrics.contains(&format!("netmend_interface_receive_bytes_total{labels} ")));
    assert!(metrics.contains(&format!("netmend_interface_up{labels} 1")));
    assert!(!metrics.contains("public") && !page.contains("public"));
}

#[test]
fn a_trap_becomes_an_event_of_the_interface_that_the_last_poll_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_runtime, address) = agent();
    let traps = free();
    let daemon = start(folder.path(), address, traps);
    daemon.wait_for(INTERFACES, |answer| answer["interfaces"].get(0).map(|_| ()));
    let to = traps.to_string();
    let send = |trap: &str| {
        let sent = Command::new("snmptrap")
            .args(["-v", "2c", "-c", "public", &to, "", trap, "1.3.6.1.2.1.2.2.1.1.3", "i", "3"])
            .env("MIBS", "")
            .env("SNMP_PERSISTENT_DIR", folder.path().join("snmp"))
            .stderr(Stdio::null())
            .status();
        assert!(sent.expect("snmptrap is installed; `cargo xtask test` does that").success());
    };
    send("1.3.6.1.6.3.1.1.5.3");
    let event = daemon.wait_for("/api/v1/events", |answer| answer["events"].get(0).cloned());
    assert_eq!((&event["device"], &event["origin"]), (&"sw1".into(), &"trap".into()), "{event}");
    assert_eq!(event["code"], "IF-MIB::linkDown");
    assert_eq!(event["object"], "Ethernet1/3");
    send("1.3.6.1.6.3.1.1.5.4");
    daemon.wait_for("/api/v1/events", |answer| {
        let cleared = &answer["events"].get(0)?["cleared"];
        (!cleared.is_null()).then_some(())
    });
    let (_, lines) = daemon.get("/api/v1/lines?device=sw1");
    assert!(lines.contains("SNMP trap IF-MIB::linkUp"), "{lines}");
}

#[test]
fn a_device_that_does_not_answer_is_a_warning_and_no_zero() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path(), free(), free());
    daemon.wait_for("/api/v1/system", |answer| {
        let warnings = answer["warnings"].as_array()?;
        let about = |warning: &&Value| warning["text"].as_str().unwrap_or("").contains("over SNMP");
        warnings.iter().find(about).map(|_| ())
    });
    let (_, metrics) = daemon.get("/metrics");
    assert!(metrics.contains("netmend_device_snmp_up{device=\"sw1\"} 0"), "{metrics}");
    assert!(!metrics.contains("netmend_interface_up{"), "{metrics}");
}
