//! The inventory: the devices that netmend knows, by which addresses and names they speak, and whom a line
//! is from. Pure look-ups over validated values; files are read by the binary.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::{Listener, Secret, SnmpAccess, Transport};

/// A device that lines come from and that can be logged in to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name in the inventory, unique.
    pub name: String,
    /// Addresses that its lines come from and that it is reached by.
    pub addresses: Vec<IpAddr>,
    /// Further names that it calls itself.
    pub names: Vec<String>,
    /// What runs on it, as in remediations: `ios`, `nxos`, `eos`, `junos` ...
    pub platform: Option<String>,
    /// Groups it belongs to.
    pub groups: BTreeSet<String>,
    /// Name of the device that takes over when this one fails, and the other way round.
    pub pair: Option<String>,
    /// How to log in to it; `None`: nobody logs in.
    pub login: Option<Login>,
    /// Hosts of targets that show how it is, besides those with an address or a name of its own.
    pub targets: Vec<String>,
    /// How to ask it over SNMP; `None`: nobody asks.
    pub snmp: Option<SnmpAccess>,
}

/// How to log in to a device over SSH. What is not given is not tried, and each thing is tried once: a
/// second wrong password may lock the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub user: String,
    /// TCP port, 22 as a rule.
    pub port: u16,
    /// Private key, as in the file that `ssh-keygen` writes.
    pub key: Option<Secret>,
    /// What the private key is locked with.
    pub passphrase: Option<Secret>,
    /// Password, for the method `password` or as the answer to a question for one.
    pub password: Option<Secret>,
    /// Password of the privileged mode, where the device has one.
    pub enable: Option<Secret>,
    /// Whether the keys of the SSH agent at `SSH_AUTH_SOCK` may be used.
    pub agent: bool,
    /// Whether old algorithms may be spoken: SHA-1 key exchanges, CBC ciphers, `ssh-rsa`.
    pub legacy: bool,
    /// Name of the device to go through, as with ssh's `ProxyJump`.
    pub jump: Option<String>,
}

impl Login {
    /// A login without anything to prove who one is.
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            port: 22,
            key: None,
            passphrase: None,
            password: None,
            enable: None,
            agent: false,
            legacy: false,
            jump: None,
        }
    }

    /// All that must not be seen in what a session shows.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.key, &self.passphrase, &self.password, &self.enable].into_iter().flatten()
    }
}

/// All devices and relays, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    devices: Vec<Device>,
    by_address: HashMap<IpAddr, usize>,
    /// Folded names; `None` where two devices share one, which then means neither.
    by_name: HashMap<String, Option<usize>>,
    relays: BTreeSet<IpAddr>,
}

/// Why devices do not make an inventory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// Two devices have one name.
    #[error("two devices are named {0}")]
    Name(String),
    /// Two devices have one address.
    #[error("{address} belongs to {first} and to {second}")]
    Address {
        /// The address.
        address: IpAddr,
        /// The device that had it first.
        first: String,
        /// The other one.
        second: String,
    },
    /// A relay is a device's address too: its header would be trusted for every device.
    #[error(
        "{address} is a relay and the address of {device}: lines from there could be of either"
    )]
    Relay {
        /// The address.
        address: IpAddr,
        /// The device.
        device: String,
    },
    /// The other half of a pair does not exist, or has another partner.
    #[error("{device} is paired with {partner}, which {why}")]
    Pair {
        /// The device.
        device: String,
        /// Its partner.
        partner: String,
        /// What is wrong with that.
        why: &'static str,
    },
}

/// Who said a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity<'a> {
    /// A device of the inventory: the address, or the relay that it came through, says so.
    Known(&'a Device),
    /// Nobody of the inventory: the host that a trusted relay names, or the sender's address.
    Stranger(String),
    /// The line names a device, and comes from elsewhere. Nothing may ever be run because of it.
    Conflict {
        /// The device it names.
        claimed: &'a Device,
        /// Whom it is from, by its address: another device, or the address itself.
        from: String,
    },
}

impl Identity<'_> {
    /// The name to file a line under.
    pub fn name(&self) -> &str {
        match self {
            Identity::Known(device) => &device.name,
            Identity::Stranger(name) | Identity::Conflict { from: name, .. } => name,
        }
    }

    /// Whether the sender is surely the device that it says it is.
    pub fn is_sure(&self) -> bool {
        matches!(self, Identity::Known(_))
    }
}

