//! Default gateways from the kernel's routing tables, dumped over rtnetlink (RFC 3549; `rtnetlink(7)`).
//! The parser takes bytes and believes none of them; the I/O around it asks and reads, and changes nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::wire::netlink::{
    self, Attributes, HEADER, NLMSG_DONE, NLMSG_ERROR, Netlink, u16_at, u32_at,
};

// Message types, flags and attributes of linux/netlink.h and linux/rtnetlink.h.
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP_INTR: u16 = 0x010;
const NLM_F_DUMP: u16 = 0x300;
const RTN_UNICAST: u8 = 1;
const RTM_F_CLONED: u32 = 0x200;
const RT_TABLE_MAIN: u32 = 254;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;

const RTMSG: usize = 12;
const RTNEXTHOP: usize = 8;

/// The kernel answers dumps with datagrams of at most 32 KiB.
const DATAGRAM: usize = 32 * 1024;
/// The kernel answers at once; a sandbox that swallows netlink must not hang us.
const PATIENCE_MS: i64 = 2_000;
/// How often to start again when the table changes under the dump.
const ATTEMPTS: usize = 3;

/// Next hop of a default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its address; an IPv4 route may have an IPv6 next hop (RFC 9229).
    pub address: IpAddr,
    /// Index of the device it is on, 0 if the route names none.
    pub device: u32,
    /// The route's metric; the kernel prefers the lowest.
    pub metric: u32,
}

/// The default routes of a dump.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RouteDump {
    /// Next hops of default routes with the table and family they are in.
    defaults: Vec<(u32, u8, Gateway)>,
    /// Messages that contradict themselves; the rest of their datagram is left out with them.
    pub malformed: usize,
    /// The table changed during the dump, which may lack routes.
    pub interrupted: bool,
    /// The kernel said that this was all.
    done: bool,
    /// The kernel's `errno` if it refused.
    refused: Option<i32>,
}

impl RouteDump {
    /// The gateways this machine sends by: those of the main table or, where it has none in a family, of
    /// the other tables. IPv4 routes first, each family by metric.
    pub fn watched(&self) -> Vec<&Gateway> {
        let mut watched = Vec::new();
        for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
            let of = |main: bool| {
                self.defaults
                    .iter()
                    .filter(move |(table, of, _)| {
                        *of == family && (*table == RT_TABLE_MAIN) == main
                    })
                    .map(|(.., gateway)| gateway)
            };
            let mut gateways: Vec<_> = of(true).collect();
            if gateways.is_empty() {
                gateways = of(false).collect();
            }
            gateways.sort_by_key(|gateway| gateway.metric);
            watched.extend(gateways);
        }
        watched
    }
}

/// Asks the kernel for all routes and keeps the default ones.
pub(super) fn default_gateways() -> io::Result<RouteDump> {
    let mut dump = RouteDump::default();
    for _ in 0..ATTEMPTS {
        dump = dump_routes()?;
        if !dump.interrupted {
            break;
        }
    }
    Ok(dump)
}

fn dump_routes() -> io::Result<RouteDump> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(PATIENCE_MS))?;
    send(socket.as_raw_fd(), &dump_request(), MsgFlags::empty())?;
    let mut dump = RouteDump::default();
    let mut buffer = vec![0; DATAGRAM];
    while !dump.done {
        let datagram = receive(&socket, &mut buffer)?;
        parse_route_messages(datagram, &mut dump);
        if let Some(errno) = dump.refused {
            return Err(io::Error::from_raw_os_error(errno));
        }
    }
    Ok(dump)
}

fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let len = loop {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Err(nix::errno::Errno::EINTR) => {}
            other => break other?,
        }
    };
    if len == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(&buffer[..len])
}

/// `RTM_GETROUTE` for all families and tables.
fn dump_request() -> [u8; HEADER + RTMSG] {
    let mut request = [0; HEADER + RTMSG];
    let len = request.len() as u32;
    request[0..4].copy_from_slice(&len.to_ne_bytes());
    request[4..6].copy_from_slice(&RTM_GETROUTE.to_ne_bytes());
    request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request
}

/// Reads one datagram of a route dump into `dump`. Any bytes will do; netlink is in host byte order.
pub fn parse_route_messages(mut datagram: &[u8], dump: &mut RouteDump) {
    while !datagram.is_empty() && !dump.done {
        let Some((Netlink { kind, flags, body }, rest)) = netlink::split(datagram) else {
            dump.malformed += 1;
            return;
        };
        datagram = rest;
        dump.interrupted |= flags & NLM_F_DUMP_INTR != 0;
        match kind {
            NLMSG_DONE => dump.done = true,
            // An error of 0 is an acknowledgement.
            NLMSG_ERROR => match u32_at(body, 0).map(u32::cast_signed) {
                Some(0) => {}
                Some(errno) => dump.refused = Some(errno.saturating_neg()),
                None => dump.malformed += 1,
            },
            RTM_NEWROUTE if read_route(body, &mut dump.defaults).is_some() => {}
            RTM_NEWROUTE => dump.malformed += 1,
            _ => {}
        }
    }
}

