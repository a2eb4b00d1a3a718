//! What a person lists, in words: names, addresses, `host:port`, networks, files of them, standard input.
//! Words become targets here; nothing is looked up or sent.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::target::Limits;
use model::{Family, PacketOptions, Protocol, Target, TargetId};

use crate::config::{self, Typed};

/// Most targets of one command. Twice what is promised to work well; a mistyped prefix length is more.
pub(super) const MOST: usize = 1 << 20;

/// Why a list of targets is no good.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("`{word}`{place}: {why}")]
    Word { word: String, place: String, why: String },
    #[error("cannot read {what}")]
    Read { what: String, source: io::Error },
    #[error("more than {MOST} targets")]
    TooMany,
}

/// What applies to every word of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    /// From `-4` or `-6`.
    pub(super) family: Option<Family>,
    /// From `--tcp`.
    pub(super) port: Option<u16>,
}

/// One target in 16 bytes: there may be 100,000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The word the user knows it by lies here in the list's text.
    word: Range<u32>,
    /// The host begins so far into that word, which is behind a bracket at most, ...
    host_at: u8,
    family: Family,
    /// ... and is so long.
    host_length: u16,
    /// `None` is ICMP.
    port: Option<u16>,
}

/// Targets in the order they were given, each once.
#[derive(Debug, Default)]
pub(super) struct List {
    text: String,
    entries: Vec<Entry>,
    /// How many words named a target that was already there.
    pub(super) repeated: usize,
    /// Whether there was a name, which has to be looked up.
    pub(super) named: bool,
}

impl List {
    /// Number of targets.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The word a target is known by: as typed, so that it is unique among those with one address family.
    pub(super) fn name(&self, index: usize) -> &str {
        let word = &self.entries[index].word;
        &self.text[word.start as usize..word.end as usize]
    }

    /// Host name or address.
    pub(super) fn host(&self, index: usize) -> &str {
        let entry = &self.entries[index];
        let host = &self.name(index)[usize::from(entry.host_at)..];
        &host[..usize::from(entry.host_length)]
    }

    /// How a target is asked.
    pub(super) fn protocol(&self, index: usize) -> Protocol {
        self.entries[index].port.map_or(Protocol::Icmp, Protocol::Tcp)
    }

    /// Address family of a target.
    pub(super) fn family(&self, index: usize) -> Family {
        self.entries[index].family
    }

