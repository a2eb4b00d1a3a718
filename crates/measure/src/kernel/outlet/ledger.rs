//! Which packet a kernel stamp is about, and when the packets between two stamped ones left. It counts as
//! the kernel does and does no I/O.

use model::UnixNs;

/// So many of the packets sent last are remembered.
const KEPT: usize = 4096;
/// Two stamps further apart than this, in nanoseconds, say that the sender was interrupted in between,
/// and nobody knows before which packet.
const INTERRUPTED: i64 = 50_000;

/// Packets in the order they were sent, and the numbers that the kernel gave to those it stamps.
pub(super) struct Ledger {
    tickets: Box<[u32; KEPT]>,
    /// Place of each numbered packet, by its number.
    places: Box<[u32; KEPT]>,
    /// Place of the next packet.
    place: u32,
    /// The number that the kernel gives to the next packet that it stamps.
    number: u32,
    /// The stamp that came last: place and time.
    last: Option<(u32, UnixNs)>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let (tickets, places) = (Box::new([0; KEPT]), Box::new([0; KEPT]));
        Self { tickets, places, place: 0, number: 0, last: None }
    }

    /// The kernel begins to count at 0 again.
    pub(super) fn restart(&mut self) {
        self.number = 0;
        self.last = None;
    }

    /// A packet was sent; the kernel numbers it if it stamps it.
    pub(super) fn sent(&mut self, ticket: u32, stamped: bool) {
        self.tickets[self.place as usize % KEPT] = ticket;
        if stamped {
            self.places[self.number as usize % KEPT] = self.place;
            self.number = self.number.wrapping_add(1);
        }
        self.place = self.place.wrapping_add(1);
    }

    /// Takes a stamp, and tells ticket and time of its packet (`true`) and, estimated, of those between
    /// the stamp before it and this one (`false`), if they are less than `stride`: packets of one batch
    /// leave one after the other. Returns `false` if the sender was interrupted among them: then of these
    /// nothing is told.
    pub(super) fn stamped(
        &mut self,
        number: u32,
        at: UnixNs,
        stride: usize,
        tell: &mut dyn FnMut(u32, UnixNs, bool),
    ) -> bool {
        let mut steady = true;
        let age = self.number.wrapping_sub(number);
        // A number not given yet, or too old, is from before the last restart.
        if age == 0 || age as usize > KEPT {
            return true;
        }
        let place = self.places[number as usize % KEPT];
        if self.place.wrapping_sub(place) as usize > KEPT {
            return true;
        }
        if let Some((before, since)) = self.last.replace((place, at)) {
            let steps = place.wrapping_sub(before);
            let span = at.since(since);
            if steps as usize <= stride && steps > 1 {
                steady = (0..=INTERRUPTED).contains(&span);
                for step in (1..steps).take_while(|_| steady) {
                    let left = UnixNs(since.0 + span * i64::from(step) / i64::from(steps));
                    tell(self.tickets[before.wrapping_add(step) as usize % KEPT], left, false);
                }
            }
        }
        tell(self.tickets[place as usize % KEPT], at, true);
        steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: usize = 8;

    /// Tells the ledger of packets whose tickets are 100, 101, ...; those at `stamped` are.
    fn ledger(packets: u32, stamped: &[u32]) -> Ledger {
        let mut ledger = Ledger::new();
        (0..packets).for_each(|at| ledger.sent(100 + at, stamped.contains(&at)));
        ledger
    }

    fn told(ledger: &mut Ledger, number: u32, at: i64) -> Vec<(u32, i64, bool)> {
        let mut told = Vec::new();
        ledger.stamped(number, UnixNs(at), STRIDE, &mut |ticket, at, own| {
            told.push((ticket, at.0, own));
        });
        told
    }

    #[test]
    fn what_left_between_two_stamps_is_estimated_between_them() {
        let mut ledger = ledger(6, &[0, 4, 5]);
        assert_eq!(told(&mut ledger, 0, 1_000), [(100, 1_000, true)]);
        let between = [(101, 1_010, false), (102, 1_020, false), (103, 1_030, false)];
        let stamps = told(&mut ledger, 1, 1_040);
        assert_eq!(stamps[..3], between);
        assert_eq!(stamps[3..], [(104, 1_040, true)]);
        assert_eq!(told(&mut ledger, 2, 1_050), [(105, 1_050, true)]);
    }

    #[test]
    fn nothing_is_estimated_over_a_gap_or_backwards() {
        let mut far = ledger(20, &[0, 10]);
        told(&mut far, 0, 1_000);
        assert_eq!(told(&mut far, 1, 2_000), [(110, 2_000, true)], "a stamp in between was lost");
        let mut back = ledger(20, &[0, 4]);
        told(&mut back, 0, 1_000);
        assert_eq!(told(&mut back, 1, 900), [(104, 900, true)], "the clock was stepped");
        let mut alone = ledger(20, &[0, 4]);
        assert_eq!(told(&mut alone, 1, 900), [(104, 900, true)], "the first stamp was lost");
    }

    #[test]
    fn an_interrupted_sender_is_noticed_and_nothing_is_estimated() {
        let mut ledger = ledger(20, &[0, 8, 16]);
        let mut stamp = |number, at| {
            let mut told = 0;
            let steady = ledger.stamped(number, UnixNs(at), STRIDE, &mut |_, _, _| told += 1);
            (steady, told)
        };
        assert_eq!(stamp(0, 0), (true, 1));
        assert_eq!(stamp(1, 3_000_000), (false, 1));
        assert_eq!(stamp(2, 3_020_000), (true, 8));
    }

    #[test]
    fn a_number_that_was_not_given_or_is_too_old_says_nothing() {
        let mut ledger = ledger(3, &[0, 1, 2]);
        assert_eq!(told(&mut ledger, 3, 1), []);
        ledger.restart();
        assert_eq!(told(&mut ledger, 0, 1), [], "of a packet before the restart");
        ledger.sent(7, true);
        assert_eq!(told(&mut ledger, 0, 1), [(7, 1, true)]);
        (0..5_000).for_each(|ticket| ledger.sent(ticket, false));
        assert_eq!(told(&mut ledger, 0, 1), [], "its ticket is forgotten");
    }

    #[test]
    fn places_and_numbers_may_wrap() {
        let mut ledger = ledger(0, &[]);
        (ledger.place, ledger.number) = (u32::MAX - 1, u32::MAX);
        [true, false, false, true].into_iter().zip(1..).for_each(|(stamped, ticket)| {
            ledger.sent(ticket, stamped);
        });
        told(&mut ledger, u32::MAX, 0);
        let stamps = told(&mut ledger, 0, 30);
        assert_eq!(stamps, [(2, 10, false), (3, 20, false), (4, 30, true)]);
    }
}
