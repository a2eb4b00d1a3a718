//! lab: a simulated world for tests and for people. It must never be mistaken for a real network:
//! whoever shows its answers says SIMULATION.
//!
//! A [`Scenario`] says which hosts there are and how they behave; [`World`] plays it, a packet in and its
//! answers out.
//!
//! [`SimulatedNetwork`] puts a world behind the seam of the kernel's sockets, in the process and by any clock.
//! [`Simulation`] puts it behind a TUN device in a [`Namespace`], for real sockets and other people's tools.
//!
//! [`Device`] is a network device with a command line over SSH; [`Agent`] one that answers SNMP;
//! [`Orchestrator`] an SD-WAN's.
//!
//! Reading order: `prefix`, `behaviour`, `scenario`, `packet`, `world`, `queue`, `in_process`, `namespace`,
//! `tun`, `simulation`, `words`; `device`, `agent`, `orchestrator`.

mod agent;
mod behaviour;
mod device;
mod histogram;
mod in_process;
mod namespace;
mod orchestrator;
mod packet;
mod prefix;
mod queue;
mod scenario;
mod shipped;
mod simulation;
pub mod syslog;
mod tun;
mod words;
mod world;

pub use agent::{Agent, AgentHabit, AgentOptions};
pub use behaviour::{
    Behaviour, Damage, Delay, Harm, Late, Port, Ports, Report, RouterError, Share, Span,
};
pub use device::{Device, DeviceOptions, Dialect, KeyKind, Misbehaviour};
pub use histogram::Histogram;
pub use in_process::SimulatedNetwork;
pub use namespace::{Namespace, NamespaceError};
pub use orchestrator::{
    Certificate, Failing, Of, Orchestrator, OrchestratorFault, OrchestratorOptions, Trouble, What,
};
pub use prefix::{Prefix, PrefixError};
pub use scenario::{Every, Hosts, Phase, Position, Scenario, ScenarioError};
pub use simulation::{Options, Report as SimulationReport, Simulation, SimulationError};
pub use world::{Counters, World};
