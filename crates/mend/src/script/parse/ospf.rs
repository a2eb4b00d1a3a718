//! An OSPF neighbour as a device shows it: a row of a table whose columns differ, and whose words tell what
//! they are.

use std::net::IpAddr;

use super::{after, between};
use crate::platform::Platform;

/// A neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::script) struct Neighbor {
    /// Its router id.
    pub(in crate::script) id: String,
    /// Its address.
    pub(in crate::script) address: String,
    /// Our interface towards it.
    pub(in crate::script) interface: String,
    /// `FULL`, `EXSTART`, `DOWN` ...; upper case.
    pub(in crate::script) state: String,
}

/// The command for all.
pub(in crate::script) fn command(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::Ios | Platform::Nxos | Platform::Eos | Platform::Frr => {
            Some("show ip ospf neighbor")
        }
        Platform::IosXr | Platform::Junos => Some("show ospf neighbor"),
        Platform::Vrp => Some("display ospf peer"),
        Platform::Linux | Platform::Sros => None,
    }
}

/// The neighbour with this router id or address.
pub(in crate::script) fn parse(platform: Platform, peer: &str, text: &str) -> Option<Neighbor> {
    if platform == Platform::Vrp {
        return vrp(text).into_iter().find(|found| found.id == peer || found.address == peer);
    }
    let row = if platform == Platform::Junos { junos } else { cisco };
    text.lines().filter_map(row).find(|neighbor| neighbor.id == peer || neighbor.address == peer)
}

/// Words for the states of RFC 2328, section 10.1.
fn state(word: &str) -> Option<String> {
    const STATES: &[&str] =
        &["DOWN", "ATTEMPT", "INIT", "2WAY", "TWOWAY", "EXSTART", "EXCHANGE", "LOADING", "FULL"];
    let word = word.split('/').next()?.trim_end_matches(',').to_ascii_uppercase();
    let word = if word == "2-WAY" { "2WAY".to_owned() } else { word };
    STATES.contains(&word.as_str()).then_some(word)
}

/// `10.0.0.2   1   FULL/DR   00:00:35   10.0.12.2   GigabitEthernet0/1`, with more columns in between.
fn cisco(line: &str) -> Option<Neighbor> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let id = words.first().filter(|word| word.parse::<IpAddr>().is_ok())?;
    let state = words.iter().find_map(|word| state(word))?;
    let at = words.iter().skip(1).position(|word| word.parse::<IpAddr>().is_ok())? + 1;
    // FRR writes the interface with its address: `eth0:10.0.12.1`.
    let interface = words.get(at + 1)?.split(':').next().unwrap_or_default();
    Some(Neighbor {
        id: (*id).into(),
        address: words[at].into(),
        interface: interface.into(),
        state,
    })
}

/// `10.0.12.2   ge-0/0/1.0   Full   10.0.0.2   128   35`.
fn junos(line: &str) -> Option<Neighbor> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [address, interface, third, id, ..] = words.as_slice() else { return None };
    address.parse::<IpAddr>().ok()?;
    let state = state(third)?;
    let text = |word: &str| word.to_owned();
    Some(Neighbor { id: text(id), address: text(address), interface: text(interface), state })
}

