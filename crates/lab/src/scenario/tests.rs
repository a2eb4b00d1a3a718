//! Every mistake is refused where it is, and the shipped files are all right.

use super::*;

fn error(text: &str) -> String {
    Scenario::parse("s.toml", text).expect_err(text).to_string()
}

/// A scenario of one block with these lines in it.
fn block(lines: &str) -> String {
    format!("about = \"x\"\n[[hosts]]\nprefixes = [\"10.0.0.0/8\"]\n{lines}\n")
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_is_allowed() {
    for (lines, place, words) in [
        ("first.delya = \"1ms\"", "4:7", "unknown field `delya`"),
        ("first.delay = \"1\"", "4:15", "no span of time"),
        ("first.delay = 1", "4:15", "a delay"),
        ("first.delay = { uniform = [\"2ms\", \"1ms\"] }", "4:15", "smaller span first"),
        ("first.delay = { table = [] }", "4:15", "at least one"),
        ("first.loss = \"110%\"", "4:14", "no share"),
        ("first.copies = 0", "4:16", "at least 1"),
        ("first.tcp = { open = [0] }", "4:23", "1 to 65535"),
        ("first.tcp = { open = [\"9-1\"] }", "4:23", "no range"),
        ("first.tcp = { open = [80], silent = [\"1-99\"] }", "4:13", "port 80 is in two lists"),
        ("first.answer_from = []", "4:21", "one address"),
        ("first.answer_from = [\"fd00::1\"]", "4:21", "family of 10.0.0.0/8"),
        ("first.error = { from = [\"10.9.9.9\"], reports = \"gone\" }", "4:48", "unknown variant"),
        ("first = { black_hole = true, delay = \"1ms\" }", "4:24", "`delay` has no effect"),
        ("every = { nth = 4, of = 4 }", "4:9", "smaller than `of`"),
        ("[[hosts.then]]\nafter = \"0s\"", "5:9", "later than"),
        ("repeat = \"1s\"\n[[hosts.then]]\nafter = \"1s\"", "4:10", "longer than"),
        ("prefixes = [\"::/0\"]", "4:1", "duplicate key"),
    ] {
        let error = error(&block(lines));
        assert!(error.starts_with(&format!("s.toml:{place}: ")), "{lines}\n{error}");
        assert!(error.contains(words), "{lines}\n{error}");
    }
    assert!(
        error("about = \"x\"\nhosts = []\n").starts_with("s.toml:2:9: a network without hosts")
    );
    assert!(error("about = \"x\"\n[[hosts]]\n").contains("missing field `prefixes`"));
    assert!(error("about = \"é\" x").starts_with("s.toml:1:13: "));
}

#[test]
fn the_first_block_that_matches_speaks_for_an_address() {
    let text = "about = \"x\"\n\
        [[hosts]]\nprefixes = [\"10.1.0.0/16\"]\nevery = { nth = 3, of = 16 }\nfirst.loss = \"100%\"\n\
        [[hosts]]\nprefixes = [\"10.0.0.0/8\", \"fd00::/16\"]\n";
    let scenario = Scenario::parse("s", text).unwrap();
    let block = |address: &str| {
        let found = scenario.hosts_of(address.parse().unwrap());
        found.map(|hosts| hosts.every.is_some())
    };
    assert_eq!(block("10.1.0.19"), Some(true));
    assert_eq!(block("10.1.0.20"), Some(false));
    assert_eq!(block("fd00::3"), Some(false));
    assert_eq!(block("192.0.2.1"), None);
}

#[test]
fn phases_follow_each_other_and_start_again() {
    let text = block(
        "repeat = \"30s\"\n[[hosts.then]]\nafter = \"10s\"\nnow.black_hole = true\n[[hosts.then]]\nafter = \"20s\"\nnow.copies = 2",
    );
    let scenario = Scenario::parse("s", &text).unwrap();
    let at = |seconds| scenario.hosts[0].behaviour_at(Duration::from_secs(seconds));
    assert!(!at(9).black_hole && at(9).copies == 1);
    assert!(at(10).black_hole && at(19).black_hole);
    assert_eq!(at(29).copies, 2);
    assert_eq!(at(30).copies, 1);
    assert!(at(45).black_hole);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Scenario::load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read scenario no/such.toml: No such file"), "{error}");
}

#[test]
fn the_scenario_of_the_readme_is_right() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let scenario = Scenario::parse("README.md", text).unwrap();
    assert_eq!(scenario.hosts.len(), 4);
    assert_eq!(scenario.hosts[1].phases.len(), 2);
}
