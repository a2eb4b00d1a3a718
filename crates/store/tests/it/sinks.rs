//! What becomes of points on their way to a sink, whatever the sink does. Time is a clock that the test moves;
//! the sinks are a scripted server where a real one cannot be made to fail so, and real ones in [`real`].

mod influxd;
mod real;
mod server;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Clock, ManualClock, Secret, UnixMs};
use store::sink::{
    Courier, Credential, Endpoint, Frames, InfluxConfig, Kind, Limits, Next, Place,
    RemoteWriteConfig, SinkConfig, Spool, Subject,
};

use super::support::{START, clock};
use server::{Reply, Request, Server};

/// A spool, and couriers that work when the test says so.
pub(crate) struct Bed {
    _dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    spool: Arc<Spool>,
    batches: u64,
}

impl Bed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let limits = Limits::DEFAULT;
        let (spool, _) =
            Spool::open(dir.path(), limits, None, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        Self { _dir: dir, clock, spool: Arc::new(spool), batches: 0 }
    }

    /// A courier for each sink, from now on.
    fn couriers<const N: usize>(&self, sinks: [(&str, SinkConfig); N]) -> [Courier; N] {
        let names: Vec<String> = sinks.iter().map(|(name, _)| (*name).to_owned()).collect();
        self.spool.keep_for(&names).unwrap();
        sinks.map(|(name, config)| {
            let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
            Courier::new(name, config, Arc::clone(&self.spool), clock).unwrap()
        })
    }

    /// Stores a batch of pings of one host, one for each RTT in milliseconds; time stands still.
    fn store(&mut self, host: &str, rtts: impl IntoIterator<Item = f64>) {
        let tags = [("host", host), ("region", "r")];
        let subject = Arc::new(Subject::new(Kind::Ping, &tags, &tags));
        let mut frames = Frames::default();
        self.batches += 1;
        frames.begin(self.batches, self.clock.now_ms());
        for (at, rtt) in (START..).zip(rtts) {
            let at = UnixMs(at + self.batches.cast_signed() * 1_000_000);
            frames.push(&subject, at, &[1.0, 1.0, 0.0, rtt, rtt, rtt]);
        }
        self.spool.append(&mut frames).unwrap();
        self.spool.reveal().unwrap();
    }

    /// Lets the courier work, over all pauses, until nothing waits for its sink; returns how long that took.
    async fn deliver(&self, courier: &mut Courier) -> Duration {
        let start = self.clock.monotonic();
        loop {
            match courier.step().await {
                Next::Now => {}
                Next::Idle => return self.clock.monotonic().saturating_sub(start),
                Next::After(pause) => self.clock.advance(pause),
            }
        }
    }
}

/// Lets the courier work until it pauses or has nothing to do.
async fn work(courier: &mut Courier) -> Next {
    loop {
        match courier.step().await {
            Next::Now => {}
            next => return next,
        }
    }
}

fn endpoint(url: String, credential: Credential) -> Endpoint {
    Endpoint { url, credential, ca: None, timeout: Duration::from_secs(30) }
}

fn influx(url: String, credential: Credential) -> SinkConfig {
    let place = Place::Database { name: "nt".into(), policy: None };
    let endpoint = endpoint(url, credential);
    SinkConfig::Influx(InfluxConfig { endpoint, place, gzip: true, tags: Vec::new() })
}

fn plain(server: &Server) -> SinkConfig {
    influx(server.url(), Credential::None)
}

/// What every `InfluxDB` 1 does: it says so, and takes lines.
fn well(request: &Request) -> Reply {
    match request.path() {
        "/ping" => Reply::say(204).with("X-Influxdb-Version: 1.6.7"),
        _ => Reply::say(204),
    }
}

/// The RTTs of all lines that were written to `server` with success, in order.
fn rtts(lines: &[String]) -> Vec<f64> {
    let rtt = |line: &String| line.split("avg=").nth(1)?.split(',').next()?.parse().ok();
    lines.iter().filter_map(rtt).collect()
}

/// Numbers from 0 on.
fn numbers(count: u32) -> Vec<f64> {
    (0..count).map(f64::from).collect()
}

