//! `InfluxDB` 1, 2 and 3. Which one answers is found by asking, and decides how a write is addressed; what is
//! written is the same. It must not decide when to try again: `courier` does.

use std::io::Write as _;
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::text::printable;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;

use super::answer::{Answer, Failure, Retry};
use super::bodies::Form;
use super::http::{BadSink, Credential, Endpoint, Http, Reply};
use super::line_protocol;
use super::point::Point;

/// An `InfluxDB` and where in it points go.
#[derive(Clone, Debug, PartialEq)]
pub struct InfluxConfig {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Where points go.
    pub place: Place,
    /// Whether what is sent is packed.
    pub gzip: bool,
    /// Tags that all points get.
    pub tags: Vec<(String, String)>,
}

/// Where in a database points go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A database (versions 1 and 3), with a retention policy if it is not the default one.
    Database {
        /// Name; created where it is missing and we may.
        name: String,
        /// Retention policy (version 1).
        policy: Option<String>,
    },
    /// A bucket (version 2).
    Bucket {
        /// Name.
        name: String,
        /// Name or number of the organization it belongs to.
        org: String,
    },
}

/// The database of network-telemetry.
pub const DATABASE: &str = "network_telemetry";

/// Which `InfluxDB` it is, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
    Three,
}

/// An `InfluxDB`, ready to be written to.
#[derive(Debug)]
pub(super) struct Influx {
    http: Http,
    place: Place,
    gzip: bool,
    tags: Vec<(String, String)>,
    /// What it said it is, and its words; `None` until it was asked.
    found: Mutex<Option<(Version, String)>>,
}

impl Influx {
    /// Checks what was configured.
    pub(super) fn new(config: InfluxConfig) -> Result<Self, BadSink> {
        let http = Http::new(&config.endpoint)?;
        let InfluxConfig { place, gzip, tags, .. } = config;
        Ok(Self { http, place, gzip, tags, found: Mutex::default() })
    }

    /// Scheme, host and port.
    pub(super) fn at(&self) -> &str {
        self.http.at()
    }

    /// What it said it is, once it was asked.
    pub(super) fn version(&self) -> Option<String> {
        self.found().map(|(_, words)| format!("InfluxDB {words}"))
    }

    /// How it wants points written down.
    pub(super) fn form(&self) -> Form {
        Form::Lines { gzip: self.gzip, tags: self.tags.clone() }
    }

