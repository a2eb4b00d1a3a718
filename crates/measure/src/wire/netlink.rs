//! Messages of rtnetlink as the kernel answers a dump with them (RFC 3549, netlink(7), rtnetlink(7)):
//! how they are told apart, and the statistics of neighbour tables. All numbers are in host byte order.

/// Ends a dump with an error, or acknowledges.
pub(crate) const NLMSG_ERROR: u16 = 2;
/// Ends a dump.
pub(crate) const NLMSG_DONE: u16 = 3;
/// Bytes of `nlmsghdr`.
pub(crate) const HEADER: usize = 16;
/// Upper bits of an attribute's type: nested, network byte order.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Netlink<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    /// What follows the header.
    pub(crate) body: &'a [u8],
}

/// The first message of a datagram and what follows it; `None` if its length is wrong.
pub(crate) fn split(datagram: &[u8]) -> Option<(Netlink<'_>, &[u8])> {
    let length = u32_at(datagram, 0)? as usize;
    let (kind, flags) = (u16_at(datagram, 4)?, u16_at(datagram, 6)?);
    let body = datagram.get(HEADER..length)?;
    let rest = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((Netlink { kind, flags, body }, rest))
}

/// Type and value of each attribute; one `None`, then the end, where a length is wrong.
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let read = || {
            let length = u16_at(bytes, 0)? as usize;
            let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
            let value = bytes.get(4..length)?;
            Some((length, kind, value))
        };
        let Some((length, kind, value)) = read() else { return Some(None) };
        self.0 = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Some((kind, value)))
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// How often the neighbour tables of one datagram of an `RTM_GETNEIGHTBL` dump were full
/// (`ndts_table_fulls`), and whether the dump ends here.
pub fn table_fulls(datagram: &[u8]) -> (u64, bool) {
    /// `ndtmsg`.
    const NDTMSG: usize = 4;
    const NDTA_STATS: u16 = 7;
    let mut rest = datagram;
    let mut sum = 0_u64;
    while let Some((message, next)) = split(rest) {
        if matches!(message.kind, NLMSG_ERROR | NLMSG_DONE) {
            return (sum, true);
        }
        let attributes = Attributes(message.body.get(NDTMSG..).unwrap_or_default());
        for (kind, value) in attributes.map_while(|attribute| attribute) {
            if kind == NDTA_STATS {
                sum = sum.saturating_add(last_statistic(value).unwrap_or(0));
            }
        }
        rest = next;
    }
    (sum, false)
}

/// `NDTA_STATS` is eleven 64-bit numbers, of which the last counts a full table.
fn last_statistic(value: &[u8]) -> Option<u64> {
    const TABLE_FULLS: usize = 10 * 8;
    value.get(TABLE_FULLS..TABLE_FULLS + 8)?.try_into().ok().map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn table(fulls: u64) -> Vec<u8> {
        const RTM_NEWNEIGHTBL: u16 = 64;
        let mut body = vec![0; 4];
        body.extend([92_u16, 7].map(u16::to_ne_bytes).concat());
        body.extend([0; 80]);
        body.extend(fulls.to_ne_bytes());
        message(RTM_NEWNEIGHTBL, &body)
    }

    #[test]
    fn the_tables_of_a_datagram_are_added_up_until_the_end_of_the_dump() {
        let two = [table(3), table(40)].concat();
        assert_eq!(table_fulls(&two), (43, false));
        let ended = [table(3), message(NLMSG_DONE, &[0; 4]), table(40)].concat();
        assert_eq!(table_fulls(&ended), (3, true));
        assert_eq!(table_fulls(&[table(u64::MAX), table(1)].concat()), (u64::MAX, false));
    }

    #[test]
    fn broken_lengths_end_the_reading() {
        assert_eq!(table_fulls(&[]), (0, false));
        assert_eq!(table_fulls(&[0; 16]), (0, false), "a length of nothing");
        assert_eq!(table_fulls(&[0xff; 40]), (0, false), "a length beyond the end");
        let whole = table(7);
        for end in 0..whole.len() {
            assert_eq!(table_fulls(&whole[..end]), (0, false), "cut at {end}");
        }
    }
}
