//! The scenarios that come with netmend. They are files, and in the binary too, so that a scenario can be
//! called by its name.

use std::path::Path;

use crate::scenario::{Scenario, ScenarioError};

/// Name and text of each.
const SHIPPED: [(&str, &str); 5] = [
    ("bench", include_str!("../scenarios/bench.toml")),
    ("hostile", include_str!("../scenarios/hostile.toml")),
    ("outage", include_str!("../scenarios/outage.toml")),
    ("ports", include_str!("../scenarios/ports.toml")),
    ("routers", include_str!("../scenarios/routers.toml")),
];

impl Scenario {
    /// Names of the shipped scenarios.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// A shipped scenario by its name, or else a scenario file by its path.
    pub fn named(name: &str) -> Result<Self, ScenarioError> {
        match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            Some((_, text)) => Self::parse(&format!("{name}.toml"), text),
            None => Self::load(Path::new(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_file_is_shipped_and_right() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, SHIPPED.len());
        for name in Scenario::shipped() {
            let scenario = Scenario::named(name).unwrap();
            assert!(!scenario.about.is_empty(), "{name}");
        }
    }
}
