//! Cisco IOS XR: commits, and a line with the time above each answer unless told otherwise.

use super::{Access, CISCO_FILTERS, ConfigMode, ConfigPrompt, Confirm, Definition, Restore};

pub(super) const DEFINITION: Definition = Definition {
    name: "iosxr",
    also: &["cisco-ios-xr", "cisco-iosxr", "cisco-xr", "ios-xr"],
    access: Access::Terminal(None),
    ends: &['#'],
    unsaved: None,
    enable: None,
    prepare: &[
        "terminal length 0",
        "terminal width 511",
        "terminal exec prompt no-timestamp",
        "terminal monitor disable",
    ],
    failures: &[
        "% invalid",
        "% incomplete",
        "% ambiguous",
        "% unknown",
        "% failed",
        "% permission denied",
        "% the requested operation",
        "% this command is not authorized",
        "!! syntax/authorization errors",
        "!! semantic errors",
        "% access denied",
        "error:",
    ],
    above_prompt: &[],
    config: Some(ConfigMode {
        enter: "configure exclusive",
        prompt: ConfigPrompt::Parenthesis,
        commit: Some("commit"),
        commit_confirmed: Some("commit confirmed minutes {}"),
        confirm: Some(Confirm { command: "commit", in_config: true, implied: false }),
        restore: Some(Restore {
            keep: None,
            command: "rollback configuration last {}",
            in_config: false,
        }),
        leave: "end",
        abandon: &["abort"],
    }),
    reading: &["show *", "dir", "dir *", "ping *", "traceroute *"],
    filters: CISCO_FILTERS,
};
