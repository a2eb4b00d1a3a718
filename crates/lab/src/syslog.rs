//! Syslog lines as real devices write them: a small network of several makes whose links, peers and people
//! come and go. It sends nothing and knows no socket; the same seed and times give the same lines.

use std::fmt::Write;

use fastrand::Rng;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use model::UnixMs;

/// What a device runs; it decides how its lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// Cisco IOS.
    Ios,
    /// Cisco IOS XR.
    IosXr,
    /// Cisco NX-OS.
    NxOs,
    /// Cisco ASA.
    Asa,
    /// Arista EOS.
    Eos,
    /// Junos, plain.
    Junos,
    /// Junos, structured (RFC 5424).
    JunosStructured,
    /// Huawei VRP.
    Vrp,
    /// Nokia SR OS.
    SrOs,
    /// FRR on Linux.
    Frr,
}

impl Make {
    /// All of them.
    pub const ALL: [Make; 10] = [
        Make::Ios,
        Make::IosXr,
        Make::NxOs,
        Make::Asa,
        Make::Eos,
        Make::Junos,
        Make::JunosStructured,
        Make::Vrp,
        Make::SrOs,
        Make::Frr,
    ];

    /// How its devices are named.
    fn prefix(self) -> &'static str {
        match self {
            Make::Ios => "access",
            Make::IosXr => "pe",
            Make::NxOs => "leaf",
            Make::Asa => "fw",
            Make::Eos => "spine",
            Make::Junos => "mx",
            Make::JunosStructured => "srx",
            Make::Vrp => "agg",
            Make::SrOs => "core",
            Make::Frr => "edge",
        }
    }
}

/// A device with what it remembers.
#[derive(Debug)]
struct Device {
    name: String,
    make: Make,
    seq: u64,
    /// Its links; `true` is down.
    down: [bool; 8],
    /// Its BGP peers; `true` is down.
    lost: [bool; 4],
}

/// Writes lines of a simulated network, one after the other.
#[derive(Debug)]
pub struct Generator {
    devices: Vec<Device>,
    random: Rng,
    /// Time of the last line, in both forms: most lines of a moment share it.
    moment: Option<(i64, Zoned)>,
}

impl Generator {
    /// A network of so many devices, at least one, of all makes in turn.
    pub fn new(seed: u64, devices: usize) -> Self {
        let device = |number: usize| {
            let make = Make::ALL[number % Make::ALL.len()];
            let name = format!("{}{}.lab.example", make.prefix(), number / Make::ALL.len() + 1);
            Device { name, make, seq: 1, down: [false; 8], lost: [false; 4] }
        };
        let devices = (0..devices.max(1)).map(device).collect();
        Self { devices, random: Rng::with_seed(seed), moment: None }
    }

    /// The names of its devices.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|device| device.name.as_str())
    }

    /// Appends the next line, without a line end.
    pub fn line(&mut self, now: UnixMs, out: &mut String) {
        let now = self.time(now);
        let device = self.random.usize(..self.devices.len());
        let happening = Happening::choose(&mut self.random, &mut self.devices[device]);
        let device = &mut self.devices[device];
        device.seq += 1;
        let written = match device.make {
            Make::Ios => ios(out, device, &now, &happening),
            Make::IosXr => iosxr(out, device, &now, &happening),
            Make::NxOs => nxos(out, device, &now, &happening),
            Make::Asa => asa(out, device, &now, &happening),
            Make::Eos => eos(out, device, &now, &happening),
            Make::Junos => junos(out, device, &now, &happening),
            Make::JunosStructured => structured(out, device, &now, &happening),
            Make::Vrp => vrp(out, device, &now, &happening),
            Make::SrOs => sros(out, device, &now, &happening),
            Make::Frr => frr(out, device, &now, &happening),
        };
        written.expect("a String takes every write");
    }

    fn time(&mut self, now: UnixMs) -> Zoned {
        match &self.moment {
            Some((at, time)) if *at == now.0 => time.clone(),
            _ => {
                let time = Timestamp::from_millisecond(now.0).unwrap_or_default();
                let time = time.to_zoned(TimeZone::UTC);
                self.moment = Some((now.0, time.clone()));
                time
            }
        }
    }
}

