//! The code of a message: the name its maker gave to this kind of message, whatever the family calls it
//! (mnemonic, tag, message id, event number). It reads grammar; it knows no single message.

use std::fmt;

use super::level;
use super::scan::{Scan, class, is_blank, text};

/// A code as printed, and as rules match it.
#[derive(Clone, Copy)]
pub struct Code<'l> {
    /// As printed, without `%`, `%%01` or brackets: `EARL-SW2_DFC1-1-EXCESSIVE_PARITY_ERROR`.
    pub printed: &'l str,
    /// Severity within the code, 0 to 7.
    pub severity: Option<u8>,
    norm: [&'l str; 3],
}

impl<'l> Code<'l> {
    /// A code that is its own normal form.
    pub(super) fn plain(printed: &'l str, severity: Option<u8>) -> Self {
        Self { printed, severity, norm: [printed, "", ""] }
    }

    /// The same with this severity, if it had none.
    pub(super) fn or_severity(self, severity: u8) -> Self {
        Self { severity: self.severity.or(Some(severity)), ..self }
    }

    /// The parts that, put together, are the normal form: without the module that spoke
    /// (`EARL-1-EXCESSIVE_PARITY_ERROR`), so that one rule fits a chassis whatever its slots. They borrow
    /// from the line: nothing is copied.
    pub fn norm(&self) -> [&'l str; 3] {
        self.norm
    }

    /// Whether the normal form is `code`.
    pub fn norm_is(&self, code: &str) -> bool {
        let mut left = code;
        self.norm.iter().all(|part| left.strip_prefix(part).map(|rest| left = rest).is_some())
            && left.is_empty()
    }
}

impl PartialEq for Code<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.printed == other.printed && self.norm.concat() == other.norm.concat()
    }
}

impl fmt::Debug for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.printed, self.norm.concat())
    }
}

/// What kind of mark a code bore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `%FAC-SEV-MNEM`; `blank`: with a blank before the colon, as IOS XR prints it.
    Cisco {
        /// Whether a blank stood before the colon.
        blank: bool,
    },
    /// `%%01MOD/SEV/MNEM(l)[n]`.
    Huawei,
    /// `%%10MOD/SEV/MNEM(l)`.
    Comware,
    /// `%NAME:`, without severity.
    Bare,
}

/// A code that was found in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'l> {
    pub(super) code: Code<'l>,
    pub(super) mark: Mark,
    /// A host that stood inside the code, as Viptela does it.
    pub(super) host: Option<&'l str>,
    /// What stood before the code.
    pub(super) before: &'l [u8],
    /// What stands behind it, colon and blanks removed.
    pub(super) after: &'l [u8],
}

/// Finds the first code with a `%` in what is left of a line.
pub(super) fn find(body: &[u8]) -> Option<Found<'_>> {
    // Mostly a code begins the text.
    if body.first() == Some(&b'%')
        && let Some(found) = percent(body)
    {
        return Some(found);
    }
    memchr::memchr_iter(b'%', body).skip_while(|&at| at == 0).find_map(|at| {
        let stands_free = match body[..at].last() {
            None => true,
            Some(&before) => is_blank(before) || matches!(before, b':' | b'.' | b'>' | b')' | b']'),
        };
        let found = if stands_free { percent(&body[at..]) } else { None }?;
        // A name without severity could be anything, but for the start of a text.
        let first = body[..at].iter().all(|&byte| is_blank(byte));
        let opens = matches!(&body[..at], [.., b']' | b':' | b')', b' ']);
        let trusted = found.mark != Mark::Bare
            || first
            || opens
            || junos_severity(found.code.printed).is_some();
        trusted.then_some(Found { before: &body[..at], ..found })
    })
}

/// A code at the very start, which is `%`.
fn percent(body: &[u8]) -> Option<Found<'_>> {
    let mut scan = Scan::new(body);
    scan.skip(1);
    if scan.eat(b'%') {
        return huawei(scan);
    }
    let word = scan.take_while(is_code_byte);
    if !word.iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    if scan.peek() == b'/' {
        // `%10SHELL/5/SHELL_LOGIN` of Comware, whose older releases mark with one `%`, too.
        let versioned = word.starts_with(b"10");
        let (at, mark) = if versioned { (3, Mark::Comware) } else { (1, Mark::Huawei) };
        let found = module(Scan::new(&body[at..]), mark);
        return found.filter(|_| memchr::memchr(b':', body).is_some());
    }
    let word = text(word)?;
    if let Some(severity) = word.strip_prefix("log-").and_then(|word| level::of(word.as_bytes())) {
        return logged(scan, severity);
    }
    let (after, blank) = behind(scan)?;
    let found = |code, mark, host| Some(Found { code, mark, host, before: &[], after });
    if let Some((code, host)) = viptela(word) {
        return found(code, Mark::Cisco { blank }, host);
    }
    match cisco(word) {
        Some(code) => found(code, Mark::Cisco { blank }, None),
        None if is_bare(word) && is_marked(scan) => {
            found(Code::plain(word, None), Mark::Bare, None)
        }
        None => None,
    }
}

