//! Without a configuration the daemon watches this machine's own gateway and resolvers. The machine is a
//! network namespace with a default route to a gateway in a second one.

use std::time::Duration;

use lab::Namespace;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::daemon::{Daemon, bare};

/// Runs `ip` in a namespace.
fn ip(namespace: &Namespace, words: &str) {
    namespace.run("ip", words.split(' ')).expect("`ip` does what it is told");
}

#[test]
fn without_a_configuration_the_default_gateway_is_watched_within_five_seconds() {
    let (machine, router) = (Namespace::create().unwrap(), Namespace::create().unwrap());
    ip(&machine, &format!("link add wan0 type veth peer name lan0 netns {}", router.name()));
    ip(&machine, "address add 10.9.0.2/24 dev wan0");
    ip(&machine, "link set wan0 up");
    ip(&router, "address add 10.9.0.1/24 dev lan0");
    ip(&router, "link set lan0 up");
    ip(&machine, "route add default via 10.9.0.1");

    let data = tempfile::tempdir().unwrap();
    let elapsed = machine.enter(|| {
        let daemon = Daemon::start(bare("127.0.0.1:0", data.path()));
        let (status, page) = daemon.get("/");
        assert_eq!(status, 200);
        assert!(page.contains("10.9.0.1"), "the gateway is missing on the front page");
        let uptime = daemon.wait_for("/api/v1/system", |system| {
            gateway_is_up(&daemon.json("/api/v1/targets")).then(|| system["uptime_s"].as_f64())?
        });
        daemon.signal(Signal::SIGTERM);
        assert!(daemon.wait().success());
        Duration::from_secs_f64(uptime)
    });
    let elapsed = elapsed.unwrap();
    assert!(elapsed < Duration::from_secs(5), "the gateway was up after {elapsed:?}");
}

fn gateway_is_up(answer: &Value) -> bool {
    let rows = answer["targets"].as_array().expect("a list of targets");
    let is_up = |row: &&Value| row["region"] == "gateway" && row["state"] == "up";
    rows.iter().find(is_up).is_some_and(|row| row["rtt_us"].as_f64().is_some_and(|rtt| rtt > 0.0))
}
