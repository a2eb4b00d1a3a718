//! What a message means: its kind, typed fields, and whether it tells of a fault or of its end. Rules are
//! found by code, never by trying one after the other. They are data; this file knows none.

use std::collections::HashMap;

use model::UnixMs;

use super::custom::HeaderFormat;
use super::parse_with;
use super::record::Record;
use super::scan::text;
use super::template::{Field, Template, Values};

/// Whether a message tells of a fault, of the end of one, or of neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Neither: something was done or noticed.
    #[default]
    Note,
    /// Something is broken.
    Fault,
    /// What was broken works again: the fault of the same kind and object is over.
    Clear,
}

impl Condition {
    /// The word in patterns and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Fault => "fault",
            Self::Clear => "clear",
        }
    }

    /// The condition of this word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Note, Self::Fault, Self::Clear].into_iter().find(|one| one.as_str() == name)
    }
}

/// How to understand messages with certain codes.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// What it was read from, a platform's file: a clear ends faults of its own group.
    pub group: String,
    /// Kind of message: `link`, `bgp`. A fault and its end have the same.
    pub kind: String,
    /// Codes in normal form (see [`Code::norm`](super::Code::norm)).
    pub codes: Vec<String>,
    /// Processes, for messages that bear no code.
    pub apps: Vec<String>,
    /// Templates of the text; the first that matches counts. Without any, the code alone is enough.
    pub texts: Vec<Template>,
    /// Fields that stand as `name="value"` in structured data or as `name=value` in the text.
    pub data: Vec<(Field, String)>,
    /// Fields that are always the same.
    pub set: Vec<(Field, String)>,
    /// The fields that, together, name what it is about.
    pub object: Vec<Field>,
    /// The condition, where the state does not decide it.
    pub condition: Condition,
    /// States that are faults, in lower case.
    pub fault: Vec<String>,
    /// States that end one, in lower case.
    pub clear: Vec<String>,
}

/// Compiled rules.
#[derive(Clone, Debug, Default)]
pub struct Meanings {
    /// Headers that a user described.
    formats: Vec<HeaderFormat>,
    rules: Vec<Rule>,
    /// For each rule, the codes of the faults that it can end.
    ended: Vec<Box<[Box<str>]>>,
    by_code: HashMap<Box<str>, Vec<u32>>,
    by_app: HashMap<Box<str>, Vec<u32>>,
}

/// What one message means. It borrows from the line and the rules.
#[derive(Clone, Copy, Debug)]
pub struct Meaning<'a> {
    /// Kind of message.
    pub kind: &'a str,
    /// Fault, clear or neither.
    pub condition: Condition,
    object: &'a [Field],
    ended: &'a [Box<str>],
    values: Values<'a>,
}

impl Meanings {
    /// Takes rules; of two that fit, the earlier one counts.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut meanings = Self { rules: Vec::new(), ..Self::default() };
        for (number, rule) in rules.iter().enumerate() {
            for code in &rule.codes {
                meanings.by_code.entry(code.as_str().into()).or_default().push(number as u32);
            }
            for app in &rule.apps {
                meanings.by_app.entry(app.as_str().into()).or_default().push(number as u32);
            }
        }
        meanings.ended = rules.iter().map(|rule| faults(&rules, rule)).collect();
        meanings.rules = rules;
        meanings
    }

    /// The same, which also read lines with headers that a user described.
    #[must_use]
    pub fn with_formats(self, formats: Vec<HeaderFormat>) -> Self {
        Self { formats, ..self }
    }

    /// Reads one line, as [`parse`](super::parse) does, by the user's headers first.
    pub fn read<'l>(&self, line: &'l [u8], received: UnixMs) -> Record<'l> {
        parse_with(line, received, &self.formats)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What a record means; `None` where no rule fits.
    pub fn of<'a>(&'a self, record: &Record<'a>) -> Option<Meaning<'a>> {
        let rules = match (&record.code, record.app) {
            (Some(code), _) => {
                let parts = code.norm();
                if parts[1].is_empty() {
                    self.by_code.get(parts[0])?
                } else {
                    // Put together on the stack; a longer code has no rule.
                    let mut joined = [0; 160];
                    let mut length = 0;
                    for part in parts {
                        joined
                            .get_mut(length..length + part.len())?
                            .copy_from_slice(part.as_bytes());
                        length += part.len();
                    }
                    self.by_code.get(text(&joined[..length])?)?
                }
            }
            (None, Some(app)) => self.by_app.get(app)?,
            (None, None) => return None,
        };
        rules.iter().find_map(|&number| {
            let rule = self.rules.get(number as usize)?;
            rule.meaning(record, self.ended.get(number as usize)?)
        })
    }
}