/// `%log-notice:IP_ADDRESS_ADD: text` of Dell's OS10, behind the severity.
fn logged(mut scan: Scan<'_>, severity: u8) -> Option<Found<'_>> {
    scan.eat(b':').then_some(())?;
    let name = text(scan.take_while(is_code_byte)).filter(|name| is_bare(name))?;
    scan.eat(b':').then_some(())?;
    scan.blanks();
    let code = Code::plain(name, Some(severity));
    Some(Found { code, mark: Mark::Bare, host: None, before: &[], after: scan.rest })
}

/// Whether a colon and a blank follow, which a name without severity needs to be a code.
fn is_marked(scan: Scan<'_>) -> bool {
    scan.peek() == b'(' || scan.rest.starts_with(b": ") || scan.rest == b":"
}

/// What follows a code: a colon, with or without a blank before it, or just a blank.
fn behind(mut scan: Scan<'_>) -> Option<(&[u8], bool)> {
    if scan.peek() == b'(' {
        // FRR: `%NOTIFICATION(Hard Reset): sent to neighbor ...`
        let mut inner = scan;
        inner.take_while(|byte| byte != b')');
        inner.skip(1);
        return (inner.peek() == b':').then_some((scan.rest, false));
    }
    let start = scan.rest.len();
    let blank = scan.blanks() > 0;
    let colon = scan.eat(b':');
    if !colon && !blank && start > 0 && !matches!(scan.peek(), b'[' | b'\r' | b'\n' | 0) {
        return None;
    }
    scan.blanks();
    Some((scan.rest, blank && colon))
}

/// Whether a code is one of Cisco's firewalls, which number their messages.
pub(super) fn is_firewall(code: &str) -> bool {
    let code = code.as_bytes();
    let named = match code.first() {
        Some(b'A') => code.starts_with(b"ASA-") || code.starts_with(b"ACE-"),
        Some(b'F') => code.starts_with(b"FTD-") || code.starts_with(b"FWSM-"),
        Some(b'P') => code.starts_with(b"PIX-"),
        Some(b'N') => code.starts_with(b"NGIPS-"),
        _ => false,
    };
    named && code.last().is_some_and(u8::is_ascii_digit)
}

/// `FAC[-SUB...]-SEV-MNEM`, the severity being a digit, or a letter on small-business switches.
pub(super) fn cisco(word: &str) -> Option<Code<'_>> {
    let bytes = word.as_bytes();
    let facility_end = bytes.iter().position(|&byte| byte == b'-').filter(|&end| end > 0)?;
    let mut dash = facility_end;
    loop {
        let at = dash + 1;
        let severity = severity_of(*bytes.get(at)?);
        if bytes.get(at + 1) == Some(&b'-') && severity.is_some() && at + 2 < bytes.len() {
            let (facility, module) = (&word[..facility_end], &word[facility_end..dash]);
            let tail = &word[dash..];
            let cut = !module.is_empty() && is_module(facility, &module[1..]);
            let norm = if cut { [facility, tail, ""] } else { [word, "", ""] };
            return Some(Code { printed: word, severity, norm });
        }
        dash = at + bytes[at..].iter().position(|&byte| byte == b'-')?;
    }
}

/// `Viptela-HOST-PROCESS-SEV-LEVEL-NUMBER`: the host may hold dashes, so it is read from the right.
fn viptela(word: &str) -> Option<(Code<'_>, Option<&str>)> {
    let inner = word.strip_prefix("Viptela-")?;
    let mut dashes = inner.rmatch_indices('-').map(|(at, _)| at);
    let dashes = [dashes.next()?, dashes.next()?, dashes.next()?, dashes.next()?];
    let severity = inner[dashes[2] + 1..dashes[1]].parse().ok().filter(|severity| *severity < 8)?;
    let host = &inner[..dashes[3]];
    let norm = ["Viptela", &inner[dashes[3]..], ""];
    Some((Code { printed: word, severity: Some(severity), norm }, Some(host)))
}

