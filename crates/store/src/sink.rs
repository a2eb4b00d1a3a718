//! What is written for others to read: points of measurements, for `InfluxDB` and for what takes Prometheus
//! remote write. It sends what the store has acknowledged and nothing else; a sink that is slow or dead
//! holds up nobody.
//!
//! ```text
//!   points ──Frames──> Spool ──Batch──> Courier ──lines or series──> a sink
//!                        (disk)            └── one for each sink, with a place of its own in the spool
//! ```
//!
//! Reading order: [`point`] (what is sent), [`frame`] and [`spool`] (where it waits), [`points`] (what is sent at
//! once), [`courier`] (who brings it, and what an answer means), then the sinks: [`line_protocol`] and [`influx`],
//! [`remote_write`].

mod answer;
mod bodies;
pub mod courier;
pub mod frame;
pub mod http;
pub mod influx;
pub mod line_protocol;
pub mod point;
pub mod points;
pub mod remote_write;
pub mod spool;

pub use courier::{Courier, Failing, Next, SinkConfig, SinkNow, SinkView, Unfit};
pub use frame::Frames;
pub use http::{BadSink, Credential, Endpoint};
pub use influx::{InfluxConfig, Place};
pub use point::{Field, Kind, Metric, Pairs, Point, Shape, Subject, SubjectRef};
pub use points::Points;
pub use remote_write::RemoteWriteConfig;
pub use spool::{Batch, Found, Limits, Spool, Waiting};
