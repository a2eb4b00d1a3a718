//! Moments on pages: UTC in what is sent, since the server does not know who reads; `theme.js` puts the reader's
//! own time there and UTC where the mouse points. It must not count spans of time.

use maud::{Markup, html};
use model::UnixMs;

use crate::format;

/// A moment below a heading or beside another moment that says which time it is.
pub(super) fn stamp(at: UnixMs) -> Markup {
    element(at, "")
}

/// A moment that says which time it is.
pub(super) fn moment(at: UnixMs) -> Markup {
    element(at, " UTC")
}

/// From when until when.
pub(super) fn span(from: UnixMs, until: UnixMs) -> Markup {
    html! { (stamp(from)) " to " (moment(until)) }
}

/// A heading's word for which time stands below it.
pub(super) fn zone() -> Markup {
    html! { small.zone { "UTC" } }
}

fn element(at: UnixMs, zone: &str) -> Markup {
    html! { time datetime=[format::rfc3339(at)] { (format::time(at)) (zone) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_to_people_and_to_the_script() {
        let at = UnixMs(1_795_301_347_123);
        let told = "<time datetime=\"2026-11-21T22:49:07.123Z\">2026-11-21 22:49:07 UTC</time>";
        assert_eq!(moment(at).into_string(), told);
        assert_eq!(
            stamp(UnixMs(i64::MAX)).into_string(),
            "<time>–</time>",
            "no time of this world"
        );
    }
}