/// `%%ddMOD/SEV/MNEM(l)[n]:`, Huawei and H3C.
fn huawei(mut scan: Scan<'_>) -> Option<Found<'_>> {
    scan.blanks();
    // Some releases of Comware leave out the version.
    let version = scan.number(2, 2).or(scan.peek().is_ascii_uppercase().then_some(10))?;
    scan.blanks();
    module(scan, if version == 10 { Mark::Comware } else { Mark::Huawei })
}

/// `MOD/SEV/MNEM(l)[n]:`, what follows the mark; older VRP marks with one `%`.
fn module(mut scan: Scan<'_>, mark: Mark) -> Option<Found<'_>> {
    let word = scan.take_while(|byte| is_code_byte(byte) || byte == b'/');
    let code = slashes(text(word)?)?;
    while matches!(scan.peek(), b'(' | b'[') {
        scan.take_while(|byte| !matches!(byte, b')' | b']'));
        scan.skip(1);
    }
    scan.blanks();
    scan.eat(b':');
    scan.blanks();
    Some(Found { code, mark, host: None, before: &[], after: scan.rest })
}

/// `MOD/SEV/MNEM`.
pub(super) fn slashes(word: &str) -> Option<Code<'_>> {
    let mut parts = word.split('/');
    let (module, severity) = (parts.next()?, parts.next()?);
    let mnemonic = parts.next()?;
    let severity = match severity.as_bytes() {
        [digit @ b'0'..=b'7'] => digit - b'0',
        _ => return None,
    };
    if module.is_empty() || mnemonic.is_empty() || parts.next().is_some() {
        return None;
    }
    Some(Code::plain(word, Some(severity)))
}

/// The tag of a Junos message: `SNMP_TRAP_LINK_DOWN: text`.
pub(super) fn junos_tag(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    let mut scan = Scan::new(body);
    let tag =
        scan.take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_junos_tag(tag) {
        return None;
    }
    // Without its header a line of structured data has no colon.
    let known = scan.rest.starts_with(b" [junos@")
        || scan.eat(b':') && (is_blank(scan.peek()) || scan.rest.is_empty());
    if !known {
        return None;
    }
    scan.blanks();
    Some((Code::plain(text(tag)?, None), scan.rest))
}

/// Whether a word has the form of a Junos tag: capitals with underscores.
pub(super) fn is_junos_tag(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_uppercase)
        && word.contains(&b'_')
        && word.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}

/// A Junos daemon's function instead of a tag, with the line of its source or without: `rpd[13037]: bgp_recv: read
/// from peer ...`, `rpd[7538]: bgp_bfd_callback:190: NOTIFICATION sent ...`.
pub(super) fn junos_function<'l>(app: &'l str, body: &'l [u8]) -> Option<(Code<'l>, &'l [u8])> {
    // A logical system may stand before the daemon: `CUSTOMER:rpd`.
    let app = app.rsplit_once(':').map_or(app, |(_, daemon)| daemon);
    let mut scan = Scan::new(body);
    let word = scan.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !word.contains(&b'_') || !scan.eat(b':') {
        return None;
    }
    if scan.number(1, 5).is_some() && !scan.eat(b':') || scan.blanks() == 0 {
        return None;
    }
    if !JUNOS_DAEMONS.contains(&app) {
        return None;
    }
    let word = text(word)?;
    Some((Code { printed: word, severity: None, norm: [app, ":", word] }, scan.rest))
}

/// Daemons of Junos whose messages bear a function's name where others have a tag.
const JUNOS_DAEMONS: &[&str] = &[
    "/kernel",
    "rpd",
    "mib2d",
    "dcd",
    "chassisd",
    "l2ald",
    "l2cpd",
    "lacpd",
    "bfdd",
    "ppmd",
    "mgd",
    "eventd",
    "alarmd",
    "craftd",
    "fpc0",
    "fpc1",
    "fpc2",
    "fpc3",
    "pfed",
    "cosd",
    "dfwd",
    "snmpd",
    "rmopd",
    "eswd",
    "jdhcpd",
    "vrrpd",
    "cfmd",
    "kmd",
    "authd",
    "spd",
    "sdxd",
    "jddosd",
    "license-check",
    "cli",
];

/// Eight hexadecimal digits and a level, as F5 prints them: `01070638:5: Pool ...`.
pub(super) fn f5(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    let [number @ .., b':', level @ b'0'..=b'7', b':'] = body.get(..11)? else { return None };
    if !number.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let printed = text(&body[..10])?;
    let mut scan = Scan::new(&body[11..]);
    scan.blanks();
    let norm = [&printed[..8], "", ""];
    Some((Code { printed, severity: Some(level - b'0'), norm }, scan.rest))
}

