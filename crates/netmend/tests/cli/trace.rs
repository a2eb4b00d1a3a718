//! `netmend trace` as a user runs it, in a network namespace of its own.

use lab::Namespace;

use super::{NETMEND, Run, netmend};

fn trace(namespace: &Namespace, args: &[&str]) -> Run {
    let output = namespace.command(NETMEND).arg("trace").args(args).output();
    Run::of(output.expect("the binary runs"))
}

#[test]
fn the_path_to_this_machine_is_one_hop_by_icmp_and_by_tcp() {
    let here = Namespace::create().expect("a namespace");
    for (host, method) in [("127.0.0.1", "icmp-raw"), ("[::1]:443", "tcp-syn")] {
        let run = trace(&here, &["--output", "json", host]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let found = &run.json()[0];
        let path = &found["path"];
        assert_eq!((&found["target"], &path["method"]), (&host.into(), &method.into()), "{run:?}");
        assert_eq!((&path["end"], &path["rounds"]), (&"reached".into(), &3.into()), "{run:?}");
        let hops = path["hops"].as_array().expect("hops");
        assert_eq!(hops.len(), 1);
        assert_eq!(hops[0]["answers"][0]["count"], 3);
    }
    let run = trace(&here, &["127.0.0.1"]);
    assert!(run.out.starts_with("path to 127.0.0.1 by ICMP (raw socket), 3 rounds\n"), "{run:?}");
    assert!(run.out.contains("127.0.0.1    0%"), "{run:?}");
}

#[test]
fn a_host_without_a_route_and_a_host_that_is_none_are_told_apart_by_words_and_code() {
    let here = Namespace::create().expect("a namespace");
    let run = trace(&here, &["192.0.2.1"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.err.contains("192.0.2.1") && run.err.contains("unreachable"), "{run:?}");
    for (args, words) in [
        (["trace", "10.0.0.256"], "last part is a number"),
        (["trace", "--hops=65"], "65"),
        (["trace", "a b"], "neither an address nor a name"),
    ] {
        let run = netmend(&args);
        assert_eq!(run.code, Some(3), "{run:?}");
        assert!(run.err.contains(words), "{run:?}");
    }
}