    /// Appends a point in the form that is sent; false if it has no value. `head` as with
    /// [`line_protocol::write_next`].
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        head: &mut Option<Range<usize>>,
        point: Point<'_>,
    ) -> bool {
        line_protocol::write_next(out, head, point, &self.tags)
    }

    /// The body of a request.
    pub(super) fn pack(&self, lines: Vec<u8>) -> Vec<u8> {
        if !self.gzip {
            return lines;
        }
        let mut packed = GzEncoder::new(Vec::with_capacity(lines.len() / 6), Compression::fast());
        let packed = packed.write_all(&lines).and_then(|()| packed.finish());
        packed.expect("a Vec takes every write")
    }

    /// Sends a body.
    pub(super) async fn send(&self, body: Bytes) -> Answer {
        let version = match self.ask().await {
            Ok(version) => version,
            Err(failure) => return Answer::Failed(failure),
        };
        let mut request = self.request(version);
        request = request.header(CONTENT_TYPE, "text/plain; charset=utf-8");
        if self.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        let reply = match self.http.send(request.body(body)).await {
            Ok(reply) => reply,
            Err(failure) => {
                // What comes back may be another version.
                self.forget();
                return Answer::Failed(failure);
            }
        };
        let answer = self.judge(&reply, version).await;
        if matches!(&answer, Answer::Failed(failure) if failure.retry == Retry::Slowly) {
            self.forget();
        }
        answer
    }

    /// Sends a request without points: whatever stands in the way of a write is said, and nothing is written.
    pub(super) async fn look(&self) -> Answer {
        let answer = async {
            let version = self.ask().await?;
            self.http.send(self.request(version)).await
        };
        let reply = match answer.await {
            Ok(reply) => reply,
            Err(failure) => return Answer::Failed(failure),
        };
        match (self.http.judge(&reply), &self.place) {
            // That there are no points is what it looks at last.
            (Answer::Refused(_), _) => Answer::Taken,
            (Answer::Failed(Failure { why, retry, .. }), Place::Database { name, .. })
                if reply.status == StatusCode::NOT_FOUND && reply.body.contains("database") =>
            {
                let create = statement(name);
                let fix =
                    format!("netmend creates it if its user may; else, as administrator: {create}");
                Answer::Failed(Failure { why, fix, retry })
            }
            (answer, _) => answer,
        }
    }

    fn request(&self, version: Version) -> RequestBuilder {
        let (path, mut query): (&str, Vec<(&str, &str)>) = match (version, &self.place) {
            (Version::Three, Place::Database { name, .. } | Place::Bucket { name, .. }) => {
                ("/api/v3/write_lp", vec![("db", name), ("precision", "millisecond")])
            }
            (_, Place::Database { name, .. }) => {
                ("/write", vec![("db", name), ("precision", "ms")])
            }
            (_, Place::Bucket { name, org }) => {
                ("/api/v2/write", vec![("org", org), ("bucket", name), ("precision", "ms")])
            }
        };
        if let (Version::One | Version::Two, Place::Database { policy: Some(policy), .. }) =
            (version, &self.place)
        {
            query.push(("rp", policy));
        }
        self.open(self.http.post(self.http.url(path, &query)), version)
    }

    /// Adds what opens the database.
    fn open(&self, request: RequestBuilder, version: Version) -> RequestBuilder {
        match self.http.credential() {
            Credential::None => request,
            Credential::Basic(name, password) => request.basic_auth(name, Some(password.reveal())),
            Credential::Token(token) if version == Version::Three => {
                request.bearer_auth(token.reveal())
            }
            Credential::Token(token) => {
                request.header(AUTHORIZATION, format!("Token {}", token.reveal()))
            }
        }
    }

    /// Asks what it is, unless it said so already.
    async fn ask(&self) -> Result<Version, Failure> {
        if let Some((version, _)) = self.found() {
            return Ok(version);
        }
        let mut words = None;
        for path in ["/ping", "/health"] {
            // Version 3 answers only those it knows.
            let request = self.open(self.http.get(self.http.url(path, &[])), Version::Three);
            words = version_words(&self.http.send(request).await?);
            if words.is_some() {
                break;
            }
        }
        let words = words.unwrap_or_default();
        let version = match words.trim_start_matches('v').split('.').next() {
            Some("1" | "0") => Version::One,
            Some("2") => Version::Two,
            Some("3") => Version::Three,
            // A proxy may hide it: then the configuration tells.
            _ => match self.place {
                Place::Database { .. } => Version::One,
                Place::Bucket { .. } => Version::Two,
            },
        };
        let words = if words.is_empty() { "of unknown version".to_owned() } else { words };
        *self.found.lock().expect("no holder of this lock can panic") = Some((version, words));
        Ok(version)
    }

    /// What an answer to a write means.
    async fn judge(&self, reply: &Reply, version: Version) -> Answer {
        let words = reply.body.to_ascii_lowercase();
        match reply.status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
                if words.contains("partial write") =>
            {
                Answer::Partly(self.http.said(reply))
            }
            StatusCode::NOT_FOUND => match &self.place {
                Place::Database { .. } if version == Version::Two => {
                    let fix = "version 2 has buckets: give `bucket` and `org` instead of `database`, \
                               or map one with `influx v1 dbrp create`";
                    let (why, fix) = (self.http.said(reply), fix.to_owned());
                    Answer::Failed(Failure { why, fix, retry: Retry::Slowly })
                }
                Place::Database { name, .. } if words.contains("database") => {
                    Answer::Failed(self.create(name).await)
                }
                Place::Bucket { name, .. } if words.contains("bucket") => {
                    let fix =
                        format!("create the bucket {name}: netmend cannot know its retention");
                    let why = self.http.said(reply);
                    Answer::Failed(Failure { why, fix, retry: Retry::Slowly })
                }
                _ => self.http.judge(reply),
            },
            StatusCode::INTERNAL_SERVER_ERROR if words.contains("no space left") => {
                let fix = "make room on the disk of the database and restart it: influxd 1 does not \
                           take points again by itself";
                let (why, retry) = (self.http.said(reply), Retry::Backoff(Duration::ZERO));
                Answer::Failed(Failure { why, fix: fix.to_owned(), retry })
            }
            _ => self.http.judge(reply),
        }
    }

    /// Creates the database. What follows is another try of the write, at once if it went well.
    async fn create(&self, name: &str) -> Failure {
        let statement = statement(name);
        let body = form(&[("q", &statement)]);
        let request = self.http.post(self.http.url("/query", &[])).body(body);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let fix = format!("as administrator: {statement}");
        let slowly = |why: String| Failure { why, fix: fix.clone(), retry: Retry::Slowly };
        let reply = match self.http.send(self.open(request, Version::One)).await {
            Ok(reply) => reply,
            Err(failure) => return failure,
        };
        let shown = printable(name, 100);
        match (reply.status.is_success(), error_inside(&reply.body)) {
            (true, None) => Failure {
                why: format!("{} had no database {shown}; it was created", self.http.at()),
                fix: String::new(),
                retry: Retry::Backoff(Duration::ZERO),
            },
            (_, Some(why)) => {
                let why = printable(&why, 300);
                slowly(format!(
                    "{} has no database {shown}, and cannot create it: {why}",
                    self.at()
                ))
            }
            (false, None) => slowly(format!(
                "there is no database {shown}, and it cannot be created: {}",
                self.http.said(&reply)
            )),
        }
    }

    fn found(&self) -> Option<(Version, String)> {
        self.found.lock().expect("no holder of this lock can panic").clone()
    }

    fn forget(&self) {
        *self.found.lock().expect("no holder of this lock can panic") = None;
    }
}

