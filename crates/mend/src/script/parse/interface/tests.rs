//! Tests over what the platforms print.

use super::*;

fn states(platform: Platform, name: &str, text: &str) -> (bool, bool, bool, String) {
    let port = parse(platform, name, text).unwrap_or_else(|| panic!("no {name} in {text}"));
    (port.admin, port.oper, port.protocol, port.reason)
}

const IOS: &str = "\
GigabitEthernet0/1 is up, line protocol is up (connected)
  Hardware is Gigabit Ethernet, address is 0011.2233.4455 (bia 0011.2233.4455)
  Description: to core1 is up
  MTU 1500 bytes, BW 1000000 Kbit/sec, DLY 10 usec,
  5 minute input rate 0 bits/sec, 0 packets/sec
     12 input errors, 7 CRC, 0 frame, 0 overrun, 0 ignored
     3 output errors, 0 collisions, 5 interface resets
GigabitEthernet0/2 is administratively down, line protocol is down (disabled)
GigabitEthernet0/3 is down, line protocol is down (notconnect)
GigabitEthernet0/4 is down, line protocol is down (err-disabled)
Vlan20 is up, line protocol is down
";

#[test]
fn ios() {
    let none = String::new;
    assert_eq!(states(Platform::Ios, "Gi0/1", IOS), (true, true, true, none()));
    assert_eq!(states(Platform::Ios, "Gi0/2", IOS), (false, false, false, "disabled".into()));
    assert_eq!(states(Platform::Ios, "Gi0/3", IOS), (true, false, false, "notconnect".into()));
    assert_eq!(states(Platform::Ios, "Gi0/4", IOS), (true, false, false, "err-disabled".into()));
    assert_eq!(states(Platform::Ios, "vlan20", IOS), (true, true, false, none()));
    let port = parse(Platform::Ios, "GigabitEthernet0/1", IOS).unwrap();
    assert_eq!(
        (port.input_errors, port.crc_errors, port.output_errors),
        (Some(12), Some(7), Some(3))
    );
    assert_eq!((port.changes, port.description.as_str()), (Some(5), "to core1 is up"));
    assert_eq!(
        parse(Platform::Ios, "Gi0/2", IOS).unwrap().input_errors,
        None,
        "not of its neighbour"
    );
    assert_eq!(parse(Platform::Ios, "Gi0/9", IOS), None);
}

#[test]
fn iosxr() {
    let text = "\
GigabitEthernet0/0/0/1 is administratively down, line protocol is administratively down
  Interface state transitions: 4
  Hardware is GigabitEthernet, address is 5254.0012.3456 (bia 5254.0012.3456)
  Description: to pe2
     0 input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored, 0 abort
     0 output errors, 0 underruns, 0 applique, 0 resets
";
    assert_eq!(states(Platform::IosXr, "Gi0/0/0/1", text), (false, false, false, String::new()));
    assert_eq!(parse(Platform::IosXr, "Gi0/0/0/1", text).unwrap().changes, Some(4));
}

#[test]
fn nxos() {
    let text = "\
Ethernet1/7 is down (Link not connected)
admin state is up, Dedicated Interface
  Belongs to Po10
  Hardware: 1000/10000 Ethernet, address: 00de.fb11.2233 (bia 00de.fb11.2233)
  Description: server 7
  14 interface resets
  RX
    0 runts  0 giants  2 CRC/FCS  0 no buffer
    9 input error  0 short frame  0 overrun   0 underrun  0 ignored
  TX
    1 output error  0 collision  0 deferred  0 late collision
Ethernet1/42 is down (Administratively down)
admin state is down, Dedicated Interface
Ethernet1/8 is up
admin state is up, Dedicated Interface
Ethernet1/9 is down (Error disabled. Reason:BPDUGuard)
admin state is up, Dedicated Interface
Vlan20 is up, line protocol is up, autostate enabled
";
    let reason = |text: &str| text.to_owned();
    assert_eq!(
        states(Platform::Nxos, "Eth1/7", text),
        (true, false, false, reason("Link not connected"))
    );
    assert_eq!(
        states(Platform::Nxos, "Eth1/42", text),
        (false, false, false, reason("Administratively down"))
    );
    assert_eq!(states(Platform::Nxos, "Ethernet1/8", text), (true, true, true, String::new()));
    let disabled = reason("Error disabled. Reason:BPDUGuard");
    assert_eq!(states(Platform::Nxos, "Ethernet1/9", text), (true, false, false, disabled));
    assert_eq!(states(Platform::Nxos, "Vlan20", text), (true, true, true, String::new()));
    let port = parse(Platform::Nxos, "Ethernet1/7", text).unwrap();
    assert_eq!((port.input_errors, port.crc_errors, port.changes), (Some(9), Some(2), Some(14)));
}

