//! The short form of the fuzz targets: arbitrary bytes against every parser, in every test run.

use model::Family;
use proptest::prelude::*;

use crate::checks;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn icmp_is_read_whatever_it_is(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        checks::icmp_message(Family::V4, &bytes);
        checks::icmp_message(Family::V6, &bytes);
    }

    #[test]
    fn icmp_is_read_however_it_is_damaged(orders in orders(100)) {
        checks::icmp_message(Family::V4, &orders);
        checks::icmp_message(Family::V6, &orders);
    }

    #[test]
    fn syslog_lines_are_read_whatever_they_are(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::syslog_line(&bytes);
    }

    #[test]
    fn syslog_headers_are_read_whatever_follows(text in "<[0-9]{1,3}>[ -~]{0,80}[:%\\[\\]= ]{0,8}[ -~]{0,40}") {
        checks::syslog_line(text.as_bytes());
    }

    #[test]
    fn tcp_is_read_whatever_it_is(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        checks::tcp_segment(&bytes);
    }

    #[test]
    fn tcp_is_read_however_it_is_damaged(orders in orders(24)) {
        checks::tcp_segment(&orders);
    }

    #[test]
    fn routes_are_read_whatever_they_are(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        checks::route_messages(&bytes);
    }

    #[test]
    fn neighbour_tables_are_read_whatever_they_are(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::neighbour_tables(&bytes);
    }

    #[test]
    fn a_raw_packet_is_read_whatever_it_is(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        checks::ipv4_packet(&bytes);
    }

    #[test]
    fn resolv_conf_is_read_whatever_it_is(
        text in "((nameserver|search|#|;|)[ \t]{0,2}[0-9a-f:.%/ \t]{0,24}[\r\n]?){0,8}",
    ) {
        checks::resolv_conf(text.as_bytes());
    }

    #[test]
    fn hosts_are_read_whatever_they_are(text in "\\PC{0,40}|[0-9a-f:.]{0,40}(%[a-z0-9]{0,16})?") {
        checks::host_literal(text.as_bytes());
    }
}

/// Orders that cut and patch within a packet of about `len` bytes.
fn orders(len: u16) -> impl Strategy<Value = Vec<u8>> {
    let patches = prop::collection::vec((0..len, any::<u8>()), 0..6);
    (0..len * 2, patches).prop_map(|(cut, patches)| {
        let mut orders = cut.to_be_bytes().to_vec();
        for (at, value) in patches {
            orders.extend(at.to_be_bytes());
            orders.push(value);
        }
        orders
    })
}
