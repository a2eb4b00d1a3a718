//! The tables of interfaces (IF-MIB, RFC 2863) as they come in, value by value: which columns are asked for
//! and what rows they make. Pure. Whatever an agent sends, rows and texts stay bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_snmp::{Oid, Value};
use model::{AdminStatus, Both, InterfaceReading, OperStatus};

/// `sysUpTime` without its instance: a GETBULK asks for what comes after it.
pub(super) const SYS_UPTIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3];
/// `sysName` without its instance.
pub(super) const SYS_NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 5];

/// Most interfaces of a device: a chassis with all its subinterfaces has fewer.
pub(super) const MAX_ROWS: usize = 20_000;
/// Most letters of a name or description.
const TEXT: usize = 255;

/// A column of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Column {
    Name,
    HcInOctets,
    HcOutOctets,
    OperStatus,
    AdminStatus,
    InErrors,
    OutErrors,
    InDiscards,
    OutDiscards,
    Discontinuity,
    InOctets,
    OutOctets,
    HighSpeed,
    Speed,
    Descr,
    Alias,
}

/// Columns that change all the time, and the name that says whose they are.
pub(super) const COUNTERS: [Column; 10] = [
    Column::Name,
    Column::HcInOctets,
    Column::HcOutOctets,
    Column::OperStatus,
    Column::AdminStatus,
    Column::InErrors,
    Column::OutErrors,
    Column::InDiscards,
    Column::OutDiscards,
    Column::Discontinuity,
];
/// Octets of 32 bits, for interfaces without others.
pub(super) const NARROW: [Column; 2] = [Column::InOctets, Column::OutOctets];
/// Columns that change when somebody changes them.
pub(super) const FACTS: [Column; 4] =
    [Column::HighSpeed, Column::Speed, Column::Descr, Column::Alias];

impl Column {
    /// Where the column is.
    pub(super) fn oid(self) -> &'static [u32] {
        match self {
            Column::Descr => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 2],
            Column::Speed => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 5],
            Column::AdminStatus => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 7],
            Column::OperStatus => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 8],
            Column::InOctets => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 10],
            Column::InDiscards => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 13],
            Column::InErrors => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 14],
            Column::OutOctets => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 16],
            Column::OutDiscards => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 19],
            Column::OutErrors => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 20],
            Column::Name => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1],
            Column::HcInOctets => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6],
            Column::HcOutOctets => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10],
            Column::HighSpeed => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15],
            Column::Alias => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18],
            Column::Discontinuity => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19],
        }
    }

    /// The row that a name in this column belongs to; `None` if it is in another column or no row of it.
    pub(super) fn row(self, oid: &Oid) -> Option<u32> {
        match oid.arcs().strip_prefix(self.oid())? {
            [index] => Some(*index),
            _ => None,
        }
    }

    /// The name of the value in a row; of the column itself without one.
    pub(super) fn at(self, row: Option<u32>) -> Oid {
        Oid::new(self.oid().iter().copied().chain(row))
    }
}

/// What does not change at each poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    descr: Option<Arc<str>>,
    alias: Option<Arc<str>>,
    speed: Option<u32>,
    high_speed: Option<u32>,
}

/// One row as far as it is known.
#[derive(Clone, Debug, Default)]
struct Row {
    name: Option<Arc<str>>,
    facts: Facts,
    admin: AdminStatus,
    oper: OperStatus,
    uptime: u32,
    discontinuity: Option<u32>,
    wide: Both<Option<u64>>,
    narrow: Both<Option<u32>>,
    errors: Both<Option<u32>>,
    discards: Both<Option<u32>>,
}

/// The rows of one poll.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<u32, Row>,
}