/// The statement that creates a database.
fn statement(name: &str) -> String {
    let quoted = name.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    format!("CREATE DATABASE \"{quoted}\"")
}

/// The body of a form.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://form").expect("this is an address");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// The version in an answer to `/ping` or `/health`: in a header, or in the body.
fn version_words(reply: &Reply) -> Option<String> {
    #[derive(Deserialize)]
    struct Health {
        version: String,
    }
    let header = reply.headers.get("x-influxdb-version").and_then(|value| value.to_str().ok());
    let words = header.map(str::to_owned).or_else(|| {
        serde_json::from_str::<Health>(&reply.body).ok().map(|health| health.version)
    })?;
    let words = printable(words.trim(), 40);
    (!words.is_empty()).then_some(words)
}

/// The error in an answer to a statement, which may be a success by its status.
fn error_inside(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Answered {
        error: Option<String>,
        #[serde(default)]
        results: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        error: Option<String>,
    }
    let answered: Answered = serde_json::from_str(body).ok()?;
    answered.error.or_else(|| answered.results.into_iter().find_map(|one| one.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_inside_a_success() {
        let inside = r#"{"results":[{"statement_id":0,"error":"invalid name"}]}"#;
        assert_eq!(error_inside(inside).as_deref(), Some("invalid name"));
        assert_eq!(error_inside(r#"{"error":"no"}"#).as_deref(), Some("no"));
        assert_eq!(error_inside(r#"{"results":[{"statement_id":0}]}"#), None);
        assert_eq!(error_inside("<html>"), None);
    }
}
