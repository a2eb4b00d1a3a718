//! A WAN link as alerts name it. It must hold no rule.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::SeriesId;
use crate::wan::{self, Link, WanMetric};

/// A WAN link as alerts name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkSubject {
    /// What names the link in URLs: [`wan::key`].
    pub series: SeriesId,
    /// Who watches it, as the configuration calls it.
    pub orchestrator: String,
    /// Name of the customer.
    pub enterprise: String,
    /// Name of the edge.
    pub edge: String,
    /// Name of the link.
    pub wan: String,
    /// The link's identity at its orchestrator.
    pub id: String,
    /// The edge's interface.
    pub interface: Option<String>,
    /// Who provides it.
    pub isp: Option<String>,
    /// The gateway that the edge is assigned to first.
    pub gateway: Option<String>,
    /// Where the edge stands.
    pub site: Option<String>,
}

impl LinkSubject {
    /// The subject that a link is.
    pub fn of(orchestrator: &str, link: &Link) -> Self {
        Self {
            series: wan::key(orchestrator, &link.id),
            orchestrator: orchestrator.to_owned(),
            enterprise: link.customer.clone(),
            edge: link.edge_name.clone(),
            wan: link.name.clone(),
            id: link.id.clone(),
            interface: link.interface.clone(),
            isp: link.isp.clone(),
            gateway: link.gateway.clone(),
            site: link.site.clone(),
        }
    }

    /// The value of a label that routes and silences match: `kind`, `orchestrator`, `enterprise`, `edge`,
    /// `wan`, `interface`, `isp`, `gateway` or `site`.
    pub fn label(&self, name: &str) -> Option<String> {
        if name == "kind" {
            return Some("link".to_owned());
        }
        self.labels().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    /// All labels but `kind`, each with its value.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("orchestrator", Some(&self.orchestrator)),
            ("enterprise", Some(&self.enterprise)),
            ("edge", Some(&self.edge)),
            ("wan", Some(&self.wan)),
            ("interface", self.interface.as_ref()),
            ("isp", self.isp.as_ref()),
            ("gateway", self.gateway.as_ref()),
            ("site", self.site.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.as_str())))
    }

    /// Which of the link's six metrics a series holds.
    pub fn metric(&self, series: SeriesId) -> Option<WanMetric> {
        let mut all = WanMetric::ALL.into_iter();
        all.find(|metric| wan::series(&self.orchestrator, &self.id, *metric).id() == series)
    }

    /// What it has in common with other links, as tag and value; of several that explain a fault as well the
    /// last one is told. Edges and sites of two customers may bear
    /// one name, so theirs say whose they are; gateways and providers serve many customers.
    pub fn shared(&self) -> impl Iterator<Item = (&'static str, String)> {
        let whose = |name: &String| format!("{name} of {}", self.enterprise);
        let site = self.site.as_ref().filter(|site| **site != self.edge);
        [
            ("edge", Some(whose(&self.edge))),
            ("site", site.map(whose)),
            ("isp", self.isp.clone()),
            ("gateway", self.gateway.clone()),
        ]
        .into_iter()
        .filter_map(|(tag, value)| Some((tag, value?)))
    }
}

impl fmt::Display for LinkSubject {
    /// `EDGE LINK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.edge, self.wan)
    }
}
