//! The headers that are no standard: time, host, sequence and process in whatever order and number
//! devices write them (RFC 3164 describes the habit). One loop reads them all; a family is what was met.

use model::UnixMs;

use super::code;
use super::host;
use super::level;
use super::record::{Format, Record};
use super::scan::{Scan, is_blank, text, trim};
use super::stamp::{self, DeviceTime};
use super::zone;

/// More parts than any header has; what follows is text.
const PARTS: usize = 12;

/// What a header held, as far as it has been read.
#[derive(Clone, Copy, Default)]
pub(super) struct Header<'l> {
    host: Option<&'l str>,
    relay: Option<&'l str>,
    task: Option<&'l str>,
    seq: Option<u64>,
    time: Option<DeviceTime<'l>>,
    /// A second time was read, and no host behind it yet.
    second_time: bool,
    /// `RP/0/RSP0/CPU0:` was there.
    node: bool,
    style: Style,
}

/// How the time was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    /// Month first, or no time.
    #[default]
    Month,
    /// Month first and the year behind the time, as ctime and Aruba write it.
    Ctime,
    /// The year, then the month's name, as NX-OS writes it.
    Year,
    /// RFC 3339.
    Iso,
}

/// Reads the header at the cursor and leaves the cursor at the process or the text.
pub(super) fn read<'l>(scan: &mut Scan<'l>, received: UnixMs) -> Header<'l> {
    let mut header = Header::default();
    for _ in 0..PARTS {
        scan.blanks();
        match scan.peek() {
            b'%' if header.is_empty() && clock_behind_percent(scan) => {}
            b'%' | 0 => break,
            b'[' if header.is_empty() && level_before_host(scan) => {}
            b':' => scan.skip(1),
            b'(' if header.host.is_none() || !stack(scan) => break,
            b'(' => {}
            _ if header.time(scan, received) || header.sequence(scan) || header.node(scan) => {}
            _ if header.is_empty() && stamp::half(scan) => {}
            _ if header.task(scan) || header.host(scan) => {}
            _ => break,
        }
    }
    scan.blanks();
    header
}

impl<'l> Header<'l> {
    fn is_empty(&self) -> bool {
        self.time.is_none() && self.host.is_none()
    }

    fn time(&mut self, scan: &mut Scan<'l>, received: UnixMs) -> bool {
        let start = scan.rest;
        let Some(time) = stamp::read(scan, received) else { return false };
        // Three times are text; so is a second one that neither host nor colon follows.
        if self.second_time || (self.time.is_some() && !second_fits(*scan)) {
            scan.rest = start;
            return false;
        }
        let read = &start[..start.len() - scan.rest.len()];
        // A device's own header goes on with its code: a word between them is a zone that nobody knows.
        if self.seq.is_some() || matches!(read.first(), Some(b'*' | b'.')) {
            zone::skip_unknown(scan);
        }
        self.second_time = self.time.is_some();
        self.style = style(read);
        self.time = Some(time);
        true
    }

    /// `521:`, and `3132517` before a second header.
    fn sequence(&mut self, scan: &mut Scan<'_>) -> bool {
        let seq = sequence(scan);
        self.seq = seq.or(self.seq);
        seq.is_some()
    }

    /// `RP/0/RSP1/CPU0:` of IOS XR, `0/RP0/CPU0:` of later releases.
    fn node(&mut self, scan: &mut Scan<'_>) -> bool {
        let found = node(scan);
        self.node |= found;
        found
    }

    /// `*spamApTask1: Apr 29 ...`: the task of a wireless controller.
    fn task(&mut self, scan: &mut Scan<'l>) -> bool {
        let Some(word) = task(scan) else { return false };
        self.task = text(word);
        true
    }

    fn host(&mut self, scan: &mut Scan<'l>) -> bool {
        let mut try_scan = *scan;
        let Some(found) = self.host_word(&mut try_scan) else { return false };
        if self.host.is_some() && (self.second_time || self.time.is_some()) {
            self.relay = self.host;
        }
        self.host = Some(found);
        self.second_time = false;
        *scan = try_scan;
        priority_behind(scan);
        true
    }

