//! Probes under way. Those of one timeout lie in a ring in the order they were sent, which is the order
//! of their deadlines too: a place in the ring is the probe's name on the wire, and no timer, free list
//! or map is needed. Knows nothing of packets.

use std::collections::VecDeque;

use model::{StampSource, UnixNs};

use crate::wire::Slot;

/// What is known of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Written into a batch, not yet handed to the kernel.
    Ready,
    /// Under way.
    Open,
    /// Answered in time.
    Answered,
    /// Past its deadline.
    Lost,
    /// Reported otherwise: unsent, unreachable, unknown. No answer counts any more.
    Closed,
}

/// One probe, 24 bytes: a hundred thousand are remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// Wall clock before it was sent.
    pub(super) before: UnixNs,
    /// When it left, in nanoseconds after `before`.
    left: u32,
    /// Round of the target.
    pub(super) round: u32,
    /// Millisecond of the monotonic clock at which it was sent, lower half.
    pub(super) sent_ms: u32,
    /// From the top: [`Stage`] in 3 bits, [`StampSource`] in 2, index of the target.
    packed: u32,
}

impl Probe {
    /// Targets are counted in so many bits.
    const TARGET_BITS: u32 = 27;
    const STAMP_BITS: u32 = 2;
    /// In the order of their numbers.
    const STAGES: [Stage; 5] =
        [Stage::Ready, Stage::Open, Stage::Answered, Stage::Lost, Stage::Closed];
    const STAMPS: [StampSource; 4] =
        [StampSource::Kernel, StampSource::Between, StampSource::Sched, StampSource::User];
    /// Most targets of a lane.
    pub(super) const TARGETS: usize = 1 << Self::TARGET_BITS;

    /// A probe that is [`Stage::Ready`]. Indices beyond [`Probe::TARGETS`] are cut off.
    pub(super) fn new(target: u32, round: u32, before: UnixNs, sent_ms: u32) -> Self {
        let packed = target & (Self::TARGETS - 1) as u32;
        let mut probe = Self { before, left: 0, round, sent_ms, packed };
        probe.set_left(0, StampSource::User);
        probe
    }

    /// Index of its target in the lane.
    pub(super) fn target(&self) -> u32 {
        self.packed & (Self::TARGETS - 1) as u32
    }

    /// What became of it so far.
    pub(super) fn stage(&self) -> Stage {
        Self::STAGES[(self.packed >> (Self::TARGET_BITS + Self::STAMP_BITS)) as usize]
    }

    /// Which clock [`Probe::sent_at`] rests on.
    pub(super) fn stamp(&self) -> StampSource {
        Self::STAMPS[(self.packed >> Self::TARGET_BITS) as usize % Self::STAMPS.len()]
    }

    /// When it left.
    pub(super) fn sent_at(&self) -> UnixNs {
        UnixNs(self.before.0 + i64::from(self.left))
    }

    /// Sets when it left, in nanoseconds after `before`, and by which clock.
    pub(super) fn set_left(&mut self, left: u32, stamp: StampSource) {
        self.left = left;
        self.put(Self::TARGET_BITS, Self::STAMP_BITS, stamp as u32);
    }

    fn set_stage(&mut self, stage: Stage) {
        let at = Self::TARGET_BITS + Self::STAMP_BITS;
        self.put(at, u32::BITS - at, stage as u32);
    }

    fn put(&mut self, at: u32, bits: u32, value: u32) {
        let mask = ((1 << bits) - 1) << at;
        self.packed = self.packed & !mask | value << at;
    }
}

/// Probes of one timeout, oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    timeout_ms: u32,
    probes: VecDeque<Probe>,
    /// Number of the oldest probe.
    first: u32,
    /// How many of the oldest are past their deadline.
    judged: usize,
}

impl Ring {
    /// Answered and lost probes are remembered this long after their deadline, for late and further
    /// answers ...
    const MEMORY_MS: u32 = 10_000;
    /// ... as long as there are no more of them than this: less than a power of two by what is sent
    /// between two looks, so that the ring's memory does not double for nothing.
    const MEMORY: usize = (1 << 17) - 1024;
    /// Most probes under way, half of what the lower 24 bits of a slot can tell apart.
    const CAP: usize = 1 << 23;

    fn new(timeout_ms: u32) -> Self {
        Self { timeout_ms, probes: VecDeque::new(), first: 0, judged: 0 }
    }

    fn index(&self, number: u32) -> Option<usize> {
        let index = (number.wrapping_sub(self.first) & NUMBER) as usize;
        (index < self.probes.len()).then_some(index)
    }

