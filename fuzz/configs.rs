//! What must hold for a configuration, whatever was typed: it is read, or everything that is wrong is said
//! with a place in it.

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::config::{self, Problems};

/// Where this process writes what is to be read.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder =
        if PathBuf::from("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
    folder.join(format!("netmend-fuzz-{}", std::process::id()))
});

/// A config, a targets file, a list of hosts; and the same bytes as CSV.
pub fn config(bytes: &[u8]) {
    // What these name would be read, which may be anything on this machine.
    let text = String::from_utf8_lossy(bytes);
    if ["include", "${", "\\x", "\\u", "\\U"].iter().any(|word| text.contains(word)) {
        return;
    }
    std::fs::write(&*FILE, bytes).expect("there is room for a small file");
    match config::load_any(&FILE) {
        Ok(settings) => {
            let written = config::write(&settings.targets, &[], &[], "");
            let written = written.unwrap_or_else(|problems| panic!("{problems}"));
            std::fs::write(&*FILE, written).expect("there is room for a small file");
            let again = config::load_any(&FILE).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(again.targets, settings.targets, "what is written reads back as the same");
        }
        Err(problems) => explained(&problems, &text),
    }
    std::fs::write(&*FILE, bytes).expect("there is room for a small file");
    if let Err(problems) = config::load_csv(&FILE) {
        explained(&problems, &text);
    }
}

/// Each problem has words and a place in the text, and can be shown.
fn explained(problems: &Problems, text: &str) {
    let records: Vec<_> = problems.records().map(|record| serde_json::json!(record)).collect();
    assert!(!records.is_empty(), "a refusal says why");
    let lines = 1 + text.split(['\n', '\r']).count() as u64;
    for record in records {
        let line = record["line"].as_u64().expect("a line is a number");
        assert!((1..=lines).contains(&line), "line {line} of {lines}: {record}");
        assert!(record["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    assert!(!problems.snippets(false).is_empty());
    assert!(!problems.to_string().is_empty());
}