/// What happens on a device.
enum Happening {
    /// A link went down or came up.
    Link(usize, bool),
    /// A BGP peer was lost or is back.
    Peer(usize, bool),
    /// Somebody logged in.
    Login(&'static str, u8),
    /// Somebody changed the configuration.
    Configured(&'static str, u8),
    /// A packet was dropped by a filter.
    Denied(u8, u8, u16),
}

impl Happening {
    /// Chatter mostly; a fault is followed by its end sooner or later.
    fn choose(random: &mut Rng, device: &mut Device) -> Self {
        const PEOPLE: [&str; 4] = ["admin", "bob", "netops", "ansible"];
        let person = PEOPLE[random.usize(..PEOPLE.len())];
        match random.u8(..20) {
            0..3 => {
                let link = random.usize(..device.down.len());
                device.down[link] ^= true;
                Happening::Link(link, device.down[link])
            }
            3..5 => {
                let peer = random.usize(..device.lost.len());
                device.lost[peer] ^= true;
                Happening::Peer(peer, device.lost[peer])
            }
            5..9 => Happening::Login(person, random.u8(1..255)),
            9..11 => Happening::Configured(person, random.u8(1..255)),
            _ => Happening::Denied(random.u8(1..255), random.u8(1..255), random.u16(1024..)),
        }
    }
}

fn word(down: bool) -> &'static str {
    if down { "down" } else { "up" }
}

/// `Nov 22 02:00:00.123`.
fn bsd(now: &Zoned) -> String {
    format!("{}.{:03}", now.strftime("%b %e %H:%M:%S"), now.millisecond())
}

/// `%CODE: text` as the Cisco-like makes share it: the priority's severity, code and text.
fn cisco(what: &Happening, port: &str) -> (u8, &'static str, String) {
    match what {
        Happening::Link(link, down) => (
            3,
            "LINK-3-UPDOWN",
            format!("Interface {port}{link}, changed state to {}", word(*down)),
        ),
        Happening::Peer(peer, true) => {
            (5, "BGP-5-ADJCHANGE", format!("neighbor 10.255.0.{peer} Down BGP Notification sent"))
        }
        Happening::Peer(peer, false) => {
            (5, "BGP-5-ADJCHANGE", format!("neighbor 10.255.0.{peer} Up"))
        }
        Happening::Login(who, from) => (
            5,
            "SEC_LOGIN-5-LOGIN_SUCCESS",
            format!("Login Success [user: {who}] [Source: 10.9.0.{from}] [localport: 22]"),
        ),
        Happening::Configured(who, from) => (
            5,
            "SYS-5-CONFIG_I",
            format!("Configured from console by {who} on vty0 (10.9.0.{from})"),
        ),
        Happening::Denied(a, b, port) => (
            6,
            "SEC-6-IPACCESSLOGP",
            format!("list EDGE-IN denied tcp 192.0.2.{a}({port}) -> 10.0.0.{b}(22), 1 packet"),
        ),
    }
}

fn ios(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, code, text) = cisco(what, "GigabitEthernet0/");
    let (priority, seq, name) = (184 + severity, device.seq, &device.name);
    write!(out, "<{priority}>{seq}: {name}: {} UTC: %{code}: {text}", bsd(now))
}

fn iosxr(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (app, code, severity, text) = match what {
        Happening::Link(link, down) => (
            "ifmgr[213]",
            "PKT_INFRA-LINK-3-UPDOWN",
            3,
            format!("Interface HundredGigE0/0/0/{link}, changed state to {}", word(*down)),
        ),
        Happening::Peer(peer, down) => (
            "bgp[1051]",
            "ROUTING-BGP-5-ADJCHANGE",
            5,
            format!(
                "neighbor 10.255.0.{peer} {} (VRF: default) (AS: 65010)",
                if *down { "Down" } else { "Up" }
            ),
        ),
        other => {
            let (severity, _, text) = cisco(other, "");
            ("config[65710]", "MGBL-SYS-5-CONFIG_I", severity, text)
        }
    };
    let (priority, seq, name) = (184 + severity, device.seq, &device.name);
    write!(
        out,
        "<{priority}>{seq}: {name} RP/0/RSP0/CPU0:{} UTC: {app}: %{code} : {text}",
        bsd(now)
    )
}

