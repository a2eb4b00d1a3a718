//! Calls a web address each minute while all stages move, so that somebody else notices when netmend does
//! not. It tells nobody by itself.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use model::Clock;
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
    /// How long to wait for a minute to pass.
    every: Duration,
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heartbeat").finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Looks at the stages through `now`, each minute of `clock`.
    pub(crate) fn new(
        address: watch::Receiver<Option<String>>,
        now: Arc<dyn Now>,
        clock: &dyn Clock,
    ) -> Self {
        Self { address, now, every: clock.wait(EVERY) }
    }

    /// Calls until `done`.
    pub(crate) async fn run(self, done: CancellationToken) {
        let mut minute = tokio::time::interval(self.every);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use model::UnixNs;
    use show::{Snapshot, Stage, System};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Stages of which one is stuck at the second look.
    #[derive(Default)]
    struct Looked(AtomicUsize);

    impl Now for Looked {
        fn targets(&self) -> Arc<Snapshot> {
            unreachable!("a heartbeat asks for stages alone")
        }
        fn system(&self) -> System {
            unreachable!("a heartbeat asks for stages alone")
        }
        fn stages(&self) -> Vec<Stage> {
            let second = self.0.fetch_add(1, Ordering::SeqCst) == 1;
            let stuck = second.then(|| "nothing has been judged for 20 s".to_owned());
            vec![Stage { name: "measure", stuck: None }, Stage { name: "judge", stuck }]
        }
    }

    /// Its minutes are over at once.
    #[derive(Debug)]
    struct Short;

    impl Clock for Short {
        fn now(&self) -> UnixNs {
            UnixNs(0)
        }
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
        fn wait(&self, span: Duration) -> Duration {
            span / 60_000
        }
    }

    #[tokio::test]
    async fn a_heartbeat_is_heard_each_minute_but_not_while_a_stage_is_stuck() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/beat?key=secret", server.local_addr().unwrap());
        let (_config, address) = watch::channel(Some(address));
        let (looked, done) = (Arc::new(Looked::default()), CancellationToken::new());
        let heartbeat = Heartbeat::new(address, Arc::clone(&looked) as _, &Short);
        let running = tokio::spawn(heartbeat.run(done.clone()));
        for looks in [1, 3] {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            assert!(head[..read].starts_with(b"GET /beat?key=secret HTTP/1.1"));
            // The caller waits for the answer, and looks no further meanwhile.
            assert_eq!(looked.0.load(Ordering::SeqCst), looks);
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
        done.cancel();
        running.await.unwrap();
    }
}
