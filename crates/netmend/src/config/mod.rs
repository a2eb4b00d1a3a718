//! The configuration: what was typed (raw), what it means (validated), and where each word stands.
//!
//! Reading order, each importing only what is above it: [`source`] texts and places, [`problem`] what is
//! wrong, [`yaml`] text to tree, [`secret`] references, [`reader`] tree to values, [`raw`] the keys,
//! [`targets`] and [`settings`] their meaning, [`forms`] which file is what, [`load`] all of it together.

mod forms;
mod glob;
mod host;
mod keys;
mod load;
mod problem;
mod raw;
mod reader;
mod secret;
mod settings;
mod source;
mod targets;
#[cfg(test)]
mod tests;
mod units;
mod yaml;

pub(crate) use load::{Sources, load, load_any};
pub(crate) use problem::Problems;
pub(crate) use settings::Settings;

/// The JSON Schema (draft 2020-12) of a config file.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(raw::RawConfig)
}
