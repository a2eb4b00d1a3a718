//! What must hold for every parser, for the fuzz targets. That of the packets is shared with the tests of
//! its crate; here stands that of parsers which their crates keep to themselves, so the files themselves
//! are part of this crate too.

#[path = "../crates/measure/tests/it/checks.rs"]
pub mod checks;
#[expect(dead_code, reason = "the daemon uses more of it")]
#[path = "../crates/store/src/codec/mod.rs"]
mod codec;
#[cfg(feature = "config")]
#[expect(dead_code, unused_imports, reason = "the commands use more of it")]
#[path = "../crates/netmend/src/config/mod.rs"]
mod config;
#[cfg(feature = "config")]
pub mod configs;
#[path = "../crates/measure/src/syslog/framing.rs"]
mod framing;
pub mod stored;
#[path = "../crates/measure/tests/it/snmp/hostile.rs"]
pub mod traps;
// The files of its crate say `crate::wire`.
use measure::wire;

/// How streams are cut into messages; what must hold stands in `framing/checks.rs`.
pub fn frames(bytes: &[u8]) {
    framing::checks::stream(bytes);
}
