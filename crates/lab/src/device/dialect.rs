//! How the command lines differ: prompts, words, pagers. Data, and the lines that are put together from it.

/// A platform's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Cisco IOS.
    Ios,
    /// Cisco IOS XR.
    IosXr,
    /// Cisco NX-OS.
    Nxos,
    /// Arista EOS.
    Eos,
    /// Juniper Junos.
    Junos,
    /// vtysh of `FRRouting`.
    Frr,
    /// A shell on Linux.
    Linux,
    /// Huawei VRP, version 8.
    Vrp,
    /// Nokia SR OS, the classic command line.
    Sros,
}

/// Where in its modes a session is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// Without privileges.
    User,
    #[default]
    Normal,
    Configuration,
    /// In the configuration of this interface.
    Interface(String),
}

impl Dialect {
    /// All of them with their names.
    pub const ALL: [(&'static str, Dialect); 9] = [
        ("ios", Dialect::Ios),
        ("iosxr", Dialect::IosXr),
        ("nxos", Dialect::Nxos),
        ("eos", Dialect::Eos),
        ("junos", Dialect::Junos),
        ("frr", Dialect::Frr),
        ("linux", Dialect::Linux),
        ("vrp", Dialect::Vrp),
        ("sros", Dialect::Sros),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, one)| one)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }

    /// The prompt, with the lines above it; `pending` while something is changed that is not yet in effect or saved.
    pub(super) fn prompt(self, name: &str, user: &str, mode: &Mode, pending: bool) -> String {
        // IOS cuts what stands in front of the mode.
        let cut: String = name.chars().take(20).collect();
        match (self, mode) {
            (Dialect::Junos, Mode::User | Mode::Normal) => {
                format!("\r\n{{master:0}}\r\n{user}@{name}> ")
            }
            (Dialect::Junos, Mode::Configuration) => {
                format!("\r\n{{master:0}}[edit]\r\n{user}@{name}# ")
            }
            (Dialect::Junos, Mode::Interface(port)) => {
                format!("\r\n{{master:0}}[edit interfaces {port}]\r\n{user}@{name}# ")
            }
            (Dialect::Linux, _) => format!("{user}@{name}:~$ "),
            (Dialect::Vrp, Mode::User | Mode::Normal) => format!("<{name}>"),
            (Dialect::Vrp, _) => {
                let mark = if pending { '*' } else { '~' };
                match mode {
                    Mode::Interface(port) => format!("[{mark}{name}-{port}]"),
                    _ => format!("[{mark}{name}]"),
                }
            }
            (Dialect::Sros, _) if pending => format!("*A:{name}# "),
            (Dialect::Sros, _) => format!("A:{name}# "),
            (Dialect::IosXr, Mode::User | Mode::Normal) => format!("RP/0/RP0/CPU0:{name}#"),
            (Dialect::IosXr, Mode::Configuration) => format!("RP/0/RP0/CPU0:{name}(config)#"),
            (Dialect::IosXr, Mode::Interface(_)) => format!("RP/0/RP0/CPU0:{name}(config-if)#"),
            (_, Mode::User) => format!("{name}>"),
            (Dialect::Ios | Dialect::Eos, Mode::Normal) => format!("{name}#"),
            (Dialect::Ios, Mode::Configuration) => format!("{cut}(config)#"),
            (Dialect::Ios, Mode::Interface(_)) => format!("{cut}(config-if)#"),
            (Dialect::Eos, Mode::Configuration) => format!("{name}(config-s-netmen)#"),
            (Dialect::Eos, Mode::Interface(port)) => format!("{name}(config-s-netmen-if-{port})#"),
            (_, Mode::Normal) => format!("{name}# "),
            (_, Mode::Configuration) => format!("{name}(config)# "),
            (_, Mode::Interface(_)) => format!("{name}(config-if)# "),
        }
    }

    /// What stands at the end of a page, and what paints over it.
    pub(super) fn pager(self) -> (&'static str, &'static str) {
        match self {
            Dialect::Ios => (
                " --More-- ",
                "\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08",
            ),
            Dialect::Junos => ("---(more)---", "\r            \r"),
            Dialect::Vrp => ("  ---- More ----", "\x1b[16D                \x1b[16D"),
            Dialect::Sros => (
                "Press any key to continue (Q to quit)",
                "\r                                     \r",
            ),
            Dialect::Nxos => ("\x1b[7m--More--\x1b[27m", "\r\x1b[K"),
            _ => (" --More-- ", "\r          \r"),
        }
    }

    /// What it says to a command that it does not know.
    pub(super) fn unknown(self) -> &'static str {
        match self {
            Dialect::Ios | Dialect::IosXr | Dialect::Nxos => {
                "          ^\r\n% Invalid input detected at '^' marker.\r\n"
            }
            Dialect::Eos => "% Invalid input\r\n",
            Dialect::Junos => "        ^\r\nunknown command.\r\n",
            Dialect::Frr => "% Unknown command: \r\n",
            Dialect::Linux => "bash: command not found\r\n",
            Dialect::Vrp => "        ^\r\nError: Unrecognized command found at '^' position.\r\n",
            Dialect::Sros => "       ^\r\nError: Bad command.\r\n",
        }
    }

    /// The commands that turn paging off.
    pub(super) fn turns_paging_off(self, command: &str) -> bool {
        match self {
            Dialect::Junos => command == "set cli screen-length 0",
            Dialect::Vrp => command == "screen-length 0 temporary",
            Dialect::Sros => command == "environment no more",
            _ => command == "terminal length 0",
        }
    }

    /// The commands that open the configuration.
    pub(super) fn opens_configuration(self, command: &str) -> bool {
        match self {
            Dialect::Junos | Dialect::IosXr => {
                matches!(command, "configure" | "configure exclusive" | "configure terminal")
            }
            Dialect::Eos => command.starts_with("configure"),
            Dialect::Vrp => command == "system-view",
            // It has no mode for that.
            Dialect::Sros => false,
            _ => command == "configure terminal",
        }
    }

    /// Whether changes wait for a commit.
    pub(super) fn has_candidate(self) -> bool {
        matches!(self, Dialect::Junos | Dialect::IosXr | Dialect::Eos | Dialect::Vrp)
    }

    /// What it shows of an interface that is not shut, or is, and whose line works, or not.
    pub(super) fn interface(self, name: &str, enabled: bool, up: bool) -> String {
        let works = enabled && up;
        let word = |is: bool| if is { "up" } else { "down" };
        let line = match self {
            Dialect::Nxos => {
                let reason = match (enabled, up) {
                    (false, _) => " (Administratively down)",
                    (true, false) => " (Link not connected)",
                    (true, true) => "",
                };
                let (state, admin) = (word(works), word(enabled));
                format!("{name} is {state}{reason}\r\nadmin state is {admin}, Dedicated Interface")
            }
            Dialect::Junos => {
                let admin = if enabled { "Enabled" } else { "Administratively down" };
                let link = if works { "Up" } else { "Down" };
                format!("Physical interface: {name}, {admin}, Physical link is {link}")
            }
            Dialect::Vrp => {
                let admin = if enabled { "" } else { "Administratively " };
                let state = word(works).to_ascii_uppercase();
                format!(
                    "{name} current state : {admin}{state} (ifindex: 5)\r\nLine protocol current state : {state}"
                )
            }
            Dialect::Sros => format!(
                "Interface          : {name}                      Oper Speed       : N/A\r\n\
                 Admin State        : {}                         Oper Duplex      : full\r\n\
                 Oper State         : {}                         Config Duplex    : full",
                word(enabled),
                word(works)
            ),
            // An interface that is not enabled has no line protocol to speak of.
            Dialect::Frr if !enabled => format!("Interface {name} is down"),
            Dialect::Frr => format!("Interface {name} is up, line protocol is {}", word(up)),
            Dialect::Linux => {
                let flags = match (enabled, up) {
                    (false, _) => "BROADCAST,MULTICAST",
                    (true, false) => "NO-CARRIER,BROADCAST,MULTICAST,UP",
                    (true, true) => "BROADCAST,MULTICAST,UP,LOWER_UP",
                };
                let state = if works { "UP" } else { "DOWN" };
                format!("2: {name}: <{flags}> mtu 1500 qdisc fq_codel state {state} mode DEFAULT")
            }
            Dialect::Ios | Dialect::IosXr | Dialect::Eos => {
                let (admin, protocol) = match (enabled, up) {
                    (false, _) => ("administratively down", "down"),
                    (true, false) => ("down", "down (notconnect)"),
                    (true, true) => ("up", "up (connected)"),
                };
                format!("{name} is {admin}, line protocol is {protocol}")
            }
        };
        format!("{line}\r\n  SIMULATION, MTU 1500 bytes\r\n")
    }

    /// Names of its interfaces.
    pub fn interfaces(self) -> [&'static str; 3] {
        match self {
            Dialect::Ios => ["GigabitEthernet0/1", "GigabitEthernet0/2", "GigabitEthernet0/3"],
            Dialect::IosXr => {
                ["GigabitEthernet0/0/0/0", "GigabitEthernet0/0/0/1", "GigabitEthernet0/0/0/2"]
            }
            Dialect::Nxos => ["Ethernet1/1", "Ethernet1/2", "Ethernet1/3"],
            Dialect::Eos => ["Ethernet1", "Ethernet2", "Ethernet3"],
            Dialect::Junos => ["ge-0/0/0", "ge-0/0/1", "ge-0/0/2"],
            Dialect::Frr | Dialect::Linux => ["eth0", "eth1", "eth2"],
            Dialect::Vrp => ["10GE1/0/1", "10GE1/0/2", "10GE1/0/3"],
            Dialect::Sros => ["1/1/1", "1/1/2", "1/1/3"],
        }
    }
}
