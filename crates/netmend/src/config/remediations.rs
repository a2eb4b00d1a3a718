//! The key `remediations`: where the files are, how far each may go by itself, and how much at once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mend::guard::StormLimits;
use mend::guard::budget::Budgets;
use model::event::Mode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::keys::keys;
use super::problem::Problems;
use super::raw::{Flag, Folder, Label, duration, text_schema};
use super::reader::{Read, Reader, key_text};
use super::source::At;
use super::syslog::Codes;
use super::units::{self, DURATION_HELP};
use super::yaml::Node;

/// Workers unless told otherwise.
const WORKERS: u32 = 20;

keys! {
    /// Repairs: where the files are, how far they may go, how much at once.
    struct RawRemediations ("a map with keys such as `dir`") {
        /// Folder of remediation files; they come before those that netmend brings along.
        dir: Folder,
        /// How far remediations may go by themselves: observe (if not given), suggest, approve or auto.
        mode: ModeName,
        /// The same for one of them, by its name.
        modes: Modes,
        /// Whether this instance repairs: of two that watch the same devices only the owner does. true if
        /// not given.
        owner: Flag,
        /// Runs at once, 20 if not given.
        workers: Count,
        /// How much may be done in an hour, and how much of one kind at once.
        budgets: RawBudgets,
        /// When so much fails at once that nothing runs by itself.
        storm: RawStorm,
        /// Groups of devices of which one alone is worked on at a time.
        exclusive: Codes,
        /// How long nothing is done on a device after somebody else configured it, 15m if not given.
        people: Pause,
        /// How long a question to people stands, 30m if not given.
        approval: Pause,
        /// How long a session stays open for the next run on its device, 1m at most; 0s if not given.
        keep_session: Keep,
    }
}

keys! {
    /// How much may be done.
    struct RawBudgets ("a map with keys such as `device`") {
        /// Runs of one remediation in an hour, 20 if not given.
        remediation: Count,
        /// Runs on one device in an hour, 3 if not given.
        device: Count,
        /// Share of the devices that is worked on in an hour, in percent, 2 if not given; three devices at
        /// least.
        inventory: Percent,
        /// Runs of one remediation at once, 5 if not given.
        at_once: Count,
    }
}

keys! {
    /// When it is a storm: more events and more devices than this within a minute.
    struct RawStorm ("a map with keys such as `events`") {
        /// Events, 100 if not given.
        events: Count,
        /// Devices, 20 if not given.
        devices: Count,
        /// How long nothing runs by itself after it, 5m if not given.
        calm: Pause,
    }
}

duration! {
    /// A span of time.
    Pause, Duration::ZERO, Duration::from_hours(24), "0s to 24h"
}

duration! {
    /// How long a session stays open. What a device says of its end must still count as our own doing.
    Keep, Duration::ZERO, Duration::from_mins(1), "0s to 1m"
}

/// How far a remediation may go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModeName(pub(crate) Mode);

impl Read for ModeName {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write observe, suggest, approve or auto";
        reader.parsed(node, "a mode", help, |text| Mode::from_name(text).map(Self))
    }
}

text_schema!(ModeName, { "enum": ["observe", "suggest", "approve", "auto"] });

/// A number of things, 1 to a million.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count(pub(crate) u32);

impl Read for Count {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let help = "write a whole number, 1 to 1000000";
        reader.parsed(node, "a number", help, |text| {
            text.parse().ok().filter(|count| (1..=1_000_000).contains(count)).map(Self)
        })
    }
}

text_schema!(Count, { "type": "integer", "minimum": 1, "maximum": 1_000_000 });

/// A share, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(pub(crate) f32);

impl Read for Percent {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed(node, "a share", "write 0 to 100, with or without %", |text| {
            let number: f32 = text.trim_end_matches('%').trim_end().parse().ok()?;
            (0.0..=100.0).contains(&number).then_some(Self(number))
        })
    }
}

text_schema!(Percent, {
    "anyOf": [
        { "type": "number", "minimum": 0, "maximum": 100 },
        { "type": "string", "pattern": r"^\s*[0-9.]+\s*%?\s*$|\$\{" }
    ]
});

/// Modes by the name of the remediation.
#[derive(Debug, Default)]
pub(crate) struct Modes(Vec<(At<Label>, At<ModeName>)>);

impl Modes {
    /// The remediations that have one, as typed.
    pub(crate) fn names(&self) -> impl Iterator<Item = &At<Label>> {
        self.0.iter().map(|(name, _)| name)
    }
}

impl Read for Modes {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, "a map of remediations, each with its mode")?;
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, mode) = (reader.at(key), reader.at(value));
            all.extend(name.zip(mode));
        }
        Some(Self(all))
    }
}

impl JsonSchema for Modes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Modes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mode = generator.subschema_for::<ModeName>();
        json_schema!({ "type": "object", "additionalProperties": mode })
    }
}

