//! What a configuration names besides: pattern files, certificates and the sockets that it listens on, which the daemon
//! cannot do without, and remediations, of which it leaves out what is wrong. `netmend check`, `netmend run` and a
//! reload judge them here, so that `check` passes nothing that another refuses. It opens no socket and keeps nothing of
//! the files: who needs them reads them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use measure::syslog::tls;
use mend::script;

use super::patterns::load_patterns;
use super::problem::{Problem, Problems, instead, quote};
use super::raw::{Folder, RawConfig};
use super::scripts::script_problems;
use super::source::{At, Span, Texts, words};
use super::syslog::Sockets;

/// Whether sockets of all IPv6 addresses leave IPv4 to others; they do not unless the system is told so.
const V6_ONLY: &str = "/proc/sys/net/ipv6/bindv6only";

/// Says what is wrong with the remediations of a folder.
pub(crate) type Scripts<'e> = &'e dyn Fn(&Path) -> std::io::Result<Vec<script::Problem>>;

/// What all files of a configuration name, each with its place.
#[derive(Debug, Default)]
pub(crate) struct Named {
    patterns: Option<At<PathBuf>>,
    certificates: Vec<Certificates>,
    remediations: Option<At<PathBuf>>,
    /// Remediations that have a mode of their own.
    modes: Vec<At<String>>,
    sockets: Vec<Socket>,
}

/// The files of a listener under TLS.
#[derive(Debug)]
struct Certificates {
    chain: At<PathBuf>,
    key: At<PathBuf>,
    clients: Option<At<PathBuf>>,
}

/// A socket that somebody asked for.
#[derive(Clone, Copy, Debug)]
struct Socket {
    address: SocketAddr,
    stream: bool,
    span: Span,
}

impl Named {
    /// Takes what one file names; `folder` is where that file lies.
    pub(crate) fn take(&mut self, raw: &RawConfig, folder: &Path) {
        let path = |at: &At<Folder>| At { value: folder.join(&at.value.0), span: at.span };
        if let Some(listen) = &raw.listen {
            self.sockets.push(Socket { address: listen.value.0, stream: true, span: listen.span });
        }
        if let Some(At { value: syslog, .. }) = &raw.syslog {
            self.listen(syslog.udp.as_ref(), false);
            self.listen(syslog.tcp.as_ref(), true);
            if let Some(At { value: tls, .. }) = &syslog.tls {
                self.listen(tls.listen.as_ref(), true);
                let clients = tls.client_ca.as_ref().map(path);
                self.certify(tls.cert.as_ref().map(path), tls.key.as_ref().map(path), clients);
            }
            self.patterns = self.patterns.take().or_else(|| syslog.patterns.as_ref().map(path));
        }
        if let Some(At { value: tls, .. }) =
            raw.access.as_ref().and_then(|access| access.value.tls.as_ref())
        {
            self.certify(tls.cert.as_ref().map(path), tls.key.as_ref().map(path), None);
        }
        let traps = raw.snmp.as_ref().and_then(|snmp| snmp.value.traps.as_ref());
        self.listen(traps.and_then(|traps| traps.value.listen.as_ref()), false);
        if let Some(At { value: mending, .. }) = &raw.remediations {
            self.remediations = self.remediations.take().or_else(|| mending.dir.as_ref().map(path));
            let modes = mending.modes.iter().flat_map(|modes| modes.value.names());
            self.modes.extend(modes.map(|at| At { value: at.value.0.clone(), span: at.span }));
        }
    }

    fn listen(&mut self, sockets: Option<&At<Sockets>>, stream: bool) {
        let all = sockets.into_iter().flat_map(|sockets| &sockets.value.0);
        let sockets = all.map(|at| Socket { address: at.value.0, stream, span: at.span });
        self.sockets.extend(sockets);
    }

    /// A part that is missing has been told by who reads the keys.
    fn certify(
        &mut self,
        chain: Option<At<PathBuf>>,
        key: Option<At<PathBuf>>,
        clients: Option<At<PathBuf>>,
    ) {
        let pair = chain.zip(key);
        self.certificates.extend(pair.map(|(chain, key)| Certificates { chain, key, clients }));
    }

