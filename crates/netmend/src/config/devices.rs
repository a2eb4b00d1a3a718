//! The keys `devices` and `inventory`: the devices that netmend knows, from the config itself, from CSV and
//! from `NetBox`. What they mean together is for [`model::Inventory`] to say.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use model::{Device, Inventory, Login, Secret};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::csv;
use super::keys::keys;
use super::platforms::Said;
use super::problem::{Problem, Problems};
use super::raw::{Flag, Label, Port, text_schema};
use super::reader::{Read, Reader, key_text};
use super::snmp::RawSnmpOf;
use super::source::{self, At, Span, Texts};
use super::syslog::{Addresses, Codes};
use super::yaml::Node;

keys! {
    /// A device.
    struct RawDevice ("a map with keys such as `addresses`") {
        /// Addresses that its lines come from and that it is reached by.
        addresses: Addresses,
        /// Further names that it calls itself.
        names: Codes,
        /// What runs on it: ios, iosxr, nxos, eos, junos, vrp, frr or another word.
        platform: Label,
        /// Groups that it belongs to.
        groups: Codes,
        /// The device that takes over when this one fails.
        pair: Label,
        /// How to log in to it over SSH.
        login: RawLogin,
        /// Hosts of targets that show whether a repair of it held, besides those with its own addresses and
        /// names.
        targets: Codes,
        /// How to ask it over SNMP, as far as that differs from `snmp` at the top.
        snmp: RawSnmpOf,
    }
}

keys! {
    /// How to log in to a device over SSH. Give secrets as `${file:PATH}` or `${env:NAME}`.
    struct RawLogin ("a map with keys such as `user`") {
        /// The account.
        user: Label,
        /// TCP port, 22 if not given.
        port: Port,
        /// Private key: its text, as `${file:PATH}` gives it.
        key: SecretText,
        /// What the private key is locked with.
        passphrase: SecretText,
        /// Password, also as the answer to a question for one.
        password: SecretText,
        /// Password of the privileged mode, where there is one.
        enable: SecretText,
        /// Whether the keys of the SSH agent may be used.
        agent: Flag,
        /// Whether old algorithms may be spoken, as old devices need.
        legacy: Flag,
        /// The device to go through, as with ssh's `ProxyJump`.
        jump: Label,
    }
}

/// Text that is kept and never shown; it can only be referred to, so that no file that people share holds it.
#[derive(Debug)]
pub(crate) struct SecretText(Secret);

impl Read for SecretText {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, "a secret")?;
        if text.has_references() {
            return Some(Self(Secret::new(text.into_value())));
        }
        let problem = Problem::new(node.span, "a secret must not stand here itself");
        reader.refuse(problem.allowed("write ${file:PATH} or ${env:NAME}"))
    }
}

impl SecretText {
    /// What it stands for, to keep.
    pub(super) fn secret(&self) -> Secret {
        self.0.clone()
    }
}

text_schema!(SecretText, { "type": "string", "pattern": "\\$\\{(env|file):" });

impl RawLogin {
    /// The login that was typed; `None` if it names no user, which is a problem at `span`.
    pub(super) fn login(self, span: Span, problems: &mut Problems) -> Option<Login> {
        let Some(user) = self.user else {
            problems.push(Problem::new(span, "the login has no `user`"));
            return None;
        };
        let secret = |given: Option<At<SecretText>>| given.map(|given| given.value.0);
        let mut login = Login::new(user.value.0);
        login.port = self.port.map_or(login.port, |port| port.value.0);
        login.key = secret(self.key);
        login.passphrase = secret(self.passphrase);
        login.password = secret(self.password);
        login.enable = secret(self.enable);
        login.agent = self.agent.is_some_and(|agent| agent.value.0);
        login.legacy = self.legacy.is_some_and(|legacy| legacy.value.0);
        login.jump = self.jump.map(|jump| jump.value.0);
        Some(login)
    }
}

/// Devices by name.
#[derive(Debug, Default)]
pub(crate) struct RawDevices(pub(crate) Vec<(At<Label>, At<RawDevice>)>);

impl Read for RawDevices {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, "a map of devices, each with its addresses")?;
        let mut devices = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, device) = (reader.at(key), reader.at(value));
            devices.extend(name.zip(device));
        }
        Some(Self(devices))
    }
}

impl JsonSchema for RawDevices {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Devices".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let device = generator.subschema_for::<RawDevice>();
        json_schema!({ "type": "object", "additionalProperties": device })
    }
}

/// Files with devices: CSV, or JSON as `NetBox` exports it.
#[derive(Debug, Default)]
pub(crate) struct InventoryFiles(pub(crate) Vec<At<super::raw::Folder>>);

impl Read for InventoryFiles {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.one_or_more(node).map(Self)
    }
}

text_schema!(InventoryFiles, {
    "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 } }
    ]
});

