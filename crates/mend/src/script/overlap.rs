//! Finds remediations of which two could be meant for one event: that has to be decided before the event comes.

use std::collections::HashMap;
use std::sync::Arc;

use super::execution::problem;
use super::library::{DEFAULT, Remediation};
use super::meta::Meta;
use super::problem::Problem;
use super::wire::Flaw;

/// A problem for each pair of one origin and one priority that could be meant for the same event.
pub(super) fn conflicts<'a>(
    remediations: impl Iterator<Item = &'a Arc<Remediation>>,
) -> Vec<Problem> {
    let all: Vec<&Remediation> =
        remediations.map(Arc::as_ref).filter(|one| one.name != DEFAULT).collect();
    let mut by_code: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut with_stars = Vec::new();
    for (number, remediation) in all.iter().enumerate() {
        for code in &remediation.meta.codes {
            if code.is_exact() {
                by_code.entry(code.as_str()).or_default().push(number);
            } else {
                with_stars.push((code, number));
            }
        }
    }
    let mut pairs = Vec::new();
    for numbers in by_code.values() {
        for (at, a) in numbers.iter().enumerate() {
            pairs.extend(numbers[at + 1..].iter().map(|b| (*a, *b)));
        }
    }
    for (at, (code, a)) in with_stars.iter().enumerate() {
        let exact = by_code.iter().filter(|(exact, _)| code.fits(exact));
        pairs.extend(exact.flat_map(|(_, numbers)| numbers.iter().map(|b| (*a, *b))));
        let other = with_stars[at + 1..].iter().filter(|(other, _)| code.meets(other));
        pairs.extend(other.map(|(_, b)| (*a, *b)));
    }
    for pair in &mut pairs {
        *pair = (pair.0.min(pair.1), pair.0.max(pair.1));
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs.retain(|(a, b)| a != b && conflict(all[*a], all[*b]));
    pairs.into_iter().map(|(a, b)| told(all[a], all[b])).collect()
}

fn conflict(a: &Remediation, b: &Remediation) -> bool {
    a.origin == b.origin
        && a.meta.priority == b.meta.priority
        && platforms_meet(&a.meta, &b.meta)
        && !conditions_exclude(&a.meta, &b.meta)
}

fn platforms_meet(a: &Meta, b: &Meta) -> bool {
    a.platforms.is_empty()
        || b.platforms.is_empty()
        || a.platforms.iter().any(|one| b.platforms.contains(one))
}

/// Whether a field would have to be two things at once.
fn conditions_exclude(a: &Meta, b: &Meta) -> bool {
    a.when.iter().any(|one| {
        b.when.iter().filter(|other| other.field == one.field).any(|other| {
            let meets = one
                .values
                .iter()
                .any(|value| other.values.iter().any(|it| value.folded().meets(&it.folded())));
            !meets
        })
    })
}

fn told(a: &Remediation, b: &Remediation) -> Problem {
    let what =
        format!("{} and {} are meant for the same events with the same priority", b.name, a.name);
    let allowed =
        Some("a higher `priority` for the one that counts, or a narrower `when`".to_owned());
    problem(&b.path, &b.source, &Flaw { span: b.place, what, allowed })
}
