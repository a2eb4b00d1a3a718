//! Facts in, findings out.

use std::path::PathBuf;

use super::super::Status;
use super::super::facts::{Disk, Resolver};
use super::*;

/// A machine on which all is well.
fn healthy() -> Facts {
    let table = |family| NeighbourTable { family, entries: Some(12), soft: 2_048, hard: 4_096 };
    Facts {
        capabilities: Some(CAP_NET_RAW),
        program: PathBuf::from("/usr/bin/netmend"),
        ping_groups: Some((0, 2_147_483_647)),
        groups: vec![1_000],
        receive_buffer: Some(32 << 20),
        timestamping: Some(true),
        neighbours: vec![table("ipv4"), table("ipv6")],
        hosts_on_link: 500,
        resolvers: vec![Resolver {
            host: "192.0.2.53".into(),
            answer: Ok(Duration::from_millis(3)),
        }],
        sinks: vec![Database { name: "db".into(), answer: Ok("InfluxDB 1.6.7".into()) }],
        stub: false,
        clock_kept: Some(true),
        clock_source: Some("tsc".into()),
        disk: Disk {
            wanted: PathBuf::from("/var/lib/netmend"),
            folder: PathBuf::from("/var/lib/netmend"),
            user: 990,
            free: Some(20 << 30),
            fsync: Ok(Duration::from_millis(2)),
        },
        files: Some((1_024, 524_288)),
        ports: Some((32_768, 60_999)),
        ipv6: true,
    }
}

/// The one finding that is not fine after `harm` was done.
fn harmed(harm: impl FnOnce(&mut Facts)) -> Finding {
    let mut facts = healthy();
    harm(&mut facts);
    let found = ALL.iter().map(|check| check(&facts));
    let mut bad: Vec<Finding> = found.filter(|finding| finding.status != Status::Ok).collect();
    assert_eq!(bad.len(), 1, "{bad:#?}");
    bad.remove(0)
}

fn fix(harm: impl FnOnce(&mut Facts)) -> String {
    let finding = harmed(harm);
    assert_eq!(finding.status, Status::Fix, "{finding:?}");
    finding.fix.expect("what is to be fixed has a fix")
}

#[test]
fn a_healthy_machine_has_nothing_to_fix() {
    let facts = healthy();
    for check in ALL {
        let finding = check(&facts);
        assert_eq!((finding.status, finding.fix.as_deref()), (Status::Ok, None), "{finding:?}");
    }
}

#[test]
fn missing_capabilities_are_given_to_this_very_file() {
    assert_eq!(
        fix(|facts| facts.capabilities = Some(0)),
        "setcap cap_net_raw,cap_net_admin+ep /usr/bin/netmend"
    );
    let odd = fix(|facts| {
        facts.capabilities = Some(0);
        facts.program = PathBuf::from("/home/a user/it's");
    });
    assert_eq!(odd, r"setcap cap_net_raw,cap_net_admin+ep '/home/a user/it'\''s'");
}

#[test]
fn ping_sockets_matter_only_without_raw_ones() {
    let mut facts = healthy();
    facts.ping_groups = Some((1, 0));
    assert_eq!(ping_sockets(&facts).status, Status::Ok);
    facts.capabilities = Some(0);
    assert_eq!(ping_sockets(&facts).status, Status::Fix);
    assert!(capabilities(&facts).what.contains("ICMP goes by TCP"));
}

#[test]
fn small_buffers_limits_and_ranges_get_their_command() {
    let sysctl = fix(|facts| facts.receive_buffer = Some(425_984));
    assert_eq!(sysctl, "sysctl -w net.core.rmem_max=16777216");
    assert!(fix(|facts| facts.files = Some((256, 1_024))).contains("LimitNOFILE=65536"));
    assert!(fix(|facts| facts.ports = Some((60_000, 60_999))).contains("ip_local_port_range"));
}

#[test]
fn the_neighbour_table_must_hold_every_host_on_link() {
    let command = fix(|facts| facts.hosts_on_link = 3_000);
    assert_eq!(
        command,
        "sysctl -w net.ipv4.neigh.default.gc_thresh3=12000 net.ipv4.neigh.default.gc_thresh2=6000 \
         net.ipv6.neigh.default.gc_thresh3=12000 net.ipv6.neigh.default.gc_thresh2=6000"
    );
    let full = fix(|facts| facts.neighbours[0].entries = Some(4_000));
    assert!(full.contains("net.ipv4.neigh.default.gc_thresh3=16000"), "{full}");
    assert!(!full.contains("ipv6"), "{full}");
}

#[test]
fn a_silent_a_slow_and_a_missing_resolver_are_told_apart() {
    let silent = harmed(|facts| facts.resolvers[0].answer = Err("no answer in 2 s".into()));
    assert_eq!(
        (silent.status, silent.what.as_str()),
        (Status::Fix, "192.0.2.53: no answer in 2 s")
    );
    let slow = harmed(|facts| facts.resolvers[0].answer = Ok(Duration::from_millis(900)));
    assert_eq!((slow.status, slow.what.as_str()), (Status::Fix, "192.0.2.53 took 900ms"));
    let none = harmed(|facts| facts.resolvers.clear());
    assert!(none.what.contains("no resolver is configured"));
}

#[test]
fn the_disk_must_be_writable_and_have_room() {
    let denied = |facts: &mut Facts| facts.disk.fsync = Err("permission denied".into());
    assert_eq!(fix(denied), "chown 990 /var/lib/netmend");
    let absent = fix(|facts| {
        denied(facts);
        facts.disk.folder = PathBuf::from("/var/lib");
    });
    assert_eq!(absent, "install -d -o 990 -m 750 /var/lib/netmend");
    assert!(fix(|facts| facts.disk.free = Some(100 << 20)).starts_with("du "));
    let slow = harmed(|facts| facts.disk.fsync = Ok(Duration::from_millis(400)));
    assert_eq!(slow.status, Status::Note);
}

#[test]
fn what_cannot_be_known_is_a_note_and_no_verdict() {
    let harms: [fn(&mut Facts); 6] = [
        |facts| facts.clock_kept = None,
        |facts| facts.clock_source = None,
        |facts| facts.timestamping = None,
        |facts| facts.receive_buffer = None,
        |facts| facts.files = None,
        |facts| facts.ipv6 = false,
    ];
    for harm in harms {
        let finding = harmed(harm);
        assert_eq!((finding.status, finding.fix), (Status::Note, None));
    }
}

#[test]
fn a_sink_that_would_take_nothing_is_named_with_what_to_do() {
    let unfit = |why: &str, fix: &str| Err(Unfit { why: why.into(), fix: fix.into() });
    let found = harmed(|facts| {
        let dead =
            Database { name: "old".into(), answer: unfit("http://old cannot be reached", "") };
        let shut =
            Database { name: "new".into(), answer: unfit("http://new answers 401", "correct it") };
        facts.sinks.extend([dead, shut]);
    });
    assert_eq!(found.what, "old: http://old cannot be reached, new: http://new answers 401");
    let fix = "old: see whether it runs and this machine reaches it; new: correct it";
    assert_eq!(found.fix.as_deref(), Some(fix));
}
