//! Fuzzes what comes in where traps are heard; what must hold stands in `traps`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::traps::trap(bytes));
