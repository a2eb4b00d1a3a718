//! What a name could have been meant to be: the checker of types says that a thing has no such attribute, and this
//! says which ones it has.

use starlark::environment::Methods;
use starlark::typing::Ty;
use starlark::values::StarlarkValue;

use super::bgp_peer::BgpPeer;
use super::device::Device;
use super::event::Event;
use super::interface::Interface;
use super::lsp::Lsp;
use super::module::Module;
use super::ospf_neighbor::OspfNeighbor;

/// The attributes of the type that a message of the checker names, the likely one first.
pub(super) fn suggest(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("The attribute `")?.split('`');
    let (typed, kind) = (quoted.next()?, quoted.nth(1)?);
    let documented = methods(kind)?.documentation(Ty::any());
    let mut names: Vec<String> = documented.members.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let near = names.iter().map(|name| (distance(typed, name), name)).min()?;
    let likely = if near.0 * 2 <= typed.len() {
        format!("did you mean `{}`? ", near.1)
    } else {
        String::new()
    };
    Some(format!("{likely}allowed: {}", names.join(", ")))
}

fn methods(kind: &str) -> Option<&'static Methods> {
    match kind {
        "BgpPeer" => BgpPeer::get_methods(),
        "Device" => Device::get_methods(),
        "Event" => Event::get_methods(),
        "Interface" => Interface::get_methods(),
        "Lsp" => Lsp::get_methods(),
        "Module" => Module::get_methods(),
        "OspfNeighbor" => OspfNeighbor::get_methods(),
        _ => None,
    }
}

/// How many letters must be added, removed or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for j in 0..b.len() {
            let changed = corner + usize::from(letter != b[j]);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_guessed_and_all_are_listed() {
        let told = suggest("The attribute `shwo` is not available on the type `Device`").unwrap();
        assert!(
            told.starts_with("did you mean `show`? allowed: bgp_peer, command, config,"),
            "{told}"
        );
        let told = suggest("The attribute `zzzzzzzz` is not available on the type `Lsp`").unwrap();
        assert!(told.starts_with("allowed: "), "{told}");
        assert_eq!(suggest("The attribute `x` is not available on the type `int`"), None);
        assert_eq!(suggest("something else"), None);
    }
}
