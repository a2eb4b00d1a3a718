//! What a line says, borrowed from the line. It must own no text: a million lines a second pass here.

use super::code::Code;
use super::repeated;
use super::stamp::{DeviceTime, TimeQuality};

/// The family a line's header belongs to. It says how the line was read, not which product sent it:
/// NX-OS lines relayed by a Linux box may look like EOS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Cisco IOS and IOS XE.
    Ios,
    /// Cisco IOS XR.
    IosXr,
    /// Cisco NX-OS and ACI.
    NxOs,
    /// Cisco ASA, Firepower, PIX and FWSM.
    Asa,
    /// Cisco Viptela.
    Viptela,
    /// Cisco Meraki.
    Meraki,
    /// Arista EOS.
    Eos,
    /// Junos with plain text.
    Junos,
    /// Junos with structured data.
    JunosStructured,
    /// Huawei VRP.
    Vrp,
    /// H3C and HP Comware.
    Comware,
    /// HP and Aruba `ProCurve`.
    ProCurve,
    /// Aruba mobility controllers.
    Aruba,
    /// Nokia SR OS.
    SrOs,
    /// `MikroTik` `RouterOS`.
    RouterOs,
    /// FRR and what is built on it.
    Frr,
    /// Brocade and Ruckus switches.
    NetIron,
    /// Extreme EXOS.
    Exos,
    /// Dell OS9 and OS10.
    DellOs,
    /// F5 BIG-IP.
    F5,
    /// Key-value pairs: `FortiOS`, `SonicWall`, Sophos, Check Point.
    Pairs,
    /// Palo Alto's CSV.
    PanOs,
    /// `ArcSight` CEF.
    Cef,
    /// `QRadar` LEEF.
    Leef,
    /// Opengear console servers.
    Opengear,
    /// A collector's file: time, host and vendor in parentheses, code without `%`.
    Collector,
    /// JSON.
    Json,
    /// A header that a user described.
    Custom,
    /// RFC 5424, from anything.
    Rfc5424,
    /// RFC 3164, from anything.
    Rfc3164,
    /// None of them: the line is its own message.
    #[default]
    Unknown,
}

impl Format {
    /// The word that `netmend syslog parse` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::IosXr => "iosxr",
            Self::NxOs => "nxos",
            Self::Asa => "asa",
            Self::Viptela => "viptela",
            Self::Meraki => "meraki",
            Self::Eos => "eos",
            Self::Junos => "junos",
            Self::JunosStructured => "junos-structured",
            Self::Vrp => "vrp",
            Self::Comware => "comware",
            Self::ProCurve => "procurve",
            Self::Aruba => "aruba",
            Self::SrOs => "sros",
            Self::RouterOs => "routeros",
            Self::Frr => "frr",
            Self::NetIron => "netiron",
            Self::Exos => "exos",
            Self::DellOs => "dellos",
            Self::F5 => "f5",
            Self::Pairs => "pairs",
            Self::PanOs => "panos",
            Self::Cef => "cef",
            Self::Leef => "leef",
            Self::Opengear => "opengear",
            Self::Collector => "collector",
            Self::Json => "json",
            Self::Custom => "custom",
            Self::Rfc5424 => "rfc5424",
            Self::Rfc3164 => "rfc3164",
            Self::Unknown => "unknown",
        }
    }
}

/// A line, understood as far as it goes. Everything borrows from the line.
#[derive(Clone, Copy, Debug)]
pub struct Record<'l> {
    /// How the header was read.
    pub format: Format,
    /// Who spoke, in its own words. Where a relay put a header of its own before the device's, this is
    /// the device's; see [`Record::host`] for whom to believe.
    pub device: Option<&'l str>,
    /// The host in the outer header, where the line holds two.
    pub relay: Option<&'l str>,
    /// Process, daemon or topic that spoke on the device.
    pub app: Option<&'l str>,
    /// What stood in brackets behind it: mostly a number.
    pub pid: Option<&'l str>,
    /// The device's count of messages; of two counts the one nearest to the message.
    pub seq: Option<u64>,
    /// The number between `<` and `>`: facility and severity (RFC 5424, section 6.2.1), 0 to 191.
    pub priority: Option<u8>,
    /// Severity in the line's own words, where it has no priority: `level=warning`.
    pub level: Option<u8>,
    /// Which message it is.
    pub code: Option<Code<'l>>,
    /// How many times more the message came, where a relay tells it of several at once.
    pub repeated: u32,
    /// When the device says that it happened.
    pub time: Option<DeviceTime<'l>>,
    /// Structured data with its brackets (RFC 5424, section 6.3); empty where there is none.
    pub structured: &'l [u8],
    /// What is left: the text for people.
    pub message: &'l [u8],
    /// The line as received, without its line end.
    pub raw: &'l [u8],
}

impl<'l> Record<'l> {
    /// A record that knows nothing but its bytes.
    pub(super) fn new(raw: &'l [u8]) -> Self {
        Self {
            format: Format::Unknown,
            device: None,
            relay: None,
            app: None,
            pid: None,
            seq: None,
            priority: None,
            level: None,
            code: None,
            repeated: 0,
            time: None,
            structured: &[],
            message: raw,
            raw,
        }
    }

    /// Facility, 0 to 23 (RFC 5424, section 6.2.1).
    pub fn facility(&self) -> Option<u8> {
        self.priority.map(|priority| priority >> 3)
    }

    /// How many times more the last message of the same device came, if the line says nothing else.
    pub fn repeats_last(&self) -> Option<u32> {
        repeated::last(self.message)
    }

    /// Severity, 0 (emergency) to 7 (debug): the header's, else the code's, else that in words.
    pub fn severity(&self) -> Option<u8> {
        let of_code = self.code.and_then(|code| code.severity);
        self.priority.map(|priority| priority & 7).or(of_code).or(self.level)
    }

    /// How far the device's time can be trusted.
    pub fn quality(&self) -> TimeQuality {
        match &self.time {
            None => TimeQuality::None,
            Some(DeviceTime::Uptime(_)) => TimeQuality::Uptime,
            Some(DeviceTime::Wall(stamp)) => stamp.quality(),
        }
    }

    /// The host to believe. A line from a trusted relay is believed in the header that the relay itself
    /// wrote, since anybody can write the inner one; from elsewhere a line's only word is its own.
    pub fn host(&self, from_trusted_relay: bool) -> Option<&'l str> {
        match self.relay {
            Some(relay) if from_trusted_relay => Some(relay),
            _ => self.device,
        }
    }
}
