//! Fuzzes the reading of hosts as people write them; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::host_literal(bytes));
