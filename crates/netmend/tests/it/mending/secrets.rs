//! A day with secrets of all kinds: logins that work and one that is refused, tokens for services that nobody
//! answers for, the most talkative log. What is promised: none of them is in anything that is kept, shown or
//! logged, nor in the arguments of a process; the processes that scripts run in never have one; and the daemon,
//! which has to have them while it works, leaves no core dump.

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use nix::sys::signal::Signal;

use super::*;

/// By the names in the environment.
const SECRETS: [(&str, &str); 8] = [
    ("DEVICE_PASSWORD", PASSWORD),
    ("ENABLE", "enable-hunter3"),
    ("PASSPHRASE", "passphrase-hunter4"),
    ("WRONG", "wrong-hunter5"),
    ("HOOK_KEY", "hook-hunter6"),
    ("INFLUX_TOKEN", "influx-hunter7"),
    ("VCO_TOKEN", "vco-hunter8"),
    ("COMMUNITY", "community-hunter9"),
];

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

struct Day {
    world: World,
    /// All that must not be seen: what is in the environment, and the lines of the private key.
    secrets: Vec<String>,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Day {
    /// A daemon with three devices: one with a password and a privileged mode, one that wants a key, one that
    /// is given a wrong password.
    fn new() -> Self {
        let keys = tempfile::tempdir().expect("a folder");
        let mut made = Command::new("ssh-keygen");
        made.args(["-q", "-t", "ed25519", "-N", SECRETS[2].1, "-C", "", "-f"]);
        assert!(made.arg(keys.path().join("key")).status().expect("openssh-client").success());
        let read = |name: &str| std::fs::read_to_string(keys.path().join(name)).expect("a file");
        let (key, public) = (read("key"), read("key.pub"));
        let plan = Plan { devices: 3, ..Plan::default() };
        let mut world = World::with(&plan, |number, options| match number {
            0 => options.enable = Some(SECRETS[1].1.into()),
            1 => options.public_key = Some(public.clone()),
            _ => {}
        });
        std::fs::write(world.path("key"), &key).expect("a file");
        let logins = [
            "password: \"${env:DEVICE_PASSWORD}\", enable: \"${env:ENABLE}\"",
            "key: \"${file:key}\", passphrase: \"${env:PASSPHRASE}\"",
            "password: \"${env:WRONG}\"",
        ];
        world.daemon = None;
        std::fs::write(world.path("netmend.yaml"), configuration(&world, &logins)).expect("a file");
        let run = bare("127.0.0.1:0", &world.path("data"));
        // As where somebody wants core dumps.
        let mut command = Command::new("prlimit");
        command.arg("--core=unlimited:unlimited").arg(run.get_program()).args(run.get_args());
        command.arg("--config").arg(world.path("netmend.yaml"));
        command.envs(SECRETS).env("NETMEND_LOG", "trace");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut daemon = Daemon::start(command);
        let (told, mut rest) = daemon.take_log();
        let log = std::thread::spawn(move || {
            let mut log = told.into_bytes();
            rest.read_to_end(&mut log).expect("a pipe can be read");
            String::from_utf8_lossy(&log).into_owned()
        });
        world.daemon = Some(daemon);
        let mut secrets: Vec<String> =
            SECRETS.iter().map(|(_, secret)| (*secret).to_owned()).collect();
        secrets.extend(key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned));
        Self { world, secrets, log: Some(log) }
    }

    #[track_caller]
    fn none_in(&self, what: &str, bytes: &[u8]) {
        for secret in &self.secrets {
            let found = memchr::memmem::find(bytes, secret.as_bytes());
            assert_eq!(found, None, "{secret} is in {what}");
        }
    }

    /// All files of the data folder, as they are now.
    fn none_in_files(&self) {
        for file in files(&self.world.path("data")) {
            // A journal of the store may go while it is looked at.
            let bytes = std::fs::read(&file).unwrap_or_default();
            self.none_in(&file.display().to_string(), &bytes);
        }
    }

    /// All pages that can be reached from the first one, and the answers for programs.
    fn none_in_pages(&self) {
        let more = ["/metrics", "/api/v1/events", "/api/v1/system", "/api/v1/alerts", "/healthz"];
        let mut paths: VecDeque<String> = more.map(str::to_owned).into();
        paths.push_front("/".to_owned());
        let mut seen = BTreeSet::new();
        while let Some(path) = paths.pop_front() {
            if seen.len() > 200 || !seen.insert(path.clone()) {
                continue;
            }
            let (_, body) = self.world.daemon().get(&path);
            self.none_in(&path, body.as_bytes());
            let links = body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            let ours = links.filter(|link| link.starts_with('/') && !link.starts_with("//"));
            paths.extend(ours.map(|link| link.replace("&amp;", "&")));
        }
        assert!(seen.iter().any(|path| path.starts_with("/runs/")), "{seen:?}");
    }

