//! The words of a line as events carry them, in memory that is used again for the next. It decides nothing.

use measure::wire::syslog::{Code, Meaning, Record};

/// The words of the line that is looked at.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The code as rules match it.
    pub(super) code_norm: String,
    /// What the message is about, as events name it.
    pub(super) object: String,
    /// The message as text without control characters, for people and terminals.
    pub(super) message: String,
}

impl Words {
    /// Takes those of a line in the place of the ones before.
    pub(super) fn of(&mut self, record: &Record<'_>, meaning: Option<&Meaning<'_>>) {
        self.code_norm.clear();
        for part in record.code.iter().flat_map(Code::norm) {
            self.code_norm.push_str(part);
        }
        self.object.clear();
        for (place, part) in meaning.into_iter().flat_map(Meaning::object).enumerate() {
            if place > 0 {
                self.object.push(' ');
            }
            self.object.push_str(part);
        }
        self.message.clear();
        for chunk in record.message.utf8_chunks() {
            let blank = |letter: char| if letter.is_control() { ' ' } else { letter };
            self.message.extend(chunk.valid().chars().map(blank));
            if !chunk.invalid().is_empty() {
                self.message.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}
