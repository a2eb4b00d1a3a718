//! Settles how glibc's allocator keeps memory. It suits programs of few threads that end soon; ours runs for years
//! with dozens. Nothing is allocated here, and other allocators are left alone.
#![cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "mallopt has no safe binding"))]

/// Heaps beside the main one. Each that a thread once used holds on to what was freed in it; threads of ours that
/// have something to do all the time allocate nothing, so that they need none of their own.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 2;
/// Bytes from which on memory comes from the kernel and goes back to it. glibc begins with as much and raises it to
/// 32 MiB by and by, after which the buffers of a start or a long answer stay for ever.
#[cfg(target_env = "gnu")]
const OWN_MAPPING: i32 = 128 << 10;

/// To be called before the first thread starts. With 100,000 series it is 100 MB less of 667
/// (`cargo xtask bench daemon memory`).
pub(crate) fn settle() {
    #[cfg(target_env = "gnu")]
    // SAFETY: these calls only set numbers of the allocator; no other thread runs yet. One that is refused
    // changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
        libc::mallopt(libc::M_TRIM_THRESHOLD, OWN_MAPPING);
    }
}
