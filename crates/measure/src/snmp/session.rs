//! One device, asked again and again: a poll is a few GETBULK requests that read the columns of its tables
//! side by side, each with `sysUpTime` in the same packet. It keeps what a later poll can use and nothing
//! else; when to poll is decided elsewhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use async_snmp::{
    Auth, AuthProtocol, Client, EngineCache, Oid, PrivProtocol, Retry, UdpClient, UdpTransport,
    UsmConfig, Value, VarBind,
};
use model::{Clock, DeviceReading, SnmpAccess, SnmpAuth, SnmpCredential, SnmpPrivacy, SnmpUser};

use super::error::{SnmpError, is_timeout, is_too_big};
use super::table::{COUNTERS, Column, FACTS, Facts, NARROW, SYS_NAME, SYS_UPTIME, Table, text};

/// Values of one answer: 50 of them fit into a packet of 1,500 bytes, so that answers are not fragmented.
const BULK: usize = 50;
/// Polls from one look at names, descriptions and speeds to the next.
const FACTS_EVERY: u32 = 10;
/// Most requests of one poll.
const MAX_REQUESTS: u32 = 10_000;

/// A device and what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name in the inventory.
    pub device: Arc<str>,
    /// Where its agent is.
    pub address: SocketAddr,
    /// How it is asked.
    pub access: SnmpAccess,
}

/// A device that is polled.
pub(super) struct Session {
    client: UdpClient,
    engines: Arc<EngineCache>,
    address: SocketAddr,
    credential: SnmpCredential,
    /// What the last full poll found, by interface.
    facts: Option<BTreeMap<Arc<str>, Facts>>,
    /// Whether octets of 32 bits are asked for: some interface has no others, or nothing is known yet.
    narrow: bool,
    /// Values asked for at a time.
    bulk: usize,
    polls: u32,
    /// Whether it was ever read.
    answered: bool,
    /// `sysUpTime` of the poll before: after a restart the facts are read again.
    uptime: u32,
    sys_name: String,
}

/// A column that is being read, and how far.
struct Cursor {
    column: Column,
    row: Option<u32>,
    done: bool,
}

impl Session {
    /// A session over a socket that many share. It sends nothing yet.
    pub(super) async fn open(
        asked: &Asked,
        socket: &UdpTransport,
        engines: &Arc<EngineCache>,
    ) -> Result<Self, SnmpError> {
        let Asked { address, access, .. } = asked;
        let refused = |why: String| SnmpError::Credential { address: *address, why };
        let auth = auth(&access.credential).map_err(refused)?;
        let retry = Retry::fixed(access.retries, std::time::Duration::ZERO)
            .map_err(|why| refused(why.to_string()))?;
        let client = Client::builder(*address, auth)
            .request_timeout(access.timeout)
            .retry(retry)
            .max_oids_per_request(BULK)
            .strict_source(true)
            .engine_cache(Arc::clone(engines))
            .build_with(socket)
            .await
            .map_err(|why| SnmpError::of(*why, *address, &access.credential))?;
        Ok(Self {
            client,
            engines: Arc::clone(engines),
            address: *address,
            credential: access.credential.clone(),
            facts: None,
            narrow: true,
            bulk: BULK,
            polls: 0,
            answered: false,
            uptime: 0,
            sys_name: String::new(),
        })
    }

    /// Reads all interfaces.
    pub(super) async fn poll(&mut self, clock: &dyn Clock) -> Result<DeviceReading, SnmpError> {
        let full = self.facts.is_none() || self.polls.is_multiple_of(FACTS_EVERY);
        if full && self.polls > 0 {
            self.bulk = (self.bulk * 2).min(BULK);
        }
        let reading = self.read(clock, full).await?;
        let restarted = reading.uptime < self.uptime;
        self.uptime = reading.uptime;
        self.answered = true;
        self.polls = self.polls.wrapping_add(1);
        if restarted && !full {
            // Numbers and names may have changed: the next poll reads all of them.
            self.polls = 0;
        }
        Ok(reading)
    }

