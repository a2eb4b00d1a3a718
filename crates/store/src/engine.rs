//! The machinery behind [`crate::Samples`]: heads in memory, one thread that writes, one that packs, and
//! readers beside them.
//!
//! Reading order: `heads` (what is not in chunks yet), `shared` (what threads see of each other),
//! `sealer` (heads into chunks), `load` (what is in memory, at the start), `writer` (all that changes the file),
//! `retention`, `reader` (questions).

pub(crate) mod heads;
pub(crate) mod load;
pub(crate) mod reader;
pub(crate) mod retention;
pub(crate) mod sealer;
pub(crate) mod shared;
pub(crate) mod summary;
pub(crate) mod writer;
