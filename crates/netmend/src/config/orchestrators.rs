//! The key `orchestrators`: the orchestrators of SD-WANs that are asked, by name, and what opens them. It
//! reads the files that are named and opens no connection.

use std::borrow::Cow;
use std::time::Duration;

use measure::meraki;
use measure::orchestrator::{Config, Orchestrator as Client};
use measure::vco::{self, Address, Credential, Login, Secret};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::judged::{Hidden, Line, Lines, Wait};
use super::keys::keys;
use super::problem::{Problem, Problems, quote};
use super::raw::{Certificates, Label, duration, text_schema};
use super::reader::{Read, Reader, key_text};
use super::source::At;
use super::units::{self, DURATION_HELP};
use super::yaml::Node;

/// How late the data of an orchestrator are: they come every 5 min and are whole after 10.
const LAG: Duration = Duration::from_mins(10);
/// As far as the rule `nm` profits from knowing the past.
const BACKFILL: Duration = Duration::from_hours(14 * 24);

keys! {
    /// An orchestrator of an SD-WAN.
    #[schemars(extend("required" = ["kind", "url"]))]
    struct RawOrchestrator ("a map with keys such as `url`") {
        /// What it is: vco, a VeloCloud Orchestrator (VMware, Broadcom, Arista), or meraki, Cisco Meraki's
        /// dashboard.
        kind: Kind,
        /// Where it is: a host name, with a port if that is not 443.
        url: Line,
        /// API token, best as `${env:NAME}` or `${file:PATH}`. With one, name and password are not used.
        token: Hidden,
        /// Name to log in with, if there is no token.
        username: Line,
        /// Password to log in with, best as `${env:NAME}` or `${file:PATH}`.
        password: Hidden,
        /// Whose login it is, enterprise or operator; one after the other is tried if not given.
        login: LoginName,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
        /// Proxy to go through, `http://HOST:PORT`; what `HTTPS_PROXY` says if not given.
        proxy: Hidden,
        /// Customers to watch, by name or number; all that the credential sees if not given.
        enterprises: Lines,
        /// How late its data are, 10m if not given: the last window ends so long ago.
        lag: Lag,
        /// How long one answer may take, 1m if not given.
        timeout: Wait,
        /// How far back data of a link that is new are fetched, 14d if not given; 0s fetches none.
        backfill: Backfill,
    }
}

duration! {
    /// How late data are.
    Lag, Duration::ZERO, Duration::from_hours(24), "0s to 24h"
}

duration! {
    /// How far back data are fetched.
    Backfill, Duration::ZERO, Duration::from_hours(30 * 24), "0s to 30d"
}

/// A kind of orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// VeloCloud.
    Vco,
    /// Cisco Meraki.
    Meraki,
}

impl Read for Kind {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a kind of orchestrator", "write vco or meraki", |text| match text {
            "vco" => Some(Self::Vco),
            "meraki" => Some(Self::Meraki),
            _ => None,
        })
    }
}

/// Whose login it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginName(Login);

impl Read for LoginName {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write enterprise or operator";
        reader.parsed(node, "a kind of login", help, |text| match text {
            "enterprise" => Some(Self(Login::Enterprise)),
            "operator" => Some(Self(Login::Operator)),
            _ => None,
        })
    }
}

text_schema!(Kind, { "enum": ["vco", "meraki"] });
text_schema!(LoginName, { "enum": ["enterprise", "operator"] });

/// Orchestrators by name.
#[derive(Debug, Default)]
pub(crate) struct RawOrchestrators(pub(crate) Vec<(At<Label>, At<RawOrchestrator>)>);

impl Read for RawOrchestrators {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, "a map of orchestrators, each with its `kind`")?;
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, orchestrator) = (reader.at(key), reader.at(value));
            all.extend(name.zip(orchestrator));
        }
        Some(Self(all))
    }
}

impl JsonSchema for RawOrchestrators {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Orchestrators".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let orchestrator = generator.subschema_for::<RawOrchestrator>();
        json_schema!({ "type": "object", "additionalProperties": orchestrator })
    }
}

/// An orchestrator that is asked. Nothing in it needs checking again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orchestrator {
    /// What the user calls it.
    pub(crate) name: String,
    /// How it is reached.
    pub(crate) client: Config,
    /// Customers by name or number; none given means all.
    pub(crate) enterprises: Vec<String>,
    /// How late its data are.
    pub(crate) lag: Duration,
    /// How far back its data are fetched when a link is new.
    pub(crate) backfill: Duration,
}

impl RawOrchestrators {
    /// What the keys mean.
    pub(crate) fn orchestrators(&self, problems: &mut Problems) -> Vec<Orchestrator> {
        let one = |(name, raw): &(At<Label>, At<RawOrchestrator>)| {
            orchestrator(&name.value.0, raw).map_err(|problem| problems.push(problem)).ok()
        };
        self.0.iter().filter_map(one).collect()
    }
}

