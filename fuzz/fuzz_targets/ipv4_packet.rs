//! Fuzzes the reading of what a raw IPv4 socket hands over; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::ipv4_packet(bytes));
