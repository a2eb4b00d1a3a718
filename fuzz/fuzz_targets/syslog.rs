//! Fuzzes the reading of syslog lines; what must hold stands in `checks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netmend_fuzz::checks::syslog_line(bytes));
