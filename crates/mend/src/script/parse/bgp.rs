//! A BGP neighbour as a device shows it.

use std::net::IpAddr;

use super::{after, between};
use crate::platform::Platform;

/// A neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::script) struct Peer {
    /// Its address or name, as the device writes it.
    pub(in crate::script) name: String,
    /// Its AS.
    pub(in crate::script) asn: Option<u32>,
    /// What people wrote about it.
    pub(in crate::script) description: String,
    /// The state of the session: `Established`, `Active`, `Idle`.
    pub(in crate::script) state: String,
    /// A person shut it.
    pub(in crate::script) shut: bool,
    /// It sent more prefixes than it may, and stays down until it is cleared.
    pub(in crate::script) over_limit: bool,
    /// Why it went down last, in the device's own words.
    pub(in crate::script) reason: String,
}

/// The command for one.
pub(in crate::script) fn command(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::Ios | Platform::Nxos | Platform::Eos => Some("show ip bgp neighbors {}"),
        Platform::IosXr | Platform::Junos => Some("show bgp neighbor {}"),
        // A neighbour may be known by its interface there.
        Platform::Frr => Some("show bgp neighbors {name}"),
        Platform::Vrp => Some("display bgp peer {ip} verbose"),
        Platform::Sros => Some("show router bgp neighbor {ip}"),
        Platform::Linux => None,
    }
}

/// The command for one in a VRF: the neighbour, then the VRF, whatever their order in the command.
pub(in crate::script) fn command_vrf(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::Ios => Some("show ip bgp vpnv4 vrf {name} neighbors {}"),
        Platform::IosXr => Some("show bgp vrf {name} neighbors {}"),
        Platform::Nxos | Platform::Eos => Some("show ip bgp neighbors {} vrf {name}"),
        Platform::Junos => Some("show bgp neighbor {} instance {name}"),
        Platform::Frr => Some("show bgp vrf {name} neighbors {name}"),
        Platform::Vrp => Some("display bgp vpnv4 vpn-instance {name} peer {ip} verbose"),
        // There an instance is a service, which has a number.
        Platform::Sros | Platform::Linux => None,
    }
}

/// Whether the VRF stands before the neighbour in [`command_vrf`].
pub(in crate::script) fn vrf_is_first(platform: Platform) -> bool {
    matches!(platform, Platform::Ios | Platform::IosXr | Platform::Frr | Platform::Vrp)
}

/// The neighbour of this name in what the device showed.
pub(in crate::script) fn parse(platform: Platform, name: &str, text: &str) -> Option<Peer> {
    let mut found = None;
    let mut rest = text;
    // An answer may hold several neighbours, as one address can be one in several instances.
    while let Some((start, head)) = headline(platform, rest) {
        let block = &rest[start..];
        let first = block.find('\n').map_or(block.len(), |end| end + 1);
        let end = headline(platform, &block[first..]).map_or(block.len(), |(next, _)| first + next);
        if same(&head, name) && found.is_none() {
            found = Some(peer(platform, head, &block[..end]));
        }
        rest = &block[end..];
    }
    found
}

/// Where the next neighbour begins, and its name.
fn headline(platform: Platform, text: &str) -> Option<(usize, String)> {
    let label = match platform {
        Platform::Junos => "Peer: ",
        Platform::Vrp => "BGP Peer is ",
        Platform::Sros => "Peer                 : ",
        _ => "BGP neighbor is ",
    };
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some(rest) = line.trim_start().strip_prefix(label) {
            let name = rest.split([',', ' ', '+', '\n']).next().unwrap_or_default().trim();
            // FRR: `BGP neighbor on swp1: fe80::1, ...` has a label of its own.
            return Some((offset, name.to_owned()));
        }
        if let Some(rest) = line.trim_start().strip_prefix("BGP neighbor on ") {
            let name = rest.split(':').next().unwrap_or_default().trim();
            return Some((offset, name.to_owned()));
        }
        offset += line.len();
    }
    None
}

fn same(shown: &str, asked: &str) -> bool {
    match (shown.parse::<IpAddr>(), asked.parse::<IpAddr>()) {
        (Ok(shown), Ok(asked)) => shown == asked,
        _ => shown == asked,
    }
}

