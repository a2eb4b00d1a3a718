//! Polls against net-snmp's real agent and against simulated ones with bad habits; traps from net-snmp's
//! real sender.

mod agent;
#[expect(unreachable_pub, reason = "the fuzz target needs it")]
mod hostile;

use std::sync::Arc;
use std::time::Duration;

use lab::{AgentHabit, AgentOptions};
use measure::snmp::traps::{Engine, Keep, Object, Trap, TrapOptions, Traps, Turn};
use measure::snmp::{Asked, Poller, SnmpError, ask_once};
use model::{
    OperStatus, Secret, SnmpAccess, SnmpAuth, SnmpCredential, SnmpPrivacy, SnmpUser, SystemClock,
};
use tokio::sync::mpsc;

use agent::{PASSWORD, PRIVACY, Simulated, Snmpd, run};

fn asked(address: std::net::SocketAddr, credential: SnmpCredential) -> Asked {
    let access = SnmpAccess {
        port: address.port(),
        timeout: Duration::from_millis(500),
        retries: 1,
        ..SnmpAccess::new(credential)
    };
    Asked { device: "sw1".into(), address, access }
}

fn community(word: &str) -> SnmpCredential {
    SnmpCredential::Community(Secret::new(word))
}

fn user(name: &str, auth: SnmpAuth, privacy: SnmpPrivacy, password: &str, key: &str) -> SnmpUser {
    SnmpUser {
        name: name.into(),
        auth: Some((auth, Secret::new(password))),
        privacy: Some((privacy, Secret::new(key))),
        context: String::new(),
    }
}

#[tokio::test]
async fn a_real_agent_tells_its_interfaces_by_version_2c() {
    let snmpd = Snmpd::start();
    let reading = ask_once(&asked(snmpd.address, community("public")), &SystemClock).await.unwrap();
    let lo = reading.interfaces.iter().find(|one| &*one.name == "lo").expect("lo is there");
    assert_eq!((lo.oper, lo.wide), (OperStatus::Up, true));
    assert!(lo.octets.received.is_some() && lo.octets.sent.is_some());
    assert_eq!(reading.sys_name, "netmend-test");
    assert!(reading.requests >= 1 && lo.uptime <= reading.uptime + 500);
}

#[tokio::test]
async fn a_real_agent_tells_them_to_users_of_version_3_by_each_protocol() {
    let snmpd = Snmpd::start();
    for (name, auth, privacy) in agent::USERS {
        let user = user(name, auth, privacy, PASSWORD, PRIVACY);
        let found = ask_once(&asked(snmpd.address, SnmpCredential::User(user)), &SystemClock).await;
        let reading = found.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(reading.interfaces.iter().any(|one| &*one.name == "lo"), "{name}");
    }
}

#[tokio::test]
async fn a_wrong_credential_is_told_as_such_and_never_shown() {
    let snmpd = Snmpd::start();
    let (name, auth, privacy) = agent::USERS[1];
    let fails = async |credential| {
        let why = ask_once(&asked(snmpd.address, credential), &SystemClock).await.unwrap_err();
        assert!(!why.to_string().contains("hunter2"), "{why}");
        why
    };
    let silent = fails(community("hunter2")).await;
    assert!(
        matches!(silent, SnmpError::Silent { tries: 2, what: "the community", .. }),
        "{silent}"
    );
    // Which of them is wrong the agent says in clear, so that nobody may believe it.
    for (name, password, key) in [
        (name, "hunter2-hunter2", PRIVACY),
        (name, PASSWORD, "hunter2-hunter2"),
        ("nobody", PASSWORD, PRIVACY),
    ] {
        let wrong = user(name, auth, privacy, password, key);
        let refused = fails(SnmpCredential::User(wrong)).await;
        assert!(matches!(refused, SnmpError::Refused { .. }), "{refused:?}");
        assert_eq!(refused.kind(), "credential");
    }
}

#[tokio::test]
async fn an_agent_that_restarts_begins_its_time_again() {
    let mut snmpd = Snmpd::start();
    let asked = asked(snmpd.address, community("public"));
    let before = ask_once(&asked, &SystemClock).await.unwrap();
    while ask_once(&asked, &SystemClock).await.unwrap().uptime < before.uptime + 20 {}
    let before = ask_once(&asked, &SystemClock).await.unwrap();
    snmpd.restart();
    let after = ask_once(&asked, &SystemClock).await.unwrap();
    assert!(after.uptime < before.uptime);
    let lo = |reading: &model::DeviceReading| {
        reading.interfaces.iter().find(|one| &*one.name == "lo").unwrap().clone()
    };
    let apart = after.monotonic.saturating_sub(before.monotonic);
    let rates = measure::snmp::rates(&lo(&before), &lo(&after), apart);
    assert_eq!(rates.gap, Some(model::Gap::Restarted));
}

