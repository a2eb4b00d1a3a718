//! Receivers with real sockets, and what senders may do to them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use measure::syslog::{self, Batch, Listen, Receiver};
use model::{MAX_LINE, SystemClock, Transport};
use nix::sys::resource::{Resource, setrlimit};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::sync::mpsc;

/// Said where the machine of the test would have to be broken.
const WORKS: &str = "a machine that tests can run on";
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A receiver, its address, and what it hands on.
fn start(listen: &Listen) -> (Receiver, SocketAddr, mpsc::Receiver<Batch>) {
    let (out, lines) = mpsc::channel(1024);
    let bound = syslog::bind(listen).expect(WORKS);
    let address = bound.listener().place.parse().expect(WORKS);
    (bound.start(Arc::new(SystemClock), out).expect(WORKS), address, lines)
}

/// The next lines, so many.
fn take(out: &mut mpsc::Receiver<Batch>, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count {
        let batch = out.blocking_recv().expect("the receiver runs");
        lines.extend(batch.lines().map(|line| String::from_utf8_lossy(line.bytes).into_owned()));
    }
    lines
}

/// All lines that come until the receiver has ended.
fn rest(receiver: Receiver, mut out: mpsc::Receiver<Batch>) -> u64 {
    let counting = std::thread::spawn(move || {
        let mut count = 0;
        while let Some(batch) = out.blocking_recv() {
            count += batch.len() as u64;
        }
        count
    });
    drop(receiver.stop());
    counting.join().expect(WORKS)
}

#[test]
fn datagrams_come_with_their_sender_and_glued_ones_apart() {
    let (receiver, address, mut out) = start(&Listen::Udp(ANY));
    let socket = UdpSocket::bind(ANY).unwrap();
    socket.send_to(b"", address).unwrap();
    socket.send_to(b"<13>one\n<13>two", address).unwrap();
    let batch = out.blocking_recv().unwrap();
    let lines: Vec<&[u8]> = batch.lines().map(|line| line.bytes).collect();
    assert_eq!(lines, [&b"<13>one"[..], b"<13>two"]);
    assert!(batch.lines().all(|line| line.peer == Some(socket.local_addr().unwrap())));
    assert_eq!(batch.listener().transport, Transport::Udp);
    socket.send_to(&vec![b'x'; 65_507], address).unwrap();
    assert_eq!(take(&mut out, 1)[0].len(), 65_507);
    assert_eq!(receiver.counters().lines, 3);
}

#[test]
fn every_datagram_is_handed_on_or_counted_as_dropped() {
    const SENT: u64 = 40_000;
    let bound = syslog::bind(&Listen::Udp(ANY)).unwrap();
    let address: SocketAddr = bound.listener().place.parse().unwrap();
    let socket = UdpSocket::bind(ANY).unwrap();
    for _ in 0..SENT {
        socket.send_to(&[b'x'; 1000], address).unwrap();
    }
    let (out, _lines) = mpsc::channel(4096);
    let receiver = bound.start(Arc::new(SystemClock), out).unwrap();
    let accounted = || {
        let counters = receiver.counters();
        counters.lines + counters.drops
    };
    while accounted() < SENT {
        std::thread::yield_now();
    }
    assert_eq!(accounted(), SENT);
    assert!(receiver.counters().drops > 0, "the receive buffer holds all of them");
}

#[test]
fn streams_are_read_in_both_framings_and_to_their_last_byte() {
    let (receiver, address, mut out) = start(&Listen::Tcp(ANY));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"7 <13>one<13>two\n<13>thr").unwrap();
    assert_eq!(take(&mut out, 2), ["<13>one", "<13>two"]);
    stream.write_all(b"ee").unwrap();
    drop(stream);
    assert_eq!(take(&mut out, 1), ["<13>three"]);
    assert_eq!(rest(receiver, out), 0);
}

/// Tells the test's own binary, started once more, where to send half frames: the limit of open files
/// counts for each process.
const SENDER: &str = "NETMEND_TEST_HALF_FRAMES_TO";
/// How many of them.
const MANY: usize = 10_000;

#[test]
fn ten_thousand_half_frames_hold_little_memory_and_hinder_nobody() {
    setrlimit(Resource::RLIMIT_NOFILE, 11_000, 11_000).expect("11,000 files may be open");
    if let Ok(address) = std::env::var(SENDER) {
        return send_half_frames(address.parse().unwrap());
    }
    let (receiver, address, mut out) = start(&Listen::Tcp(ANY));
    let before = resident();
    let mut sender = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "syslog::ten_thousand_half_frames_hold_little_memory_and_hinder_nobody"])
        .env(SENDER, address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while receiver.counters().held < (MANY * HALF.len()) as u64 {
        assert!(sender.try_wait().unwrap().is_none(), "the sender has failed");
        std::thread::yield_now();
    }
    let mut other = TcpStream::connect(address).unwrap();
    other.write_all(b"<13>whole\n").unwrap();
    assert_eq!(take(&mut out, 1), ["<13>whole"]);
    let grown = resident() - before;
    assert!(grown < 100 << 20, "{MANY} half frames take {grown} bytes");
    assert_eq!(receiver.counters().open, MANY as u64 + 1);
    drop(sender.stdin.take());
    assert!(sender.wait().unwrap().success());
}

