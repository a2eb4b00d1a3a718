//! Keeps a folder of Grafana's files as `show::grafana` makes them. It writes what differs, removes dashboards
//! of its own that are no more, and touches nothing else.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use show::grafana::{File, Settings, Watched, export};

use crate::config::{self, Grafana};
use crate::polling::asked;
use crate::report::Report;

/// What became of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Kept {
    /// Files that were written.
    pub(crate) written: usize,
    /// Files that were as they should be.
    pub(crate) unchanged: usize,
    /// Dashboards that were removed.
    pub(crate) removed: usize,
}

/// What a configuration has netmend watch, for dashboards.
pub(crate) fn watched(settings: &config::Settings) -> Watched {
    let devices = asked(&settings.inventory).into_iter();
    let names = settings.orchestrators.iter().map(|one| one.name.clone());
    Watched {
        targets: settings.targets.clone(),
        devices: devices.map(|one| (one.device.to_string(), one.access.interval)).collect(),
        orchestrators: names.collect(),
    }
}

/// Makes the folder what it should be for what is watched.
pub(crate) fn keep(grafana: &Grafana, watched: &Watched) -> Result<Kept, Report> {
    let files = export(&grafana.settings, watched);
    put(&grafana.dir, &files).map_err(|(path, why)| {
        Report::because(format!("cannot write {path} for Grafana"), &why)
            .help("name a folder that netmend may write to")
            .code(4)
    })
}

fn put(folder: &Path, files: &[File]) -> Result<Kept, (String, io::Error)> {
    let mut kept = Kept::default();
    for file in files {
        let path = folder.join(&file.path);
        let at = |why| (path.display().to_string(), why);
        if fs::read(&path).is_ok_and(|text| text == file.text.as_bytes()) {
            kept.unchanged += 1;
            continue;
        }
        let parent = path.parent().expect("a file of an export lies in a folder");
        make(parent).map_err(at)?;
        // Grafana looks at any time, and must see the old file or the new one.
        let fresh = path.with_extension("tmp");
        fs::write(&fresh, &file.text).map_err(at)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o644)).map_err(at)?;
        fs::rename(&fresh, &path).map_err(at)?;
        kept.written += 1;
    }
    kept.removed = remove(folder, files)?;
    Ok(kept)
}

/// Makes a folder and those above it. Grafana runs as somebody else and must be able to read what is in it,
/// whatever our umask is; there is no secret in it.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make(above)?;
    }
    fs::create_dir(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))
}

/// Removes the dashboards that we made once and `files` do not hold.
fn remove(folder: &Path, files: &[File]) -> Result<usize, (String, io::Error)> {
    let boards = folder.join(Settings::DASHBOARDS);
    let at = |why| (boards.display().to_string(), why);
    let mut removed = 0;
    for entry in fs::read_dir(&boards).map_err(at)? {
        let name = entry.map_err(at)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let wanted = format!("{}/{name}", Settings::DASHBOARDS);
        if is_ours(name) && files.iter().all(|file| file.path != wanted) {
            fs::remove_file(boards.join(name)).map_err(at)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a file has a name as our dashboards have: `netmend-KIND-` and 16 digits.
fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("netmend-") else { return false };
    let Some((kind, digits)) = rest.strip_suffix(".json").and_then(|rest| rest.rsplit_once('-'))
    else {
        return false;
    };
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    kind.bytes().all(|b| b.is_ascii_lowercase()) && digits.len() == 16 && digits.bytes().all(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_follows_what_is_watched_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let configured = |more: &str| {
            let dir = folder.path().display();
            let settings = config::from_text(&format!("grafana: {{ dir: '{dir}' }}\n{more}"));
            (settings.grafana.clone().unwrap().0, watched(&settings))
        };
        let kept = |more: &str| {
            let (grafana, watched) = configured(more);
            keep(&grafana, &watched).unwrap()
        };
        let regions = "targets: { a: [h.example], b: [h.example] }\n";
        assert_eq!(kept(regions), Kept { written: 5, unchanged: 0, removed: 0 });
        let boards = folder.path().join(Settings::DASHBOARDS);
        for foreign in ["mine.json", "netmend-notes.json", "netmend-region-0123.txt"] {
            fs::write(boards.join(foreign), "{}").unwrap();
        }
        let region = "targets: { b: [h.example] }\n";
        assert_eq!(kept(region), Kept { written: 1, unchanged: 3, removed: 1 });
        assert_eq!(fs::read_dir(&boards).unwrap().count(), 5);
        assert_eq!(kept(region).written, 0);
        let devices = "devices:\n  sw1: { addresses: [192.0.2.1], snmp: { community: '${env:PATH}' } }\n  \
                       sw2: { addresses: [192.0.2.2] }\n\
                       orchestrators: { corp: { kind: vco, url: 'https://vco.example', token: '${env:PATH}' } }\n";
        let all = format!("{region}{devices}");
        assert_eq!(kept(&all).written, 2, "a device that is asked, and an orchestrator");
        assert_eq!(kept(region).removed, 2);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("grafana: {{ dir: '{}/x' }}\n", file.path().display());
        let grafana = config::from_text(&text).grafana.unwrap().0;
        let report = keep(&grafana, &Watched::default()).unwrap_err();
        assert!(report.to_string().contains(&file.path().display().to_string()), "{report}");
    }
}
