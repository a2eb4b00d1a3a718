//! Fuzzes sessions on devices that print anything; what must hold stands in `mend::session::checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mend::session::checks::dialogue(bytes));
