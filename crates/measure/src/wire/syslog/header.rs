//! The headers that are no standard: time, host, sequence and process in whatever order and number
//! devices write them (RFC 3164 describes the habit). One loop reads them all; a family is what was met.

use model::UnixMs;

use super::ahead::{self, Follows, Speaker, follows, without_vendor};
use super::code;
use super::host;
use super::level;
use super::pairs;
use super::record::{Format, Record};
use super::scan::{Scan, class, is_blank, text, trim};
use super::stamp::{self, DeviceTime};
use super::tag;
use super::zone;

/// More parts than any header has; what follows is text.
const PARTS: usize = 12;

/// Length of `Nov 14 08:30:56`.
const BSD: usize = 15;

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
    /// A colon right behind the time: the header ends there, but for a host before more of one or a code.
    closed: bool,
    /// How long the last time was.
    clock: usize,
    /// An address stood before the time, without a colon: a collector may have put it there.
    collector: Option<&'l str>,
    /// A severity in words before all else.
    level: Option<u8>,
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
        let blanks = scan.blanks();
        match scan.peek() {
            b'%' if header.is_empty() && header.count_of_file(scan) => {}
            b'%' | b'#' if header.is_empty() && ahead::mark_of_console(scan) => {}
            b'%' | 0 => break,
            b'[' if header.is_empty() && ahead::level_before_host(scan) => {}
            b'[' if header.is_empty() && header.time_in_brackets(scan, received) => {}
            b':' => {
                header.closed = blanks == 0 && header.time.is_some() && header.host.is_none();
                scan.skip(1);
                if header.closed && ahead::letter(scan) {
                    break;
                }
            }
            b'[' if header.time.is_some() && ahead::level_before_process(scan) => {}
            b'[' if header.host.is_some() && ahead::bracketed_address(scan) => {}
            b'(' if header.host.is_none() || !ahead::stack(scan) => break,
            b'(' => {}
            _ if header.time(scan, received) || header.sequence(scan) || header.node(scan) => {}
            b'0'..=b'9' if header.is_empty() && header.count_before_time(scan) => {}
            b'<' if header.host.is_some() && ahead::addresses(scan) => {}
            b'<' if header.host.is_none() && header.host_in_marks(scan) => {}
            b'0'..=b'9' if header.is_empty() && ahead::clock_before_code(scan) => {}
            _ if header.is_empty() && ahead::half_clock(scan) => {}
            _ if header.priority_in_words(scan) => {}
            b'A'..=b'Z' if header.is_empty() && header.level_before_time(scan) => {}
            b'1' | b'2' | b'+' | b'-' if header.cut_clock(scan) => {}
            b'M' if header.forwarded(scan) => {}
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
        if !class::is(scan.peek(), class::CLOCK) {
            return false;
        }
        let Some(time) = stamp::read(scan, received) else { return false };
        let read = &start[..start.len() - scan.rest.len()];
        let style = style(read);
        // Three times are text; so is a second one that neither host nor colon follows.
        let is_bsd = style == Style::Month && read[0].is_ascii_alphabetic();
        if self.second_time || (self.time.is_some() && !ahead::second_fits(*scan, is_bsd)) {
            scan.rest = start;
            return false;
        }
        self.clock = read.len();
        // A device's own header goes on with its code: a word between them is a zone that nobody knows.
        if self.node {
            zone::skip_before_process(scan);
        } else if self.seq.is_some()
            || self.host.is_some()
            || matches!(read.first(), Some(b'*' | b'.'))
        {
            zone::skip_unknown(scan);
        }
        self.second_time = self.time.is_some();
        self.collector = self.collector.filter(|_| self.time.is_none());
        self.style = style;
        self.time = Some(time);
        true
    }

    /// `[2026-01-05 10:00:00] sw1 ...`.
    fn time_in_brackets(&mut self, scan: &mut Scan<'l>, received: UnixMs) -> bool {
        let mut try_scan = *scan;
        try_scan.skip(1);
        let time = stamp::read(&mut try_scan, received);
        let known = time.is_some() && try_scan.eat(b']');
        if known {
            self.time = time;
            self.style = Style::Iso;
            *scan = try_scan;
        }
        known
    }

    /// Takes the priority in words, before all else, before the host or behind it: `user.info host app:` of Solaris,
    /// `relay local3.notice: host: ...`, `host <local7.warning> ...`.
    fn priority_in_words(&mut self, scan: &mut Scan<'l>) -> bool {
        // The names of facilities have these lengths, and most words hold no dot there.
        let start = usize::from(scan.peek() == b'<');
        if ![3, 4, 6, 8].iter().any(|length| scan.peek_at(start + length) == b'.') {
            return false;
        }
        let mut try_scan = *scan;
        let word = try_scan.token();
        let word = word.strip_suffix(b":").unwrap_or(word);
        let inner = word.strip_prefix(b"<").and_then(|word| word.strip_suffix(b">"));
        let Some(level) = level::of_priority(inner.unwrap_or(word)) else { return false };
        let mut behind = try_scan;
        behind.blanks();
        let fits = match (self.time, self.host) {
            (_, Some(_)) => true,
            (Some(_), None) => host::name(behind.token()).is_some(),
            (None, None) => stamp::is_next(behind),
        };
        if fits {
            self.level = Some(level);
            *scan = try_scan;
        }
        fits
    }

    /// Takes `W` or `WARNING` where a time or an event's number follows: `W 10/01/19 11:20:55 02628 FFI: ...`.
    fn level_before_time(&mut self, scan: &mut Scan<'l>) -> bool {
        let mut try_scan = *scan;
        let word = try_scan.token();
        let level = match word {
            b"I" => Some(6),
            b"W" => Some(4),
            b"E" => Some(3),
            b"D" => Some(7),
            b"M" => None,
            _ if level::is_name(word) => level::of(word),
            _ => return false,
        };
        try_scan.blanks();
        let known = stamp::is_next(try_scan) || ahead::is_numbered(try_scan);
        if known {
            self.level = level;
            *scan = try_scan;
        }
        known
    }

    fn cut_clock(&mut self, scan: &mut Scan<'l>) -> bool {
        let cut = self.time.is_some() && !self.second_time && ahead::cut_clock(scan);
        // Behind a host the clock was the device's, a second one.
        self.second_time |= cut && self.host.is_some();
        cut
    }

    /// `521:`, and `3132517` before a second header.
    fn sequence(&mut self, scan: &mut Scan<'_>) -> bool {
        let seq = ahead::sequence(scan);
        self.seq = seq.or(self.seq);
        seq.is_some()
    }

    /// `%@9377%Jan 20 23:31:03:567 2011 ...`: the count that Comware puts before a line of its log file.
    fn count_of_file(&mut self, scan: &mut Scan<'_>) -> bool {
        let mut try_scan = *scan;
        let seq = if try_scan.eat_all(b"%@") { try_scan.number(1, 19) } else { None };
        let known = seq.is_some() && try_scan.eat(b'%') && stamp::is_next(try_scan);
        if known {
            self.seq = seq;
            *scan = try_scan;
        }
        known
    }

    /// `169 2026/04/17 17:00:49.12 UTC ...`: a count without a colon before the first time.
    fn count_before_time(&mut self, scan: &mut Scan<'_>) -> bool {
        let mut try_scan = *scan;
        let seq = try_scan.number(1, 19);
        let known = seq.is_some() && try_scan.blanks() > 0 && stamp::is_next(try_scan);
        if known {
            self.seq = seq;
            *scan = try_scan;
        }
        known
    }

    /// `RP/0/RSP1/CPU0:` of IOS XR, `0/RP0/CPU0:` of later releases.
    fn node(&mut self, scan: &mut Scan<'_>) -> bool {
        let found = ahead::node(scan);
        self.node |= found;
        found
    }

    /// `*spamApTask1: Apr 29 ...`: the task of a wireless controller.
    fn task(&mut self, scan: &mut Scan<'l>) -> bool {
        let Some(word) = ahead::task(scan) else { return false };
        self.task = text(word);
        true
    }

    /// `Message forwarded from R1: ...` of AIX, a relay.
    fn forwarded(&mut self, scan: &mut Scan<'l>) -> bool {
        let mut try_scan = *scan;
        if !try_scan.eat_all(b"Message forwarded from ") {
            return false;
        }
        let name = try_scan.token().strip_suffix(b":").and_then(host::name);
        if name.is_some() {
            (self.relay, self.host) = (self.host, name);
            *scan = try_scan;
        }
        name.is_some()
    }

    fn host(&mut self, scan: &mut Scan<'l>) -> bool {
        let mut try_scan = *scan;
        let Some(found) = self.host_word(&mut try_scan) else { return false };
        let word = &scan.rest[..scan.rest.len() - try_scan.rest.len()];
        if self.is_empty() && host::is_address(found) && !word.ends_with(b":") {
            self.collector = Some(found);
        }
        if self.host.is_some() && (self.second_time || self.time.is_some()) {
            self.relay = self.host;
        }
        self.host = Some(found);
        self.second_time = false;
        *scan = try_scan;
        true
    }

    /// Decides whether the word at the cursor is a host.
    fn host_word(&self, scan: &mut Scan<'l>) -> Option<&'l str> {
        let start = scan.rest;
        let word = ahead::up_to_time(scan);
        if self.is_text(word, *scan) {
            return None;
        }
        if ahead::bracketed(word).is_some() && ahead::address_follows(*scan) {
            // `[local] 10.1.1.6`: where the address holds.
            scan.blanks();
            return host::name(scan.token());
        }
        if let Some(stem) = word.strip_suffix(b":").filter(|stem| !stem.contains(&b',')) {
            return match host::name(stem) {
                Some(name) => self.host_with_colon(name, scan),
                None => self.host_joined(word, start, scan),
            };
        }
        let word = without_vendor(word);
        let Some(name) = host::name(word) else {
            return self
                .host_joined(word, start, scan)
                .or_else(|| self.host_before_comma(word, scan))
                .or_else(|| self.host_by_place(word, *scan));
        };
        let more = || follows(*scan);
        let fits = match (self.time, self.host) {
            (Some(_), None) if is_number(word) => {
                !more().is_text() || tag::read(*scan).is_some_and(|tag| tag.pid.is_some())
            }
            (Some(_), None) if self.closed => {
                // More than the plain clock of RFC 3164 is the device's own, which text may follow at once.
                !more().is_text() || (self.clock <= BSD && tag::read(*scan).is_some())
            }
            (Some(_), None) => true,
            (Some(_), Some(_)) if is_number(word) => false,
            (Some(_), Some(_)) if self.collector.is_some() => {
                let process = |tag: tag::Tag<'_>| !is_number(tag.name.as_bytes());
                !self.closed && (!more().is_text() || tag::read(*scan).is_some_and(process))
            }
            (Some(_), Some(_)) if self.second_time => {
                self.style == Style::Month || ahead::names_host(name, *scan)
            }
            // `Oct  7 08:16:04 relay pe1 RP/0/RP0/CPU0:...`: the device's own header begins with its name.
            (Some(_), Some(_)) => {
                let speaks = more() == Follows::Code(Speaker::Device);
                ahead::node_follows(*scan)
                    || ahead::counted_header(*scan)
                    || (speaks && host::is_certain(name) && !host::is_address(name))
            }
            (None, None) => {
                host::is_certain(name)
                    || match more() {
                        Follows::Header => true,
                        Follows::Code(_) => self.seq.is_none(),
                        Follows::Text => {
                            word[0].is_ascii_alphabetic() && ahead::process_of_host(*scan)
                        }
                    }
            }
            (None, Some(_)) => false,
        };
        fits.then_some(name)
    }

    /// `FW1%%01ARP/4/DUP_IPADDR(l): ...`: nothing stands between host and code. `start` begins with the word.
    fn host_joined(&self, word: &'l [u8], start: &'l [u8], scan: &mut Scan<'l>) -> Option<&'l str> {
        (self.time.is_some() && self.host.is_none()).then_some(())?;
        let at = memchr::memchr(b'%', word).filter(|&at| word[at..].starts_with(b"%%"))?;
        let name = host::name(&word[..at])?;
        scan.rest = &start[at..];
        Some(name)
    }

    /// `<wce1> rsyncd[20421]: ...` behind a time, before a process; with its address, `<ap-3 10.1.1.5> httpd[23571]: ...`,
    /// it needs no time.
    fn host_in_marks(&mut self, scan: &mut Scan<'l>) -> bool {
        let mut try_scan = *scan;
        try_scan.skip(1);
        let name = host::name(try_scan.take_while(|byte| !is_blank(byte) && byte != b'>'));
        let addressed = try_scan.blanks() > 0
            && text(try_scan.take_while(|byte| byte != b'>')).is_some_and(host::is_address);
        let ends = try_scan.eat(b'>') && is_blank(try_scan.peek());
        let process = tag::read(try_scan).filter(|_| ends && name.is_some());
        let known =
            process.is_some_and(|tag| self.time.is_some() || addressed && tag.pid.is_some());
        if known {
            self.host = name;
            *scan = try_scan;
        }
        known
    }

    /// A word that has marks no name should have: `sw#1`, `fw01/context1`. Behind a time and before a process, a code or
    /// more of a header it is a host all the same.
    fn host_by_place(&self, word: &'l [u8], behind: Scan<'l>) -> Option<&'l str> {
        let fits = self.time.is_some() && self.host.is_none() && !self.closed && host::is_odd(word);
        let known = fits && (!follows(behind).is_text() || tag::read(behind).is_some());
        text(word).filter(|_| known)
    }

    /// Ubiquiti: `host,18e8294876c3,v4.0.66 switch:`; F5: `host,f5_irule=...`. Words alone are the topics of `RouterOS`:
    /// `interface,info`.
    fn host_before_comma(&self, word: &'l [u8], scan: &mut Scan<'l>) -> Option<&'l str> {
        let (word, comma) = word.split_at(memchr::memchr(b',', word)?);
        let topics =
            comma.len() > 1 && comma.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b',');
        let named = comma.len() == 1 && pairs::begins(trim(scan.rest));
        if self.time.is_none() || self.host.is_some() || is_number(word) || topics || named {
            return None;
        }
        let name = host::name(word)?;
        if memchr::memchr(b'=', comma).is_some() {
            scan.rest = comma;
        }
        Some(name)
    }

    /// Whether a word that could be a host by its form begins a text: `last message repeated`, a severity before a
    /// process, `kqueue error: ...`.
    fn is_text(&self, word: &[u8], behind: Scan<'_>) -> bool {
        let named = |inner| level::is_name(inner) || code::is_frr_name(inner);
        if ahead::bracketed(word).is_some_and(named) || level::is_marked(word) {
            return true;
        }
        if level::is_name(word) {
            return word.iter().all(u8::is_ascii_uppercase) || tag::read(behind).is_some();
        }
        let mut rest = behind;
        rest.blanks();
        let fault = matches!(rest.peek(), b'e' | b'w')
            && (rest.eat_all(b"error: ") || rest.eat_all(b"warning: "));
        if fault && self.host.is_none() && self.time.is_some() {
            return word.iter().all(u8::is_ascii_lowercase);
        }
        is_notice(word, behind.rest) || is_packet_engine(word)
    }

    /// `router1: 521: *Nov 14 ...`: an origin id, if more of a header follows.
    fn host_with_colon(&self, name: &'l str, scan: &mut Scan<'l>) -> Option<&'l str> {
        let timed = self.time.is_some();
        let fits = match (self.host, follows(*scan)) {
            (None, Follows::Code(_)) if self.node => false,
            (_, Follows::Code(Speaker::Device)) => true,
            (None, Follows::Code(Speaker::Process)) => host::is_certain(name),
            // No process ever stands behind a clock of NX-OS.
            (None, Follows::Code(Speaker::Any)) => {
                (self.seq.is_some() && !timed) || self.style == Style::Year || !is_process(name)
            }
            (None, Follows::Header) => !timed || ahead::own_header(*scan),
            (None, Follows::Text) if timed => {
                if let Some(found) = host_behind_process(scan) {
                    return Some(found);
                }
                host::is_certain(name) && (host::is_address(name) || names_another(*scan))
            }
            // A text that goes on in a further line is indented: `422153: R1-CORE:      Reason : ...`.
            (None, Follows::Text) if self.seq.is_some() => {
                scan.rest.starts_with(b"  ") && host::is_certain(name)
            }
            (Some(_), Follows::Header) => ahead::own_header(*scan),
            _ => false,
        };
        fits.then_some(name)
    }

    /// Puts what was read into the record, with the family that it shows.
    pub(super) fn fill(&self, record: &mut Record<'l>) {
        record.device = self.host;
        record.relay = self.relay;
        record.app = self.task;
        record.seq = self.seq;
        record.time = self.time;
        record.level = self.level.or(record.level);
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
        match code {
            _ if code::is_firewall(code) => Format::Asa,
            _ if code.starts_with("Viptela-") => Format::Viptela,
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

/// How a time was written.
fn style(read: &[u8]) -> Style {
    let digit = read.first().is_some_and(u8::is_ascii_digit);
    match read.get(4) {
        Some(b' ') if digit => Style::Year,
        Some(b'-') if digit => Style::Iso,
        _ if matches!(read, [.., b' ', b'1' | b'2', a, b, c] if [a, b, c].iter().all(|c| c.is_ascii_digit())) => {
            Style::Ctime
        }
        _ => Style::Month,
    }
}

/// `svm_service: ns1  13:58:46 GMT ...`: between a process and a clock stands a host.
fn host_behind_process<'l>(scan: &mut Scan<'l>) -> Option<&'l str> {
    let mut try_scan = *scan;
    try_scan.blanks();
    let found = host::name(try_scan.token())?;
    let mut behind = try_scan;
    behind.blanks();
    if !ahead::half_clock(&mut behind) {
        return None;
    }
    *scan = try_scan;
    Some(found)
}