fn nxos(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, code, text) = match what {
        Happening::Link(link, true) => (
            5,
            "ETHPORT-5-IF_DOWN_LINK_FAILURE",
            format!("Interface Ethernet1/{link} is down (Link failure)"),
        ),
        Happening::Link(link, false) => {
            (5, "ETHPORT-5-IF_UP", format!("Interface Ethernet1/{link} is up in mode trunk"))
        }
        other => cisco(other, ""),
    };
    let time = now.strftime("%Y %b %e %H:%M:%S");
    write!(out, "<{}>{}: {time} UTC: %{code}: {text}", 184 + severity, device.name)
}

fn asa(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, number, text) = match what {
        Happening::Link(link, true) => (
            4,
            411_002,
            format!("Line protocol on Interface GigabitEthernet0/{link}, changed state to down"),
        ),
        Happening::Link(link, false) => (
            4,
            411_001,
            format!("Line protocol on Interface GigabitEthernet0/{link}, changed state to up"),
        ),
        Happening::Peer(peer, _) => {
            (3, 418_001, format!("BGP peer 10.255.0.{peer}: connection changed"))
        }
        Happening::Login(who, from) => (
            6,
            605_005,
            format!(
                "Login permitted from 10.9.0.{from}/51000 to inside:10.0.0.1/ssh for user \"{who}\""
            ),
        ),
        Happening::Configured(who, _) => {
            (5, 111_008, format!("User '{who}' executed the 'write memory' command."))
        }
        Happening::Denied(a, b, port) => (
            4,
            106_023,
            format!(
                "Deny tcp src outside:192.0.2.{a}/{port} dst inside:10.0.0.{b}/22 by access-group \"outside_in\""
            ),
        ),
    };
    let time = now.strftime("%b %d %Y %H:%M:%S");
    write!(out, "<{}>{time} {} : %ASA-{severity}-{number}: {text}", 160 + severity, device.name)
}

fn eos(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, code, text) = match what {
        Happening::Link(link, down) => (
            5,
            "LINEPROTO-5-UPDOWN",
            format!("Line protocol on Interface Ethernet{link}, changed state to {}", word(*down)),
        ),
        Happening::Peer(peer, down) => (
            5,
            "BGP-5-ADJCHANGE",
            format!(
                "peer 10.255.0.{peer} (VRF default AS 65001) old state {}",
                if *down {
                    "Established event Stop new state Idle"
                } else {
                    "OpenConfirm event Established new state Established"
                }
            ),
        ),
        other => cisco(other, ""),
    };
    let agent = if matches!(what, Happening::Peer(..)) { "Bgp" } else { "Ebra" };
    let time = now.strftime("%b %e %H:%M:%S");
    write!(out, "<{}>{time} {} {agent}: %{code}: {text}", 160 + severity, device.name)
}

