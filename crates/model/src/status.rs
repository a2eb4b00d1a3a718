//! How a target is now: the row that pages, API and metrics show. The daemon feeds it one report after
//! the other, `show` shows it. Pure: no I/O, no clock.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::{
    Method, Metric, Outcome, ProbeResult, Protocol, Reason, RttHistogram, SeriesId, Target,
    TargetId, UnixMs,
};

/// State of a target. A silent source is never [`TargetState::Up`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// The latest probes were answered; at most one of the window was lost.
    Up,
    /// Two or more probes of the window were lost, but not the latest three.
    Lossy,
    /// The latest three probes and more were all lost.
    Down,
    /// It has never answered since it was first asked, though three probes and more were sent.
    NeverAnswered,
    /// The host's name does not resolve, so nothing is sent.
    Unresolved,
    /// Our own drops or refusals hide what the target does.
    Unknown,
    /// No report for three intervals: the source itself is silent. Or no answer yet, and too few lost
    /// probes to say that there will be none.
    NoData,
}

impl TargetState {
    /// All states, worst first: the order of the front page.
    pub const ALL: [TargetState; 7] = [
        TargetState::Down,
        TargetState::Unresolved,
        TargetState::NeverAnswered,
        TargetState::NoData,
        TargetState::Unknown,
        TargetState::Lossy,
        TargetState::Up,
    ];

    /// Words for pages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetState::Up => "up",
            TargetState::Lossy => "lossy",
            TargetState::Down => "down",
            TargetState::NeverAnswered => "answers no probe",
            TargetState::Unresolved => "name not found",
            TargetState::Unknown => "unknown",
            TargetState::NoData => "no data",
        }
    }

    /// One word for URLs, JSON and labels, the same as in serialised form.
    pub fn name(self) -> &'static str {
        match self {
            TargetState::Up => "up",
            TargetState::Lossy => "lossy",
            TargetState::Down => "down",
            TargetState::NeverAnswered => "never_answered",
            TargetState::Unresolved => "unresolved",
            TargetState::Unknown => "unknown",
            TargetState::NoData => "no_data",
        }
    }

    /// The state of this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Position in [`ALL`](Self::ALL): 0 is worst.
    pub fn rank(self) -> usize {
        Self::ALL.iter().position(|state| *state == self).unwrap_or(Self::ALL.len())
    }
}

/// Identities of a target's three series, computed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetSeries {
    /// RTT; also what names the target in URLs, since it outlives restarts.
    pub rtt: SeriesId,
    /// Jitter.
    pub jitter: SeriesId,
    /// Loss.
    pub loss: SeriesId,
}

impl TargetSeries {
    /// The identities for `target`.
    pub fn of(target: &Target) -> Self {
        let id = |metric| target.series(metric).id();
        Self { rtt: id(Metric::Rtt), jitter: id(Metric::Jitter), loss: id(Metric::Loss) }
    }

    /// The identity of one metric; [`SeriesId::NONE`] for one that targets do not have.
    pub fn get(&self, metric: Metric) -> SeriesId {
        match metric {
            Metric::Rtt => self.rtt,
            Metric::Jitter => self.jitter,
            Metric::Loss => self.loss,
            Metric::Interface(_) => SeriesId::NONE,
        }
    }
}

/// Probes counted since this process first asked the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProbeCounts {
    /// Probes that left, with an outcome already.
    pub sent: u64,
    /// Answered in time, refusals included.
    pub received: u64,
    /// Lost, unreachable included.
    pub lost: u64,
    /// Sent, but we cannot know.
    pub unknown: u64,
    /// Our own kernel refused to send them; outside `sent`.
    pub unsent: u64,
    /// Answers after the deadline, to probes counted as `lost`.
    pub late: u64,
    /// Further answers to answered probes.
    pub duplicates: u64,
}