#[tokio::test]
async fn hundreds_of_interfaces_take_answers_that_fit_into_a_packet_each() {
    let simulated = Simulated::start(AgentOptions::new("sim", 300)).await;
    let reading =
        ask_once(&asked(simulated.address, community("public")), &SystemClock).await.unwrap();
    assert_eq!(reading.interfaces.len(), 300);
    assert_eq!(&*reading.interfaces[299].name, "Ethernet1/300");
    assert!(reading.interfaces.iter().all(|one| one.wide && one.speed_bps == Some(1_000_000_000)));
    assert!(reading.interfaces.iter().all(|one| *one.alias == *format!("to sim {}", one.index)));
}

#[tokio::test]
async fn an_agent_without_counters_of_64_bits_is_read_by_those_of_32() {
    let options = AgentOptions { wide: false, ..AgentOptions::new("old", 3) };
    let simulated = Simulated::start(options).await;
    let reading =
        ask_once(&asked(simulated.address, community("public")), &SystemClock).await.unwrap();
    assert!(reading.interfaces.iter().all(|one| !one.wide && one.octets.sent.is_some()));
}

#[tokio::test]
async fn whatever_an_agent_does_wrong_a_poll_ends_and_says_what_it_is() {
    for (habit, kind) in [
        (AgentHabit::Silent, "silent"),
        (AgentHabit::Truncated, "silent"),
        (AgentHabit::Garbage, "silent"),
        (AgentHabit::OtherRequest, "silent"),
        (AgentHabit::Endless, "malformed"),
    ] {
        let options = AgentOptions { habit: Some(habit), ..AgentOptions::new("bad", 4) };
        let simulated = Simulated::start(options).await;
        let why = ask_once(&asked(simulated.address, community("public")), &SystemClock).await;
        assert_eq!(why.unwrap_err().kind(), kind, "{habit:?}");
    }
}

#[tokio::test]
async fn an_agent_that_is_slower_than_the_timeout_is_read_by_its_late_answers() {
    let options = AgentOptions { habit: Some(AgentHabit::Late), ..AgentOptions::new("late", 4) };
    let simulated = Simulated::start(options).await;
    let reading = ask_once(&asked(simulated.address, community("public")), &SystemClock).await;
    let reading = reading.unwrap();
    assert_eq!(reading.interfaces.len(), 4);
    assert!(reading.took > Duration::from_millis(500), "{:?}", reading.took);
}

#[tokio::test]
async fn an_agent_that_finds_answers_too_big_is_asked_for_less() {
    let options =
        AgentOptions { habit: Some(AgentHabit::TooBig), ..AgentOptions::new("small", 48) };
    let simulated = Simulated::start(options).await;
    let reading = ask_once(&asked(simulated.address, community("public")), &SystemClock).await;
    assert_eq!(reading.unwrap().interfaces.len(), 48);
}

#[test]
fn a_poller_asks_all_devices_and_a_dead_one_holds_up_nobody() {
    run(async {
        let alive = Simulated::start(AgentOptions::new("alive", 2)).await;
        let habit = Some(AgentHabit::Silent);
        let dead = Simulated::start(AgentOptions { habit, ..AgentOptions::new("dead", 2) }).await;
        let (out, mut found) = mpsc::channel(16);
        let poller = Poller::start(Arc::new(SystemClock), out).unwrap();
        let mut devices = vec![
            asked(alive.address, community("public")),
            asked(dead.address, community("public")),
        ];
        devices[1].device = "dead".into();
        for device in &mut devices {
            device.access.interval = Duration::from_millis(100);
        }
        poller.set(devices);
        let (mut answered, mut silent) = (0, 0);
        while answered < 5 || silent < 1 {
            let polled = found.recv().await.unwrap();
            match (&*polled.asked.device, polled.outcome) {
                ("sw1", Ok(reading)) => {
                    assert_eq!(reading.interfaces.len(), 2);
                    answered += 1;
                }
                ("dead", Err(SnmpError::Silent { .. })) => silent += 1,
                other => panic!("{other:?}"),
            }
        }
        let counters = poller.counters();
        assert!(counters.polls >= 5 && counters.silent >= 1 && counters.devices == 2);
        poller.set(Vec::new());
        assert_eq!(poller.counters().devices, 0);
    });
}

fn listen(options: &TrapOptions) -> (Traps, mpsc::Receiver<Trap>) {
    let (out, heard) = mpsc::channel(16);
    let keep: Keep = Arc::new(|_| Ok(()));
    let engine = Some(Engine { id: vec![0x80, 0, 0, 0, 4, b'n', b'm'], boots: 7 });
    let traps = Traps::start(options, engine, &keep, Arc::new(SystemClock), out);
    (traps.expect("loopback has a port"), heard)
}

