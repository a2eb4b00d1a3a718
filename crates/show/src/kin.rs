//! Which targets a device has, and which devices a target is. Names are compared whole: another domain may have
//! another device of that name. It must not read anything.

use model::{Device, Inventory, TargetNow};

/// Whether a target is a device: it has one of its addresses, or its host is one of its names.
pub(crate) fn is_target_of(now: &TargetNow, device: &Device) -> bool {
    let mut names = std::iter::once(&device.name).chain(&device.names);
    now.address.is_some_and(|address| device.addresses.contains(&address))
        || names.any(|name| name.eq_ignore_ascii_case(&now.target.host))
}

/// The names of the devices that a target is: one as a rule.
pub(crate) fn devices_of(now: &TargetNow, inventory: &Inventory) -> Vec<String> {
    let its = inventory.devices().iter().filter(|device| is_target_of(now, device));
    its.map(|device| device.name.clone()).collect()
}
