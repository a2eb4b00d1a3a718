//! One interface as a device shows it.

use super::super::argument::same_interface;
use super::{after, between, number_after, number_before};
use crate::platform::Platform;

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::script) struct Interface {
    /// Its name, as the device writes it.
    pub(in crate::script) name: String,
    /// What people wrote about it.
    pub(in crate::script) description: String,
    /// Not shut.
    pub(in crate::script) admin: bool,
    /// The line works.
    pub(in crate::script) oper: bool,
    /// It can carry packets.
    pub(in crate::script) protocol: bool,
    /// Why it does not work, in the device's own words.
    pub(in crate::script) reason: String,
    /// Packets received with errors.
    pub(in crate::script) input_errors: Option<u64>,
    /// Those of them whose checksum was wrong.
    pub(in crate::script) crc_errors: Option<u64>,
    /// Packets that could not be sent.
    pub(in crate::script) output_errors: Option<u64>,
    /// How often the line went up or down, or the interface was reset.
    pub(in crate::script) changes: Option<u64>,
}

/// The command for one.
#[expect(clippy::unnecessary_wraps, reason = "a source, as those that not every platform has")]
pub(in crate::script) fn command(platform: Platform) -> Option<&'static str> {
    Some(match platform {
        Platform::Ios | Platform::IosXr | Platform::Eos => "show interfaces {interface}",
        Platform::Nxos | Platform::Frr => "show interface {interface}",
        Platform::Junos => "show interfaces {interface} extensive",
        Platform::Linux => "ip -s link show {interface}",
        Platform::Vrp => "display interface {interface}",
        Platform::Sros => "show port {interface}",
    })
}

/// The command for all.
pub(in crate::script) fn command_all(platform: Platform) -> Option<&'static str> {
    Some(match platform {
        Platform::Ios | Platform::IosXr | Platform::Eos => "show interfaces",
        Platform::Nxos | Platform::Frr => "show interface",
        Platform::Junos => "show interfaces extensive",
        Platform::Linux => "ip -s link show",
        Platform::Vrp => "display interface",
        // There it is a table, which holds less.
        Platform::Sros => return None,
    })
}

/// The interface of this name in what the device showed.
pub(in crate::script) fn parse(platform: Platform, name: &str, text: &str) -> Option<Interface> {
    parse_all(platform, text).into_iter().find(|port| same_interface(&port.name, name))
}

/// All interfaces in what the device showed.
pub(in crate::script) fn parse_all(platform: Platform, text: &str) -> Vec<Interface> {
    let mut blocks: Vec<(Interface, usize)> = Vec::new();
    let mut ends = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        if let Some(port) = headline(platform, line.trim_end()) {
            ends.push(start);
            blocks.push((port, offset));
        }
    }
    ends.push(text.len());
    let mut ports: Vec<Interface> = Vec::with_capacity(blocks.len());
    for (number, (mut port, start)) in blocks.into_iter().enumerate() {
        let end = ends.get(number + 1).copied().unwrap_or(text.len()).max(start);
        details(platform, &mut port, &text[start..end]);
        ports.push(port);
    }
    ports
}

/// The line that an interface begins with. What would give it a name of no or several words is none.
fn headline(platform: Platform, line: &str) -> Option<Interface> {
    let port = match platform {
        Platform::Linux => linux(line),
        Platform::Junos => junos(line),
        Platform::Vrp => vrp(line),
        Platform::Sros => sros(line),
        _ if line.starts_with(char::is_whitespace) => None,
        Platform::Frr => cisco(line.strip_prefix("Interface ")?, platform),
        _ => cisco(line, platform),
    };
    port.filter(|port| !port.name.is_empty() && !port.name.contains(char::is_whitespace))
}

/// `Ethernet1 is administratively down, line protocol is down (disabled)`.
fn cisco(line: &str, platform: Platform) -> Option<Interface> {
    let (name, state) = line.split_once(" is ")?;
    let name = name.trim();
    let (line_state, protocol) = match state.split_once(", line protocol is ") {
        Some((line_state, protocol)) => (line_state.trim(), Some(protocol.trim())),
        None => (state.trim(), None),
    };
    // XR and FRR name the reason for a shut port elsewhere, or nowhere.
    let shut = line_state.starts_with("administratively down")
        || line_state.contains("(Administratively down)")
        || line_state.contains("(disabled)")
        // FRR: without a line protocol the interface is not enabled at all.
        || (platform == Platform::Frr && protocol.is_none() && line_state.starts_with("down"));
    let up = line_state.starts_with("up");
    if !up && !shut && !line_state.starts_with("down") && !line_state.starts_with("reset") {
        return None;
    }
    let reason =
        [Some(line_state), protocol].into_iter().flatten().find_map(|it| between(it, "(", ")"));
    let reason = reason.filter(|_| !up || protocol.is_some_and(|it| !it.starts_with("up")));
    Some(Interface {
        name: name.to_owned(),
        admin: !shut,
        oper: up,
        protocol: protocol.map_or(up, |protocol| protocol.starts_with("up")),
        reason: reason.unwrap_or_default().to_owned(),
        ..Interface::default()
    })
}

/// `Physical interface: ge-0/0/0, Enabled, Physical link is Up`.
fn junos(line: &str) -> Option<Interface> {
    if let Some(rest) = line.trim_start().strip_prefix("Logical interface ") {
        let name = rest.split_whitespace().next()?.to_owned();
        return Some(Interface {
            name,
            admin: true,
            oper: true,
            protocol: true,
            ..Interface::default()
        });
    }
    let rest = line.strip_prefix("Physical interface: ")?;
    let mut words = rest.split(", ");
    let name = words.next()?.trim().to_owned();
    let admin = words.next()?.trim();
    let link = words.next()?.trim();
    let up = link == "Physical link is Up";
    let enabled = admin.starts_with("Enabled");
    Some(Interface {
        name,
        admin: enabled,
        oper: up,
        protocol: up && enabled,
        ..Interface::default()
    })
}