/// A target's present, over the last [`TargetNow::WINDOW`] probes.
#[derive(Clone, Debug)]
pub struct TargetNow {
    /// Number in this process.
    pub id: TargetId,
    /// What is probed.
    pub target: Arc<Target>,
    /// Under what its samples are stored.
    pub series: TargetSeries,
    /// Where it is probed, once resolved.
    pub address: Option<IpAddr>,
    /// How it is asked now.
    pub method: Option<Method>,
    /// Time between two probes as they are sent now: the target's own, or more where its address or its
    /// method asks for patience.
    pub interval: Duration,
    /// Something people should know, for instance why ICMP became TCP.
    pub note: Option<String>,
    /// Its state.
    pub state: TargetState,
    /// Since when it is in this state.
    pub since: UnixMs,
    /// When the latest probe was sent.
    pub last_sent: Option<UnixMs>,
    /// Why the latest probe was not answered.
    pub reason: Option<Reason>,
    /// RTT of the latest answer in microseconds.
    pub rtt_us: Option<f32>,
    /// Median RTT of the window in microseconds.
    pub median_us: Option<f32>,
    /// Mean jitter of the window in microseconds.
    pub jitter_us: Option<f32>,
    /// Loss of the window in percent; `None` while nothing is known.
    pub loss_pct: Option<f32>,
    /// The window, oldest first.
    pub recent: Vec<Recent>,
    /// Counters since the start.
    pub counts: ProbeCounts,
    /// RTTs of the answers since the start.
    pub rtts: RttHistogram,
}

/// One probe of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recent {
    /// What became of it.
    pub outcome: Outcome,
    /// RTT in microseconds if it was answered.
    pub rtt_us: Option<f32>,
}

impl Recent {
    /// Whether the probe counts as loss.
    pub fn is_loss(self) -> bool {
        matches!(self.outcome, Outcome::Lost | Outcome::Late | Outcome::Unreachable)
    }

    /// Whether the probe tells something about the target, rather than about ourselves.
    pub fn is_known(self) -> bool {
        !matches!(self.outcome, Outcome::Unsent | Outcome::Unknown)
    }
}

impl TargetNow {
    /// How many probes the window holds.
    pub const WINDOW: usize = 60;
    /// So many lost probes in a row are `down`.
    pub const DOWN_AFTER: usize = 3;
    /// So many lost probes in the window are `lossy`; a single lost packet is no state.
    pub const LOSSY_FROM: usize = 2;

