//! The application or the network? A host that is asked by ping and by TCP tells where its fault is. A pure
//! function over how each of its targets stands; it looks nothing up.

use model::alert::Cause;
use model::{Alert, Metric, Outcome, Protocol, Rule, TargetNow};
use serde::{Deserialize, Serialize};

/// How a target stands, as far as it says something about the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Health {
    /// It answers as usual.
    Usual,
    /// It answers, later than usual.
    Slow,
    /// It loses more than usual.
    Lossy,
    /// It does not answer.
    Silent,
    /// It answers by a reset: the host is there, nobody listens.
    Refused,
    /// It has never answered, as far as anybody remembers: its silence now says nothing.
    Mute,
    /// Nothing is known of it at this moment.
    Unknown,
}

impl Health {
    /// Whether something is wrong with it.
    pub(crate) fn is_bad(self) -> bool {
        !matches!(self, Health::Usual | Health::Mute | Health::Unknown)
    }

    /// What is said of it in a sentence.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Health::Usual => "as usual",
            Health::Slow => "slower than usual",
            Health::Lossy => "losing probes",
            Health::Silent => "not answering",
            Health::Refused => "refusing connections",
            Health::Mute => "silent as ever",
            Health::Unknown => "unknown",
        }
    }
}

/// Whether the latest probes were all refused.
pub(crate) fn is_refused(now: &TargetNow) -> bool {
    let mut known = now.recent.iter().rev().filter(|probe| probe.is_known()).take(3).peekable();
    known.peek().is_some() && known.all(|probe| probe.outcome == Outcome::Refused)
}

/// How a target stands by what its alert says now; `None` if nothing of it stands any more.
pub(crate) fn judged(alert: &Alert) -> Option<Health> {
    let standing = || alert.findings.iter().filter(|finding| !finding.state.is_over());
    standing().next()?;
    if standing().any(|finding| finding.rule == Rule::Down) {
        return Some(Health::Silent);
    }
    let lossy = standing().any(|finding| finding.metric == Metric::Loss);
    Some(if lossy { Health::Lossy } else { Health::Slow })
}

/// Where the fault is, and why we think so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// `None`: nothing is wrong, or it cannot be told.
    pub(crate) cause: Option<Cause>,
    /// One sentence without its full stop.
    pub(crate) sentence: String,
}

/// Says where the fault of a host is, from how its targets stand.
pub(crate) fn verdict(seen: &[(Protocol, Health)]) -> Verdict {
    let speaks = |health: Health| !matches!(health, Health::Mute | Health::Unknown);
    let known = || seen.iter().filter(|(_, health)| speaks(*health));
    let (ping, tcp): (Vec<_>, Vec<_>) = known().partition(|(by, _)| *by == Protocol::Icmp);
    let bad = |some: &[&(Protocol, Health)]| some.iter().filter(|(_, h)| h.is_bad()).count();
    let (bad_ping, bad_tcp) = (bad(&ping), bad(&tcp));
    let all: Vec<_> = known().collect();
    if all.is_empty() {
        return tell(None, "Nothing is known of this host now: no target of it has been heard of");
    }
    if bad_ping + bad_tcp == 0 {
        let names = names(&all);
        let verb = if all.len() == 1 { "is" } else { "are" };
        return tell(None, format!("{names} {verb} as usual: it is not the network"));
    }
    let state = |some: &[&(Protocol, Health)]| {
        let parts: Vec<String> = some
            .iter()
            .map(|(by, health)| format!("{} is {}", name(*by), health.words()))
            .collect();
        join(&parts)
    };
    let ping_good = !ping.is_empty() && bad_ping == 0;
    // A reset is an answer: the path is well, nobody listens.
    let refused = tcp.iter().filter(|(_, health)| *health == Health::Refused).count();
    let tcp_good = tcp.len() - bad_tcp;
    match (bad_ping > 0, bad_tcp > 0) {
        (false, true) if ping_good || tcp_good > 0 => {
            let sentence = format!("{}: it is the service, not the network", state(&all));
            tell(Some(Cause::Application), sentence)
        }
        (true, false) if tcp_good > 0 => {
            let why = "ICMP is filtered or rate-limited on the way, nothing else";
            tell(Some(Cause::IcmpFiltered), format!("{}: {why}", state(&all)))
        }
        (true, true) if tcp_good + refused > 0 => {
            let why = match tcp_good {
                0 => "a refusal is an answer, so the path is well; it is the service",
                _ => "some ports are well, so the path is; it is the service behind the others",
            };
            tell(Some(Cause::Application), format!("{}: {why}", state(&all)))
        }
        (true, true) => {
            let why = "it is the path, or the whole host";
            tell(Some(Cause::Path), format!("{}: {why}", state(&all)))
        }
        _ => {
            let other = if ping.is_empty() { "ping" } else { "a TCP port" };
            let why = format!("probe {other} of it too to tell the service from the network");
            tell(None, format!("{}; {why}", state(&all)))
        }
    }
}

