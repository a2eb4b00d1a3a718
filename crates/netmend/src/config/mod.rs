//! The configuration: what was typed (raw), what it means (validated), and where each word stands.