    /// The targets for the prober, made one by one.
    pub(super) fn targets<'a>(
        &'a self,
        interval: Duration,
        timeout: Duration,
        packet: &'a PacketOptions,
    ) -> impl Iterator<Item = (TargetId, Arc<Target>)> + 'a {
        (0..).zip(0..self.len()).map(move |(id, index)| {
            let target = Target {
                host: self.host(index).to_owned(),
                region: String::new(),
                protocol: self.protocol(index),
                family: self.entries[index].family,
                interval,
                timeout,
                packet: packet.clone(),
                tags: BTreeMap::new(),
                parent: None,
                limits: Limits::default(),
            };
            (TargetId(id), Arc::new(target))
        })
    }

    /// Adds what one word names. `place` says where it stands, for errors.
    pub(super) fn add(
        &mut self,
        word: &str,
        from: &Defaults,
        place: fmt::Arguments<'_>,
    ) -> Result<(), Error> {
        let blame =
            |why: String| Error::Word { word: word.to_owned(), place: place.to_string(), why };
        if let Some((network, length)) = word.split_once('/') {
            let (first, count) = network_hosts(network, length).map_err(blame)?;
            if self.len() as u128 + count > MOST as u128 {
                return Err(Error::TooMany);
            }
            for step in 0..count {
                self.push(&offset(first, step).to_string(), from).map_err(blame)?;
            }
            return Ok(());
        }
        self.push(word, from).map_err(blame)
    }

    /// Adds the target of a validated configuration under the name `host` or `host:port`.
    pub(super) fn add_target(&mut self, target: &Target, from: &Defaults) -> Result<(), Error> {
        if self.len() >= MOST {
            return Err(Error::TooMany);
        }
        let name = target.to_string();
        let at = name.find(&target.host).unwrap_or(0);
        let port = match target.protocol {
            Protocol::Icmp => from.port,
            Protocol::Tcp(port) => Some(port),
        };
        let address = literal(&target.host);
        self.named |= address.is_none();
        let family = match (address, from.family) {
            (None, Some(wanted)) => wanted,
            _ => target.family,
        };
        self.store(&name, at..at + target.host.len(), port, family);
        Ok(())
    }

    /// Adds one target a line; `#` starts a comment, blank lines mean nothing.
    pub(super) fn add_lines(
        &mut self,
        input: impl Read,
        what: &str,
        from: &Defaults,
    ) -> Result<(), Error> {
        let mut input = BufReader::new(input);
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            let read = |source| Error::Read { what: format!("line {number} of {what}"), source };
            if input.read_line(&mut line).map_err(read)? == 0 {
                break;
            }
            // Windows begins its text files with a mark of their encoding.
            let text = if number == 1 { line.trim_start_matches('\u{FEFF}') } else { &line };
            let text = text.split('#').next().unwrap_or_default();
            for word in text.split_whitespace() {
                self.add(word, from, format_args!(" in {what}, line {number}"))?;
            }
        }
        Ok(())
    }

    /// Adds the lines of a file. They are read one by one: a file of 100,000 hosts is never in memory.
    pub(super) fn add_file(&mut self, path: &Path, from: &Defaults) -> Result<(), Error> {
        let what = path.display().to_string();
        let file = File::open(path).map_err(|source| Error::Read { what: what.clone(), source })?;
        self.add_lines(file, &what, from)
    }

    /// Drops what was given more than once, keeping the first of each.
    pub(super) fn deduplicate(&mut self) {
        let key = |index: u32| {
            let entry = &self.entries[index as usize];
            (self.host(index as usize), entry.port, entry.family)
        };
        // Sorted by a number, which is many times faster than by the words; equal words have equal numbers.
        let hasher = foldhash::fast::RandomState::default();
        let mut order: Vec<(u64, u32)> =
            (0..self.len() as u32).map(|index| (hasher.hash_one(key(index)), index)).collect();
        order.sort_unstable();
        let mut drop = Vec::new();
        for same in order.chunk_by(|a, b| a.0 == b.0) {
            for (place, &(_, index)) in same.iter().enumerate() {
                if same[..place].iter().any(|&(_, earlier)| key(earlier) == key(index)) {
                    drop.push(index);
                }
            }
        }
        drop.sort_unstable();
        self.repeated += drop.len();
        let (mut index, mut drop) = (0, drop.into_iter().peekable());
        self.entries.retain(|_| {
            index += 1;
            drop.next_if_eq(&(index - 1)).is_none()
        });
        self.entries.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    fn push(&mut self, word: &str, from: &Defaults) -> Result<(), String> {
        if self.len() >= MOST {
            return Err(Error::TooMany.to_string());
        }
        let Typed { host, port, family } = Typed::read(word)?;
        self.named |= family.is_none();
        let at = host.as_ptr() as usize - word.as_ptr() as usize;
        let family = match (family, from.family) {
            (Some(is), Some(wanted)) if is != wanted => {
                return Err(format!("is no IPv{} address", wanted.as_str()));
            }
            (Some(is), _) => is,
            (None, wanted) => wanted.unwrap_or_default(),
        };
        self.store(word, at..at + host.len(), port.or(from.port), family);
        Ok(())
    }

    fn store(&mut self, word: &str, host: Range<usize>, port: Option<u16>, family: Family) {
        let start = self.text.len();
        self.text.push_str(word);
        let word = start as u32..self.text.len() as u32;
        let host_at = u8::try_from(host.start).expect("nothing but a bracket stands before a host");
        let host_length = u16::try_from(host.len()).expect("names and zones are short");
        self.entries.push(Entry { word, host_at, family, host_length, port });
    }
}

