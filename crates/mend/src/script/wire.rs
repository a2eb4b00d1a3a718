//! What parent and child say to each other: a length of four bytes, then JSON. The child is not trusted: what it
//! sends is bounded, parsed and checked before it means anything.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::meta::VerdictKind;
use super::template::Template;

/// Longest message of a child, in bytes.
pub(super) const MOST_FROM_CHILD: usize = 1 << 20;
/// Longest message to a child: what a device printed, as JSON escapes it.
const MOST_TO_CHILD: usize = 32 << 20;

/// What a child is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToChild {
    /// Read a file and say what it is.
    Load {
        /// Its name, for people.
        file: String,
        /// Its text.
        source: String,
    },
    /// Run steps of a file.
    Run(Box<Run>),
    /// What the device said to the call before; `Err`: nothing, and the script must end.
    Reply(Result<String, String>),
}

/// Steps to run, one after the other as long as each says yes; each is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Run {
    /// Name of the file, for people.
    pub(super) file: String,
    /// SHA-256 of the text, by which a child knows that it has read it already.
    pub(super) sha256: String,
    /// The text.
    pub(super) source: String,
    /// Names of the steps, one at least.
    pub(super) steps: Vec<String>,
    /// What runs on the device, by its name.
    pub(super) platform: String,
    /// The event.
    pub(super) event: EventFacts,
}

/// An event as scripts see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EventFacts {
    pub(super) device: String,
    pub(super) code: String,
    pub(super) object: String,
    pub(super) severity: Option<u8>,
    pub(super) count: u64,
    pub(super) message: String,
    pub(super) fields: BTreeMap<String, String>,
}

impl From<&Facts> for EventFacts {
    fn from(facts: &Facts) -> Self {
        let event = &facts.event;
        Self {
            device: event.device.clone(),
            code: event.code_norm.clone(),
            object: event.object.clone(),
            severity: event.severity,
            count: event.count,
            message: event.message.clone(),
            fields: facts.fields.clone(),
        }
    }
}

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromChild {
    /// The file is good.
    Loaded(Box<Loaded>),
    /// The file is not.
    Flawed(Vec<Flaw>),
    /// The script wants something.
    Call(Call),
    /// The step came to its end.
    Done(Ended),
    /// The step failed.
    Failed(Flaw),
}

/// What a good file says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Loaded {
    pub(super) about: String,
    pub(super) codes: Vec<String>,
    pub(super) when: Vec<(String, Vec<String>)>,
    pub(super) platforms: Vec<String>,
    pub(super) timeout_ms: u64,
    pub(super) settle_ms: u64,
    pub(super) idempotent: bool,
    pub(super) priority: i32,
    pub(super) retries: u32,
    /// Names of the steps.
    pub(super) steps: Vec<String>,
    /// The commands that stand in it, with their places in the text.
    pub(super) templates: Vec<(Template, (u32, u32))>,
    /// Where `remediation(...)` stands.
    pub(super) place: (u32, u32),
}

/// Something wrong with a file, at bytes of its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flaw {
    pub(super) span: (u32, u32),
    pub(super) what: String,
    pub(super) allowed: Option<String>,
}

/// What a script wants.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Call {
    /// A command with its arguments.
    Device { template: Template, arguments: Vec<String> },
    /// To wait so many milliseconds.
    Wait(u64),
}

/// What came of a step. After a yes the next one of the run begins by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) kind: Kind,
    pub(super) reason: String,
    pub(super) notes: Vec<String>,
}

/// See [`VerdictKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Yes,
    No,
    Escalate,
}

impl From<Kind> for VerdictKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Yes => VerdictKind::Yes,
            Kind::No => VerdictKind::No,
            Kind::Escalate => VerdictKind::Escalate,
        }
    }
}

/// The stream as the child has it: a message is read in one go.
pub(super) type Pipe = BufReader<UnixStream>;

/// The bytes of a message.
///
/// # Errors
/// It is longer than any may be.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MOST_TO_CHILD {
        return Err(io::Error::other(format!(
            "a message of {length} bytes is too long for a script"
        )));
    }
    let length = u32::try_from(length).expect("the limit fits into four bytes");
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Reads a message, in the child; `None` at the end of the stream.
pub(super) fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Writes a message, in the child.
pub(super) fn write(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::super::template::Verb;
    use super::*;

    #[test]
    fn messages_come_back_as_they_went() {
        let template = Template { verb: Verb::Config, ..Template::show("interface {}") };
        let arguments = vec!["Eth1\u{1}\"".into()];
        let call = FromChild::Call(Call::Device { template, arguments });
        let loaded =
            FromChild::Loaded(Box::new(Loaded { timeout_ms: u64::MAX, ..Loaded::default() }));
        let failed = FromChild::Failed(Flaw { span: (1, 2), what: "ä".into(), allowed: None });
        let mut stream = Vec::new();
        for message in [&call, &loaded, &failed] {
            write(&mut stream, message).unwrap();
        }
        let mut stream = stream.as_slice();
        for message in [&call, &loaded, &failed] {
            let back: FromChild = read(&mut stream).unwrap().unwrap();
            assert_eq!(format!("{back:?}"), format!("{message:?}"));
        }
        assert!(read::<FromChild>(&mut stream).unwrap().is_none());
    }
}
