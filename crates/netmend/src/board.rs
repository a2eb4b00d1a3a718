//! The present: one row a target, fed by the prober's reports, handed out as snapshots. Memory only;
//! nothing here waits or does I/O.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use measure::TargetStatus;
use model::{ProbeResult, SeriesId, Target, TargetId, TargetNow, TargetState, UnixMs};
use show::Snapshot;

/// How old a snapshot may be.
const FRESH: Duration = Duration::from_secs(1);

/// All targets as they are now.
#[derive(Debug, Default)]
pub(crate) struct Board {
    rows: Vec<Row>,
    places: HashMap<TargetId, usize>,
    snapshot: Arc<Snapshot>,
    taken: Option<Duration>,
}

#[derive(Debug)]
struct Row {
    now: TargetNow,
    /// The row as last handed out, if nothing has changed since.
    shared: Option<Arc<TargetNow>>,
}

impl Board {
    /// Sets the targets, in the order in which pages list them. Those that stay keep their row.
    pub(crate) fn set(&mut self, targets: &[(TargetId, Arc<Target>)], now: UnixMs) {
        let mut old: HashMap<TargetId, Row> =
            self.rows.drain(..).map(|row| (row.now.id, row)).collect();
        for (id, target) in targets {
            let mut row = old.remove(id).unwrap_or_else(|| Row {
                now: TargetNow::new(*id, Arc::clone(target), now),
                shared: None,
            });
            if !Arc::ptr_eq(&row.now.target, target) {
                row.now.target = Arc::clone(target);
                row.shared = None;
            }
            self.rows.push(row);
        }
        self.places = (0..).zip(targets).map(|(place, (id, _))| (*id, place)).collect();
        self.taken = None;
    }

    /// Takes in one report; a report of a target that is gone is passed over.
    pub(crate) fn record(&mut self, result: &ProbeResult, now: UnixMs) {
        let Some(place) = self.places.get(&result.target) else { return };
        let row = &mut self.rows[*place];
        // Nobody looks at most reports: the row is summed up when it is handed out.
        row.now.take_in(result, now);
        row.shared = None;
    }

    /// Takes in what the prober says of its targets, and looks at the clock.
    pub(crate) fn refresh(&mut self, statuses: &[TargetStatus], now: UnixMs) {
        for status in statuses {
            let Some(place) = self.places.get(&status.id) else { continue };
            let row = &mut self.rows[*place];
            let address = status.address.map(|address| address.ip());
            let note = status.unresolved.as_ref().or(status.note.as_ref());
            let interval = status.interval.unwrap_or(row.now.target.interval);
            let same = row.now.address == address
                && row.now.method == status.method
                && row.now.interval == interval
                && row.now.note.as_deref() == note.map(AsRef::as_ref);
            if !same {
                row.now.address = address;
                row.now.method = status.method;
                row.now.interval = interval;
                row.now.note = note.map(ToString::to_string);
                row.shared = None;
            }
            // A target that is still asked at its old address goes on; only one without any is unresolved.
            let asked = status.address.is_some() || status.unresolved.is_none();
            row.change(|row| row.resolved(asked, now));
        }
        for row in &mut self.rows {
            row.change(|row| row.tick(now));
        }
    }

    /// The host of a target; `None` if the target is gone.
    pub(crate) fn host(&self, id: TargetId) -> Option<String> {
        let row = &self.rows[*self.places.get(&id)?];
        Some(row.now.target.host.clone())
    }

    /// The state of each target, named by its RTT series, and since when.
    pub(crate) fn states(&self) -> impl Iterator<Item = (SeriesId, TargetState, UnixMs)> + '_ {
        self.rows.iter().map(|row| (row.now.series.rtt, row.now.state, row.now.since))
    }

    /// The targets as they are, at most a second old. `monotonic` is the time of the call.
    pub(crate) fn snapshot(&mut self, now: UnixMs, monotonic: Duration) -> Arc<Snapshot> {
        let fresh = self.taken.is_some_and(|taken| monotonic.saturating_sub(taken) < FRESH);
        if !fresh {
            let targets = self.rows.iter_mut().map(Row::share).collect();
            let version = self.snapshot.version + 1;
            self.snapshot = Arc::new(Snapshot { version, at: now, targets });
            self.taken = Some(monotonic);
        }
        Arc::clone(&self.snapshot)
    }
}

impl Row {
    /// Applies `change` and notes whether the state moved.
    fn change(&mut self, change: impl FnOnce(&mut TargetNow)) {
        let before = self.now.state;
        change(&mut self.now);
        if self.now.state != before {
            self.shared = None;
        }
    }

