//! What is written for others to read: points of measurements, for `InfluxDB` and for what takes Prometheus
//! remote write. It sends what the store has acknowledged and nothing else; a sink that is slow or dead
//! holds up nobody.
//!
//! Reading order: [`point`] (what is sent), [`line_protocol`] (how `InfluxDB` reads it).

pub mod line_protocol;
pub mod point;

pub use point::{Field, Kind, Metric, Pairs, Point, Shape, Subject, SubjectRef};