/// Adds the next hops of a default route; `None` if the message contradicts itself.
fn read_route(body: &[u8], defaults: &mut Vec<(u32, u8, Gateway)>) -> Option<()> {
    let header = body.get(..RTMSG)?;
    let (family, prefix, table, kind) = (header[0], header[1], header[4], header[7]);
    let cloned = u32_at(header, 8)? & RTM_F_CLONED != 0;
    if prefix != 0 || kind != RTN_UNICAST || cloned {
        return Some(());
    }
    let attributes = &body[RTMSG..];
    let (mut table, mut metric) = (u32::from(table), 0);
    for attribute in Attributes(attributes) {
        match attribute? {
            (RTA_TABLE, value) => table = u32_at(value, 0)?,
            (RTA_PRIORITY, value) => metric = u32_at(value, 0)?,
            _ => {}
        }
    }
    let mut add = |hop: Hop<'_>| {
        if let Some(address) = hop.gateway {
            let default = (table, family, Gateway { address, device: hop.device, metric });
            if !defaults.contains(&default) {
                defaults.push(default);
            }
        }
    };
    let hop = read_hop(attributes, 0)?;
    let mut paths = hop.paths;
    add(hop);
    while !paths.is_empty() {
        let len = u16_at(paths, 0)? as usize;
        let device = u32_at(paths, 4)?;
        add(read_hop(paths.get(RTNEXTHOP..len)?, device)?);
        paths = paths.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(())
}

/// What the attributes of a route, or of one of its paths, say of the next hop.
struct Hop<'a> {
    gateway: Option<IpAddr>,
    device: u32,
    paths: &'a [u8],
}