impl Table {
    /// Takes in one value; `uptime` is that of the same packet. Values of a type that the column does not
    /// have are left out.
    pub(super) fn take(&mut self, column: Column, index: u32, value: &Value, uptime: u32) {
        if self.rows.len() >= MAX_ROWS && !self.rows.contains_key(&index) {
            return;
        }
        let row = self.rows.entry(index).or_default();
        match column {
            Column::Name => row.name = text(value),
            Column::Descr => row.facts.descr = text(value),
            Column::Alias => row.facts.alias = text(value),
            Column::Speed => row.facts.speed = value.as_u32(),
            Column::HighSpeed => row.facts.high_speed = value.as_u32(),
            Column::AdminStatus => row.admin = AdminStatus::from_number(number(value)),
            Column::OperStatus => row.oper = OperStatus::from_number(number(value)),
            Column::Discontinuity => row.discontinuity = value.as_u32(),
            Column::InErrors => row.errors.received = value.as_u32(),
            Column::OutErrors => row.errors.sent = value.as_u32(),
            Column::InDiscards => row.discards.received = value.as_u32(),
            Column::OutDiscards => row.discards.sent = value.as_u32(),
            Column::HcInOctets => {
                row.wide.received = value.as_u64();
                row.uptime = uptime;
            }
            Column::HcOutOctets => row.wide.sent = value.as_u64(),
            Column::InOctets => {
                row.narrow.received = value.as_u32();
                if row.wide.received.is_none() {
                    row.uptime = uptime;
                }
            }
            Column::OutOctets => row.narrow.sent = value.as_u32(),
        }
    }

    /// Whether it takes no further rows.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= MAX_ROWS
    }

    /// Whether some interface tells no high-capacity octets.
    pub(super) fn lacks_wide(&self) -> bool {
        self.rows.values().any(|row| row.wide.received.is_none() && row.wide.sent.is_none())
    }

    /// The facts by the name of the interface, to be kept for polls that do not ask for them.
    pub(super) fn facts(&self) -> BTreeMap<Arc<str>, Facts> {
        let facts = |row: &Row| row.name.clone().map(|name| (name, row.facts.clone()));
        self.rows.values().filter_map(facts).collect()
    }

    /// The interfaces. `known` are the facts of an earlier poll, by name; where it has none they are those of
    /// this poll. `uptime` stands for rows without octets.
    pub(super) fn interfaces(
        self,
        known: Option<&BTreeMap<Arc<str>, Facts>>,
        uptime: u32,
    ) -> Vec<InterfaceReading> {
        let mut names: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        let mut interfaces = Vec::with_capacity(self.rows.len());
        for (index, row) in self.rows {
            let kept = known.zip(row.name.as_ref()).and_then(|(known, name)| known.get(name));
            let facts = kept.cloned().unwrap_or_else(|| row.facts.clone());
            let mut interface = row.interface(index, facts, uptime);
            // Two interfaces of one name are told apart by their numbers, the first keeps the name.
            if names.contains_key(&interface.name) {
                interface.name = format!("{} ({index})", interface.name).into();
            }
            names.insert(Arc::clone(&interface.name), index);
            interfaces.push(interface);
        }
        interfaces
    }
}

impl Row {
    fn interface(self, index: u32, facts: Facts, uptime: u32) -> InterfaceReading {
        let wide = self.wide.received.is_some() || self.wide.sent.is_some();
        let octets = if wide {
            self.wide
        } else {
            let widened = |value: Option<u32>| value.map(u64::from);
            Both { received: widened(self.narrow.received), sent: widened(self.narrow.sent) }
        };
        let told = octets.received.is_some();
        let named = self.name.or_else(|| facts.descr.clone());
        InterfaceReading {
            name: named.unwrap_or_else(|| format!("interface {index}").into()),
            index,
            speed_bps: facts.speed_bps(),
            descr: facts.descr.unwrap_or_default(),
            alias: facts.alias.unwrap_or_default(),
            admin: self.admin,
            oper: self.oper,
            uptime: if told { self.uptime } else { uptime },
            discontinuity: self.discontinuity,
            octets,
            wide,
            errors: self.errors,
            discards: self.discards,
        }
    }
}

impl Facts {
    /// `ifHighSpeed` counts in millions of bits and is the only one above 4.2 Gbit/s; below a million only
    /// `ifSpeed` says something.
    fn speed_bps(&self) -> Option<u64> {
        let high = self.high_speed.filter(|speed| *speed > 0);
        let low = self.speed.filter(|speed| *speed > 0 && *speed < u32::MAX);
        high.map(|millions| u64::from(millions) * 1_000_000).or(low.map(u64::from))
    }
}

fn number(value: &Value) -> i64 {
    value.as_i32().map_or(0, i64::from)
}

