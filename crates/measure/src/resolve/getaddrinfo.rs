//! One blocking lookup by the C library, either way, so that names mean here what they mean to every other program
//! on this machine (hosts file, mDNS, LDAP, DNS). It must not be called on a thread that has other work.
#![expect(
    unsafe_code,
    reason = "getaddrinfo(3) hands out a C list, and only its codes tell errors apart"
)]

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

use model::Family;

use super::{ResolveError, invalid, temporary};

/// More addresses than this are not looked at: nobody probes them.
const MOST_ADDRESSES: usize = 64;

/// Frees the list whatever happens.
struct List(*mut libc::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: getaddrinfo made this list, and nothing that borrows from it outlives `self`.
            unsafe { libc::freeaddrinfo(self.0) }
        }
    }
}

/// Looks `host` up in one family. Blocks as long as the resolver's own timeouts allow, often 10 s and more.
pub(super) fn getaddrinfo(host: &str, family: Family) -> Result<Vec<SocketAddr>, ResolveError> {
    let name = CString::new(host).map_err(|_| invalid(host, "a name holds no zero byte"))?;
    // SAFETY: all zeros is how "no wish" is written in every field of this plain C struct.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    // Without a type each address comes once per protocol.
    hints.ai_socktype = libc::SOCK_DGRAM;

    let mut list = List(ptr::null_mut());
    // SAFETY: `name` ends with a zero byte, `hints` is initialised, `list.0` is ours to be written.
    let code =
        unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut list.0) };
    if code != 0 {
        let errno = std::io::Error::last_os_error();
        return Err(explain(host, family, code, &errno));
    }
    let mut addresses = Vec::new();
    let mut next = list.0;
    while !next.is_null() && addresses.len() < MOST_ADDRESSES {
        // SAFETY: a non-null entry of a list that getaddrinfo made and that `list` keeps alive.
        let entry = unsafe { &*next };
        if let Some(address) = address_of(entry).filter(|address| !addresses.contains(address)) {
            addresses.push(address);
        }
        next = entry.ai_next;
    }
    if addresses.is_empty() { Err(not_found(host, family)) } else { Ok(addresses) }
}

/// The name of an address, if it has one (`getnameinfo(3)`). Blocks as [`getaddrinfo`] does.
pub(super) fn getnameinfo(address: IpAddr) -> Option<String> {
    /// `NI_MAXHOST` of `netdb.h`.
    const LONGEST: usize = 1025;
    let socket = socket2::SockAddr::from(SocketAddr::new(address, 0));
    let mut name = [0_u8; LONGEST];
    // SAFETY: `socket` is a socket address of the length it tells, and the answer is written into
    // `name`, no longer than that; no service is asked for.
    let code = unsafe {
        libc::getnameinfo(
            socket.as_ptr().cast(),
            socket.len(),
            name.as_mut_ptr().cast(),
            LONGEST as libc::socklen_t,
            ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if code != 0 {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok()?.to_str().ok().map(str::to_owned)
}

fn address_of(entry: &libc::addrinfo) -> Option<SocketAddr> {
    let len = entry.ai_addrlen as usize;
    match entry.ai_family {
        libc::AF_INET if len >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: family and length say that this is an initialised sockaddr_in; read_unaligned
            // asks nothing of its alignment.
            let raw = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<libc::sockaddr_in>()) };
            let address = Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr));
            Some(SocketAddr::new(address.into(), 0))
        }
        libc::AF_INET6 if len >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above, for sockaddr_in6.
            let raw = unsafe { ptr::read_unaligned(entry.ai_addr.cast::<libc::sockaddr_in6>()) };
            let address = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(address, 0, 0, raw.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn not_found(host: &str, family: Family) -> ResolveError {
    ResolveError::NotFound { host: host.to_owned(), family }
}

fn explain(host: &str, family: Family, code: i32, errno: &std::io::Error) -> ResolveError {
    match code {
        libc::EAI_NONAME | libc::EAI_NODATA => not_found(host, family),
        libc::EAI_AGAIN => temporary(host, "the DNS resolver does not answer"),
        libc::EAI_FAIL => temporary(host, "the DNS resolver failed"),
        libc::EAI_MEMORY => temporary(host, "out of memory"),
        libc::EAI_SYSTEM => temporary(host, errno.to_string()),
        code => temporary(host, format!("getaddrinfo error {code}")),
    }
}
