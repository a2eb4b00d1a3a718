//! Brings one sink its points: reads them from the spool, sends them, and decides what an answer means for them
//! and for the next try. It takes its time from the clock it is given, so that an hour of outage is a test.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use model::{Clock, UnixMs};
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Failure, Retry};
use super::bodies::{Body, Form, Recipe, finished};
use super::frame::MAX_POINTS;
use super::http::BadSink;
use super::influx::{Influx, InfluxConfig};
use super::points::Points;
use super::remote_write::{RemoteWrite, RemoteWriteConfig};
use super::spool::{Batch, Spool, Waiting};

/// Most points that are taken from the spool at once: the more there are, the more of them are of one series, and
/// the less a request costs the database. These cost some 25 MB.
const MOST: usize = 250_000;
/// Fewest points to which a request shrinks because it took too long.
const FEWEST: usize = 100;
/// Most requests that the search for points that are refused may cost, for [`MAX_POINTS`] points.
const HUNT: u32 = 64;
/// Points in a request once the search has cost as much; where one of them is refused, all are given up.
const CHUNK: usize = 500;

/// A sink, as it is configured. A new kind is one variant here, one file, and an arm in each `match` of [`Sink`].
#[derive(Clone, Debug, PartialEq)]
pub enum SinkConfig {
    /// `InfluxDB`.
    Influx(InfluxConfig),
    /// What takes Prometheus remote write.
    RemoteWrite(RemoteWriteConfig),
}

impl SinkConfig {
    /// Says what makes it unusable, without opening a connection.
    ///
    /// # Errors
    /// The address is none, or the certificates cannot be read.
    pub fn check(&self) -> Result<(), BadSink> {
        Sink::new(self.clone()).map(drop)
    }

    /// Asks the sink what it is and whether it would take points, without giving it any. Needs a runtime.
    ///
    /// # Errors
    /// It would take none.
    pub async fn look(&self) -> Result<String, Unfit> {
        let bad = |BadSink(why)| Unfit { why, fix: String::new() };
        let sink = Sink::new(self.clone()).map_err(bad)?;
        let answer = match &sink {
            Sink::Influx(sink) => sink.look().await,
            Sink::RemoteWrite(sink) => sink.send(RemoteWrite::pack(&[]).into()).await,
        };
        match answer {
            Answer::Taken => Ok(sink.kind()),
            Answer::Failed(Failure { why, fix, .. }) => Err(Unfit { why, fix }),
            Answer::Partly(why) | Answer::Refused(why) => Err(Unfit { why, fix: String::new() }),
            Answer::TooLarge => {
                let why = format!("{} takes not even a request without points", sink.at());
                Err(Unfit { why, fix: String::new() })
            }
        }
    }
}

/// Why a sink would take no points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What was tried on what, and what came of it.
    pub why: String,
    /// What a person can do; empty if nobody knows.
    pub fix: String,
}

/// A sink, ready to be written to.
#[derive(Debug)]
enum Sink {
    Influx(Influx),
    RemoteWrite(RemoteWrite),
}

impl Sink {
    fn new(config: SinkConfig) -> Result<Self, BadSink> {
        match config {
            SinkConfig::Influx(config) => Influx::new(config).map(Sink::Influx),
            SinkConfig::RemoteWrite(config) => RemoteWrite::new(config).map(Sink::RemoteWrite),
        }
    }

    fn at(&self) -> &str {
        match self {
            Sink::Influx(sink) => sink.at(),
            Sink::RemoteWrite(sink) => sink.at(),
        }
    }

    fn kind(&self) -> String {
        match self {
            Sink::Influx(sink) => sink.version().unwrap_or_else(|| "InfluxDB".to_owned()),
            Sink::RemoteWrite(_) => "remote write".to_owned(),
        }
    }

    /// How it wants points written down.
    fn form(&self) -> Form {
        match self {
            Sink::Influx(sink) => sink.form(),
            Sink::RemoteWrite(sink) => sink.form(),
        }
    }

    /// The body with up to `count` points, from the one numbered `from` on, and how many have values.
    fn body(&self, points: &Points, from: usize, count: usize) -> Body {
        let mut out = Vec::with_capacity(count * 160);
        let (mut written, mut head) = (0, None);
        points.each(from, count, |point, same| {
            head.take_if(|_| !same);
            let has = match self {
                Sink::Influx(sink) => sink.write(&mut out, &mut head, point),
                Sink::RemoteWrite(sink) => sink.write(&mut out, point),
            };
            written += usize::from(has);
        });
        let body = match self {
            Sink::Influx(sink) => sink.pack(out),
            Sink::RemoteWrite(_) => RemoteWrite::pack(&out),
        };
        (body.into(), written)
    }

    async fn send(&self, body: Bytes) -> Answer {
        match self {
            Sink::Influx(sink) => sink.send(body).await,
            Sink::RemoteWrite(sink) => sink.send(body).await,
        }
    }
}

