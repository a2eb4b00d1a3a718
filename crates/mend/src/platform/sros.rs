//! Nokia SR OS, the classic and the model-driven command line: it is asked, and told to clear sessions and the like.
//! Its configuration is not changed: the classic command line has no mode for that, and the model-driven one shows
//! its own in another line than that of the prompt.
//!
//! The words are those of Nokia's command references and of the drivers of netmiko; no device has shown them to us.

use super::{Access, Definition};

pub(super) const DEFINITION: Definition = Definition {
    name: "sros",
    also: &["nokia-sros", "nokia-sr-os", "alcatel-sros", "sr-os"],
    access: Access::Terminal(None),
    ends: &['#'],
    unsaved: Some('*'),
    enable: None,
    // The first is for the classic command line, the others for the model-driven one.
    prepare: &[
        "environment no more",
        "environment more false",
        "environment command-completion space false",
    ],
    failures: &["error:", "minor:", "major:", "critical:"],
    above_prompt: &[("[", "]"), ("*[", "]"), ("!*[", "]"), ("![", "]")],
    config: None,
    reading: &["show *", "ping *", "traceroute *"],
    filters: &["match", "count", "no-more"],
};
