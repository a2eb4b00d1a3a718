//! lab: a simulated world for tests and for people. It must never be mistaken for a real network:
//! whoever shows its answers says SIMULATION.
//!
//! A [`Scenario`] says which hosts there are and how they behave; [`World`] plays it, a packet in and its
//! answers out.
//!
//! Reading order: `prefix`, `behaviour`, `scenario`, `packet`, `world`, `namespace`.

mod behaviour;
mod namespace;
mod packet;
mod prefix;
mod scenario;
mod shipped;
mod world;

pub use behaviour::{
    Behaviour, Damage, Delay, Harm, Late, Port, Ports, Report, RouterError, Share, Span,
};
pub use namespace::{Namespace, NamespaceError};
pub use prefix::{Prefix, PrefixError};
pub use scenario::{Every, Hosts, Phase, Position, Scenario, ScenarioError};
pub use world::{Counters, World};
