//! Fuzzes the reading of ICMPv6 messages; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::icmp_message(
    model::Family::V6,
    bytes
));
