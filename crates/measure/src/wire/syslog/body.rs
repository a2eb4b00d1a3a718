//! What stands behind a header: the code wherever its family puts it, else process and text.

use super::code::{self, Code, Found, Mark};
use super::frames;
use super::header::{Header, Style};
use super::host;
use super::level;
use super::record::{Format, Record};
use super::repeated;
use super::scan::{Scan, is_blank, text};
use super::stamp;
use super::tag;
use super::zone;

/// Reads process, code and text.
pub(super) fn read<'l>(record: &mut Record<'l>, header: &Header<'l>, body: &'l [u8]) {
    match repeated::read(body) {
        None => once(record, header, body),
        Some(repeated) => {
            record.repeated = repeated.times;
            once(record, header, repeated.before);
            within(record, header, repeated.text);
        }
    }
}

/// Reads the text of a message whose process or code stood elsewhere, if it had any.
fn within<'l>(record: &mut Record<'l>, header: &Header<'l>, text: &'l [u8]) {
    if record.code.is_none() && record.app.is_none() {
        return once(record, header, text);
    }
    record.message = text;
    if record.code.is_none() {
        match code::find(text) {
            Some(found) => with_code(record, header, &found),
            None => message(record, text),
        }
    }
}

/// Reads what is no repetition.
fn once<'l>(record: &mut Record<'l>, header: &Header<'l>, body: &'l [u8]) {
    record.message = body;
    if let Some(found) = code::find(body) {
        return with_code(record, header, &found);
    }
    let body = without_level(body);
    // Wireless controllers mark some of their codes with `#`.
    let hash = body.strip_prefix(b"#");
    if let Some((code, after)) = collector_code(hash.unwrap_or(body)) {
        if hash.is_some() {
            record.format = header.cisco(code.printed, false, None, None);
        }
        return collected(record, code, after);
    }
    if body.first().is_some_and(u8::is_ascii_digit) && numbered(record, body) {
        return;
    }
    let tag = tag::read(Scan::new(body)).filter(|tag| tag.name != "Severity");
    let text = match tag.or_else(|| tag::read(Scan::new(frames::behind_serial(body)?))) {
        Some(tag) if frames::netscreen(record, &tag) => return,
        Some(tag) => {
            record.app = Some(tag.name);
            record.pid = tag.pid;
            tag.after
        }
        None if named_code(record, body) => return,
        None => body,
    };
    let text = if record.app.is_some() { without_priority(record, text) } else { text };
    record.message = text;
    if record.app.is_some()
        && let Some((code, after)) = collector_code(text)
    {
        return collected(record, code, after);
    }
    if record.pid.is_some() && record.device.is_none() {
        frames::dashed(record, text);
    }
    if record.format == Format::Unknown && record.app.is_some() {
        record.format = Format::Rfc3164;
    }
    message(record, text);
    if record.code.is_none() && record.pid.is_none() {
        tag_alone(record);
    }
    if header.style() == Style::Ctime && record.format == Format::Rfc3164 && record.code.is_some() {
        record.format = Format::Aruba;
    }
}

