//! Rules that neither rustc nor clippy check: who may import whom, how long a file may be, how it must
//! open, and that the modules of a crate form layers. A rule lives here or it does not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand};

/// Who may import whom, bottom layer first. `netmend` may import everyone. Layers whose capability has
/// not been built yet have their row already, so that the first file of theirs falls under the rule.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("measure", &["model"]),
    ("store", &["model"]),
    ("detect", &["model"]),
    ("alert", &["model", "store"]),
    ("mend", &["model", "store"]),
    ("show", &["model", "store"]),
    ("lab", &["model"]),
];

/// Longest file, tests apart, before it has to be split.
const MAX_LINES: usize = 600;

#[test]
fn crates_import_only_lower_layers() {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let Some(name) = package.name.strip_prefix("netmend-") else { continue };
        let may_import =
            allowed.get(name).unwrap_or_else(|| panic!("crate {name} is missing from LAYERS"));
        for dependency in &package.dependencies {
            let Some(other) = dependency.name.strip_prefix("netmend-") else { continue };
            // `lab` is the simulated world of everybody's tests.
            let test_only = dependency.kind == cargo_metadata::DependencyKind::Development;
            let fine = may_import.contains(&other) || (test_only && other == "lab");
            assert!(fine, "{name} must not import {other}");
        }
        assert!(
            package.dependencies.iter().all(|dependency| dependency.name != "netmend"),
            "{name} must not import the binary"
        );
    }
}

#[test]
fn files_open_with_a_doc_comment_and_stay_short() {
    for path in sources(&root()) {
        let text = read(&path);
        let name = path.display();
        assert!(text.starts_with("//!"), "{name}: open with `//!`: what is this for?");
        if !is_test(&path) {
            let lines = without_tests(&text).lines().count();
            assert!(lines <= MAX_LINES, "{name}: {lines} lines, split it (at most {MAX_LINES})");
        }
        let fixme = concat!("FIX", "ME");
        assert!(!text.contains(fixme), "{name}: resolve {fixme} before merging");
    }
}

#[test]
fn unsafe_code_lives_in_few_files() {
    /// Sockets without a safe binding, and what memory the process keeps.
    const FILES: &[&str] = &[
        "crates/lab/src/tun.rs",
        "crates/measure/src/connect/socket.rs",
        "crates/measure/src/kernel/inlet.rs",
        "crates/measure/src/kernel/option.rs",
        "crates/measure/src/kernel/outlet.rs",
        "crates/measure/src/resolve/getaddrinfo.rs",
        "crates/netmend/src/footprint.rs",
    ];
    for path in sources(&root()) {
        let relative = path.strip_prefix(root()).expect("sources lie below the root");
        let relative = relative.to_str().expect("our file names are UTF-8");
        if FILES.contains(&relative) || is_test(&path) {
            continue;
        }
        let text = read(&path);
        let keyword = concat!("unsafe", " {");
        assert!(
            !text.contains(keyword),
            "{relative}: unsafe code belongs into the files of sockets"
        );
    }
}

#[test]
fn modules_of_a_crate_do_not_import_each_other_in_circles() {
    for package in metadata().workspace_packages() {
        let folder = package.manifest_path.parent().expect("a manifest has a folder").join("src");
        let modules = top_modules(folder.as_std_path());
        let imports: BTreeMap<_, _> = modules
            .iter()
            .map(|(name, text)| (name.as_str(), imports_of(text, name, &modules)))
            .collect();
        for name in imports.keys() {
            let mut reached = BTreeSet::new();
            reach(name, &imports, &mut reached);
            assert!(
                !reached.contains(name),
                "{}: module `{name}` imports itself through {reached:?}",
                package.name
            );
        }
    }
}

/// Top-level modules of a crate with the text of all their files, tests left out. The crate root and the
/// binary's `main` are the places that may know everyone.
fn top_modules(src: &Path) -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    for path in sources(src) {
        let relative = path.strip_prefix(src).expect("sources lie below src");
        let first = relative.components().next().expect("a file has a name");
        let name = Path::new(&first).file_stem().and_then(|stem| stem.to_str());
        let name = name.expect("our file names are UTF-8").to_owned();
        if matches!(name.as_str(), "lib" | "main") || is_test(&path) {
            continue;
        }
        modules.entry(name).or_insert_with(String::new).push_str(without_tests(&read(&path)));
    }
    modules
}

fn imports_of<'a>(text: &str, own: &str, modules: &'a BTreeMap<String, String>) -> Vec<&'a str> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let named = |name: &str| {
        code.contains(&format!("crate::{name}::")) || code.contains(&format!("crate::{{{name}::"))
    };
    modules.keys().map(String::as_str).filter(|name| *name != own && named(name)).collect()
}

fn reach<'a>(from: &str, imports: &BTreeMap<&str, Vec<&'a str>>, reached: &mut BTreeSet<&'a str>) {
    for next in imports.get(from).into_iter().flatten() {
        if reached.insert(next) {
            reach(next, imports, reached);
        }
    }
}

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo metadata answers in a checkout")
}

fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("netmend lies in crates/");
    crates.parent().expect("crates/ lies in the root").into()
}

/// Whether a file holds tests alone.
fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// All Rust files below a folder, build output and hidden folders left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let kept = paths.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.starts_with('.') && name != "target"
    });
    let nested = kept.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Every link of a document to a file of ours leads somewhere.
#[test]
fn links_in_documents_lead_to_files() {
    for path in documents(&root()) {
        let folder = path.parent().expect("a file lies in a folder");
        let text = read(&path);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or(link);
            assert!(folder.join(file).exists(), "{}: {link} leads nowhere", path.display());
        }
    }
}

/// The Markdown files of the root and of the folders that hold documents.
fn documents(root: &Path) -> Vec<PathBuf> {
    let folders = ["", "docs", "crates/lab", "crates/show", "crates/show/assets"];
    let files = folders.iter().flat_map(|folder| {
        fs::read_dir(root.join(folder))
            .expect("a readable folder")
            .map(|entry| entry.expect("a readable entry").path())
    });
    let found: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    assert!(found.len() >= 8, "documents have moved: {found:?}");
    found
}
