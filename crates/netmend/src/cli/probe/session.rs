//! One run of `netmend probe`: starts the prober, hands its reports to the board and the view, ends when
//! all rounds are done or somebody says stop. It decides no words.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use measure::kernel::KernelNetwork;
use measure::resolve::SystemResolver;
use measure::{Options, Prober, Spread};
use model::{Clock, ProbeResult, SystemClock};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::board::Board;
use super::hosts::List;
use super::notes::Notes;
use super::plan::{Plan, View};
use super::text::Colour;
use super::{SYSTEM_ERROR, json, live, text};
use crate::footprint;
use crate::report::Report;

/// How long to wait for reports before looking at signals and notes.
const TICK: Duration = Duration::from_millis(50);
/// Runs shorter than this show no progress bar.
const WORTH_A_BAR: Duration = Duration::from_secs(3);

/// Everything that a view works with while probes are under way.
pub(super) struct Session {
    pub(super) board: Board,
    pub(super) notes: Notes,
    pub(super) prober: Prober,
    results: Receiver<Vec<ProbeResult>>,
    stop: Arc<AtomicBool>,
    started: Duration,
    /// Names are among the targets, so where they are asked can change at any time.
    named: bool,
    /// The prober told something since it was last asked how it asks.
    stale: bool,
}

/// How the session stands after a [`Session::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to come.
    Goes,
    /// All rounds are done, or a signal came.
    Ends,
}

/// Probes as planned and prints what came of it. The exit code is that of the contract.
pub(super) fn run(plan: &Plan, list: List) -> Result<u8, Report> {
    let stop = stop_on_signals(plan.view)?;
    let mut session = Session::start(plan, list, stop)?;
    footprint::forget_the_start();
    if plan.repeated > 0 {
        let what = if plan.repeated == 1 { "target was" } else { "targets were" };
        session.notes.add(format!("{} {what} given more than once, probed once", plan.repeated));
    }
    let printed = match plan.view {
        View::Live => live::follow(&mut session, plan.rounds),
        View::Text | View::Json => follow(&mut session, plan),
    };
    let took = session.took();
    session.settle();
    let Session { board, mut notes, prober, results, .. } = session;
    // Whoever still has something to say need not wait for a listener.
    drop(results);
    prober.stop();
    let code = code(&board, &notes);
    match printed.and_then(|()| finish(plan, &board, &mut notes, took)) {
        Ok(()) => Ok(code),
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(code),
        Err(error) => Err(Report::because("cannot print", &error).code(SYSTEM_ERROR)),
    }
}

impl Session {
    fn start(plan: &Plan, list: List, stop: Arc<AtomicBool>) -> Result<Self, Report> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let started = clock.monotonic();
        let network = Arc::new(KernelNetwork::new(Arc::clone(&clock)));
        let resolver = Arc::new(SystemResolver);
        let mut options = Options::command(clock, network, resolver, plan.rounds);
        if plan.flat_out {
            options.spread = Spread::FlatOut;
        }
        let board = Board::new(list);
        let targets = board.list.targets(plan.interval, plan.timeout, &plan.packet);
        let (prober, results) = Prober::start(options, targets)
            .map_err(|error| Report::because("cannot probe", &error).code(SYSTEM_ERROR))?;
        let named = board.list.named;
        let notes = Notes::default();
        Ok(Self { board, notes, prober, results, stop, started, named, stale: false })
    }

    /// Waits up to `wait` for reports and takes in all that are there; `see` gets each of them.
    pub(super) fn step(
        &mut self,
        wait: Duration,
        mut see: impl FnMut(&Board, &ProbeResult) -> io::Result<()>,
    ) -> io::Result<Step> {
        let mut next = self.results.recv_timeout(wait);
        while let Ok(batch) = next {
            for result in &batch {
                if self.named && self.board.lacks_address(result) {
                    self.refresh();
                }
                self.board.add(result);
                see(&self.board, result)?;
            }
            next = waiting(&self.results, &self.stop);
        }
        self.listen();
        let done = matches!(next, Err(RecvTimeoutError::Disconnected));
        let stopped = self.stop.load(Ordering::Relaxed);
        Ok(if done || stopped { Step::Ends } else { Step::Goes })
    }

    /// Asks the prober where and how each target is asked.
    pub(super) fn refresh(&mut self) {
        let statuses = self.prober.statuses();
        self.board.update(&statuses);
        self.notes.take_statuses(&statuses);
    }

    /// Time since the start.
    pub(super) fn took(&self) -> Duration {
        SystemClock.monotonic().saturating_sub(self.started)
    }

    /// The same if the answer may be another one than last time. For 60,000 addresses that are asked as
    /// planned it is not, and the answer would take megabytes.
    pub(super) fn refresh_if_changed(&mut self) {
        if self.named || self.stale {
            self.stale = false;
            self.refresh();
        }
    }

    /// Takes in what happened to the prober.
    fn listen(&mut self) {
        let changes = self.prober.changes();
        self.stale |= !changes.is_empty();
        self.notes.take(changes, &self.board);
    }

    /// Takes in the last of what the prober knows.
    fn settle(&mut self) {
        self.listen();
        self.refresh_if_changed();
    }
}