impl RawDevices {
    /// Takes out how each device is asked over SNMP: what that means is known once all files are read.
    pub(crate) fn take_snmp(&mut self) -> impl Iterator<Item = (String, At<RawSnmpOf>)> {
        self.0.iter_mut().filter_map(|(name, raw)| {
            raw.value.snmp.take().map(|access| (name.value.0.clone(), access))
        })
    }

    /// What each device that says so runs.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = Said> {
        self.0.iter().filter_map(|(name, raw)| {
            let At { value: Label(platform), span } = raw.value.platform.as_ref()?;
            let (device, platform) = (name.value.0.clone(), platform.clone());
            Some(Said { device, platform, span: *span })
        })
    }

    /// The devices that were typed.
    pub(crate) fn devices(self, problems: &mut Problems) -> Vec<Device> {
        let words = |list: &Option<At<Codes>>| -> Vec<String> {
            let list = list.iter().flat_map(|list| &list.value.0);
            list.map(|one| one.value.0.clone()).collect()
        };
        let one = |(name, raw): (At<Label>, At<RawDevice>)| {
            let raw = raw.value;
            let addresses = raw.addresses.iter().flat_map(|list| &list.value.0);
            Device {
                name: name.value.0,
                login: raw.login.and_then(|login| login.value.login(login.span, problems)),
                addresses: addresses.map(|address| address.value.0).collect(),
                names: words(&raw.names),
                platform: raw.platform.as_ref().map(|platform| platform.value.0.clone()),
                groups: words(&raw.groups).into_iter().collect(),
                pair: raw.pair.as_ref().map(|pair| pair.value.0.clone()),
                targets: words(&raw.targets),
                snmp: None,
            }
        };
        self.0.into_iter().map(one).collect()
    }
}

/// Puts devices and relays together, or notes at `span` why they do not fit.
pub(crate) fn inventory(
    devices: Vec<Device>,
    relays: &[IpAddr],
    span: Span,
    problems: &mut Problems,
) -> Inventory {
    Inventory::new(devices, relays.iter().copied()).unwrap_or_else(|why| {
        problems.push(Problem::new(span, why.to_string()));
        Inventory::default()
    })
}

