//! Where netmend remembers: [`Samples`] (series over time) and [`State`] (records that change). The only
//! crate that knows SQL. A call that returns `Ok` has been fsynced: that is what *acknowledged* means.
//!
//! ```
//! use std::sync::Arc;
//! use model::{Labels, Metric, Sample, Series, SystemClock, UnixMs};
//! use store::{Appended, Batch, DataLock, Store};
//!
//! let dir = tempfile::tempdir()?;
//! let _lock = DataLock::acquire(dir.path())?;
//! let store = Store::open(dir.path(), Arc::new(SystemClock))?;
//! let series = Series { metric: Metric::Rtt, labels: Labels::new([("host", "gw")]) };
//! store.samples().register(std::slice::from_ref(&series))?;
//! let sample = Sample { series: series.id(), at: UnixMs(1_700_000_000_000), value: 421.5 };
//! let batch = Batch { source: 0, seq: 1, samples: vec![sample] };
//! assert_eq!(store.samples().append(batch)?, Appended::Committed);
//! assert_eq!(store.samples().latest(&[series.id()])?, [Some((sample.at, 421.5))]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Reading order: [`samples`] and [`state`] (the seams) with [`lines`] and [`mending`], [`store`], then the files behind them:
//! `state_file`; `samples_file` and `engine`; `codec`; `file`. [`mod@backup`] and [`lock`] stand beside, and
//! [`sink`], which passes on what was stored.

pub mod backup;
mod codec;
mod engine;
pub mod error;
mod file;
pub mod lines;
pub mod lock;
pub mod mending;
pub mod samples;
mod samples_file;
pub mod sink;
pub mod state;
mod state_file;
pub mod store;

pub use backup::{backup, restore};
pub use error::Error;
pub use lines::{FilePosition, LineBatch, LineQuery, LineRetention, LineView, StoredLine};
pub use lock::DataLock;
pub use mending::{
    Answered, Ask, AuditNote, AuditQuery, Claim, ClaimLimits, Claimed, EventMove, EventPlan,
    Offender, PlannedRule, PrecedentQuery, Precedents, RuleRecord, RunChange, RunQuery, StormCount,
};
pub use samples::{
    Appended, Batch, Bucket, RangeAnswer, RangeQuery, Retention, Samples, SamplesStats,
};
pub use samples_file::SamplesFile;
pub use state::{
    AlertQuery, Applied, Change, Done, EventChange, EventQuery, EventReport, Mark, Memo, Query,
    Record, State, Value,
};
pub use state_file::{StateFile, StateReader, check_audit};
pub use store::Store;
