//! The programs run here as the kernel runs them, on packets as they come.

use model::Family;

use super::*;

/// Runs a program; what lies beyond the packet drops it, as in the kernel.
fn passes(filter: &Filter, packet: &[u8]) -> bool {
    let (mut at, mut value) = (0, 0_u32);
    loop {
        let Instruction { code, yes, no, number: k } = filter.0[at];
        at += 1;
        match code {
            LOAD_BYTE => match packet.get(k as usize) {
                Some(&byte) => value = u32::from(byte),
                None => return false,
            },
            LOAD_HALF => match crate::wire::be16(packet, k as usize) {
                Some(half) => value = u32::from(half),
                None => return false,
            },
            MASK => value &= k,
            IF_EQUAL => at += if value == k { usize::from(yes) } else { usize::from(no) },
            RETURN => return k != 0,
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}

fn v4(protocol: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend(rest);
    packet
}

fn echo_header(kind: u8, id: u16) -> [u8; 8] {
    let [high, low] = id.to_be_bytes();
    [kind, 0, 0, 0, high, low, 0, 1]
}

fn error_v4(protocol: u8, quoted: &[u8]) -> Vec<u8> {
    v4(1, &[&[3, 1, 0, 0, 0, 0, 0, 0][..], &v4(protocol, quoted)].concat())
}

fn error_v6(protocol: u8, quoted: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 40];
    header[0] = 0x60;
    header[6] = protocol;
    [&[1, 3, 0, 0, 0, 0, 0, 0][..], &header, quoted].concat()
}

#[test]
fn replies_and_errors_of_our_id_pass_and_others_do_not() {
    let filter = echo(Family::V4, 0x1234);
    assert!(passes(&filter, &v4(1, &echo_header(0, 0x1234))));
    assert!(!passes(&filter, &v4(1, &echo_header(0, 0x1235))));
    assert!(passes(&filter, &error_v4(1, &echo_header(8, 0x1234))));
    assert!(!passes(&filter, &error_v4(1, &echo_header(8, 0x1235))));
    assert!(!passes(&filter, &error_v4(17, &echo_header(8, 0x1234))), "about UDP");
    let mut with_options = v4(1, &echo_header(0, 0x1235));
    with_options[0] = 0x46;
    assert!(passes(&filter, &with_options), "left to the parser");
    assert!(!passes(&filter, &[0x45]));
}

#[test]
fn the_same_goes_for_ipv6() {
    let filter = echo(Family::V6, 0x1234);
    assert!(passes(&filter, &echo_header(129, 0x1234)));
    assert!(!passes(&filter, &echo_header(129, 0x1235)));
    assert!(passes(&filter, &error_v6(58, &echo_header(128, 0x1234))));
    assert!(!passes(&filter, &error_v6(58, &echo_header(128, 0x1235))));
    assert!(!passes(&filter, &error_v6(6, &echo_header(128, 0x1234))));
}

#[test]
fn segments_and_errors_of_our_ports_pass_and_others_do_not() {
    for (port, ours) in [(40_000_u16, true), (40_007, true), (40_008, false), (39_999, false)] {
        let [high, low] = port.to_be_bytes();
        let answer = [0, 80, high, low, 0, 0, 0, 0];
        let question = [high, low, 0, 80, 0, 0, 0, 0];
        let (v4_segments, v6_segments) =
            (segments(Family::V4, 40_000, 8), segments(Family::V6, 40_000, 8));
        assert_eq!(passes(&v4_segments, &v4(6, &answer)), ours, "{port}");
        assert_eq!(passes(&v6_segments, &answer), ours, "{port}");
        let (v4_errors, v6_errors) = (errors(Family::V4, 40_000, 8), errors(Family::V6, 40_000, 8));
        assert_eq!(passes(&v4_errors, &error_v4(6, &question)), ours, "{port}");
        assert_eq!(passes(&v6_errors, &error_v6(6, &question)), ours, "{port}");
        assert!(!passes(&v4_errors, &error_v4(1, &question)), "about an echo");
        assert!(!passes(&v6_errors, &error_v6(58, &question)), "about an echo");
    }
}

#[test]
fn a_socket_that_only_sends_hears_nothing() {
    assert!(!passes(&nothing(), &v4(1, &echo_header(0, 1))));
}