impl Inventory {
    /// An inventory of these devices; lines from `relays` are believed in the header that the relay wrote.
    ///
    /// # Errors
    /// Names or addresses that two devices share, and pairs that are none.
    pub fn new(
        devices: Vec<Device>,
        relays: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Self, InventoryError> {
        let mut inventory = Self { relays: relays.into_iter().collect(), ..Self::default() };
        for (index, device) in devices.iter().enumerate() {
            for address in &device.addresses {
                if inventory.relays.contains(address) {
                    let (address, device) = (*address, device.name.clone());
                    return Err(InventoryError::Relay { address, device });
                }
                match inventory.by_address.insert(*address, index) {
                    Some(first) if first != index => {
                        return Err(InventoryError::Address {
                            address: *address,
                            first: devices[first].name.clone(),
                            second: device.name.clone(),
                        });
                    }
                    _ => {}
                }
            }
            inventory.learn_names(index, device);
        }
        check_names_and_pairs(&devices)?;
        inventory.devices = devices;
        Ok(inventory)
    }

    /// Remembers a device's names, whole and without their domain.
    fn learn_names(&mut self, index: usize, device: &Device) {
        let names = std::iter::once(&device.name).chain(&device.names);
        // A part is folded away where a line names it, not here: `core-sw2` must not be called `core`.
        let forms: BTreeSet<String> = names.flat_map(|name| forms(name, false)).collect();
        for form in forms {
            self.by_name
                .entry(form)
                .and_modify(|known| *known = known.filter(|known| *known == index))
                .or_insert(Some(index));
        }
    }

    /// The devices in the order given.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The device of this name in the inventory.
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// The device with this address.
    pub fn at(&self, address: IpAddr) -> Option<&Device> {
        self.by_address.get(&address).map(|index| &self.devices[*index])
    }

    /// The device that calls itself so: by name or address, upper and lower case alike, with or without
    /// its domain, routing engine, VDC or stack member. Names that fit two devices fit none.
    pub fn called(&self, host: &str) -> Option<&Device> {
        if let Ok(address) = host.parse() {
            return self.at(address);
        }
        forms(host, true)
            .iter()
            .find_map(|form| self.by_name.get(form))
            .and_then(|index| index.map(|index| &self.devices[index]))
    }

    /// Whether the header of lines that come in there is believed: the sender is a relay, or the line is
    /// from a file, which only a program of this machine can have written.
    pub fn trusts(&self, listener: &Listener, peer: Option<IpAddr>) -> bool {
        match (listener.transport, peer) {
            (Transport::File, _) => true,
            (_, Some(peer)) => self.relays.contains(&peer),
            (_, None) => false,
        }
    }

    /// Whom a line is from. `claimed` is the host in its header: of a trusted relay the one that the relay
    /// wrote.
    pub fn identify<'a>(
        &'a self,
        listener: &Listener,
        peer: Option<IpAddr>,
        claimed: Option<&str>,
    ) -> Identity<'a> {
        let named = claimed.and_then(|claimed| self.called(claimed));
        if self.trusts(listener, peer) {
            return match (named, claimed, peer) {
                (Some(device), ..) => Identity::Known(device),
                (None, Some(claimed), _) => Identity::Stranger(fold(claimed)),
                (None, None, Some(peer)) => Identity::Stranger(peer.to_string()),
                (None, None, None) => Identity::Stranger(listener.place.to_string()),
            };
        }
        let sender = peer.and_then(|peer| self.at(peer));
        let from = || {
            let address = || peer.map_or_else(String::new, |peer| peer.to_string());
            sender.map_or_else(address, |device| device.name.clone())
        };
        match (sender, named) {
            (Some(sender), Some(named)) if sender.name != named.name => {
                Identity::Conflict { claimed: named, from: from() }
            }
            (Some(sender), _) => Identity::Known(sender),
            (None, Some(named)) => Identity::Conflict { claimed: named, from: from() },
            (None, None) => Identity::Stranger(from()),
        }
    }
}