/// Finds the code inside the text itself, for the families that print it there.
pub(super) fn message<'l>(record: &mut Record<'l>, body: &'l [u8]) {
    let app = record.app.unwrap_or_default();
    let format = record.format;
    let as_is = |found| (found, format);
    let function = || code::junos_function(app, body).map(|found| (found, Format::Junos));
    let f5 = || code::f5(body).map(|found| (found, Format::F5));
    // The first letter leaves few of the forms.
    let found = match body.first().copied().unwrap_or(0) {
        b'A'..=b'Z' => code::junos_tag(body)
            .map(|found| (found, Format::Junos))
            .or_else(function)
            .or_else(f5)
            .or_else(|| labelled(body).or_else(|| frames::numbered(body)).map(as_is)),
        b'a'..=b'z' => function().or_else(f5),
        b'0'..=b'9' => f5(),
        b'[' if body.starts_with(b"[log@") => frames::elements(body).map(as_is),
        b'[' => code::frr(body)
            .map(|found| (found, Format::Frr))
            .or_else(|| frames::triple(record, body).map(as_is)),
        b'<' => exos(body)
            .map(|found| (found, Format::Exos))
            .or_else(|| aruba(record, body).map(|found| (found, Format::Aruba))),
        b'@' | b'|' => labelled(body).map(as_is),
        _ => None,
    };
    let found = found
        .or_else(|| Some((code::junos_tag(behind_card(record.device, body)?)?, Format::Junos)))
        .or_else(|| code::bracketed(body).map(as_is));
    if let Some(((code, after), format)) = found {
        record.code = Some(code);
        record.message = after;
        record.format = format;
        record.device = record.device.or_else(|| frames::named_by_switch(body, after));
        return;
    }
    // The prefix of SR OS is `TMNX` unless its people chose another one, or none.
    if app.eq_ignore_ascii_case("TMNX") || body.first().is_some_and(u8::is_ascii_digit) {
        nokia(record, body);
    } else if is_netiron(app) && record.pid.is_none() {
        record.format = Format::NetIron;
    }
}

/// `SNMP_TRAP_LINK_DOWN: ifIndex 508, ...` without the process of Junos: what stood in its place is the tag. Processes have
/// capitals and one underscore at most (`RT_FLOW`).
fn tag_alone(record: &mut Record<'_>) {
    let tag = |name: &&str| {
        code::is_junos_tag(name.as_bytes()) && name.bytes().filter(|&byte| byte == b'_').count() > 1
    };
    if let Some(name) = record.app.filter(tag) {
        record.code = Some(Code::plain(name, None));
        record.app = None;
        record.format = Format::Junos;
    }
}

/// What stands behind the card or the routing engine that speaks for a Junos device, or the device's name once more: `(FPC Slot
/// 1, PIC Slot 1) PFE_FW_SYSLOG_IP: ...`, `node1.fpc0 PFE_FW_SYSLOG_IP: ...`, `backup RPD_...`; a card for services names the
/// set of services first.
fn behind_card<'l>(device: Option<&str>, body: &'l [u8]) -> Option<&'l [u8]> {
    if let Some(rest) = behind_services(body) {
        return Some(rest);
    }
    let (word, rest) = body.split_at(memchr::memchr(b' ', body)?);
    // Most lines are none of these, and a tag begins with a capital.
    if !rest.get(1).is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let mut scan = Scan::new(body);
    if scan.eat_all(b"(FPC ") {
        scan.take_while(|byte| byte != b')');
        scan.skip(1);
        scan.blanks();
        return behind_services(scan.rest).or(Some(scan.rest));
    }
    scan.skip(word.len());
    let card = word.iter().rposition(|&byte| byte == b'.').map_or(word, |at| &word[at + 1..]);
    let is_card = matches!(card, b"master" | b"backup")
        || card.strip_prefix(b"fpc").is_some_and(|n| n.iter().all(u8::is_ascii_digit));
    if !is_card && device.is_none_or(|device| device.as_bytes() != word) {
        return None;
    }
    scan.blanks();
    Some(scan.rest)
}

/// What stands behind the set of services: `2019-10-14 08:16:59: set1{nat1}JSERVICES_SESSION_CLOSE: ...`,
/// `{set2}[FWNAT]: ASP_SFW_CREATE_ACCEPT_FLOW: ...`.
fn behind_services(body: &[u8]) -> Option<&[u8]> {
    let mut scan = Scan::new(body);
    if !matches!(scan.peek(), b'{' | b'0'..=b'9') {
        return None;
    }
    if stamp::yearless(&mut scan).is_some() {
        scan.eat(b':');
        scan.blanks();
    }
    scan.take_while(|byte| !is_blank(byte) && !matches!(byte, b'{' | b':'));
    if !scan.eat(b'{') {
        return None;
    }
    scan.take_while(|byte| byte != b'}');
    scan.skip(1);
    if scan.peek() == b'[' {
        scan.take_while(|byte| byte != b']');
        scan.skip(1);
    }
    scan.eat(b':');
    scan.blanks();
    Some(scan.rest)
}