fn peer(platform: Platform, name: String, block: &str) -> Peer {
    let asn = ["remote AS ", "Remote AS ", "Peer AS              : ", " AS "]
        .iter()
        .find_map(|label| asn_behind(block, label));
    let state = if platform == Platform::Junos {
        between(block, "State: ", " ").unwrap_or_default()
    } else {
        let labels =
            ["BGP state = ", "BGP state is ", "BGP current state: ", "State                : "];
        let state = labels.iter().find_map(|label| after(block, label));
        state.and_then(|state| state.split([',', ' ', '(']).next()).unwrap_or_default()
    };
    let lower = block.to_ascii_lowercase();
    let said = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    let shut = said(&[
        "administratively shut down",
        "idle (admin)",
        "idle(admin)",
        "shut (admin)",
        "administrative shutdown",
        "(shut)",
    ]) || (platform == Platform::Junos
        && after(block, "Options:").is_some_and(|it| it.contains("Shutdown")));
    let over_limit = state != "Established"
        && said(&[
            "exceeded the max. no. of prefixes",
            "exceeded max",
            "pfxct",
            "pfx ct",
            "prefix limit exceeded",
            "exceeded prefix limit",
            "exceeding maximum prefix",
            "exceeded the maximum number of",
            "exceeded maximum number of",
            "prefix overflow",
            "max-prefix limit",
        ]);
    let reason = ["Last reset ", "Last Error: ", "Peer reset reason: ", "Last Error           : "]
        .iter()
        .find_map(|label| {
            let said = after(block, label)?;
            // `Last reset 00:01:02, due to ...`, or without the words, as FRR has it.
            let why = match said.split_once("due to ") {
                Some((_, why)) => why,
                None if label.starts_with("Last reset") => {
                    said.split_once(',').map_or(said, |(_, why)| why)
                }
                None => said,
            };
            Some(why.trim())
        });
    Peer {
        name,
        asn,
        description: after(block, "Description:").unwrap_or_default().to_owned(),
        state: state.trim_end_matches(',').to_owned(),
        shut,
        over_limit,
        reason: reason.unwrap_or_default().to_owned(),
    }
}

