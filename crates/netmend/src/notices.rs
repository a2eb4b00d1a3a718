//! What operators should mend, and what goes into the history: the prober's changes in words, as
//! warnings for the page and as marks for the charts. Pure but for its own lock.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use measure::{Change, ChangeKind};
use model::{TargetId, UnixMs};
use show::Warning;
use store::Mark;

/// How long a warning about something that happened stands after it happened last.
const PASSING: Duration = Duration::from_mins(10);

/// The warnings that stand, by what they are about: a newer one takes the older one's place.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    standing: Mutex<BTreeMap<String, Standing>>,
}

#[derive(Debug)]
struct Standing {
    warning: Warning,
    /// When it goes by itself; `None` stands until it is cleared.
    until: Option<UnixMs>,
}

impl Notices {
    /// Puts up a warning, or renews the text of one that stands.
    pub(crate) fn raise(&self, about: &str, text: String, fix: String, at: UnixMs) {
        self.put(about, text, fix, at, None);
    }

    /// Puts up a warning about something that happened and may not happen again.
    fn pass(&self, about: &str, text: String, fix: String, at: UnixMs) {
        self.put(about, text, fix, at, Some(at + PASSING));
    }

    fn put(&self, about: &str, text: String, fix: String, at: UnixMs, until: Option<UnixMs>) {
        let mut standing = self.lock();
        let old = standing.get(about).filter(|old| old.until.is_none_or(|until| at < until));
        let since = old.and_then(|old| old.warning.since).or(Some(at));
        let warning = Warning { text, fix, since };
        standing.insert(about.to_owned(), Standing { warning, until });
    }

    /// Takes a warning down.
    pub(crate) fn clear(&self, about: &str) {
        self.lock().remove(about);
    }

    /// The warnings that stand at `now`.
    pub(crate) fn current(&self, now: UnixMs) -> Vec<Warning> {
        let mut standing = self.lock();
        standing.retain(|_, standing| standing.until.is_none_or(|until| now < until));
        standing.values().map(|standing| standing.warning.clone()).collect()
    }

    /// Takes in a change of the prober: raises or clears its warning and gives the mark to remember.
    pub(crate) fn take(&self, change: &Change, host: impl Fn(TargetId) -> Option<String>) -> Mark {
        let subject = change.target.and_then(host).unwrap_or_else(|| "netmend".into());
        let (kind, text) = words(&change.what);
        match &change.what {
            ChangeKind::Socket { socket, warning } => {
                let (text, fix) = split(&warning.to_string());
                self.raise(
                    &format!("socket {socket}"),
                    format!("{socket}: {text}"),
                    fix,
                    change.at,
                );
            }
            ChangeKind::SocketLost { .. } => {
                self.pass("socket lost", text.clone(), String::new(), change.at);
            }
            ChangeKind::ReceiveDrops { .. } => {
                let fix = "sysctl -w net.core.rmem_max=16777216".into();
                self.pass("receive drops", text.clone(), fix, change.at);
            }
            ChangeKind::NeighbourDrops { .. } => {
                let fix = "sysctl -w net.ipv4.neigh.default.gc_thresh3=16384".into();
                self.pass("neighbour drops", text.clone(), fix, change.at);
            }
            ChangeKind::Address { .. }
            | ChangeKind::Unresolved { .. }
            | ChangeKind::Resolved
            | ChangeKind::ClockStepped { .. } => {}
        }
        Mark { at: change.at, subject, kind: kind.into(), text }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Standing>> {
        self.standing.lock().expect("no holder of this lock can panic")
    }
}

/// Kind and sentence of a change.
fn words(change: &ChangeKind) -> (&'static str, String) {
    match change {
        ChangeKind::Address { from, to } => {
            ("address", format!("address changed from {} to {}", from.ip(), to.ip()))
        }
        ChangeKind::Unresolved { why } => ("name", why.to_string()),
        ChangeKind::Resolved => ("name", "the name resolves again".into()),
        ChangeKind::Socket { socket, warning } => ("socket", format!("{socket}: {warning}")),
        ChangeKind::SocketLost { why } => ("socket", why.to_string()),
        ChangeKind::ClockStepped { by_ns } => {
            let seconds = *by_ns as f64 / 1e9;
            (
                "clock",
                format!("the clock was stepped by {seconds:+.3} s, probes under way are unknown"),
            )
        }
        ChangeKind::ReceiveDrops { packets } => (
            "drops",
            format!("our receive queue dropped {packets} packets, their probes are unknown"),
        ),
        ChangeKind::NeighbourDrops { packets } => (
            "drops",
            format!("the neighbour table swallowed {packets} packets, their probes are unknown"),
        ),
    }
}

/// A warning's text reads "what is wrong. how to put it right".
fn split(text: &str) -> (String, String) {
    match text.split_once(". ") {
        Some((wrong, fix)) => (wrong.to_owned(), fix.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Method;

    fn change(target: Option<u32>, what: ChangeKind) -> Change {
        Change { at: UnixMs(5), target: target.map(TargetId), what }
    }

    #[test]
    fn a_changed_address_is_a_mark_of_its_host_and_no_warning() {
        let notices = Notices::default();
        let moved = ChangeKind::Address {
            from: "192.0.2.1:0".parse().unwrap(),
            to: "192.0.2.2:0".parse().unwrap(),
        };
        let mark = notices.take(&change(Some(3), moved), |id| (id.0 == 3).then(|| "h".into()));
        assert_eq!((mark.subject.as_str(), mark.kind.as_str()), ("h", "address"));
        assert_eq!(mark.text, "address changed from 192.0.2.1 to 192.0.2.2");
        assert_eq!(notices.current(UnixMs(5)), []);
    }

    #[test]
    fn a_warning_about_what_happened_goes_by_itself() {
        let notices = Notices::default();
        notices.take(&change(None, ChangeKind::ReceiveDrops { packets: 7 }), |_| None);
        let last = UnixMs(5) + PASSING;
        assert_eq!(notices.current(UnixMs(last.0 - 1)).len(), 1);
        assert_eq!(notices.current(last), []);
    }

    #[test]
    fn a_lower_rung_of_the_ladder_is_a_warning_with_its_fix() {
        let notices = Notices::default();
        let warning = model::transport::Warning::FellBack {
            from: Method::IcmpRaw,
            to: Method::IcmpDgram,
            errno: 1,
        };
        let what = ChangeKind::Socket { socket: "IPv4 ICMP socket".into(), warning };
        notices.take(&change(None, what), |_| None);
        let standing = notices.current(UnixMs(i64::MAX));
        assert_eq!(standing.len(), 1);
        assert!(standing[0].text.starts_with("IPv4 ICMP socket: "), "{}", standing[0].text);
        assert!(standing[0].fix.contains("setcap"), "{}", standing[0].fix);
    }

    #[test]
    fn a_warning_that_is_renewed_keeps_its_age() {
        let notices = Notices::default();
        notices.raise("config", "first".into(), String::new(), UnixMs(1));
        notices.raise("config", "second".into(), String::new(), UnixMs(9));
        let standing = notices.current(UnixMs(9));
        assert_eq!((standing[0].text.as_str(), standing[0].since), ("second", Some(UnixMs(1))));
        notices.clear("config");
        assert_eq!(notices.current(UnixMs(9)), []);
    }
}
