//! Prometheus remote write 1.0 (prometheus.io, "Prometheus Remote-Write 1.0 specification"): snappy around a
//! `WriteRequest` of protocol buffers. What is sent has the names and labels of `/metrics`. It must not decide
//! when to try again: `courier` does.
//!
//! The message has three levels and five fields, so it is written by hand:
//!
//! ```text
//! WriteRequest { repeated TimeSeries timeseries = 1; }
//! TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
//! Label        { string name = 1; string value = 2; }
//! Sample       { double value = 1; int64 timestamp = 2; }     // milliseconds
//! ```

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::answer::{Answer, Failure, Retry};
use super::bodies::Form;
use super::http::{BadSink, Credential, Endpoint, Http};
use super::point::Point;
use crate::codec::varint;

/// Who takes remote write, and what it is told besides.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWriteConfig {
    /// Where it is, with the whole path.
    pub endpoint: Endpoint,
    /// Labels that all series get unless they have one of that name.
    pub labels: Vec<(String, String)>,
}

/// A receiver of remote write, ready to be used.
#[derive(Debug)]
pub(super) struct RemoteWrite {
    http: Http,
    /// Sorted by name.
    labels: Vec<(String, String)>,
}

/// Wire type of a length and as many bytes.
const BYTES: u8 = 2;
/// Tags of the fields (number, wire type).
const TIMESERIES: u8 = 1 << 3 | BYTES;
const LABEL: u8 = 1 << 3 | BYTES;
const SAMPLE: u8 = 2 << 3 | BYTES;
const NAME: u8 = 1 << 3 | BYTES;
const VALUE: u8 = 2 << 3 | BYTES;
const SAMPLE_VALUE: u8 = 1 << 3 | 1;
const SAMPLE_TIME: u8 = 2 << 3;

impl RemoteWrite {
    /// Checks what was configured.
    pub(super) fn new(config: RemoteWriteConfig) -> Result<Self, BadSink> {
        let http = Http::new(&config.endpoint)?;
        let mut labels = config.labels;
        labels.sort_unstable();
        Ok(Self { http, labels })
    }

    /// Scheme, host and port.
    pub(super) fn at(&self) -> &str {
        self.http.at()
    }

    /// How it wants points written down.
    pub(super) fn form(&self) -> Form {
        Form::Series(self.labels.clone())
    }

    /// Appends a point as one series a metric, each with one sample; false if it has none.
    ///
    /// A series may come several times in a request, as long as its samples are in order: `courier` keeps the
    /// order in which points were stored.
    pub(super) fn write(&self, out: &mut Vec<u8>, point: Point<'_>) -> bool {
        let start = out.len();
        for (field, value) in point.fields() {
            let Some(metric) = field.metric else { continue };
            nested(out, TIMESERIES, |out| {
                label(out, "__name__", metric.name);
                self.labels(out, point);
                nested(out, SAMPLE, |out| {
                    out.push(SAMPLE_VALUE);
                    out.extend_from_slice(&(value * metric.scale).to_le_bytes());
                    out.push(SAMPLE_TIME);
                    varint::put(out, point.at.0.cast_unsigned());
                });
            });
        }
        out.len() > start
    }

    /// The point's labels and ours, merged by name: both are sorted, and so must be what is sent.
    fn labels(&self, out: &mut Vec<u8>, point: Point<'_>) {
        let mut ours = self.labels.iter().peekable();
        for (name, value) in point.subject.labels.iter() {
            while let Some((before, text)) = ours.next_if(|(own, _)| own.as_str() < name) {
                label(out, before, text);
            }
            ours.next_if(|(own, _)| own == name);
            label(out, name, value);
        }
        for (name, value) in ours {
            label(out, name, value);
        }
    }

    /// The body of a request.
    pub(super) fn pack(message: &[u8]) -> Vec<u8> {
        let mut packed = snap::raw::Encoder::new();
        packed.compress_vec(message).expect("a request is far below snappy's 4 GiB")
    }