/// How a sink is doing, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkNow {
    /// What the user calls it.
    pub name: String,
    /// What it is, with its version once that is known.
    pub kind: String,
    /// Scheme, host and port.
    pub at: String,
    /// Points that it took.
    pub sent: u64,
    /// Bytes sent to it, as they went over the wire.
    pub sent_bytes: u64,
    /// Requests that were answered or failed.
    pub requests: u64,
    /// Requests that failed and are made again.
    pub failed: u64,
    /// Points that it will never take, each known to be refused.
    pub refused: u64,
    /// Points in requests of which it took a part only: nobody can say how many are missing.
    pub partial: u64,
    /// When it last took something.
    pub sent_at: Option<UnixMs>,
    /// When the oldest point that it has not taken was written.
    pub oldest: Option<UnixMs>,
    /// The latest thing it refused, and when.
    pub refusal: Option<(String, UnixMs)>,
    /// Why it takes nothing now.
    pub failing: Option<Failing>,
    /// What waits for it.
    pub waiting: Waiting,
}

/// Why a sink takes nothing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// What was tried on what, and what came of it.
    pub why: String,
    /// What a person can do; empty if it passes by itself.
    pub fix: String,
    /// Since when.
    pub since: UnixMs,
}

/// What a courier does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There may be more to send.
    Now,
    /// There is nothing to send.
    Idle,
    /// It tries again after this pause.
    After(Duration),
}

/// Brings one sink its points.
#[derive(Debug)]
pub struct Courier {
    name: String,
    sink: Arc<Sink>,
    spool: Arc<Spool>,
    clock: Arc<dyn Clock>,
    now: Arc<Mutex<SinkNow>>,
    random: fastrand::Rng,
    /// What is being sent, and how many of its points are done with.
    load: Option<(Arc<Batch>, usize)>,
    /// Points in the next request.
    window: usize,
    /// Most points that the sink takes at once.
    ceiling: usize,
    /// Requests left for the search for what is refused.
    hunt: u32,
    /// Whether something was taken since the search began.
    took: bool,
    failures: u32,
    /// Not before this, by the monotonic clock.
    due: Duration,
}

