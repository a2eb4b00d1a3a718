//! A label-switched path as a device shows it.

use super::{after, between};
use crate::platform::Platform;

/// A path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::script) struct Lsp {
    /// Its name.
    pub(in crate::script) name: String,
    /// Where it leads.
    pub(in crate::script) to: String,
    /// Not shut.
    pub(in crate::script) admin: bool,
    /// It carries packets.
    pub(in crate::script) up: bool,
    /// The path that it takes now, if the device names it.
    pub(in crate::script) path: String,
}

/// The command for one.
pub(in crate::script) fn command(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::Junos => Some("show mpls lsp name {name}"),
        Platform::Ios => Some("show mpls traffic-eng tunnels {name}"),
        Platform::IosXr => Some("show mpls traffic-eng tunnels name {name}"),
        Platform::Nxos
        | Platform::Eos
        | Platform::Frr
        | Platform::Linux
        | Platform::Vrp
        | Platform::Sros => None,
    }
}

/// The path of this name.
pub(in crate::script) fn parse(platform: Platform, name: &str, text: &str) -> Option<Lsp> {
    if platform == Platform::Junos {
        return text.lines().find_map(junos).filter(|lsp| lsp.name == name);
    }
    let line = text.lines().find(|line| line.trim_start().starts_with("Name:"))?;
    let shown = between(line, "Name:", " Destination").or_else(|| between(line, "Name:", "("));
    // IOS: `R1_t1 (Tunnel1)`; XR: `tunnel-te1  Destination: ...`.
    let names = shown.unwrap_or_default();
    if !names.split([' ', '(', ')']).any(|one| one.eq_ignore_ascii_case(name)) {
        return None;
    }
    let to = between(text, "Destination:", "\n").and_then(|to| to.split_whitespace().next());
    let is = |label: &str| between(text, label, " ").is_some_and(|state| state.starts_with("up"));
    Some(Lsp {
        name: name.to_owned(),
        to: to.unwrap_or_default().to_owned(),
        admin: is("Admin: ") || is("Admin:   "),
        up: is("Oper: ") || is("Oper:   "),
        path: after(text, "path option ").unwrap_or_default().to_owned(),
    })
}

/// `10.0.0.9   10.0.0.1   Up   0 *   primary   to-nyc`, from a table whose last column is the name.
fn junos(line: &str) -> Option<Lsp> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [to, from, state, .., name] = words.as_slice() else { return None };
    to.parse::<std::net::IpAddr>().ok()?;
    from.parse::<std::net::IpAddr>().ok()?;
    // The column before the name is the active path, where there is one.
    let path = words.get(words.len().saturating_sub(2)).filter(|word| {
        words.len() > 5
            && **word != "*"
            && !word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    });
    Some(Lsp {
        name: (*name).to_owned(),
        to: (*to).to_owned(),
        admin: true,
        up: *state == "Up",
        path: path.copied().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junos_tables() {
        let text = "\
Ingress LSP: 1 sessions
To              From            State Rt P     ActivePath       LSPname
10.0.0.9        10.0.0.1        Up     0 *     via-chi          to-nyc
Total 1 displayed, Up 1, Down 0
";
        let lsp = parse(Platform::Junos, "to-nyc", text).unwrap();
        assert_eq!((lsp.up, lsp.path.as_str(), lsp.to.as_str()), (true, "via-chi", "10.0.0.9"));
        let down = "10.0.0.9        10.0.0.1        Dn     0                        to-nyc\n";
        let lsp = parse(Platform::Junos, "to-nyc", down).unwrap();
        assert_eq!((lsp.up, lsp.path.as_str()), (false, ""));
        assert_eq!(parse(Platform::Junos, "to-lax", text), None);
    }

    #[test]
    fn cisco_tunnels() {
        let text = "\
Name: R1_t1                             (Tunnel1) Destination: 10.0.0.9
  Status:
    Admin: up         Oper: down   Path: not valid   Signalling: Down
    path option 1, type explicit chi
";
        let lsp = parse(Platform::Ios, "Tunnel1", text).unwrap();
        assert_eq!((lsp.admin, lsp.up, lsp.to.as_str()), (true, false, "10.0.0.9"));
        let text = "\
Name: tunnel-te1  Destination: 10.0.0.9  Ifhandle:0x580
  Signalled-Name: r1_t1
  Status:
    Admin:    up Oper:   up   Path:  valid   Signalling: connected
";
        assert!(parse(Platform::IosXr, "tunnel-te1", text).unwrap().up);
        assert_eq!(parse(Platform::IosXr, "tunnel-te2", text), None);
    }
}