/// Whether a file is YAML rather than one host a line: by its name, or because its first line is no host. A file that cannot be read is for others to complain about.
pub(super) fn is_yaml(path: &Path) -> bool {
    if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
        return true;
    }
    let Ok(file) = File::open(path) else { return false };
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return false; // a pipe gives its lines only once
    }
    let mut head = String::new();
    let read = file.take(64 << 10).read_to_string(&mut head);
    read.is_ok() && !head.trim().is_empty() && !config::is_lines(&head)
}

/// The address that a host is, its zone apart.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    match host.split_once('%') {
        None => host.parse().ok(),
        Some((address, zone)) if !zone.is_empty() => {
            address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        Some(_) => None,
    }
}

/// A port that can be probed.
pub(super) fn port_number(text: &str) -> Result<u16, &'static str> {
    config::port(text).ok_or(config::PORT_HELP)
}

/// First host and number of hosts of a network; as with `fping -g` an IPv4 network's own and broadcast
/// address are no hosts.
fn network_hosts(network: &str, length: &str) -> Result<(IpAddr, u128), String> {
    let address: IpAddr = network.parse().map_err(|_| "before the `/` comes an address")?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length: u32 = length
        .parse()
        .ok()
        .filter(|length| *length <= bits)
        .ok_or_else(|| format!("the prefix length is between 0 and {bits}"))?;
    let free = bits - length;
    if free > MOST.ilog2() {
        return Err(format!("holds more than {MOST} addresses"));
    }
    let size = 1u128 << free;
    let first = match address {
        IpAddr::V4(v4) => {
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !(size as u32).wrapping_sub(1)))
        }
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(size - 1))),
    };
    Ok(if address.is_ipv4() && free >= 2 { (offset(first, 1), size - 2) } else { (first, size) })
}