/// What the keys mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MendSettings {
    /// Folder of the user's remediation files.
    pub(crate) dir: Option<PathBuf>,
    /// How far those may go that are not named.
    pub(crate) mode: Mode,
    /// How far each of these may go.
    pub(crate) modes: BTreeMap<String, Mode>,
    /// Whether this instance repairs.
    pub(crate) owner: bool,
    /// Runs at once.
    pub(crate) workers: u32,
    /// How much may be done.
    pub(crate) budgets: Budgets,
    /// When it is a storm.
    pub(crate) storm: StormLimits,
    /// Groups of which one device alone is worked on.
    pub(crate) exclusive: BTreeSet<String>,
    /// The numbers of the other guards.
    pub(crate) guards: mend::guard::Limits,
    /// How long a session stays open for the next run on its device.
    pub(crate) keep_session: Duration,
}

impl Default for MendSettings {
    fn default() -> Self {
        Self {
            dir: None,
            mode: Mode::Observe,
            modes: BTreeMap::new(),
            owner: true,
            workers: WORKERS,
            budgets: Budgets::default(),
            storm: StormLimits::default(),
            exclusive: BTreeSet::new(),
            guards: mend::guard::Limits::default(),
            keep_session: Duration::ZERO,
        }
    }
}

impl RawRemediations {
    /// The settings; paths are relative to `folder`.
    pub(crate) fn settings(self, folder: &Path, _: &mut Problems) -> MendSettings {
        let default = MendSettings::default();
        let count = |raw: Option<At<Count>>, default: u32| raw.map_or(default, |raw| raw.value.0);
        let pause =
            |raw: Option<At<Pause>>, default: Duration| raw.map_or(default, |raw| raw.value.0);
        let workers = count(self.workers, default.workers);
        let budgets = self.budgets.map(|raw| raw.value).unwrap_or_default();
        let storm = self.storm.map(|raw| raw.value).unwrap_or_default();
        let modes = self.modes.map(|raw| raw.value.0).unwrap_or_default();
        MendSettings {
            dir: self.dir.map(|path| folder.join(path.value.0)),
            mode: self.mode.map_or(default.mode, |mode| mode.value.0),
            modes: modes.into_iter().map(|(name, mode)| (name.value.0, mode.value.0)).collect(),
            owner: self.owner.is_none_or(|owner| owner.value.0),
            workers,
            budgets: Budgets {
                running: workers,
                running_rule: count(budgets.at_once, default.budgets.running_rule),
                rule: count(budgets.remediation, default.budgets.rule),
                device: count(budgets.device, default.budgets.device),
                inventory: budgets.inventory.map_or(default.budgets.inventory, |raw| raw.value.0),
            },
            storm: StormLimits {
                events: count(storm.events, default.storm.events),
                devices: count(storm.devices, default.storm.devices),
                calm: pause(storm.calm, default.storm.calm),
            },
            exclusive: self.exclusive.map_or_else(BTreeSet::new, |groups| {
                groups.value.0.into_iter().map(|group| group.value.0).collect()
            }),
            guards: mend::guard::Limits {
                people: pause(self.people, default.guards.people),
                approval: pause(self.approval, default.guards.approval),
                ..default.guards
            },
            keep_session: self.keep_session.map_or(default.keep_session, |raw| raw.value.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::from_text;
    use super::super::load::load_text;
    use super::*;

    #[test]
    fn without_a_word_nothing_runs_by_itself() {
        let mending = from_text("site: x\n").mending;
        assert_eq!(*mending, MendSettings::default());
        assert_eq!(mending.mode, Mode::Observe);
    }

    #[test]
    fn each_remediation_may_have_a_mode_of_its_own() {
        let text = "remediations:\n  dir: fixes\n  mode: approve\n  modes: { bounce: auto }\n  \
                    workers: 50\n  budgets: { device: 10, inventory: 5% }\n  storm: { calm: 1m }\n  keep_session: 30s\n";
        let mending = from_text(text).mending;
        assert_eq!((mending.mode, mending.modes["bounce"]), (Mode::Approve, Mode::Auto));
        assert_eq!((mending.workers, mending.budgets.running), (50, 50));
        assert_eq!((mending.budgets.device, mending.budgets.inventory), (10, 5.0));
        assert_eq!(mending.storm.calm, Duration::from_mins(1));
        assert_eq!(mending.keep_session, Duration::from_secs(30));
        assert!(mending.dir.as_ref().is_some_and(|dir| dir.ends_with("fixes")));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, words) in [
            ("remediations: { mode: always }", "write observe, suggest, approve or auto"),
            ("remediations: { workers: 0 }", "write a whole number"),
            ("remediations: { budgets: { inventory: 200 } }", "write 0 to 100"),
            ("remediations: { people: 2d }", "out of range"),
            ("remediations: { keep_session: 2m }", "out of range"),
            ("remediations: { directory: x }", "unknown key"),
        ] {
            let told = load_text("t", text).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }
}
