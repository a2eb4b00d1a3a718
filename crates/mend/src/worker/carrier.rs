//! What a fix must not take down: the interface that carries our own session, and the last way out of the
//! device. Text in, verdict out; what to ask a device for it is a list per platform.

use std::net::IpAddr;

use crate::platform::Platform;

/// What is known of the interfaces that carry something.
#[derive(Debug)]
pub(super) struct Carrier {
    platform: Platform,
    /// Addresses that we reach the device by.
    ours: Vec<IpAddr>,
    /// Interfaces with one of these.
    session: Vec<String>,
    /// Interfaces of default routes.
    uplinks: Vec<String>,
}

impl Carrier {
    /// Nothing is known yet of a device that we reach by these addresses.
    pub(super) fn new(platform: Platform, ours: &[IpAddr]) -> Self {
        Self { platform, ours: ours.to_vec(), session: Vec::new(), uplinks: Vec::new() }
    }

    /// The interfaces that these lines take down; an empty name stands for what the lines do not tell.
    pub(super) fn downed(lines: &[String]) -> Vec<String> {
        let mut downed = Vec::new();
        let mut current = String::new();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [word, name @ ..] if !name.is_empty() && abbreviates(word, "interface", 3) => {
                    // Of a range it is not known what is in it.
                    current = if abbreviates(name[0], "range", 2) {
                        String::new()
                    } else {
                        name.concat()
                    };
                }
                ["edit", "interfaces", name, ..] => (*name).clone_into(&mut current),
                [word] if abbreviates(word, "shutdown", 4) => downed.push(current.clone()),
                ["set", "disable"] => downed.push(current.clone()),
                ["set" | "deactivate" | "delete", "interfaces", name, rest @ ..]
                    if words[0] != "set" || rest.contains(&"disable") =>
                {
                    downed.push((*name).to_owned());
                }
                ["ip", "link", "set", rest @ ..] if rest.contains(&"down") => {
                    let name = rest.iter().find(|word| !["dev", "down"].contains(word));
                    downed.extend(name.map(|name| (*name).to_owned()));
                }
                // SR OS: all of it in one line.
                [word, rest @ ..]
                    if abbreviates(word.trim_start_matches('/'), "configure", 4)
                        && (rest.ends_with(&["shutdown"]) || rest.ends_with(&["disable"]))
                        && !rest.contains(&"no") =>
                {
                    let at = rest.iter().position(|word| *word == "port");
                    let name = at.and_then(|at| rest.get(at + 1)).copied().unwrap_or_default();
                    downed.push(name.to_owned());
                }
                ["ifdown", name] => downed.push((*name).to_owned()),
                _ => {}
            }
        }
        downed
    }

    /// What to ask the device, all of it only reading.
    pub(super) fn questions(&self) -> Vec<String> {
        let questions: &[&str] = match self.platform {
            Platform::Ios => &["show ip interface brief", "show ip route 0.0.0.0"],
            Platform::IosXr => &["show ipv4 interface brief", "show route 0.0.0.0/0"],
            Platform::Nxos => &["show ip interface brief vrf all", "show ip route 0.0.0.0/0"],
            Platform::Eos => &["show ip interface brief", "show ip route 0.0.0.0/0"],
            Platform::Junos => &["show interfaces terse", "show route 0.0.0.0/0 exact"],
            Platform::Frr => &["show interface brief", "show ip route 0.0.0.0/0"],
            Platform::Linux => &["ip -br addr show", "ip route show default"],
            Platform::Vrp => &["display ip interface brief", "display ip routing-table 0.0.0.0"],
            // It is not known how to tell there: nothing is taken down.
            Platform::Sros => &[],
        };
        questions.iter().map(|&question| question.to_owned()).collect()
    }

    /// Takes an answer to one of them.
    pub(super) fn learn(&mut self, question: &str, answer: &str) {
        if question.contains("rout") {
            self.uplinks.extend(answer.lines().filter_map(way_out));
        } else {
            let ours = |line: &&str| words(line).any(|word| self.is_ours(word));
            let names = answer.lines().filter(ours).filter_map(|line| words(line).next());
            let names: Vec<String> = names.map(short).collect();
            self.session.extend(names);
        }
        self.uplinks.sort();
        self.uplinks.dedup();
    }

    /// Why this interface must not be taken down.
    pub(super) fn refuses(&self, interface: &str) -> Option<String> {
        if interface.is_empty() {
            return Some("the lines do not tell what `shutdown` takes down: it is not sent".into());
        }
        if self.platform == Platform::Sros {
            return Some(format!(
                "what carries our own session to {} is not known: {interface} is not taken down",
                self.platform
            ));
        }
        let name = short(interface);
        if self.session.iter().any(|carrier| is_part(&name, carrier)) {
            return Some(format!("{interface} carries our own session: it is not taken down"));
        }
        let uplink = self.uplinks.iter().any(|uplink| is_part(&name, uplink));
        if uplink && self.uplinks.len() == 1 {
            return Some(format!(
                "{interface} is the last uplink that is up: it is not taken down"
            ));
        }
        None
    }

    fn is_ours(&self, word: &str) -> bool {
        let address = word.split('/').next().unwrap_or(word);
        address.parse::<IpAddr>().is_ok_and(|address| self.ours.contains(&address))
    }
}

