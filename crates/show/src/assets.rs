//! The files that pages load: style, scripts and the two vendored libraries, inside the binary. Their
//! addresses carry a hash of the contents, so that browsers keep them for good.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use xxhash_rust::xxh3::xxh3_64;

/// One file.
struct Asset {
    name: &'static str,
    kind: &'static str,
    body: &'static [u8],
    hash: String,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// One sheet for one request, since pages wait for it; ours comes last and wins.
const SHEET: &str =
    concat!(include_str!("../assets/uPlot.min.css"), include_str!("../assets/netmend.css"));

static ASSETS: LazyLock<[Asset; 7]> = LazyLock::new(|| {
    let asset = |name, kind, body: &'static [u8]| {
        let hash = format!("{:016x}", xxh3_64(body));
        Asset { name, kind, body, hash }
    };
    [
        asset("netmend.css", STYLE, SHEET.as_bytes()),
        asset("theme.js", SCRIPT, include_bytes!("../assets/theme.js")),
        asset("live.js", SCRIPT, include_bytes!("../assets/live.js")),
        asset("chart.js", SCRIPT, include_bytes!("../assets/chart.js")),
        asset("traffic.js", SCRIPT, include_bytes!("../assets/traffic.js")),
        asset("htmx.min.js", SCRIPT, include_bytes!("../assets/htmx.min.js")),
        asset("uPlot.iife.min.js", SCRIPT, include_bytes!("../assets/uPlot.iife.min.js")),
    ]
});

/// The address of a file, with its hash.
pub(crate) fn url(name: &'static str) -> String {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let hash = asset.map_or("", |asset| asset.hash.as_str());
    debug_assert!(!hash.is_empty(), "no asset is called {name}");
    format!("/assets/{name}?v={hash}")
}

/// The routes of this file.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    // Weak, since the body may be compressed on the way.
    let tag = format!("W/\"{}\"", asset.hash);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let keep = "public, max-age=31536000, immutable";
    let about = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, keep)];
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, asset.kind)], asset.body).into_response()
}