/// Some lines for each: below `Area 0.0.0.0 interface 10.1.1.2(Vlanif100)'s neighbors` one with `Router ID:` and
/// `Address:`, then one with `State:`.
fn vrp(text: &str) -> Vec<Neighbor> {
    let mut found: Vec<Neighbor> = Vec::new();
    let mut interface = "";
    for line in text.lines() {
        let word = |label: &str| {
            after(line, label).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default()
        };
        if line.trim_start().starts_with("Area ") {
            interface = between(line, "(", ")").unwrap_or_default();
        } else if word("Router ID:").parse::<IpAddr>().is_ok() {
            let address = between(line, "Address:", "GR ").unwrap_or_default();
            let (id, address) = (word("Router ID:").to_owned(), address.to_owned());
            found.push(Neighbor {
                id,
                address,
                interface: interface.to_owned(),
                ..Neighbor::default()
            });
        } else if let (Some(last), Some(state)) = (found.last_mut(), state(word("State:"))) {
            last.state = state;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(platform: Platform, peer: &str, text: &str) -> [String; 4] {
        let Neighbor { id, address, interface, state } = parse(platform, peer, text).unwrap();
        [id, address, interface, state]
    }

    #[test]
    fn rows_are_read_by_what_their_words_are() {
        let ios = "\
Neighbor ID     Pri   State           Dead Time   Address         Interface
10.0.0.2          1   FULL/DR         00:00:35    10.0.12.2       GigabitEthernet0/1
10.0.0.3          0   EXSTART/  -     00:00:31    10.0.13.3       Tunnel7
";
        let expected = ["10.0.0.2", "10.0.12.2", "GigabitEthernet0/1", "FULL"];
        assert_eq!(read(Platform::Ios, "10.0.0.2", ios), expected);
        assert_eq!(read(Platform::Ios, "10.0.12.2", ios), expected);
        assert_eq!(read(Platform::Ios, "10.0.0.3", ios)[3], "EXSTART");
        assert_eq!(parse(Platform::Ios, "10.0.0.9", ios), None);
        let frr = "\
Neighbor ID     Pri State           Up Time         Dead Time Address         Interface                        RXmtL RqstL DBsmL
10.0.0.2          1 Full/Backup     1h02m03s          35.123s 10.0.12.2       eth0:10.0.12.1                       0     0     0
";
        assert_eq!(read(Platform::Frr, "10.0.0.2", frr), ["10.0.0.2", "10.0.12.2", "eth0", "FULL"]);
        let nxos = "\
 OSPF Process ID 1 VRF default
 Total number of neighbors: 1
 Neighbor ID     Pri State            Up Time  Address         Interface
 10.0.0.2          1 INIT/DROTHER     00:00:03 10.0.12.2       Eth1/1
";
        assert_eq!(read(Platform::Nxos, "10.0.0.2", nxos)[2..], ["Eth1/1", "INIT"]);
        let eos = "\
Neighbor ID     Instance VRF      Pri State                  Dead Time   Address         Interface
10.0.0.2        1        default  1   2WAY/DROTHER           00:00:32    10.0.12.2       Ethernet1
";
        assert_eq!(read(Platform::Eos, "10.0.0.2", eos)[2..], ["Ethernet1", "2WAY"]);
        let vrp = "
         OSPF Process 1 with Router ID 10.0.0.1
                 Neighbors

 Area 0.0.0.0 interface 10.0.12.1(GigabitEthernet0/0/1)'s neighbors
 Router ID: 10.0.0.2         Address: 10.0.12.2        GR State: Normal
   State: Full  Mode:Nbr is  Slave  Priority: 1
   DR: 10.0.12.1  BDR: None   MTU: 0
   Dead timer due in 35  sec

 Area 0.0.0.1 interface 10.0.13.1(Vlanif100)'s neighbors
 Router ID: 10.0.0.3         Address: 10.0.13.3
   State: 2-Way  Mode:Nbr is  Master  Priority: 1
";
        let expected = ["10.0.0.2", "10.0.12.2", "GigabitEthernet0/0/1", "FULL"];
        assert_eq!(read(Platform::Vrp, "10.0.12.2", vrp), expected);
        let expected = ["10.0.0.3", "10.0.13.3", "Vlanif100", "2WAY"];
        assert_eq!(read(Platform::Vrp, "10.0.0.3", vrp), expected);
        assert_eq!(parse(Platform::Vrp, "10.0.0.1", vrp), None);
        let junos = "\
Address          Interface              State           ID               Pri  Dead
10.0.12.2        ge-0/0/1.0             ExStart         10.0.0.2         128    35
";
        let expected = ["10.0.0.2", "10.0.12.2", "ge-0/0/1.0", "EXSTART"];
        assert_eq!(read(Platform::Junos, "10.0.0.2", junos), expected);
    }
}
