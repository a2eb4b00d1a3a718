//! Settles how much memory the process keeps: what glibc's allocator holds back, and which pages of the program's
//! own file stay mapped. Nothing is allocated here and nothing is done on a clock.
#![expect(unsafe_code, reason = "mallopt, dl_iterate_phdr and madvise have no safe binding")]

use std::ffi::{CStr, c_int, c_void};

/// Heaps beside the main one. Each that a thread once used holds on to what was freed in it; threads of ours that
/// have something to do all the time allocate nothing, so that they need none of their own.
#[cfg(target_env = "gnu")]
const ARENAS: c_int = 2;
/// Bytes from which on memory comes from the kernel and goes back to it. glibc begins with as much and raises it to
/// 32 MiB by and by, after which the buffers of a start or a long answer stay for ever.
#[cfg(target_env = "gnu")]
const OWN_MAPPING: c_int = 128 << 10;

/// The same for a child that scripts run in. It makes and drops the interpreter's stack of 1 MB with each step, and
/// ends after some of them: what was freed stays with it, so that no step has to ask the kernel for it again.
#[cfg(target_env = "gnu")]
const OWN_MAPPING_OF_CHILD: c_int = 16 << 20;

/// Tells the allocator that we run for years with dozens of threads; its habits suit programs of few threads that
/// end soon. Allocators other than glibc's are left alone. To be called before the first thread starts. With 100,000
/// series it is 100 MB less of 667 (`cargo xtask bench daemon memory`).
pub(crate) fn settle() {
    #[cfg(target_env = "gnu")]
    keep(ARENAS, OWN_MAPPING);
}

/// To be called first in a child that scripts run in.
pub(crate) fn settle_child() {
    #[cfg(target_env = "gnu")]
    keep(1, OWN_MAPPING_OF_CHILD);
}

/// How many heaps there may be, and from how many bytes on memory is the kernel's.
#[cfg(target_env = "gnu")]
fn keep(arenas: c_int, own_mapping: c_int) {
    // SAFETY: these calls only set numbers of the allocator; no other thread runs yet. One that is refused
    // changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
        libc::mallopt(libc::M_MMAP_THRESHOLD, own_mapping);
        libc::mallopt(libc::M_TRIM_THRESHOLD, own_mapping);
    }
}

/// Lets go of the pages of our program and its libraries that only what went before ran: hundreds of constructors, the
/// reading of the command line, the search for symbols; 64 KiB are mapped for each place that is touched. They stay in
/// the kernel's cache of the files, and whatever runs again is mapped again at its next use. It is 4 MiB less of 35 for
/// `netmend probe` with 60,000 targets (`cargo xtask bench probe sustained`).
pub(crate) fn forget_the_start() {
    // SAFETY: `forget` has the type that is asked for, stays within what it is given and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(forget), std::ptr::null_mut()) };
}

/// Unmaps what of an object can only be as it is in its file; 0 goes on with the next object.
unsafe extern "C" fn forget(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the loader hands in its own description of a loaded object; its name ends with a NUL, and its table has
    // as many entries as it says.
    let (name, base, segments) = unsafe {
        let object = &*object;
        let table = std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into());
        (CStr::from_ptr(object.dlpi_name), object.dlpi_addr, table)
    };
    // The kernel's own part, linux-vdso, is no file.
    if name.to_bytes().starts_with(b"linux-") {
        return 0;
    }
    // SAFETY: it only asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1).cast_unsigned();
    for segment in segments {
        // Pages that may be written hold what the loader and we have put there.
        if segment.p_type != libc::PT_LOAD || segment.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = (base + segment.p_vaddr).next_multiple_of(page);
        let end = base + segment.p_vaddr + segment.p_filesz;
        let length = (end - end % page).saturating_sub(start);
        // SAFETY: whole pages of a segment of the file that is mapped privately and that nobody can write: the next
        // access reads the same bytes from the file. If it is refused, they stay.
        unsafe {
            libc::madvise(start as *mut c_void, length as libc::size_t, libc::MADV_DONTNEED);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilobytes of mapped files that are in memory.
    fn mapped() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux says it");
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.expect("a number of kB").trim().parse().expect("a number")
    }

    #[test]
    fn the_program_goes_on_with_fewer_pages_of_its_file() {
        let before = mapped();
        forget_the_start();
        let after = mapped();
        assert!(after < before, "{before} kB before, {after} kB after");
    }
}
