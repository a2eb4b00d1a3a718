//! Simulated SNMP agents: version 2c, the tables of interfaces, counters that move with time, and bad habits.
//! What they tell is made up and says SIMULATION; they know nothing of the code that asks them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_snmp::message::CommunityMessage;
use async_snmp::pdu::PduBody;
use async_snmp::{DecodeConfig, Oid, Pdu, ResponsePdu, Value, VarBind, Version};
use model::Clock;
use tokio::net::UdpSocket;

/// Longest datagram that an agent sends unless told otherwise: agents cut their answers to what fits.
const LONGEST: usize = 1_472;

/// What an agent is.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// What it calls itself.
    pub name: String,
    /// The community that it knows.
    pub community: String,
    /// How many interfaces it has.
    pub interfaces: u32,
    /// What it calls its interfaces at length (`ifDescr`), their number follows.
    pub ports: String,
    /// Whether it has counters of 64 bits.
    pub wide: bool,
    /// Longest answer in bytes.
    pub longest: usize,
    /// What it does wrong.
    pub habit: Option<AgentHabit>,
}

impl AgentOptions {
    /// An agent that behaves and knows the community `public`.
    pub fn new(name: impl Into<String>, interfaces: u32) -> Self {
        Self {
            name: name.into(),
            community: "public".into(),
            interfaces,
            ports: "SIMULATION port ".into(),
            wide: true,
            longest: LONGEST,
            habit: None,
        }
    }
}

/// A bad habit of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentHabit {
    /// It answers nothing.
    Silent,
    /// It answers a request only when the next one comes.
    Late,
    /// Its answers end in the middle.
    Truncated,
    /// It answers bytes that are nothing.
    Garbage,
    /// Its answers are to another request.
    OtherRequest,
    /// Its tables begin again and again.
    Endless,
    /// It says that any answer is too big, unless little is asked for.
    TooBig,
}

/// Columns of the tables: where they are, and what stands in a row.
type Column = (&'static [u32], fn(&Agent, u32, Duration) -> Value);

const COLUMNS: [Column; 16] = [
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 2], |agent, row, _| {
        text(format!("{}{row}", agent.options.ports))
    }),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 5], |_, _, _| Value::Gauge32(1_000_000_000)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 7], |_, _, _| Value::Integer(1)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 8], |_, _, _| Value::Integer(1)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 10], |_, row, at| Value::Counter32(octets(row, at) as u32)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 13], |_, _, _| Value::Counter32(0)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 14], |_, row, at| errors(row, at)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 16], |_, row, at| Value::Counter32(octets(row, at / 2) as u32)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 19], |_, _, _| Value::Counter32(0)),
    (&[1, 3, 6, 1, 2, 1, 2, 2, 1, 20], |_, _, _| Value::Counter32(0)),
    (&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1], |_, row, _| text(format!("Ethernet1/{row}"))),
    (&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6], |_, row, at| Value::Counter64(octets(row, at))),
    (&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10], |_, row, at| Value::Counter64(octets(row, at / 2))),
    (&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15], |_, _, _| Value::Gauge32(1_000)),
    (&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18], |agent, row, _| {
        text(format!("to {} {row}", agent.options.name))
    }),
    (&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19], |_, _, _| Value::TimeTicks(0)),
];
/// Those of the columns that have 64 bits.
const WIDE: [usize; 2] = [11, 12];