/// Reads the devices of a file: JSON if it starts as JSON does, else CSV. `span` is where it was named.
pub(crate) fn read(
    path: &Path,
    span: Span,
    texts: &mut Texts,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Vec<Device> {
    let name = path.display().to_string();
    match source::read(path) {
        Ok(text) if text.trim_start().starts_with(['{', '[']) => {
            netbox(&text).unwrap_or_else(|why| {
                problems.push(Problem::new(span, format!("{name}: {why}")));
                Vec::new()
            })
        }
        Ok(text) => {
            let source = texts.add(name, text);
            let text = texts.get(source).text.clone();
            csv::devices_of(&text, source, problems, warnings)
        }
        Err(unreadable) => {
            problems.push(Problem::new(span, format!("{name}: {}", unreadable.what)));
            Vec::new()
        }
    }
}

/// What of a `NetBox` device matters: the JSON of `/api/dcim/devices/`, its `results`, or an export of them.
#[derive(Deserialize)]
struct NetBoxDevice {
    name: Option<String>,
    #[serde(default)]
    primary_ip4: Option<NetBoxAddress>,
    #[serde(default)]
    primary_ip6: Option<NetBoxAddress>,
    #[serde(default)]
    oob_ip: Option<NetBoxAddress>,
    #[serde(default)]
    platform: Option<NetBoxSlug>,
    #[serde(default)]
    site: Option<NetBoxSlug>,
    #[serde(default)]
    role: Option<NetBoxSlug>,
    /// The same before `NetBox` 4; 3.6 and 3.7 write both.
    #[serde(default)]
    device_role: Option<NetBoxSlug>,
    #[serde(default)]
    tags: Vec<NetBoxSlug>,
}

#[derive(Deserialize)]
struct NetBoxAddress {
    address: String,
}

#[derive(Deserialize)]
struct NetBoxSlug {
    slug: String,
}

fn netbox(text: &str) -> Result<Vec<Device>, String> {
    #[derive(Deserialize)]
    struct Page {
        results: Vec<NetBoxDevice>,
        #[serde(default)]
        next: Option<String>,
    }
    let found = if text.trim_start().starts_with('{') {
        let page = serde_json::from_str::<Page>(text);
        if page.as_ref().is_ok_and(|page| page.next.is_some()) {
            return Err("only the first page of NetBox's devices: ask for all with ?limit=0".into());
        }
        page.map(|page| page.results)
    } else {
        serde_json::from_str(text)
    };
    let found: Vec<NetBoxDevice> =
        found.map_err(|why| format!("not an export of NetBox's devices: {why}"))?;
    // A device without a name cannot be spoken of: NetBox has such for what is only planned.
    found
        .into_iter()
        .filter_map(|device| device.name.clone().map(|name| (name, device)))
        .map(known)
        .collect()
}

fn known((name, device): (String, NetBoxDevice)) -> Result<Device, String> {
    let mut addresses = Vec::new();
    for typed in [device.primary_ip4, device.primary_ip6, device.oob_ip].into_iter().flatten() {
        let plain = typed.address.split('/').next().unwrap_or_default();
        let address = plain
            .parse()
            .map_err(|_| format!("device {name}: `{}` is no address", typed.address))?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let groups: BTreeSet<String> = [device.site, device.role.or(device.device_role)]
        .into_iter()
        .flatten()
        .chain(device.tags)
        .map(|slug| slug.slug)
        .collect();
    let platform = device.platform.map(|platform| platform.slug);
    Ok(Device { name, addresses, platform, groups, ..Device::default() })
}

/// The files that an inventory is read from, relative to `folder`.
pub(crate) fn files(raw: &InventoryFiles, folder: &Path) -> Vec<(PathBuf, Span)> {
    raw.0.iter().map(|path| (folder.join(&path.value.0), path.span)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::from_text;
    use super::super::load::load_text;

    #[test]
    fn devices_are_read_from_the_config() {
        let text = "\
devices:
  sw1: { addresses: 10.0.0.1, names: [a, b], platform: nxos, groups: [core], pair: sw2 }
  sw2: { addresses: [10.0.0.2] }
syslog: { relays: [10.0.0.9] }
";
        let inventory = from_text(text).inventory;
        assert_eq!(inventory.devices().len(), 2);
        let sw1 = inventory.called("a").unwrap();
        assert_eq!((sw1.name.as_str(), sw1.pair.as_deref()), ("sw1", Some("sw2")));
        assert!(inventory.at("10.0.0.2".parse().unwrap()).is_some());
    }

    #[test]
    fn devices_are_read_from_csv_and_from_netbox() {
        let folder = tempfile::tempdir().unwrap();
        let csv = "name;address;platform;groups;pair;names\nr1;10.0.1.1 2001:db8::1;junos;edge core;;r1-a\n";
        std::fs::write(folder.path().join("d.csv"), csv).unwrap();
        let json = r#"{"count":2,"results":[
            {"name":"r2","primary_ip4":{"address":"10.0.2.1/32"},"platform":{"slug":"eos"},
             "site":{"slug":"lon1"},"role":{"slug":"leaf"},"device_role":{"slug":"leaf"},"tags":[{"slug":"t"}],"id":7},
            {"name":null}]}"#;
        std::fs::write(folder.path().join("d.json"), json).unwrap();
        let paths = ["d.csv", "d.json"].map(|name| folder.path().join(name).display().to_string());
        let inventory = from_text(&format!("inventory: [{}, {}]", paths[0], paths[1])).inventory;
        let r1 = inventory.called("r1-a").unwrap();
        assert_eq!(r1.addresses.len(), 2);
        assert_eq!(r1.groups.iter().collect::<Vec<_>>(), ["core", "edge"]);
        let r2 = inventory.at("10.0.2.1".parse().unwrap()).unwrap();
        assert_eq!((r2.name.as_str(), r2.platform.as_deref()), ("r2", Some("eos")));
        assert_eq!(r2.groups.len(), 3);
    }

    #[test]
    fn logins_are_read_and_shared_and_their_secrets_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2-of-sw1\n").unwrap();
        let text = format!(
            "login: {{ user: all, agent: true }}\n\
             devices:\n  sw1: {{ login: {{ user: netmend, port: 2222, password: \"${{file:{}}}\", jump: sw2 }} }}\n  sw2: {{}}\n",
            path.display()
        );
        let inventory = from_text(&text).inventory;
        let login = inventory.device("sw1").unwrap().login.clone().unwrap();
        assert_eq!((login.port, login.jump.as_deref()), (2222, Some("sw2")));
        assert_eq!(login.password.as_ref().unwrap().reveal(), "hunter2-of-sw1");
        assert!(!format!("{inventory:?}").contains("hunter2"));
        assert!(inventory.device("sw2").unwrap().login.as_ref().unwrap().agent);
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        for (text, words) in [
            ("devices: { a: { addresses: 1.1.1.1 }, b: { addresses: 1.1.1.1 } }", "belongs to a"),
            ("devices: { a: { pair: c } }", "no device of the inventory"),
            ("devices: { a: { address: 1.1.1.1 } }", "unknown key"),
            ("devices: { a: { addresses: x } }", "not an address"),
            ("inventory: /nonexistent.csv", "nonexistent.csv"),
            ("devices: { a: { login: { user: u, password: hunter2 } } }", "must not stand here"),
            ("devices: { a: { login: { port: 22 } } }", "has no `user`"),
        ] {
            let told = load_text("t", text).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}