    /// Decides whether the word at the cursor is a host.
    fn host_word(&self, scan: &mut Scan<'l>) -> Option<&'l str> {
        let word = scan.token();
        if is_repeat(word, scan.rest)
            || level::is_marked(word)
            || (level::is_name(word)
                && (tag(*scan).is_some() || word.iter().all(u8::is_ascii_uppercase)))
            || bracketed(word).is_some_and(level::is_name)
        {
            return None;
        }
        if bracketed(word).is_some() && address_follows(*scan) {
            // `[local] 10.1.1.6`: where the address holds.
            scan.blanks();
            return host::name(scan.token());
        }
        if let Some(priority_word) = self.host_behind_level(word, scan) {
            return Some(priority_word);
        }
        if let Some(stem) = word.strip_suffix(b":").filter(|stem| !stem.contains(&b',')) {
            // `router1: 521: *Nov 14 ...`: an origin id, if more of a header follows.
            let name = host::name(stem)?;
            let more = header_follows(*scan);
            if more == Follows::Text && self.time.is_some() && self.host.is_none() {
                return host_behind_process(scan);
            }
            let fits = match self.host {
                None if more == Follows::Code => self.time.is_none() || !is_process(name),
                None if more == Follows::Header => self.time.is_none() || inner_header(*scan),
                None => more == Follows::Code || (self.time.is_some() && scan_cef(*scan)),
                Some(_) => more == Follows::Header && inner_header(*scan),
            };
            return fits.then_some(name);
        }
        let word = without_vendor(word);
        let (word, comma) = match memchr::memchr(b',', word) {
            Some(at) => (&word[..at], &word[at..]),
            None => (word, &[][..]),
        };
        let name = host::name(word)?;
        if !comma.is_empty() {
            // Ubiquiti: `host,18e8294876c3,v4.0.66 switch:`; F5: `host,f5_irule=...`.
            // Words alone are the topics of `RouterOS`: `interface,info`.
            let topics = comma.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b',');
            let fits = self.time.is_some() && self.host.is_none() && !is_number(word) && !topics;
            scan.rest =
                if fits && memchr::memchr(b'=', comma).is_some() { comma } else { scan.rest };
            return fits.then_some(name);
        }
        let behind = *scan;
        let follows = || header_follows(behind);
        let fits = match (self.time, self.host) {
            (Some(_), None) => !is_number(word) || follows() != Follows::Text,
            (Some(_), Some(_)) => {
                let certain = host::is_certain(word) || tag(*scan).is_some();
                self.second_time && (certain || follows() != Follows::Text)
            }
            (None, None) => {
                let follows = follows();
                follows == Follows::Header
                    || (follows == Follows::Code && self.seq.is_none())
                    || node_follows(*scan)
                    || host::is_certain(word)
            }
            (None, Some(_)) => false,
        };
        fits.then_some(name)
    }

    /// `user.info host app:`: the priority in words, as Solaris and Cisco's meeting servers print it.
    fn host_behind_level(&self, word: &[u8], scan: &mut Scan<'l>) -> Option<&'l str> {
        if self.time.is_none() || self.host.is_some() || !level::is_priority(word) {
            return None;
        }
        let mut try_scan = *scan;
        try_scan.blanks();
        let found = host::name(try_scan.token())?;
        *scan = try_scan;
        Some(found)
    }

    /// Puts what was read into the record, with the family that it shows.
    pub(super) fn fill(&self, record: &mut Record<'l>) {
        record.device = self.host;
        record.relay = self.relay;
        record.app = self.task;
        record.seq = self.seq;
        record.time = self.time;
        record.format = match (self.time, self.host, self.seq) {
            (None, None, None) => Format::Unknown,
            // Only Cisco counts before its text.
            (_, _, Some(_)) => Format::Ios,
            _ => Format::Rfc3164,
        };
    }

    /// The family of a line with a Cisco code behind this header.
    pub(super) fn cisco(
        &self,
        code: &str,
        blank: bool,
        app: Option<&str>,
        pid: Option<&str>,
    ) -> Format {
        let end = code.bytes().position(|byte| byte == b'-').unwrap_or(code.len());
        match &code[..end] {
            "ASA" | "FTD" | "PIX" | "FWSM" | "NGIPS" | "ACE" => Format::Asa,
            "Viptela" => Format::Viptela,
            _ if self.node
                || blank
                || (pid.is_some() && code.bytes().filter(|&byte| byte == b'-').count() > 2) =>
            {
                Format::IosXr
            }
            _ if app.is_some() && pid.is_none() && self.task.is_none() => Format::Eos,
            _ if self.style == Style::Year => Format::NxOs,
            _ => Format::Ios,
        }
    }

    /// Whether a time or a sequence was there, which only a header has.
    pub(super) fn is_counted(&self) -> bool {
        self.time.is_some() || self.seq.is_some()
    }

    /// The host, of two the inner one.
    pub(super) fn named(&self) -> Option<&'l str> {
        self.host
    }

    /// How the last time was written.
    pub(super) fn style(&self) -> Style {
        self.style
    }
}

fn sequence(scan: &mut Scan<'_>) -> Option<u64> {
    let mut try_scan = *scan;
    let seq = try_scan.number(1, 19)?;
    if !try_scan.eat(b':') || !(is_blank(try_scan.peek()) || try_scan.peek() == b':') {
        return None;
    }
    *scan = try_scan;
    Some(seq)
}