/// The codes under which the faults were told that a clear of this rule ends: those of the same kind and
/// group. A message without a code has the empty one.
fn faults(rules: &[Rule], clear: &Rule) -> Box<[Box<str>]> {
    let ends = clear.condition == Condition::Clear || !clear.clear.is_empty();
    let told = rules.iter().filter(|rule| {
        let fault = rule.condition == Condition::Fault || !rule.fault.is_empty();
        ends && fault && rule.kind == clear.kind && rule.group == clear.group
    });
    let mut codes: Vec<Box<str>> = told
        .flat_map(|rule| {
            let none = (!rule.apps.is_empty()).then(String::new);
            rule.codes.iter().cloned().chain(none).map(String::into_boxed_str)
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into_boxed_slice()
}

impl Rule {
    fn meaning<'a>(&'a self, record: &Record<'a>, ended: &'a [Box<str>]) -> Option<Meaning<'a>> {
        let mut values = [None; Field::COUNT];
        let fits = |template: &Template| {
            values = [None; Field::COUNT];
            template.matches(record.message, &mut values)
        };
        let from_data = !self.data.is_empty() && !record.structured.is_empty();
        if !self.texts.is_empty() && !self.texts.iter().any(fits) {
            if !from_data {
                return None;
            }
            values = [None; Field::COUNT];
        }
        for (field, name) in &self.data {
            let place = &mut values[*field as usize];
            *place = place.or_else(|| parameter(record, name));
        }
        for (field, value) in &self.set {
            values[*field as usize].get_or_insert(value);
        }
        let condition = match values[Field::State as usize] {
            Some(state) if is_among(state, &self.fault) => Condition::Fault,
            Some(state) if is_among(state, &self.clear) => Condition::Clear,
            _ => self.condition,
        };
        Some(Meaning { kind: &self.kind, condition, object: &self.object, ended, values })
    }
}

impl<'a> Meaning<'a> {
    /// The value of a field.
    pub fn get(&self, field: Field) -> Option<&'a str> {
        self.values[field as usize]
    }

    /// The fields that are there.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &'a str)> {
        Field::ALL.iter().zip(self.values).filter_map(|(field, value)| Some((*field, value?)))
    }

    /// Normal codes under which the fault may have been told that this message, a clear, ends.
    pub fn ends(&self) -> impl Iterator<Item = &'a str> {
        let clear = self.condition == Condition::Clear;
        self.ended.iter().filter(move |_| clear).map(|code| &**code)
    }

    /// The parts of the name of what the message is about, to be joined with blanks: `Vlan10 1` for group
    /// 1 of HSRP. With kind and device it tells which clear belongs to which fault.
    pub fn object(&self) -> impl Iterator<Item = &'a str> {
        self.object.iter().filter_map(|field| self.get(*field))
    }
}

fn is_among(state: &str, states: &[String]) -> bool {
    states.iter().any(|one| one.eq_ignore_ascii_case(state))
}

/// `name="value"` in the structured data, else `name=value` in the text.
fn parameter<'a>(record: &Record<'a>, name: &str) -> Option<&'a str> {
    [record.structured, record.message].into_iter().find_map(|bytes| {
        memchr::memmem::find_iter(bytes, name.as_bytes()).find_map(|at| {
            let free = at == 0 || matches!(bytes[at - 1], b' ' | b'[' | b'(' | b',' | b';' | b'|');
            let rest = bytes[at + name.len()..].strip_prefix(b"=").filter(|_| free)?;
            let value = if let Some(quoted) = rest.strip_prefix(b"\"") {
                &quoted[..memchr::memchr(b'"', quoted)?]
            } else {
                let ends = |byte: &u8| matches!(byte, b' ' | b',' | b')' | b';' | b']' | b'|');
                &rest[..rest.iter().position(ends).unwrap_or(rest.len())]
            };
            text(value)
        })
    })
}
