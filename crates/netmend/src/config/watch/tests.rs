//! Tests of the watcher: real files in real folders.

use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::symlink;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::load::load;
use super::*;

/// Longest wait for what must happen; only a failing test waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with a config that is watched.
struct Bed {
    folder: tempfile::TempDir,
    watcher: Watcher,
    reloads: Receiver<Loaded>,
}

impl Bed {
    /// Writes files, then watches `config` among them.
    fn new(config: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let sources = Sources { config: Some(folder.path().join(config)), ..Sources::default() };
        let settings = load(&sources).map_err(|problems| problems.to_string()).unwrap();
        let (tell, reloads) = mpsc::channel();
        let watcher =
            Watcher::start(sources, settings.digest, move |loaded| tell.send(loaded).unwrap());
        let bed = Self { folder, watcher: watcher.unwrap(), reloads };
        // The answer shows that the folders are being watched.
        bed.watcher.reload();
        assert!(matches!(bed.next(), Reload::Unchanged));
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes beside the file and renames, so that nobody reads half of it.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("half written"), text).unwrap();
        fs::rename(self.path("half written"), self.path(name)).unwrap();
    }

    fn next(&self) -> Reload {
        self.next_loaded().reload
    }

    fn next_loaded(&self) -> Loaded {
        self.reloads.recv_timeout(PATIENCE).expect("a reload must be reported")
    }

    /// Hosts of the next configuration.
    fn hosts(&self) -> Vec<String> {
        match self.next() {
            Reload::Changed(settings) => {
                settings.targets.into_iter().map(|target| target.host).collect()
            }
            other => panic!("expected a new configuration, not {other:?}"),
        }
    }
}

fn config_of(host: &str) -> String {
    format!("targets: {{ r: [{host}] }}\n")
}

#[test]
fn a_file_written_in_place_or_renamed_over_is_loaded() {
    let bed = Bed::new("c.yaml", |folder| {
        fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
    });
    let mut file = fs::File::options().write(true).open(bed.path("c.yaml")).unwrap();
    file.write_all(config_of("b").as_bytes()).unwrap();
    assert_eq!(bed.hosts(), ["b"]);
    bed.write("c.yaml", &config_of("c"));
    assert_eq!(bed.hosts(), ["c"]);
}

#[test]
fn wrong_files_are_refused_and_what_is_put_right_is_told() {
    let bed = Bed::new("c.yaml", |folder| {
        fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
    });
    bed.write("c.yaml", "targets: {r: [10]}\n");
    match bed.next() {
        Reload::Refused(problems) => {
            assert!(problems.to_string().contains("c.yaml:1:15"), "{problems}");
        }
        other => panic!("{other:?}"),
    }
    bed.write("c.yaml", &config_of("a"));
    assert!(matches!(bed.next(), Reload::Unchanged));
    fs::remove_file(bed.path("c.yaml")).unwrap();
    assert!(matches!(bed.next(), Reload::Refused(_)));
    bed.write("c.yaml", &config_of("b"));
    assert_eq!(bed.hosts(), ["b"]);
}

#[test]
fn a_link_swapped_above_the_file_is_seen_as_kubernetes_does_it() {
    let bed = Bed::new("netmend.yaml", |folder| {
        for (version, host) in [("..1", "a"), ("..2", "b")] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("netmend.yaml"), config_of(host)).unwrap();
        }
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/netmend.yaml", folder.join("netmend.yaml")).unwrap();
    });
    symlink("..2", bed.path("..data_tmp")).unwrap();
    fs::rename(bed.path("..data_tmp"), bed.path("..data")).unwrap();
    assert_eq!(bed.hosts(), ["b"]);
}

