//! Classic BPF programs that keep everybody else's packets out of our receive queues. IPv4 raw sockets
//! see the IP header, IPv6 ones do not. A filter may let a foreign packet through, never drop one of ours.

use std::io;

use model::Family;
use socket2::{SockFilter, Socket};

const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const MASK: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

const PASS: Instruction = Instruction { code: RETURN, yes: 0, no: 0, number: 0x4_0000 };
const DROP: Instruction = Instruction { code: RETURN, yes: 0, no: 0, number: 0 };

const PROTOCOL_ICMP: u32 = 1;
const PROTOCOL_TCP: u32 = 6;
const PROTOCOL_ICMPV6: u32 = 58;
/// First byte of an IPv4 header without options.
const PLAIN_V4: u32 = 0x45;

/// One instruction of the kernel's filter machine, and how many to skip on yes and on no.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    yes: u8,
    no: u8,
    number: u32,
}

/// A program for one socket.
#[derive(Debug)]
pub(super) struct Filter(Vec<Instruction>);

/// Where to go when a step does not hold.
#[derive(Clone, Copy)]
enum Else {
    Pass,
    Drop,
    /// On with the step of this number.
    Step(usize),
}

/// One question about the packet: is the masked number at this offset that value?
struct Step {
    load: u16,
    at: u32,
    mask: Option<u32>,
    value: u32,
    otherwise: Else,
}

/// A step about a byte.
fn byte(at: u32, value: u32, otherwise: Else) -> Step {
    Step { load: LOAD_BYTE, at, mask: None, value, otherwise }
}

/// A step about two bytes.
fn half(at: u32, value: u16, otherwise: Else) -> Step {
    Step { load: LOAD_HALF, at, mask: None, value: u32::from(value), otherwise }
}

/// A step about a port: one of `count` from `first` on.
fn port(at: u32, first: u16, count: u16) -> Step {
    Step { mask: Some(u32::from(!(count - 1))), ..half(at, first, Else::Drop) }
}

impl Filter {
    /// The program that passes a packet for which all steps of a run hold, from the first step to one in
    /// `ends`, which is the last of its run.
    fn new(steps: &[Step], ends: &[usize]) -> Self {
        let width = |step: &Step| 2 + usize::from(step.mask.is_some());
        let length = |from: usize, to: usize| -> usize {
            let ends_between = ends.iter().filter(|end| (from..to).contains(*end)).count();
            steps[from..to].iter().map(width).sum::<usize>() + ends_between
        };
        let mut program = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            program.push(Instruction { code: step.load, yes: 0, no: 0, number: step.at });
            let mask = |number| Instruction { code: MASK, yes: 0, no: 0, number };
            program.extend(step.mask.map(mask));
            let after = usize::from(ends.contains(&index));
            let rest = after + length(index + 1, steps.len());
            let skip = match step.otherwise {
                Else::Pass => rest,
                Else::Drop => rest + 1,
                Else::Step(other) => after + length(index + 1, other),
            };
            let no = u8::try_from(skip).expect("the programs below are shorter than 255 steps");
            program.push(Instruction { code: IF_EQUAL, yes: 0, no, number: step.value });
            if ends.contains(&index) {
                program.push(PASS);
            }
        }
        program.extend([PASS, DROP]);
        Self(program)
    }

    /// Puts it on the socket.
    pub(super) fn attach(&self, socket: &Socket) -> io::Result<()> {
        let native = |i: &Instruction| SockFilter::new(i.code, i.yes, i.no, i.number);
        socket.attach_filter(&self.0.iter().map(native).collect::<Vec<_>>())
    }
}

/// Lets nothing through: for sockets that only send.
pub(super) fn nothing() -> Filter {
    Filter(vec![DROP])
}

/// Echo replies with our identifier, and errors that quote a request with it.
pub(super) fn echo(family: Family, id: u16) -> Filter {
    match family {
        // 20 bytes of IP header, 8 of the error, 20 of the quoted header.
        Family::V4 => Filter::new(
            &[
                byte(0, PLAIN_V4, Else::Pass),
                byte(20, 0, Else::Step(3)),
                half(24, id, Else::Drop),
                byte(28, PLAIN_V4, Else::Pass),
                byte(37, PROTOCOL_ICMP, Else::Drop),
                half(52, id, Else::Drop),
            ],
            &[2],
        ),
        // 8 bytes of the error, 40 of the quoted header.
        Family::V6 => Filter::new(
            &[
                byte(0, 129, Else::Step(2)),
                half(4, id, Else::Drop),
                byte(14, PROTOCOL_ICMPV6, Else::Drop),
                half(52, id, Else::Drop),
            ],
            &[1],
        ),
    }
}

/// Segments to `count` ports from `first` on, a multiple of `count`, which is a power of two.
pub(super) fn segments(family: Family, first: u16, count: u16) -> Filter {
    match family {
        Family::V4 => Filter::new(&[byte(0, PLAIN_V4, Else::Pass), port(22, first, count)], &[]),
        Family::V6 => Filter::new(&[port(2, first, count)], &[]),
    }
}

/// ICMP errors that quote a segment from one of those ports.
pub(super) fn errors(family: Family, first: u16, count: u16) -> Filter {
    match family {
        Family::V4 => Filter::new(
            &[
                byte(0, PLAIN_V4, Else::Pass),
                byte(28, PLAIN_V4, Else::Pass),
                byte(37, PROTOCOL_TCP, Else::Drop),
                port(48, first, count),
            ],
            &[],
        ),
        Family::V6 => {
            Filter::new(&[byte(14, PROTOCOL_TCP, Else::Drop), port(48, first, count)], &[])
        }
    }
}

#[cfg(test)]
mod tests;
