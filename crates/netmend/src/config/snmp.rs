//! The keys `snmp`: how devices are asked for their interfaces, for all of them and for each, and where traps
//! are heard. A device says what differs from all. It opens no connection.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use measure::snmp::traps::TrapOptions;
use model::{Device, SnmpAccess, SnmpAuth, SnmpCredential, SnmpPrivacy, SnmpUser};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::devices::SecretText;
use super::keys::keys;
use super::problem::{Problem, Problems};
use super::raw::{Flag, Label, Port, duration, text_schema};
use super::reader::{Read, Reader, key_text};
use super::source::{At, Span};
use super::syslog::Sockets;
use super::units::{self, DURATION_HELP};
use super::yaml::Node;

/// Where traps are heard unless told otherwise: this machine alone can reach it.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5162);

/// Adds the keys that all devices and each of them share.
macro_rules! keys_of_access {
    (
        $(#[$meta:meta])*
        struct $name:ident ($wanted:literal) { $($own:tt)* }
    ) => {
        keys! {
            $(#[$meta])*
            struct $name ($wanted) {
                $($own)*
                /// 2c or 3; what is given, a community or a user, says it too.
                version: Version,
                /// Community of version 2c, as `${env:NAME}` or `${file:PATH}`.
                community: SecretText,
                /// User of version 3.
                user: Label,
                /// How messages of the user are authenticated.
                auth: RawAuth,
                /// How messages of the user are encrypted.
                privacy: RawPrivacy,
                /// Context of version 3, if the agent speaks for several.
                context: Label,
                /// UDP port of the agent, 161 if not given.
                port: Port,
                /// Time between two polls, 60s if not given.
                interval: PollInterval,
                /// How long one request may take, 2s if not given.
                timeout: RequestTimeout,
                /// How often a request is sent again, 2 if not given.
                retries: Retries,
            }
        }

        impl $name {
            fn access(&self) -> Given<'_> {
                Given {
                    version: self.version.as_ref(),
                    community: self.community.as_ref(),
                    user: self.user.as_ref(),
                    auth: self.auth.as_ref(),
                    privacy: self.privacy.as_ref(),
                    context: self.context.as_ref(),
                    port: self.port.as_ref(),
                    interval: self.interval.as_ref(),
                    timeout: self.timeout.as_ref(),
                    retries: self.retries.as_ref(),
                }
            }
        }
    };
}

keys_of_access! {
    /// SNMP: how devices that do not say otherwise are asked for their interfaces, and where traps are heard.
    struct RawSnmp ("a map with keys such as `community`") {
        /// Traps and informs.
        traps: RawTraps,
    }
}

keys_of_access! {
    /// How a device is asked for its interfaces, as far as that differs from all.
    struct RawSnmpOf ("a map with keys such as `community`") {
        /// Whether it is asked at all.
        poll: Flag,
    }
}

keys! {
    /// Traps and informs. Versions 1 and 2c are heard from any address; who sent one is its address.
    struct RawTraps ("a map with keys such as `listen`") {
        /// Addresses that receive them. 127.0.0.1:5162 if nothing is given.
        listen: Sockets,
        /// Communities that are heard, as `${env:NAME}` or `${file:PATH}`; all if none is given.
        communities: Secrets,
        /// Users of version 3 that are heard, by name. Those of `devices` and of `snmp` are heard too.
        users: RawUsers,
    }
}

keys! {
    /// How messages are authenticated.
    #[schemars(extend("required" = ["protocol", "password"]))]
    struct RawAuth ("a map with the keys `protocol` and `password`") {
        /// sha1, sha224, sha256, sha384, sha512, or md5.
        protocol: AuthName,
        /// Password, at least 8 letters, as `${env:NAME}` or `${file:PATH}`.
        password: SecretText,
    }
}

keys! {
    /// How messages are encrypted.
    #[schemars(extend("required" = ["protocol", "password"]))]
    struct RawPrivacy ("a map with the keys `protocol` and `password`") {
        /// aes128, aes192, aes256, aes192-cisco or aes256-cisco.
        protocol: PrivacyName,
        /// Password, at least 8 letters, as `${env:NAME}` or `${file:PATH}`.
        password: SecretText,
    }
}

keys! {
    /// A user of version 3 whose traps are heard.
    struct RawUser ("a map with the keys `auth` and `privacy`") {
        /// How its messages are authenticated.
        auth: RawAuth,
        /// How they are encrypted.
        privacy: RawPrivacy,
    }
}

duration! {
    /// Time between two polls.
    PollInterval, Duration::from_secs(1), Duration::from_hours(1), "1s to 1h"
}
duration! {
    /// How long one request may take.
    RequestTimeout, Duration::from_millis(100), Duration::from_mins(1), "100ms to 1m"
}

/// A version of SNMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Two,
    Three,
}