fn with_code<'l>(record: &mut Record<'l>, header: &Header<'l>, found: &Found<'l>) {
    let before = without_level(found.before);
    let start = record.message;
    // RFC 5424 has named the process already: `rpd 6544 - - bgp_listen_accept: %DAEMON-4: ...`.
    let named = record.app.is_some() && !before.is_empty();
    let tag = tag::read(Scan::new(before)).filter(|tag| !zone::is_name(tag.name.as_bytes()));
    let tag = tag.filter(|_| !named || code::junos_severity(found.code.printed).is_none());
    if let Some(tag) = tag {
        record.app = Some(tag.name);
        record.pid = tag.pid;
    }
    record.message = found.after;
    if let Some(severity) = code::junos_severity(found.code.printed) {
        if named {
            message(record, start);
            record.message = found.after;
        } else {
            message(record, found.after);
        }
        record.code = record.code.map(|code| code.or_severity(severity));
        record.level = Some(severity);
        record.format = Format::Junos;
        return;
    }
    record.code = Some(found.code);
    record.device = record.device.or(found.host).or_else(|| call_manager(found));
    record.format = match found.mark {
        Mark::Huawei => Format::Vrp,
        Mark::Comware => Format::Comware,
        Mark::Bare | Mark::Cisco { .. } if is_dell(found.before) => Format::DellOs,
        Mark::Bare => Format::Frr,
        Mark::Cisco { blank } => match junos(record, found.code) {
            Some(code) => {
                record.code = Some(code);
                Format::Junos
            }
            None => header.cisco(found.code.printed, blank, record.app, record.pid),
        },
    };
}

/// Cisco's call managers put no host into the header; their text ends with the node: `[Node ID=cucm1]: ...`,
/// `... on node cucm1, the following ...`.
fn call_manager<'l>(found: &Found<'l>) -> Option<&'l str> {
    let mark: &[u8] = match found.code.printed {
        code if code.starts_with("UC_") => b"[Node ID=",
        code if code.starts_with("CCM_") => b" on node ",
        _ => return None,
    };
    let at = memchr::memmem::rfind(found.after, mark)? + mark.len();
    let word = Scan::new(&found.after[at..])
        .take_while(|byte| !is_blank(byte) && !matches!(byte, b']' | b','));
    host::name(word)
}

/// Junos with `explicit-priority`: `rpd[2902]: %DAEMON-4-RPD_BGP_NEIGHBOR_STATE_CHANGED: ...`. The tag is
/// the code; facility and severity are the header's. A relay may have taken the process off; then only `NTP` could as well be
/// Cisco's.
fn junos<'l>(record: &Record<'l>, code: Code<'l>) -> Option<Code<'l>> {
    // Junos gives each process its number, but for the kernel and its streams (`RT_FLOW`).
    let stream = |app: &str| app.ends_with("kernel") || code::is_junos_tag(app.as_bytes());
    let bare = record.app.is_none() && record.seq.is_none() && !code.printed.starts_with("NTP-");
    (record.pid.is_some() || bare || record.app.is_some_and(stream)).then_some(())?;
    let mut parts = code.printed.splitn(3, '-');
    let (facility, tag) = (parts.next()?, parts.nth(1)?);
    let fits = code::is_junos_facility(facility)
        && tag != "SYSTEM_MSG"
        && code::is_junos_tag(tag.as_bytes());
    fits.then(|| Code::plain(tag, code.severity))
}

