//! Cases as files: each `tests/config/*/NAME.yaml` has a `NAME.txt` that says what must come of it.
//! `UPDATE_EXPECTED=1` writes them anew; look at the difference before you keep it.

mod schema;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::load::{Look, Outside, load_any_from, load_text};
use super::settings::Settings;

fn outside() -> Outside<'static> {
    let env = &|name: &str| match name {
        "NETMEND_TEST_SITE" => Some("one".to_owned()),
        "NETMEND_TEST_PORT" => Some("8443".to_owned()),
        "NETMEND_TEST_TOKEN" => Some("hunter2 is no host".to_owned()),
        _ => None,
    };
    Outside { env, host_name: "this-host".to_owned(), look: Look::Away }
}

/// What a case comes to, as text.
fn outcome(path: &Path) -> String {
    let folder = format!("{}/", path.parent().unwrap().display());
    match load_any_from(path, &outside()).0 {
        Ok(settings) => told(&settings).replace(&folder, ""),
        Err(problems) => {
            assert!(!problems.snippets(true).is_empty());
            format!("{problems}\n").replace(&folder, "")
        }
    }
}

fn told(settings: &Settings) -> String {
    let Settings { site, targets, listen, data, retention, .. } = settings;
    let mut out = format!("site {site}\n");
    if let Some(listen) = listen {
        writeln!(out, "listen {listen}").unwrap();
    }
    if let Some(data) = data {
        writeln!(out, "data {}", data.display()).unwrap();
    }
    let days = |span: std::time::Duration| span.as_secs() / 86_400;
    let (raw, rollup) = (days(retention.raw), days(retention.rollup));
    writeln!(out, "raw {raw}d, rollup {rollup}d, {} bytes", retention.max_bytes).unwrap();
    for target in targets {
        let family = target.family.as_str();
        let (interval, timeout) = (target.interval, target.timeout);
        write!(out, "{}: {target} IPv{family} every {interval:?}", target.region).unwrap();
        write!(out, " timeout {timeout:?}").unwrap();
        if target.packet != model::PacketOptions::default() {
            write!(out, " {:?}", target.packet).unwrap();
        }
        if !target.tags.is_empty() {
            write!(out, " {:?}", target.tags).unwrap();
        }
        if let Some(parent) = &target.parent {
            write!(out, " behind {parent}").unwrap();
        }
        out.push('\n');
    }
    out
}

