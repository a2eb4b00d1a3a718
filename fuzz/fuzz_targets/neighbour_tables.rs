//! Fuzzes the reading of datagrams of a dump of neighbour tables; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::neighbour_tables(bytes));
