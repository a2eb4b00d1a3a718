//! What devices said before an alert: links that went down, sessions that were lost, configurations that
//! were changed, by the devices on the way to its targets. Reads stored lines; knows no clock.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use measure::wire::syslog::Meanings;
use model::alert::{Clue, TargetSubject};
use model::text::printable;
use model::{Alert, Device, Inventory, SeriesId, Subject};
use store::{Error, LineQuery, Query, State, StoredLine, Value};

/// What is looked for: whatever can break a path. Logins and access lists are others' affair.
const KINDS: [&str; 20] = [
    CONFIGURATION,
    "link",
    "line-protocol",
    "bundle",
    "bgp",
    "bgp-notification",
    "bgp-prefixes",
    "ospf",
    "isis",
    "eigrp",
    "bfd",
    "stp",
    "hsrp",
    "vrrp",
    "failover",
    "errdisable",
    "module",
    "power",
    "restart",
    "vpn",
];
/// A change that somebody made is the likeliest cause of all.
const CONFIGURATION: &str = "configuration";
/// So far before the onset it is looked.
const BEFORE: Duration = Duration::from_mins(30);
/// Most lines of a device that are looked through, the newest first.
const LINES: u32 = 2_000;
/// Most devices that are looked at, and of a group's members the first so many.
const DEVICES: usize = 20;
const MEMBERS: usize = 10;
/// Most characters of a message that are kept.
const TEXT: usize = 300;

/// The devices on the way to whom an alert is about: those at its addresses, those that its tags and its
/// parent name, and those that answered when the path was traced (`hops`).
pub(super) fn devices<'i>(
    inventory: &'i Inventory,
    alert: &Alert,
    address: impl Fn(SeriesId) -> Option<IpAddr>,
    hops: impl Fn(SeriesId) -> Vec<IpAddr>,
) -> Vec<String> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let name = |device: &'i Device| device.name.as_str();
    let mut targets: Vec<&TargetSubject> = Vec::new();
    match &alert.subject {
        Subject::Target(target) => targets.push(target),
        Subject::Group(group) => found.extend(inventory.called(&group.value).map(name)),
        Subject::Repair(repair) => {
            let device = repair.device.as_deref().and_then(|device| inventory.device(device));
            found.extend(device.map(name));
        }
        // An edge may be a device, and the gateway before it.
        Subject::Link(link) => {
            let names = std::iter::once(&link.edge).chain(&link.gateway);
            found.extend(names.filter_map(|named| inventory.called(named)).map(name));
        }
        Subject::Site { .. } => {}
    }
    targets.extend(alert.members.iter().take(MEMBERS).filter_map(|member| match &member.subject {
        Subject::Target(target) => Some(target),
        _ => None,
    }));
    for target in targets {
        let names = std::iter::once(&target.host).chain(&target.parent).chain(target.tags.values());
        found.extend(names.filter_map(|name| inventory.called(name)).map(name));
        let addresses = address(target.series).into_iter().chain(hops(target.series));
        found.extend(addresses.filter_map(|address| inventory.at(address)).map(name));
    }
    found.into_iter().take(DEVICES).map(str::to_owned).collect()
}

/// What these devices said in the half hour before an alert was raised: what was changed first, then the
/// latest, the same only once.
pub(super) fn clues(
    state: &dyn State,
    meanings: &Meanings,
    devices: &[String],
    alert: &Alert,
) -> Result<Vec<Clue>, Error> {
    let mut found: HashMap<(String, String, String), (bool, Clue)> = HashMap::new();
    for device in devices {
        let query = LineQuery {
            device: Some(device.clone()),
            from: alert.since - BEFORE,
            until: alert.raised + Duration::from_millis(1),
            limit: LINES,
            ..LineQuery::default()
        };
        for record in state.find(&Query::Lines(query))? {
            let Value::Line(line) = record.value else { continue };
            let Some((changed, object, clue)) = read(meanings, &line) else { continue };
            let key = (clue.device.clone(), clue.code.clone(), object);
            let (_, known) =
                found.entry(key).or_insert_with(|| (changed, Clue { count: 0, ..clue.clone() }));
            known.count += 1;
            if clue.at > known.at {
                (known.at, known.text) = (clue.at, clue.text);
            }
        }
    }
    let mut found: Vec<(bool, Clue)> = found.into_values().collect();
    found.sort_by(|(a_changed, a), (b_changed, b)| {
        b_changed.cmp(a_changed).then(b.at.cmp(&a.at)).then_with(|| a.device.cmp(&b.device))
    });
    let mut clues: Vec<Clue> = found.into_iter().take(Alert::CLUES).map(|(_, clue)| clue).collect();
    clues.sort_by(|a, b| {
        a.at.cmp(&b.at).then_with(|| (&a.device, &a.text).cmp(&(&b.device, &b.text)))
    });
    Ok(clues)
}

/// A line that tells of something that can break a path: whether somebody changed something, what it is
/// about, and the clue.
fn read(meanings: &Meanings, line: &StoredLine) -> Option<(bool, String, Clue)> {
    let record = meanings.read(&line.raw, line.at);
    let meaning = meanings.of(&record).filter(|meaning| KINDS.contains(&meaning.kind))?;
    // Each change is one of its own; of a link that flaps the last word counts.
    let changed = meaning.kind == CONFIGURATION;
    let text = printable(&String::from_utf8_lossy(record.message), TEXT);
    let object =
        if changed { text.clone() } else { meaning.object().collect::<Vec<_>>().join(" ") };
    let clue =
        Clue { at: line.at, device: line.device.clone(), code: line.code.clone(), text, count: 1 };
    Some((changed, object, clue))
}

#[cfg(test)]
mod tests;
