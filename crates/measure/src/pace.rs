//! How often an address may be asked by all targets together. The planner says how often they ask as a
//! rule; lanes ask for leave before each probe beyond that. It sends nothing and reads no clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What the targets of each address want, and what is left to spend. Shared by the planner and its lanes.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Most probes per second and address.
    limit: f64,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// Probes per second that the targets of an address want together, by their own intervals.
    rates: HashMap<IpAddr, f64>,
    /// Millisecond of the monotonic clock before which an address gets no further extra probe.
    free_at: HashMap<IpAddr, u64>,
    /// Forgets what is over once there is this much of it.
    tidy_at: usize,
}

impl Pace {
    /// A rate below this is the dust of adding and subtracting.
    const DUST: f64 = 1e-9;
    /// Less than this to spare, a probe in 100 s, is nothing.
    const LEAST_SPARE: f64 = 0.01;
    const TIDY: usize = 1024;

    /// Allows so many probes per second and address.
    pub(crate) fn new(limit: f64) -> Self {
        Self { limit, ledger: Mutex::default() }
    }

    /// Adds to what the targets of an address want, or takes away from it.
    pub(crate) fn count(&self, ip: IpAddr, rate: f64) {
        let mut ledger = self.ledger();
        let sum = ledger.rates.entry(ip).or_insert(0.0);
        *sum += rate;
        if *sum < Self::DUST {
            ledger.rates.remove(&ip);
        }
    }

    /// By what the intervals of the targets of an address must be stretched; 1 where they need not.
    pub(crate) fn stretch(&self, ip: IpAddr) -> f64 {
        let rate = self.ledger().rates.get(&ip).copied().unwrap_or(0.0);
        (rate / self.limit).max(1.0)
    }

    /// Leave for one more probe than the interval gives, at this millisecond; else the millisecond to ask
    /// again at, which is `u64::MAX` where the targets of the address use up all that it may be asked.
    pub(crate) fn extra(&self, ip: IpAddr, now: u64) -> Result<(), u64> {
        let mut ledger = self.ledger();
        let spare = self.limit - ledger.rates.get(&ip).copied().unwrap_or(0.0);
        if spare < Self::LEAST_SPARE {
            return Err(u64::MAX);
        }
        if let Some(&free_at) = ledger.free_at.get(&ip).filter(|free_at| **free_at > now) {
            return Err(free_at);
        }
        if ledger.free_at.len() >= ledger.tidy_at {
            ledger.free_at.retain(|_, free_at| *free_at > now);
            ledger.tidy_at = (ledger.free_at.len() * 2).max(Self::TIDY);
        }
        let gap = Duration::from_secs_f64(1.0 / spare).as_micros().div_ceil(1_000) as u64;
        ledger.free_at.insert(ip, now + gap);
        Ok(())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0a00_0000 + last).into()
    }

    #[test]
    fn extra_probes_get_what_the_intervals_leave() {
        let pace = Pace::new(2.0);
        pace.count(ip(1), 1.5);
        assert_eq!(pace.extra(ip(1), 10_000), Ok(()));
        assert_eq!(pace.extra(ip(1), 11_000), Err(12_000), "half a probe a second is left");
        assert_eq!(pace.extra(ip(1), 12_000), Ok(()));
        assert_eq!(pace.extra(ip(2), 12_000), Ok(()), "another address has its own");
        pace.count(ip(1), 0.5);
        assert_eq!(pace.extra(ip(1), 60_000), Err(u64::MAX), "nothing is left");
        assert!((pace.stretch(ip(1)) - 1.0).abs() < 1e-9);
        pace.count(ip(1), 2.0);
        assert!((pace.stretch(ip(1)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let pace = Pace::new(2.0);
        for outage in 0..10 {
            for address in 0..1_000 {
                let now = u64::from(outage) * 100_000;
                pace.extra(ip(outage * 1_000 + address), now).expect("the first of each");
            }
        }
        let kept = pace.ledger().free_at.len();
        assert!(kept <= 2_048, "{kept} addresses are remembered");
    }
}