/// The reports that are there already; none once somebody said stop, since whoever prints them slower than
/// they come would never be done with them.
fn waiting(
    results: &Receiver<Vec<ProbeResult>>,
    stop: &AtomicBool,
) -> Result<Vec<ProbeResult>, RecvTimeoutError> {
    if stop.load(Ordering::Relaxed) {
        return Err(RecvTimeoutError::Timeout);
    }
    results.try_recv().map_err(|error| match error {
        TryRecvError::Empty => RecvTimeoutError::Timeout,
        TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
    })
}

/// Without a terminal, or without the wish for one: lines as they come, a bar if it takes long.
fn follow(session: &mut Session, plan: &Plan) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let zone = TimeZone::system();
    let bar = bar(plan, session.board.len());
    loop {
        let step = session.step(TICK, |board, result| match (plan.each, plan.view) {
            (false, _) => Ok(()),
            (true, View::Json) => json::probe(&mut out, board, result),
            (true, _) => text::probe(&mut out, board, result, &zone),
        })?;
        out.flush()?;
        bar.set_position(session.board.settled);
        bar.suspend(|| session.notes.say());
        if step == Step::Ends {
            bar.finish_and_clear();
            return Ok(());
        }
    }
}

/// A progress bar on standard error where somebody sees it and nothing else moves.
fn bar(plan: &Plan, targets: usize) -> ProgressBar {
    let Some(rounds) = plan.rounds else { return ProgressBar::hidden() };
    let longest = plan.interval * (rounds - 1) + plan.timeout;
    let somebody = io::stderr().is_terminal() && !io::stdout().is_terminal();
    if !somebody || longest < WORTH_A_BAR {
        return ProgressBar::hidden();
    }
    let form = "{bar:30} {pos}/{len} probes, {elapsed} of about {duration}";
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(targets as u64 * u64::from(rounds)).with_style(style)
}

/// The end: results on standard output, then what is left to say on standard error.
fn finish(plan: &Plan, board: &Board, notes: &mut Notes, took: Duration) -> io::Result<()> {
    let stdout = io::stdout();
    let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = stdout.is_terminal() && !asked_not_to;
    let colour = if coloured { Colour::Ansi } else { Colour::Plain };
    let mut out = BufWriter::with_capacity(1 << 16, stdout.lock());
    match plan.view {
        View::Json => {
            for index in 0..board.len() {
                json::target(&mut out, board, index)?;
            }
        }
        View::Text | View::Live => text::summary(&mut out, board, took, colour)?,
    }
    out.flush()?;
    notes.finish();
    Ok(())
}

/// The board's exit code, unless not a single probe could be sent for want of a socket.
fn code(board: &Board, notes: &Notes) -> u8 {
    let counts = board.totals().counts;
    if notes.socket_lost && counts.sent == 0 { SYSTEM_ERROR } else { board.exit_code() }
}

/// Signals within so long of the first are the same wish: `timeout` sends one to its command and one to its group.
const SAME: Duration = Duration::from_millis(500);

/// From now on the first SIGINT or SIGTERM sets the flag, a later one ends the process as usual: standard
/// output may block for ever. With the table SIGHUP does too, as the terminal is to be given back; without it
/// `nohup` may have it ignored.
fn stop_on_signals(view: View) -> Result<Arc<AtomicBool>, Report> {
    let mut signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    if view == View::Live {
        signals.add(Signal::SIGHUP);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Report::because("cannot listen for signals", error).code(SYSTEM_ERROR)
    };
    // Threads started later inherit the mask.
    signals.thread_block().map_err(|error| failed(&error))?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let again = SignalFd::with_flags(&signals, flags).map_err(|error| failed(&error))?;
    let wait = move || {
        if signals.wait().is_ok() {
            flag.store(true, Ordering::Relaxed);
        }
        thread::park_timeout(SAME);
        while matches!(again.read_signal(), Ok(Some(_))) {}
        // With a thread that does not block them, they have their default effect again.
        let _ = signals.thread_unblock();
        loop {
            thread::park();
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(64 << 10)
        .spawn(wait)
        .map_err(|error| failed(&error))?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_stop_is_heard_although_there_are_always_more_reports() {
        let (to, results) = sync_channel(2);
        let stop = AtomicBool::new(false);
        to.send(Vec::new()).expect("room");
        to.send(Vec::new()).expect("room");
        assert_eq!(waiting(&results, &stop), Ok(Vec::new()));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(waiting(&results, &stop), Err(RecvTimeoutError::Timeout));
    }
}
