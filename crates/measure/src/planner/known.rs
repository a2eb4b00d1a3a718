//! What the planner remembers of a target: 56 bytes, since there may be a hundred thousand.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
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
    /// Why its name has no address now.
    pub(super) unresolved: Option<Box<Arc<str>>>,
}

impl Known {
    /// A new target, and its address if that is written out.
    pub(super) fn new(id: TargetId, print: u64, target: &Target) -> (Self, Option<SocketAddr>) {
        let known = Self { id, route: None, place: None, print, target: None, unresolved: None };
        (known, super::fixed_address(target))
    }
}

/// An address and port in 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ip: IpAddr,
    port: u16,
    scope: u32,
}

impl Place {
    pub(super) fn of(address: SocketAddr) -> Self {
        let scope = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
        Self { ip: address.ip(), port: address.port(), scope }
    }

    pub(super) fn port(self) -> u16 {
        self.port
    }

    pub(super) fn address(self) -> SocketAddr {
        match self.ip {
            IpAddr::V4(_) => SocketAddr::new(self.ip, self.port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, self.scope).into(),
        }
    }

    /// Whether it is this address and zone, whatever the port.
    pub(super) fn is_at(self, address: SocketAddr) -> bool {
        let other = Self::of(address);
        (self.ip, self.scope) == (other.ip, other.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_target_stays_small() {
        assert!(size_of::<Known>() <= 56, "{} bytes", size_of::<Known>());
    }
}
