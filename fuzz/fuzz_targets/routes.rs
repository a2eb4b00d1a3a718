//! Fuzzes the reading of datagrams of a route dump; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::route_messages(bytes));
