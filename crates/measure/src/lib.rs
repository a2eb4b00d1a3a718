//! measure (being built).

pub mod discover;
