//! Fuzzes the reading of chunks of samples; what must hold stands in `stored`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::stored::chunk(bytes));
