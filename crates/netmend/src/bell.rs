//! A bell between those who have something to do and the thread that does it. It says nothing about what.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// The longest sleep where nothing rings before.
const BEAT: Duration = Duration::from_millis(200);

/// A bell that the thread sleeps beside.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<(bool, bool)>,
    wake: Condvar,
}

impl Bell {
    /// Something may be due.
    pub(crate) fn ring(&self) {
        self.rung.lock().expect("no holder of this lock can panic").0 = true;
        self.wake.notify_all();
    }

    /// Nothing more is to be done.
    pub(crate) fn stop(&self) {
        self.rung.lock().expect("no holder of this lock can panic").1 = true;
        self.wake.notify_all();
    }

    /// Waits for the bell, or a while; true once it is time to stop.
    pub(crate) fn wait(&self) -> bool {
        let rung = self.rung.lock().expect("no holder of this lock can panic");
        let still = |rung: &mut (bool, bool)| !rung.0 && !rung.1;
        let (mut rung, _) = self
            .wake
            .wait_timeout_while(rung, BEAT, still)
            .expect("no holder of this lock can panic");
        rung.0 = false;
        rung.1
    }
}
