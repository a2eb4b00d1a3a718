//! The daemon as `netmend run` builds it, on a simulated network and at accelerated time: hours of faults that
//! were written down before, mails to a real server, and an account of all of them. `NETMEND_SOAK_HOURS` and
//! `NETMEND_SOAK_SEED` make another network; the account is printed.

mod account;
mod fast;
#[path = "../../tests/it/mail_server.rs"]
mod mail_server;
mod truth;

use self::account::Account;
use self::fast::Bed;
use self::truth::Truth;

/// Minutes between two restarts, in the midst of whatever happens.
const RESTART: u64 = 167;

fn told(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn each_fault_is_mailed_once_and_its_end_too_and_every_alert_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let truth = Truth::draw(told("NETMEND_SOAK_SEED", 7), told("NETMEND_SOAK_HOURS", 3));
    let mut bed = Bed::start(folder.path(), &truth);
    for minute in (RESTART..truth.minutes).step_by(RESTART as usize) {
        bed.run_until(minute);
        bed.restart();
    }
    bed.run_until(truth.minutes);
    let account = Account::of(&truth, &bed);
    account.print();
    bed.end();
    account.check();
}
