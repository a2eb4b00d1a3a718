//! The page "From `SmokePing`", with the targets that Debian's package comes with and some as people add them.

use std::fs;

use super::{block, blocks, follow, run};

const PAGE: &str = include_str!("../../../../../docs/from-smokeping.md");
/// Where the page says that `SmokePing` has them.
const THERE: &str = "/etc/smokeping/config.d/Targets";
const TARGETS: &str = "\
*** Targets ***

probe = FPing

menu = Top
title = Network Latency Grapher
remark = Welcome to the SmokePing website of xxx Company. \\
         Here you will learn all about the latency of our network.

+ Local

menu = Local
title = Local Network
#parents = owner:/Test/James location:/

++ LocalMachine

menu = Local Machine
title = This host
host = localhost
#alerts = startloss,someloss,bigloss,rttdetect

+  Branches
menu = Branches

++ London
menu = host
host = 127.0.2.1

++ Paris
\tprobe = FPing
\thost=127.0.2.2

++ Together
host = /Branches/London /Branches/Paris
";

#[test]
fn the_page_from_smokeping_is_true_to_the_word() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let targets = folder.join("Targets");
    fs::write(&targets, TARGETS).unwrap();
    let blocks = blocks(PAGE, "        ");
    let commands = block(&blocks, "awk");
    assert!(commands.contains(THERE), "{commands}");
    follow(folder, &commands.replace(THERE, &targets.display().to_string()), &[]);

    let daemon = run(folder, "127.0.0.1:0", &["--config", "netmend.yaml"], &[]);
    let known = daemon.wait_for("/api/v1/targets", |answer| {
        let all = answer["targets"].as_array()?;
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let mut known: Vec<_> =
            all.iter().map(|one| (text(&one["region"]), text(&one["host"]))).collect();
        known.sort();
        all.iter().all(|one| one["rtt_us"].is_number()).then_some(known)
    });
    let expected = [("Branches", "127.0.2.1"), ("Branches", "127.0.2.2"), ("Local", "localhost")];
    assert_eq!(known, expected.map(|(region, host)| (region.to_owned(), host.to_owned())));
}

#[test]
fn what_the_page_from_smokeping_puts_in_the_place_of_its_settings_is_taken() {
    let (every, limits) = ("defaults: { interval: 15s }", "limits: { loss: 10%, latency: 150ms }");
    for words in
        [every, limits, "`tcp: 443`", "`family: 6` or `both`", "`size`, `dscp`", "`EF`", "`source`"]
    {
        assert!(PAGE.contains(words), "the page lacks {words}");
    }
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "{every}\ntargets:\n  a:\n    - {{ host: example.com, tcp: 443, family: both, {limits} }}\n    \
         - {{ host: example.org, family: 6, size: 1000, dscp: EF, source: '::1' }}\n"
    );
    fs::write(folder.path().join("netmend.yaml"), config).unwrap();
    follow(folder.path(), "netmend check netmend.yaml", &[]);
}
