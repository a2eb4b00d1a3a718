//! The two threads between the prober and everybody else: one takes results as they come, one looks
//! after the rest once a second. Neither waits for the network, and only the second for the disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use model::{ProbeResult, UnixMs};
use store::{Change, Mark, Retention, Samples, State};

use crate::merge::Merger;
use crate::ports::Present;
use crate::record::Recorder;
use crate::report::Report;

/// Time between two rounds of the keeper; also how long the taker waits before it says it is alive.
const BEAT: Duration = Duration::from_secs(1);
/// Rounds of the keeper between two looks at what is too old or too much.
const RETAIN_EVERY: u64 = 60;
/// Most of a round that goes to dropping it. What is left then waits for the next round: hours of it, after
/// a limit was lowered, must neither hide a silent target nor hold up the end.
const RETAIN_FOR: Duration = Duration::from_millis(500);

/// Starts the thread that takes results until the prober stops.
pub(crate) fn take(
    present: Arc<Present>,
    recorder: Arc<Mutex<Recorder>>,
    results: Receiver<Vec<ProbeResult>>,
) -> Result<JoinHandle<()>, Report> {
    spawn("intake", move || {
        let mut samples = Vec::new();
        loop {
            match results.recv_timeout(present.clock.wait(BEAT)) {
                Ok(batch) => {
                    let now = present.clock.now_ms();
                    let mut recorder = recorder.lock().expect("no holder of this lock can panic");
                    let mut board = present.board();
                    for result in &batch {
                        recorder.record(result, &mut samples);
                        board.record(result, now);
                    }
                    drop((recorder, board));
                    present.judging.push(&samples);
                    present.feed.push(&mut samples);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            present.beat();
        }
    })
}

/// What the keeper looks after.
pub(crate) struct Keeper {
    /// The running daemon.
    pub(crate) present: Arc<Present>,
    /// Where marks go.
    pub(crate) state: Arc<dyn State>,
    /// What must not grow for ever.
    pub(crate) samples: Arc<dyn Samples>,
    /// How long and how much to keep; a reload may change it.
    pub(crate) retention: Arc<Mutex<Retention>>,
    /// Set and notified to stop.
    pub(crate) stop: Arc<(Mutex<bool>, Condvar)>,
}

impl Keeper {
    /// Starts the thread; it ends once `stop` is set.
    pub(crate) fn start(self) -> Result<JoinHandle<()>, Report> {
        spawn("keeper", move || {
            let (mut waiting, mut merger) = (Vec::new(), Merger::default());
            let mut behind = false;
            for round in 0_u64.. {
                self.look(&mut waiting, &mut merger);
                if behind || round % RETAIN_EVERY == 0 {
                    behind = self.retain();
                }
                if self.wait() {
                    self.look(&mut waiting, &mut merger);
                    return;
                }
            }
        })
    }

    /// Renews the rows and stores what is notable. Marks that the store did not take wait in `waiting`.
    fn look(&self, waiting: &mut Vec<Mark>, merger: &mut Merger) {
        /// Most marks that wait for a store that fails.
        const WAITING: usize = 10_000;
        let now = self.present.clock.now_ms();
        let statuses = self.present.prober.statuses();
        self.present.board().refresh(&statuses, now);
        let changes = merger.take(self.present.prober.changes());
        if !changes.is_empty() {
            let board = self.present.board();
            let take = |change| self.present.notices.take(change, |id| board.host(id));
            let marks: Vec<Mark> = changes.iter().map(take).collect();
            drop(board);
            for mark in &marks {
                tracing::info!(subject = %mark.subject, kind = %mark.kind, "{}", mark.text);
            }
            waiting.extend(marks);
        }
        if waiting.is_empty() {
            return;
        }
        match self.state.apply(waiting.iter().cloned().map(Change::Mark).collect()) {
            Ok(_) => waiting.clear(),
            Err(why) => {
                self.complain("marks", format!("marks wait in memory: {why}"), now);
                let excess = waiting.len().saturating_sub(WAITING);
                waiting.drain(..excess);
                return;
            }
        }
        self.present.notices.clear("marks");
    }

    /// Drops what is too old or too much; `true` if there is more of it.
    fn retain(&self) -> bool {
        let keep = *self.retention.lock().expect("no holder of this lock can panic");
        let now = self.present.clock.now_ms();
        let clock = &self.present.clock;
        let end = clock.monotonic() + RETAIN_FOR;
        let over = || clock.monotonic() >= end || self.stopping();
        match work_off(|| self.samples.retain(keep, now), over) {
            Ok(done) => {
                self.present.notices.clear("retention");
                !done
            }
            Err(why) => {
                let text = format!("old samples cannot be dropped: {why}");
                self.complain("retention", text, now);
                false
            }
        }
    }

    fn complain(&self, about: &str, text: String, at: UnixMs) {
        tracing::warn!("{text}");
        let fix = "free space on the disk of the data folder; netmend goes on by itself";
        self.present.notices.raise(about, text, fix.into(), at);
    }

    fn stopping(&self) -> bool {
        *self.stop.0.lock().expect("no holder of this lock can panic")
    }

    /// Waits for the next round; true once it is time to stop.
    fn wait(&self) -> bool {
        let (stop, wake) = &*self.stop;
        let stop = stop.lock().expect("no holder of this lock can panic");
        let (stop, _) = wake
            .wait_timeout_while(stop, self.present.clock.wait(BEAT), |stop| !*stop)
            .expect("no holder of this lock can panic");
        *stop
    }
}

/// Works slice after slice until one says that it was the last, or time is over; `true` if it was the last.
fn work_off(
    slice: impl Fn() -> Result<bool, store::Error>,
    over: impl Fn() -> bool,
) -> Result<bool, store::Error> {
    while !slice()? {
        if over() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Report> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread.map_err(|why| Report::because(format!("cannot start the {name} thread"), &why).code(4))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn work_without_end_stops_when_its_time_is_over() {
        let slices = Cell::new(0);
        let slice = |last| {
            slices.set(slices.get() + 1);
            Ok(slices.get() == last)
        };
        assert!(!work_off(|| slice(0), || slices.get() == 3).unwrap());
        assert_eq!(slices.get(), 3);
        assert!(work_off(|| slice(7), || false).unwrap());
        assert_eq!(slices.get(), 7);
    }
}