/// Text for people: printable, on one line, bounded; `None` if nothing is left.
pub(super) fn text(value: &Value) -> Option<Arc<str>> {
    let bytes = value.as_bytes()?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * TEXT)]);
    let letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let text: String = letters.take(TEXT).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_snmp::Value::{Counter32, Counter64, Gauge32, Integer, OctetString};

    fn string(text: &str) -> Value {
        OctetString(text.as_bytes().to_vec().into())
    }

    fn table(rows: &[(u32, &[(Column, Value)])]) -> Table {
        let mut table = Table::default();
        for (index, values) in rows {
            for (column, value) in *values {
                table.take(*column, *index, value, 500);
            }
        }
        table
    }

    #[test]
    fn a_row_is_known_by_its_name_and_holds_the_high_capacity_octets() {
        let interfaces = table(&[(
            7,
            &[
                (Column::Name, string("Ethernet1/1")),
                (Column::Alias, string("uplink\r\n")),
                (Column::HcInOctets, Counter64(1 << 40)),
                (Column::InOctets, Counter32(3)),
                (Column::HighSpeed, Gauge32(10_000)),
                (Column::Speed, Gauge32(u32::MAX)),
                (Column::OperStatus, Integer(1)),
            ],
        )])
        .interfaces(None, 400);
        let [one] = &interfaces[..] else { panic!("one row") };
        assert_eq!((&*one.name, &*one.alias, one.index), ("Ethernet1/1", "uplink", 7));
        assert_eq!((one.octets.received, one.octets.sent, one.wide), (Some(1 << 40), None, true));
        assert_eq!((one.speed_bps, one.uptime), (Some(10_000_000_000), 500));
        assert_eq!((one.oper, one.admin), (OperStatus::Up, AdminStatus::Untold));
    }

    #[test]
    fn thirty_two_bits_stand_in_where_there_is_nothing_else() {
        let old =
            table(&[(1, &[(Column::Descr, string("eth0")), (Column::InOctets, Counter32(9))])]);
        assert!(old.lacks_wide());
        let interfaces = old.interfaces(None, 400);
        assert_eq!((interfaces[0].octets.received, interfaces[0].wide), (Some(9), false));
        assert_eq!(&*interfaces[0].name, "eth0", "without ifName its description names it");
    }

    #[test]
    fn facts_of_an_earlier_poll_are_found_by_name_though_the_number_changed() {
        let first =
            table(&[(1, &[(Column::Name, string("a")), (Column::HighSpeed, Gauge32(100))])]);
        let facts = first.facts();
        let later = table(&[(9, &[(Column::Name, string("a"))])]).interfaces(Some(&facts), 0);
        assert_eq!((later[0].index, later[0].speed_bps), (9, Some(100_000_000)));
    }

    #[test]
    fn two_interfaces_of_one_name_are_told_apart() {
        let name = |index| (index, [(Column::Name, string("x"))]);
        let (a, b) = (name(1), name(2));
        let both = table(&[(a.0, &a.1), (b.0, &b.1)]).interfaces(None, 0);
        assert_eq!([&*both[0].name, &*both[1].name], ["x", "x (2)"]);
    }

    #[test]
    fn values_of_the_wrong_type_and_endless_texts_do_no_harm() {
        let long = "ä".repeat(5_000);
        let rows = table(&[(
            1,
            &[
                (Column::Name, string(&long)),
                (Column::HcInOctets, string("not a number")),
                (Column::OperStatus, Value::NoSuchInstance),
                (Column::Speed, Integer(-1)),
            ],
        )])
        .interfaces(None, 0);
        assert_eq!(rows[0].name.chars().count(), TEXT);
        assert_eq!((rows[0].octets.received, rows[0].speed_bps), (None, None));
    }

    #[test]
    fn a_name_in_another_column_is_no_row_of_this_one() {
        let oid = Column::InOctets.at(Some(5));
        assert_eq!(Column::InOctets.row(&oid), Some(5));
        assert_eq!(Column::OutOctets.row(&oid), None);
        assert_eq!(Column::InOctets.row(&Column::InOctets.at(None)), None);
        assert_eq!(Column::InOctets.row(&oid.child(1)), None);
    }
}
