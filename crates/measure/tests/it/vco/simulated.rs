//! The lab's orchestrator in the test's own process and runtime, for what needs scale, or hours that pass at once:
//! with time paused, penalties, pauses and timeouts take no time.

use std::sync::Arc;
use std::time::Duration;

use lab::{Certificate, Orchestrator, OrchestratorOptions};
use measure::vco::{Address, Client, Config, Credential, Secret};
use model::{ManualClock, UnixNs};
use tokio::net::TcpListener;

use super::peer::NOW;

/// Nothing of it can fail but by our own doing.
pub(crate) const WORKS: &str = "loopback, and what the test itself wrote, is good";

/// An orchestrator that listens.
pub(crate) struct Simulated {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) at: String,
    pub(crate) port: u16,
}

impl Simulated {
    /// Starts one over plain HTTP.
    pub(crate) async fn start(options: OrchestratorOptions) -> Self {
        Self::with(options, None).await
    }

    /// Starts one that shows this certificate.
    pub(crate) async fn with(
        options: OrchestratorOptions,
        certificate: Option<Certificate>,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(UnixNs(NOW * 1_000_000_000)));
        let orchestrator = Orchestrator::new(options, clock);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect(WORKS);
        let address = listener.local_addr().expect(WORKS);
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let serving = orchestrator.clone();
        tokio::spawn(async move { serving.listen(listener, certificate.as_ref()).await });
        let at = format!("{scheme}://{address}");
        Self { orchestrator, at, port: address.port() }
    }

    /// A config with its token.
    pub(crate) fn config(&self) -> Config {
        Config {
            address: Address::parse(&self.at).expect(WORKS),
            credential: Credential::Token(Secret::new("lab")),
            ca: None,
            proxy: None,
            timeout: Duration::from_mins(1),
        }
    }

    /// A client with its token.
    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::new(Client::new(self.config()).expect(WORKS))
    }

    /// A client that logs in.
    pub(crate) fn client_of(&self, username: &str, password: &str) -> Arc<Client> {
        let (username, password) = (username.to_owned(), Secret::new(password));
        let credential = Credential::Password { username, password, login: None };
        Arc::new(Client::new(Config { credential, ..self.config() }).expect(WORKS))
    }

    /// How often it was asked by this method.
    pub(crate) fn asked(&self, method: &str) -> u64 {
        self.orchestrator.asked().get(method).copied().unwrap_or_default()
    }
}
