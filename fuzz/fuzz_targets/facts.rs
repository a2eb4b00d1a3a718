//! Fuzzes the reading of what devices show; what must hold stands in `script/parse/checks.rs` of mend.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mend::script::check_facts(bytes));
