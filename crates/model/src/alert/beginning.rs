//! An alert as it begins. Whoever makes one adds what is known besides.

use super::{Alert, AlertId, AlertState, Severity, Subject};
use crate::UnixMs;

impl Alert {
    /// A firing alert that was noticed at once, and of which nothing more is known.
    pub fn new(id: AlertId, subject: Subject, severity: Severity, since: UnixMs) -> Self {
        Self {
            id,
            subject,
            severity,
            state: AlertState::Firing,
            cause: None,
            since,
            raised: since,
            ended: None,
            findings: Vec::new(),
            normal: Vec::new(),
            members: Vec::new(),
            affected: 0,
            total: 0,
            neighbours: Vec::new(),
            clues: Vec::new(),
            ack: None,
            quiet: Vec::new(),
            reopened: 0,
            flapping: false,
            told: false,
            history: Vec::new(),
        }
    }
}