#[test]
fn eos() {
    let text = "\
Ethernet1 is administratively down, line protocol is down (disabled)
  Hardware is Ethernet, address is 5001.0003.0001 (bia 5001.0003.0001)
  Description: leaf 2
  Down 3 days, 2 hours
  5 link status changes since last clear
     0 input errors, 0 CRC, 0 alignment, 0 symbol, 0 input discards
     0 output errors, 0 collisions
Ethernet2 is down, line protocol is down (errdisabled)
Ethernet3 is down, line protocol is lowerlayerdown (notconnect)
";
    assert_eq!(states(Platform::Eos, "Et1", text), (false, false, false, "disabled".into()));
    assert_eq!(
        states(Platform::Eos, "Ethernet2", text),
        (true, false, false, "errdisabled".into())
    );
    assert_eq!(states(Platform::Eos, "Ethernet3", text), (true, false, false, "notconnect".into()));
    assert_eq!(parse(Platform::Eos, "Ethernet1", text).unwrap().changes, Some(5));
}

#[test]
fn junos() {
    let text = "\
Physical interface: ge-0/0/1, Enabled, Physical link is Down
  Interface index: 149, SNMP ifIndex: 527, Generation: 152
  Description: to pe2
  Device flags   : Present Running Down
  Last flapped   : 2026-09-23 10:15:00 UTC (00:10:00 ago)
  Input errors:
    Errors: 3, Drops: 0, Framing errors: 1, Runts: 0, Policed discards: 0
  Output errors:
    Carrier transitions: 7, Errors: 2, Drops: 0, Collisions: 0, Aged packets: 0
  MAC statistics:                      Receive         Transmit
    CRC/Align errors                         4                0
  Logical interface ge-0/0/1.0 (Index 332) (SNMP ifIndex 528) (Generation 141)
    Flags: Hardware-Down Down SNMP-Traps 0x4000 Encapsulation: ENET2
Physical interface: ge-0/0/2, Administratively down, Physical link is Down
Physical interface: ge-0/0/3, Enabled, Physical link is Up
  Logical interface ge-0/0/3.0 (Index 333) (SNMP ifIndex 529)
    Flags: Up SNMP-Traps 0x4000 Encapsulation: ENET2
";
    let none = String::new;
    assert_eq!(states(Platform::Junos, "ge-0/0/1", text), (true, false, false, none()));
    assert_eq!(states(Platform::Junos, "ge-0/0/1.0", text), (true, false, false, none()));
    assert_eq!(states(Platform::Junos, "ge-0/0/2", text), (false, false, false, none()));
    assert_eq!(states(Platform::Junos, "ge-0/0/3.0", text), (true, true, true, none()));
    let port = parse(Platform::Junos, "ge-0/0/1", text).unwrap();
    assert_eq!(
        (port.input_errors, port.output_errors, port.crc_errors),
        (Some(3), Some(2), Some(4))
    );
    assert_eq!((port.changes, port.description.as_str()), (Some(7), "to pe2"));
}

