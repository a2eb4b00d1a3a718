//! What every stage stands on: the store and the clock. It must not know any stage.

use std::sync::Arc;

use model::Clock;
use store::{Samples, State, Store};

/// Shared by all stages.
#[derive(Clone)]
pub(crate) struct Ground {
    /// The past, as series.
    pub(crate) samples: Arc<dyn Samples>,
    /// The past, as records.
    pub(crate) state: Arc<dyn State>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Ground {
    /// This store and this clock.
    pub(crate) fn of(store: &Store, clock: &Arc<dyn Clock>) -> Self {
        Self { samples: store.samples(), state: store.state(), clock: Arc::clone(clock) }
    }
}
