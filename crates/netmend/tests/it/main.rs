//! The daemon as its users meet it: the built binary on this machine's loopback, spoken to by HTTP and
//! signals. Nothing in here looks inside.

mod alerts;
mod backup;
mod control;
mod daemon;
mod discovery;
mod disk;
mod explain;
mod grafana;
mod guides;
mod kill;
mod lab;
mod lifecycle;
mod mail_server;
mod mending;
mod reload;
mod sinks;
mod snmp;
mod syslog;
mod telemetry;
mod users;
mod wan;