/// `2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq state UP mode DEFAULT`.
fn linux(line: &str) -> Option<Interface> {
    if !line.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut parts = line.splitn(3, ": ");
    let (_, name, rest) = (parts.next()?, parts.next()?, parts.next()?);
    // `eth0@if5` is eth0, whatever it is joined with.
    let name = name.split('@').next()?.to_owned();
    let flags = between(rest, "<", ">")?;
    let has = |flag: &str| flags.split(',').any(|one| one == flag);
    let (admin, lower) = (has("UP"), has("LOWER_UP"));
    let reason = if has("NO-CARRIER") { "NO-CARRIER" } else { "" };
    Some(Interface {
        name,
        admin,
        oper: admin && lower,
        protocol: admin && lower && !rest.contains(" state DOWN"),
        reason: reason.to_owned(),
        ..Interface::default()
    })
}

/// `10GE1/0/1 current state : Administratively DOWN (ifindex: 5)`.
fn vrp(line: &str) -> Option<Interface> {
    let (name, state) = line.split_once(" current state :")?;
    let state = state.trim_start();
    let admin = !state.starts_with("Administratively");
    let oper = state.starts_with("UP");
    let known = oper || state.starts_with("DOWN") || !admin;
    let name = name.trim().to_owned();
    known.then(|| Interface { name, admin, oper, ..Interface::default() })
}

/// `Interface          : 1/1/1                      Oper Speed       : 10 Gbps`.
fn sros(line: &str) -> Option<Interface> {
    let name = field(line, "Interface")?.to_owned();
    Some(Interface { name, ..Interface::default() })
}

/// The word behind a label and a colon: `Admin State        : up`.
fn field<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    let behind = after(text, label)?.strip_prefix(':')?;
    behind.split_whitespace().next()
}

/// What stands below the headline.
fn details(platform: Platform, port: &mut Interface, block: &str) {
    after(block, "Description:").unwrap_or_default().clone_into(&mut port.description);
    match platform {
        Platform::Linux => {
            port.input_errors = below(block, "RX:", "errors");
            port.output_errors = below(block, "TX:", "errors");
            if let Some(alias) = after(block, "alias ") {
                alias.clone_into(&mut port.description);
            }
        }
        Platform::Junos => {
            port.input_errors = between(block, "Input errors:", "Output errors:")
                .and_then(|it| number_after(it, "Errors:"));
            port.output_errors =
                block.split_once("Output errors:").and_then(|(_, it)| number_after(it, "Errors:"));
            port.crc_errors = number_after(block, "CRC/Align errors");
            port.changes = number_after(block, "Carrier transitions:");
            // A unit is down with the port that it belongs to; its own flags say so.
            if let Some(flags) = after(block, "Flags:")
                && port.name.contains('.')
            {
                let down = flags.contains("Down") || flags.contains("Hardware-Down");
                (port.oper, port.protocol) = (!down, !down);
                port.admin = !flags.contains("Admin-Down");
            }
        }
        Platform::Vrp => {
            let (input, output) = block.split_once("Output:").unwrap_or((block, ""));
            let input = input.split_once("Input:").map_or("", |(_, input)| input);
            port.input_errors = number_after(input, "Total Error:");
            port.crc_errors = number_after(input, "CRC:");
            port.output_errors = number_after(output, "Total Error:");
            let protocol = after(block, "Line protocol current state :");
            port.protocol = protocol.is_some_and(|state| state.starts_with("UP"));
        }
        Platform::Sros => {
            port.admin = field(block, "Admin State") == Some("up");
            port.oper = field(block, "Oper State") == Some("up");
            port.protocol = port.oper;
            if let Some(why) = field(block, "Reason Down").filter(|why| *why != "N/A") {
                why.clone_into(&mut port.reason);
            }
        }
        Platform::Nxos => {
            port.input_errors = number_before(block, "input error");
            port.output_errors = number_before(block, "output error");
            port.crc_errors =
                number_before(block, "CRC/FCS").or_else(|| number_before(block, "CRC"));
            port.changes = number_before(block, "interface resets");
            // What is down for another reason says itself whether it is shut.
            if let Some(admin) = after(block, "admin state is ") {
                port.admin = admin.starts_with("up");
            }
        }
        _ => {
            port.input_errors = number_before(block, "input errors");
            port.output_errors = number_before(block, "output errors");
            port.crc_errors = number_before(block, "CRC");
            port.changes = match platform {
                Platform::IosXr => number_after(block, "Interface state transitions:"),
                Platform::Eos => number_before(block, "link status changes"),
                Platform::Frr => {
                    let (ups, downs) =
                        (number_after(block, "Link ups:"), number_after(block, "Link downs:"));
                    ups.zip(downs).map(|(ups, downs)| ups.saturating_add(downs))
                }
                _ => number_before(block, "interface resets"),
            };
        }
    }
}

/// The number below a word of a table's head: `RX:  bytes packets errors` and the numbers in the next line.
fn below(block: &str, head: &str, column: &str) -> Option<u64> {
    let mut lines = block.lines().map(str::trim_start);
    let at = lines
        .by_ref()
        .find_map(|line| line.strip_prefix(head))?
        .split_whitespace()
        .position(|word| word == column)?;
    lines.next()?.split_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests;
