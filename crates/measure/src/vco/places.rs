//! Where edges are: their sites, by one question a customer, and the gateways they are assigned to, by one
//! question an edge. Both change seldom. It must not decide how often to ask.
//!
//! Sources: `enterprise/getEnterpriseEdges` in VMware's "VCO API v1 5.0.0" (swagger);
//! `edge/getEdgeGatewayAssignments` as public clients use it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::client::Client;
use crate::sdwan::lenient::{Number, Object, Rows, Word};
use crate::sdwan::{EdgeId, Error, Place};

/// Pages that are read at most of the list of edges.
const PAGES: usize = 64;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Word,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Edge {
    id: Number,
    site: Object<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Assignment {
    primary: Object<Named>,
}

/// Where these edges are. What the credential may not see is not known; that is no error.
///
/// # Errors
/// The orchestrator as a whole does not answer, or refuses us.
pub async fn places(client: &Client, edges: &[EdgeId]) -> Result<BTreeMap<EdgeId, Place>, Error> {
    let mut places: BTreeMap<EdgeId, Place> = BTreeMap::new();
    let customers: BTreeSet<Option<i64>> = edges.iter().map(|edge| edge.enterprise).collect();
    for enterprise in customers {
        for (edge, site) in known(sites(client, enterprise).await)?.unwrap_or_default() {
            places.entry(EdgeId { enterprise, edge }).or_default().site = Some(site);
        }
    }
    for edge in edges {
        if let Some(gateway) = known(gateway(client, edge).await)?.flatten() {
            places.entry(edge.clone()).or_default().gateway = Some(gateway);
        }
    }
    places.retain(|edge, _| edges.contains(edge));
    Ok(places)
}

/// An answer, or nothing where only this question fails.
fn known<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Refused { .. } | Error::Answer { .. } | Error::Status { .. }) => Ok(None),
        Err(why) => Err(why),
    }
}

/// The sites of a customer's edges.
async fn sites(client: &Client, enterprise: Option<i64>) -> Result<Vec<(String, String)>, Error> {
    const METHOD: &str = "enterprise/getEnterpriseEdges";
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'p> {
        #[serde(skip_serializing_if = "Option::is_none")]
        enterprise_id: Option<i64>,
        with: [&'static str; 1],
        limit: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_link: Option<&'p str>,
    }
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    for _ in 0..PAGES {
        let next_page_link = next.as_deref();
        let params =
            Params { enterprise_id: enterprise, with: ["site"], limit: 500, next_page_link };
        let page: Rows<Object<Edge>> = client.ask(METHOD, &params).await?;
        let rows = page.rows.ok_or_else(|| client.not(METHOD, "a list of edges"))?;
        found.extend(rows.into_iter().filter_map(|row| {
            let Edge { id, site } = row.0?;
            Some((id.id()?.to_string(), site.0?.name.0?))
        }));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(found)
}

/// The gateway that an edge is assigned to first, if it is assigned to one.
async fn gateway(client: &Client, edge: &EdgeId) -> Result<Option<String>, Error> {
    const METHOD: &str = "edge/getEdgeGatewayAssignments";
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        #[serde(skip_serializing_if = "Option::is_none")]
        enterprise_id: Option<i64>,
        id: i64,
    }
    let id = client.number(METHOD, edge)?;
    let params = Params { enterprise_id: edge.enterprise, id };
    let answer: Object<Assignment> = client.ask(METHOD, &params).await?;
    Ok(answer.0.and_then(|answer| answer.primary.0?.name.0))
}