    fn forget(&mut self, now_ms: u32) {
        while self.judged > 0 {
            let Some(oldest) = self.probes.front() else { break };
            let age = age_ms(oldest, now_ms);
            let kept = self.timeout_ms.saturating_add(Self::MEMORY_MS);
            if age < kept && self.probes.len() <= Self::MEMORY {
                break;
            }
            self.probes.pop_front();
            self.first = self.first.wrapping_add(1) & NUMBER;
            self.judged -= 1;
        }
    }
}

const NUMBER: u32 = (1 << 24) - 1;

/// How long ago it was sent. The milliseconds wrap every 49 days.
fn age_ms(probe: &Probe, now_ms: u32) -> u32 {
    let age = now_ms.wrapping_sub(probe.sent_ms);
    if age > u32::MAX / 2 { 0 } else { age }
}

/// All probes of a lane.
#[derive(Debug, Default)]
pub(super) struct Flights {
    rings: Vec<Ring>,
    open: usize,
}

impl Flights {
    /// Slots have 8 bits for the ring.
    const RINGS: usize = 256;

    /// The ring for probes of this timeout. Beyond 256 different timeouts the next longer one that is
    /// there serves, or the longest.
    pub(super) fn ring_of(&mut self, timeout_ms: u32) -> u8 {
        let found = self.rings.iter().position(|ring| ring.timeout_ms == timeout_ms);
        let index = found.unwrap_or_else(|| {
            if self.rings.len() < Self::RINGS {
                self.rings.push(Ring::new(timeout_ms));
                return self.rings.len() - 1;
            }
            let longer =
                |ring: &Ring| (ring.timeout_ms < timeout_ms, ring.timeout_ms.abs_diff(timeout_ms));
            (0..self.rings.len()).min_by_key(|&index| longer(&self.rings[index])).unwrap_or(0)
        });
        index as u8
    }

    /// How long probes of a ring are waited for.
    pub(super) fn timeout_ms(&self, ring: u8) -> u32 {
        self.rings[usize::from(ring)].timeout_ms
    }

    /// The timeout of a probe.
    pub(super) fn timeout_of(&self, slot: Slot) -> u32 {
        self.timeout_ms((slot >> 24) as u8)
    }

    /// Adds a probe; `None` when too many are under way.
    pub(super) fn push(&mut self, ring: u8, probe: Probe) -> Option<Slot> {
        let held = &mut self.rings[usize::from(ring)];
        if held.probes.len() >= Ring::CAP {
            return None;
        }
        let number = held.first.wrapping_add(held.probes.len() as u32) & NUMBER;
        held.probes.push_back(probe);
        self.open += 1;
        Some(u32::from(ring) << 24 | number)
    }

    /// The probe of this name, if it is remembered.
    pub(super) fn get(&self, slot: Slot) -> Option<&Probe> {
        let ring = self.rings.get((slot >> 24) as usize)?;
        ring.probes.get(ring.index(slot & NUMBER)?)
    }

    /// Moves a probe on to another stage.
    pub(super) fn set_stage(&mut self, slot: Slot, stage: Stage) {
        let Some(probe) = self.get_mut(slot) else { return };
        let was_open = matches!(probe.stage(), Stage::Ready | Stage::Open);
        probe.set_stage(stage);
        if was_open && !matches!(stage, Stage::Ready | Stage::Open) {
            self.open -= 1;
        }
    }

