//! What differs between the platforms of devices, as data: prompts, paging, words of failure, configuration
//! modes, commands that only read. It talks to nobody; [`crate::session`] does, by these tables.
//!
//! A new platform is one file below `platform/`, one variant and one match arm.

mod eos;
mod frr;
mod ios;
mod iosxr;
mod junos;
mod linux;
mod nxos;
mod reading;
mod sros;
mod vrp;

use std::fmt;

pub use reading::NotReading;

/// What runs on a device, as the inventory names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Cisco IOS and IOS XE.
    Ios,
    /// Cisco IOS XR.
    IosXr,
    /// Cisco NX-OS.
    Nxos,
    /// Arista EOS.
    Eos,
    /// Juniper Junos.
    Junos,
    /// `FRRouting`, through vtysh.
    Frr,
    /// Linux, a command at a time.
    Linux,
    /// Huawei VRP.
    Vrp,
    /// Nokia SR OS.
    Sros,
}

impl Platform {
    /// All of them.
    pub const ALL: [Platform; 9] = [
        Platform::Ios,
        Platform::IosXr,
        Platform::Nxos,
        Platform::Eos,
        Platform::Junos,
        Platform::Frr,
        Platform::Linux,
        Platform::Vrp,
        Platform::Sros,
    ];

    /// The platform of this name, which is written in lower case, as inventories and remediations do.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }

    /// The platform that an inventory means by this word: its name, or a usual slug of another inventory such as
    /// `cisco-nx-os`; upper and lower case, `_` and blanks in the place of `-` do not matter.
    pub fn meant_by(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        let means = |platform: &Self| platform.definition().also.contains(&word.as_str());
        Self::named(&word).or_else(|| Self::ALL.into_iter().find(means))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// All that differs.
    pub(crate) fn definition(self) -> &'static Definition {
        match self {
            Platform::Ios => &ios::DEFINITION,
            Platform::IosXr => &iosxr::DEFINITION,
            Platform::Nxos => &nxos::DEFINITION,
            Platform::Eos => &eos::DEFINITION,
            Platform::Junos => &junos::DEFINITION,
            Platform::Frr => &frr::DEFINITION,
            Platform::Linux => &linux::DEFINITION,
            Platform::Vrp => &vrp::DEFINITION,
            Platform::Sros => &sros::DEFINITION,
        }
    }

    /// Whether `command` only reads, as far as the platform's list knows.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn check_reading(self, command: &str) -> Result<(), NotReading> {
        reading::check(self, command)
    }

    /// Whether a change can be made that undoes itself unless it is confirmed.
    pub fn can_revert(self) -> bool {
        self.definition().config.is_some_and(|config| config.commit_confirmed.is_some())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A platform's table.
#[derive(Debug)]
pub(crate) struct Definition {
    /// As in the inventory.
    pub(crate) name: &'static str,
    /// As other inventories call it, such as the slugs that are usual in `NetBox`.
    pub(crate) also: &'static [&'static str],
    /// How commands reach it.
    pub(crate) access: Access,
    /// The last characters that a prompt can have.
    pub(crate) ends: &'static [char],
    /// What a prompt begins with once something was changed and not saved, where it says so.
    pub(crate) unsaved: Option<char>,
    /// The command for the privileged mode, where a prompt that ends with `>` means less.
    pub(crate) enable: Option<&'static str>,
    /// Sent after the login: no paging, a wide terminal, no log lines. What a device does not know does
    /// not matter.
    pub(crate) prepare: &'static [&'static str],
    /// How lines that say that a command failed begin; upper and lower case alike.
    pub(crate) failures: &'static [&'static str],
    /// How lines begin and end that belong to the prompt and stand above it, such as `[edit]`.
    pub(crate) above_prompt: &'static [(&'static str, &'static str)],
    /// How a configuration is changed.
    pub(crate) config: Option<ConfigMode>,
    /// Commands that only read; one that ends with ` *` takes further words.
    pub(crate) reading: &'static [&'static str],
    /// Filters that may stand behind a `|`.
    pub(crate) filters: &'static [&'static str],
}

/// How commands reach a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Typed at the prompt of a terminal: of this program, or of the login shell.
    Terminal(Option<&'static str>),
    /// Each runs on a channel of its own and ends with a status.
    Exec,
}

/// How a configuration is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConfigMode {
    /// The command that opens it.
    pub(crate) enter: &'static str,
    /// What its prompt looks like.
    pub(crate) prompt: ConfigPrompt,
    /// The command that makes a candidate take effect, where there is one.
    pub(crate) commit: Option<&'static str>,
    /// The same, undone by itself after `{}` minutes unless [`ConfigMode::confirm`] follows.
    pub(crate) commit_confirmed: Option<&'static str>,
    /// What makes a confirmed commit stay.
    pub(crate) confirm: Option<Confirm>,
    /// What takes several commits back at once.
    pub(crate) restore: Option<Restore>,
    /// The command that leaves it, after a commit where there is one.
    pub(crate) leave: &'static str,
    /// What throws a candidate away and leaves.
    pub(crate) abandon: &'static [&'static str],
}

/// What makes a confirmed commit stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirm {
    /// The command.
    pub(crate) command: &'static str,
    /// Whether it is typed in configuration mode.
    pub(crate) in_config: bool,
    /// Whether each further commit confirms the one before, too.
    pub(crate) implied: bool,
}

/// What takes several commits back at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restore {
    /// The command that keeps the configuration before the first of them, where the platform does not do so itself.
    pub(crate) keep: Option<&'static str>,
    /// The command; `{}` stands for how many they were.
    pub(crate) command: &'static str,
    /// Whether it is typed in configuration mode and takes effect with a commit.
    pub(crate) in_config: bool,
}

/// How the prompt of the configuration mode differs from the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigPrompt {
    /// `r1#` becomes `r1(config-if)#`; long names may be cut.
    Parenthesis,
    /// `user@r1>` becomes `user@r1#`.
    End(char),
    /// `<r1>` becomes `[r1]`, `[~r1]` and `[*r1-Ethernet0/0/1]`; the star stands for what waits for a commit.
    Brackets,
}

/// Filters of Cisco's command line and those that took after it.
const CISCO_FILTERS: &[&str] = &[
    "include", "exclude", "begin", "section", "count", "i", "inc", "incl", "exc", "e", "b", "sec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_is_known_by_its_name_and_has_a_way_out_of_its_configuration() {
        for platform in Platform::ALL {
            assert_eq!(Platform::named(platform.name()), Some(platform));
            let definition = platform.definition();
            assert!(!definition.reading.is_empty(), "{platform} can be asked nothing");
            assert_eq!(definition.ends.is_empty(), definition.access == Access::Exec, "{platform}");
            if let Some(config) = definition.config {
                assert!(!config.leave.is_empty() && !config.abandon.is_empty(), "{platform}");
                assert_eq!(config.commit_confirmed.is_some(), config.confirm.is_some());
                assert_eq!(config.commit_confirmed.is_some(), config.restore.is_some());
            }
        }
        assert_eq!(Platform::named("IOS"), None);
        for platform in Platform::ALL {
            let also = platform.definition().also;
            assert!(
                also.iter().all(|word| Platform::meant_by(word) == Some(platform)),
                "{platform}"
            );
        }
        assert_eq!(Platform::meant_by("Cisco IOS-XE"), Some(Platform::Ios));
        assert_eq!(Platform::meant_by("cisco_nxos"), Some(Platform::Nxos));
        assert_eq!(Platform::meant_by("cisco"), None);
        assert_eq!(Platform::named("vms"), None);
    }
}