#[tokio::test]
async fn lines_are_packed_addressed_and_authorized() {
    let mut bed = Bed::new();
    let server = Server::start(well);
    let credential = Credential::Basic("netmend".into(), Secret::new("hunter2"));
    let [mut courier] = bed.couriers([("a", influx(server.url(), credential))]);
    bed.store("h", [1.5, 2.5]);
    assert_eq!(bed.deliver(&mut courier).await, Duration::ZERO);
    let seen = server.seen();
    let [ping, write] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(ping.line, "GET /ping");
    assert_eq!(write.line, "POST /write?db=nt&precision=ms");
    assert_eq!(write.header("content-encoding"), "gzip");
    // The base64 of netmend:hunter2.
    assert_eq!(write.header("authorization"), "Basic bmV0bWVuZDpodW50ZXIy");
    assert_eq!(rtts(&write.lines()), [1.5, 2.5]);
    let now = courier.now().read();
    assert_eq!((now.sent, now.waiting.points, now.kind.as_str()), (2, 0, "InfluxDB 1.6.7"));
}

#[tokio::test]
async fn versions_2_and_3_are_told_by_asking_and_written_to_in_their_own_way() {
    let v2 = Place::Bucket { name: "b c".into(), org: "o".into() };
    let v3 = Place::Database { name: "nt".into(), policy: None };
    for (version, place, line, authorization) in [
        ("v2.7.1", v2, "POST /api/v2/write?org=o&bucket=b+c&precision=ms", "Token hunter2"),
        ("3.0.1", v3, "POST /api/v3/write_lp?db=nt&precision=millisecond", "Bearer hunter2"),
    ] {
        let mut bed = Bed::new();
        let server = Server::start(move |request| match request.path() {
            "/ping" => Reply::say(404),
            "/health" => Reply::say(200).body(&format!("{{\"version\":\"{version}\"}}")),
            _ => Reply::say(204),
        });
        let endpoint = endpoint(server.url(), Credential::Token(Secret::new("hunter2")));
        let config = InfluxConfig { endpoint, place, gzip: false, tags: Vec::new() };
        let [mut courier] = bed.couriers([("a", SinkConfig::Influx(config))]);
        bed.store("h", [1.0]);
        bed.deliver(&mut courier).await;
        let seen = server.seen();
        let write = seen.last().unwrap();
        assert_eq!((write.line.as_str(), write.header("authorization")), (line, authorization));
        assert_eq!(rtts(&write.lines()), [1.0]);
        assert!(courier.now().read().kind.ends_with(version));
    }
}

#[tokio::test]
async fn of_three_databases_one_is_dead_for_an_hour_and_none_loses_a_point() {
    let mut bed = Bed::new();
    let dead = Arc::new(AtomicBool::new(false));
    let is_dead = Arc::clone(&dead);
    let mortal =
        Server::start(
            move |request| {
                if is_dead.load(Ordering::SeqCst) { Reply::HangUp } else { well(request) }
            },
        );
    let (one, two) = (Server::start(well), Server::start(well));
    let sinks = [("mortal", plain(&mortal)), ("one", plain(&one)), ("two", plain(&two))];
    let [mut mourned, mut first, mut second] = bed.couriers(sinks);
    for beat in 0..400_u32 {
        // Ten seconds a beat: it dies in beat 20 and lives again after an hour, in beat 380.
        dead.store((20..380).contains(&beat), Ordering::SeqCst);
        bed.store("h", [f64::from(beat)]);
        work(&mut mourned).await;
        assert_eq!(work(&mut first).await, Next::Idle);
        assert_eq!(work(&mut second).await, Next::Idle);
        if beat == 300 {
            let now = mourned.now().read();
            assert_eq!(now.waiting.points, 281);
            assert!(now.failing.is_some());
            assert!((40..70).contains(&now.failed), "{} tries in 47 min", now.failed);
        }
        bed.clock.advance(Duration::from_secs(10));
    }
    bed.deliver(&mut mourned).await;
    for (server, courier) in [(mortal, mourned), (one, first), (two, second)] {
        assert_eq!(rtts(&server.taken()), numbers(400));
        let now = courier.now().read();
        assert_eq!((now.failing, now.waiting.points, now.waiting.dropped), (None, 0, 0));
    }
}

#[tokio::test]
async fn a_sink_that_is_slow_gets_smaller_requests_until_it_is_quick_enough() {
    let mut bed = Bed::new();
    let server = Server::start(|request| match request.path() {
        "/write" if request.lines().len() > 300 => Reply::Silence,
        _ => well(request),
    });
    let SinkConfig::Influx(mut config) = plain(&server) else { panic!("it is one") };
    config.endpoint.timeout = Duration::from_secs(1);
    let [mut courier] = bed.couriers([("a", SinkConfig::Influx(config))]);
    bed.store("h", numbers(1_000));
    let took = bed.deliver(&mut courier).await;
    assert_eq!(rtts(&server.taken()), numbers(1_000));
    let now = courier.now().read();
    assert!((2..=6).contains(&now.failed) && took < Duration::from_mins(1), "{now:?} {took:?}");
}

