//! Fuzzes the reading of configurations; what must hold stands in `configs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::configs::config(bytes));