/// The version of SNMP and the arguments of net-snmp's sender for it.
fn anywhere() -> TrapOptions {
    TrapOptions { listen: vec![([127, 0, 0, 1], 0).into()], ..TrapOptions::default() }
}

const LINK_DOWN: [&str; 5] = ["", "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.3", "i", "3"];

#[test]
fn traps_of_version_2c_are_heard_and_informs_are_answered() {
    let options = TrapOptions { communities: vec![Secret::new("public")], ..anywhere() };
    let (traps, mut heard) = listen(&options);
    let to = traps.listening[0].to_string();
    let send = |program: &str, community: &str, more: &[&str]| {
        let before = ["-v", "2c", "-c", community, "-r", "0", "-t", "5", to.as_str()];
        agent::sender(program, &[&before, more].concat())
    };
    assert!(send("snmptrap", "other", &LINK_DOWN), "a trap is answered by nobody");
    assert!(send("snmpinform", "public", &LINK_DOWN), "an inform is answered");
    let trap = heard.blocking_recv().unwrap();
    assert_eq!(trap.notice.code, "IF-MIB::linkDown");
    assert_eq!((trap.notice.object, trap.notice.turn), (Object::Index(3), Turn::Fault));
    assert!(!trap.authenticated && trap.from.ip().is_loopback());
    assert_eq!(traps.counters().heard, 1, "another community is not heard");
}

#[test]
fn traps_of_version_3_are_heard_from_known_users_alone() {
    let (name, auth, privacy) = agent::USERS[1];
    let users = vec![user(name, auth, privacy, PASSWORD, PRIVACY)];
    let listen_on = [anywhere().listen, anywhere().listen].concat();
    let (traps, mut heard) = listen(&TrapOptions { listen: listen_on, users, ..anywhere() });
    let send = |listener: usize, password: &str, level: &str| {
        let to = traps.listening[listener].to_string();
        let before = [
            "-v",
            "3",
            "-u",
            name,
            "-l",
            level,
            "-a",
            "SHA-256",
            "-A",
            password,
            "-x",
            "AES",
            "-X",
            PRIVACY,
            "-e",
            "0x8000000001020304",
            "-r",
            "0",
            "-t",
            "5",
            to.as_str(),
        ];
        agent::sender("snmptrap", &[&before[..], &LINK_DOWN].concat())
    };
    send(0, "wrong-password", "authPriv");
    send(0, PASSWORD, "noAuthNoPriv");
    assert!(send(0, PASSWORD, "authPriv"));
    let trap = heard.blocking_recv().unwrap();
    assert!(trap.authenticated);
    assert_eq!(trap.notice.turn, Turn::Fault);
    assert_eq!(traps.counters().refused, 1);
    assert_eq!(traps.counters().heard, 1, "who only knows the name of a user is not heard");
    assert!(send(1, PASSWORD, "authPriv"));
    heard.blocking_recv().unwrap();
    assert_eq!(traps.counters().refused, 1, "one listener's refusals are not another's to forget");
}

/// A trap as net-snmp's sender makes it, with these arguments of it.
fn sent(args: &[&str]) -> Vec<u8> {
    let ear = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
    let to = ear.local_addr().expect("it is bound").to_string();
    assert!(agent::sender("snmptrap", &[args, &[&to], &LINK_DOWN].concat()));
    let mut room = [0; 2_048];
    let length = ear.recv(&mut room).expect("it was sent");
    room[..length].to_vec()
}

/// Traps of all versions that were sent, for what follows to spoil.
fn traps() -> Vec<Vec<u8>> {
    let of_v3 = |more: &[&str]| {
        let before = ["-v", "3", "-e", "0x8000000001020304"];
        sent(&[&before, more].concat())
    };
    let keys = ["-a", "SHA-256", "-A", PASSWORD, "-x", "AES", "-X", PRIVACY];
    vec![
        sent(&["-v", "2c", "-c", "public"]),
        of_v3(&["-u", "plain", "-l", "noAuthNoPriv"]),
        of_v3(&[&["-u", "sha256", "-l", "authPriv"], &keys[..]].concat()),
    ]
}

#[test]
fn whatever_datagram_comes_in_traps_are_heard_on() {
    use proptest::prelude::*;
    let traps = traps();
    for trap in &traps {
        for length in 0..=trap.len() {
            hostile::trap(&trap[..length]);
        }
    }
    let spoiled = (0..traps.len(), prop::collection::vec((any::<u16>(), any::<u8>()), 1..8));
    let mut runner = proptest::test_runner::TestRunner::default();
    let spoil = |(which, changes): (usize, Vec<(u16, u8)>)| {
        let mut trap: Vec<u8> = traps[which].clone();
        for (place, byte) in changes {
            let place = usize::from(place) % trap.len();
            trap[place] = byte;
        }
        hostile::trap(&trap);
        Ok(())
    };
    runner.run(&spoiled, spoil).unwrap();
}