#[test]
fn patterns_inventories_and_trusted_certificates_are_watched() {
    let config = "\
syslog: { patterns: p }
inventory: [devices.csv]
notify: [{ webhook: { url: https://example.com, ca: ca.pem } }]
sinks: [{ influxdb: { url: https://example.com, ca: sink.pem } }]
orchestrators: { vco: { kind: vco, url: example.com, token: t, ca: vco.pem } }
";
    let certificate = |text: &str| {
        // Only what can be read as a certificate is one.
        let key = rcgen::generate_simple_self_signed([text.to_owned()]).unwrap();
        key.cert.pem()
    };
    let bed = Bed::new("c.yaml", |folder| {
        fs::create_dir(folder.join("p")).unwrap();
        fs::write(folder.join("devices.csv"), "name\nsw1\n").unwrap();
        for name in ["ca.pem", "sink.pem", "vco.pem"] {
            fs::write(folder.join(name), certificate("a")).unwrap();
        }
        fs::write(folder.join("c.yaml"), config).unwrap();
    });
    let changed = |name: &str, text: &str| {
        bed.write(name, text);
        let reload = bed.next();
        assert!(matches!(reload, Reload::Changed(_)), "{name}: {reload:?}");
    };
    changed("devices.csv", "name\nsw2\n");
    for name in ["ca.pem", "sink.pem", "vco.pem"] {
        changed(name, &certificate("b"));
    }
    changed("p/mine.yaml", "messages: []\n");
    changed("p/mine.yaml", "headers: []\n");
    fs::write(bed.path("p/notes.txt"), "no patterns").unwrap();
    fs::remove_file(bed.path("p/mine.yaml")).unwrap();
    assert!(matches!(bed.next(), Reload::Changed(_)));
}

#[test]
fn included_files_new_files_and_secrets_are_watched() {
    let bed = Bed::new("c.yaml", |folder| {
        fs::create_dir(folder.join("d")).unwrap();
        fs::create_dir(folder.join("s")).unwrap();
        fs::write(folder.join("d/a.yaml"), "r: [\"${file:../s/host}\"]\n").unwrap();
        fs::write(folder.join("s/host"), "a\n").unwrap();
        fs::write(folder.join("c.yaml"), "include: d/*.yaml\n").unwrap();
    });
    bed.write("d/b.yaml", "r: [b]\n");
    assert_eq!(bed.hosts(), ["a", "b"]);
    bed.write("s/host", "secret\n");
    assert_eq!(bed.hosts(), ["secret", "b"]);
    fs::remove_file(bed.path("d/b.yaml")).unwrap();
    assert_eq!(bed.hosts(), ["secret"]);
}

#[test]
fn other_files_and_a_touch_are_not_reported() {
    let bed = Bed::new("c.yaml", |folder| {
        fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
    });
    bed.write("other.yaml", "x");
    bed.write("c.yaml", &config_of("a"));
    // Whatever these led to comes before the next change.
    bed.write("c.yaml", &config_of("b"));
    assert_eq!(bed.hosts(), ["b"]);
    bed.watcher.reload();
    assert!(matches!(bed.next(), Reload::Unchanged));
}

#[test]
fn whoever_writes_into_the_folder_without_pause_holds_up_no_answer_and_no_stop() {
    let bed = Bed::new("c.yaml", |folder| {
        fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
    });
    let Bed { folder, watcher, reloads } = bed;
    let (done, started) = (AtomicBool::new(false), Barrier::new(5));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (done, started) = (&done, &started);
            let path = folder.path().join(format!("log {writer}"));
            scope.spawn(move || {
                let mut log = fs::File::create(path).unwrap();
                started.wait();
                while !done.load(Ordering::Relaxed) {
                    log.rewind().and_then(|()| log.write_all(b"line\n")).unwrap();
                }
            });
        }
        started.wait();
        let answers = scope.spawn(move || {
            for host in ["b", "c", "d", "e"] {
                fs::write(folder.path().join("half"), config_of(host)).unwrap();
                fs::rename(folder.path().join("half"), folder.path().join("c.yaml")).unwrap();
                let ticket = watcher.reload();
                while reloads.recv_timeout(PATIENCE).ok()?.answers != ticket {}
            }
            let (stopped, stop) = mpsc::channel();
            std::thread::spawn(move || {
                drop(watcher);
                stopped.send(()).unwrap();
            });
            stop.recv_timeout(PATIENCE).ok()
        });
        let answered = answers.join().unwrap();
        done.store(true, Ordering::Relaxed);
        assert!(answered.is_some(), "a reload or the stop waits for the writers");
    });
}

#[test]
fn a_file_that_is_never_read_to_its_end_holds_up_no_stop() {
    let bed = Bed::new("c.yaml", |folder| {
        fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
    });
    // Nobody ever writes into it, so whoever opens it waits.
    let pipe = bed.path("c.yaml");
    fs::remove_file(&pipe).unwrap();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    bed.watcher.reload();
    let Bed { folder: _folder, watcher, .. } = bed;
    let (stopped, stop) = mpsc::channel();
    std::thread::spawn(move || {
        drop(watcher);
        stopped.send(()).unwrap();
    });
    stop.recv_timeout(PATIENCE).expect("the stop waits for no file");
}

#[test]
fn an_answer_says_whose_question_it_answers() {
    let bed = Bed::new("c.yaml", |folder| {
        fs::write(folder.join("c.yaml"), config_of("a")).unwrap();
    });
    let before = bed.watcher.reload();
    assert_eq!(bed.next_loaded().answers, before);
    bed.write("c.yaml", &config_of("b"));
    let changed = bed.next_loaded();
    assert!(matches!(changed.reload, Reload::Changed(_)));
    assert_eq!(changed.answers, before, "nobody asked for it");
    bed.write("c.yaml", "targets: {r: [10]}\n");
    let ticket = bed.watcher.reload();
    let answer = std::iter::from_fn(|| Some(bed.next_loaded()))
        .find(|loaded| loaded.answers == ticket)
        .expect("every question is answered");
    assert!(matches!(answer.reload, Reload::Refused(_)), "it sees what was written before it");
}