/// The AS behind a label: `65001`, or `1.10` in the dotted form of RFC 5396.
fn asn_behind(block: &str, label: &str) -> Option<u32> {
    let behind = &block[block.find(label)? + label.len()..];
    let word = behind.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    match word.split_once('.') {
        None => word.parse().ok(),
        Some((high, low)) => {
            let (high, low): (u32, u32) = (high.parse().ok()?, low.parse().ok()?);
            (high < 65_536 && low < 65_536).then(|| high * 65_536 + low)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(platform: Platform, name: &str, text: &str) -> Peer {
        parse(platform, name, text).unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn ios() {
        let text = "\
BGP neighbor is 10.0.0.2,  remote AS 65002, external link
 Description: isp a
  BGP version 4, remote router ID 0.0.0.0
  BGP state = Idle
  Neighbor sessions:
    0 active, is not multisession capable (disabled)
  Last reset 00:01:02, due to Peer over prefix limit of session 1
  Peer had exceeded the max. no. of prefixes configured.
  Reduce the no. of prefix and clear the peering.
BGP neighbor is 10.0.0.3,  remote AS 65003, external link
  BGP state = Established, up for 1d02h
";
        let peer = read(Platform::Ios, "10.0.0.2", text);
        assert_eq!((peer.asn, peer.state.as_str(), peer.shut), (Some(65002), "Idle", false));
        assert!(peer.over_limit);
        assert_eq!(peer.description, "isp a");
        assert_eq!(peer.reason, "Peer over prefix limit of session 1");
        let other = read(Platform::Ios, "10.0.0.3", text);
        assert_eq!((other.state.as_str(), other.over_limit), ("Established", false));
        assert_eq!(parse(Platform::Ios, "10.0.0.4", text), None);
        let shut = "BGP neighbor is 10.0.0.2,  remote AS 65002, external link\n Administratively shut down\n  BGP state = Idle\n";
        assert!(read(Platform::Ios, "10.0.0.2", shut).shut);
    }

    #[test]
    fn vrp_and_sros() {
        let text = "\
         BGP Peer is 10.1.1.2,  remote AS 65002
         Type: EBGP link
         BGP version 4, Remote router ID 0.0.0.0
         BGP current state: Idle
         BGP current event: ManualStop
         BGP last state: Established
         BGP Peer is 10.1.1.3,  remote AS 65003
         BGP current state: Established, Up for 00h57m53s
";
        let peer = read(Platform::Vrp, "10.1.1.2", text);
        assert_eq!((peer.asn, peer.state.as_str(), peer.shut), (Some(65_002), "Idle", false));
        let peer = read(Platform::Vrp, "10.1.1.3", text);
        assert_eq!((peer.asn, peer.state.as_str()), (Some(65_003), "Established"));
        let text = "\
-------------------------------------------------------------------------------
Peer                 : 192.168.0.1
Description          : route reflector
Group                : ibgp
-------------------------------------------------------------------------------
Peer AS              : 65000            Peer Port            : 179
Peer Address         : 192.168.0.1
Local AS             : 65001            Local Port           : 53472
State                : Active           Last State           : Idle
Last Event           : recvOpen
Last Error           : Hold Timer Expire
";
        let peer = read(Platform::Sros, "192.168.0.1", text);
        assert_eq!((peer.asn, peer.state.as_str()), (Some(65_000), "Active"));
        assert_eq!(peer.reason, "Hold Timer Expire");
    }

    #[test]
    fn nxos_and_eos() {
        let text = "\
BGP neighbor is 10.0.13.2, remote AS 1.10, ebgp link, Peer index 3
  Description: leaf
  BGP version 4, remote router ID 0.0.0.0
  BGP state = Idle (Admin), down for 00:10:01, retry in 0.000000
";
        let peer = read(Platform::Nxos, "10.0.13.2", text);
        assert_eq!((peer.state.as_str(), peer.shut, peer.asn), ("Idle", true, Some(65_546)));
        let text = "\
BGP neighbor is 10.0.13.2, remote AS 65002, external link
  BGP version 4, remote router ID 0.0.0.0, VRF default
  BGP state is Active
  Last rcvd socket-error:Connection refused
";
        let peer = read(Platform::Eos, "10.0.13.2", text);
        assert_eq!((peer.state.as_str(), peer.shut, peer.over_limit), ("Active", false, false));
    }

    #[test]
    fn junos() {
        let text = "\
Peer: 10.0.0.2+179 AS 65002    Local: 10.0.0.1+54321 AS 65001
  Description: isp a
  Group: ISP                   Routing-Instance: master
  Type: External    State: Idle           Flags: <>
  Last State: Active        Last Event: Stop
  Last Error: Hold Timer Expired Error
  Options: <AddressFamily PeerAS Refresh Shutdown>
";
        let peer = read(Platform::Junos, "10.0.0.2", text);
        assert_eq!((peer.state.as_str(), peer.asn), ("Idle", Some(65002)));
        assert!(peer.shut);
        assert_eq!(peer.reason, "Hold Timer Expired Error");
    }

    #[test]
    fn frr() {
        let text = "\
BGP neighbor on peerlink: fe80::1, remote AS 65002, local AS 65001, external link
  BGP version 4, remote router ID 10.0.0.2, local router ID 10.0.0.1
  BGP state = Established, up for 00:01:00
BGP neighbor is 2001:db8::2, remote AS 65003, local AS 65001, external link
  BGP state = Idle
  Peer had exceeded the max. no. of prefixes configured.
  Reduce the no. of prefix and clear bgp 2001:db8::2 to restore peering
  Last reset 00:00:05,  Notification sent (Cease/Maximum Number of Prefixes Reached)
";
        assert_eq!(read(Platform::Frr, "peerlink", text).state, "Established");
        let peer = read(Platform::Frr, "2001:DB8:0::2", text);
        assert!(peer.over_limit && !peer.shut);
        assert_eq!(peer.asn, Some(65003));
    }

    #[test]
    fn what_frr_shows_of_a_neighbour_that_sent_too_many_prefixes() {
        // `show bgp neighbors 10.0.0.2` of FRRouting 8.4.4, `maximum-prefix 2`, after four prefixes.
        let text = include_str!("bgp/frr-8.4-over-limit.txt");
        let peer = read(Platform::Frr, "10.0.0.2", text);
        assert_eq!((peer.state.as_str(), peer.over_limit, peer.shut), ("Idle", true, false));
        assert_eq!(peer.reason, "Notification sent (Cease/Maximum Number of Prefixes Reached)");
    }

    #[test]
    fn any_text_is_read_without_harm() {
        proptest::proptest!(|(text in "(BGP neighbor (is|on) |Peer: )?[ a-zA-Z0-9:=,.+\\n]{0,200}")| {
            for platform in Platform::ALL {
                parse(platform, "10.0.0.2", &text);
            }
        });
    }
}
