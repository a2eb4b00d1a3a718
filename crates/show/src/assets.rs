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

#[cfg(test)]
mod tests {
    use super::*;

    /// The two values of each colour of the palette, light and dark.
    fn palette() -> Vec<(&'static str, [u32; 2])> {
        let colour = |text: &str| u32::from_str_radix(text.strip_prefix('#')?, 16).ok();
        let pairs = SHEET.lines().filter_map(|line| {
            let (name, rest) = line.trim().strip_prefix("--")?.split_once(": light-dark(")?;
            let (light, dark) = rest.split_once(')')?.0.split_once(", ")?;
            Some((name, [colour(light)?, colour(dark)?]))
        });
        pairs.collect()
    }

    /// How much two colours differ in brightness (WCAG 2.2, "contrast ratio"): 1 to 21.
    fn contrast(one: u32, other: u32) -> f64 {
        let luminance = |colour: u32| {
            let parts = [(16, 0.2126), (8, 0.7152), (0, 0.0722)];
            let linear = |(shift, weight): (u32, f64)| {
                let value = f64::from((colour >> shift) & 0xff) / 255.0;
                let bright = if value <= 0.040_45 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                };
                weight * bright
            };
            parts.map(linear).iter().sum::<f64>() + 0.05
        };
        let (one, other) = (luminance(one), luminance(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn every_word_can_be_read_and_every_line_seen_in_both_themes() {
        let palette = palette();
        let of = |name: &str| palette.iter().find(|(known, _)| *known == name).unwrap().1;
        // Of text 4.5 is asked, of shapes, lines and the edges of fields 3 (WCAG 2.2, 1.4.3 and 1.4.11).
        let words = "text muted faint link up lossy down never silent";
        let lines = "edge k0 k1 k2 k3 k4 flow-in flow-out mark usual limit";
        for (names, papers, least) in
            [(words, "bg surface raised", 4.5), (lines, "bg surface", 3.0)]
        {
            for (name, paper) in
                names.split(' ').flat_map(|name| papers.split(' ').map(move |paper| (name, paper)))
            {
                for theme in 0..2 {
                    let found = contrast(of(name)[theme], of(paper)[theme]);
                    assert!(found >= least, "{name} on {paper}, theme {theme}: {found:.2}");
                }
            }
        }
        assert!((contrast(0, 0xff_ff_ff) - 21.0).abs() < 1e-9);
    }
}
