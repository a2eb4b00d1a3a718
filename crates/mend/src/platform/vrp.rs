//! Huawei VRP: the user view and, for the configuration, the system view. Version 8 keeps what is typed there until it
//! is committed, and says with a star in its prompt that it does; version 5 has neither.
//!
//! The words are those of Huawei's command references and of the drivers of netmiko; no device has shown them to us.

use super::{Access, ConfigMode, ConfigPrompt, Definition};

pub(super) const DEFINITION: Definition = Definition {
    name: "vrp",
    also: &["huawei-vrp", "huawei-vrpv8", "huawei"],
    access: Access::Terminal(None),
    ends: &['>'],
    unsaved: None,
    enable: None,
    prepare: &["screen-length 0 temporary", "undo terminal monitor"],
    failures: &["error:", "failed to"],
    above_prompt: &[],
    config: Some(ConfigMode {
        enter: "system-view",
        prompt: ConfigPrompt::Brackets,
        commit: Some("commit"),
        commit_confirmed: None,
        confirm: None,
        restore: None,
        leave: "return",
        // Version 5 does not know the first of them, and needs it not.
        abandon: &["clear configuration candidate", "return"],
    }),
    reading: &["display *", "dir", "dir *", "ping *", "tracert *"],
    filters: &["include", "exclude", "begin", "count", "section", "no-more"],
};