impl Read for Version {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write 2c or 3; version 1 has no counters of 64 bits and is not spoken";
        reader.parsed(node, "a version of SNMP", help, |text| match text {
            "2c" | "2" => Some(Self::Two),
            "3" => Some(Self::Three),
            _ => None,
        })
    }
}

/// How often a request is sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries(u32);

impl Read for Retries {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a number of retries", "write 0 to 10", |text| {
            text.parse().ok().filter(|count| *count <= 10).map(Self)
        })
    }
}

/// Defines a protocol's name.
macro_rules! protocol {
    ($(#[$meta:meta])* $name:ident, $protocol:ty, $help:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name($protocol);

        impl Read for $name {
            fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                reader.parsed(node, "a protocol", $help, |text| {
                    <$protocol>::from_name(text).map(Self)
                })
            }
        }
    };
}

protocol!(
    /// A protocol of authentication.
    AuthName,
    SnmpAuth,
    "write sha1, sha224, sha256, sha384, sha512 or md5"
);
protocol!(
    /// A cipher.
    PrivacyName,
    SnmpPrivacy,
    "write aes128, aes192, aes256, aes192-cisco or aes256-cisco; DES is not spoken"
);

/// One or more secrets.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<At<SecretText>>);

impl Read for Secrets {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.one_or_more(node).map(Self)
    }
}

/// Users by name.
#[derive(Debug, Default)]
pub(crate) struct RawUsers(Vec<(At<Label>, At<RawUser>)>);

impl Read for RawUsers {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, "a map of users, each with `auth`")?;
        let mut users = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, user) = (reader.at(key), reader.at(value));
            users.extend(name.zip(user));
        }
        Some(Self(users))
    }
}

impl JsonSchema for RawUsers {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Users".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let user = generator.subschema_for::<RawUser>();
        json_schema!({ "type": "object", "additionalProperties": user })
    }
}

text_schema!(Version, { "enum": ["2c", "3", 3] });
text_schema!(Retries, { "type": "integer", "minimum": 0, "maximum": 10 });
text_schema!(AuthName, { "type": "string", "examples": ["sha256"] });
text_schema!(PrivacyName, { "type": "string", "examples": ["aes128"] });
text_schema!(Secrets, {
    "anyOf": [
        { "type": "string", "pattern": "\\$\\{(env|file):" },
        { "type": "array", "items": { "type": "string", "pattern": "\\$\\{(env|file):" } }
    ]
});

/// What was given for a device or for all.
#[derive(Clone, Copy, Default)]
struct Given<'g> {
    version: Option<&'g At<Version>>,
    community: Option<&'g At<SecretText>>,
    user: Option<&'g At<Label>>,
    auth: Option<&'g At<RawAuth>>,
    privacy: Option<&'g At<RawPrivacy>>,
    context: Option<&'g At<Label>>,
    port: Option<&'g At<Port>>,
    interval: Option<&'g At<PollInterval>>,
    timeout: Option<&'g At<RequestTimeout>>,
    retries: Option<&'g At<Retries>>,
}