fn orchestrator(name: &str, at: &At<RawOrchestrator>) -> Result<Orchestrator, Problem> {
    let raw = &at.value;
    let missing = |what: &str, help: &str| {
        Problem::new(at.span, format!("the orchestrator {} needs {what}", quote(name)))
            .allowed(help)
    };
    let kind = raw.kind.as_ref().ok_or_else(|| missing("`kind`", "write kind: vco or meraki"))?;
    let url = raw.url.as_ref().ok_or_else(|| missing("`url`", "write url: https://HOST"))?;
    let address = Address::parse(&url.value.0)
        .map_err(|why| Problem::new(url.span, format!("the orchestrator's `url` {why}")))?;
    let secret = |hidden: &At<Hidden>| Secret::new(hidden.value.0.value().trim());
    let credential = match (&raw.token, &raw.username, &raw.password) {
        (Some(token), ..) => Credential::Token(secret(token)),
        (None, Some(username), Some(password)) => Credential::Password {
            username: username.value.0.clone(),
            // A password may begin or end with a blank.
            password: Secret::new(password.value.0.value()),
            login: raw.login.as_ref().map(|login| login.value.0),
        },
        (None, Some(_), None) => {
            return Err(missing("`password`", "write password: ${env:VCO_PASSWORD}"));
        }
        _ => {
            let help = "write token: ${env:VCO_TOKEN}, or username and password";
            return Err(missing("`token`", help));
        }
    };
    let empty = [raw.token.as_ref(), raw.password.as_ref()].into_iter().flatten();
    if let Some(empty) = empty.into_iter().find(|hidden| hidden.value.0.value().trim().is_empty()) {
        return Err(Problem::new(empty.span, "the credential is empty"));
    }
    let ca = raw.ca.as_ref().map(|ca| ca.value.0.clone());
    let proxy = raw.proxy.as_ref().map(|proxy| proxy.value.0.value().to_owned());
    let timeout = raw.timeout.as_ref().map_or(vco::Config::TIMEOUT, |timeout| timeout.value.0);
    let client = match (kind.value, credential) {
        (Kind::Vco, credential) => {
            Config::Vco(vco::Config { address, credential, ca, proxy, timeout })
        }
        (Kind::Meraki, Credential::Token(token)) => {
            Config::Meraki(meraki::Config { address, token, ca, proxy, timeout })
        }
        (Kind::Meraki, Credential::Password { .. }) => {
            return Err(missing("`token`", "write token: ${env:MERAKI_DASHBOARD_API_KEY}"));
        }
    };
    // Whether a client can be made of it shows now, not at the first poll.
    Client::new(client.clone()).map_err(|why| Problem::new(at.span, why.to_string()))?;
    let enterprises = raw.enterprises.iter().flat_map(|list| &list.value.0);
    Ok(Orchestrator {
        name: name.to_owned(),
        client,
        enterprises: enterprises.map(|line| line.value.0.clone()).collect(),
        lag: raw.lag.as_ref().map_or(LAG, |lag| lag.value.0),
        backfill: raw.backfill.as_ref().map_or(BACKFILL, |back| back.value.0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::from_text;
    use super::super::load::load_text;
    use super::*;

    #[test]
    fn a_token_wins_over_a_password() {
        let text = "\
orchestrators:
  corp: { kind: vco, url: vco.example.com/, token: hunter2, username: u, password: p, lag: 5m }
  other: { kind: vco, url: 'vco.example.net:8443', username: u, password: hunter3, enterprises: [A, 5] }
";
        let settings = from_text(text);
        let [corp, other] = &settings.orchestrators[..] else { panic!("two were given") };
        assert_eq!((corp.name.as_str(), corp.lag), ("corp", Duration::from_mins(5)));
        assert!(
            matches!(&corp.client, Config::Vco(vco) if matches!(vco.credential, Credential::Token(_)))
        );
        let Config::Vco(vco) = &corp.client else { panic!("a VeloCloud Orchestrator") };
        assert_eq!(vco.address.to_string(), "https://vco.example.com");
        assert!(
            matches!(&other.client, Config::Vco(vco) if matches!(vco.credential, Credential::Password { login: None, .. }))
        );
        assert_eq!((&*other.enterprises, other.lag), (&["A".to_owned(), "5".to_owned()][..], LAG));
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_with_its_place() {
        for (keys, told) in [
            ("kind: vco", "needs `url`"),
            ("url: h, token: t", "needs `kind`"),
            ("kind: velo, url: h, token: t", "not a kind of orchestrator; write vco or meraki"),
            ("kind: meraki, url: h, username: u, password: p", "needs `token`"),
            ("kind: vco, url: h", "needs `token`"),
            ("kind: vco, url: h, username: u", "needs `password`"),
            ("kind: vco, url: h, token: ''", "the credential is empty"),
            ("kind: vco, url: 'http://vco.example.com', token: t", "in clear text"),
            ("kind: vco, url: 'u:hunter2@h', token: t", "have keys of their own"),
            ("kind: vco, url: h, token: t, ca: /nonexistent.pem", "cannot read /nonexistent.pem"),
            ("kind: vco, url: h, token: t, proxy: '::'", "the proxy of https://h is no address"),
            ("kind: vco, url: h, token: t, lag: 25h", "out of range"),
            ("kind: vco, url: h, tokn: t", "unknown key `tokn`"),
        ] {
            let why = load_text("c", &format!("orchestrators: {{ a: {{ {keys} }} }}"));
            let why = why.expect_err(keys).to_string();
            assert!(why.starts_with("c:1:") && why.contains(told), "{keys}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