fn is_dell(before: &[u8]) -> bool {
    // Each of the marks has one of these; mostly nothing stands before a code.
    if memchr::memchr2(b'%', b'(', before).is_none() {
        return false;
    }
    ["Dell", "%STKUNIT", "%RPM", "OS10"]
        .iter()
        .any(|mark| memchr::memmem::find(before, mark.as_bytes()).is_some())
}

/// The codes of a collector that strips `%`: `LINEPROTO-5-UPDOWN:Line protocol ...`.
fn collector_code(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    if !body.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let mut scan = Scan::new(body);
    // `cpe0089.lga.example.com(vendor2) LINEPROTO-...`: the vendor has been cut off the host before.
    let word = scan.take_while(|byte| !is_blank(byte) && byte != b':');
    if !scan.eat(b':') {
        return None;
    }
    let upper = |byte: &u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    let code = if word.iter().all(upper) {
        code::cisco(text(word)?)?
    } else {
        // `SHELL/5/SHELL_LOGIN:` and `SSH/4/USER_LOGIN(s)[12]:` of Huawei and H3C.
        let end = word.iter().position(|byte| matches!(byte, b'(' | b'['));
        code::slashes(text(&word[..end.unwrap_or(word.len())])?)?
    };
    scan.blanks();
    Some((code, scan.rest))
}

/// `[local] 10.1.1.6 02:00:5e:00:00:01 SITE-1 ALARM-4-PORT_LINK_DOWN: ...` of Ciena: further addresses and the name
/// stand between the first one and the code.
fn named_code<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let mut scan = Scan::new(body);
    let mut behind_mac = false;
    for _ in 0..2 {
        let word = scan.token();
        let is_mac = word.len() == 17 && word.iter().all(|b| b.is_ascii_hexdigit() || *b == b':');
        let fits = |name| behind_mac || host::is_certain(name);
        if !is_mac && !host::name(word).is_some_and(fits) {
            return false;
        }
        behind_mac = is_mac;
        scan.blanks();
        if let Some((code, after)) = collector_code(scan.rest) {
            record.device = host::name(word).filter(|_| !is_mac).or(record.device);
            collected(record, code, after);
            return true;
        }
    }
    false
}

/// Takes a code that bore no mark.
fn collected<'l>(record: &mut Record<'l>, code: Code<'l>, after: &'l [u8]) {
    record.code = Some(code);
    record.message = after;
    if record.format == Format::Rfc3164 || record.format == Format::Unknown {
        record.format = Format::Collector;
    }
}

/// The priority in words between process and text: `rpd[1190]: [daemon.info] RPD_OSPF_NBRDOWN: ...`, `[ID 702911
/// daemon.notice]` of Solaris, `hpe-pvstd[9239] <WARN> Event|5004|...` of AOS-CX.
fn without_priority<'l>(record: &mut Record<'l>, text: &'l [u8]) -> &'l [u8] {
    let mut scan = Scan::new(text);
    let end = match scan.peek() {
        b'[' => b']',
        b'<' => b'>',
        _ => return text,
    };
    scan.skip(1);
    if scan.eat_all(b"ID ") {
        scan.token();
        scan.blanks();
    }
    let word = scan.take_while(|byte| byte != end && !is_blank(byte));
    let named = || level::of(word).filter(|_| end == b'>' && level::is_name(word));
    match level::of_priority(word).or_else(named) {
        Some(level) if scan.eat(end) => {
            scan.blanks();
            record.level = record.level.or(Some(level));
            scan.rest
        }
        _ => text,
    }
}

/// A severity in words before the process: `info audit_forwarder[16218]:`, as F5 prints it.
fn without_level(body: &[u8]) -> &[u8] {
    if !body.first().is_some_and(u8::is_ascii_alphabetic) {
        return body;
    }
    let mut scan = Scan::new(body);
    let word = scan.token();
    if level::is_name(word) && tag::read(scan).is_some() {
        scan.blanks();
        return scan.rest;
    }
    body
}

