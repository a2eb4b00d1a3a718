//! What must hold for the listeners of traps whatever datagram comes in: they go on, and what they hand on is bounded,
//! printable text. Shared by the tests and the fuzz target `snmp_trap`.

use std::net::UdpSocket;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use measure::snmp::traps::{Engine, Trap, TrapOptions, Traps};
use model::{Secret, SnmpAuth, SnmpPrivacy, SnmpUser, SystemClock};
use tokio::sync::mpsc;

/// The engine that informs of version 3 are addressed to.
const ENGINE: [u8; 7] = [0x80, 0, 0, 0, 4, b'n', b'm'];

/// A value of BER that is shorter than 128 bytes.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, value.len() as u8];
    out.extend_from_slice(value);
    out
}

/// A good trap of version 2c, and the text it becomes: each has a number of its own.
fn good(number: u32) -> (Vec<u8>, String) {
    let pair = |oid: &[u8], value: Vec<u8>| tlv(0x30, &[tlv(6, oid), value].concat());
    let enterprise = [0x2b, 6, 1, 4, 1, 0xa1, 0x12];
    let values = [
        pair(&[0x2b, 6, 1, 2, 1, 1, 3, 0], tlv(0x43, &[1])),
        pair(&[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0], tlv(6, &enterprise)),
        pair(&[&enterprise[..], &[1]].concat(), tlv(4, number.to_string().as_bytes())),
    ];
    let zero = || tlv(2, &[0]);
    let pdu = [zero(), zero(), zero(), tlv(0x30, &values.concat())].concat();
    let message = [tlv(2, &[1]), tlv(4, b"public"), tlv(0xa7, &pdu)].concat();
    let text = format!("SNMP trap 1.3.6.1.4.1.4242 1.3.6.1.4.1.4242.1={:?}", number.to_string());
    (tlv(0x30, &message), text)
}

struct Ear {
    socket: UdpSocket,
    /// How many good traps were sent.
    sent: u32,
    heard: mpsc::Receiver<Trap>,
    /// Kept, as it ends with this.
    _traps: Traps,
}

static EAR: LazyLock<Mutex<Ear>> = LazyLock::new(|| {
    let user = |name: &str, auth, privacy| SnmpUser {
        name: name.into(),
        auth,
        privacy,
        context: String::new(),
    };
    let auth = (SnmpAuth::Sha256, Secret::new("authentication"));
    let privacy = (SnmpPrivacy::Aes128, Secret::new("confidential"));
    let options = TrapOptions {
        listen: vec![([127, 0, 0, 1], 0).into()],
        communities: Vec::new(),
        // What a user without a password says is understood to the end.
        users: vec![user("plain", None, None), user("sha256", Some(auth), Some(privacy))],
    };
    let (out, heard) = mpsc::channel(16);
    let engine = Some(Engine { id: ENGINE.to_vec(), boots: 7 });
    let keep = Arc::new(|_: &Engine| Ok(())) as measure::snmp::traps::Keep;
    let traps = Traps::start(&options, engine, &keep, Arc::new(SystemClock), out);
    let traps = traps.expect("loopback has a port");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
    socket.connect(traps.listening[0]).expect("the listener is there");
    Mutex::new(Ear { socket, sent: 0, heard, _traps: traps })
});

/// Sends a datagram and sees that the listeners go on.
pub fn trap(datagram: &[u8]) {
    let mut ear = EAR.lock().unwrap_or_else(PoisonError::into_inner);
    // Longer than any datagram: it cannot come.
    if ear.socket.send(datagram).is_err() {
        return;
    }
    ear.sent += 1;
    let (good, last) = good(ear.sent);
    ear.socket.send(&good).expect("the listener is there");
    loop {
        let trap = ear.heard.blocking_recv().expect("the listeners go on");
        let notice = trap.notice;
        assert!(
            notice.text.len() <= 1_000 && !notice.text.contains(char::is_control),
            "{notice:?}"
        );
        assert!(notice.code.len() <= 200 && !notice.code.contains(char::is_control), "{notice:?}");
        if notice.text == last {
            return;
        }
    }
}
