//! Arista EOS. Changes go through a configuration session, so that they take effect together.

use super::{Access, ConfigMode, ConfigPrompt, Confirm, Definition, Restore};

pub(super) const DEFINITION: Definition = Definition {
    name: "eos",
    also: &["arista-eos"],
    access: Access::Terminal(None),
    ends: &['#', '>'],
    unsaved: None,
    enable: Some("enable"),
    prepare: &["terminal length 0", "terminal width 32767", "terminal no monitor"],
    failures: &[
        "% invalid",
        "% incomplete",
        "% ambiguous",
        "% unavailable",
        "% authorization denied",
        "% privileged",
        "% internal error",
        "% error",
        "% maximum number",
        "% cannot",
    ],
    above_prompt: &[],
    config: Some(ConfigMode {
        enter: "configure session netmend",
        prompt: ConfigPrompt::Parenthesis,
        commit: Some("commit"),
        commit_confirmed: Some("commit timer 00:{:02}:00"),
        confirm: Some(Confirm {
            command: "configure session netmend commit",
            in_config: false,
            implied: false,
        }),
        restore: Some(Restore {
            keep: Some("copy running-config flash:netmend-before"),
            command: "configure replace flash:netmend-before",
            in_config: false,
        }),
        leave: "end",
        abandon: &["abort"],
    }),
    reading: &["show *", "dir", "dir *", "ping *", "traceroute *"],
    filters: &["include", "exclude", "begin", "section", "inc", "exc", "sec", "json", "no-more"],
};
