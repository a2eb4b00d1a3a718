//! Hears traps and informs of all versions and says what they mean. Informs are answered. A trap is heard from
//! an address; only one of a known user of version 3 proves who sent it. It must not decide what is an event.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_snmp::{
    AuthoritativeEngine, Community, CryptoResult, Notification, NotificationAcceptance,
    NotificationReceiver, PersistedAuthoritativeEngine, SecurityLevel, UsmUser,
};
use model::{Clock, Secret, SnmpUser, UnixMs};
use tokio::sync::{mpsc, watch};

pub use self::meaning::{Notice, Object, Turn};
use super::session::{auth_protocol, privacy_protocol};

mod meaning;

/// After an error of the socket it is read again after so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Whom to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrapOptions {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Communities that are heard; none given means all.
    pub communities: Vec<Secret>,
    /// Users of version 3 that are heard; nobody else of version 3 is.
    pub users: Vec<SnmpUser>,
}

/// The identity that informs of version 3 are addressed to: it must be kept over restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// `snmpEngineID`, 5 to 32 bytes.
    pub id: Vec<u8>,
    /// `snmpEngineBoots`.
    pub boots: u32,
}

/// Keeps the engine's identity where a restart finds it; `Err` says why it could not.
pub type Keep = Arc<dyn Fn(&Engine) -> Result<(), String> + Send + Sync>;

/// A trap that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// When it came in.
    pub at: UnixMs,
    /// Who sent it, by its address.
    pub from: SocketAddr,
    /// Whether a user of version 3 was authenticated, so that nobody else can have sent it.
    pub authenticated: bool,
    /// What it says.
    pub notice: Notice,
}

/// What the listeners have done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapCounters {
    /// Traps and informs handed on.
    pub heard: u64,
    /// Those that nobody took in time.
    pub dropped: u64,
    /// Those of version 3 whose user, password or key was wrong.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Counts {
    heard: AtomicU64,
    dropped: AtomicU64,
}

/// Why traps cannot be heard.
#[derive(Debug, thiserror::Error)]
pub enum TrapError {
    /// A listener cannot be made.
    #[error("cannot hear traps on {address}: {why}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What is wrong.
        why: String,
    },
    /// The thread cannot be made.
    #[error("cannot start to hear traps: {0}")]
    Thread(#[from] io::Error),
}

/// The running listeners.
pub struct Traps {
    stop: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
    receivers: Vec<NotificationReceiver>,
    /// Where they listen.
    pub listening: Vec<SocketAddr>,
}

impl fmt::Debug for Traps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traps").field("listening", &self.listening).finish_non_exhaustive()
    }
}

impl Traps {
    /// Binds all listeners and hears in a thread of its own; what is heard goes to `out`, and what finds no room
    /// there is counted. `engine` is who we were before, `keep` what remembers who we are.
    ///
    /// # Errors
    /// One of the addresses cannot be had, or a user cannot be used.
    pub fn start(
        options: &TrapOptions,
        engine: Option<Engine>,
        keep: &Keep,
        clock: Arc<dyn Clock>,
        out: mpsc::Sender<Trap>,
    ) -> Result<Self, TrapError> {
        let counts = Arc::<Counts>::default();
        // One identity for all listeners: a clone shares its clock and its boots.
        let who = if options.users.is_empty() { None } else { Some(identity(engine, keep)) };
        let (stop, stopped) = watch::channel(false);
        let (told, bound) = std::sync::mpsc::sync_channel(1);
        let (wanted, shared) = (options.clone(), Arc::clone(&counts));
        // Bound where they will run, since whoever starts them may be within a runtime itself.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = async move {
            let receivers = match bind(&wanted, who.as_ref()).await {
                Ok(receivers) => receivers,
                Err(why) => return drop(told.send(Err(why))),
            };
            drop(told.send(Ok(receivers.clone())));
            let mut all = tokio::task::JoinSet::new();
            for receiver in receivers {
                let (clock, out, counts) = (Arc::clone(&clock), out.clone(), Arc::clone(&shared));
                all.spawn(hear(receiver, clock, out, counts, stopped.clone()));
            }
            while all.join_next().await.is_some() {}
        };
        let thread = std::thread::Builder::new().name("traps".into());
        let thread = thread.spawn(move || runtime.block_on(work))?;
        let gone = |_| io::Error::other("the thread ended before it had bound anything");
        let receivers: Vec<NotificationReceiver> = bound.recv().map_err(gone)??;
        let listening = receivers.iter().map(NotificationReceiver::local_addr).collect();
        Ok(Self { stop: Some(stop), thread: Some(thread), counts, receivers, listening })
    }

    /// What they have done.
    pub fn counters(&self) -> TrapCounters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TrapCounters {
            heard: read(&self.counts.heard),
            dropped: read(&self.counts.dropped),
            refused: self.receivers.iter().map(refused).sum(),
        }
    }
}

