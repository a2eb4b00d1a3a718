//! The keys `sinks` and `spool`: where what is measured is passed on to, and what is kept for those that do not
//! take it. It opens no connection.

use schemars::JsonSchema;
use store::sink::{
    Credential, Endpoint, InfluxConfig, Limits, Place, RemoteWriteConfig, SinkConfig, influx,
};

use super::judged::{Hidden, Line, Wait, WebAddress};
use super::keys::keys;
use super::problem::{Problem, Problems, quote};
use super::raw::{Bytes, Certificates, Flag, Label, Period, Tags};
use super::reader::{Read, Reader, key_text};
use super::source::{At, Span};
use super::yaml::Node;

keys! {
    /// A database of others that gets what is measured.
    struct RawSink ("a map with `influxdb` or `remote_write`") {
        /// Its name, under which its place in the spool is kept; its host and database if not given.
        name: Label,
        /// InfluxDB 1, 2 or 3.
        influxdb: RawInflux,
        /// What takes Prometheus remote write: Prometheus, VictoriaMetrics, Mimir, Thanos.
        remote_write: RawRemoteWrite,
    }
}

keys! {
    /// InfluxDB. Which version it is, is found by asking.
    #[schemars(extend("required" = ["url"]))]
    struct RawInflux ("a map with keys such as `url`") {
        /// Where it is, such as `http://db:8086`.
        url: WebAddress,
        /// Database, `network_telemetry` if neither this nor a bucket is given. Created where it is missing.
        database: Line,
        /// Retention policy (version 1), the database's default if not given.
        policy: Line,
        /// Bucket (version 2), instead of a database.
        bucket: Line,
        /// Organization of the bucket.
        org: Line,
        /// Name to log in with.
        username: Line,
        /// Password, best as `${env:NAME}` or `${file:PATH}`.
        password: Hidden,
        /// Token, instead of name and password.
        token: Hidden,
        /// Whether what is sent is packed; if not given, unless the database is on this machine.
        gzip: Flag,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
        /// How long an answer may take, 10s if not given.
        timeout: Wait,
        /// Tags that all points get, such as { site: london-1 }.
        tags: Tags,
    }
}

keys! {
    /// A receiver of Prometheus remote write.
    #[schemars(extend("required" = ["url"]))]
    struct RawRemoteWrite ("a map with keys such as `url`") {
        /// The whole address, such as `http://prometheus:9090/api/v1/write`.
        url: WebAddress,
        /// Name to log in with.
        username: Line,
        /// Password, best as `${env:NAME}` or `${file:PATH}`.
        password: Hidden,
        /// Token, instead of name and password.
        token: Hidden,
        /// File of PEM certificates that are trusted instead of the system's.
        ca: Certificates,
        /// How long an answer may take, 10s if not given.
        timeout: Wait,
        /// Labels that all series get; job (netmend) and instance (the site) if not given here.
        labels: Tags,
    }
}

keys! {
    /// What is kept on disk for sinks that do not take it.
    struct RawSpool ("a map with keys such as `max_bytes`") {
        /// Size above which the oldest points go, 1 GiB if not given.
        max_bytes: Bytes,
        /// Points that are older go, 7d if not given.
        max_age: Period,
    }
}

/// A sink as it is configured. Nothing in it needs checking again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sink {
    /// What the user calls it; no two have the same name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) config: SinkConfig,
}

/// What the entries of all files mean; `site` is where this instance stands.
pub(crate) fn sinks(all: &[At<RawSink>], site: &str, problems: &mut Problems) -> Vec<Sink> {
    let mut known: Vec<(Sink, Span)> = Vec::new();
    for raw in all {
        match raw.value.sink(raw.span, site) {
            Err(problem) => problems.push(problem),
            Ok(sink) => match known.iter().find(|(other, _)| other.name == sink.name) {
                Some((_, first)) => problems.push(
                    Problem::new(raw.span, format!("two sinks are called {}", quote(&sink.name)))
                        .allowed("give one of them a name: NAME")
                        .related("first at", *first),
                ),
                None => known.push((sink, raw.span)),
            },
        }
    }
    known.into_iter().map(|(sink, _)| sink).collect()
}

impl RawSpool {
    /// What the keys mean.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes.as_ref().map_or(Limits::DEFAULT.max_bytes, |at| at.value.0),
            max_age: self.max_age.as_ref().map_or(Limits::DEFAULT.max_age, |at| at.value.0),
        }
    }
}