fn node(scan: &mut Scan<'_>) -> bool {
    // The first slash stands behind a short word: most words have none there.
    if !(1..4).any(|ahead| scan.peek_at(ahead) == b'/') {
        return false;
    }
    let mut try_scan = *scan;
    let word = try_scan
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'/');
    let slashes = memchr::memchr_iter(b'/', word).count();
    let known = slashes >= 2 && memchr::memmem::find(word, b"CPU").is_some();
    if !known || !try_scan.eat(b':') {
        return false;
    }
    *scan = try_scan;
    true
}

fn task<'l>(scan: &mut Scan<'l>) -> Option<&'l [u8]> {
    let mut try_scan = *scan;
    if !try_scan.eat(b'*') {
        return None;
    }
    let word = try_scan.take_while(|byte| byte != b':');
    if word.len() > TAG
        || !try_scan.eat(b':')
        || try_scan.blanks() == 0
        || !stamp::is_next(try_scan)
    {
        return None;
    }
    *scan = try_scan;
    Some(word)
}

/// What comes behind a word that may be a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// A time, or a sequence and a time.
    Header,
    /// A code with its `%`.
    Code,
    /// Neither.
    Text,
}

fn header_follows(mut scan: Scan<'_>) -> Follows {
    for _ in 0..3 {
        scan.blanks();
        if scan.eat(b':') {
            continue;
        }
        if scan.peek() == b'%' {
            return if code::find(scan.rest).is_some_and(|found| is_module(found.before)) {
                Follows::Code
            } else {
                Follows::Text
            };
        }
        // A wireless controller goes on with where it was: `WLC1: -Traceback: 0x11759554 ...`.
        if stamp::is_next(scan) || scan.rest.starts_with(b"-Traceback") {
            return Follows::Header;
        }
        if is_bare_code(scan) {
            return Follows::Code;
        }
        if sequence(&mut scan).is_none() {
            return if task(&mut scan).is_some() { Follows::Header } else { origin(scan) };
        }
    }
    Follows::Text
}

/// `SSH-SERVER-6-CLOSE_SESSION:`, a code of Cisco's grammar without its mark.
fn is_bare_code(mut scan: Scan<'_>) -> bool {
    let word = scan.take_while(|byte| !is_blank(byte) && byte != b':');
    let upper = |byte: &u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    scan.peek() == b':'
        && word.first().is_some_and(u8::is_ascii_uppercase)
        && word.iter().all(upper)
        && text(word).and_then(code::cisco).is_some()
}

/// `%STKUNIT0-M:CP ` of Dell stands between host and code; mostly nothing does.
fn is_module(before: &[u8]) -> bool {
    !trim(before).iter().any(|&byte| is_blank(byte))
}

/// `192.168.100.2 sw01: 3132779: Jul 14 ...`: a second name before the device's own header.
fn origin(mut scan: Scan<'_>) -> Follows {
    let word = scan.token();
    let Some(stem) = word.strip_suffix(b":") else { return Follows::Text };
    if host::name(stem).is_some() && inner_header(scan) { Follows::Header } else { Follows::Text }
}

/// Whether a header of a device's own follows a name: a sequence and a time, or a time and a colon. A
/// time alone may as well be the start of a process's text.
fn inner_header(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    let numbered = sequence(&mut scan).is_some() || task(&mut scan).is_some();
    scan.blanks();
    let timed = stamp::yearless(&mut scan).is_some();
    scan.blanks();
    timed && (numbered || scan.peek() == b':')
}

/// `svm_service: ns1  13:58:46 GMT ...`: between a process and a clock stands a host.
fn host_behind_process<'l>(scan: &mut Scan<'l>) -> Option<&'l str> {
    let mut try_scan = *scan;
    try_scan.blanks();
    let found = host::name(try_scan.token())?;
    let mut behind = try_scan;
    behind.blanks();
    if !stamp::half(&mut behind) {
        return None;
    }
    *scan = try_scan;
    Some(found)
}

/// `[ERROR]`, `[local]`: a word in brackets.
fn bracketed(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"[")?.strip_suffix(b"]")
}

fn address_follows(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    text(scan.token()).is_some_and(host::is_address)
}

/// Takes `[ERROR]` where a host and a time follow.
fn level_before_host(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    if !bracketed(try_scan.token()).is_some_and(level::is_name) {
        return false;
    }
    let behind = try_scan;
    try_scan.blanks();
    let named = host::name(try_scan.token()).is_some();
    try_scan.blanks();
    let known = named && stamp::is_next(try_scan);
    if known {
        *scan = behind;
    }
    known
}

/// Takes the mark that Comware puts before the time of what its console shows: `%Jan  2 05:56:23:694 2013 SW-1 ...`.
fn clock_behind_percent(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    try_scan.skip(1);
    let known = stamp::is_next(try_scan);
    if known {
        *scan = try_scan;
    }
    known
}

