//! What the planner remembers of a target: 40 bytes, since there may be a hundred thousand.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use model::{Target, TargetId};

use super::routes::RouteId;

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: TargetId,
    /// Who asks it; `None` while it has no address.
    pub(super) route: Option<RouteId>,
    /// Where it is asked.
    pub(super) place: Option<Place>,
    /// Changes with whatever matters of the target.
    pub(super) print: u64,
    /// Kept where its name or its pace may have to be looked at again.
    pub(super) target: Option<Arc<Target>>,
}

impl Known {
    /// A new target, and its address if that is written out.
    pub(super) fn new(id: TargetId, print: u64, target: &Target) -> (Self, Option<SocketAddr>) {
        let known = Self { id, route: None, place: None, print, target: None };
        (known, super::fixed_address(target))
    }
}

/// An address and port in 16 bytes, as most are of IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    V4(Ipv4Addr, u16),
    V6(Box<SocketAddrV6>),
}

impl Place {
    pub(super) fn of(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::V4(*v4.ip(), v4.port()),
            SocketAddr::V6(v6) => Self::V6(Box::new(v6)),
        }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.address().ip()
    }

    pub(super) fn port(&self) -> u16 {
        self.address().port()
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::V4(ip, port) => SocketAddr::from((*ip, *port)),
            Self::V6(v6) => SocketAddr::V6(**v6),
        }
    }

    /// Whether it is this address and zone, whatever the port.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        let zone = |address| if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
        let own = self.address();
        (own.ip(), zone(own)) == (address.ip(), zone(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_target_stays_small() {
        assert!(size_of::<Known>() <= 40, "{} bytes", size_of::<Known>());
    }
}
