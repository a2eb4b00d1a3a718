//! Sessions that stay open for a while after a run, so that the next one on the same device need not log in
//! again. At most one a device. It knows nothing of runs, and sends a device nothing but the question whether
//! it is still there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::change::Trial;
use super::limits::Limits;
use super::shell::Shell;
use super::transcript::Transcript;
use super::{Session, limited};
use crate::endpoint::Endpoint;

/// The longest that the answer to the question may take. Who answered less than this ago is not asked.
const PONG: Duration = Duration::from_secs(2);

/// The open sessions that nobody uses; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    keep: Duration,
    /// The number of the session that was put down last.
    last: u64,
    idle: HashMap<String, Idle>,
}

#[derive(Debug)]
struct Idle {
    number: u64,
    /// When it was put down.
    since: Instant,
    endpoint: Endpoint,
    session: Session,
}

impl Kept {
    /// Sessions that are put down from now on stay open for so long; not at all if that is nothing.
    pub fn keep_for(&self, keep: Duration) {
        self.locked().keep = keep;
    }

    /// The open session on a device, if it is still there and was opened in just this way.
    pub async fn take(&self, endpoint: &Endpoint, limits: &Limits) -> Option<Session> {
        let idle = self.locked().idle.remove(&endpoint.device)?;
        let mut session = idle.session;
        if idle.endpoint == *endpoint && session.is_alive(idle.since.elapsed()).await {
            session.resume(limits.clone());
            return Some(session);
        }
        session.close().await;
        None
    }

    /// Puts a session down that may be taken again, or closes it; gives what was said in it.
    pub async fn put(&self, endpoint: &Endpoint, mut session: Session) -> Transcript {
        let keep = self.locked().keep;
        if keep.is_zero() || !session.is_ready() {
            return session.close().await;
        }
        let transcript = std::mem::take(&mut session.transcript);
        let number = {
            let mut state = self.locked();
            state.last += 1;
            let number = state.last;
            let since = Instant::now();
            let idle = Idle { number, since, endpoint: endpoint.clone(), session };
            state.idle.insert(endpoint.device.clone(), idle);
            number
        };
        let (kept, device) = (self.clone(), endpoint.device.clone());
        tokio::spawn(async move {
            tokio::time::sleep(keep).await;
            let late = kept.overdue(&device, number);
            if let Some(idle) = late {
                idle.session.close().await;
            }
        });
        transcript
    }

    /// Ends all of them.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut self.locked().idle);
        let closing: Vec<_> =
            idle.into_values().map(|idle| tokio::spawn(idle.session.close())).collect();
        for closing in closing {
            // Whoever panicked has let go of the device, too.
            let _ = closing.await;
        }
    }

    /// A session that nobody has taken since it was put down.
    fn overdue(&self, device: &str, number: u64) -> Option<Idle> {
        let mut state = self.locked();
        let same = state.idle.get(device).is_some_and(|idle| idle.number == number);
        if same { state.idle.remove(device) } else { None }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

impl Session {
    /// Whether the next command can be sent, at the prompt where the first one was.
    fn is_ready(&self) -> bool {
        let configuring = self.shell.as_ref().is_some_and(Shell::is_configuring);
        self.broken.is_none() && !configuring && !self.undoes_itself()
    }

    /// Whether the device is still at the other end, and so is its command line. It has been idle for so long.
    async fn is_alive(&mut self, idle: Duration) -> bool {
        let handle = &self.connection.handle;
        let asked = async {
            if idle < PONG {
                return Ok(());
            }
            // That nothing came of it shows in the connection, which is looked at next.
            let _ = handle.send_ping().await;
            Ok(())
        };
        let answered = limited(&self.device, "say that it is there", PONG, asked).await.is_ok();
        let open = match &mut self.shell {
            Some(shell) => shell.drain().await,
            None => true,
        };
        answered && open && !self.connection.handle.is_closed()
    }

    /// Begins anew in an open session.
    fn resume(&mut self, limits: Limits) {
        (self.limits, self.trial) = (limits, Trial::default());
        let now = (self.clock.now_ms(), self.clock.monotonic());
        self.note(now, "(goes on in an open session)", "", None);
    }
}