/// Takes `local3.notice:`, which a daemon of another machine put behind the name of its sender.
fn priority_behind(scan: &mut Scan<'_>) {
    // No name of a facility is longer; most words here hold no dot at all.
    let near = &scan.rest[..scan.rest.len().min(11)];
    if memchr::memchr(b'.', near).is_none() {
        return;
    }
    let mut try_scan = *scan;
    try_scan.blanks();
    if try_scan.token().strip_suffix(b":").is_some_and(level::is_priority) {
        *scan = try_scan;
    }
}

/// A second time belongs to the header where the first was a relay's: a colon or a host and more of a
/// header follow it.
fn second_fits(mut scan: Scan<'_>) -> bool {
    let blanks = scan.blanks();
    if matches!(scan.peek(), b':' | b'%') {
        return true;
    }
    let word = scan.token();
    if blanks > 0 && host::is_certain(word) {
        return true;
    }
    let tagged = tag(scan).is_some();
    scan.blanks();
    host::name(word).is_some() && (tagged || scan.peek() == b'%')
}

/// `(Stack)` and `(1)` between host and code.
fn stack(scan: &mut Scan<'_>) -> bool {
    let mut try_scan = *scan;
    try_scan.take_while(|byte| !matches!(byte, b')' | b' '));
    if !try_scan.eat(b')') || try_scan.blanks() == 0 {
        return false;
    }
    *scan = try_scan;
    true
}

fn node_follows(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    node(&mut scan)
}

/// How a time was written.
fn style(read: &[u8]) -> Style {
    let digit = read.first().is_some_and(u8::is_ascii_digit);
    match read.get(4) {
        Some(b' ') if digit => Style::Year,
        Some(b'-') if digit => Style::Iso,
        _ if memchr::memrchr(b':', read) == read.len().checked_sub(8) => Style::Ctime,
        _ => Style::Month,
    }
}

/// `CEF:0|` or `LEEF:1|` behind a host with a colon.
fn scan_cef(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    scan.rest.starts_with(b"CEF:") || scan.rest.starts_with(b"LEEF:")
}

/// Whether a name before a code is a process of EOS (`Rib`, `ProcMgr`) or a daemon, not a host.
fn is_process(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let capital = name.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
    let shouted = name.bytes().all(|byte| byte.is_ascii_uppercase());
    letters && ((capital && !shouted) || name.ends_with('d'))
}

/// `cpe0089.lga.example.com(vendor2)`, as a collector may write it.
fn without_vendor(word: &[u8]) -> &[u8] {
    match memchr::memchr(b'(', word) {
        Some(at) if at > 0 && word.ends_with(b")") => &word[..at],
        _ => word,
    }
}

/// `last message repeated 3 times` stands where a host would.
fn is_repeat(word: &[u8], rest: &[u8]) -> bool {
    (word == b"last" && rest.starts_with(b" message repeated"))
        || (word == b"message" && rest.starts_with(b" repeated "))
}

fn is_number(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && word.len() < 7
}

/// Process and number: `sshd[1066]:`, `STP:`, `hx : `.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'l> {
    pub(super) name: &'l str,
    pub(super) pid: Option<&'l str>,
    /// What stands behind it.
    pub(super) after: &'l [u8],
}

/// Longest name of a process.
const TAG: usize = 64;

/// Reads the process at the cursor.
pub(super) fn tag(mut scan: Scan<'_>) -> Option<Tag<'_>> {
    scan.blanks();
    let name = scan.take_while(|byte| {
        !is_blank(byte) && !matches!(byte, b':' | b'[' | b'=' | b'|' | b',' | b'{' | b'"')
    });
    if name.is_empty() || name.len() > TAG || name[0] == b'%' || name[0] == b'<' || name[0] == b'('
    {
        return None;
    }
    let mut pid = None;
    if scan.eat(b'[') {
        pid = text(scan.take_while(|byte| !is_blank(byte) && byte != b']'));
        if !scan.eat(b']') {
            return None;
        }
    }
    let mut colon = scan;
    let apart = colon.blanks() == 1;
    let known = if colon.eat(b':') {
        let next = colon.peek();
        (!apart || is_blank(next))
            && (is_blank(next) || matches!(next, 0 | b'[' | b'%' | b'\n') || pid.is_some())
    } else {
        colon = scan;
        pid.is_some() && (is_blank(scan.peek()) || scan.rest.is_empty())
    };
    known.then_some(Tag { name: text(name)?, pid, after: trim_start(colon.rest) })
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let mut scan = Scan::new(bytes);
    scan.blanks();
    scan.rest
}

/// The text of a record without blanks at its end.
pub(super) fn message(bytes: &[u8]) -> &[u8] {
    trim(bytes)
}