impl<'g> Given<'g> {
    /// These, and where nothing is said what holds for all. A device with a credential of its own has
    /// nothing of the others'.
    fn or(self, all: Given<'g>) -> Given<'g> {
        let own = self.community.is_some() || self.user.is_some();
        let all = if own {
            Given {
                version: None,
                community: None,
                user: None,
                auth: None,
                privacy: None,
                context: None,
                ..all
            }
        } else {
            all
        };
        Given {
            version: self.version.or(all.version),
            community: self.community.or(all.community),
            user: self.user.or(all.user),
            auth: self.auth.or(all.auth),
            privacy: self.privacy.or(all.privacy),
            context: self.context.or(all.context),
            port: self.port.or(all.port),
            interval: self.interval.or(all.interval),
            timeout: self.timeout.or(all.timeout),
            retries: self.retries.or(all.retries),
        }
    }

    fn credential(self, span: Span) -> Result<SnmpCredential, Problem> {
        let three = match (self.version.map(|at| at.value), self.user, self.community) {
            (Some(Version::Two), _, None) => {
                let help = "write community: ${env:SNMP_COMMUNITY}";
                return Err(Problem::new(span, "version 2c needs a `community`").allowed(help));
            }
            (Some(Version::Three), None, _) => {
                return Err(Problem::new(span, "version 3 needs a `user`"));
            }
            (None, None, None) => {
                let what = "neither a `community` nor a `user` is given, here or under `snmp`";
                return Err(Problem::new(span, what));
            }
            (None, Some(_), Some(at)) => {
                let what = "a `community` and a `user` are given: `version` must say which counts";
                return Err(Problem::new(at.span, what));
            }
            (version, user, _) => {
                version.map_or(user.is_some(), |version| version == Version::Three)
            }
        };
        match (three, self.user, self.community) {
            (true, Some(name), _) => {
                let user = user(&name.value.0, self.auth, self.privacy, self.context);
                let credential = SnmpCredential::User(
                    user.map_err(|(at, why)| Problem::new(at.unwrap_or(span), why))?,
                );
                measure::snmp::check(&credential).map_err(|why| Problem::new(span, why))?;
                Ok(credential)
            }
            (_, _, Some(community)) => Ok(SnmpCredential::Community(community.value.secret())),
            _ => Err(Problem::new(span, "version 3 needs a `user`")),
        }
    }

    fn settings(self, span: Span) -> Result<SnmpAccess, Problem> {
        let usual = SnmpAccess::new(self.credential(span)?);
        Ok(SnmpAccess {
            port: self.port.map_or(usual.port, |at| at.value.0),
            interval: self.interval.map_or(usual.interval, |at| at.value.0),
            timeout: self.timeout.map_or(usual.timeout, |at| at.value.0),
            retries: self.retries.map_or(usual.retries, |at| at.value.0),
            ..usual
        })
    }
}

/// A user, or where and why it is none.
fn user(
    name: &str,
    auth: Option<&At<RawAuth>>,
    privacy: Option<&At<RawPrivacy>>,
    context: Option<&At<Label>>,
) -> Result<SnmpUser, (Option<Span>, String)> {
    let incomplete =
        |at: Span, what: &str| (Some(at), format!("`{what}` needs `protocol` and `password`"));
    let auth = match auth {
        None => None,
        Some(At {
            value: RawAuth { protocol: Some(protocol), password: Some(password) }, ..
        }) => Some((protocol.value.0, password.value.secret())),
        Some(at) => return Err(incomplete(at.span, "auth")),
    };
    let privacy = match privacy {
        None => None,
        Some(At {
            value: RawPrivacy { protocol: Some(protocol), password: Some(password) },
            ..
        }) => Some((protocol.value.0, password.value.secret())),
        Some(at) => return Err(incomplete(at.span, "privacy")),
    };
    if name.len() > 32 {
        return Err((None, "the user's name is longer than 32 bytes".to_owned()));
    }
    let context = context.map_or_else(String::new, |at| at.value.0.clone());
    Ok(SnmpUser { name: name.to_owned(), auth, privacy, context })
}

/// What is heard of traps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrapSettings {
    /// Where, and whom.
    pub(crate) options: TrapOptions,
    /// Whether somebody asked for it; a default listener that cannot be had is no failure.
    pub(crate) told: bool,
}

impl Default for TrapSettings {
    fn default() -> Self {
        let options = TrapOptions { listen: vec![LISTEN], ..TrapOptions::default() };
        Self { options, told: false }
    }
}

/// Gives the devices the access that holds for them: their own of `own`, and what `all` says.
pub(crate) fn give(
    devices: &mut [Device],
    own: &[(String, At<RawSnmpOf>)],
    all: Option<&At<RawSnmp>>,
    problems: &mut Problems,
) {
    let usual = all.map(|all| all.value.access()).unwrap_or_default();
    let for_all = all.filter(|_| usual.community.is_some() || usual.user.is_some());
    // What is wrong for all is told once, where it stands.
    let for_all = for_all
        .and_then(|all| usual.settings(all.span).map_err(|problem| problems.push(problem)).ok());
    for device in devices {
        let typed = own.iter().find(|(name, _)| *name == device.name).map(|(_, raw)| raw);
        let Some(raw) = typed else {
            device.snmp = for_all.clone().filter(|_| !device.addresses.is_empty());
            continue;
        };
        if raw.value.poll.as_ref().is_some_and(|poll| !poll.value.0) {
            continue;
        }
        if device.addresses.is_empty() {
            let what = "the device has no `addresses` to ask it at";
            problems.push(Problem::new(raw.span, what));
            continue;
        }
        let access = raw.value.access().or(usual).settings(raw.span);
        device.snmp = access.map_err(|problem| problems.push(problem)).ok();
    }
}

