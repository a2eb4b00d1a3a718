//! What operators should mend, and what goes into the history: the prober's changes in words, as
//! warnings for the page and as marks for the charts. Pure but for its own lock.

use std::collections::BTreeMap;
use std::sync::Mutex;

use measure::{Change, ChangeKind};
use model::{TargetId, UnixMs};
use show::Warning;
use store::Mark;

/// The warnings that stand, by what they are about: a newer one takes the older one's place.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    standing: Mutex<BTreeMap<String, Warning>>,
}

impl Notices {
    /// Puts up a warning, or renews the text of one that stands.
    pub(crate) fn raise(&self, about: &str, text: String, fix: String, at: UnixMs) {
        let mut standing = self.lock();
        let since = standing.get(about).and_then(|old| old.since).unwrap_or(at);
        standing.insert(about.to_owned(), Warning { text, fix, since: Some(since) });
    }

    /// Takes a warning down.
    pub(crate) fn clear(&self, about: &str) {
        self.lock().remove(about);
    }

    /// The warnings that stand.
    pub(crate) fn current(&self) -> Vec<Warning> {
        self.lock().values().cloned().collect()
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
                self.raise("socket lost", text.clone(), String::new(), change.at);
            }
            ChangeKind::ReceiveDrops { .. } => {
                let fix = "sysctl -w net.core.rmem_max=16777216".into();
                self.raise("receive drops", text.clone(), fix, change.at);
            }
            ChangeKind::NeighbourDrops { .. } => {
                let fix = "sysctl -w net.ipv4.neigh.default.gc_thresh3=16384".into();
                self.raise("neighbour drops", text.clone(), fix, change.at);
            }
            ChangeKind::Address { .. }
            | ChangeKind::Unresolved { .. }
            | ChangeKind::Resolved
            | ChangeKind::ClockStepped { .. } => {}
        }
        Mark { at: change.at, subject, kind: kind.into(), text }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Warning>> {
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
        assert_eq!(notices.current(), []);
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
        let standing = notices.current();
        assert_eq!(standing.len(), 1);
        assert!(standing[0].text.starts_with("IPv4 ICMP socket: "), "{}", standing[0].text);
        assert!(standing[0].fix.contains("setcap"), "{}", standing[0].fix);
    }

    #[test]
    fn a_warning_that_is_renewed_keeps_its_age() {
        let notices = Notices::default();
        notices.raise("config", "first".into(), String::new(), UnixMs(1));
        notices.raise("config", "second".into(), String::new(), UnixMs(9));
        let standing = notices.current();
        assert_eq!((standing[0].text.as_str(), standing[0].since), ("second", Some(UnixMs(1))));
        notices.clear("config");
        assert_eq!(notices.current(), []);
    }
}