impl RawSink {
    fn sink(&self, span: Span, site: &str) -> Result<Sink, Problem> {
        let (default_name, config) = match (&self.influxdb, &self.remote_write) {
            (Some(raw), None) => raw.value.config(raw.span)?,
            (None, Some(raw)) => raw.value.config(raw.span, site)?,
            _ => {
                let what = "a sink is one of `influxdb` and `remote_write`";
                return Err(Problem::new(span, what).allowed("make an entry of the list of each"));
            }
        };
        // Whether it can be used shows now, not at the first point.
        config.check().map_err(|why| Problem::new(span, why.to_string()))?;
        let name = self.name.as_ref().map_or(default_name, |name| name.value.0.clone());
        Ok(Sink { name, config })
    }
}

impl RawInflux {
    fn config(&self, span: Span) -> Result<(String, SinkConfig), Problem> {
        let access = Access {
            url: &self.url,
            username: &self.username,
            password: &self.password,
            token: &self.token,
            ca: &self.ca,
            timeout: &self.timeout,
        };
        let endpoint = access.endpoint(span, "http://HOST:8086")?;
        let text = |line: &Option<At<Line>>| line.as_ref().map(|line| line.value.0.clone());
        let place = match (text(&self.database), text(&self.bucket), text(&self.org)) {
            (Some(_), Some(_), _) => {
                let what = "`database` and `bucket` are the same in different versions";
                return Err(Problem::new(span, what).allowed("give one of them"));
            }
            (None, Some(name), Some(org)) => Place::Bucket { name, org },
            (None, Some(_), None) => {
                return Err(Problem::new(span, "a `bucket` belongs to an organization")
                    .allowed("add org: NAME"));
            }
            (_, None, Some(_)) => {
                let what = "`org` makes sense with a `bucket` alone";
                return Err(Problem::new(span, what).allowed("add bucket: NAME"));
            }
            (name, None, None) => Place::Database {
                name: name.unwrap_or_else(|| influx::DATABASE.to_owned()),
                policy: text(&self.policy),
            },
        };
        let (Place::Database { name, .. } | Place::Bucket { name, .. }) = &place;
        let name = format!("{}/{name}", host(&endpoint.url));
        let gzip = self.gzip.as_ref().map_or_else(|| !endpoint.is_here(), |gzip| gzip.value.0);
        let tags = self.tags.iter().flat_map(|tags| tags.value.0.clone()).collect();
        Ok((name, SinkConfig::Influx(InfluxConfig { endpoint, place, gzip, tags })))
    }
}

impl RawRemoteWrite {
    fn config(&self, span: Span, site: &str) -> Result<(String, SinkConfig), Problem> {
        let access = Access {
            url: &self.url,
            username: &self.username,
            password: &self.password,
            token: &self.token,
            ca: &self.ca,
            timeout: &self.timeout,
        };
        let endpoint = access.endpoint(span, "http://HOST:9090/api/v1/write")?;
        let mut labels =
            self.labels.as_ref().map_or_else(Default::default, |at| at.value.0.clone());
        for label in labels.keys() {
            let mut letters = label.chars();
            let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !first || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let what = format!("{} is no name of a label", quote(label));
                return Err(
                    Problem::new(span, what).allowed("letters, digits and _, no digit first")
                );
            }
        }
        for (label, value) in [("job", "netmend"), ("instance", site)] {
            labels.entry(label.to_owned()).or_insert_with(|| value.to_owned());
        }
        let name = host(&endpoint.url).to_owned();
        let labels = labels.into_iter().collect();
        Ok((name, SinkConfig::RemoteWrite(RemoteWriteConfig { endpoint, labels })))
    }
}

/// Host and port of a web address.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

/// The keys that all sinks share.
struct Access<'a> {
    url: &'a Option<At<WebAddress>>,
    username: &'a Option<At<Line>>,
    password: &'a Option<At<Hidden>>,
    token: &'a Option<At<Hidden>>,
    ca: &'a Option<At<Certificates>>,
    timeout: &'a Option<At<Wait>>,
}