/// The five and five letters FRR names each message with: `[M59KS-A3ZXZ] bgp_update_receive: ...`.
pub(super) fn frr(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    let name = body.strip_prefix(b"[")?.get(..11).filter(|name| is_frr_name(name))?;
    if body.get(12) != Some(&b']') {
        return None;
    }
    let mut scan = Scan::new(&body[13..]);
    if scan.eat_all(b"[EC ") {
        scan.take_while(|byte| byte != b']');
        scan.skip(1);
    }
    scan.blanks();
    Some((Code::plain(text(name)?, None), scan.rest))
}

/// `M59KS-A3ZXZ`.
pub(super) fn is_frr_name(word: &[u8]) -> bool {
    let letters = |part: &[u8]| part.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    word.len() == 11 && word[5] == b'-' && letters(&word[..5]) && letters(&word[6..])
}

/// A number in brackets that a comma or a colon follows, among the first fields of a text: `raslogd:
/// 2026/08/12-10:11:12, [FW-1424], 1234, ...` of Brocade's FOS, `HSL : NOTIF : [PORT_UP_4]: ...` of `OcNOS`.
pub(super) fn bracketed(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    const NEAR: usize = 64;
    let near = &body[..body.len().min(NEAR)];
    memchr::memchr_iter(b'[', near).skip_while(|&at| at == 0).find_map(|at| {
        let mut scan = Scan::new(&body[at + 1..]);
        let word = scan.take_while(|byte| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        });
        let digits = word.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let stem = word[..word.len() - digits]
            .strip_suffix(b"-")
            .or(word[..word.len() - digits].strip_suffix(b"_"))?;
        let named = stem.len() > 1
            && stem.iter().all(|b| b.is_ascii_uppercase() || *b == b'_' || b.is_ascii_digit());
        let known = named && digits > 0 && scan.eat(b']') && matches!(scan.peek(), b',' | b':');
        scan.skip(1);
        scan.blanks();
        known.then_some((Code::plain(text(word)?, None), scan.rest))
    })
}

/// `APP-SEVERITY-event-NNNN [subject]:  text` of Nokia SR OS, behind sequence and router instance.
pub(super) fn sros(word: &[u8]) -> Option<Code<'_>> {
    let word = text(word)?;
    let mut parts = word.split('-');
    let (application, severity, event) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if application.is_empty() || event.is_empty() || !parts.next().is_none_or(digits) {
        return None;
    }
    let severity = match severity {
        // What its own priorities are.
        "CLEARED" | "INFO" | "INDETERMINATE" => 6,
        "CRITICAL" => 1,
        "MAJOR" => 2,
        "MINOR" => 3,
        "WARNING" => 4,
        _ => return None,
    };
    Some(Code::plain(word, Some(severity)))
}

fn severity_of(byte: u8) -> Option<u8> {
    Some(match byte {
        b'0'..=b'7' => byte - b'0',
        b'F' | b'C' => 2,
        b'A' => 1,
        b'E' => 3,
        b'W' => 4,
        b'N' => 5,
        b'I' => 6,
        b'D' => 7,
        _ => return None,
    })
}

/// Whether the part between facility and severity names the module that spoke, and no subject.
fn is_module(facility: &str, part: &str) -> bool {
    const MODULES: &[&str] =
        &["SP", "RP", "SPSTBY", "STBY", "STDBY", "STANDBY", "ACTIVE", "LC", "PEER", "OTHER"];
    const NUMBERED: &[&str] =
        &["SW", "DFC", "SLOT", "FEX", "SWITCH", "STACK", "LC", "MOD", "SIP", "SPA"];
    if matches!(facility, "ASA" | "FTD" | "PIX") {
        return true;
    }
    let first = part.split('_').next().unwrap_or_default();
    let numbered = NUMBERED.iter().any(|name| {
        first.strip_prefix(name).is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    });
    MODULES.contains(&part) || numbered
}

/// The severity alone, where the text has no tag: `rpd[7538]: %DAEMON-4: bgp_bfd_callback:190: ...`.
pub(super) fn junos_severity(code: &str) -> Option<u8> {
    let [facility @ .., b'-', digit @ b'0'..=b'7'] = code.as_bytes() else { return None };
    let facility = &code[..facility.len()];
    is_junos_facility(facility).then_some(digit - b'0')
}

pub(super) fn is_junos_facility(word: &str) -> bool {
    matches!(
        word,
        "KERN"
            | "USER"
            | "DAEMON"
            | "AUTH"
            | "FTP"
            | "NTP"
            | "INTERACT"
            | "PFE"
            | "CONFLICT"
            | "CHANGE"
    )
}

fn is_bare(word: &str) -> bool {
    word.len() >= 3
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.ends_with(|last: char| last.is_ascii_alphanumeric())
        && word
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

fn is_code_byte(byte: u8) -> bool {
    class::is(byte, class::CODE)
}
