//! The load of `cargo xtask bench sinks`: `sinks RATE SECONDS URL...` writes RATE pings a second to a spool and
//! brings them to the `InfluxDB` at each URL, as the daemon does. It prints how many each took, in the second half
//! and in all, and how many waited for the slowest at the end of each second.
#![expect(clippy::print_stdout, reason = "the figures are for who starts it")]

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, SystemClock, UnixMs};
use store::sink::{
    Courier, Credential, Endpoint, Frames, InfluxConfig, Kind, Limits, Place, SinkConfig, SinkView,
    Spool, Subject,
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Hosts that are probed in turn.
const HOSTS: usize = 20_000;
/// The sinks may take so long for the rest, once all is written.
const PATIENCE: Duration = Duration::from_mins(2);

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let mut number = || -> Result<u32, Failure> { Ok(args.next().ok_or("RATE SECONDS")?.parse()?) };
    let (rate, seconds) = (number()?, number()?);
    let urls: Vec<String> = args.collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let dir = tempfile::tempdir()?;
    let (spool, _) = Spool::open(dir.path(), Limits::DEFAULT, None, Arc::clone(&clock))?;
    let (spool, stop) = (Arc::new(spool), CancellationToken::new());
    spool.keep_for(&urls)?;
    let mut views = Vec::new();
    for url in &urls {
        let courier = Courier::new(url, influx(url), Arc::clone(&spool), Arc::clone(&clock))?;
        views.push(courier.now());
        tokio::spawn(courier.run(stop.clone()));
    }
    let start = clock.monotonic();
    let (waiting, half) = write(&spool, &*clock, &views, rate, seconds).await?;
    let mut look = interval(Duration::from_millis(20));
    while views.iter().any(|view| view.read().waiting.points > 0) {
        look.tick().await;
        let late = clock.monotonic().saturating_sub(start) > PATIENCE;
        if late {
            return Err(format!("points still wait: {:?}", read(&views)).into());
        }
    }
    let wall_s = clock.monotonic().saturating_sub(start).as_secs_f64();
    stop.cancel();
    let sent: Vec<u64> = views.iter().map(|view| view.read().sent).collect();
    let bytes: u64 = views.iter().map(|view| view.read().sent_bytes).sum();
    println!(
        "{{\"sent\":{sent:?},\"half\":{half:?},\"wall_s\":{wall_s},\"bytes\":{bytes},\"waiting\":{waiting:?}}}"
    );
    Ok(())
}

fn read(views: &[SinkView]) -> Vec<store::sink::SinkNow> {
    views.iter().map(SinkView::read).collect()
}

fn influx(url: &str) -> SinkConfig {
    let (credential, timeout) = (Credential::None, Endpoint::TIMEOUT);
    let endpoint = Endpoint { url: url.to_owned(), credential, ca: None, timeout };
    let place = Place::Database { name: "nt".to_owned(), policy: None };
    let gzip = !endpoint.is_here();
    SinkConfig::Influx(InfluxConfig { endpoint, place, gzip, tags: Vec::new() })
}

/// Writes a batch a second, as the feed does. Gives how many points waited at the end of each second, and how many
/// were taken a second in the second half of the time.
async fn write(
    spool: &Spool,
    clock: &dyn Clock,
    views: &[SinkView],
    rate: u32,
    seconds: u32,
) -> Result<(Vec<u64>, Vec<f64>), Failure> {
    let subjects: Vec<Arc<Subject>> = (0..HOSTS)
        .map(|host| {
            let host = format!("10.64.{}.{}", host / 256, host % 256);
            let tags = [("host", &*host), ("region", "aws-london")];
            Arc::new(Subject::new(Kind::Ping, &tags, &tags))
        })
        .collect();
    let mut frames = Frames::default();
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = clock.now_ms();
    let mut noise = 88_172_645_463_325_252_u64;
    let (mut waiting, mut middle) = (Vec::new(), None);
    for batch in 0..seconds {
        second.tick().await;
        let now = read(views);
        waiting.extend(now.iter().map(|sink| sink.waiting.points).max());
        if batch == seconds / 2 {
            middle = Some((clock.monotonic(), now));
        }
        frames.begin(u64::from(batch) + 1, clock.now_ms());
        for (number, subject) in (0..rate).zip(subjects.iter().cycle()) {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let offset = i64::from(batch) * 1_000 + i64::from(number) * 1_000 / i64::from(rate);
            // Whole microseconds between 10 and 13 ms; one probe in fifty is lost.
            let rtt = (10_000 + noise % 3_001) as f64 / 1e3;
            let at = UnixMs(start.0 + offset);
            if noise.is_multiple_of(50) {
                frames.push(subject, at, &[1.0, 0.0, 100.0]);
            } else {
                let jitter = (noise % 400) as f64 / 1e3;
                frames.push(subject, at, &[1.0, 1.0, 0.0, rtt, rtt, rtt, jitter]);
            }
        }
        spool.append(&mut frames)?;
        spool.reveal()?;
    }
    second.tick().await;
    let (since, before) = middle.ok_or("SECONDS is 0")?;
    let took_s = clock.monotonic().saturating_sub(since).as_secs_f64();
    let rates = read(views).into_iter().zip(before);
    let rates = rates.map(|(now, before)| (now.sent - before.sent) as f64 / took_s).collect();
    Ok((waiting, rates))
}
