//! Patterns of include paths: `*` and `?` in any part of a path. Matches come sorted, so that a
//! configuration means the same on every machine. Hidden files match only a pattern that shows its dot.

use std::path::{Component, Path, PathBuf};

/// Whether a path holds `*` or `?`.
pub(crate) fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?'])
}

/// The files that fit, sorted. A folder that cannot be read has none.
pub(crate) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = matches(pattern);
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// Folders in which a new file would fit, or a new folder could hold one.
pub(crate) fn folders(pattern: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for level in pattern.ancestors().skip(1) {
        folders.extend(matches(level).into_iter().filter(|path| path.is_dir()));
        if !is_pattern(level) {
            break;
        }
    }
    folders
}

fn matches(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let text = part.as_os_str().to_string_lossy();
        found = match part {
            Component::Normal(name) if is_pattern(Path::new(name)) => {
                found.iter().flat_map(|folder| fitting(folder, &text)).collect()
            }
            _ => found.into_iter().map(|folder| folder.join(part)).collect(),
        };
    }
    found
}

fn fitting(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = listed.read_dir() else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            (!name.starts_with('.') || pattern.starts_with('.')) && fits(&name, pattern)
        })
        .map(|entry| folder.join(entry.file_name()))
        .collect()
}

/// Whether a name fits a pattern. Linear but for one step back per star, so no pattern is slow.
fn fits(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) =
        (name.chars().collect(), pattern.chars().collect());
    let (mut at, mut of) = (0, 0);
    let mut star = None;
    while at < name.len() {
        match pattern.get(of) {
            Some('*') => {
                star = Some((at, of));
                of += 1;
            }
            Some(&c) if c == '?' || c == name[at] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((taken, place)) = star else { return false };
                star = Some((taken + 1, place));
                at = taken + 1;
                of = place + 1;
            }
        }
    }
    pattern[of..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_fit_as_in_a_shell() {
        let cases =
            [("a.yaml", "*.yaml"), ("a", "?"), ("aXbXc", "a*b*c"), ("", "*"), ("ab", "a*b*")];
        assert!(cases.iter().all(|(name, pattern)| fits(name, pattern)));
        let others = [("a.yml", "*.yaml"), ("ab", "?"), ("abd", "a*c"), ("", "?")];
        assert!(others.iter().all(|(name, pattern)| !fits(name, pattern)));
        assert!(!fits(&"a".repeat(5_000), &"a*".repeat(50).replace("a*", "*a*b")));
    }

    #[test]
    fn matches_come_sorted_without_hidden_files_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yaml", ".c.yaml", "d.txt", "x/e.yaml", "y/f.yaml"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::create_dir(folder.path().join("z.yaml")).unwrap();
        let names = |pattern: &str| -> Vec<String> {
            expand(&folder.path().join(pattern))
                .iter()
                .map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string())
                .collect()
        };
        assert_eq!(names("*.yaml"), ["a.yaml", "b.yaml"]);
        assert_eq!(names("*/*.yaml"), ["x/e.yaml", "y/f.yaml"]);
        assert!(names("none/*.yaml").is_empty());
        let of = |parts: &[&str]| parts.iter().map(|p| folder.path().join(p)).collect::<Vec<_>>();
        let mut folders = folders(&folder.path().join("*/*.yaml"));
        folders.sort();
        assert_eq!(folders, of(&["", "x", "y", "z.yaml"]));
    }
}