/// A single value: where it is, and what it is.
type Scalar = (&'static [u32], fn(&Agent, Duration) -> Value);

const SYSTEM: [Scalar; 3] = [
    (&[1, 3, 6, 1, 2, 1, 1, 1, 0], |_, _| text("SIMULATION, not a real device".into())),
    (&[1, 3, 6, 1, 2, 1, 1, 3, 0], |_, at| Value::TimeTicks((at.as_millis() / 10) as u32)),
    (&[1, 3, 6, 1, 2, 1, 1, 5, 0], |agent, _| text(agent.options.name.clone())),
];

/// Octets that a port has passed: a steady stream of its own, 1 to 10 Mbit/s.
fn octets(row: u32, at: Duration) -> u64 {
    let bytes_a_second = 125_000 * u64::from(row % 10 + 1);
    bytes_a_second * at.as_millis() as u64 / 1_000
}

/// Every tenth port has an error a second.
fn errors(row: u32, at: Duration) -> Value {
    Value::Counter32(if row.is_multiple_of(10) { at.as_secs() as u32 } else { 0 })
}

fn text(text: String) -> Value {
    Value::OctetString(text.into_bytes().into())
}

/// A simulated agent.
#[derive(Clone, Debug)]
pub struct Agent {
    options: AgentOptions,
}

impl Agent {
    /// An agent; it has been running since the clock's monotonic zero.
    pub fn new(options: AgentOptions) -> Self {
        Self { options }
    }

    /// The answer to a datagram, `uptime` after its start; `None` where it has none.
    pub fn answer(&self, request: &[u8], uptime: Duration) -> Option<Vec<u8>> {
        let options = &self.options;
        let message = CommunityMessage::decode(request.to_vec().into(), DecodeConfig::default());
        let (version, community, pdu) = message.ok()?.value.into_parts();
        if version != Version::V2c || !community.matches(options.community.as_bytes()) {
            return None;
        }
        let pdu = pdu.standard()?;
        let id = match options.habit {
            Some(AgentHabit::Silent) => return None,
            Some(AgentHabit::Garbage) => {
                return Some(vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02]);
            }
            Some(AgentHabit::OtherRequest) => pdu.request_id().wrapping_add(1),
            _ => pdu.request_id(),
        };
        let values = self.values(pdu, uptime);
        let is_much = values.len() > 40 && options.habit == Some(AgentHabit::TooBig);
        let response = if is_much {
            ResponsePdu::too_big(version, id, Vec::new())
        } else {
            ResponsePdu::success(version, id, values)
        };
        let message = CommunityMessage::v2c(community, response.ok()?).ok()?;
        let mut bytes = message.encode().ok()?.to_vec();
        if options.habit == Some(AgentHabit::Truncated) {
            bytes.truncate(bytes.len() / 2);
        }
        Some(bytes)
    }

    /// Answers what comes in on a socket, for ever.
    ///
    /// # Errors
    /// The socket fails.
    pub async fn serve(&self, socket: UdpSocket, clock: &dyn Clock) -> io::Result<()> {
        let mut room = vec![0; 65_536];
        let mut held = None;
        loop {
            let (length, from): (usize, SocketAddr) = socket.recv_from(&mut room).await?;
            let mut answer = self.answer(&room[..length], clock.monotonic());
            if self.options.habit == Some(AgentHabit::Late) {
                std::mem::swap(&mut answer, &mut held);
            }
            if let Some(answer) = answer {
                // Who has gone meanwhile is no failure of ours.
                let _ = socket.send_to(&answer, from).await;
            }
        }
    }

    fn values(&self, pdu: &Pdu, uptime: Duration) -> Vec<VarBind> {
        let mut values = Vec::new();
        let mut room = self.options.longest.saturating_sub(60);
        let mut push = |value: VarBind| {
            let size = value.encoded_size();
            let fits = size <= room;
            room = room.saturating_sub(size);
            if fits {
                values.push(value);
            }
            fits
        };
        let asked: Vec<&Oid> = pdu.varbinds().iter().map(|value| &value.oid).collect();
        let PduBody::GetBulk { non_repeaters, max_repetitions } = *pdu.raw_body() else {
            return asked.into_iter().map(|oid| self.next(oid, uptime)).collect();
        };
        let single = (non_repeaters as usize).min(asked.len());
        let (once, again) = asked.split_at(single);
        for oid in once {
            if !push(self.next(oid, uptime)) {
                return values;
            }
        }
        let mut cursors: Vec<Oid> = again.iter().copied().cloned().collect();
        for _ in 0..max_repetitions {
            for cursor in &mut cursors {
                let value = self.next(cursor, uptime);
                *cursor = value.oid.clone();
                if !push(value) {
                    return values;
                }
            }
        }
        values
    }

    /// The value after a name, as GETNEXT finds it.
    fn next(&self, after: &Oid, uptime: Duration) -> VarBind {
        let arcs = after.arcs();
        for (oid, value) in SYSTEM {
            if oid > arcs {
                return VarBind::new(Oid::from_slice(oid), value(self, uptime));
            }
        }
        for (place, (column, value)) in COLUMNS.iter().enumerate() {
            if WIDE.contains(&place) && !self.options.wide {
                continue;
            }
            let row = match arcs.strip_prefix(*column) {
                Some([]) => 1,
                Some([row, ..]) => row.saturating_add(1),
                None if *column > arcs => 1,
                None => continue,
            };
            let endless = self.options.habit == Some(AgentHabit::Endless);
            let row = if endless && row > self.options.interfaces { 1 } else { row };
            if row <= self.options.interfaces {
                let oid = Oid::new(column.iter().copied().chain([row]));
                return VarBind::new(oid, value(self, row, uptime));
            }
        }
        VarBind::new(after.clone(), Value::EndOfMibView)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_snmp::GetBulkPdu;

    fn ask(agent: &Agent, oids: &[&[u32]], single: u32, repetitions: u32) -> Vec<VarBind> {
        let values = oids.iter().map(|oid| VarBind::null(Oid::from_slice(oid))).collect();
        let pdu = GetBulkPdu::new(Version::V2c, 7, single, repetitions, values).unwrap();
        let request = CommunityMessage::v2c("public", pdu).unwrap().encode().unwrap();
        let answer = agent.answer(&request, Duration::from_secs(10)).unwrap();
        assert!(answer.len() <= LONGEST);
        let message = CommunityMessage::decode(answer.into(), DecodeConfig::default()).unwrap();
        message.value.pdu().standard().unwrap().varbinds().to_vec()
    }

    #[test]
    fn a_table_is_read_column_beside_column_and_ends() {
        let agent = Agent::new(AgentOptions::new("sim1", 2));
        let (name, octets) = (COLUMNS[10].0, COLUMNS[11].0);
        let values = ask(&agent, &[&[1, 3, 6, 1, 2, 1, 1, 3], name, octets], 1, 2);
        assert_eq!(values[0].value, Value::TimeTicks(1_000));
        assert_eq!(values[1].value, text("Ethernet1/1".into()));
        assert_eq!(values[2].value, Value::Counter64(2_500_000));
        assert_eq!(values[3].value, text("Ethernet1/2".into()));
        let end = [COLUMNS[15].0, &[2][..]].concat();
        assert_eq!(ask(&agent, &[&end], 0, 1)[0].value, Value::EndOfMibView);
    }

    #[test]
    fn an_answer_holds_only_what_fits() {
        let agent = Agent::new(AgentOptions::new("sim1", 1_000));
        let values = ask(&agent, &[COLUMNS[10].0], 0, 1_000);
        assert!((20..100).contains(&values.len()), "{}", values.len());
    }

    #[test]
    fn another_community_gets_no_answer() {
        let agent =
            Agent::new(AgentOptions { community: "other".into(), ..AgentOptions::new("s", 1) });
        let pdu = GetBulkPdu::new(Version::V2c, 7, 0, 1, vec![]).unwrap();
        let request = CommunityMessage::v2c("public", pdu).unwrap().encode().unwrap();
        assert_eq!(agent.answer(&request, Duration::ZERO), None);
    }
}