/// Process, tag and text of Junos.
fn junos_parts(what: &Happening) -> (u8, &'static str, &'static str, String) {
    match what {
        Happening::Link(link, true) => (
            4,
            "mib2d[2870]",
            "SNMP_TRAP_LINK_DOWN",
            format!(
                "ifIndex 50{link}, ifAdminStatus up(1), ifOperStatus down(2), ifName ge-0/0/{link}"
            ),
        ),
        Happening::Link(link, false) => (
            6,
            "mib2d[2870]",
            "SNMP_TRAP_LINK_UP",
            format!(
                "ifIndex 50{link}, ifAdminStatus up(1), ifOperStatus up(1), ifName ge-0/0/{link}"
            ),
        ),
        Happening::Peer(peer, down) => (
            4,
            "rpd[2902]",
            "RPD_BGP_NEIGHBOR_STATE_CHANGED",
            format!(
                "BGP peer 10.255.0.{peer} (External AS 65002) changed state from {} (instance master)",
                if *down {
                    "Established to Idle (event HoldTime)"
                } else {
                    "OpenConfirm to Established (event RecvKeepAlive)"
                }
            ),
        ),
        Happening::Login(who, from) => (
            6,
            "sshd[31411]",
            "SSHD_LOGIN",
            format!("Accepted publickey for {who} from 10.9.0.{from} port 51000 ssh2"),
        ),
        Happening::Configured(who, _) => {
            (5, "mgd[4102]", "UI_COMMIT_COMPLETED", format!("commit complete by {who}"))
        }
        Happening::Denied(a, b, port) => (
            6,
            "rpd[2902]",
            "PFE_FW_SYSLOG_IP",
            format!("FW: ge-0/0/0.0 D tcp 192.0.2.{a} 10.0.0.{b} {port} 22 (1 packets)"),
        ),
    }
}

fn junos(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, app, tag, text) = junos_parts(what);
    let time = now.strftime("%b %e %H:%M:%S");
    write!(out, "<{}>{time}  {} {app}: {tag}: {text}", 24 + severity, device.name)
}

fn structured(
    out: &mut String,
    device: &Device,
    now: &Zoned,
    what: &Happening,
) -> std::fmt::Result {
    let (severity, app, tag, text) = junos_parts(what);
    let app = app.split('[').next().unwrap_or(app);
    let (priority, name) = (24 + severity, &device.name);
    let time = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    write!(
        out,
        "<{priority}>1 {time} {name} {app} 8956 {tag} [junos@2636.1.1.1.2.135 unit=\"0\"] {text}"
    )
}

fn vrp(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, module, mnemonic, text) = match what {
        Happening::Link(link, down) => (
            4,
            "IFNET",
            "IF_STATE",
            format!(
                "Interface GigabitEthernet0/0/{link} has turned into {} state.",
                word(*down).to_uppercase()
            ),
        ),
        Happening::Peer(peer, down) => (
            3,
            "BGP",
            "STATE_CHG_UPDOWN",
            format!(
                "The status of the peer 10.255.0.{peer} changed from {}.",
                if *down { "ESTABLISHED to IDLE" } else { "OPENCONFIRM to ESTABLISHED" }
            ),
        ),
        Happening::Login(who, from) => {
            (4, "SSH", "SSH_LOGIN", format!("User {who} logged in from 10.9.0.{from}."))
        }
        Happening::Configured(who, _) => {
            (5, "SHELL", "CMDRECORD", format!("Recorded command: User={who}, Command=\"save\""))
        }
        Happening::Denied(a, b, port) => {
            (6, "ACL", "DENY", format!("192.0.2.{a}:{port} to 10.0.0.{b}:22 was denied"))
        }
    };
    let (priority, name, seq) = (184 + severity, &device.name, device.seq);
    let time = now.strftime("%b %e %Y %H:%M:%S");
    write!(out, "<{priority}>{time} {name} %%01{module}/{severity}/{mnemonic}(l)[{seq}]:{text}")
}

