//! Measures what `show` promises of speed, over a real port and the real store: the first hundred rows of
//! ten thousand targets within 300 ms, a smoke graph of ten days within 100 ms, a hundred rows of ten
//! thousand open alerts.
//! `cargo run --release -p netmend-show --example paint`

#![expect(clippy::print_stdout, reason = "a measuring tool prints what it measured")]

#[path = "../tests/it/sim.rs"]
#[expect(dead_code, reason = "shared with the tests, which use the rest")]
mod sim;

#[path = "../tests/it/alarms.rs"]
#[expect(dead_code, reason = "shared with the tests, which use the rest")]
mod alarms;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alarms::Alarms;
use model::{Clock, Metric, Sample, SeriesId, Severity, SystemClock, UnixMs};
use netmend_show as show;
use show::Now;
use sim::Sim;
use store::{Batch, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TARGETS: usize = 10_000;
const DAYS: u64 = 10;
const RUNS: usize = 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock = SystemClock;
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path(), Arc::new(clock))?;
    let now = clock.now_ms();
    let sim = Arc::new(Sim::new(sim::large_network(TARGETS), now));
    let first = Arc::clone(&sim.targets().targets[0]);
    let metrics = [Metric::Rtt, Metric::Loss, Metric::Jitter];
    store.samples().register(&metrics.map(|metric| first.target.series(metric)))?;
    for (seq, day) in (0..DAYS).rev().enumerate() {
        let until = now - Duration::from_hours(day * 24);
        let samples = day_of(&metrics.map(|metric| first.series.get(metric)), until);
        store.samples().append(Batch { source: 0, seq: seq as u64 + 1, samples })?;
    }
    let alarms = Arc::new(Alarms::new(store.state(), Arc::new(clock)));
    let alert = |(number, now): (usize, &Arc<model::TargetNow>)| {
        let slow = alarms::slow(now, clock.now_ms(), number as u64 % 500);
        alarms::firing(number as u64 + 1, &now.target, Severity::Warning, vec![slow])
    };
    alarms.put_all(sim.targets().targets.iter().enumerate().map(alert).collect());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = show::router(show::Deps {
        now: sim,
        alerts: Arc::<Alarms>::clone(&alarms),
        commands: alarms,
        mending: Arc::new(show::Unjudged),
        samples: store.samples(),
        access: show::Access::usual(store.state(), Arc::new(clock))?,
        state: store.state(),
        clock: Arc::new(clock),
        devices: Arc::new(model::Inventory::default()),
        interfaces: Arc::new(()),
        links: Arc::new(netmend_show::NoLinks),
        listen: address,
        hosts: Vec::new(),
        token: show::Token::random()?,
    });
    tokio::spawn(show::serve(listener, router, None, std::future::pending()));
    let id = first.series.rtt;
    println!(
        "{TARGETS} targets, {DAYS} days of one target at 3 s, {RUNS} runs each, new connections"
    );
    for (what, path) in [
        ("targets, 100 rows", "/targets".to_owned()),
        ("targets by loss", "/targets?sort=loss".to_owned()),
        ("targets by host", "/targets?host=h0999&sort=host".to_owned()),
        ("front page, all named", "/".to_owned()),
        ("metrics", "/metrics".to_owned()),
        ("alerts, 100 of 10,000", "/alerts".to_owned()),
        ("alerts by text", "/alerts?text=h0999".to_owned()),
        ("one alert", "/alerts/17".to_owned()),
        ("smoke graph, 10 days", format!("/api/v1/range?target={id}&metric=rtt,loss&span=10d")),
        ("page of a target, 10 days", format!("/targets/{id}?span=10d")),
    ] {
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..RUNS {
            let start = clock.monotonic();
            bytes = fetch(address, &path).await?;
            times.push(clock.monotonic().saturating_sub(start));
        }
        times.sort_unstable();
        let (median, worst) = (times[RUNS / 2], times[RUNS - 1]);
        println!("{what:26} median {median:>9.1?}  worst {worst:>9.1?}  {bytes:>8} bytes");
    }
    Ok(())
}

/// A day of samples every 3 s until `until`; one probe in fifty is lost.
fn day_of(series: &[SeriesId; 3], until: UnixMs) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut noise = 88_172_645_463_325_252_u64;
    for number in (0..86_400 / 3).rev() {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        let at = until - Duration::from_secs(number * 3);
        let lost = noise.is_multiple_of(50);
        samples.push(Sample { series: series[1], at, value: if lost { 100.0 } else { 0.0 } });
        if !lost {
            let rtt = 11_000.0 + (noise % 3_001) as f64;
            samples.push(Sample { series: series[0], at, value: rtt });
            samples.push(Sample { series: series[2], at, value: (noise % 400) as f64 });
        }
    }
    samples
}

/// Fetches a path as a browser does, without compression, and says how many bytes came.
async fn fetch(address: SocketAddr, path: &str) -> std::io::Result<usize> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let ask = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        let head = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
        return Err(std::io::Error::other(head));
    }
    Ok(answer.len())
}