    /// Files and folders that the daemon needs: their change can put right what is wrong with them.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let of = |one: &Certificates| {
            let clients = one.clients.as_ref().map(|at| at.value.clone());
            [one.chain.value.clone(), one.key.value.clone()].into_iter().chain(clients)
        };
        let patterns = self.patterns.iter().map(|folder| folder.value.clone());
        self.certificates.iter().flat_map(of).chain(patterns).collect()
    }

    /// Finds sockets of which the system gives one alone.
    pub(crate) fn judge_sockets(&self, problems: &mut Problems) {
        let v6_only = fs::read_to_string(V6_ONLY).is_ok_and(|text| text.trim() == "1");
        for (at, socket) in self.sockets.iter().enumerate() {
            let Some(first) = self.sockets[..at].iter().find(|one| one.meets(socket, v6_only))
            else {
                continue;
            };
            let (what, by) = (socket.address, first.address);
            let what = if what == by {
                format!("`{what}` is listened on twice")
            } else {
                format!("`{what}` and `{by}` cannot both be listened on: one holds the other")
            };
            let problem = Problem::new(socket.span, what).related("first at", first.span);
            problems.push(problem.allowed("give each listener an address or a port of its own"));
        }
    }

    /// Looks into the files that the daemon needs.
    pub(crate) fn judge_files(&self, texts: &mut Texts, problems: &mut Problems) {
        if let Some(At { value: folder, span }) = &self.patterns
            && is_folder(folder, *span, problems)
            && let Err(found) = load_patterns(Some(folder))
        {
            problems.absorb(found, texts);
        }
        for certificates in &self.certificates {
            certificates.judge(problems);
        }
    }

    /// Looks into the remediations.
    pub(crate) fn judge_remediations(
        &self,
        scripts: Scripts<'_>,
        texts: &mut Texts,
        problems: &mut Problems,
    ) {
        if let Some(At { value: folder, span }) = &self.remediations {
            if !is_folder(folder, *span, problems) {
                return;
            }
            match scripts(folder) {
                Ok(found) => problems.absorb(script_problems(found), texts),
                Err(why) => {
                    let what = format!("{} cannot be checked: {why}", shown(folder));
                    problems.push(Problem::new(*span, what));
                }
            }
        }
        self.judge_modes(problems);
    }

    fn judge_modes(&self, problems: &mut Problems) {
        let mut names: BTreeSet<String> = script::shipped().map(str::to_owned).collect();
        names.extend(self.remediations.iter().flat_map(|folder| stems(&folder.value)));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for At { value, span } in &self.modes {
            if !names.contains(&value.as_str()) {
                let what = format!("there is no remediation {}", quote(value));
                problems.push(Problem::new(*span, what).allowed(instead(value, &names)));
            }
        }
    }
}

impl Socket {
    /// Whether the system refuses the one where the other is.
    fn meets(&self, other: &Self, v6_only: bool) -> bool {
        let holds = |all: IpAddr, one: IpAddr| {
            all == one
                || (all.is_unspecified() && (all.is_ipv4() == one.is_ipv4()))
                || (all.is_unspecified() && all.is_ipv6() && !v6_only)
        };
        let (a, b) = (self.address, other.address);
        self.stream == other.stream
            && a.port() == b.port()
            // Zero is whichever port is free.
            && a.port() != 0
            && (holds(a.ip(), b.ip()) || holds(b.ip(), a.ip()))
    }
}

impl Certificates {
    fn judge(&self, problems: &mut Problems) {
        let files = [&self.chain, &self.key].into_iter().chain(&self.clients);
        let unread: Vec<_> = files
            .filter_map(|At { value, span }| {
                let why = File::open(value).err()?;
                let what = format!("{} cannot be read: {}", shown(value), words(&why));
                Some(Problem::new(*span, what))
            })
            .collect();
        let clients = self.clients.as_ref().map(|at| at.value.as_path());
        if !unread.is_empty() {
            problems.extend(unread);
        } else if let Err(why) = tls::server(&self.chain.value, &self.key.value, clients) {
            let all = [&self.key, &self.chain].into_iter().chain(&self.clients);
            let at = all.into_iter().find(|at| at.value == why.path()).unwrap_or(&self.chain);
            problems.push(Problem::new(at.span, why.to_string()));
        }
    }
}

fn is_folder(folder: &Path, span: Span, problems: &mut Problems) -> bool {
    let Err(why) = fs::read_dir(folder) else { return true };
    let what = format!("the folder {} cannot be read: {}", shown(folder), words(&why));
    problems.push(Problem::new(span, what));
    false
}

fn shown(path: &Path) -> String {
    quote(&path.display().to_string())
}

/// The names of the remediations of a folder.
fn stems(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let stars = paths.filter(|path| path.extension().is_some_and(|end| end == "star"));
    stars.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str, stream: bool) -> Socket {
        let address = address.parse().unwrap();
        Socket { address, stream, span: Span::top(0) }
    }

    #[test]
    fn an_address_meets_itself_and_those_that_it_stands_for() {
        for (a, b, meets) in [
            ("127.0.0.1:514", "127.0.0.1:514", true),
            ("127.0.0.1:514", "127.0.0.1:515", false),
            ("127.0.0.1:514", "127.0.0.2:514", false),
            ("0.0.0.0:514", "127.0.0.1:514", true),
            ("[::]:514", "[::1]:514", true),
            ("[::1]:514", "0.0.0.0:514", false),
            ("[::]:514", "10.0.0.1:514", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let (one, other) = (socket(a, true), socket(b, true));
            assert_eq!((one.meets(&other, false), other.meets(&one, false)), (meets, meets), "{a}");
        }
        let (all, four) = (socket("[::]:514", false), socket("0.0.0.0:514", false));
        assert!(!all.meets(&four, true), "the system leaves IPv4 to others");
        assert!(!all.meets(&socket("[::]:514", true), false), "UDP and TCP are apart");
    }
}