    /// The probe of this name, to fill in when it left.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Probe> {
        let ring = self.rings.get_mut((slot >> 24) as usize)?;
        let index = ring.index(slot & NUMBER)?;
        ring.probes.get_mut(index)
    }

    /// Remembered probes whose slots end in these 16 bits, newest first: the candidates for an answer
    /// that bears an ICMP sequence number only.
    pub(super) fn of_sequence(&self, sequence: u16) -> impl Iterator<Item = (Slot, &Probe)> {
        self.rings.iter().enumerate().flat_map(move |(ring, held)| {
            let past = u32::from(sequence).wrapping_sub(held.first) & 0xffff;
            (past..held.probes.len() as u32).step_by(1 << 16).rev().map(move |index| {
                let number = held.first.wrapping_add(index) & NUMBER;
                ((ring as u32) << 24 | number, &held.probes[index as usize])
            })
        })
    }

    /// The next probe that is past its deadline at `now_ms`. Each comes once.
    pub(super) fn expired(&mut self, now_ms: u32) -> Option<Slot> {
        for (index, ring) in self.rings.iter_mut().enumerate() {
            ring.forget(now_ms);
            while let Some(probe) = ring.probes.get(ring.judged) {
                if age_ms(probe, now_ms) <= ring.timeout_ms {
                    break;
                }
                let number = ring.first.wrapping_add(ring.judged as u32) & NUMBER;
                ring.judged += 1;
                if matches!(probe.stage(), Stage::Open | Stage::Ready) {
                    return Some((index as u32) << 24 | number);
                }
            }
        }
        None
    }

    /// All probes under way.
    pub(super) fn open_slots(&self) -> impl Iterator<Item = Slot> {
        self.rings.iter().enumerate().flat_map(|(index, ring)| {
            let open = ring.probes.range(ring.judged..).enumerate();
            open.filter(|(_, probe)| probe.stage() == Stage::Open).map(move |(offset, _)| {
                let number = ring.first.wrapping_add((ring.judged + offset) as u32) & NUMBER;
                (index as u32) << 24 | number
            })
        })
    }

    /// How many are under way.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// The longest timeout of all rings.
    pub(super) fn longest_ms(&self) -> u32 {
        self.rings.iter().map(|ring| ring.timeout_ms).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(sent_ms: u32) -> Probe {
        let mut probe = Probe::new(sent_ms, 0, UnixNs(0), sent_ms);
        probe.set_stage(Stage::Open);
        probe
    }

    #[test]
    fn a_probe_is_24_bytes_and_keeps_what_is_put_into_it() {
        assert_eq!(size_of::<Probe>(), 24);
        let most = Probe::TARGETS as u32 - 1;
        let mut probe = Probe::new(most, 7, UnixNs(1_000), 5);
        assert_eq!((probe.stage(), probe.stamp()), (Stage::Ready, StampSource::User));
        for stage in Probe::STAGES {
            for stamp in Probe::STAMPS {
                probe.set_stage(stage);
                probe.set_left(u32::MAX, stamp);
                assert_eq!((probe.target(), probe.stage(), probe.stamp()), (most, stage, stamp));
            }
        }
        assert_eq!(probe.sent_at(), UnixNs(1_000 + i64::from(u32::MAX)));
    }

    #[test]
    fn each_probe_expires_once_after_its_own_timeout() {
        let mut flights = Flights::default();
        let (short, long) = (flights.ring_of(10), flights.ring_of(100));
        assert_eq!(flights.ring_of(10), short);
        let quick = flights.push(short, probe(0)).expect("room");
        let slow = flights.push(long, probe(0)).expect("room");
        assert_eq!(flights.expired(10), None, "the deadline itself is in time");
        assert_eq!(flights.expired(11), Some(quick));
        assert_eq!(flights.expired(11), None);
        assert_eq!(flights.expired(101), Some(slow));
    }

    #[test]
    fn names_stay_true_as_old_probes_are_forgotten() {
        let mut flights = Flights::default();
        let ring = flights.ring_of(10);
        let mut slots = Vec::new();
        for sent in 0..200_000 {
            slots.push(flights.push(ring, probe(sent)).expect("room"));
            while let Some(slot) = flights.expired(sent) {
                flights.set_stage(slot, Stage::Lost);
            }
        }
        assert!(flights.get(slots[0]).is_none(), "forgotten");
        let kept = slots.iter().filter_map(|&slot| flights.get(slot)).count();
        assert!((10_000..10_100).contains(&kept), "{kept} remembered");
        let last = *slots.last().expect("some");
        assert_eq!(flights.get(last).map(Probe::target), Some(199_999));
        assert_eq!(flights.open(), 11);
        let found: Vec<u32> = flights.of_sequence(last as u16).map(|(_, p)| p.target()).collect();
        assert_eq!(found, [199_999]);
    }

    #[test]
    fn a_sequence_number_names_all_probes_65536_apart() {
        let mut flights = Flights::default();
        let ring = flights.ring_of(1_000_000);
        for sent in 0..150_000 {
            flights.push(ring, probe(sent)).expect("room");
        }
        let found: Vec<u32> = flights.of_sequence(7).map(|(_, probe)| probe.target()).collect();
        assert_eq!(found, [7 + 131_072, 7 + 65_536, 7]);
    }

    #[test]
    fn the_257th_timeout_takes_the_next_longer_ring() {
        let mut flights = Flights::default();
        for timeout in 0..256 {
            flights.ring_of(timeout * 10 + 10);
        }
        let ring = flights.ring_of(15);
        assert_eq!(flights.timeout_ms(ring), 20);
        let ring = flights.ring_of(9_999);
        assert_eq!(flights.timeout_ms(ring), 2_560);
    }
}
