//! Calls a web address each minute while all stages move, so that somebody else notices when netmend does
//! not. It tells nobody by itself.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use show::Now;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Time between two calls.
const EVERY: Duration = Duration::from_mins(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Calls the address that the configuration names, as long as it names one.
pub(crate) struct Heartbeat {
    address: watch::Receiver<Option<String>>,
    now: Arc<dyn Now>,
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heartbeat").finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Looks at the stages through `now`.
    pub(crate) fn new(address: watch::Receiver<Option<String>>, now: Arc<dyn Now>) -> Self {
        Self { address, now }
    }

    /// Calls until `done`.
    pub(crate) async fn run(self, done: CancellationToken) {
        let mut minute = tokio::time::interval(EVERY);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut works = true;
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = minute.tick() => {}
            }
            let Some(address) = self.address.borrow().clone() else { continue };
            if let Some(stuck) = self.now.stages().into_iter().find(|stage| stage.stuck.is_some()) {
                tracing::warn!(stage = stuck.name, why = ?stuck.stuck, "no heartbeat: a stage is stuck");
                continue;
            }
            let called = tokio::select! {
                () = done.cancelled() => return,
                called = call(&address) => called,
            };
            match &called {
                Ok(()) if !works => tracing::info!("the heartbeat is heard again"),
                Err(why) if works => tracing::warn!(%why, "the heartbeat is not heard"),
                _ => {}
            }
            works = called.is_ok();
        }
    }
}

/// One call; the error names no path, which may be a secret.
async fn call(address: &str) -> Result<(), String> {
    // Whoever was first to install one wins; all of ours are the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .user_agent(concat!("netmend/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(sentence)?;
    let answer = client.get(address).send().await.map_err(sentence)?;
    answer.error_for_status().map(drop).map_err(sentence)
}

/// What went wrong and its deepest cause.
fn sentence(why: reqwest::Error) -> String {
    let why = why.without_url();
    let mut cause = why.source();
    while let Some(deeper) = cause.and_then(Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| why.to_string(), |cause| format!("{why}: {cause}"))
}