fn sros(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, event, subject, text) = match what {
        Happening::Link(link, true) => (
            4,
            "SNMP-WARNING-linkDown-2004",
            format!("1/1/{link}"),
            format!("Interface 1/1/{link} is not operational"),
        ),
        Happening::Link(link, false) => (
            4,
            "SNMP-WARNING-linkUp-2005",
            format!("1/1/{link}"),
            format!("Interface 1/1/{link} is operational"),
        ),
        Happening::Peer(peer, true) => (
            4,
            "BGP-WARNING-bgpBackwardTransNotification-2002",
            format!("Peer 1: 10.255.0.{peer}"),
            format!(
                "Peer 1: 10.255.0.{peer}: moved from higher state ESTABLISHED to lower state IDLE due to event HOLD TIMER EXPIRED"
            ),
        ),
        Happening::Peer(peer, false) => (
            4,
            "BGP-WARNING-bgpEstablishedNotification-2001",
            format!("Peer 1: 10.255.0.{peer}"),
            format!("Peer 1: 10.255.0.{peer}: moved into established state"),
        ),
        Happening::Login(who, from) => (
            6,
            "USER-MINOR-ssh_user_login-2001",
            format!("User {who}"),
            format!("User {who} from 10.9.0.{from} logged in"),
        ),
        Happening::Configured(..) | Happening::Denied(..) => (
            5,
            "SYSTEM-WARNING-ssiSaveConfigSucceeded-2002",
            "Configuration Save Succeeds".to_owned(),
            "Configuration file saved to: cf3:\\config.cfg".to_owned(),
        ),
    };
    let (name, seq, time) = (&device.name, device.seq, now.strftime("%b %e %H:%M:%S"));
    write!(out, "<{}>{time} {name} TMNX: {seq} Base {event} [{subject}]:  {text}", 184 + severity)
}

fn frr(out: &mut String, device: &Device, now: &Zoned, what: &Happening) -> std::fmt::Result {
    let (severity, app, text) = match what {
        Happening::Link(link, down) => {
            (6, "zebra[811]", format!("[PWTSZ-5NSGE] interface swp{link} is {}", word(*down)))
        }
        Happening::Peer(peer, true) => (
            6,
            "bgpd[846]",
            format!(
                "%ADJCHANGE: neighbor 10.255.0.{peer}(spine1) in vrf default Down Interface down"
            ),
        ),
        Happening::Peer(peer, false) => (
            6,
            "bgpd[846]",
            format!("%ADJCHANGE: neighbor 10.255.0.{peer}(spine1) in vrf default Up"),
        ),
        Happening::Login(who, from) => (
            6,
            "sshd[9022]",
            format!("Accepted publickey for {who} from 10.9.0.{from} port 51000 ssh2"),
        ),
        Happening::Configured(who, _) => {
            (6, "watchfrr[790]", format!("configuration written by {who}"))
        }
        Happening::Denied(a, b, port) => (
            4,
            "kernel",
            format!("IN=swp1 OUT= SRC=192.0.2.{a} DST=10.0.0.{b} PROTO=TCP SPT={port} DPT=22"),
        ),
    };
    let time = now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
    write!(out, "<{}>{time} {} {app}: {text}", 24 + severity, device.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(seed: u64, count: usize) -> Vec<String> {
        let mut generator = Generator::new(seed, 20);
        let line = |at: i64| {
            let mut line = String::new();
            generator.line(UnixMs(at), &mut line);
            line
        };
        (1_763_776_800_000..).take(count).map(line).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_lines_and_another_one_others() {
        assert_eq!(lines(1, 100), lines(1, 100));
        assert_ne!(lines(1, 100), lines(2, 100));
    }

    #[test]
    fn lines_are_of_all_makes_and_have_no_line_end_in_them() {
        let lines = lines(7, 1000);
        for make in Make::ALL {
            let name = format!("{}1.lab.example", make.prefix());
            assert!(lines.iter().any(|line| line.contains(&name)), "{make:?}");
        }
        assert!(lines.iter().all(|line| line.starts_with('<') && !line.contains('\n')));
    }

    #[test]
    fn a_link_that_goes_down_comes_up_before_it_goes_down_again() {
        let mut down = std::collections::HashSet::new();
        for line in lines(3, 20_000).iter().filter(|line| line.contains("LINK-3-UPDOWN")) {
            let key = line.split(['>', ':']).find(|part| part.contains("lab")).unwrap().to_owned()
                + line.split("Interface ").nth(1).unwrap().split(',').next().unwrap();
            if line.ends_with("down") {
                assert!(down.insert(key), "{line}");
            } else {
                assert!(down.remove(&key), "{line}");
            }
        }
    }
}
