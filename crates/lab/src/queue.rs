//! Packets that wait for their due time. Buffers are used again: once it has held its largest load it
//! allocates nothing more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Packets by due time; those with the same one leave in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Due time in nanoseconds, serial number, place in `buffers`.
    heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
    buffers: Vec<Vec<u8>>,
    free: Vec<u32>,
    serial: u32,
}

impl Queue {
    /// How many packets wait.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// When the next packet is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((due, ..))| Duration::from_nanos(*due))
    }

    /// Adds a packet.
    pub(crate) fn push(&mut self, due: Duration, bytes: &[u8]) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Vec::new());
            (self.buffers.len() - 1) as u32
        });
        let buffer = &mut self.buffers[place as usize];
        buffer.clear();
        buffer.extend_from_slice(bytes);
        // 584 years of nanoseconds fit.
        self.heap.push(Reverse((due.as_nanos() as u64, self.serial, place)));
        self.serial = self.serial.wrapping_add(1);
    }

    /// Takes the next packet that is due at `now`, with its due time. The bytes are good until the next
    /// call.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<(Duration, &[u8])> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let Reverse((_, _, place)) = self.heap.pop()?;
        self.free.push(place);
        Some((due, &self.buffers[place as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_by_due_time_and_then_in_order_of_arrival() {
        let mut queue = Queue::default();
        let ms = Duration::from_millis;
        for (due, byte) in [(5, 1), (3, 2), (5, 3), (9, 4)] {
            queue.push(ms(due), &[byte]);
        }
        let mut left = Vec::new();
        while let Some((due, bytes)) = queue.pop(ms(8)) {
            left.push((due, bytes[0]));
        }
        assert_eq!(left, [(ms(3), 2), (ms(5), 1), (ms(5), 3)]);
        assert_eq!((queue.len(), queue.next_due()), (1, Some(ms(9))));
    }

    #[test]
    fn buffers_are_used_again() {
        let mut queue = Queue::default();
        for round in 0..200_u8 {
            queue.push(Duration::ZERO, &[0; 100]);
            queue.push(Duration::ZERO, &[round]);
            assert_eq!(queue.pop(Duration::ZERO).unwrap().1.len(), 100);
            assert_eq!(queue.pop(Duration::ZERO).unwrap().1, [round]);
        }
        assert_eq!(queue.buffers.len(), 2);
    }
}
