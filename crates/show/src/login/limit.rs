//! How often somebody may fail to log in: few times for a name from one address, some for one address,
//! more for a name from everywhere, so that guessing is slow and nobody is locked out by a single stranger.
//! It must not know passwords, and what it keeps is bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use model::UnixMs;

/// Failures are remembered so long.
const WINDOW: Duration = Duration::from_mins(15);
/// Failures in that time for one name from one address.
const PAIR: u32 = 5;
/// From one address.
const ADDRESS: u32 = 30;
/// For one name.
const NAME: u32 = 60;
/// So many keys are remembered; beyond it the older half goes.
const KEYS: usize = 8_192;

/// What failures are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, IpAddr),
    Address(IpAddr),
    Name(String),
}

/// Counts failures.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// How many, and when the first of them was.
    failures: HashMap<Key, (u32, UnixMs)>,
}

impl Limit {
    /// How long this one must wait before another try, if at all.
    pub(super) fn wait(&self, name: &str, from: IpAddr, now: UnixMs) -> Option<Duration> {
        let left = |(key, most): (Key, u32)| {
            let (count, first) = self.failures.get(&key)?;
            let until = *first + WINDOW;
            let millis = u64::try_from(until.0.saturating_sub(now.0)).ok()?;
            (*count >= most && millis > 0).then(|| Duration::from_millis(millis).min(WINDOW))
        };
        keys(name, from).into_iter().filter_map(left).max()
    }

    /// Remembers a failure.
    pub(super) fn failed(&mut self, name: &str, from: IpAddr, now: UnixMs) {
        let over = |first: UnixMs| first + WINDOW <= now || first > now;
        if self.failures.len() + 3 > KEYS {
            self.failures.retain(|_, (_, first)| !over(*first));
        }
        if self.failures.len() + 3 > KEYS {
            let mut times: Vec<UnixMs> = self.failures.values().map(|(_, first)| *first).collect();
            let (_, middle, _) = times.select_nth_unstable(KEYS / 2);
            let middle = *middle;
            self.failures.retain(|_, (_, first)| *first > middle);
        }
        for (key, _) in keys(name, from) {
            let (count, first) = self.failures.entry(key).or_insert((0, now));
            if over(*first) {
                (*count, *first) = (0, now);
            }
            *count += 1;
        }
    }

    /// What was remembered as a failure was none. A login also forgives those of this name from there.
    pub(super) fn succeeded(&mut self, name: &str, from: IpAddr) {
        for (key, _) in keys(name, from) {
            let Some((count, _)) = self.failures.get_mut(&key) else { continue };
            *count -= 1;
            if *count == 0 || matches!(key, Key::Pair(..)) {
                self.failures.remove(&key);
            }
        }
    }
}

fn keys(name: &str, from: IpAddr) -> [(Key, u32); 3] {
    let from = network(from);
    [
        (Key::Pair(name.to_owned(), from), PAIR),
        (Key::Address(from), ADDRESS),
        (Key::Name(name.to_owned()), NAME),
    ]
}

/// An IPv6 host chooses its last 64 bits as it likes (RFC 8981).
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((six.to_bits() >> 64 << 64).into()),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(limit: &mut Limit, name: &str, from: &str, times: u32, now: UnixMs) {
        for _ in 0..times {
            limit.failed(name, from.parse().unwrap(), now);
        }
    }

    fn waits(limit: &Limit, name: &str, from: &str, now: UnixMs) -> bool {
        limit.wait(name, from.parse().unwrap(), now).is_some()
    }

    #[test]
    fn five_failures_close_the_door_for_this_name_from_there_alone() {
        let (mut limit, now) = (Limit::default(), UnixMs(1_000_000_000));
        fail(&mut limit, "anna", "192.0.2.1", 4, now);
        assert!(!waits(&limit, "anna", "192.0.2.1", now));
        fail(&mut limit, "anna", "192.0.2.1", 1, now);
        assert!(waits(&limit, "anna", "192.0.2.1", now));
        assert!(waits(&limit, "anna", "::ffff:192.0.2.1", now), "the same address");
        assert!(!waits(&limit, "anna", "192.0.2.2", now));
        assert!(!waits(&limit, "bo", "192.0.2.1", now));
        let later = now + WINDOW;
        assert!(!waits(&limit, "anna", "192.0.2.1", later));
        fail(&mut limit, "anna", "192.0.2.1", 1, later);
        assert!(!waits(&limit, "anna", "192.0.2.1", later), "counted from the start again");
    }

    #[test]
    fn one_address_may_not_try_many_names_nor_many_addresses_one_name() {
        let (mut limit, now) = (Limit::default(), UnixMs(1_000_000_000));
        for number in 0..ADDRESS {
            fail(&mut limit, &format!("user{number}"), "2001:db8::1", 1, now);
        }
        assert!(waits(&limit, "anna", "2001:db8::9999", now), "a host has 2^64 addresses");
        assert!(!waits(&limit, "anna", "2001:db8:0:1::1", now));
        let mut limit = Limit::default();
        for number in 0..NAME {
            fail(&mut limit, "anna", &format!("10.0.0.{number}"), 1, now);
        }
        assert!(waits(&limit, "anna", "192.0.2.1", now));
        assert!(!waits(&limit, "bo", "192.0.2.1", now));
    }

    #[test]
    fn a_login_forgives_what_was_mistyped_before_it() {
        let (mut limit, now) = (Limit::default(), UnixMs(1_000_000_000));
        let from = "192.0.2.1".parse().unwrap();
        fail(&mut limit, "anna", "192.0.2.1", 4, now);
        limit.succeeded("anna", from);
        fail(&mut limit, "anna", "192.0.2.1", 4, now);
        assert!(!waits(&limit, "anna", "192.0.2.1", now));
    }

    #[test]
    fn those_who_get_in_lock_nobody_out_behind_the_same_proxy() {
        let (mut limit, now) = (Limit::default(), UnixMs(1_000_000_000));
        let from: IpAddr = "127.0.0.1".parse().unwrap();
        fail(&mut limit, "bo", "127.0.0.1", 1, now);
        for _ in 0..2 * NAME {
            limit.failed("anna", from, now);
            limit.succeeded("anna", from);
        }
        assert!(!waits(&limit, "anna", "127.0.0.1", now));
        assert_eq!(limit.failures.get(&Key::Address(from)), Some(&(1, now)), "that of bo");
        assert_eq!(limit.failures.len(), 3);
    }

    #[test]
    fn what_is_remembered_is_bounded_whatever_is_tried() {
        let mut limit = Limit::default();
        for number in 0..20_000_u32 {
            let from = IpAddr::V4(number.into());
            limit.failed(&number.to_string(), from, UnixMs(i64::from(number)));
        }
        assert!(limit.failures.len() <= KEYS);
        assert!(limit.failures.contains_key(&Key::Name("19999".into())));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_long() {
        let (mut limit, now) = (Limit::default(), UnixMs(1_000_000_000_000));
        fail(&mut limit, "anna", "192.0.2.1", 9, now);
        let before = now - Duration::from_hours(24);
        let wait = limit.wait("anna", "192.0.2.1".parse().unwrap(), before).unwrap();
        assert!(wait <= WINDOW);
        fail(&mut limit, "anna", "192.0.2.1", 1, before);
        assert!(!waits(&limit, "anna", "192.0.2.1", before));
    }
}
