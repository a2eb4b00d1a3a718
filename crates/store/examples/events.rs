//! Measures durable events: reports as the daemon writes them, in calls that return after the sync, each another
//! fault, so that each is a row. It prints one object:
//!
//!     cargo run --release -p netmend-store --example events -- FOLDER

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::error::Error;
use std::path::PathBuf;

use model::event::{EventState, Evidence, Origin};
use model::{Clock, SystemClock, UnixMs};
use store::{Applied, Change, EventChange, EventReport, State, StateFile};

/// Reports in all.
const REPORTS: u32 = 400_000;
/// Reports a call: what gathers in the daemon within 100 ms at the rate of the goal.
const GROUP: u32 = 4000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("give a folder")?;
    std::fs::create_dir_all(&folder)?;
    let state = StateFile::open(&folder, &SystemClock)?;
    let groups: Vec<Vec<Change>> = (0..REPORTS / GROUP)
        .map(|group| (0..GROUP).map(|one| report(group * GROUP + one)).collect())
        .collect();
    let start = SystemClock.monotonic();
    for changes in groups {
        if state.apply(changes)? == Applied::Conflict {
            return Err("the store calls a report a conflict".into());
        }
    }
    let seconds = SystemClock.monotonic().saturating_sub(start).as_secs_f64();
    let rate = f64::from(REPORTS) / seconds;
    println!(r#"{{"reports":{REPORTS},"a_call":{GROUP},"events_per_second":{rate:.0}}}"#);
    Ok(())
}

fn report(number: u32) -> Change {
    let at = UnixMs(1_763_776_800_000 + i64::from(number / 40));
    let object = format!("GigabitEthernet{}/{}", number / 500 / 48, number / 500 % 48);
    Change::Event(EventChange::Report(Box::new(EventReport {
        device: format!("sw{}.example.com", number % 500),
        code: "LINK-3-UPDOWN".into(),
        code_norm: "LINK-3-UPDOWN".into(),
        message: format!("Interface {object}, changed state to down"),
        fields: [("interface".to_owned(), object.clone())].into(),
        object,
        severity: Some(3),
        at,
        state: EventState::New,
        reason: String::new(),
        not_before: UnixMs(at.0 + 10_000),
        origin: Origin::Line,
        evidence: Evidence::Stream,
    })))
}
