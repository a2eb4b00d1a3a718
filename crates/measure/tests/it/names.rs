//! The system's resolver against a DNS server of our own, and this machine's gateways and resolvers.

use std::io::{self, Write as _};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use measure::discover::{Files, Role, discover};
use measure::kernel::KernelNetwork;
use measure::resolve::{Limits, Lookups, SystemResolver};
use measure::{ChangeKind, Options, Prober, Resolve as _};
use model::{Clock, Family, Outcome, Protocol, SystemClock, TargetId};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::bed::{cable, ip, namespace, target};

const NXDOMAIN: u8 = 3;
const SERVFAIL: u8 = 2;

/// Gives the calling thread, and those it starts, a `resolv.conf` of its own.
fn use_resolv_conf(text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some(file.path()), "/etc/resolv.conf", none, MsFlags::MS_BIND, none)?;
    Ok(())
}

/// Answers the questions that come with these response codes in turn, 0 being the address 192.0.2.53, then
/// with those that are told; with the last one for ever once nobody can tell more.
fn serve(codes: &[u8]) -> io::Result<Sender<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:53")?;
    let (tell, told) = channel();
    for code in codes {
        tell.send(*code).expect("the receiver is here");
    }
    thread::spawn(move || {
        let (mut query, mut code) = ([0; 512], SERVFAIL);
        while let Ok((len, from)) = socket.recv_from(&mut query) {
            code = told.recv().unwrap_or(code);
            let Some(answer) = answer_to(&query[..len], code) else { return };
            let _unheard = socket.send_to(&answer, from);
        }
    });
    Ok(tell)
}

/// A response with recursion available (RFC 1035, section 4.1.1). Its question ends with type and class,
/// after the first zero byte.
fn answer_to(query: &[u8], code: u8) -> Option<Vec<u8>> {
    let question = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)? + 5;
    let mut answer = query.get(..question)?.to_vec();
    (answer[2], answer[3]) = (0x81, 0x80 | code);
    answer[6..12].fill(0);
    if code == 0 {
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53]);
    }
    Some(answer)
}

#[test]
fn a_name_that_does_not_exist_is_found_once_it_does() {
    let addresses = namespace()
        .enter(|| {
            use_resolv_conf("nameserver 127.0.0.1\n").unwrap();
            serve(&[NXDOMAIN, 0]).unwrap();
            let limits = Limits { retry: Duration::from_millis(1), ..Limits::default() };
            let resolver = Arc::new(SystemResolver);
            let (lookups, answers) =
                Lookups::start(resolver, Arc::new(SystemClock), limits).unwrap();
            lookups.watch([(TargetId(0), "recovers.example.", Family::V4)]);
            let first = answers.recv().unwrap().addresses.unwrap_err();
            assert!(first.is_not_found(), "{first}");
            answers.recv().unwrap().addresses.unwrap()
        })
        .unwrap();
    assert_eq!(&*addresses, &["192.0.2.53:0".parse().unwrap()]);
}

#[test]
fn a_target_whose_name_does_not_exist_is_asked_once_it_does_and_holds_up_nobody() {
    let here = namespace();
    ip(&here, "address add 192.0.2.53/32 dev lo");
    let (first, changes, status) = here
        .enter(|| {
            use_resolv_conf("nameserver 127.0.0.1\n").unwrap();
            let tell = serve(&[NXDOMAIN, NXDOMAIN]).unwrap();
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let network = Arc::new(KernelNetwork::new(Arc::clone(&clock)));
            let options = Options {
                resolve_every: Duration::from_millis(20),
                ..Options::command(clock, network, Arc::new(SystemResolver), None)
            };
            let targets = ["recovers.example.", "127.0.0.1"]
                .map(|host| Arc::new(target(host, Protocol::Icmp)));
            let (prober, results) =
                Prober::start(options, (0..).map(TargetId).zip(targets)).unwrap();
            let mut results = results.iter().flatten();
            let early = results.next().unwrap();
            assert_eq!(early.target, TargetId(1), "the other is asked meanwhile");
            tell.send(0).unwrap();
            drop(tell);
            let first = results.find(|result| result.target == TargetId(0)).unwrap();
            (first, prober.changes(), prober.statuses().swap_remove(0))
        })
        .unwrap();
    assert_eq!((first.round, first.outcome), (0, Outcome::Reply), "nothing is sent to nowhere");
    assert_eq!(status.address, Some("192.0.2.53:0".parse().unwrap()));
    let said: Vec<_> = changes.iter().filter(|change| change.target == Some(TargetId(0))).collect();
    let ChangeKind::Unresolved { why } = &said[0].what else { panic!("{said:?}") };
    assert!(why.contains("name not found"), "{why}");
    assert_eq!(said[1].what, ChangeKind::Resolved, "told once that it is gone: {said:?}");
}

#[test]
fn a_server_that_fails_is_told_apart_from_a_name_that_is_not_there() {
    let error = namespace()
        .enter(|| {
            use_resolv_conf("nameserver 127.0.0.1\noptions attempts:1\n").unwrap();
            serve(&[SERVFAIL; 4]).unwrap();
            SystemResolver.resolve("www.example.com.", Family::V4).unwrap_err()
        })
        .unwrap();
    assert!(!error.is_not_found(), "{error}");
}

#[test]
fn gateways_and_resolvers_are_found_with_their_zones_and_by_metric() {
    let (here, router) = (namespace(), namespace());
    cable(&here, &router, 1);
    cable(&here, &router, 2);
    ip(&here, "route add default via 10.0.2.2 metric 600");
    ip(&here, "route add default via 10.0.1.2 metric 100");
    ip(&here, "-6 route add default via fe80::99 dev net2");
    let dir = tempfile::tempdir().unwrap();
    let resolv_conf = dir.path().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 10.0.1.2\nnameserver fe80::53%net1\n").unwrap();
    let files = Files { resolv_conf, systemd_resolved: dir.path().join("none") };
    let found = here.enter(|| discover(&files)).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    let found: Vec<_> = found.found.iter().map(|host| (host.role, host.host.as_str())).collect();
    assert_eq!(
        found,
        [
            (Role::Gateway, "10.0.1.2"),
            (Role::Gateway, "10.0.2.2"),
            (Role::Gateway, "fe80::99%net2"),
            (Role::Resolver, "10.0.1.2"),
            (Role::Resolver, "fe80::53%net1"),
        ]
    );
}

#[test]
fn a_multipath_default_route_has_all_its_gateways() {
    let (here, router) = (namespace(), namespace());
    cable(&here, &router, 1);
    cable(&here, &router, 2);
    ip(&here, "route add default nexthop via 10.0.1.2 nexthop via 10.0.2.2");
    let found = here.enter(|| discover(&Files::default())).unwrap().found;
    let gateways: Vec<_> = found
        .iter()
        .filter(|host| host.role == Role::Gateway)
        .map(|host| host.host.as_str())
        .collect();
    assert_eq!(gateways, ["10.0.1.2", "10.0.2.2"]);
}