#[test]
fn frr() {
    let text = "\
Interface eth0 is up, line protocol is up
  Link ups:       2    last: 2026/09/23 10:00:00.00
  Link downs:     1    last: 2026/09/23 09:59:00.00
  vrf: default
  index 2 metric 0 mtu 1500 speed 10000 txqlen 1000
Interface eth1 is up, line protocol is down
Interface eth2 is down
";
    let none = String::new;
    assert_eq!(states(Platform::Frr, "eth0", text), (true, true, true, none()));
    assert_eq!(states(Platform::Frr, "eth1", text), (true, true, false, none()));
    assert_eq!(states(Platform::Frr, "eth2", text), (false, false, false, none()));
    assert_eq!(parse(Platform::Frr, "eth0", text).unwrap().changes, Some(3));
}

#[test]
fn linux() {
    let text = "\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0@if5: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc fq_codel state DOWN mode DEFAULT group default qlen 1000
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff
    alias to isp
    RX:  bytes packets errors dropped  missed   mcast
          1000      10      4       0       0       0
    TX:  bytes packets errors dropped carrier collsns
          2000      20      5       0       0       0
3: eth1: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000
";
    assert_eq!(states(Platform::Linux, "lo", text), (true, true, true, String::new()));
    assert_eq!(states(Platform::Linux, "eth0", text), (true, false, false, "NO-CARRIER".into()));
    assert_eq!(states(Platform::Linux, "eth1", text), (false, false, false, String::new()));
    let port = parse(Platform::Linux, "eth0", text).unwrap();
    assert_eq!((port.input_errors, port.output_errors), (Some(4), Some(5)));
    assert_eq!(port.description, "to isp");
}

#[test]
fn vrp() {
    let text = "\
GigabitEthernet0/0/1 current state : DOWN
Line protocol current state : DOWN
Description:to isp
Switch Port, PVID :    1, TPID : 8100(Hex), The Maximum Frame Length is 9596
Input peak rate 0 bits/sec,Record time: -
Output peak rate 0 bits/sec,Record time: -

Input:  12 packets, 1200 bytes
  Unicast:                 12,  Multicast:                   0
  Discard:                  0,  Total Error:                 4
  CRC:                      3,  Giants:                      0

Output:  0 packets, 0 bytes
  Discard:                  0,  Total Error:                 5

10GE1/0/2 current state : Administratively DOWN (ifindex: 7)
Line protocol current state : DOWN
Description:
Vlanif100 current state : UP
Line protocol current state : UP
";
    let none = String::new;
    let port = |name: &str| states(Platform::Vrp, name, text);
    assert_eq!(port("GigabitEthernet0/0/1"), (true, false, false, none()));
    assert_eq!(port("10GE1/0/2"), (false, false, false, none()));
    assert_eq!(port("Vlanif100"), (true, true, true, none()));
    let port = parse(Platform::Vrp, "GigabitEthernet0/0/1", text).unwrap();
    assert_eq!(port.description, "to isp");
    let errors = (port.input_errors, port.crc_errors, port.output_errors);
    assert_eq!(errors, (Some(4), Some(3), Some(5)));
}

#[test]
fn sros() {
    let text = "\
===============================================================================
Ethernet Interface
===============================================================================
Description        : 10-Gig Ethernet
Interface          : 1/1/1                      Oper Speed       : N/A
Link-level         : Ethernet                   Config Speed     : N/A
Admin State        : up                         Oper Duplex      : N/A
Oper State         : down                       Config Duplex    : N/A
Reason Down        : linkLossFwd
Physical Link      : No                         MTU              : 9212
";
    let why = "linkLossFwd".to_owned();
    assert_eq!(states(Platform::Sros, "1/1/1", text), (true, false, false, why));
    let well = text.replace(": down ", ": up ").replace("linkLossFwd", "N/A");
    assert_eq!(states(Platform::Sros, "1/1/1", &well), (true, true, true, String::new()));
    assert_eq!(parse(Platform::Sros, "1/1/2", text), None);
}

#[test]
fn any_text_is_read_without_harm() {
    proptest::proptest!(|(text in "(Physical interface: |Interface |1: )?[ a-z0-9:,<>()\\n]{0,200}")| {
        for platform in Platform::ALL {
            parse_all(platform, &text);
        }
    });
}