/// Runs all cases of a folder; `good` says what must come of them.
fn run_cases(folder: &str, good: bool) {
    let folder = Path::new("tests/config").join(folder);
    let mut cases: Vec<PathBuf> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    cases.sort();
    assert!(cases.len() >= 10, "the cases are not where they should be");
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = String::new();
    for case in cases {
        let (found, expected) = (outcome(&case), case.with_extension("txt"));
        let name = case.display();
        if found.starts_with("site ") != good {
            writeln!(wrong, "--- {name}: must be {}\n{found}", if good { "good" } else { "bad" })
                .unwrap();
        } else if update {
            std::fs::write(expected, found).unwrap();
        } else if std::fs::read_to_string(expected).unwrap_or_default() != found {
            writeln!(wrong, "--- {name} comes to\n{found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn good_files_mean_what_is_written_beside_them() {
    run_cases("good", true);
}

#[test]
fn bad_files_get_the_errors_that_are_written_beside_them() {
    run_cases("bad", false);
}

/// Reads bytes as a file of any form.
fn read_bytes(bytes: &[u8]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    std::fs::write(&path, bytes).unwrap();
    load_any_from(&path, &outside()).0.map_err(|problems| {
        assert!(!problems.snippets(true).is_empty());
        assert!(problems.records().all(|record| serde_json::to_string(&record).is_ok()));
        problems.to_string()
    })
}

/// Every line must begin with `file:line:col: `.
fn assert_places(told: &str) {
    for line in told.lines() {
        let place = line.split(": ").next().unwrap_or_default();
        let numbers = place.rsplit(':').take(2).filter(|number| number.parse::<usize>().is_ok());
        assert_eq!(numbers.count(), 2, "{line}");
    }
}

/// Pieces that configs are made of, to reach deeper than random bytes do.
fn pieces() -> impl Strategy<Value = String> {
    let fixed = [
        "targets",
        "defaults",
        "include",
        "store",
        "site",
        "host",
        "tcp",
        "tags",
        "family",
        ": ",
        ":",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\"",
        "'",
        "&a ",
        "*a",
        "!!str ",
        "? ",
        "<<",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "# c\n",
        "\t",
        "\r\n",
        "${env:X}",
        "${",
        "}",
        "10s",
        "443",
        "0",
        "10.0.0.1",
        "2001:db8::1",
        "a.example",
        "true",
        "~",
        "\u{FEFF}",
        "\0",
        "é",
    ];
    prop_oneof![9 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned), 1 => ".{0,4}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_or_refused_with_a_place(bytes in any::<Vec<u8>>()) {
        if let Err(told) = read_bytes(&bytes) {
            assert_places(&told);
        }
    }

    #[test]
    fn any_pieces_of_configs_are_read_or_refused_with_a_place(
        pieces in proptest::collection::vec(pieces(), 0..60),
    ) {
        if let Err(told) = read_bytes(pieces.concat().as_bytes()) {
            assert_places(&told);
        }
    }
}

#[test]
fn a_line_of_ten_megabytes_is_refused_shortly() {
    let short = "x".repeat(1 << 20);
    let texts = [
        "x".repeat(10 << 20),
        format!("targets: {{ r: [{short}] }}\n"),
        format!("targets: {{ r: [\"{short}\"] }}\n"),
        format!("{short}: 1\nb: 2\n"),
    ];
    for text in texts {
        let told = read_bytes(text.as_bytes()).unwrap_err();
        assert_places(&told);
        assert!(told.len() < 500, "{}", told.len());
    }
}

#[test]
fn a_file_beyond_the_limit_is_refused() {
    let told = read_bytes(&vec![b'#'; (64 << 20) + 1]).unwrap_err();
    assert!(told.ends_with("is larger than 64 MiB"), "{told}");
}

#[test]
fn overrides_hold_for_targets_tags_and_metrics_and_the_later_one_counts() {
    let config = "\
detect:
  clear_after: 20m
  at_least: { latency: 5ms }
  overrides:
    - { match: { region: lab }, rule: off, severity: info }
    - { match: { link: lte }, metric: jitter, at_least: { jitter: 40ms }, severity: info }
    - { match: { host: gw* }, metric: [latency, loss], clear_after: 1h, limits: { latency: 90ms, loss: 2% } }
";
    let settings = read_bytes(config.as_bytes()).unwrap();
    let judging = &settings.verdict.judging;
    let target = |host: &str, region: &str, link: &str| {
        let mut target = model::Target::new(host, region, model::Protocol::Icmp);
        target.tags.insert("link".into(), link.into());
        target
    };
    let (rtt, jitter, loss) = (model::Metric::Rtt, model::Metric::Jitter, model::Metric::Loss);
    let plain = target("a", "office", "fibre");
    let lte = target("b", "office", "lte");
    let gateway = target("gw1", "lab", "lte");
    let of = |target: &model::Target, metric| {
        let judged = judging.settings(target, metric);
        let off = judged.learned == detect::Learned::Off;
        (off, judged.at_least, judged.limit, judged.clear_after)
    };
    assert_eq!(of(&plain, rtt), (false, Some(5.0), None, Some(1200.0)));
    assert_eq!(of(&lte, jitter), (false, Some(40.0), None, Some(1200.0)));
    assert_eq!(of(&lte, loss), (false, None, None, Some(1200.0)));
    assert_eq!(of(&gateway, rtt), (true, Some(5.0), Some(90.0), Some(3600.0)));
    assert_eq!(of(&gateway, jitter), (true, Some(40.0), None, Some(1200.0)));
    assert_eq!(of(&gateway, loss), (true, None, Some(2.0), Some(3600.0)));
    let info = model::Severity::Info;
    assert_eq!(judging.severity(&lte), None, "of jitter alone");
    assert_eq!(judging.severities(&lte), [(jitter, info)]);
    assert_eq!(judging.severity(&gateway), Some(info));
    assert_eq!(judging.severities(&gateway).len(), 3);
    let wrong = config.replace("metric: jitter", "metric: rtt");
    let told = read_bytes(wrong.as_bytes()).unwrap_err();
    assert!(told.contains("6:39: `rtt` is not a metric; write latency, jitter or loss"), "{told}");
}

#[test]
fn an_empty_config_is_no_config() {
    for text in ["", "\n  \n"] {
        let refused = load_text("n.yaml", text).unwrap_err().to_string();
        assert!(refused.contains("the file is empty"), "{refused}");
    }
    assert!(load_text("n.yaml", "{}").is_ok());
}
