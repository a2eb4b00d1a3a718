//! One round of one side: feed, kill, start again, settle, measure, check.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use model::{Clock, SystemClock};

use crate::data::{self, Point};
use crate::http::Client;
use crate::local::{self, median};
use crate::side::Side;

type Failure = Box<dyn std::error::Error>;

/// Time between feeding and the kill, for all the same. VictoriaMetrics syncs every five seconds and would lose
/// what is younger; each puts in order meanwhile what it just took.
const CALM: Duration = Duration::from_secs(12);

/// A server that is killed when dropped, as it would be by a power cut.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(side: Side, address: &str, dir: &Path) -> Result<(Server, Client), Failure> {
    let server = Server(side.command(address, dir)?.spawn()?);
    let clock = SystemClock;
    let deadline = clock.monotonic() + Duration::from_mins(2);
    loop {
        if let Ok(client) = Client::connect(address) {
            return Ok((server, client));
        }
        if clock.monotonic() > deadline {
            return Err(format!("{side:?} does not listen on {address}").into());
        }
        std::thread::park_timeout(Duration::from_micros(500));
    }
}

/// Runs it; returns the figures as a line of JSON.
pub(crate) fn run(side: Side, address: &str, dir: &Path) -> Result<String, Failure> {
    let batches = data::batches();
    let count: usize = batches.iter().map(Vec::len).sum();
    let (server, mut client) = start(side, address, dir)?;
    side.prepare(&mut client)?;
    let ingest = feed(side, &mut client, &batches)?;
    for path in side.publish() {
        client.call("GET", path, b"")?;
    }
    std::thread::park_timeout(CALM);
    let full = client.call("GET", &side.day(), b"")?;
    drop((server, client));

    let clock = SystemClock;
    let begin = clock.monotonic();
    let (_server, mut client) = start(side, address, dir)?;
    while client.call("GET", &side.day(), b"").is_ok_and(|answer| answer.len() * 2 < full.len()) {
        std::thread::park_timeout(Duration::from_micros(500));
    }
    let restart = clock.monotonic().saturating_sub(begin).as_secs_f64() * 1e3;

    for path in side.settle() {
        client.call("GET", path, b"")?;
    }
    let bytes = settled_bytes(dir)?;
    let day = median(|| Ok(client.call("GET", &side.day(), b"").map(drop)?))?;
    let exact = median(|| Ok(client.call("GET", &side.median(), b"").map(drop)?))?;
    let hour = median(|| Ok(client.call("GET", &side.hour(), b"").map(drop)?))?;
    for number in [0, 4, 999] {
        check(side, &mut client, &batches, number)?;
    }
    let figures = serde_json::json!({
        "samples": count,
        "bytes_per_sample": bytes as f64 / count as f64,
        "ingest_per_second": count as f64 / ingest * 1e3,
        "day_ms": day,
        "median_ms": exact,
        "hour_ms": hour,
        "restart_ms": restart,
    });
    Ok(figures.to_string())
}

/// Milliseconds from the first request to the last acknowledgement.
fn feed(side: Side, client: &mut Client, batches: &[Vec<Point>]) -> Result<f64, Failure> {
    if side == Side::Netmend {
        let answer = client.call("GET", "/load", b"")?;
        return Ok(String::from_utf8(answer)?.parse()?);
    }
    let mut time = 0.0;
    for batch in batches {
        let (path, lines) = side.write(batch);
        let (done, took) = local::timed(|| client.call("POST", path, lines.as_bytes()));
        done?;
        time += took;
    }
    Ok(time)
}

/// Size on disk once it has not changed for 15 seconds.
fn settled_bytes(dir: &Path) -> Result<u64, Failure> {
    let (mut bytes, mut calm) = (local::bytes(dir)?, 0);
    while calm < 15 {
        std::thread::park_timeout(Duration::from_secs(1));
        let now = local::bytes(dir)?;
        calm = if now == bytes { calm + 1 } else { 0 };
        bytes = now;
    }
    Ok(bytes)
}

/// Compares all samples of a series with what was sent, bit for bit.
fn check(
    side: Side,
    client: &mut Client,
    batches: &[Vec<Point>],
    number: usize,
) -> Result<(), Failure> {
    let sent = batches.iter().flatten().filter(|point| point.0 == number);
    let sent: Vec<(i64, f64)> = sent.map(|&(_, at, value)| (at, value)).collect();
    let stored = side.samples(&client.call("GET", &side.all_of(number), b"")?)?;
    if stored == sent {
        return Ok(());
    }
    Err(format!("{side:?} gave back other samples of series {number} than it was sent").into())
}
