//! Headers in pattern files: templates for lines that the built-in grammar does not read, each with examples
//! that are run whenever the file is read.

use measure::wire::syslog::{Format, HeaderFormat, Record, parse_with};
use model::UnixMs;

use super::super::problem::quote;
use super::super::reader::key_text;
use super::super::yaml::{Node, Value};
use super::Reading;

/// Keys of a header.
const KEYS: &[&str] = &["header", "examples"];
/// Keys of an example, beside `line` what it must say.
const EXAMPLE_KEYS: &[&str] =
    &["line", "device", "relay", "app", "pid", "code", "severity", "message"];
/// Largest number of headers in all files of a folder: each is tried on every line.
const MOST: usize = 100;

impl Reading {
    /// Reads one header.
    pub(super) fn header(&mut self, node: &Node<'_>) {
        let Value::Map(entries) = &node.value else {
            return self.expected(node, "a map with the keys `header` and `examples`");
        };
        if self.formats.len() >= MOST {
            return self.refuse(node.span, format!("more than {MOST} headers"), None);
        }
        let (mut format, mut examples, mut given) = (None, None, false);
        for (key, value) in entries {
            match key_text(key) {
                "header" => {
                    given = true;
                    format = self.compiled(value);
                }
                "examples" => examples = Some(value),
                _ => self.unknown_key(key, KEYS),
            }
        }
        if !given {
            let allowed = "a template such as `{time} {device} {app}: {message...}`";
            self.refuse(node.span, "a header needs `header`", Some(allowed));
        }
        let Some(format) = format else { return };
        if let Some(examples) = examples {
            self.header_examples(examples, &format);
        }
        self.formats.push(format);
    }

    fn compiled(&mut self, node: &Node<'_>) -> Option<HeaderFormat> {
        let text = self.one(node)?;
        match HeaderFormat::new(&text) {
            Ok(format) => Some(format),
            Err(error) => {
                let what =
                    format!("{}, at {}", error.what, quote(&text[error.at.min(text.len())..]));
                let names: Vec<&str> = HeaderFormat::slots().collect();
                let allowed = error
                    .what
                    .starts_with("no field")
                    .then(|| format!("allowed: {}", names.join(", ")));
                self.refuse(node.span, what, allowed.as_deref());
                None
            }
        }
    }

    fn header_examples(&mut self, node: &Node<'_>, format: &HeaderFormat) {
        let Value::List(items) = &node.value else {
            return self.expected(node, "a list of examples");
        };
        for item in items {
            let Value::Map(entries) = &item.value else {
                self.expected(item, "a map with `line` and what it says");
                continue;
            };
            let (mut line, mut wanted) = (None, Vec::new());
            for (key, value) in entries {
                match key_text(key) {
                    "line" => line = self.one(value),
                    name if EXAMPLE_KEYS.contains(&name) => {
                        wanted.extend(self.one(value).map(|text| (name.to_owned(), text)));
                    }
                    _ => self.unknown_key(key, EXAMPLE_KEYS),
                }
            }
            let Some(line) = line else {
                self.refuse(item.span, "an example needs a `line`", None);
                continue;
            };
            let record = parse_with(line.as_bytes(), UnixMs(0), std::slice::from_ref(format));
            if record.format != Format::Custom {
                self.refuse(item.span, "this header does not fit the example", None);
                continue;
            }
            for (name, wanted) in wanted {
                let said = said(&record, &name);
                if said != wanted {
                    let what = format!("this example says {name} {said}");
                    self.refuse(item.span, what, Some(&format!("it should say {wanted}")));
                }
            }
        }
    }
}

/// What a record says by one name; nothing is empty.
fn said(record: &Record<'_>, name: &str) -> String {
    let text = match name {
        "device" => record.device,
        "relay" => record.relay,
        "app" => record.app,
        "pid" => record.pid,
        "code" => record.code.map(|code| code.printed),
        "severity" => return record.severity().map_or_else(String::new, |at| at.to_string()),
        _ => return String::from_utf8_lossy(record.message).into_owned(),
    };
    text.unwrap_or_default().to_owned()
}
