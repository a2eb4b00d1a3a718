//! Where a session goes: a device of the inventory, its login and the devices on the way. Pure look-ups.

use std::net::IpAddr;

use model::{Inventory, Login};

use crate::platform::Platform;

/// Most devices that a session goes through before the last.
const MAX_JUMPS: usize = 4;

/// A device to log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name in the inventory, by which its host key is known.
    pub device: String,
    /// Its addresses, in the order to try.
    pub addresses: Vec<IpAddr>,
    /// How to log in.
    pub login: Login,
    /// What runs on it.
    pub platform: Platform,
    /// The device to go through.
    pub jump: Option<Box<Endpoint>>,
}

/// Why a device cannot be logged in to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The inventory does not know it.
    #[error("the inventory has no device {0}")]
    Unknown(String),
    /// There is no `login:`.
    #[error("{0} has no `login:` in the configuration")]
    NoLogin(String),
    /// There is no `platform:`, or one that we cannot talk to.
    #[error("the platform of {device} is {}; sessions know {}", typed(.platform.as_ref()), platforms())]
    Platform {
        /// The device.
        device: String,
        /// What the inventory says.
        platform: Option<String>,
    },
    /// The way there goes in a circle, or on and on.
    #[error("the way to {0} goes through more than {MAX_JUMPS} devices, or in a circle")]
    Jumps(String),
}

fn typed(platform: Option<&String>) -> String {
    platform.map_or_else(|| "not said".to_owned(), |platform| format!("`{platform}`"))
}

fn platforms() -> String {
    Platform::ALL.map(Platform::name).join(", ")
}

impl Endpoint {
    /// How to reach a device of the inventory, by any of its names.
    ///
    /// # Errors
    /// It is not known, or what a login needs is not.
    pub fn of(inventory: &Inventory, name: &str) -> Result<Self, EndpointError> {
        Self::through(inventory, name, 0)
    }

    fn through(inventory: &Inventory, name: &str, jumps: usize) -> Result<Self, EndpointError> {
        let found = inventory.device(name).or_else(|| inventory.called(name));
        let device = found.ok_or_else(|| EndpointError::Unknown(name.to_owned()))?;
        let name = || device.name.clone();
        if jumps > MAX_JUMPS {
            return Err(EndpointError::Jumps(name()));
        }
        let login = device.login.clone().ok_or_else(|| EndpointError::NoLogin(name()))?;
        let platform = device.platform.as_deref().and_then(Platform::meant_by);
        // What is only gone through is asked nothing, so that its platform does not matter.
        let platform = match platform {
            Some(platform) => platform,
            None if jumps > 0 => Platform::Linux,
            None => {
                let platform = device.platform.clone();
                return Err(EndpointError::Platform { device: name(), platform });
            }
        };
        let jump = login
            .jump
            .as_deref()
            .map(|jump| Self::through(inventory, jump, jumps + 1).map(Box::new))
            .transpose()?;
        Ok(Self { device: name(), addresses: device.addresses.clone(), login, platform, jump })
    }
}

#[cfg(test)]
mod tests {
    use model::Device;

    use super::*;

    fn device(name: &str, platform: Option<&str>, jump: Option<&str>) -> Device {
        let mut login = Login::new("netmend");
        login.jump = jump.map(str::to_owned);
        let platform = platform.map(str::to_owned);
        Device { name: name.into(), platform, login: Some(login), ..Device::default() }
    }

    #[test]
    fn the_way_to_a_device_is_found_through_others() {
        let devices = vec![
            device("r1", Some("ios"), Some("bastion")),
            device("bastion", None, None),
            device("a", Some("ios"), Some("b")),
            device("b", Some("ios"), Some("a")),
            device("c", Some("vms"), None),
            Device { name: "d".into(), ..Device::default() },
        ];
        let inventory = Inventory::new(devices, []).unwrap();
        let r1 = Endpoint::of(&inventory, "R1").unwrap();
        assert_eq!(r1.jump.unwrap().device, "bastion");
        let refused = |name| Endpoint::of(&inventory, name).unwrap_err();
        assert!(matches!(refused("a"), EndpointError::Jumps(_)));
        assert_eq!(refused("x"), EndpointError::Unknown("x".into()));
        assert_eq!(refused("d"), EndpointError::NoLogin("d".into()));
        assert_eq!(
            refused("c").to_string(),
            "the platform of c is `vms`; sessions know ios, iosxr, nxos, eos, junos, frr, linux, vrp, sros"
        );
        assert!(refused("bastion").to_string().contains("not said"));
    }
}