/// A frame that promises much more than it holds.
const HALF: &[u8] = b"999999 <13>half a frame";

/// Holds half a frame open on each of many connections until standard input ends.
fn send_half_frames(address: SocketAddr) {
    let connect = |_| {
        let mut stream = TcpStream::connect(address).expect(WORKS);
        stream.write_all(HALF).expect(WORKS);
        stream
    };
    let streams: Vec<TcpStream> = (0..MANY).map(connect).collect();
    let ended = std::io::stdin().read(&mut [0]).expect(WORKS);
    assert_eq!((ended, streams.len()), (0, MANY));
}

#[test]
fn unfinished_messages_have_one_budget_for_all_connections() {
    let (receiver, address, mut out) = start(&Listen::Tcp(ANY));
    setrlimit(Resource::RLIMIT_NOFILE, 10_000, 10_000).expect("root may open many files");
    let mut half = vec![b'x'; MAX_LINE - 1];
    half[..4].copy_from_slice(b"<13>");
    let streams: Vec<TcpStream> = (0..1100)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            // One that is over the budget may be closed before it has written everything.
            drop(stream.write_all(&half));
            stream
        })
        .collect();
    while receiver.counters().refused == 0 {
        std::thread::yield_now();
    }
    assert!(receiver.counters().held <= 64 << 20);
    assert!(take(&mut out, 1)[0].starts_with("<13>xxx"), "what was read is not thrown away");
    drop(streams);
}

#[test]
fn an_address_that_is_taken_is_refused_by_name() {
    let (_receiver, address, _out) = start(&Listen::Tcp(ANY));
    let refused = syslog::bind(&Listen::Tcp(address)).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("cannot listen for syslog on tcp {address}: ")));
}

/// Files of a certificate authority's making, in PEM form.
struct Papers {
    folder: tempfile::TempDir,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect(WORKS);
        let key = rcgen::KeyPair::generate().expect(WORKS);
        let mut params = rcgen::CertificateParams::new(vec![]).expect(WORKS);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).expect(WORKS);
        let issuer = rcgen::Issuer::new(params, key);
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).expect(WORKS);
        for name in ["server", "sender"] {
            let key = rcgen::KeyPair::generate().expect(WORKS);
            let params = rcgen::CertificateParams::new(vec!["localhost".into()]).expect(WORKS);
            let cert = params.signed_by(&key, &issuer).expect(WORKS);
            std::fs::write(folder.path().join(format!("{name}.pem")), cert.pem()).expect(WORKS);
            let private = folder.path().join(format!("{name}.key"));
            std::fs::write(private, key.serialize_pem()).expect(WORKS);
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A sender's stream; with papers it shows its certificate.
    fn connect(&self, address: SocketAddr, papers: bool) -> impl Write + use<> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem(&self.file("ca.pem"))).expect(WORKS);
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect(WORKS)
            .with_root_certificates(roots);
        let config = if papers {
            let key = PrivateKeyDer::from_pem_file(self.file("sender.key")).expect(WORKS);
            config.with_client_auth_cert(vec![pem(&self.file("sender.pem"))], key).expect(WORKS)
        } else {
            config.with_no_client_auth()
        };
        let name = ServerName::try_from("localhost").expect(WORKS);
        let session = rustls::ClientConnection::new(Arc::new(config), name).expect(WORKS);
        rustls::StreamOwned::new(session, TcpStream::connect(address).expect(WORKS))
    }
}

fn pem(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect(WORKS)
}

#[test]
fn under_tls_only_senders_with_a_certificate_are_heard() {
    let papers = Papers::new();
    let (chain, key) = (papers.file("server.pem"), papers.file("server.key"));
    let tls = syslog::tls::server(&chain, &key, Some(&papers.file("ca.pem"))).unwrap();
    let (receiver, address, mut out) = start(&Listen::Tls(ANY, tls));
    let mut stranger = papers.connect(address, false);
    // The refusal comes after the client's side of the handshake is done, so a write may still succeed.
    drop(stranger.write_all(b"7 <13>bad").and_then(|()| stranger.flush()));
    let mut sender = papers.connect(address, true);
    sender.write_all(b"8 <13>good").unwrap();
    sender.flush().unwrap();
    assert_eq!(take(&mut out, 1), ["<13>good"]);
    while receiver.counters().handshakes == 0 {
        std::thread::yield_now();
    }
    assert_eq!(receiver.counters().lines, 1);
}

#[test]
fn certificates_that_are_none_are_refused_by_name() {
    let papers = Papers::new();
    let (chain, key) = (papers.file("server.pem"), papers.file("server.key"));
    let refused =
        |chain: &Path, key: &Path| syslog::tls::server(chain, key, None).unwrap_err().to_string();
    assert!(refused(&key, &key).ends_with("server.key holds no certificate in PEM form"));
    assert!(refused(&chain, &chain).starts_with("cannot read a private key from "));
    assert!(refused(&chain, &papers.file("none")).contains("none"));
    assert!(refused(&chain, &papers.file("sender.key")).contains("cannot be used"));
}

/// Memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect(WORKS);
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect(WORKS);
    line.split_whitespace().nth(1).expect(WORKS).parse::<usize>().expect(WORKS) << 10
}