fn check_names_and_pairs(devices: &[Device]) -> Result<(), InventoryError> {
    let mut by_name = BTreeMap::new();
    for device in devices {
        if by_name.insert(device.name.as_str(), device).is_some() {
            return Err(InventoryError::Name(device.name.clone()));
        }
    }
    for device in devices {
        let Some(partner) = &device.pair else { continue };
        let why = match by_name.get(partner.as_str()) {
            None => Some("is no device of the inventory"),
            Some(other) if other.name == device.name => Some("is the device itself"),
            Some(other) if other.pair.as_ref().is_some_and(|back| *back != device.name) => {
                Some("is paired with another one")
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            let (device, partner) = (device.name.clone(), partner.clone());
            return Err(InventoryError::Pair { device, partner, why });
        }
    }
    Ok(())
}

/// Which of these names somebody means who calls a device so: that very name, else those that are the same for
/// [`Inventory::called`]. None if nobody is called so, several if it is a short name of them all.
pub fn meant<'n>(called: &str, names: &[&'n str]) -> Vec<&'n str> {
    if let Some(exact) = names.iter().find(|name| **name == called) {
        return vec![exact];
    }
    let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
    if is_address(called) {
        return names.iter().copied().filter(|name| fold(name) == fold(called)).collect();
    }
    let named: Vec<_> = names.iter().filter(|name| !is_address(name)).collect();
    let of = |form: &String| -> Vec<&'n str> {
        named.iter().filter(|name| forms(name, false).contains(form)).map(|name| **name).collect()
    };
    forms(called, true).iter().map(of).find(|found| !found.is_empty()).unwrap_or_default()
}