/// The forms that begin with a number.
fn numbered<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    if let Some((code, after)) = aruba(record, body) {
        record.code = Some(code);
        record.message = after;
        record.format = Format::Aruba;
        return true;
    }
    procurve(record, body) || frames::concentrator(record, body)
}

/// `00179 mgr:  SME SSH from ...`: the number of the event stands before the process.
fn procurve<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    let mut scan = Scan::new(body);
    let Some(_) = scan.number(5, 5) else { return false };
    if !is_blank(scan.peek()) {
        return false;
    }
    let Some(tag) = tag::read(scan) else { return false };
    record.code = text(&body[..5]).map(|number| Code::plain(number, None));
    record.app = Some(tag.name);
    record.pid = tag.pid;
    record.message = tag.after;
    record.format = Format::ProCurve;
    true
}

/// `169 Base SNMP-WARNING-linkDown-2004 [1/1/c1/1]:  Interface ...`.
fn nokia<'l>(record: &mut Record<'l>, body: &'l [u8]) {
    let mut scan = Scan::new(body);
    let seq = scan.number(1, 19);
    // The name of the router instance may hold blanks; the code is the first word of its form.
    for _ in 0..4 {
        scan.blanks();
        if let Some(code) = code::sros(scan.token()) {
            scan.blanks();
            record.seq = seq.or(record.seq);
            record.code = Some(code);
            record.message = scan.rest;
            record.format = Format::SrOs;
            return;
        }
    }
}

/// `<Info:vlan.msgs.portLinkStateUp> text`.
fn exos(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    let mut scan = Scan::new(body.strip_prefix(b"<")?);
    let severity = level::of(scan.take_while(|byte| byte.is_ascii_alphabetic()))?;
    scan.eat(b':').then_some(())?;
    let name = scan.take_while(|byte| byte != b'>' && !is_blank(byte));
    if !scan.eat(b'>') || !name.contains(&b'.') {
        return None;
    }
    scan.blanks();
    Some((Code::plain(text(name)?, Some(severity)), scan.rest))
}

/// `<124198> <4130> <ERRS> <host ip> text`: the message's number in the first brackets, or alone: `124025:  <6414> <NOTI>
/// ...`. The controller's name stands behind the severity.
fn aruba<'l>(record: &mut Record<'l>, body: &'l [u8]) -> Option<(Code<'l>, &'l [u8])> {
    let mut scan = Scan::new(body.strip_prefix(b"<").unwrap_or(body));
    let number = scan.take_while(|byte| byte.is_ascii_digit());
    let marked = scan.eat_all(b"> ") || scan.eat_all(b":  ") || scan.rest.starts_with(b": <");
    if number.len() != 6 || !marked {
        return None;
    }
    scan.eat(b':');
    scan.blanks();
    let mut severity = None;
    while matches!(scan.peek(), b'<' | b'|') {
        let end = if scan.peek() == b'<' { b'>' } else { b'|' };
        scan.skip(1);
        let word = scan.take_while(|byte| byte != end);
        if end == b'>' && severity.is_some() {
            record.device = record.device.or_else(|| host::name(Scan::new(word).token()));
        }
        severity = severity.or(level::of(word).filter(|_| word.len() == 4));
        scan.skip(1);
        scan.blanks();
    }
    Some((Code::plain(text(number)?, severity), scan.rest))
}