impl Courier {
    /// A courier for the sink called `name`, for which `spool` keeps points.
    ///
    /// # Errors
    /// The configuration cannot be used; says why.
    pub fn new(
        name: &str,
        config: SinkConfig,
        spool: Arc<Spool>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BadSink> {
        let sink = Arc::new(Sink::new(config)?);
        let now = SinkNow {
            name: name.to_owned(),
            kind: sink.kind(),
            at: sink.at().to_owned(),
            ..SinkNow::default()
        };
        Ok(Self {
            name: name.to_owned(),
            sink,
            spool,
            clock,
            now: Arc::new(Mutex::new(now)),
            random: fastrand::Rng::new(),
            load: None,
            window: MAX_POINTS,
            ceiling: MAX_POINTS,
            hunt: HUNT,
            took: true,
            failures: 0,
            due: Duration::ZERO,
        })
    }

    /// How the sink is doing; stays readable while the courier works.
    pub fn now(&self) -> SinkView {
        SinkView { now: Arc::clone(&self.now), spool: Arc::clone(&self.spool) }
    }

    /// Brings points until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut news = self.spool.watch();
        loop {
            news.mark_unchanged();
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = self.step() => next,
            };
            let pause = match next {
                Next::Now => continue,
                // It also ends the wait for a spool that is gone.
                Next::Idle => Duration::from_mins(1),
                Next::After(pause) => pause,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                Ok(()) = news.changed(), if next == Next::Idle => {}
            }
        }
    }

    /// Sends one request if it is time and there is something to send.
    pub async fn step(&mut self) -> Next {
        let now = self.clock.monotonic();
        let early = self.due.saturating_sub(now);
        if !early.is_zero() {
            return Next::After(early);
        }
        let (batch, done) = match self.load().await {
            Ok(Some(load)) => load,
            Ok(None) => return Next::Idle,
            Err(why) => {
                let fix = "see whether the disk of the data folder works".to_owned();
                return self.fail(Failure { why, fix, retry: Retry::Backoff(Duration::ZERO) });
            }
        };
        let count = self.window.min(batch.points.len() - done);
        let sink = Arc::clone(&self.sink);
        let recipe = Recipe { place: batch.place(), points: (done, count), form: sink.form() };
        let make = move || sink.body(&batch.points, done, count);
        let (body, written) = self.spool.bodies().get(recipe, make).await;
        if written == 0 {
            self.pass(count);
            return Next::Now;
        }
        let bytes = body.len() as u64;
        let answer = self.sink.send(body).await;
        {
            let mut now = self.status();
            now.requests += 1;
            now.sent_bytes += bytes;
            now.kind = self.sink.kind();
        }
        self.heed(answer, count)
    }

    /// What is to be sent: what is left of the last batch, or the next one.
    async fn load(&mut self) -> Result<Option<(Arc<Batch>, usize)>, String> {
        if self.load.is_some() {
            return Ok(self.load.clone());
        }
        let (spool, name) = (Arc::clone(&self.spool), self.name.clone());
        let read =
            finished(tokio::task::spawn_blocking(move || spool.read(&name, MOST)).await).await;
        self.renew_hunt();
        self.load = read.map_err(|why| why.to_string())?.map(|batch| (Arc::new(batch), 0));
        self.status().oldest = self.load.as_ref().map(|(batch, _)| batch.oldest);
        // A batch of nothing but damage is passed over at the next look.
        Ok(self.load.clone())
    }

    /// Acts on what the sink said to `count` points.
    fn heed(&mut self, answer: Answer, count: usize) -> Next {
        let at = self.clock.now_ms();
        match answer {
            Answer::Taken => {
                self.recover(at);
                self.status().sent += count as u64;
                self.took = true;
                self.window = (self.window * 2).min(self.ceiling);
                self.pass(count);
            }
            Answer::Partly(why) => {
                self.recover(at);
                self.complain(why, at);
                self.status().partial += count as u64;
                self.pass(count);
            }
            Answer::Refused(_) if count > 1 && self.hunt > 0 => {
                // One point can make a receiver refuse all: the others are sent without it.
                self.hunt -= 1;
                self.window = count / 2;
            }
            Answer::Refused(why) => {
                self.recover(at);
                self.complain(why, at);
                self.status().refused += count as u64;
                self.pass(count);
                // Nor are all others given up with it.
                self.window = self.ceiling.min(if self.hunt > 0 { MAX_POINTS } else { CHUNK });
            }
            Answer::TooLarge if count > 1 => {
                self.ceiling = count / 2;
                self.window = self.ceiling;
            }
            Answer::TooLarge => {
                self.complain(format!("{} takes not even one point at once", self.sink.at()), at);
                self.status().refused += 1;
                self.pass(1);
            }
            Answer::Failed(failure) => {
                if failure.retry == Retry::Smaller {
                    self.window = (count / 2).max(FEWEST).min(self.ceiling);
                }
                return self.fail(failure);
            }
        }
        Next::Now
    }

    /// Is done with the next `count` points.
    fn pass(&mut self, count: usize) {
        let Some((batch, done)) = &mut self.load else { return };
        let before = *done;
        *done += count;
        if *done >= batch.points.len() {
            self.spool.advance(&self.name, batch);
            self.load = None;
            self.status().oldest = None;
        } else if before / MAX_POINTS != *done / MAX_POINTS {
            self.renew_hunt();
        }
    }

    /// Where all was refused, as what is too old for a Prometheus, the next points are not worth a search.
    fn renew_hunt(&mut self) {
        self.hunt = if std::mem::take(&mut self.took) { HUNT } else { 2 };
    }

    fn fail(&mut self, failure: Failure) -> Next {
        let pause = failure.retry.pause(self.failures, self.random.f64());
        self.failures = self.failures.saturating_add(1);
        self.due = self.clock.monotonic() + pause;
        let at = self.clock.now_ms();
        let mut now = self.status();
        now.failed += 1;
        let before = now.failing.take();
        let Failure { why, fix, .. } = failure;
        if before.as_ref().is_none_or(|before| before.why != why) {
            tracing::warn!(sink = %self.name, %why, %fix, "points wait for a sink");
        }
        let since = before.map_or(at, |before| before.since);
        now.failing = Some(Failing { why, fix, since });
        Next::After(pause)
    }

    /// The sink takes points again.
    fn recover(&mut self, at: UnixMs) {
        self.failures = 0;
        let mut now = self.status();
        now.sent_at = Some(at);
        if let Some(before) = now.failing.take() {
            let since = before.since.0;
            tracing::info!(sink = %self.name, why = %before.why, since, "the sink takes points again");
        }
    }

    /// Tells of what is refused; the same words once an hour at most.
    fn complain(&self, why: String, at: UnixMs) {
        let mut now = self.status();
        let said = now
            .refusal
            .as_ref()
            .is_some_and(|(before, when)| *before == why && at < *when + Duration::from_hours(1));
        if !said {
            tracing::warn!(sink = %self.name, %why, "a sink refuses points for good");
            now.refusal = Some((why, at));
        }
    }

    fn status(&self) -> MutexGuard<'_, SinkNow> {
        self.now.lock().expect("no holder of this lock can panic")
    }
}

/// How a sink is doing, wherever its courier is.
#[derive(Clone, Debug)]
pub struct SinkView {
    now: Arc<Mutex<SinkNow>>,
    spool: Arc<Spool>,
}

impl SinkView {
    /// How it is doing now. Cheap; never waits for the sink.
    pub fn read(&self) -> SinkNow {
        let mut now = self.now.lock().expect("no holder of this lock can panic").clone();
        now.waiting = self.spool.waiting(&now.name).unwrap_or_default();
        if now.waiting.points == 0 {
            now.oldest = None;
        }
        now
    }
}