/// Whether a device takes `word`, of so many letters at least, for the command `whole`.
fn abbreviates(word: &str, whole: &str, least: usize) -> bool {
    word.len() >= least && whole.starts_with(&word.to_ascii_lowercase())
}

/// Whether taking `name` down takes `carrier` down, too: it is the same, or the port of a unit or VLAN.
fn is_part(name: &str, carrier: &str) -> bool {
    carrier == name || carrier.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t', ',']).filter(|word| !word.is_empty())
}

/// The interface at the end of a line about a route: `via 10.0.0.1, GigabitEthernet0/0`.
fn way_out(line: &str) -> Option<String> {
    let named = |word: &&str| {
        word.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && word.contains(|letter: char| letter.is_ascii_digit())
    };
    let words: Vec<&str> = words(line).map(|word| word.trim_end_matches([',', ';'])).collect();
    // VRP: a table, whose last column it is.
    if words.first() == Some(&"0.0.0.0/0") && words.len() >= 7 {
        return words.last().map(|name| short(name));
    }
    let via = words.iter().position(|word| matches!(*word, "via" | "dev" | "connected,"))?;
    words[via + 1..].iter().find(|word| named(word)).map(|name| short(name))
}

/// An interface by a name that its long and short forms share: `GigabitEthernet0/1` is `gi0/1`.
fn short(name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let digits = name.find(|letter: char| letter.is_ascii_digit()).unwrap_or(name.len());
    let (kind, number) = name.split_at(digits);
    if number.is_empty() {
        return kind.to_ascii_lowercase();
    }
    // Names such as `ge-0/0/0` and `xe-0/0/0` differ in their first two letters, too.
    let kind: String = kind.chars().take(2).collect();
    format!("{}{number}", kind.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn what_takes_an_interface_down_is_seen_on_every_platform() {
        for (sent, interfaces) in [
            (
                &["interface GigabitEthernet0/1", "shutdown", "no shutdown"][..],
                &["GigabitEthernet0/1"][..],
            ),
            (&["interface Gi 0/1", "shutdown"], &["Gi0/1"]),
            (&["int Gi0/1", "shut"], &["Gi0/1"]),
            (&["interface Gi0/1", "shutdown", "interface Gi0/2", "shutdown"], &["Gi0/1", "Gi0/2"]),
            (&["interface Gi0/1", "description shutdown of tonight"], &[]),
            (&["set interfaces ge-0/0/0 disable"], &["ge-0/0/0"]),
            (&["set interfaces ge-0/0/0 description x"], &[]),
            (&["delete interfaces ge-0/0/0"], &["ge-0/0/0"]),
            (&["ip link set dev eth0 down"], &["eth0"]),
            (&["clear bgp 10.0.0.2"], &[]),
            (&["interface 10GE1/0/1", "shutdown"], &["10GE1/0/1"]),
            (&["interface 10GE1/0/1", "undo shutdown"], &[]),
            (&["configure port 1/1/1 shutdown"], &["1/1/1"]),
            (&["/configure port 1/1/1 admin-state disable"], &["1/1/1"]),
            (&["configure router interface to-r2 shutdown"], &[""]),
            (&["configure port 1/1/1 no shutdown"], &[]),
            (&["shutdown"], &[""]),
            (&["interface range Gi0/1 - 3", "shutdown"], &[""]),
        ] {
            assert_eq!(Carrier::downed(&lines(sent)), interfaces, "{sent:?}");
        }
    }

    #[test]
    fn the_interface_of_our_own_session_and_the_last_uplink_are_refused() {
        let mut ios = Carrier::new(Platform::Ios, &["10.0.0.1".parse().unwrap()]);
        let [brief, route] = <[String; 2]>::try_from(ios.questions()).unwrap();
        ios.learn(
            &brief,
            "Interface              IP-Address      OK? Method Status                Protocol\n\
             GigabitEthernet0/0     10.0.0.1        YES NVRAM  up                    up\n\
             GigabitEthernet0/1     10.0.1.1        YES NVRAM  down                  down\n",
        );
        ios.learn(&route, "  * 10.0.2.254, via GigabitEthernet0/2\n");
        assert!(ios.refuses("Gi0/0").unwrap().contains("our own session"));
        assert!(ios.refuses("GigabitEthernet0/2").unwrap().contains("the last uplink"));
        assert_eq!(ios.refuses("Gi0/1"), None);
        assert!(ios.refuses("").unwrap().contains("do not tell"));
        ios.learn(&route, "  * 10.0.3.254, via GigabitEthernet0/3\n");
        assert_eq!(ios.refuses("GigabitEthernet0/2"), None, "there is another one");
    }

    #[test]
    fn on_vrp_both_are_seen_and_on_sros_nothing_is_taken_down() {
        let mut vrp = Carrier::new(Platform::Vrp, &["10.0.0.1".parse().unwrap()]);
        let [brief, route] = <[String; 2]>::try_from(vrp.questions()).unwrap();
        vrp.learn(
            &brief,
            "Interface                         IP Address/Mask      Physical   Protocol\n\
             GigabitEthernet0/0/0              10.0.0.1/24          up         up\n\
             10GE1/0/1                         unassigned           up         down\n",
        );
        vrp.learn(
            &route,
            "Destination/Mask    Proto   Pre  Cost      Flags NextHop         Interface\n\
             0.0.0.0/0   Static  60   0          RD   10.0.2.254      10GE1/0/2\n",
        );
        assert!(vrp.refuses("GigabitEthernet0/0/0").unwrap().contains("our own session"));
        assert!(vrp.refuses("10GE1/0/2").unwrap().contains("the last uplink"));
        assert_eq!(vrp.refuses("10GE1/0/1"), None);
        let sros = Carrier::new(Platform::Sros, &[]);
        assert!(sros.refuses("1/1/1").unwrap().contains("not known"));
    }

    #[test]
    fn a_port_is_not_taken_down_under_a_unit_or_a_vlan_of_ours() {
        let mut junos = Carrier::new(Platform::Junos, &["10.0.0.1".parse().unwrap()]);
        junos.learn("show interfaces terse", "ge-0/0/0.0  up  up  inet  10.0.0.1/30\n");
        assert!(junos.refuses("ge-0/0/0").is_some());
        assert_eq!(junos.refuses("ge-0/0/1"), None);
        let mut linux = Carrier::new(Platform::Linux, &["2001:db8::1".parse().unwrap()]);
        linux.learn("ip -br addr show", "eth0@if3  UP  10.0.0.9/24 2001:db8::1/64\n");
        assert!(linux.refuses("eth0").is_some());
        linux.learn("ip route show default", "default via 10.0.0.254 dev eth1 proto dhcp\n");
        assert!(linux.refuses("eth1").unwrap().contains("the last uplink"));
    }
}
