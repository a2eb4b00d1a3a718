//! The message of `netmend vco once --notify`: a paragraph a link, to each receiver that its labels concern.
//! It is sent at once and not again: cron comes back in five minutes.

use alert::Letter;
use model::text::printable;
use model::{Clock, SystemClock, UnixMs};
use serde_json::json;

use super::super::stdout::count;
use super::once::complain;
use crate::config::Settings;
use crate::wan::{Odd, stamp};

/// So many links are told in full; who wants more reads the output.
const IN_FULL: usize = 100;

/// Tells all receivers whom it concerns; `false` if somebody could not be told, which is said on standard
/// error.
pub(super) async fn tell(settings: &Settings, odd: &[Odd], now: UnixMs) -> bool {
    let verdict = &settings.verdict;
    let mut told = true;
    for (number, route) in verdict.routes.iter().enumerate() {
        let fits = |odd: &&Odd| route.matching.fits(|label| odd.label(label));
        let mine: Vec<&Odd> = odd.iter().filter(fits).collect();
        let Some(receiver) = verdict.receivers.get(&route.name).filter(|_| !mine.is_empty()) else {
            continue;
        };
        let sent_at = SystemClock.now_ms();
        let id = format!("wan-{}-{number}", sent_at.0);
        let letter = letter((&settings.site, sent_at, &id), &mine, now);
        let sent = receiver.post(&letter, sent_at).await;
        for missed in &sent.missed {
            complain(&format!("error: {} was not told: {}", missed.to, missed.why));
        }
        told &= sent.missed.is_empty();
    }
    told
}

/// The message about some links, as of `now`; `sender` is site, time and identity of the letter.
fn letter(sender: (&str, UnixMs, &str), odd: &[&Odd], now: UnixMs) -> Letter {
    let site = sender.0;
    let first = odd.first().map(|odd| (&odd.link.edge_name, &odd.link.name));
    let (edge, name) = first.expect("nobody is told of nothing");
    let more = match odd.len() - 1 {
        0 => String::new(),
        more => format!(" and {}", count(more, "other link")),
    };
    let (edge, name) = (printable(edge, 40), printable(name, 40));
    let subject = format!("WAN Anomaly Alert: {edge} {name}{more}");
    let links = count(odd.len(), "WAN link");
    let mut paragraphs = vec![format!("As of {}: {links} not as usual.", stamp(now))];
    paragraphs.extend(odd.iter().take(IN_FULL).map(|odd| odd.paragraph()));
    if odd.len() > IN_FULL {
        paragraphs.push(format!("And {} more.", count(odd.len() - IN_FULL, "link")));
    }
    paragraphs.push(format!("--\nnetmend at {}", printable(site, 80)));
    let anomalies: Vec<_> = odd.iter().flat_map(|odd| &odd.anomalies).collect();
    let json =
        json!({ "type": "wan.anomaly", "site": site, "subject": subject, "anomalies": anomalies });
    Letter::new(sender, &subject, &paragraphs, json.to_string().into_bytes())
}