    /// Sends a body.
    pub(super) async fn send(&self, body: Bytes) -> Answer {
        let request = self.http.post(self.http.base().clone()).body(body);
        let request = match self.http.credential() {
            Credential::None => request,
            Credential::Basic(name, password) => request.basic_auth(name, Some(password.reveal())),
            Credential::Token(token) => request.bearer_auth(token.reveal()),
        };
        let request = request
            .header(CONTENT_ENCODING, "snappy")
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0");
        let reply = match self.http.send(request).await {
            Ok(reply) => reply,
            Err(failure) => return Answer::Failed(failure),
        };
        if reply.status == StatusCode::NOT_FOUND {
            let fix = "give the whole address, as in http://HOST:9090/api/v1/write; Prometheus \
                       takes it if started with --web.enable-remote-write-receiver";
            let why = self.http.said(&reply);
            return Answer::Failed(Failure { why, fix: fix.to_owned(), retry: Retry::Slowly });
        }
        self.http.judge(&reply)
    }
}

/// Appends a field that is a message, written by `inner`.
fn nested(out: &mut Vec<u8>, tag: u8, inner: impl FnOnce(&mut Vec<u8>)) {
    /// A length that is known only afterwards gets the room of a message of 2 MiB; protocol buffers allow
    /// for numbers that are longer than they need be.
    const ROOM: usize = 3;
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    inner(out);
    let length = out.len() - start - ROOM;
    debug_assert!(length < 1 << (7 * ROOM), "a message of {length} bytes");
    for (place, byte) in out[start..start + ROOM].iter_mut().enumerate() {
        let more = if place + 1 < ROOM { 0x80 } else { 0 };
        *byte = (length >> (7 * place)) as u8 & 0x7f | more;
    }
}

/// Appends a label. An empty value means in Prometheus that there is no label.
fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    nested(out, LABEL, |out| {
        for (tag, text) in [(NAME, name), (VALUE, value)] {
            out.push(tag);
            varint::put(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use model::UnixMs;

    use super::super::point::{Kind, Subject};
    use super::*;

    /// The fields of a message: number, and its bytes or its eight bytes or its varint as bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let tag = varint::take(&mut bytes).unwrap();
            let body = match tag & 7 {
                0 => varint::take(&mut bytes).unwrap().to_le_bytes().to_vec(),
                1 => bytes.split_off(..8).unwrap().to_vec(),
                2 => {
                    let length = varint::take(&mut bytes).unwrap() as usize;
                    bytes.split_off(..length).unwrap().to_vec()
                }
                other => panic!("wire type {other}"),
            };
            found.push((tag >> 3, body));
        }
        found
    }

    #[test]
    fn a_point_becomes_a_series_a_metric_with_sorted_labels_and_base_units() {
        let endpoint = Endpoint {
            url: "http://h/api/v1/write".into(),
            credential: Credential::None,
            ca: None,
            timeout: Endpoint::TIMEOUT,
        };
        let ours = [("site", "x"), ("instance", "i"), ("host", "other")];
        let labels = ours.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let sink = RemoteWrite::new(RemoteWriteConfig { endpoint, labels }).unwrap();
        let labels = [("host", "h é"), ("region", "r"), ("empty", "")];
        let subject = Subject::new(Kind::Ping, &[], &labels);
        let values = [1.0, 1.0, 0.0, 12.0, 12.0, 12.0];
        let at = UnixMs(1_700_000_000_123);
        let mut message = Vec::new();
        assert!(sink.write(&mut message, Point { subject: subject.view(), at, values: &values }));
        let mut found = Vec::new();
        for (number, series) in fields(&message) {
            assert_eq!(number, 1);
            let mut text = String::new();
            for (number, part) in fields(&series) {
                let part = fields(&part);
                if number == 1 {
                    let word = |place: usize| String::from_utf8(part[place].1.clone()).unwrap();
                    write!(text, "{}={} ", word(0), word(1)).unwrap();
                } else {
                    let bytes = |place: usize| part[place].1.clone().try_into().unwrap();
                    let (value, at) = (f64::from_le_bytes(bytes(0)), i64::from_le_bytes(bytes(1)));
                    write!(text, "{value} @{at}").unwrap();
                }
            }
            found.push(text);
        }
        let line = |name: &str, value: &str| {
            format!("__name__={name} host=h é instance=i region=r site=x {value} @1700000000123")
        };
        let expected = [
            line("netmend_target_up", "1"),
            line("netmend_target_loss_ratio", "0"),
            line("netmend_target_rtt_seconds", "0.012"),
        ];
        assert_eq!(found, expected);
    }
}
