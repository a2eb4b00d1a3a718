//! `/metrics`, read by a strict parser of the text format 0.0.4.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use model::{Protocol, Target};
use netmend_show::Counter;

use crate::http::get;
use crate::sim::{Manner, small_network};
use crate::world::World;

/// Labels and value of one line.
type Line = (BTreeMap<String, String>, f64);

/// All lines by name. Panics on what `promtool check metrics` would refuse: no HELP or TYPE, families
/// torn apart, bad names, repeated labels or lines, counters without `_total`.
fn parse(text: &str) -> BTreeMap<String, Vec<Line>> {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut families: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let (mut helped, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help");
            assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, current, "TYPE follows HELP");
            assert!(families.insert(name.to_owned(), Vec::new()).is_none(), "{name} twice");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else {
            assert!(seen.insert(line.rsplit_once(' ').expect("a value").0.to_owned()), "{line}");
            let (name, parsed) = parse_line(line);
            assert!(name.starts_with(&current), "lines of a family stand together: {line}");
            families.get_mut(&current).expect("a TYPE before").push(parsed);
            let part = name.strip_prefix(&current).expect("just seen");
            assert!(["", "_bucket", "_sum", "_count"].contains(&part), "{line}");
        }
    }
    families
}

fn parse_line(line: &str) -> (String, Line) {
    let end = line.find(['{', ' ']).expect("a name");
    let name = &line[..end];
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = &line[end..];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect("a label");
            assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = after;
            match rest.as_bytes()[0] {
                b',' => rest = &rest[1..],
                b'}' => break,
                _ => panic!("{line}"),
            }
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect("a space").parse().expect("a number");
    (name.to_owned(), (labels, value))
}

/// The value up to its closing quote, and what follows the quote.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => match letters.next().expect("an escaped letter").1 {
                'n' => value.push('\n'),
                other @ ('\\' | '"') => value.push(other),
                other => panic!("\\{other} is no escape"),
            },
            other => value.push(other),
        }
    }
    panic!("no closing quote in {text}");
}

#[tokio::test]
async fn every_target_and_counter_is_there_in_the_format_of_prometheus() {
    let world = World::new(small_network());
    let answer = get(&world.router, "/metrics").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let metrics = parse(&answer.body);
    let of = |name: &str, host: &str| {
        let lines = &metrics[name];
        lines.iter().find(|(labels, _)| labels["host"] == host).map(|(_, value)| *value)
    };
    assert_eq!(metrics["netmend_target_state"].len(), 32);
    let by_state: f64 = metrics["netmend_targets"].iter().map(|(_, value)| value).sum();
    assert!((by_state - 32.0).abs() < f64::EPSILON, "{by_state}");
    let up = "www.gateway.example.net";
    assert_eq!(of("netmend_target_up", up), Some(1.0));
    assert!(of("netmend_target_rtt_seconds", up).is_some_and(|rtt| rtt > 0.000_2 && rtt < 0.001));
    assert_eq!(of("netmend_target_probes_sent_total", up), Some(60.0));
    let down = "db2.aws-london.example.net";
    assert_eq!(of("netmend_target_up", down), Some(0.0));
    assert_eq!(of("netmend_target_rtt_seconds", down), None, "no RTT is no line, not zero");
    let loss = of("netmend_target_loss_ratio", down).unwrap();
    assert!((loss - 40.0 / 60.0).abs() < 1e-6, "{loss}");
    let hidden = "queue.gateway.example.net";
    assert_eq!(of("netmend_target_up", hidden), None, "what nobody knows is neither up nor down");
    let sent = &metrics["netmend_probes_sent_total"];
    assert_eq!(sent[0], ([("protocol".to_owned(), "icmp".to_owned())].into(), 1_234_567.0));
    assert_eq!(sent.len(), 2);
}

/// What `promtool check metrics` says; nothing if all is well.
fn promtool(text: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests need promtool of Debian's prometheus");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    assert_eq!(out.status.success(), said.is_empty(), "{said}");
    said
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_and_rtts_are_histograms() {
    let world = World::new(small_network());
    let text = get(&world.router, "/metrics").await.body;
    assert_eq!(promtool(&text), "");
    assert!(
        promtool(&text.replace("_probes_sent_total", "_probes_sent"))
            .contains("counter metrics should have")
    );
    let of = |name: &str| {
        let start =
            format!("netmend_target_probe_rtt_seconds_{name}{{host=\"www.gateway.example.net\"");
        text.lines()
            .filter(move |line| line.starts_with(&start))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
    };
    let buckets: Vec<f64> = of("bucket").collect();
    assert!(buckets.is_sorted() && buckets.len() == 16, "{buckets:?}");
    assert_eq!(of("count").collect::<Vec<_>>(), [60.0]);
    assert_eq!(buckets.last(), Some(&60.0));
    let sum = of("sum").next().unwrap();
    assert!(sum > 60.0 * 0.000_2 && sum < 60.0 * 0.001, "{sum}");
}

#[tokio::test]
async fn hostile_names_and_numbers_do_not_break_the_format() {
    let hostile = "a\"b\\c\nnetmend_target_up{host=\"x\"} 1";
    let target = Target::new(hostile, hostile, Protocol::Icmp);
    let world = World::new(vec![(target, Manner::Answers(900))]);
    world.sim.edit(0, |now| now.jitter_us = Some(f32::NAN));
    world.sim.edit_system(|system| {
        system.counters = vec![
            Counter::gauge("netmend_a", "Line\nfeed \\ in help.", f64::INFINITY),
            Counter::total("netmend_b_total", "B.", 1),
            Counter::gauge("netmend_a", "Torn apart.", f64::NAN).with("kind", "two"),
        ];
    });
    let text = get(&world.router, "/metrics").await.body;
    let metrics = parse(&text);
    assert_eq!(metrics["netmend_target_up"][0].0["host"], hostile);
    assert!(metrics["netmend_target_jitter_seconds"].is_empty());
    assert_eq!(metrics["netmend_a"].len(), 2);
    assert!(metrics["netmend_a"][0].1.is_infinite() && metrics["netmend_a"][1].1.is_nan());
}