#[tokio::test]
async fn a_wrong_password_is_said_once_and_loses_nothing() {
    let mut bed = Bed::new();
    let right = Arc::new(AtomicBool::new(false));
    let is_right = Arc::clone(&right);
    let server = Server::start(move |request| match request.path() {
        "/write" if !is_right.load(Ordering::SeqCst) => {
            Reply::say(401).body("{\"error\":\"authorization failed: hunter2\"}")
        }
        _ => well(request),
    });
    let credential = Credential::Basic("u".into(), Secret::new("hunter2"));
    let [mut courier] = bed.couriers([("a", influx(server.url(), credential))]);
    bed.store("h", [1.0]);
    let Next::After(pause) = work(&mut courier).await else { panic!("it pauses") };
    assert!(pause > Duration::from_mins(3), "{pause:?}");
    let failing = courier.now().read().failing.unwrap();
    assert!(failing.why.contains("401") && !failing.why.contains("hunter2"), "{failing:?}");
    assert!(failing.fix.contains("`password`"), "{failing:?}");
    right.store(true, Ordering::SeqCst);
    bed.deliver(&mut courier).await;
    assert_eq!(rtts(&server.taken()), [1.0]);
    assert_eq!(courier.now().read().failing, None);
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_again_and_not_before_the_sink_said() {
    let answers = [
        Reply::say(500).body("{\"error\":\"timeout\"}"),
        Reply::say(503).with("Retry-After: 120"),
        Reply::say(429).with("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"),
        Reply::HangUp,
        Reply::Endless,
    ];
    for answer in answers {
        let mut bed = Bed::new();
        let pauses = matches!(&answer, Reply::Say { headers, .. } if headers.contains("120"));
        let mut answers = vec![answer];
        let server = Server::start(move |request| match request.path() {
            "/write" => answers.pop().unwrap_or_else(|| well(request)),
            _ => well(request),
        });
        let [mut courier] = bed.couriers([("a", plain(&server))]);
        bed.store("h", [1.0, 2.0]);
        let took = bed.deliver(&mut courier).await;
        let least = if pauses { Duration::from_mins(2) } else { Duration::from_millis(800) };
        assert!(took >= least && took < least * 2, "{took:?}");
        assert_eq!(rtts(&server.taken()), [1.0, 2.0]);
        assert_eq!(courier.now().read().failed, 1);
    }
}

#[tokio::test]
async fn a_partial_write_is_counted_and_not_sent_again() {
    let mut bed = Bed::new();
    let conflict = "{\"error\":\"partial write: field type conflict: input field \\\"avg\\\" on \
                    measurement \\\"ping_rtt\\\" is type float, already exists as type integer \
                    dropped=1\"}";
    let mut answers = vec![Reply::say(400).body(conflict)];
    let server = Server::start(move |request| match request.path() {
        "/write" => answers.pop().unwrap_or_else(|| well(request)),
        _ => well(request),
    });
    let [mut courier] = bed.couriers([("a", plain(&server))]);
    bed.store("h", [1.0, 2.0]);
    bed.deliver(&mut courier).await;
    bed.store("h", [3.0]);
    bed.deliver(&mut courier).await;
    assert_eq!(rtts(&server.taken()), [3.0]);
    let now = courier.now().read();
    assert_eq!((now.partial, now.sent, now.refused, now.failing), (2, 1, 0, None));
    assert!(now.refusal.unwrap().0.contains("field type conflict"));
}

#[tokio::test]
async fn a_request_that_is_too_large_is_split() {
    let mut bed = Bed::new();
    let server = Server::start(|request| match request.path() {
        "/write" if request.lines().len() > 150 => Reply::say(413),
        _ => well(request),
    });
    let [mut courier] = bed.couriers([("a", plain(&server))]);
    bed.store("h", numbers(1_000));
    assert_eq!(bed.deliver(&mut courier).await, Duration::ZERO);
    assert_eq!(rtts(&server.taken()), numbers(1_000));
    let before = server.seen().len();
    bed.store("h", numbers(250));
    bed.deliver(&mut courier).await;
    assert_eq!(server.seen().len() - before, 2, "it remembers how much is too much");
}

#[tokio::test]
async fn one_point_that_is_refused_takes_no_other_with_it() {
    let mut bed = Bed::new();
    let refuses = |request: &Request| request.lines().iter().any(|line| line.contains("avg=777,"));
    let server = Server::start(move |request| match request.path() {
        "/write" if refuses(request) => Reply::say(400).body("{\"error\":\"no\"}"),
        _ => well(request),
    });
    let [mut courier] = bed.couriers([("a", plain(&server))]);
    bed.store("h", numbers(1_000));
    bed.deliver(&mut courier).await;
    let mut expected = numbers(1_000);
    expected.remove(777);
    assert_eq!(rtts(&server.taken()), expected);
    let now = courier.now().read();
    assert_eq!((now.sent, now.refused), (999, 1));
    assert!(now.requests < 40, "{} requests", now.requests);
}

#[tokio::test]
async fn a_sink_that_refuses_everything_costs_few_requests() {
    let mut bed = Bed::new();
    let server = Server::start(|request| match request.path() {
        "/write" => Reply::say(400).body("{\"error\":\"no\"}"),
        _ => well(request),
    });
    let [mut courier] = bed.couriers([("a", plain(&server))]);
    for _ in 0..4 {
        bed.store("h", numbers(10_000));
        bed.deliver(&mut courier).await;
    }
    let now = courier.now().read();
    assert_eq!((now.sent, now.refused, now.waiting.points), (0, 40_000, 0));
    assert!(now.requests < 200, "{} requests", now.requests);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut bed = Bed::new();
    let elsewhere = Server::start(well);
    let location = format!("Location: {}/write", elsewhere.url());
    let server = Server::start(move |request| match request.path() {
        "/write" => Reply::say(307).with(&location),
        _ => well(request),
    });
    let [mut courier] = bed.couriers([("a", plain(&server))]);
    bed.store("h", [1.0]);
    work(&mut courier).await;
    assert!(courier.now().read().failing.unwrap().fix.contains("redirects are not followed"));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_database_that_is_missing_is_created_and_what_forbids_it_is_said() {
    let mut bed = Bed::new();
    let tries = Arc::new(AtomicUsize::new(0));
    let tried = Arc::clone(&tries);
    let server = Server::start(move |request| match request.path() {
        "/query" => match tried.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::say(200)
                .body("{\"results\":[{\"statement_id\":0,\"error\":\"not allowed\"}]}"),
            _ => Reply::say(200).body("{\"results\":[{\"statement_id\":0}]}"),
        },
        "/write" if tried.load(Ordering::SeqCst) < 2 => {
            Reply::say(404).body("{\"error\":\"database not found: \\\"nt\\\"\"}")
        }
        _ => well(request),
    });
    let [mut courier] = bed.couriers([("a", plain(&server))]);
    bed.store("h", [1.0]);
    work(&mut courier).await;
    let failing = courier.now().read().failing.unwrap();
    assert!(failing.why.contains("not allowed"), "{failing:?}");
    assert_eq!(failing.fix, "as administrator: CREATE DATABASE \"nt\"");
    bed.deliver(&mut courier).await;
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    let query = server.seen().into_iter().find(|request| request.path() == "/query").unwrap();
    assert_eq!(query.body, b"q=CREATE+DATABASE+%22nt%22");
    assert_eq!(rtts(&server.taken()), [1.0]);
}

#[tokio::test]
async fn remote_write_says_what_it_is_and_counts_what_a_prometheus_never_takes() {
    let mut bed = Bed::new();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    let server = Server::start(move |request| {
        let mut bodies = kept.lock().unwrap();
        bodies.push(request.body.len());
        if bodies.len() == 1 {
            Reply::say(400).body("out of order sample")
        } else {
            Reply::say(204)
        }
    });
    let endpoint = endpoint(format!("{}/api/v1/write", server.url()), Credential::None);
    let config = RemoteWriteConfig { endpoint, labels: Vec::new() };
    let [mut courier] = bed.couriers([("a", SinkConfig::RemoteWrite(config))]);
    bed.store("h", [1.0]);
    bed.store("h", [2.0]);
    bed.deliver(&mut courier).await;
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/v1/write");
    assert_eq!(seen[0].header("content-encoding"), "snappy");
    assert_eq!(seen[0].header("content-type"), "application/x-protobuf");
    assert_eq!(seen[0].header("x-prometheus-remote-write-version"), "0.1.0");
    let now = courier.now().read();
    assert_eq!((now.sent, now.refused), (2, 0), "the halves were taken");
}
