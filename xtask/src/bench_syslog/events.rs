//! Durable events: reports as the daemon writes them, in calls that return after the sync.

use std::path::Path;

use model::event::{EventState, Evidence, Origin};
use model::{Clock, SystemClock, UnixMs};
use store::{Applied, Change, EventChange, EventReport, State, StateFile};

/// Reports in all.
const REPORTS: usize = 200_000;
/// Reports a call: what gathers in the daemon within 100 ms at the rate of the goal.
const GROUP: usize = 4000;

/// Events a second; every one is another fault, so that each is a row.
pub(super) fn durable(scratch: &Path) -> Result<f64, String> {
    let folder = scratch.join("events");
    std::fs::create_dir_all(&folder).map_err(|why| why.to_string())?;
    let state = StateFile::open(&folder, &SystemClock).map_err(|why| why.to_string())?;
    let start = SystemClock.monotonic();
    for group in 0..REPORTS / GROUP {
        let changes = (0..GROUP).map(|one| report(group * GROUP + one)).collect();
        match state.apply(changes).map_err(|why| why.to_string())? {
            Applied::Done(_) => {}
            Applied::Conflict => return Err("the store calls a report a conflict".into()),
        }
    }
    let took = SystemClock.monotonic().saturating_sub(start);
    Ok(REPORTS as f64 / took.as_secs_f64())
}

fn report(number: usize) -> Change {
    let at = UnixMs(1_763_776_800_000);
    Change::Event(EventChange::Report(Box::new(EventReport {
        device: format!("sw{}.example.com", number % 500),
        code: "LINK-3-UPDOWN".into(),
        code_norm: "LINK-3-UPDOWN".into(),
        object: format!("GigabitEthernet{}/{}", number / 500 / 48, number / 500 % 48),
        severity: Some(3),
        at,
        state: EventState::New,
        reason: String::new(),
        not_before: at,
        origin: Origin::Line,
        message: "Interface GigabitEthernet0/1, changed state to down".into(),
        fields: [("interface".to_owned(), "GigabitEthernet0/1".to_owned())].into(),
        evidence: Evidence::Stream,
    })))
}
