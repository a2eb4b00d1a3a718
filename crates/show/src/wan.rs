//! Which WAN links, in which order: the query that the page, the API and the links between them share. All of
//! it is in the URL. It must not render anything.

use std::sync::Arc;

use model::wan::{LinkState, Quality, Traffic};

use crate::port::links::{LinkNow, LinksNow};
use crate::select::BadParam;

/// Rows of a page.
pub(crate) const PAGE_ROWS: usize = 200;

/// What to show of all links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sifting {
    /// Part of a name: of the customer, edge, link, provider, gateway or site, in any case.
    pub(crate) text: String,
    /// The orchestrator, exactly.
    pub(crate) orchestrator: String,
    /// How good for what; one of both alone means the worst of all traffic, or nothing.
    pub(crate) quality: Option<Quality>,
    /// For which traffic.
    pub(crate) traffic: Option<Traffic>,
    /// Whether the worst come first.
    pub(crate) worst: bool,
    /// Which page, from 1.
    pub(crate) page: usize,
}

/// How a link is for all traffic, or for one kind: as the worst of it. `None` where nobody knows.
pub(crate) fn quality(link: &LinkNow, traffic: Option<Traffic>) -> Option<Quality> {
    let reading = link.reading()?;
    if !link.state.is_judged() {
        return None;
    }
    if let Some(traffic) = traffic {
        return traffic.of(reading);
    }
    let all = Traffic::ALL.map(|traffic| traffic.of(reading));
    all.into_iter().collect::<Option<Vec<_>>>()?.into_iter().max()
}

impl Sifting {
    /// Reads it from a query.
    pub(crate) fn parse(pairs: &[(String, String)]) -> Result<Self, BadParam> {
        let mut sifting = Self { page: 1, ..Self::default() };
        for (name, value) in pairs {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let bad = |name, allowed: String| BadParam { name, value: value.to_owned(), allowed };
            match name.as_str() {
                "text" => value.clone_into(&mut sifting.text),
                "orchestrator" => value.clone_into(&mut sifting.orchestrator),
                "quality" => {
                    let known = Quality::from_name(value);
                    let names = || Quality::ALL.map(Quality::as_str).join(", ");
                    sifting.quality = Some(known.ok_or_else(|| bad("quality", names()))?);
                }
                "for" => {
                    let known = Traffic::ALL.into_iter().find(|known| known.as_str() == value);
                    let names = || Traffic::ALL.map(Traffic::as_str).join(", ");
                    sifting.traffic = Some(known.ok_or_else(|| bad("for", names()))?);
                }
                "sort" => match value {
                    "worst" => sifting.worst = true,
                    "name" => sifting.worst = false,
                    _ => return Err(bad("sort", "name, worst".to_owned())),
                },
                "page" => {
                    let page = value.parse().ok().filter(|page| *page > 0);
                    sifting.page = page.ok_or_else(|| bad("page", "a number from 1".to_owned()))?;
                }
                _ => {}
            }
        }
        Ok(sifting)
    }

    /// The links that fit, in order.
    pub(crate) fn apply(&self, now: &LinksNow) -> Vec<Arc<LinkNow>> {
        let text = self.text.to_lowercase();
        let fits = |link: &&Arc<LinkNow>| {
            let of = &link.subject;
            let mut names = of.labels().map(|(_, value)| value.to_lowercase());
            let named = text.is_empty() || names.any(|name| name.contains(&text));
            let whose = self.orchestrator.is_empty() || of.orchestrator == self.orchestrator;
            let good =
                self.quality.is_none_or(|wanted| quality(link, self.traffic) == Some(wanted));
            named && whose && good
        };
        let mut links: Vec<Arc<LinkNow>> = now.links.iter().filter(fits).cloned().collect();
        if self.worst {
            links.sort_by_key(|link| rank(link, self.traffic));
        }
        links
    }

    /// The same on another page.
    pub(crate) fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// The query, with its question mark; empty if everything is shown.
    pub(crate) fn to_query(&self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                crate::select::add(&mut query, name, value);
            }
        };
        add("text", &self.text);
        add("orchestrator", &self.orchestrator);
        add("quality", self.quality.map_or("", Quality::as_str));
        add("for", self.traffic.map_or("", Traffic::as_str));
        add("sort", if self.worst { "worst" } else { "" });
        if self.page > 1 {
            add("page", &self.page.to_string());
        }
        query
    }
}

/// The worst first: dead, critical, fair, unknown, good, then those that are not judged.
fn rank(link: &LinkNow, traffic: Option<Traffic>) -> u8 {
    match (link.state, quality(link, traffic)) {
        (LinkState::Dead, _) => 0,
        (LinkState::Standby | LinkState::Disconnected, _) => 5,
        (LinkState::Active, Some(Quality::Critical)) => 1,
        (LinkState::Active, Some(Quality::Fair)) => 2,
        (LinkState::Active, None) => 3,
        (LinkState::Active, Some(Quality::Good)) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::UnixMs;
    use model::alert::LinkSubject;
    use model::wan::{Link, Reading};

    fn link(name: &str, state: LinkState, latency: Option<f64>) -> Arc<LinkNow> {
        let link = Link {
            enterprise: None,
            customer: "A".to_owned(),
            edge: "1".to_owned(),
            edge_name: "LDN".to_owned(),
            id: name.to_owned(),
            name: name.to_owned(),
            interface: None,
            isp: Some("An ISP".to_owned()),
            gateway: None,
            site: None,
            state,
        };
        let values = [latency, latency, Some(1.0), Some(1.0), Some(0.0), Some(0.0)];
        let subject = Arc::new(LinkSubject::of("corp", &link));
        let recent = vec![Reading { at: UnixMs(0), values }];
        Arc::new(LinkNow { subject, state, fresh: latency.is_some(), recent })
    }

    fn names(sifting: &Sifting) -> String {
        let links = vec![
            link("good", LinkState::Active, Some(10.0)),
            link("fair", LinkState::Active, Some(60.0)),
            link("bad", LinkState::Active, Some(90.0)),
            link("old", LinkState::Active, None),
            link("spare", LinkState::Standby, Some(10.0)),
            link("dead", LinkState::Dead, Some(10.0)),
        ];
        let now = LinksNow { links, ..LinksNow::default() };
        let found = sifting.apply(&now);
        found.iter().map(|link| link.subject.wan.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn parse(pairs: &[(&str, &str)]) -> Result<Sifting, BadParam> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sifting::parse(&pairs)
    }

    #[test]
    fn links_are_found_by_name_and_quality_and_the_worst_come_first() {
        let of = |pairs: &[(&str, &str)]| names(&parse(pairs).unwrap());
        assert_eq!(of(&[("sort", "worst")]), "dead bad fair old good spare");
        assert_eq!(of(&[("quality", "critical")]), "bad", "what is old or waits is not rated");
        assert_eq!(of(&[("quality", "fair"), ("for", "transactional")]), "fair");
        assert_eq!(of(&[("text", "an isp"), ("quality", "good")]), "good dead");
        assert_eq!(of(&[("orchestrator", "other")]), "");
    }

    #[test]
    fn a_query_reads_back_and_a_wrong_one_is_told() {
        let full = [("text", "a b"), ("quality", "fair"), ("for", "voice"), ("sort", "worst")];
        let sifting = parse(&full).unwrap();
        assert_eq!(sifting.to_query(), "?text=a%20b&quality=fair&for=voice&sort=worst");
        assert!(parse(&[("quality", "best")]).unwrap_err().to_string().contains("critical, fair"));
        assert!(parse(&[("page", "0")]).is_err());
    }
}
