//! Tests of delivery against the real queue and a web server; mail is in `tests/it`.