fn tell(cause: Option<Cause>, sentence: impl Into<String>) -> Verdict {
    let mut sentence = sentence.into();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Verdict { cause, sentence }
}

/// What people call a way to ask.
pub(crate) fn name(protocol: Protocol) -> String {
    match protocol {
        Protocol::Icmp => "ping".to_owned(),
        Protocol::Tcp(port) => format!("TCP port {port}"),
    }
}

fn names(some: &[&(Protocol, Health)]) -> String {
    let mut all: Vec<String> = some.iter().map(|(by, _)| name(*by)).collect();
    all.dedup();
    join(&all)
}

/// `a`, `a and b`, `a, b and c`.
fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::Health::{Lossy, Mute, Refused, Silent, Slow, Unknown, Usual};
    use super::*;

    const PING: Protocol = Protocol::Icmp;
    const WEB: Protocol = Protocol::Tcp(443);
    const SSH: Protocol = Protocol::Tcp(22);

    #[test]
    fn ping_and_tcp_together_tell_where_the_fault_is() {
        /// How the targets stand, the cause, and what the sentence says.
        type Case = (&'static [(Protocol, Health)], Option<Cause>, &'static str);
        let cases: [Case; 18] = [
            (&[(PING, Usual), (WEB, Usual)], None, "Ping and TCP port 443 are as usual: it is not"),
            (
                &[(PING, Usual), (WEB, Slow)],
                Some(Cause::Application),
                "Ping is as usual and TCP port 443 is slower",
            ),
            (
                &[(PING, Usual), (WEB, Refused)],
                Some(Cause::Application),
                "refusing connections: it is the service",
            ),
            (
                &[(PING, Usual), (WEB, Silent)],
                Some(Cause::Application),
                "not answering: it is the service",
            ),
            (
                &[(PING, Silent), (WEB, Silent)],
                Some(Cause::Path),
                "it is the path, or the whole host",
            ),
            (&[(PING, Slow), (WEB, Slow)], Some(Cause::Path), "it is the path"),
            (
                &[(PING, Lossy), (WEB, Lossy), (SSH, Slow)],
                Some(Cause::Path),
                "losing probes, TCP port 443 is",
            ),
            (
                &[(PING, Silent), (WEB, Usual)],
                Some(Cause::IcmpFiltered),
                "ICMP is filtered or rate-limited",
            ),
            (&[(PING, Lossy), (WEB, Usual)], Some(Cause::IcmpFiltered), "Ping is losing probes"),
            (
                &[(PING, Silent), (WEB, Usual), (SSH, Refused)],
                Some(Cause::Application),
                "some ports are well",
            ),
            (
                &[(WEB, Usual), (SSH, Silent)],
                Some(Cause::Application),
                "it is the service, not the network",
            ),
            (&[(PING, Silent), (WEB, Refused)], Some(Cause::Application), "a refusal is an answer"),
            (&[(PING, Mute), (WEB, Silent)], None, "TCP port 443 is not answering; probe ping"),
            (&[(PING, Mute), (WEB, Usual)], None, "TCP port 443 is as usual: it is not"),
            (&[(PING, Silent)], None, "probe a TCP port of it too"),
            (&[(WEB, Silent)], None, "probe ping of it too"),
            (&[(PING, Unknown), (WEB, Silent)], None, "TCP port 443 is not answering; probe ping"),
            (&[(PING, Unknown), (WEB, Unknown)], None, "Nothing is known of this host now"),
        ];
        for (seen, cause, words) in cases {
            let said = verdict(seen);
            assert_eq!(said.cause, cause, "{seen:?}: {}", said.sentence);
            assert!(said.sentence.contains(words), "{seen:?}: {}", said.sentence);
        }
        assert_eq!(verdict(&[]).cause, None);
    }
}