    /// What commands print.
    fn none_in_commands(&self) {
        for args in [
            &["runs", "list"][..],
            &["runs", "show", "1"],
            &["runs", "audit"],
            &["events", "list"],
            &["events", "show", "3"],
            &["alerts", "list"],
            &["explain", "r3"],
            &["status"],
        ] {
            let out = self.world.command(args);
            self.none_in(&args.join(" "), &[out.stdout, out.stderr].concat());
        }
    }

    /// Arguments of all processes, and all that the children have.
    fn none_in_processes(&self) {
        let daemon = self.world.daemon().id();
        let arguments = |process: u32| std::fs::read(format!("/proc/{process}/cmdline"));
        self.none_in("its arguments", &arguments(daemon).expect("it runs"));
        let mut children = 0;
        let threads = std::fs::read_dir(format!("/proc/{daemon}/task")).expect("it runs");
        for thread in threads.flatten() {
            let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in list.split_whitespace().map(|id| id.parse().expect("a number")) {
                let told = arguments(child).expect("it runs");
                assert!(told.ends_with(b"script-child\0"), "{}", String::from_utf8_lossy(&told));
                self.none_in("arguments of a child", &told);
                let given = std::fs::read(format!("/proc/{child}/environ")).expect("it runs");
                self.none_in("the environment of a child", &given);
                self.none_in("the memory of a child", &memory(child));
                children += 1;
            }
        }
        assert!(children > 0, "the children that ran the steps are still there");
        // That this sees what there is: the daemon itself has to have the passwords.
        let own = memory(daemon);
        assert!(memchr::memmem::find(&own, PASSWORD.as_bytes()).is_some());
    }
}

/// All memory that a process can write to.
fn memory(process: u32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("the test is root");
    let file = std::fs::File::open(format!("/proc/{process}/mem")).expect("the test is root");
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').expect("a range and more");
        let (start, end) = range.split_once('-').expect("a range");
        let number = |hex| u64::from_str_radix(hex, 16).expect("a number");
        let mut part = vec![0; (number(end) - number(start)) as usize];
        // What the kernel gives nobody holds nothing of ours.
        if file.read_exact_at(&mut part, number(start)).is_ok() {
            all.append(&mut part);
        }
    }
    all
}

fn configuration(world: &World, logins: &[&str]) -> String {
    let mut text = format!(
        "syslog: {{ tcp: '{}', settle: 0s }}\n\
         remediations: {{ dir: fixes, mode: auto, keep_session: 30s }}\n\
         notify: [{{ name: noc, webhook: {{ url: \"http://{NOWHERE}/${{env:HOOK_KEY}}\" }} }}]\n\
         sinks: [{{ influxdb: {{ url: \"http://{NOWHERE}\", bucket: b, org: o, token: \"${{env:INFLUX_TOKEN}}\" }} }}]\n\
         orchestrators: {{ corp: {{ kind: vco, url: \"https://{NOWHERE}\", token: \"${{env:VCO_TOKEN}}\" }} }}\n\
         snmp: {{ community: \"${{env:COMMUNITY}}\", port: 1, interval: 10s, timeout: 1s }}\ndevices:\n",
        world.syslog
    );
    for (number, (place, login)) in world.places.iter().zip(logins).enumerate() {
        let device = format!(
            "  r{}: {{ addresses: {}, platform: ios, login: {{ user: netmend, port: {}, {login} }} }}\n",
            number + 1,
            place.ip(),
            place.port()
        );
        text.push_str(&device);
    }
    text
}

#[test]
fn secrets_are_nowhere_and_no_core_dump_is_left() {
    let mut day = Day::new();
    for number in 0..3 {
        day.world.say(number, &down(PORT));
    }
    day.world.event(1, "success");
    day.world.event(2, "success");
    let refused = day.world.event(3, "failure");
    assert!(refused["reason"].as_str().unwrap().contains("password"), "{refused:#}");
    day.none_in_processes();
    day.none_in_pages();
    day.none_in_commands();
    day.none_in_files();
    // As a crash would end it, where core dumps are as large as they like to be.
    let daemon = day.world.daemon.take().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(core.split_whitespace().skip(4).take(2).all(|limit| limit == "0"), "{core}");
    daemon.signal(Signal::SIGABRT);
    let status = daemon.wait();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    day.none_in_files();
    let log = day.log.take().unwrap().join().unwrap();
    assert!(log.contains("a run has ended"), "the log was read");
    day.none_in("its log", log.as_bytes());
}
