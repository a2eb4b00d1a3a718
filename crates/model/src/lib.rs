//! The nouns that every other crate speaks: values, units, targets, samples, and the two narrow seams
//! to the world, [`Clock`] and the transport halves. It must do no I/O and know no runtime.
//!
//! Reading order: [`time`] and [`clock`], [`target`], [`probe`], [`transport`], [`series`], [`status`],
//! [`tally`], [`judgement`], [`wan`], [`alert`]; what devices say: [`line`](mod@line), [`device`](mod@device), [`event`](mod@event);
//! what they are asked: [`snmp`], [`interface`]; what is done about it: [`run`].

pub mod alert;
pub mod clock;
pub mod device;
pub mod event;
pub mod interface;
pub mod judgement;
pub mod line;
pub mod path;
pub mod probe;
pub mod rtt_histogram;
pub mod run;
pub mod secret;
pub mod series;
pub mod snmp;
pub mod status;
pub mod tally;
pub mod target;
pub mod text;
pub mod time;
pub mod transport;
pub mod wan;

pub use alert::{Alert, AlertId, AlertState, Severity, Subject};
pub use clock::{Clock, ManualClock, SystemClock};
pub use device::{Device, Identity, Inventory, InventoryError, Login};
pub use event::{Event, EventId, EventState, Evidence, Mode, Origin};
pub use interface::{
    AdminStatus, Both, DeviceReading, Direction, Gap, InterfaceNow, InterfaceReading, OperStatus,
    PolledDevice, Rates, bit_rate, interface_series,
};
pub use judgement::{Change, Judgement, Rule, Standing};
pub use line::{FileId, LineRef, Listener, MAX_LINE, Position, Transport};
pub use path::{Path, PathChange, PathEnd};
pub use probe::{Method, Outcome, ProbeResult, Reason, StampSource};
pub use rtt_histogram::RttHistogram;
pub use run::{Run, RunId, RunState};
pub use secret::Secret;
pub use series::{Band, InterfaceMetric, Labels, Metric, Sample, Series, SeriesId};
pub use snmp::{SnmpAccess, SnmpAuth, SnmpCredential, SnmpPrivacy, SnmpUser};
pub use status::{ProbeCounts, Recent, TargetNow, TargetSeries, TargetState};
pub use tally::{Counts, RttStats, Tally};
pub use target::{Family, PacketOptions, Protocol, Target, TargetId};
pub use time::{UnixMs, UnixNs};