impl Drop for Traps {
    /// Stops listening and waits for the thread.
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that hears traps panicked");
        }
    }
}

/// Binds all listeners.
async fn bind(
    options: &TrapOptions,
    who: Option<&Result<AuthoritativeEngine, String>>,
) -> Result<Vec<NotificationReceiver>, TrapError> {
    let mut receivers = Vec::new();
    for address in &options.listen {
        let failed = |why: String| TrapError::Listen { address: *address, why };
        let who = who.cloned().transpose().map_err(failed)?;
        receivers.push(receiver(*address, options, who).await.map_err(failed)?);
    }
    Ok(receivers)
}

/// Who we are: as before with one more boot, or somebody new.
fn identity(before: Option<Engine>, keep: &Keep) -> Result<AuthoritativeEngine, String> {
    let keep = Arc::clone(keep);
    let persist = move |now: &PersistedAuthoritativeEngine| {
        keep(&Engine { id: now.engine_id().to_vec(), boots: now.engine_boots() })
            .map_err(io::Error::other)
    };
    let done = match before {
        Some(Engine { id, boots }) => PersistedAuthoritativeEngine::new(id, boots)
            .and_then(|before| AuthoritativeEngine::restart(before, persist)),
        None => async_snmp::generate_engine_id()
            .and_then(|id| AuthoritativeEngine::install(id, persist)),
    };
    done.map_err(|why| why.to_string())
}

async fn receiver(
    address: SocketAddr,
    options: &TrapOptions,
    engine: Option<AuthoritativeEngine>,
) -> Result<NotificationReceiver, String> {
    let communities = options.communities.iter().map(|one| Community::from(one.reveal()));
    let mut builder =
        NotificationReceiver::builder().bind(address.to_string()).communities(communities);
    if let Some(engine) = engine {
        builder = builder.authoritative_engine(engine);
    }
    for user in &options.users {
        builder = builder
            .usm_user(user.name.clone(), |known| usm(known, user))
            .map_err(|why| format!("the user {:?} cannot be used: {why}", user.name))?;
    }
    // A user with a password must have used it: anybody can write its name.
    let levels: Vec<(Vec<u8>, SecurityLevel)> = options
        .users
        .iter()
        .map(|user| {
            let level = match (&user.auth, &user.privacy) {
                (None, _) => SecurityLevel::NoAuthNoPriv,
                (Some(_), None) => SecurityLevel::AuthNoPriv,
                (Some(_), Some(_)) => SecurityLevel::AuthPriv,
            };
            (user.name.clone().into_bytes(), level)
        })
        .collect();
    let builder = builder.acceptance_policy(move |envelope| {
        let wanted = envelope.username.map(|name| levels.iter().find(|(known, _)| known == name));
        match wanted {
            // Of version 1 and 2c: the communities have decided.
            None => NotificationAcceptance::Accept,
            Some(Some((_, level))) if envelope.security_level >= Some(*level) => {
                NotificationAcceptance::Accept
            }
            Some(_) => NotificationAcceptance::Reject,
        }
    });
    builder.build().await.map_err(|why| why.to_string())
}

fn usm(known: UsmUser, user: &SnmpUser) -> CryptoResult<UsmUser> {
    match (&user.auth, &user.privacy) {
        (None, _) => Ok(known),
        (Some((protocol, password)), None) => {
            known.auth(auth_protocol(*protocol), password.reveal())
        }
        (Some((protocol, password)), Some((cipher, key))) => known.auth_priv(
            auth_protocol(*protocol),
            password.reveal(),
            privacy_protocol(*cipher),
            key.reveal(),
        ),
    }
}

/// How many messages of version 3 a receiver did not take.
fn refused(receiver: &NotificationReceiver) -> u64 {
    let refused = [
        receiver.usm_unknown_usernames(),
        receiver.usm_wrong_digests(),
        receiver.usm_decryption_errors(),
    ];
    refused.into_iter().map(u64::from).sum()
}

async fn hear(
    receiver: NotificationReceiver,
    clock: Arc<dyn Clock>,
    out: mpsc::Sender<Trap>,
    counts: Arc<Counts>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let heard = tokio::select! {
            heard = receiver.recv() => heard,
            _ = stopped.changed() => return,
        };
        match heard {
            Ok(heard) => {
                let trap = Trap {
                    at: clock.now_ms(),
                    from: heard.source,
                    authenticated: is_authenticated(&heard.notification),
                    notice: Notice::of(&heard.notification),
                };
                let count = match out.try_send(trap) {
                    Ok(()) => &counts.heard,
                    Err(_) => &counts.dropped,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) => {
                tracing::warn!(%why, "a listener for traps cannot receive");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_authenticated(notification: &Notification) -> bool {
    notification.security_level() >= Some(SecurityLevel::AuthNoPriv)
}
