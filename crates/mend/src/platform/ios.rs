//! Cisco IOS and IOS XE. It says nothing of IOS XR, which has its own file.

use super::{Access, CISCO_FILTERS, ConfigMode, ConfigPrompt, Definition};

pub(super) const DEFINITION: Definition = Definition {
    name: "ios",
    also: &["cisco-ios", "cisco-ios-xe", "cisco-iosxe", "cisco-xe", "ios-xe", "iosxe"],
    access: Access::Terminal(None),
    ends: &['#', '>'],
    unsaved: None,
    enable: Some("enable"),
    prepare: &["terminal length 0", "terminal width 511", "terminal no monitor"],
    // `% ` alone would do, were it not for answers such as `% No such neighbor`.
    failures: &[
        "% invalid",
        "% incomplete",
        "% ambiguous",
        "% unknown",
        "% unrecognized",
        "% bad ",
        "% access denied",
        "% authorization failed",
        "% not authorized",
        "command authorization failed",
        "% error",
        "%error",
        "% permission denied",
        "% cannot",
        "% interface",
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
    reading: &["show *", "dir", "dir *", "ping *", "traceroute *"],
    filters: CISCO_FILTERS,
};
