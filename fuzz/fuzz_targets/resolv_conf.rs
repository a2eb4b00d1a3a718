//! Fuzzes the reading of resolv.conf; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::resolv_conf(bytes));
