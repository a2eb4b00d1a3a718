//! An orchestrator of an SD-WAN, of whichever vendor: one enum that asks the right module. A further vendor is
//! one variant and one arm a question here, beside its own file. It must not interpret answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sdwan::{BadConfig, EdgeId, Error, Happening, Place, Poll, Readings, Scope, Window};
use crate::{meraki, vco};

/// How an orchestrator is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// A VeloCloud Orchestrator (VMware, Broadcom, Arista).
    Vco(vco::Config),
    /// Cisco Meraki's dashboard.
    Meraki(meraki::Config),
}

impl Config {
    /// Scheme, host and port.
    pub fn at(&self) -> String {
        match self {
            Self::Vco(config) => config.address.to_string(),
            Self::Meraki(config) => config.address.to_string(),
        }
    }

    /// The vendor's product, for people.
    pub fn product(&self) -> &'static str {
        match self {
            Self::Vco(_) => "VeloCloud",
            Self::Meraki(_) => "Cisco Meraki",
        }
    }
}

/// An orchestrator to ask.
#[derive(Clone, Debug)]
pub enum Orchestrator {
    /// A VeloCloud Orchestrator.
    Vco(Arc<vco::Client>),
    /// Cisco Meraki's dashboard.
    Meraki(Arc<meraki::Client>),
}

impl Orchestrator {
    /// Makes a client; contacts nobody.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: Config) -> Result<Self, BadConfig> {
        Ok(match config {
            Config::Vco(config) => Self::Vco(Arc::new(vco::Client::new(config)?)),
            Config::Meraki(config) => Self::Meraki(Arc::new(meraki::Client::new(config)?)),
        })
    }

    /// How people name it: scheme, host and port.
    pub fn at(&self) -> &str {
        match self {
            Self::Vco(client) => client.at(),
            Self::Meraki(client) => client.at(),
        }
    }

    /// Asks once for all links and their readings.
    ///
    /// # Errors
    /// What concerns all edges.
    pub async fn poll(&self, scope: &Scope) -> Result<Poll, Error> {
        match self {
            Self::Vco(client) => vco::poll(client, scope).await,
            Self::Meraki(client) => client.poll(scope).await,
        }
    }

    /// What one edge measured in a window of the past.
    ///
    /// # Errors
    /// The orchestrator does not say.
    pub async fn history(
        &self,
        edge: &EdgeId,
        window: Window,
        minutes: u64,
    ) -> Result<Readings, Error> {
        match self {
            Self::Vco(client) => vco::history(client, edge, window, minutes).await,
            Self::Meraki(_) => Ok(Readings::new()),
        }
    }

    /// What happened to a customer's edges within a window, oldest first.
    ///
    /// # Errors
    /// The orchestrator does not say.
    pub async fn events(
        &self,
        enterprise: Option<i64>,
        window: Window,
    ) -> Result<Vec<Happening>, Error> {
        match self {
            Self::Vco(client) => vco::events(client, enterprise, window).await,
            Self::Meraki(_) => Ok(Vec::new()),
        }
    }

    /// Where edges are.
    ///
    /// # Errors
    /// The orchestrator as a whole does not answer.
    pub async fn places(&self, edges: &[EdgeId]) -> Result<BTreeMap<EdgeId, Place>, Error> {
        match self {
            Self::Vco(client) => vco::places(client, edges).await,
            Self::Meraki(_) => Ok(BTreeMap::new()),
        }
    }
}