impl Access<'_> {
    fn endpoint(&self, span: Span, example: &str) -> Result<Endpoint, Problem> {
        let missing = |what: &str, help: &str| {
            Err(Problem::new(span, format!("this sink needs {what}")).allowed(help))
        };
        let Some(url) = self.url else {
            return missing("`url`", &format!("write url: {example}"));
        };
        let secret = |hidden: &At<Hidden>| match hidden.value.0.value() {
            "" => Err(Problem::new(hidden.span, "the credential is empty")),
            // A password may begin or end with a blank.
            text => Ok(model::Secret::new(text)),
        };
        let credential = match (self.token, self.username, self.password) {
            (Some(token), None, None) => Credential::Token(secret(token)?),
            (None, Some(name), Some(password)) => {
                Credential::Basic(name.value.0.clone(), secret(password)?)
            }
            (None, None, None) => Credential::None,
            (None, Some(_), None) => {
                return missing("`password`", "write password: \"${env:NAME}\"");
            }
            (None, None, Some(_)) => return missing("`username`", "write username: NAME"),
            (Some(token), ..) => {
                let what = "there are a `token` and a name or password";
                return Err(Problem::new(token.span, what).allowed("give one of them"));
            }
        };
        let ca = self.ca.as_ref().map(|ca| ca.value.0.clone());
        let timeout = self.timeout.as_ref().map_or(Endpoint::TIMEOUT, |timeout| timeout.value.0);
        Ok(Endpoint { url: url.value.0.clone(), credential, ca, timeout })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::from_text;
    use super::super::load::load_text;
    use super::*;

    #[test]
    fn sinks_are_read_with_the_defaults_of_network_telemetry() {
        let settings = from_text(
            "\
site: london
sinks:
  - influxdb: { url: 'http://db:8086', username: root, password: hunter2 }
  - { name: two, influxdb: { url: 'https://i2/', org: o, bucket: b, token: hunter3, gzip: false } }
  - remote_write: { url: 'http://p:9090/api/v1/write', labels: { instance: x } }
spool: { max_bytes: 100 MiB, max_age: 2d }
",
        );
        let [one, two, three] = &settings.sinks[..] else { panic!("three were given") };
        assert_eq!((&*one.name, &*two.name), ("db:8086/network_telemetry", "two"));
        assert_eq!(three.name, "p:9090");
        let SinkConfig::Influx(config) = &one.config else { panic!("it is an InfluxDB") };
        let database = Place::Database { name: "network_telemetry".into(), policy: None };
        assert_eq!((&config.place, config.gzip), (&database, true));
        let here = from_text("sinks: [{ influxdb: { url: 'http://127.0.0.1:8086' } }]\n");
        let SinkConfig::Influx(here) = &here.sinks[0].config else { panic!("it is an InfluxDB") };
        assert!(!here.gzip, "on this machine it would be work for nothing");
        let SinkConfig::RemoteWrite(config) = &three.config else { panic!("it is not") };
        let labels = [("instance", "x"), ("job", "netmend")];
        assert_eq!(config.labels, labels.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let limits = Limits { max_bytes: 100 << 20, max_age: Duration::from_hours(48) };
        assert_eq!(settings.spool, limits);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_with_its_place() {
        for (sink, told) in [
            ("{}", "a sink is one of"),
            ("{ influxdb: {} }", "needs `url`"),
            ("{ influxdb: { url: 'db:8086' } }", "not a web address"),
            ("{ influxdb: { url: 'http://u:hunter2@db' } }", "keys of their own"),
            ("{ influxdb: { url: 'http://h', username: u } }", "needs `password`"),
            ("{ influxdb: { url: 'http://h', password: hunter2 } }", "needs `username`"),
            ("{ influxdb: { url: 'http://h', token: '' } }", "is empty"),
            ("{ influxdb: { url: 'http://h', token: t, username: u } }", "give one of them"),
            ("{ influxdb: { url: 'http://h', bucket: b } }", "add org: NAME"),
            ("{ influxdb: { url: 'http://h', org: o } }", "add bucket: NAME"),
            ("{ influxdb: { url: 'http://h', bucket: b, database: d } }", "give one of them"),
            ("{ influxdb: { url: 'http://h', ca: /nonexistent.pem } }", "cannot read"),
            ("{ influxdb: { url: 'http://h', retention: x } }", "unknown key `retention`"),
            ("{ remote_write: { url: 'http://h', labels: { a-b: c } } }", "no name of a label"),
        ] {
            let why = load_text("c", &format!("sinks: [{sink}]")).expect_err(sink).to_string();
            assert!(why.starts_with("c:1:") && why.contains(told), "{sink}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        let twice = "sinks: [{ influxdb: { url: 'http://h' } }, { influxdb: { url: 'http://h' } }]";
        let why = load_text("c", twice).unwrap_err().to_string();
        assert!(why.contains("two sinks") && why.contains("name: "), "{why}");
    }
}