/// Whether a process with its number, CEF or LEEF stands behind a word with a colon, so that the word is none.
fn names_another(mut scan: Scan<'_>) -> bool {
    scan.blanks();
    scan.rest.starts_with(b"CEF:")
        || scan.rest.starts_with(b"LEEF:")
        || tag::read(scan).is_some_and(|tag| tag.pid.is_some())
}

/// Whether a name before a code is a process of EOS (`Rib`, `ProcMgr-worker`) or a daemon, not a host.
fn is_process(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let capital = name.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
    let shouted = name.bytes().all(|byte| byte.is_ascii_uppercase());
    letters && ((capital && !shouted) || name.ends_with('d')) || is_agent(name)
}

/// `AleL3Agent-primary`, `ProcMgr-worker`: words put together by capitals, and which of them it is in small letters.
fn is_agent(name: &str) -> bool {
    let (agent, role) = name.split_once('-').unwrap_or((name, ""));
    let humps = agent.as_bytes().windows(2);
    agent.starts_with(|first: char| first.is_ascii_uppercase())
        && agent.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && humps.filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count()
            > 0
        && role.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// `0-PPE-0`, which speaks for a `NetScaler`.
fn is_packet_engine(word: &[u8]) -> bool {
    if !word.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let mut parts = word.split(|&byte| byte == b'-');
    let number = |part: Option<&[u8]>| part.is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    number(parts.next()) && parts.next() == Some(b"PPE") && number(parts.next())
}

/// `last message repeated 3 times` stands where a host would, and so does what a daemon says of itself: `syslogd started:
/// BusyBox v1.24.2`.
fn is_notice(word: &[u8], rest: &[u8]) -> bool {
    (word == b"last" && rest.starts_with(b" message repeated"))
        || (word == b"message" && rest.starts_with(b" repeated "))
        || (word.ends_with(b"logd") && rest.starts_with(b" started"))
}

fn is_number(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && word.len() < 7
}
