//! The checks of the tests, for the fuzz targets.

#[path = "../crates/measure/tests/it/checks.rs"]
pub mod checks;
