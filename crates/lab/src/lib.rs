//! lab: a simulated world for tests and for people. It must never be mistaken for a real network:
//! whoever shows its answers says SIMULATION.

mod namespace;

pub use namespace::{Namespace, NamespaceError};
