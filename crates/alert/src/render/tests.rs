//! Tests of what messages look like; mail as received is tested in `tests/it/mail.rs`.