/// Codes with their label: `Event|403|LOG_INFO|...` of AOS-CX, `MessageID: LOG007, Message: ...` of iDRAC,
/// `@@306,apChannelChanged,...` of Ruckus.
fn labelled(body: &[u8]) -> Option<(Code<'_>, &[u8])> {
    let plain = |word, after| Some((Code::plain(text(word)?, None), after));
    // In its own file the process stands in the label's place: `|arpmgrd|6101|LOG_INFO|...`.
    let process =
        body.strip_prefix(b"|").and_then(|rest| Some(&rest[memchr::memchr(b'|', rest)? + 1..]));
    if let Some(rest) = body.strip_prefix(b"Event|").or(process) {
        let mut scan = Scan::new(rest);
        let number = scan.take_while(|byte| byte.is_ascii_digit());
        let after = scan.rest.strip_prefix(b"|")?;
        let severity = after.strip_prefix(b"LOG_").and_then(level::of);
        if process.is_some() && severity.is_none() {
            return None;
        }
        return Some((Code::plain(text(number)?, severity), after));
    }
    if let Some(rest) = body.strip_prefix(b"@@") {
        let mut scan = Scan::new(rest);
        scan.number(1, 5)?;
        scan.eat(b',').then_some(())?;
        let name = scan.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return plain(name, scan.rest.strip_prefix(b",")?);
    }
    if body.starts_with(b"Severity: ") {
        const LABEL: &[u8] = b"MessageID: ";
        let at = memchr::memmem::find(body, LABEL)? + LABEL.len();
        let mut scan = Scan::new(&body[at..]);
        let word = scan.take_while(|byte| byte.is_ascii_alphanumeric());
        scan.eat_all(b", Message: ");
        return plain(word, scan.rest);
    }
    None
}

fn is_netiron(app: &str) -> bool {
    const NAMES: &[&str] = &[
        "BGP",
        "BFD",
        "STP",
        "RSTP",
        "MSTP",
        "OSPF",
        "ISIS",
        "VRRP",
        "VSRP",
        "LACP",
        "DOT1X",
        "System",
        "Security",
        "Stack",
        "PoE",
        "CLI",
        "Port",
        "MAC",
        "MPLS",
        "LAG",
        "Trunk",
        "PIM",
        "UDLD",
        "LLDP",
        "FDP",
        "Power",
        "Fan",
        "Temperature",
        "Interface",
        "Lag",
        "NTP",
        "SNMP",
    ];
    NAMES.contains(&app)
}

/// Topics of `RouterOS` (its manual, "Log", topics) that can stand first.
const TOPICS: &str = "account acme async backup bfd bgp bridge calc caps certificate container critical \
    ddns debug dhcp dns dot1x dude e-mail error event evpn fetch firewall gps gsm health hotspot \
    igmp-proxy info interface iot ipsec isdn isis kvm l2tp ldp lora lte manager mme mpls mqtt netwatch \
    ntp ospf ovpn packet pim poe-out ppp pppoe pptp ptp queue radius raw read rip route rsvp script \
    simulator smb snmp ssh sstp state store stp system telnet tftp timer topics update upnp ups vrrp \
    vxlan warning watchdog web-proxy wifi wireguard wireless write zerotier";

/// Whether a word is a list of topics of `RouterOS`: `system,info,account`.
fn is_topics(word: &[u8]) -> bool {
    if memchr::memchr(b',', word).is_none() {
        return false;
    }
    let mut topics = word.split(|&byte| byte == b',');
    let first = topics.next().and_then(text).unwrap_or_default();
    let topic = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    topics.all(|word| !word.is_empty() && word.iter().all(topic))
        && TOPICS.split_ascii_whitespace().any(|known| known == first)
}

/// `system,info,account user admin logged in ...`, with or without a header.
pub(super) fn routeros<'l>(record: &mut Record<'l>, body: &'l [u8]) -> bool {
    // Topics are small letters; most lines begin otherwise.
    if !body.first().is_some_and(u8::is_ascii_lowercase) {
        return false;
    }
    let mut scan = Scan::new(body);
    // A comma shows it before any blank; most words have none.
    let first = body.iter().find(|byte| matches!(byte, b' ' | b',' | b':' | b'=' | b'['));
    if first != Some(&b',') {
        return false;
    }
    let word = scan.token();
    let word = word.strip_suffix(b":").unwrap_or(word);
    if !is_topics(word) {
        return false;
    }
    scan.blanks();
    record.app = text(word);
    record.message = scan.rest;
    record.format = Format::RouterOs;
    true
}