fn offset(address: IpAddr, by: u128) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits().wrapping_add(by as u32))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits().wrapping_add(by))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str], from: &Defaults) -> Result<Vec<String>, String> {
        let mut list = List::default();
        for word in words {
            list.add(word, from, format_args!("")).map_err(|error| error.to_string())?;
        }
        list.deduplicate();
        let show = |i| format!("{} {} {}", list.name(i), list.host(i), list.protocol(i));
        Ok((0..list.len()).map(show).collect())
    }

    fn plain(words: &[&str]) -> Result<Vec<String>, String> {
        list(words, &Defaults::default())
    }

    #[test]
    fn words_are_hosts_with_or_without_a_port() {
        let cases = [
            ("www.example.com", "www.example.com www.example.com icmp"),
            ("www.example.com:443", "www.example.com:443 www.example.com tcp:443"),
            ("10.0.0.1", "10.0.0.1 10.0.0.1 icmp"),
            ("2001:db8::1", "2001:db8::1 2001:db8::1 icmp"),
            ("fe80::1%lo", "fe80::1%lo fe80::1%lo icmp"),
            ("[2001:db8::1]", "[2001:db8::1] 2001:db8::1 icmp"),
            ("[2001:db8::1]:22", "[2001:db8::1]:22 2001:db8::1 tcp:22"),
        ];
        for (word, expected) in cases {
            assert_eq!(plain(&[word]), Ok(vec![expected.to_owned()]), "{word}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_the_reason() {
        let cases = [
            ("host:0", "has the port `0`; a port is a number from 1 to 65535"),
            ("host:70000", "has the port `70000`"),
            ("10.0.0.300", "its last part is a number"),
            ("2001:db8::xyz", "is neither an IPv6 address"),
            ("fe80::1", "needs its zone"),
            ("a b", "neither an address nor a name"),
            ("", "is empty"),
            (":80", "is empty"),
            ("a..b", "neither an address nor a name"),
            ("[::1", "[IPV6]:PORT"),
            ("10.0.0.0/33", "between 0 and 32"),
            ("10.0.0.0/8", "more than 1048576"),
            ("host/24", "before the `/` comes an address"),
        ];
        for (word, expected) in cases {
            let error = plain(&[word]).expect_err(word);
            assert!(error.contains(expected), "{word}: {error}");
        }
    }

    #[test]
    fn a_network_is_its_hosts() {
        let names = |word| {
            let all = plain(&[word]).expect("a network");
            all.iter().map(|t| t.split(' ').next().expect("a word").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("10.0.0.5/30"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(names("10.0.0.4/31"), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(names("10.0.0.4/32"), ["10.0.0.4"]);
        assert_eq!(names("2001:db8::/127"), ["2001:db8::", "2001:db8::1"]);
        assert_eq!(plain(&["10.0.0.0/16"]).expect("a network").len(), 65_534);
    }

    #[test]
    fn a_target_given_twice_is_probed_once_in_its_first_place() {
        let words = ["b", "a", "b", "10.0.0.1", "a:80", "10.0.0.0/30", "a"];
        let names = ["b", "a", "10.0.0.1", "a:80", "10.0.0.2"];
        let all = plain(&words).expect("valid words");
        let found: Vec<_> = all.iter().map(|t| t.split(' ').next().expect("a word")).collect();
        assert_eq!(found, names);
    }

    #[test]
    fn a_port_for_all_does_not_override_one_in_a_word() {
        let from = Defaults { port: Some(443), family: None };
        let all = list(&["a", "a:80", "a:443"], &from);
        assert_eq!(all, Ok(vec!["a a tcp:443".to_owned(), "a:80 a tcp:80".to_owned()]));
    }

    #[test]
    fn an_address_of_the_other_family_is_refused() {
        let from = Defaults { family: Some(Family::V6), port: None };
        assert_eq!(list(&["10.0.0.1"], &from), Err("`10.0.0.1`: is no IPv6 address".to_owned()));
        assert!(list(&["name"], &from).is_ok());
    }

    #[test]
    fn yaml_is_told_from_lines_by_name_or_first_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let is = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            is_yaml(&path)
        };
        assert!(is("a.yaml", "") && is("a.yml", "h"));
        assert!(is("a", "# targets\n\nlondon:\n  - h\n"));
        assert!(is("a.txt", "london: [h]\n") && is("a.txt", "- h\n"));
        assert!(!is("a.txt", "# hosts: of London\nh:80\n2001:db8::1\n"));
        assert!(!is("a.txt", "") && !is_yaml(Path::new("/nowhere/at/all")));
    }

    #[test]
    fn validated_targets_take_the_port_and_family_of_the_command_line_where_they_may() {
        let mut list = List::default();
        let from = Defaults { port: Some(443), family: Some(Family::V6) };
        let icmp = |host| Target::new(host, "r", Protocol::Icmp);
        for target in [icmp("n"), icmp("10.0.0.1"), Target::new("::1", "r", Protocol::Tcp(22))] {
            list.add_target(&target, &from).expect("room");
        }
        let show = |i| format!("{} {} {}", list.host(i), list.protocol(i), list.family(i).as_str());
        let all: Vec<_> = (0..3).map(show).collect();
        assert_eq!(all, ["n tcp:443 6", "10.0.0.1 tcp:443 4", "::1 tcp:22 6"]);
        assert_eq!(list.name(2), "[::1]:22");
    }

    #[test]
    fn a_file_has_comments_and_its_errors_a_line() {
        let mut list = List::default();
        let good = "\u{FEFF}# routers\n\n10.0.0.1  # the first\r\n10.0.0.2 10.0.0.3\n";
        list.add_lines(good.as_bytes(), "f", &Defaults::default()).expect("a good file");
        assert_eq!(list.len(), 3);
        let error = list.add_lines("a\nb:0".as_bytes(), "f", &Defaults::default());
        let text = error.expect_err("port 0").to_string();
        assert_eq!(
            text,
            "`b:0` in f, line 2: has the port `0`; a port is a number from 1 to 65535"
        );
    }
}