    /// The state in words that fit how the target is asked.
    pub fn state_words(&self) -> &'static str {
        match (self.state, self.target.protocol) {
            (TargetState::NeverAnswered, Protocol::Icmp) => "answers no ping",
            (state, _) => state.as_str(),
        }
    }

    /// A target that nothing is known of yet.
    pub fn new(id: TargetId, target: Arc<Target>, now: UnixMs) -> Self {
        Self {
            id,
            series: TargetSeries::of(&target),
            interval: target.interval,
            target,
            address: None,
            method: None,
            note: None,
            state: TargetState::NoData,
            since: now,
            last_sent: None,
            reason: None,
            rtt_us: None,
            median_us: None,
            jitter_us: None,
            loss_pct: None,
            recent: Vec::with_capacity(Self::WINDOW),
            counts: ProbeCounts::default(),
            rtts: RttHistogram::default(),
        }
    }

    /// Takes in one report of the target at time `now`. Reports of other targets must not come here.
    pub fn record(&mut self, result: &ProbeResult, now: UnixMs) {
        self.take_in(result, now);
        self.summarise();
    }

    /// The same, but leaves median, jitter and loss of the window as they were until
    /// [`summarise`](Self::summarise): for those who take in many reports before anybody looks.
    pub fn take_in(&mut self, result: &ProbeResult, now: UnixMs) {
        if result.outcome.is_further() {
            match result.outcome {
                Outcome::Late => self.counts.late += 1,
                _ => self.counts.duplicates += 1,
            }
            return;
        }
        self.count(result.outcome);
        let rtt_us = result.rtt_ns.map(|ns| (ns as f64 / 1_000.0) as f32);
        if self.recent.len() >= Self::WINDOW {
            self.recent.remove(0);
        }
        let answered = result.outcome.is_answer();
        self.recent.push(Recent { outcome: result.outcome, rtt_us: rtt_us.filter(|_| answered) });
        self.last_sent = Some(result.sent_at.to_ms());
        self.reason = result.reason.filter(|_| !answered);
        if answered && let Some(ns) = result.rtt_ns {
            self.rtt_us = rtt_us;
            self.rtts.record(ns);
        }
        self.enter(self.judge(), now);
    }

    /// Looks at the clock: a target without a report for three intervals has no data.
    pub fn tick(&mut self, now: UnixMs) {
        let patience = self.interval.saturating_mul(3).saturating_add(self.target.timeout);
        let heard = self.last_sent.unwrap_or(self.since);
        let silent = self.state != TargetState::NoData && self.state != TargetState::Unresolved;
        if silent && now.0.saturating_sub(heard.0) > millis(patience) {
            self.enter(TargetState::NoData, now);
        }
    }

    /// Says whether the host's name resolves. A name that resolves again has no data until a probe of it
    /// is reported.
    pub fn resolved(&mut self, resolves: bool, now: UnixMs) {
        match (resolves, self.state) {
            (false, _) => self.enter(TargetState::Unresolved, now),
            (true, TargetState::Unresolved) => self.enter(TargetState::NoData, now),
            (true, _) => {}
        }
    }

    fn enter(&mut self, state: TargetState, now: UnixMs) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    fn count(&mut self, outcome: Outcome) {
        let counts = &mut self.counts;
        counts.sent += u64::from(outcome != Outcome::Unsent);
        match outcome {
            Outcome::Reply | Outcome::Refused => counts.received += 1,
            Outcome::Lost | Outcome::Unreachable | Outcome::Late => counts.lost += 1,
            Outcome::Unknown => counts.unknown += 1,
            Outcome::Unsent => counts.unsent += 1,
            Outcome::Duplicate => counts.duplicates += 1,
        }
    }

    /// Sums up the window: median, jitter and loss.
    pub fn summarise(&mut self) {
        let mut rtts = [0.0_f32; Self::WINDOW];
        let mut count = 0;
        let mut jitter = (0.0_f32, 0_u16);
        let mut previous = None;
        for probe in &self.recent {
            if let Some(rtt) = probe.rtt_us {
                rtts[count] = rtt;
                count += 1;
                if let Some(before) = previous.replace(rtt) {
                    let step: f32 = rtt - before;
                    jitter = (jitter.0 + step.abs(), jitter.1 + 1);
                }
            }
        }
        self.jitter_us = (jitter.1 > 0).then(|| jitter.0 / f32::from(jitter.1));
        let rtts = &mut rtts[..count];
        rtts.sort_unstable_by(f32::total_cmp);
        self.median_us = (count > 0).then(|| f32::midpoint(rtts[(count - 1) / 2], rtts[count / 2]));
        let known = self.recent.iter().filter(|probe| probe.is_known()).count();
        let lost = self.recent.iter().filter(|probe| probe.is_loss()).count();
        self.loss_pct = (known > 0).then(|| lost as f32 * 100.0 / known as f32);
    }

    fn judge(&self) -> TargetState {
        let blind = self.recent.iter().rev().take(Self::DOWN_AFTER);
        let last_known = self.recent.iter().rev().filter(|probe| probe.is_known());
        if blind.clone().all(|probe| !probe.is_known()) {
            return TargetState::Unknown;
        }
        if last_known.clone().count() >= Self::DOWN_AFTER
            && last_known.take(Self::DOWN_AFTER).all(|probe| probe.is_loss())
        {
            let never = self.counts.received == 0;
            return if never { TargetState::NeverAnswered } else { TargetState::Down };
        }
        if self.recent.iter().all(|probe| !probe.outcome.is_answer()) {
            // Nothing in the window speaks for it, however little speaks against it.
            let never = self.counts.received == 0;
            return if never { TargetState::NoData } else { TargetState::Unknown };
        }
        let lost = self.recent.iter().filter(|probe| probe.is_loss()).count();
        if lost >= Self::LOSSY_FROM { TargetState::Lossy } else { TargetState::Up }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StampSource;

    fn target() -> TargetNow {
        let target = Target::new("h", "r", Protocol::Icmp);
        TargetNow::new(TargetId(7), Arc::new(target), UnixMs(0))
    }

    /// Feeds one probe a letter, one each second: digits are replies of so many milliseconds, `x` lost,
    /// `?` unknown, `u` unsent, `l` late.
    fn feed(now: &mut TargetNow, script: &str) {
        for letter in script.chars() {
            let round = now.recent.len() as u32;
            let at = UnixMs(now.last_sent.map_or(0, |at| at.0) + 1_000);
            let outcome = match letter {
                'x' => Outcome::Lost,
                '?' => Outcome::Unknown,
                'u' => Outcome::Unsent,
                'l' => Outcome::Late,
                _ => Outcome::Reply,
            };
            let rtt_ns = letter.to_digit(10).map(|ms| u64::from(ms) * 1_000_000);
            let result = ProbeResult {
                target: now.id,
                round,
                outcome,
                reason: None,
                rtt_ns,
                stamp: StampSource::Kernel,
                sent_at: at.to_ns(),
            };
            now.record(&result, at);
        }
    }

    fn state_after(script: &str) -> TargetState {
        let mut now = target();
        feed(&mut now, script);
        now.state
    }

    #[test]
    fn the_state_follows_the_latest_probes() {
        for (script, expected) in [
            ("", TargetState::NoData),
            ("1", TargetState::Up),
            ("1x1", TargetState::Up),
            ("1xx1", TargetState::Lossy),
            ("1xx", TargetState::Lossy),
            ("1xxx", TargetState::Down),
            ("1xx?x", TargetState::Down),
            ("x", TargetState::NoData),
            ("xx", TargetState::NoData),
            ("?x", TargetState::NoData),
            ("xxx", TargetState::NeverAnswered),
            ("xxx1", TargetState::Lossy),
            ("1???", TargetState::Unknown),
            ("?", TargetState::Unknown),
            ("1uuu", TargetState::Unknown),
            ("1xxlll1", TargetState::Lossy),
        ] {
            assert_eq!(state_after(script), expected, "after {script:?}");
        }
    }

    #[test]
    fn the_window_is_summed_up_over_what_is_known() {
        let mut now = target();
        feed(&mut now, "1?3x57");
        assert_eq!(now.median_us, Some(4_000.0));
        assert_eq!(now.jitter_us, Some(2_000.0), "1, 3, 5 and 7 are consecutive replies");
        assert_eq!(now.loss_pct, Some(20.0));
        assert_eq!(now.rtt_us, Some(7_000.0));
        let counts = ProbeCounts { sent: 6, received: 4, lost: 1, unknown: 1, ..now.counts };
        assert_eq!(now.counts, counts);
        assert_eq!(now.rtts.count(), 4);
        assert!((now.rtts.sum() - 0.016).abs() < 1e-9, "{:?}", now.rtts);
    }

    #[test]
    fn a_dead_target_is_all_loss_and_has_no_median() {
        let mut now = target();
        feed(&mut now, &"x".repeat(100));
        assert_eq!((now.loss_pct, now.median_us, now.rtt_us), (Some(100.0), None, None));
        assert_eq!(now.recent.len(), TargetNow::WINDOW);
    }

    #[test]
    fn silence_for_three_intervals_is_no_data_and_since_says_when() {
        let mut now = target();
        feed(&mut now, "11");
        let patience = now.target.interval * 3 + now.target.timeout;
        now.tick(UnixMs(2_000) + patience);
        assert_eq!((now.state, now.since), (TargetState::Up, UnixMs(1_000)));
        now.tick(UnixMs(2_001) + patience);
        assert_eq!((now.state, now.since), (TargetState::NoData, UnixMs(2_001) + patience));
    }

    #[test]
    fn a_target_asked_less_often_than_it_says_is_given_the_time() {
        let mut now = target();
        feed(&mut now, "1");
        now.interval = Duration::from_secs(50);
        now.tick(UnixMs(1_000) + Duration::from_secs(151));
        assert_eq!(now.state, TargetState::Up);
        now.tick(UnixMs(1_001) + Duration::from_secs(151));
        assert_eq!(now.state, TargetState::NoData);
    }

    #[test]
    fn what_answered_once_is_not_up_while_only_our_own_drops_fill_the_window() {
        let script = format!("1{}x", "?".repeat(TargetNow::WINDOW));
        assert_eq!(state_after(&script), TargetState::Unknown);
    }

    #[test]
    fn a_name_that_resolves_again_is_never_green_before_an_answer() {
        let mut now = target();
        now.resolved(false, UnixMs(5));
        assert_eq!(now.state, TargetState::Unresolved);
        now.tick(UnixMs(i64::MAX));
        assert_eq!(now.state, TargetState::Unresolved);
        now.resolved(true, UnixMs(9));
        assert_eq!((now.state, now.since), (TargetState::NoData, UnixMs(9)));
    }

    #[test]
    fn every_state_is_found_by_its_name() {
        for state in TargetState::ALL {
            assert_eq!(TargetState::from_name(state.name()), Some(state));
        }
        assert_eq!(TargetState::Down.rank(), 0);
    }
}
