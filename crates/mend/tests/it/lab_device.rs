//! A simulated device in memory and a session on it, by tokio's paused time: a test that waits for a
//! timeout takes no time.

use std::sync::Arc;

use lab::{Device, DeviceOptions, Dialect, Misbehaviour};
use mend::session::{HostKeys, Limits, Session, SessionError};
use mend::{Endpoint, Platform};
use model::{Login, ManualClock, Secret, UnixNs};
use tokio::io::copy_bidirectional;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The password of the tests, looked for where it must not be.
pub(crate) const PASSWORD: &str = "hunter2-of-the-lab";

/// A device and how to get in.
pub(crate) struct Bench {
    pub(crate) device: Device,
    pub(crate) endpoint: Endpoint,
    pub(crate) limits: Limits,
    keys: HostKeys,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// A device that behaves.
    pub(crate) fn new(platform: Platform) -> Self {
        Self::with(platform, |_| {})
    }

    /// A device that does one thing wrong.
    pub(crate) fn wrong(platform: Platform, misbehaviour: Misbehaviour) -> Self {
        Self::with(platform, |options| options.misbehaviours = vec![misbehaviour])
    }

    /// A device as told; its host key is trusted.
    pub(crate) fn with(platform: Platform, change: impl FnOnce(&mut DeviceOptions)) -> Self {
        let dialect = Dialect::named(platform.name()).unwrap();
        let mut options = DeviceOptions::new("r1", dialect);
        options.password = PASSWORD.into();
        change(&mut options);
        let device = Device::new(options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_devices");
        std::fs::write(&path, format!("r1 {}\n", device.public_key())).unwrap();
        let mut login = Login::new("netmend");
        login.password = Some(Secret::new(PASSWORD));
        let endpoint =
            Endpoint { device: "r1".into(), addresses: Vec::new(), login, platform, jump: None };
        let keys = HostKeys::at(path);
        Self { device, endpoint, limits: Limits::default(), keys, _folder: folder }
    }

    /// Logs in.
    pub(crate) async fn open(&self) -> Result<Session, SessionError> {
        self.open_on(&self.device).await
    }

    /// Logs in to whatever device stands in the place of ours.
    pub(crate) async fn open_on(&self, device: &Device) -> Result<Session, SessionError> {
        self.open_until(device).await.0
    }

    /// The same; the device can be reached until the task ends.
    pub(crate) async fn open_until(
        &self,
        device: &Device,
    ) -> (Result<Session, SessionError>, AbortHandle) {
        self.open_over(device, Arc::default()).await
    }

    /// The same; once it is told, nothing gets through any more, and nobody hangs up.
    pub(crate) async fn open_over(
        &self,
        device: &Device,
        silence: Arc<Notify>,
    ) -> (Result<Session, SessionError>, AbortHandle) {
        let (ours, mut near) = tokio::io::duplex(64 << 10);
        let (mut far, theirs) = tokio::io::duplex(64 << 10);
        let device = device.clone();
        tokio::spawn(async move { device.serve(theirs).await });
        // A way that can be cut: the device would go on serving what it has begun with.
        let way = tokio::spawn(async move {
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = silence.notified() => std::future::pending().await,
            }
        });
        let clock = Arc::new(ManualClock::new(UnixNs(0)));
        let limits = self.limits.clone();
        let opened = Session::open_over(ours, &self.endpoint, &self.keys, limits, clock).await;
        (opened, way.abort_handle())
    }
}
