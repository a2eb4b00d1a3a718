//! What commands that print once share: the two forms of their output, and the way onto standard output.
//! `probe`, which prints as it goes, has its own.

use std::io::{self, Write};

use serde::Serialize;

use crate::report::Report;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Writes to standard output; a reader that has gone away is not a failure.
pub(super) fn print(text: impl AsRef<[u8]>) -> Result<(), Report> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
            Err(Report::because("cannot write to standard output", &why).code(4))
        }
        _ => Ok(()),
    }
}

/// Text of a device in one line, without what a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' => '⏎',
            letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
            letter => letter,
        })
        .collect()
}

/// The records as JSON, a line each.
pub(super) fn json_lines<T: Serialize>(
    records: impl IntoIterator<Item = T>,
) -> Result<String, Report> {
    let mut lines = String::new();
    for record in records {
        let line = serde_json::to_string(&record)
            .map_err(|why| Report::because("cannot write a record as JSON", &why).code(4))?;
        lines.push_str(&line);
        lines.push('\n');
    }
    Ok(lines)
}

/// `1 target`, `2 targets`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