    async fn read(&mut self, clock: &dyn Clock, full: bool) -> Result<DeviceReading, SnmpError> {
        let started = clock.monotonic();
        let mut cursors = self.cursors(full);
        let mut table = Table::default();
        let mut reading = DeviceReading::default();
        while cursors.iter().any(|cursor| !cursor.done) {
            let first = reading.requests == 0;
            let answer = self.ask(&cursors, first).await?;
            reading.requests += 1;
            let mut values = answer.iter();
            let uptime = self.uptime_of(values.next())?;
            if first {
                (reading.at, reading.monotonic) = (clock.now_ms(), clock.monotonic());
                reading.uptime = uptime;
                let name = values.next().filter(|name| name.oid.arcs().starts_with(SYS_NAME));
                let name = name.and_then(|name| text(&name.value));
                self.sys_name = name.map(|name| name.to_string()).unwrap_or_default();
            }
            self.take(values, &mut cursors, &mut table, uptime)?;
            if reading.requests >= MAX_REQUESTS {
                return Err(SnmpError::Disorder(self.address));
            }
        }
        if full {
            self.narrow = table.lacks_wide();
            self.facts = Some(table.facts());
        }
        reading.sys_name.clone_from(&self.sys_name);
        reading.interfaces = table.interfaces(self.facts.as_ref(), reading.uptime);
        reading.took = clock.monotonic().saturating_sub(started);
        Ok(reading)
    }

    fn cursors(&self, full: bool) -> Vec<Cursor> {
        let narrow: &[Column] = if self.narrow { &NARROW } else { &[] };
        let facts: &[Column] = if full { &FACTS } else { &[] };
        let columns = COUNTERS.iter().chain(narrow).chain(facts);
        columns.map(|column| Cursor { column: *column, row: None, done: false }).collect()
    }

    /// Asks for what comes next in the columns that are not done; for less at a time where that is too much.
    async fn ask(&mut self, cursors: &[Cursor], first: bool) -> Result<Vec<VarBind>, SnmpError> {
        let mut oids = vec![Oid::from_slice(SYS_UPTIME)];
        if first {
            oids.push(Oid::from_slice(SYS_NAME));
        }
        let single = oids.len() as u32;
        let open = cursors.iter().filter(|cursor| !cursor.done);
        oids.extend(open.map(|cursor| cursor.column.at(cursor.row)));
        let columns = oids.len() - single as usize;
        loop {
            let repetitions = (self.bulk / columns).max(1);
            let error = match self.client.get_bulk(&oids, single, repetitions as u32).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // A device that has just answered may lose fragments: half of it may come through.
            let smaller = is_too_big(&error) || (is_timeout(&error) && !first);
            if repetitions == 1 || !smaller {
                if is_timeout(&error) {
                    self.bulk = (self.bulk / 2).max(1);
                    if let Some(refused) = self.refused() {
                        return Err(refused);
                    }
                }
                return Err(SnmpError::of(*error, self.address, &self.credential));
            }
            self.bulk = (repetitions / 2 * columns).max(1);
        }
    }

    /// Whether silence means that the credential is wrong: the agent told who it is, and never more.
    fn refused(&self) -> Option<SnmpError> {
        let SnmpCredential::User(user) = &self.credential else { return None };
        let is_there = !self.answered && self.engines.get(&self.address).is_some();
        is_there.then(|| SnmpError::Refused { address: self.address, user: user.name.clone() })
    }

    fn uptime_of(&self, value: Option<&VarBind>) -> Result<u32, SnmpError> {
        let value = value.filter(|value| value.oid.arcs().starts_with(SYS_UPTIME));
        match value.map(|value| &value.value) {
            Some(Value::TimeTicks(uptime)) => Ok(*uptime),
            _ => Err(SnmpError::Lacking { address: self.address, what: "its sysUpTime" }),
        }
    }

