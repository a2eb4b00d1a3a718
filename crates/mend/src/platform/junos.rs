//! Juniper Junos: a candidate configuration for us alone, and lines such as `{master}` above the prompt.

use super::{Access, ConfigMode, ConfigPrompt, Confirm, Definition, Restore};

pub(super) const DEFINITION: Definition = Definition {
    name: "junos",
    also: &["juniper-junos", "junos-os"],
    access: Access::Terminal(None),
    ends: &['>', '#', '%'],
    unsaved: None,
    enable: None,
    prepare: &[
        "set cli screen-length 0",
        "set cli screen-width 511",
        "set cli complete-on-space off",
    ],
    failures: &[
        "unknown command",
        "syntax error",
        "error:",
        "missing argument",
        "invalid ",
        "warning: statement not found",
        "commit failed",
        "permission denied",
        "is ambiguous",
    ],
    above_prompt: &[
        ("{master", "}"),
        ("{master", "]"),
        ("{backup", "}"),
        ("{backup", "]"),
        ("[edit", "]"),
    ],
    config: Some(ConfigMode {
        enter: "configure exclusive",
        prompt: ConfigPrompt::End('#'),
        commit: Some("commit"),
        commit_confirmed: Some("commit confirmed {}"),
        confirm: Some(Confirm { command: "commit", in_config: true, implied: true }),
        restore: Some(Restore { keep: None, command: "rollback {}", in_config: true }),
        leave: "exit configuration-mode",
        abandon: &["rollback 0", "exit configuration-mode"],
    }),
    reading: &["show *", "ping *", "traceroute *"],
    filters: &["match", "except", "find", "count", "last", "no-more", "trim", "display"],
};
