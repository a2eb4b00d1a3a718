//! Fuzzes the cutting of streams into messages; what must hold stands in `syslog/framing/checks.rs` of measure.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::frames(bytes));
