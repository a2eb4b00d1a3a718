//! What a device says because we work on it is no fault: without this a repair that shuts a port would be the
//! cause of the next one.

use model::{Event, Run};

use super::{Case, Verdict};

pub(super) fn look(case: &Case<'_>) -> Verdict {
    let event = case.event;
    let user =
        case.device.and_then(|device| device.login.as_ref()).map(|login| login.user.as_str());
    let mut lately = case.before.own.iter().filter(|run| {
        run.event != event.id
            && run.ended.is_none_or(|ended| event.first <= ended + case.limits.self_caused)
    });
    match lately.find_map(|run| Some((run.id, mark(event, run, user)?))) {
        Some((run, mark)) => {
            Verdict::Suppress(format!("self-caused: run {run} was at {mark} at that time"))
        }
        None => Verdict::Pass,
    }
}

/// By what an event shows that it is of our own making.
fn mark(event: &Event, run: &Run, user: Option<&str>) -> Option<String> {
    let told_user = event.fields.get("user").map(String::as_str);
    if user.is_some() && told_user == user {
        return told_user.map(|user| format!("the device as {user}"));
    }
    let names = ["interface", "peer"].iter().filter_map(|name| event.fields.get(*name));
    let names =
        names.map(String::as_str).chain((!event.object.is_empty()).then_some(&*event.object));
    // What was only looked at is not of our making.
    let sent = |name: &&str| run.sent.iter().any(|line| mentions(line, name));
    names.into_iter().find(sent).map(str::to_owned)
}

/// Whether a line that was sent names the thing, as a whole word, upper and lower case alike.
fn mentions(line: &str, name: &str) -> bool {
    let folded = |word: &str| interface(word).eq_ignore_ascii_case(&interface(name));
    line.split([' ', '\n', ',']).any(folded)
}

/// An interface by a name that its long and short forms share: `GigabitEthernet0/1` is `gi0/1`.
fn interface(name: &str) -> String {
    let digits = name.find(|letter: char| letter.is_ascii_digit()).unwrap_or(name.len());
    let (kind, number) = name.split_at(digits);
    // Two letters tell all kinds apart.
    let short: String =
        if number.is_empty() { kind.into() } else { kind.chars().take(2).collect() };
    format!("{}{number}", short.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_thing_in_its_long_and_its_short_form() {
        assert!(mentions("interface GigabitEthernet0/1", "Gi0/1"));
        assert!(mentions("interface Ethernet1/1", "Ethernet1/1"));
        assert!(mentions("clear bgp 10.0.0.2", "10.0.0.2"));
        assert!(!mentions("interface Ethernet1/10", "Ethernet1/1"));
        assert!(!mentions("shutdown", "Ethernet1/1"));
    }
}
