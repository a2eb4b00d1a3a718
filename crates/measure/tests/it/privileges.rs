//! The ladder of privileges: what each rung can do, and that each says why it is not the one above.
#![expect(unsafe_code, reason = "a thread gives up capabilities by a bare system call")]

use measure::ChangeKind;
use model::transport::Warning;
use model::{Method, Outcome, Protocol, StampSource};

use crate::bed::{Run, namespace, probe_here, sysctl, target};

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Takes all capabilities from the calling thread, and so from those it will start.
pub(crate) fn drop_all() {
    keep(&[]);
}

/// Leaves these capabilities to the calling thread, which cannot get the others back (capset(2)).
fn keep(kept: &[u32]) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let bits = kept.iter().fold(0, |bits, cap| bits | 1 << cap);
    let header = Header { version: VERSION_3, pid: 0 };
    let low = Data { effective: bits, permitted: bits, inheritable: 0 };
    let data = [low, Data { effective: 0, permitted: 0, inheritable: 0 }];
    // SAFETY: capset reads a header and, by its version, two data records, which are what these are.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Echoes to loopback with these capabilities and this `ping_group_range`.
fn echo(kept: &[u32], groups: &str) -> Run {
    let here = namespace();
    sysctl(&here, &format!("net.ipv4.ping_group_range={groups}"));
    let targets = ["127.0.0.1", "::1"].map(|host| target(host, Protocol::Icmp)).into();
    here.enter(|| {
        keep(kept);
        probe_here(3, targets)
    })
    .expect("the namespace is there")
}

fn notes(run: &Run) -> String {
    run.statuses.iter().filter_map(|status| status.note.as_deref()).collect::<Vec<_>>().join("\n")
}

#[test]
fn with_raw_sockets_echoes_are_stamped_by_the_kernel() {
    let run = echo(&[CAP_NET_RAW, CAP_NET_ADMIN], "1 0");
    assert!(run.statuses.iter().all(|status| status.method == Some(Method::IcmpRaw)));
    assert_eq!(run.count(Outcome::Reply), 6, "{:?}", run.results);
    assert!(run.results.iter().any(|result| result.stamp == StampSource::Kernel));
}

#[test]
fn without_raw_sockets_ping_sockets_serve_and_the_note_says_so() {
    let run = echo(&[], "0 2147483647");
    assert!(run.statuses.iter().all(|status| status.method == Some(Method::IcmpDgram)));
    assert_eq!(run.count(Outcome::Reply), 6, "{:?}", run.results);
    assert!(notes(&run).contains("CAP_NET_RAW"), "{}", notes(&run));
    let fell = |change: &&measure::Change| {
        matches!(
            change.what,
            ChangeKind::Socket {
                warning: Warning::FellBack { to: Method::IcmpDgram, errno: libc::EPERM, .. },
                ..
            }
        )
    };
    assert_eq!(run.changes.iter().filter(fell).count(), 2, "{:?}", run.changes);
}

#[test]
fn without_any_icmp_a_handshake_serves_and_the_note_says_how_to_put_it_right() {
    let run = echo(&[], "1 0");
    assert!(run.statuses.iter().all(|status| status.method == Some(Method::TcpConnect)));
    // Nobody listens here: a reset is an answer.
    assert_eq!(run.count(Outcome::Refused), 6, "{:?}", run.results);
    let notes = notes(&run);
    assert!(notes.contains("setcap") && notes.contains("ping_group_range"), "{notes}");
}

#[test]
fn a_receive_buffer_that_is_too_small_is_said_to_be() {
    let run = echo(&[CAP_NET_RAW], "1 0");
    let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
    let most: u64 = most.trim().parse().unwrap();
    let told: Vec<_> = run
        .changes
        .iter()
        .filter_map(|change| match &change.what {
            ChangeKind::Socket { warning: Warning::ReceiveBuffer { granted, .. }, .. } => {
                Some(*granted)
            }
            _ => None,
        })
        .collect();
    // The kernel doubles what is asked for, and allows at most this without CAP_NET_ADMIN.
    let enough = most * 2 >= 8 << 20;
    assert_eq!(told.is_empty(), enough, "rmem_max {most}, told {told:?}");
    assert!(told.iter().all(|granted| *granted <= most * 2));
    assert_eq!(run.count(Outcome::Reply), 6, "and it works all the same");
}
