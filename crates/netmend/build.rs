//! Arguments for the linker of the binary. They change where code lies, and not what it does: of the 20 MiB that
//! `netmend probe` has in memory for itself, most of it this file, 6 are gone (the RSS of few targets in `cargo xtask
//! bench probe error`). A linker that does not know one passes over it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        // What only runs at the start, hundreds of constructors of the script engine among it, lies together.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,keep-text-section-prefix");
        // Relocations as a bitmap (DT_RELR): 2 MB of the file less to be read at the start.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
