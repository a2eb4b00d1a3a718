//! What an orchestrator says has happened becomes events: which turn things took, which device and which
//! object it is about, and what was told before. Pure.

use std::collections::BTreeMap;

use measure::sdwan::Happening;
use mend::{Said, Turn};
use model::event::{Evidence, Origin};
use model::wan::Link;
use model::{Inventory, UnixMs};
use serde::{Deserialize, Serialize};

/// Words at the end of an event's name that say that something broke, each with the word that says it works
/// again: `EDGE_DOWN` and `EDGE_UP`, `LINK_DEAD` and `LINK_ALIVE`.
const PAIRS: [(&str, &str); 4] =
    [("DOWN", "UP"), ("DEAD", "ALIVE"), ("UNUSABLE", "USABLE"), ("UNSTABLE", "STABLE")];

/// What was told already: identities with their times. It is kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told(BTreeMap<String, i64>);

impl Told {
    /// Whether this is new, and remembers it.
    pub(crate) fn is_new(&mut self, happening: &Happening) -> bool {
        self.0.insert(happening.id.clone(), happening.at.0).is_none()
    }

    /// Forgets what happened before `oldest`: nobody asks for that time again.
    pub(crate) fn forget(&mut self, oldest: UnixMs) {
        self.0.retain(|_, at| *at >= oldest.0);
    }
}

/// What it means, ready for the intake. `links` are those of the edge; `now` bounds the time, since the
/// orchestrator's clock may be wrong.
pub(crate) struct Meant {
    device: String,
    object: String,
    turn: Change,
    happening: Happening,
    at: UnixMs,
}

enum Change {
    Told,
    Fault,
    /// What this code told is over.
    Clear(String),
}

impl Meant {
    /// What `happening` means.
    pub(crate) fn of<'l>(
        happening: Happening,
        orchestrator: &str,
        links: impl Iterator<Item = &'l Link>,
        inventory: &Inventory,
        now: UnixMs,
    ) -> Self {
        let named = happening.edge.as_deref().unwrap_or(orchestrator);
        let device =
            inventory.called(named).map_or_else(|| named.to_owned(), |known| known.name.clone());
        let object = object(&happening, links);
        let turn = turn(&happening.what);
        let at = happening.at.min(now);
        Self { device, object, turn, happening, at }
    }

    /// What remediations match it by.
    pub(crate) fn code(&self) -> &str {
        &self.happening.what
    }

    /// The same as the intake takes it; `mendable` if a remediation is for it.
    pub(crate) fn said(&self, mendable: bool) -> Said<'_> {
        Said {
            device: &self.device,
            doubt: None,
            code: &self.happening.what,
            code_norm: &self.happening.what,
            object: &self.object,
            severity: self.happening.severity,
            turn: match &self.turn {
                Change::Told => Turn::Told,
                Change::Fault => Turn::Fault,
                Change::Clear(code) => Turn::Clear(code),
            },
            at: self.at,
            origin: Origin::Orchestrator,
            message: &self.happening.message,
            fields: &[],
            // It was asked over TLS, or on this machine.
            evidence: Evidence::Sure,
            mendable,
        }
    }
}

/// Which turn things took, by the end of the event's name.
fn turn(what: &str) -> Change {
    let ends = |word: &str| {
        let stem = what.strip_suffix(word)?;
        (stem.ends_with('_')).then(|| stem.to_owned())
    };
    for (bad, good) in PAIRS {
        if ends(bad).is_some() {
            return Change::Fault;
        }
        if let Some(stem) = ends(good) {
            return Change::Clear(format!("{stem}{bad}"));
        }
    }
    Change::Told
}

/// The interface it is about: that of the link which it names, else the one that its message speaks of.
fn object<'l>(happening: &Happening, links: impl Iterator<Item = &'l Link>) -> String {
    let about = |words: &str| ["LINK_", "INTERFACE_"].iter().any(|part| words.contains(part));
    if !about(&happening.what) {
        return String::new();
    }
    let mut spoken_of = None;
    for link in links {
        let Some(interface) = link.interface.as_deref() else { continue };
        if happening.link.as_deref() == Some(&*link.id) {
            return interface.to_owned();
        }
        let mut words = happening.message.split(|c: char| !c.is_alphanumeric() && c != '/');
        if words.any(|word| word == interface) {
            spoken_of = Some(interface);
        }
    }
    spoken_of.or(happening.link.as_deref()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::wan::LinkState;

    fn link(id: &str, interface: &str) -> Link {
        Link {
            enterprise: None,
            customer: "A".to_owned(),
            edge: "1".to_owned(),
            edge_name: "LDN".to_owned(),
            id: id.to_owned(),
            name: "BT".to_owned(),
            interface: Some(interface.to_owned()),
            isp: None,
            gateway: None,
            site: None,
            state: LinkState::Active,
        }
    }

    fn happening(what: &str, link: Option<&str>, message: &str) -> Happening {
        Happening {
            id: "7".to_owned(),
            at: UnixMs(1_000),
            what: what.to_owned(),
            severity: Some(1),
            message: message.to_owned(),
            edge: Some("LDN".to_owned()),
            link: link.map(str::to_owned),
        }
    }

    fn meant(happening: Happening) -> Meant {
        let links = [link("u-1", "GE3"), link("u-2", "GE4")];
        Meant::of(happening, "corp", links.iter(), &Inventory::default(), UnixMs(2_000))
    }

    #[test]
    fn a_link_that_is_alive_ends_the_fault_of_the_same_link() {
        let dead = meant(happening("LINK_DEAD", Some("u-2"), "Link GE4 is now DEAD"));
        assert_eq!((dead.said(false).turn, dead.said(false).object), (Turn::Fault, "GE4"));
        let alive = meant(happening("LINK_ALIVE", None, "Link GE4 is no longer DEAD"));
        assert_eq!(
            (alive.said(false).turn, alive.said(false).object),
            (Turn::Clear("LINK_DEAD"), "GE4")
        );
        let edge = meant(happening("EDGE_UP", None, "edge GE4 is up"));
        assert_eq!(
            (edge.said(false).turn, edge.said(false).object),
            (Turn::Clear("EDGE_DOWN"), "")
        );
        assert_eq!(edge.said(false).device, "LDN");
    }

    #[test]
    fn what_is_no_fault_is_told_and_no_name_runs_into_another() {
        for what in ["EDGE_HEALTH_ALERT", "BW_UNMEASURABLE", "SETUP", "EDGE_SHUTDOWN"] {
            assert_eq!(meant(happening(what, None, "")).said(false).turn, Turn::Told, "{what}");
        }
        assert_eq!(meant(happening("LINK_UNUSABLE", None, "")).said(false).turn, Turn::Fault);
        let usable = meant(happening("LINK_USABLE", None, ""));
        assert_eq!(usable.said(false).turn, Turn::Clear("LINK_UNUSABLE"));
    }

    #[test]
    fn a_clock_that_is_ahead_reports_nothing_from_the_future() {
        let ahead = Happening { at: UnixMs(600_000), ..happening("EDGE_DOWN", None, "") };
        assert_eq!(meant(ahead).said(false).at, UnixMs(2_000));
    }

    #[test]
    fn nothing_is_told_twice_also_after_a_restart() {
        let mut told = Told::default();
        let one = happening("EDGE_DOWN", None, "");
        assert!(told.is_new(&one) && !told.is_new(&one));
        let kept = serde_json::to_string(&told).unwrap();
        let mut after: Told = serde_json::from_str(&kept).unwrap();
        assert!(!after.is_new(&one));
        after.forget(UnixMs(1_001));
        assert_eq!(after, Told::default());
    }
}