fn read_hop(attributes: &[u8], device: u32) -> Option<Hop<'_>> {
    let mut hop = Hop { gateway: None, device, paths: &[] };
    for attribute in Attributes(attributes) {
        match attribute? {
            (RTA_OIF, value) => hop.device = u32_at(value, 0)?,
            (RTA_GATEWAY, value) => hop.gateway = Some(address(value)?),
            // A family in two bytes, then an address of it.
            (RTA_VIA, value) => hop.gateway = Some(address(value.get(2..)?)?),
            (RTA_MULTIPATH, value) => hop.paths = value,
            _ => {}
        }
    }
    Some(hop)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V4: u8 = libc::AF_INET as u8;
    const V6: u8 = libc::AF_INET6 as u8;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn number(kind: u16, value: u32) -> Vec<u8> {
        attribute(kind, &value.to_ne_bytes())
    }

    fn gateway(text: &str) -> Vec<u8> {
        attribute(RTA_GATEWAY, &octets(text))
    }

    fn octets(text: &str) -> Vec<u8> {
        match text.parse().unwrap() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }
    }

    fn path(device: u32, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = ((RTNEXTHOP + attributes.len()) as u16).to_ne_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(device.to_ne_bytes());
        bytes.extend(attributes);
        bytes
    }

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    struct Route {
        family: u8,
        prefix: u8,
        table: u8,
        kind: u8,
        flags: u32,
    }

    const DEFAULT: Route = Route { family: V4, prefix: 0, table: 254, kind: RTN_UNICAST, flags: 0 };

    fn route(route: &Route, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![route.family, route.prefix, 0, 0, route.table, 3, 0, route.kind];
        body.extend(route.flags.to_ne_bytes());
        body.extend(attributes.concat());
        message(RTM_NEWROUTE, 2, &body)
    }

    fn parse(messages: &[Vec<u8>]) -> RouteDump {
        let mut dump = RouteDump::default();
        parse_route_messages(&messages.concat(), &mut dump);
        dump
    }

    fn watched(messages: &[Vec<u8>]) -> Vec<(String, u32, u32)> {
        let dump = parse(messages);
        assert_eq!(dump.malformed, 0);
        let gateways = dump.watched();
        gateways.iter().map(|hop| (hop.address.to_string(), hop.device, hop.metric)).collect()
    }

    fn hop(address: &str, device: u32, metric: u32) -> (String, u32, u32) {
        (address.to_owned(), device, metric)
    }

    #[test]
    fn gateways_come_by_metric_and_ipv4_first() {
        let v6 = Route { family: V6, ..DEFAULT };
        let found = watched(&[
            route(&v6, &[gateway("fe80::1"), number(RTA_OIF, 2), number(RTA_PRIORITY, 1024)]),
            route(&DEFAULT, &[gateway("10.0.0.2"), number(RTA_OIF, 3), number(RTA_PRIORITY, 600)]),
            route(&DEFAULT, &[gateway("10.0.0.1"), number(RTA_OIF, 2), number(RTA_PRIORITY, 100)]),
        ]);
        assert_eq!(
            found,
            [hop("10.0.0.1", 2, 100), hop("10.0.0.2", 3, 600), hop("fe80::1", 2, 1024)]
        );
    }

    #[test]
    fn each_path_of_a_multipath_route_is_a_gateway() {
        let paths = [path(2, &gateway("10.0.0.1")), path(3, &gateway("10.1.0.1")), path(4, &[])];
        let found = watched(&[route(&DEFAULT, &[attribute(RTA_MULTIPATH, &paths.concat())])]);
        assert_eq!(found, [hop("10.0.0.1", 2, 0), hop("10.1.0.1", 3, 0)]);
    }

    #[test]
    fn an_ipv4_route_may_go_by_an_ipv6_next_hop() {
        let mut via = V6.to_ne_bytes().to_vec();
        via.push(0);
        via.extend(octets("fe80::9"));
        let found = watched(&[route(&DEFAULT, &[attribute(RTA_VIA, &via), number(RTA_OIF, 5)])]);
        assert_eq!(found, [hop("fe80::9", 5, 0)]);
    }

    #[test]
    fn other_tables_count_only_where_the_main_one_has_no_default() {
        let other = |family| Route { family, table: 0, ..DEFAULT };
        let messages = [
            route(&DEFAULT, &[gateway("10.0.0.1")]),
            route(&other(V4), &[gateway("10.9.0.1"), number(RTA_TABLE, 1000)]),
            route(&other(V6), &[gateway("2001:db8::1"), number(RTA_TABLE, 1000)]),
        ];
        assert_eq!(watched(&messages), [hop("10.0.0.1", 0, 0), hop("2001:db8::1", 0, 0)]);
    }

    #[test]
    fn routes_that_lead_to_no_gateway_are_left_out() {
        let unreachable = Route { kind: 7, ..DEFAULT };
        let cached = Route { flags: RTM_F_CLONED, ..DEFAULT };
        let subnet = Route { prefix: 24, ..DEFAULT };
        let messages = [
            route(&unreachable, &[number(RTA_OIF, 1)]),
            route(&cached, &[gateway("10.0.0.1")]),
            route(&subnet, &[gateway("10.0.0.1")]),
            route(&DEFAULT, &[number(RTA_OIF, 7)]),
        ];
        assert!(watched(&messages).is_empty());
    }

    #[test]
    fn a_dump_ends_where_the_kernel_says_so() {
        let messages = [message(NLMSG_DONE, 2, &[0; 4]), route(&DEFAULT, &[gateway("10.0.0.1")])];
        let dump = parse(&messages);
        assert!(dump.done && dump.watched().is_empty());
    }

    #[test]
    fn a_refusal_carries_the_errno_and_an_interrupted_dump_is_marked() {
        let refusal = message(NLMSG_ERROR, 0, &(-libc::EPERM).to_ne_bytes());
        assert_eq!(parse(&[refusal]).refused, Some(libc::EPERM));
        let acknowledged = parse(&[message(NLMSG_ERROR, NLM_F_DUMP_INTR, &[0; 4])]);
        assert_eq!((acknowledged.refused, acknowledged.interrupted), (None, true));
    }

    #[test]
    fn lengths_that_lie_are_counted_and_the_rest_is_kept() {
        let good = || route(&DEFAULT, &[gateway("10.0.0.1")]);
        let mut long_attribute = gateway("10.0.0.2");
        long_attribute[0] = 200;
        let zero_path = [0; RTNEXTHOP];
        for bad in [
            route(&DEFAULT, &[long_attribute]),
            route(&DEFAULT, &[attribute(RTA_GATEWAY, &[10, 0, 0])]),
            route(&DEFAULT, &[attribute(RTA_MULTIPATH, &zero_path)]),
            message(RTM_NEWROUTE, 2, &[V4, 0]),
        ] {
            let dump = parse(&[bad, good()]);
            assert_eq!((dump.malformed, dump.watched().len()), (1, 1));
        }
        let mut truncated = good();
        truncated.pop();
        assert_eq!(parse(&[truncated]).malformed, 1);
    }

    #[test]
    fn this_machine_gives_its_routing_table() {
        let dump = default_gateways().unwrap();
        assert_eq!(dump.malformed, 0);
        assert!(dump.done);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(datagram: Vec<u8>) {
            parse_route_messages(&datagram, &mut RouteDump::default());
        }

        #[test]
        fn a_damaged_dump_is_read(
            damage in prop::collection::vec((0usize..200, any::<u8>()), 1..8),
            len in 0usize..220,
        ) {
            let paths = [path(2, &gateway("10.0.0.1")), path(3, &gateway("fe80::2"))];
            let mut datagram = [
                route(&DEFAULT, &[attribute(RTA_MULTIPATH, &paths.concat())]),
                route(&Route { family: V6, ..DEFAULT }, &[gateway("fe80::1"), number(RTA_OIF, 2)]),
                message(NLMSG_DONE, 2, &[0; 4]),
            ]
            .concat();
            datagram.truncate(len);
            for (at, byte) in damage {
                if let Some(place) = datagram.get_mut(at) {
                    *place = byte;
                }
            }
            let mut dump = RouteDump::default();
            parse_route_messages(&datagram, &mut dump);
            prop_assert!(dump.defaults.len() <= datagram.len() / RTNEXTHOP);
        }
    }
}
