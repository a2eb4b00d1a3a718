//! The secret by which a prober knows its own packets. Who cannot see them cannot forge an answer: the
//! keys are random for each socket and never leave the process.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::Slot;

/// Keys of one socket, and the constant numbers its packets bear.
#[derive(Clone, Debug)]
pub struct Cookie {
    keys: RandomState,
    id: Option<u16>,
    ports: Range<u16>,
}

impl Cookie {
    /// New keys. `id` is the ICMP identifier, `None` where the kernel chooses it (ping sockets); `ports`
    /// are the TCP source ports, empty for ICMP.
    pub fn new(id: Option<u16>, ports: Range<u16>) -> Self {
        Self { keys: RandomState::new(), id, ports }
    }

    /// The identifier of our echo requests.
    pub fn id(&self) -> Option<u16> {
        self.id
    }

    /// Whether an echo identifier is ours.
    pub fn owns_id(&self, id: u16) -> bool {
        self.id.is_none_or(|ours| ours == id)
    }

    /// Whether a TCP source port is ours.
    pub fn owns_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// The source port of a SYN: consecutive probes use all of them in turn, so that a server that still
    /// remembers the last handshake sees a new one.
    pub fn port_of(&self, slot: Slot) -> u16 {
        let count = u32::from(self.ports.end.saturating_sub(self.ports.start)).max(1);
        self.ports.start + (slot % count) as u16
    }

    /// Authenticates an echo payload: a keyed hash (`SipHash`) of what it claims.
    pub fn mac(&self, slot: Slot, round: u32) -> u64 {
        self.keys.hash_one((slot, round))
    }

    /// The initial sequence number of a SYN: a keyed permutation of the slot, so that the answer's
    /// acknowledgement names the probe and a guess hits one only by chance.
    pub fn seal(&self, slot: Slot) -> u32 {
        let (mut left, mut right) = halves(slot);
        for turn in 0..4_u8 {
            (left, right) = (right, left ^ self.turn(turn, right));
        }
        join(left, right)
    }

    /// The slot behind a sequence number; the inverse of [`Cookie::seal`].
    pub fn open(&self, sequence: u32) -> Slot {
        let (mut left, mut right) = halves(sequence);
        for turn in (0..4_u8).rev() {
            (left, right) = (right ^ self.turn(turn, left), left);
        }
        join(left, right)
    }

    fn turn(&self, turn: u8, half: u16) -> u16 {
        self.keys.hash_one((turn, half)) as u16
    }
}

fn halves(value: u32) -> (u16, u16) {
    ((value >> 16) as u16, value as u16)
}

fn join(left: u16, right: u16) -> u32 {
    u32::from(left) << 16 | u32::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_undoes_sealing_and_another_key_does_not() {
        let (ours, theirs) = (Cookie::new(None, 0..0), Cookie::new(None, 0..0));
        let slots: Vec<Slot> = (0..1000).map(|n: u32| n.wrapping_mul(0x9e37_79b9)).collect();
        assert!(slots.iter().all(|&slot| ours.open(ours.seal(slot)) == slot));
        let by_chance = slots.iter().filter(|&&slot| theirs.open(ours.seal(slot)) == slot).count();
        assert!(by_chance < 3, "{by_chance} of 1000 opened with a foreign key");
    }

    #[test]
    fn consecutive_probes_take_the_ports_in_turn() {
        let cookie = Cookie::new(None, 40_000..40_004);
        let ports: Vec<u16> = (0..5).map(|slot| cookie.port_of(slot)).collect();
        assert_eq!(ports, [40_000, 40_001, 40_002, 40_003, 40_000]);
        assert!(ports.iter().all(|&port| cookie.owns_port(port)));
        assert!(!cookie.owns_port(40_004));
    }
}
