//! `FRRouting` through vtysh on Linux; the account needs the group `frrvty`.

use super::{Access, ConfigMode, ConfigPrompt, Definition};

pub(super) const DEFINITION: Definition = Definition {
    name: "frr",
    also: &["frrouting", "free-range-routing"],
    access: Access::Terminal(Some("vtysh")),
    ends: &['#', '>'],
    unsaved: None,
    enable: None,
    prepare: &["terminal length 0", "no terminal monitor"],
    failures: &[
        "% unknown command",
        "% command incomplete",
        "% ambiguous command",
        "% invalid",
        "% malformed",
        "% there is no matched command",
        "% can't",
        "% configuration failed",
        "failed to connect to any daemons",
        "exiting: failed to connect",
        "% error",
    ],
    above_prompt: &[],
    config: Some(ConfigMode {
        enter: "configure terminal",
        prompt: ConfigPrompt::Parenthesis,
        commit: None,
        commit_confirmed: None,
        confirm: None,
        restore: None,
        leave: "end",
        abandon: &["end"],
    }),
    reading: &["show *", "ping *", "traceroute *"],
    filters: &["include"],
};
