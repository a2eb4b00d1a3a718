//! Fuzzes the reading of rollups; what must hold stands in `stored`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::stored::rollup(bytes));