/// What is heard of traps: as typed, and from the users that devices are asked as.
pub(crate) fn traps(
    all: Option<&At<RawSnmp>>,
    devices: &[Device],
    problems: &mut Problems,
) -> TrapSettings {
    let mut settings = TrapSettings::default();
    let typed = all.and_then(|all| all.value.traps.as_ref()).map(|at| &at.value);
    let mut users: Vec<SnmpUser> = Vec::new();
    if let Some(typed) = typed {
        if let Some(listen) = &typed.listen {
            settings.options.listen = listen.value.0.iter().map(|at| at.value.0).collect();
            settings.told = true;
        }
        let communities = typed.communities.iter().flat_map(|list| &list.value.0);
        settings.options.communities = communities.map(|one| one.value.secret()).collect();
        for (name, raw) in typed.users.iter().flat_map(|users| &users.value.0) {
            let made =
                user(&name.value.0, raw.value.auth.as_ref(), raw.value.privacy.as_ref(), None);
            let checked = made.and_then(|user| {
                let credential = SnmpCredential::User(user.clone());
                measure::snmp::check(&credential).map(|()| user).map_err(|why| (None, why))
            });
            match checked {
                Ok(user) => users.push(user),
                Err((at, why)) => problems.push(Problem::new(at.unwrap_or(raw.span), why)),
            }
        }
    }
    for device in devices {
        let Some(SnmpCredential::User(user)) = device.snmp.as_ref().map(|snmp| &snmp.credential)
        else {
            continue;
        };
        // A name can mean one user only; who is named under `traps` comes first.
        if !users.iter().any(|known| known.name == user.name) {
            users.push(user.clone());
        }
    }
    settings.options.users = users;
    settings
}

#[cfg(test)]
mod tests {
    use super::super::from_text;
    use super::super::load::load_text;
    use super::*;

    /// A folder with files that hold secrets.
    fn secrets() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s"), "hunter2-secret\n").unwrap();
        let reference = format!("\"${{file:{}}}\"", folder.path().join("s").display());
        (folder, reference)
    }

    #[test]
    fn a_device_says_what_differs_from_all() {
        let (_folder, secret) = secrets();
        let text = format!(
            "snmp: {{ community: {secret}, interval: 30s, traps: {{ listen: 127.0.0.1:9162 }} }}\n\
             devices:\n  a: {{ addresses: 10.0.0.1 }}\n  \
             b: {{ addresses: 10.0.0.2, snmp: {{ user: nm, port: 1161, auth: {{ protocol: SHA-256, password: {secret} }} }} }}\n  \
             c: {{ addresses: 10.0.0.3, snmp: {{ poll: false }} }}\n  d: {{}}\n"
        );
        let settings = from_text(&text);
        let snmp = |name: &str| settings.inventory.device(name).unwrap().snmp.clone();
        let a = snmp("a").unwrap();
        assert_eq!((a.credential.version(), a.interval.as_secs(), a.port), ("2c", 30, 161));
        let b = snmp("b").unwrap();
        assert_eq!((b.credential.version(), b.interval.as_secs(), b.port), ("3", 30, 1161));
        assert_eq!((snmp("c"), snmp("d")), (None, None));
        assert_eq!(settings.traps.options.listen, ["127.0.0.1:9162".parse().unwrap()]);
        assert_eq!(settings.traps.options.users[0].name, "nm");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn nobody_is_asked_unless_a_credential_is_given() {
        let settings = from_text("devices: { a: { addresses: 10.0.0.1 } }");
        assert_eq!(settings.inventory.device("a").unwrap().snmp, None);
        assert_eq!(*settings.traps, TrapSettings::default());
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_with_its_place() {
        let (folder, secret) = secrets();
        std::fs::write(folder.path().join("short"), "1234567").unwrap();
        let short = format!("\"${{file:{}}}\"", folder.path().join("short").display());
        for (keys, told) in [
            ("version: 1".to_owned(), "2c or 3"),
            ("version: 2c".to_owned(), "needs a `community`"),
            ("version: 3".to_owned(), "needs a `user`"),
            ("port: 161".to_owned(), "neither a `community` nor a `user`"),
            ("community: public".to_owned(), "must not stand here itself"),
            (format!("community: {secret}, user: nm"), "`version` must say which"),
            (format!("user: nm, auth: {{ password: {secret} }}"), "`auth` needs"),
            (format!("user: nm, auth: {{ protocol: sha3, password: {secret} }}"), "sha256"),
            (format!("user: nm, auth: {{ protocol: sha1, password: {short} }}"), "8"),
            (
                format!("user: nm, privacy: {{ protocol: aes128, password: {secret} }}"),
                "authentication",
            ),
            (format!("user: nm, privacy: {{ protocol: des, password: {secret} }}"), "aes128"),
            (format!("community: {secret}, interval: 10ms"), "out of range"),
            (format!("community: {secret}, retries: 11"), "0 to 10"),
        ] {
            let text = format!("devices: {{ a: {{ addresses: 10.0.0.1, snmp: {{ {keys} }} }} }}");
            let why = load_text("c", &text).expect_err(&keys).to_string();
            assert!(why.contains(told), "{keys}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        let homeless = format!("devices: {{ a: {{ snmp: {{ community: {secret} }} }} }}");
        assert!(load_text("c", &homeless).unwrap_err().to_string().contains("no `addresses`"));
    }
}
