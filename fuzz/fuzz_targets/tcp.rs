//! Fuzzes the reading of TCP segments; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::tcp_segment(bytes));