    fn share(&mut self) -> Arc<TargetNow> {
        let now = &mut self.now;
        let shared = self.shared.get_or_insert_with(|| {
            now.summarise();
            Arc::new(now.clone())
        });
        Arc::clone(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Method, Outcome, Protocol, StampSource};

    fn targets(hosts: &[&str]) -> Vec<(TargetId, Arc<Target>)> {
        let target = |host: &&str| Arc::new(Target::new(host, "r", Protocol::Icmp));
        (0..).map(TargetId).zip(hosts.iter().map(target)).collect()
    }

    fn reply(id: u32, at: UnixMs) -> ProbeResult {
        ProbeResult {
            target: TargetId(id),
            round: 0,
            outcome: Outcome::Reply,
            reason: None,
            rtt_ns: Some(1_000_000),
            stamp: StampSource::Kernel,
            sent_at: at.to_ns(),
        }
    }

    #[test]
    fn a_snapshot_shares_the_rows_that_did_not_change() {
        let mut board = Board::default();
        board.set(&targets(&["a", "b"]), UnixMs(0));
        let first = board.snapshot(UnixMs(0), Duration::ZERO);
        board.record(&reply(1, UnixMs(10)), UnixMs(10));
        let second = board.snapshot(UnixMs(2_000), Duration::from_secs(2));
        assert!(Arc::ptr_eq(&first.targets[0], &second.targets[0]));
        assert_eq!(second.targets[1].state, TargetState::Up);
        assert!(second.version > first.version);
    }

    #[test]
    fn a_row_is_summed_up_when_it_is_handed_out() {
        let mut board = Board::default();
        board.set(&targets(&["a"]), UnixMs(0));
        for rtt_ns in [1_000_000, 3_000_000] {
            board.record(&ProbeResult { rtt_ns: Some(rtt_ns), ..reply(0, UnixMs(10)) }, UnixMs(10));
        }
        let row = Arc::clone(&board.snapshot(UnixMs(20), Duration::ZERO).targets[0]);
        assert_eq!((row.median_us, row.jitter_us), (Some(2_000.0), Some(2_000.0)));
        assert_eq!(row.loss_pct, Some(0.0));
    }

    #[test]
    fn a_reload_keeps_the_rows_of_targets_that_stay() {
        let mut board = Board::default();
        let before = targets(&["a", "b"]);
        board.set(&before, UnixMs(0));
        board.record(&reply(1, UnixMs(10)), UnixMs(10));
        board.set(&before[1..], UnixMs(20));
        let snapshot = board.snapshot(UnixMs(20), Duration::ZERO);
        assert_eq!(snapshot.targets.len(), 1);
        assert_eq!(snapshot.targets[0].counts.received, 1);
        assert_eq!(board.host(TargetId(1)).as_deref(), Some("b"));
        assert_eq!(board.host(TargetId(0)), None, "a target that is gone has no host");
        board.record(&reply(0, UnixMs(30)), UnixMs(30));
    }

    #[test]
    fn a_name_without_an_address_is_unresolved_and_says_why() {
        let mut board = Board::default();
        board.set(&targets(&["a"]), UnixMs(0));
        let mut status = TargetStatus {
            id: TargetId(0),
            address: None,
            method: None,
            interval: None,
            note: None,
            unresolved: Some("a: name not found".into()),
        };
        board.refresh(&[status.clone()], UnixMs(1));
        let row = Arc::clone(&board.snapshot(UnixMs(1), Duration::ZERO).targets[0]);
        assert_eq!(row.state, TargetState::Unresolved);
        assert_eq!(row.note.as_deref(), Some("a: name not found"));

        status.address = Some("192.0.2.1:0".parse().unwrap());
        status.method = Some(Method::IcmpRaw);
        board.refresh(&[status], UnixMs(2));
        let row = Arc::clone(&board.snapshot(UnixMs(2), Duration::from_secs(2)).targets[0]);
        assert_eq!(row.state, TargetState::NoData, "an old address that is asked still goes on");
    }

    #[test]
    fn a_target_that_is_asked_less_often_than_it_says_is_not_silent_for_it() {
        let mut board = Board::default();
        board.set(&targets(&["a"]), UnixMs(0));
        let status = TargetStatus {
            id: TargetId(0),
            address: Some("192.0.2.1:443".parse().unwrap()),
            method: Some(Method::TcpConnect),
            interval: Some(Target::CONNECT_INTERVAL),
            note: None,
            unresolved: None,
        };
        board.record(&reply(0, UnixMs(0)), UnixMs(0));
        board.refresh(&[status], UnixMs(10_500));
        let snapshot = board.snapshot(UnixMs(10_500), Duration::ZERO);
        assert_eq!(snapshot.targets[0].state, TargetState::Up);
    }

    #[test]
    fn silence_is_no_data_although_nobody_reports_it() {
        let mut board = Board::default();
        board.set(&targets(&["a"]), UnixMs(0));
        board.record(&reply(0, UnixMs(0)), UnixMs(0));
        board.refresh(&[], UnixMs(60_000));
        let snapshot = board.snapshot(UnixMs(60_000), Duration::ZERO);
        assert_eq!(snapshot.targets[0].state, TargetState::NoData);
    }
}