/// A name as it is compared: lower case, without a final dot.
fn fold(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// The forms of a name, the longest first: whole, without its domain, and with `parts` also without what
/// names a part of the device.
fn forms(name: &str, parts: bool) -> Vec<String> {
    let whole = fold(name);
    // A routing engine may stand in front: `re0.router.example.com`.
    let rest = whole.strip_prefix("re0.").or_else(|| whole.strip_prefix("re1.")).unwrap_or(&whole);
    let short = rest.split('.').next().unwrap_or(rest);
    let mut forms = vec![whole.clone()];
    for form in [rest, short, if parts { without_part(short) } else { short }] {
        if !form.is_empty() && !forms.iter().any(|known| known == form) {
            forms.push(form.to_owned());
        }
    }
    forms
}

/// A name without the routing engine (`-re0`), virtual device (`-vdc2`) or stack member (`-stack1`,
/// `-member2`, `-sw2`) at its end.
fn without_part(name: &str) -> &str {
    const PARTS: [&str; 6] = ["re", "vdc", "stack", "member", "node", "sw"];
    let Some((start, part)) = name.rsplit_once(['-', '_', ':']) else { return name };
    let word = part.trim_end_matches(|letter: char| letter.is_ascii_digit());
    // `core-sw` is a name; `core-sw2` may be the second member of `core`, but only if `core` is known.
    if PARTS.contains(&word) && word.len() < part.len() { start } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_devices_as_a_line_does_and_itself_before_all() {
        let names = ["SW1.example.com", "core", "core.b.example", "10.0.0.5", "re.a", "re.b"];
        for (called, found) in [
            ("sw1", &["SW1.example.com"][..]),
            ("Sw1.Example.COM.", &["SW1.example.com"]),
            ("sw1.elsewhere.net", &["SW1.example.com"]),
            ("core", &["core"]),
            ("CORE.b.example", &["core.b.example"]),
            ("core-re1", &["core", "core.b.example"]),
            ("re", &["re.a", "re.b"]),
            ("10", &[]),
            ("10.0.0.5", &["10.0.0.5"]),
            ("10.0.0.6", &[]),
            ("sw", &[]),
        ] {
            assert_eq!(meant(called, &names), found, "{called}");
        }
    }

    fn device(name: &str, address: &str) -> Device {
        Device { name: name.into(), addresses: vec![address.parse().unwrap()], ..Device::default() }
    }

    fn inventory() -> Inventory {
        let mut sw1 = device("sw1.example.com", "10.0.0.1");
        sw1.names = vec!["Access-1".into()];
        let devices = vec![sw1, device("mx1", "10.0.0.2"), device("core-sw2", "10.0.0.3")];
        Inventory::new(devices, ["10.9.9.9".parse().unwrap()]).unwrap()
    }

    fn udp() -> Listener {
        Listener::on(Transport::Udp, "0.0.0.0:514".parse().unwrap())
    }

    #[test]
    fn a_device_is_known_by_all_its_names_and_their_forms() {
        let inventory = inventory();
        let called = |host| inventory.called(host).map(|device| device.name.as_str());
        for host in ["SW1.example.com", "sw1", "sw1.other.net.", "access-1", "10.0.0.1"] {
            assert_eq!(called(host), Some("sw1.example.com"), "{host}");
        }
        for host in
            ["mx1-re0", "re1.mx1.example.com", "MX1-RE1.example.com", "mx1-vdc2", "mx1_stack1"]
        {
            assert_eq!(called(host), Some("mx1"), "{host}");
        }
        assert_eq!(called("core-sw2"), Some("core-sw2"));
        for host in ["core", "mx2", "mx1-2", "", "10.0.0.9", "."] {
            assert_eq!(called(host), None, "{host}");
        }
    }

    #[test]
    fn a_short_name_of_two_devices_means_neither() {
        let devices = vec![device("sw1.a.net", "10.0.0.1"), device("sw1.b.net", "10.0.0.2")];
        let inventory = Inventory::new(devices, []).unwrap();
        assert_eq!(inventory.called("sw1"), None);
        assert_eq!(inventory.called("sw1.b.net").unwrap().name, "sw1.b.net");
    }

    #[test]
    fn the_address_decides_and_a_line_that_names_another_device_is_a_conflict() {
        let inventory = inventory();
        let identify =
            |peer: &str, claimed| inventory.identify(&udp(), Some(peer.parse().unwrap()), claimed);
        let sw1 = identify("10.0.0.1", Some("sw1"));
        assert!(sw1.is_sure() && sw1.name() == "sw1.example.com");
        assert!(identify("10.0.0.1", None).is_sure());
        assert!(identify("10.0.0.1", Some("a-name-nobody-knows")).is_sure());
        let forged = identify("10.0.0.1", Some("mx1"));
        assert!(!forged.is_sure() && forged.name() == "sw1.example.com");
        let from_outside = identify("192.0.2.7", Some("mx1"));
        assert!(matches!(from_outside, Identity::Conflict { .. }));
        assert_eq!(from_outside.name(), "192.0.2.7");
        assert_eq!(identify("192.0.2.7", Some("who")), Identity::Stranger("192.0.2.7".into()));
    }

    #[test]
    fn a_relay_is_believed_and_so_is_a_file() {
        let inventory = inventory();
        let relay = Some("10.9.9.9".parse().unwrap());
        assert_eq!(inventory.identify(&udp(), relay, Some("mx1-re0")).name(), "mx1");
        assert!(inventory.identify(&udp(), relay, Some("10.0.0.1")).is_sure());
        let stranger = inventory.identify(&udp(), relay, Some("Other.net"));
        assert_eq!(stranger, Identity::Stranger("other.net".into()));
        let file = Listener::of_file("/var/log/net".as_ref());
        assert!(inventory.identify(&file, None, Some("sw1")).is_sure());
        assert_eq!(inventory.identify(&file, None, None).name(), "/var/log/net");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |devices| Inventory::new(devices, ["10.9.9.9".parse().unwrap()]).unwrap_err();
        let twice = refused(vec![device("a", "10.0.0.1"), device("a", "10.0.0.2")]);
        assert_eq!(twice.to_string(), "two devices are named a");
        let shared = refused(vec![device("a", "10.0.0.1"), device("b", "10.0.0.1")]);
        assert_eq!(shared.to_string(), "10.0.0.1 belongs to a and to b");
        let relay = refused(vec![device("a", "10.9.9.9")]);
        assert!(matches!(relay, InventoryError::Relay { .. }));
        let pair = |of: &str, with: Option<&str>| Device {
            name: of.into(),
            pair: with.map(str::to_owned),
            ..Device::default()
        };
        for (devices, words) in [
            (vec![pair("a", Some("b"))], "no device"),
            (vec![pair("a", Some("a"))], "itself"),
            (vec![pair("a", Some("b")), pair("b", Some("c")), pair("c", None)], "another one"),
        ] {
            assert!(refused(devices).to_string().contains(words));
        }
        let both = vec![pair("a", Some("b")), pair("b", None)];
        assert!(Inventory::new(both, []).is_ok());
    }
}