    /// Takes in the rows of an answer: value by value, a column after the other, again and again.
    fn take<'v>(
        &self,
        values: impl Iterator<Item = &'v VarBind>,
        cursors: &mut [Cursor],
        table: &mut Table,
        uptime: u32,
    ) -> Result<(), SnmpError> {
        let mut open: Vec<&mut Cursor> = cursors.iter_mut().filter(|cursor| !cursor.done).collect();
        let columns = open.len();
        let mut moved = false;
        for (place, value) in values.enumerate() {
            let cursor = &mut *open[place % columns];
            if cursor.done {
                continue;
            }
            moved = true;
            let row = cursor.column.row(&value.oid).filter(|_| !value.value.is_exception());
            let Some(row) = row else {
                cursor.done = true;
                continue;
            };
            if cursor.row.is_some_and(|before| row <= before) {
                return Err(SnmpError::Disorder(self.address));
            }
            cursor.row = Some(row);
            // After the last number nothing comes, and of rows that are not kept no more is read.
            cursor.done = row == u32::MAX || table.is_full();
            table.take(cursor.column, row, &value.value, uptime);
        }
        if !moved {
            return Err(SnmpError::Lacking { address: self.address, what: "any value" });
        }
        Ok(())
    }
}

/// Whether a credential can be used; says why not, without showing it.
///
/// # Errors
/// A password is too short, or privacy is wanted without authentication.
pub fn check(credential: &SnmpCredential) -> Result<(), String> {
    auth(credential).map(drop)
}

/// A credential as the library takes it; `Err` says why it cannot be used, without showing it.
fn auth(credential: &SnmpCredential) -> Result<Auth, String> {
    match credential {
        SnmpCredential::Community(community) => Ok(Auth::v2c(community.reveal())),
        SnmpCredential::User(user) => Ok(Auth::from(usm(user)?)),
    }
}

/// A user as the library takes it.
pub(super) fn usm(user: &SnmpUser) -> Result<UsmConfig, String> {
    let config = UsmConfig::new(user.name.clone());
    let config = config.context_name(user.context.clone());
    let done = match (&user.auth, &user.privacy) {
        (None, None) => Ok(config),
        (None, Some(_)) => return Err("privacy needs authentication".to_owned()),
        (Some((protocol, password)), None) => {
            config.auth(auth_protocol(*protocol), password.reveal())
        }
        (Some((protocol, password)), Some((cipher, key))) => config.auth_priv(
            auth_protocol(*protocol),
            password.reveal(),
            privacy_protocol(*cipher),
            key.reveal(),
        ),
    };
    done.map_err(|why| why.to_string())
}

/// The library's word for a protocol.
pub(super) fn auth_protocol(protocol: SnmpAuth) -> AuthProtocol {
    match protocol {
        SnmpAuth::Md5 => AuthProtocol::Md5,
        SnmpAuth::Sha1 => AuthProtocol::Sha1,
        SnmpAuth::Sha224 => AuthProtocol::Sha224,
        SnmpAuth::Sha256 => AuthProtocol::Sha256,
        SnmpAuth::Sha384 => AuthProtocol::Sha384,
        SnmpAuth::Sha512 => AuthProtocol::Sha512,
    }
}

/// The library's word for a cipher.
pub(super) fn privacy_protocol(cipher: SnmpPrivacy) -> PrivProtocol {
    match cipher {
        SnmpPrivacy::Aes128 => PrivProtocol::Aes128,
        SnmpPrivacy::Aes192 => PrivProtocol::Aes192Blumenthal,
        SnmpPrivacy::Aes256 => PrivProtocol::Aes256Blumenthal,
        SnmpPrivacy::Aes192Cisco => PrivProtocol::Aes192Reeder,
        SnmpPrivacy::Aes256Cisco => PrivProtocol::Aes256Reeder,
    }
}
