//! Pattern files: what the messages of a platform mean. The shipped ones and those of users have one form;
//! each example in them is a test that runs whenever the file is read.

mod headers;

use std::path::Path;

use measure::wire::syslog::{Condition, Field, HeaderFormat, Meanings, Rule, Template};
use model::UnixMs;

use super::problem::{Problem, Problems, instead, quote};
use super::reader::key_text;
use super::source::{self, Span, Texts};
use super::yaml::{self, Node, Value};

/// The shipped files, by platform.
const SHIPPED: &[(&str, &str)] = &[
    ("ios.yaml", include_str!("../../patterns/ios.yaml")),
    ("iosxr.yaml", include_str!("../../patterns/iosxr.yaml")),
    ("nxos.yaml", include_str!("../../patterns/nxos.yaml")),
    ("asa.yaml", include_str!("../../patterns/asa.yaml")),
    ("eos.yaml", include_str!("../../patterns/eos.yaml")),
    ("junos.yaml", include_str!("../../patterns/junos.yaml")),
    ("vrp.yaml", include_str!("../../patterns/vrp.yaml")),
    ("comware.yaml", include_str!("../../patterns/comware.yaml")),
    ("sros.yaml", include_str!("../../patterns/sros.yaml")),
    ("aruba.yaml", include_str!("../../patterns/aruba.yaml")),
    ("routeros.yaml", include_str!("../../patterns/routeros.yaml")),
    ("frr.yaml", include_str!("../../patterns/frr.yaml")),
    ("netiron.yaml", include_str!("../../patterns/netiron.yaml")),
    ("exos.yaml", include_str!("../../patterns/exos.yaml")),
    ("fortios.yaml", include_str!("../../patterns/fortios.yaml")),
    ("linux.yaml", include_str!("../../patterns/linux.yaml")),
];

/// Keys of a message.
const KEYS: &[&str] = &[
    "kind",
    "code",
    "app",
    "text",
    "data",
    "set",
    "object",
    "condition",
    "fault",
    "clear",
    "examples",
];
/// Keys of an example.
const EXAMPLE_KEYS: &[&str] = &["line", "is", "fields"];
/// Largest number of messages in all files of a folder.
const MOST: usize = 100_000;

/// The rules of a folder's `*.yaml` files, in the order of their names, then the shipped ones: of two that
/// fit a message, the user's counts.
///
/// # Errors
/// Everything that is wrong with the files.
pub(crate) fn load_patterns(folder: Option<&Path>) -> Result<Meanings, Problems> {
    let mut reading = Reading::default();
    if let Some(folder) = folder {
        reading.folder(folder);
    }
    for (name, text) in SHIPPED {
        reading.text(name, text);
    }
    reading.finish().map(|(rules, formats)| Meanings::new(rules).with_formats(formats))
}

/// The platforms whose messages are known without any file of the user.
pub(super) fn platforms() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().filter_map(|(name, _)| name.strip_suffix(".yaml"))
}

/// Checks one file; says how many messages and headers it has.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn check_patterns(path: &Path) -> Result<usize, Problems> {
    let mut reading = Reading::default();
    reading.file(path);
    reading.finish().map(|(rules, formats)| rules.len() + formats.len())
}

/// Whether a file looks like patterns: its first key is `messages` or `headers`.
pub(crate) fn is_patterns(path: &Path) -> bool {
    if path == Path::new("-") {
        return false;
    }
    let Ok(text) = source::read(path) else { return false };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(begins_patterns)
}

/// Whether a first line has one of the two keys, with maps behind it: a region of that name has hosts.
fn begins_patterns(line: &str) -> bool {
    let list = ["messages:", "headers:"].into_iter().find_map(|key| line.strip_prefix(key));
    list.map(str::trim).is_some_and(|list| match list.strip_prefix('[') {
        Some(first) => first.trim_start().is_empty() || first.trim_start().starts_with('{'),
        None => list.is_empty() || list.starts_with('#'),
    })
}

/// Reads files and gathers what is wrong.
#[derive(Default)]
struct Reading {
    texts: Texts,
    problems: Problems,
    rules: Vec<Rule>,
    formats: Vec<HeaderFormat>,
    /// Name of the file that is read.
    file: String,
}

impl Reading {
    fn folder(&mut self, folder: &Path) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(why) => {
                let source = self.texts.add(folder.display().to_string(), "");
                let what = format!("the folder cannot be read: {why}");
                return self.problems.push(Problem::new(Span::top(source), what));
            }
        };
        let mut files: Vec<_> =
            entries.filter_map(|entry| entry.ok().map(|it| it.path())).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"));
        files.sort();
        for path in files {
            self.file(&path);
        }
    }

    fn file(&mut self, path: &Path) {
        match source::read(path) {
            Ok(text) => self.text(&path.display().to_string(), &text),
            Err(unreadable) => {
                let end = unreadable.before.len() as u32;
                let source = self.texts.add(path.display().to_string(), unreadable.before);
                let span = Span { source, start: end, end };
                self.problems.push(Problem::new(span, unreadable.what));
            }
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        let source = self.texts.add(name, text);
        name.clone_into(&mut self.file);
        let Some(root) = yaml::parse(text, source, &mut self.problems) else { return };
        let Value::Map(entries) = &root.value else {
            return self.expected(&root, "a map with the keys `messages` and `headers`");
        };
        for (key, value) in entries {
            match (key_text(key), &value.value) {
                ("messages", Value::List(items)) => {
                    for item in items {
                        self.message(item);
                    }
                }
                ("messages", _) => self.expected(value, "a list of messages"),
                ("headers", Value::List(items)) => {
                    for item in items {
                        self.header(item);
                    }
                }
                ("headers", _) => self.expected(value, "a list of headers"),
                _ => self.unknown_key(key, &["messages", "headers"]),
            }
        }
    }

    fn finish(self) -> Result<(Vec<Rule>, Vec<HeaderFormat>), Problems> {
        if self.problems.is_empty() {
            Ok((self.rules, self.formats))
        } else {
            Err(self.problems.finish(self.texts))
        }
    }

    fn message(&mut self, node: &Node<'_>) {
        let Value::Map(entries) = &node.value else {
            return self.expected(node, "a map with keys such as `code` and `text`");
        };
        if self.rules.len() >= MOST {
            return self.refuse(node.span, format!("more than {MOST} messages"), None);
        }
        let before = self.problems.len();
        let mut rule = Rule { group: self.file.clone(), ..Rule::default() };
        let mut examples = None;
        for (key, value) in entries {
            match key_text(key) {
                "kind" => rule.kind = self.one(value).unwrap_or_default(),
                "code" => rule.codes = self.many(value),
                "app" => rule.apps = self.many(value),
                "text" => rule.texts = self.templates(value),
                "data" => rule.data = self.named(value),
                "set" => rule.set = self.named(value),
                "object" => rule.object = self.fields(value),
                "condition" => rule.condition = self.condition(value).unwrap_or_default(),
                "fault" => rule.fault = self.many(value),
                "clear" => rule.clear = self.many(value),
                "examples" => examples = Some(value),
                _ => self.unknown_key(key, KEYS),
            }
        }
        let kind = &rule.kind;
        if kind.is_empty()
            || !kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            let allowed = "small letters, digits and dashes, as in `line-protocol`";
            self.refuse(node.span, "the message needs a `kind`", Some(allowed));
        }
        if rule.codes.is_empty() == rule.apps.is_empty() {
            let allowed = "`code: [...]`, or `app: [...]` for messages without one";
            self.refuse(node.span, "the message needs either `code` or `app`", Some(allowed));
        }
        if let (Some(examples), true) = (examples, self.problems.len() == before) {
            self.examples(examples, &rule);
        }
        self.rules.push(rule);
    }

    /// Runs the examples of a rule.
    fn examples(&mut self, node: &Node<'_>, rule: &Rule) {
        let Value::List(items) = &node.value else {
            return self.expected(node, "a list of examples");
        };
        let formats = self.formats.clone();
        let meanings = Meanings::new(vec![rule.clone()]).with_formats(formats);
        for item in items {
            if let Some((line, expected)) = self.example(item) {
                let said = tell(&meanings, &line);
                if said != expected {
                    let what = format!("this example says {}", or_nothing(&said));
                    let allowed = format!("it should say {}", or_nothing(&expected));
                    self.refuse(item.span, what, Some(&allowed));
                }
            }
        }
    }

    /// A line, and what it must say.
    fn example(&mut self, node: &Node<'_>) -> Option<(String, String)> {
        let Value::Map(entries) = &node.value else {
            self.expected(node, "a map with the keys `line`, `is` and `fields`");
            return None;
        };
        let (mut line, mut is, mut fields) = (None, Condition::Note, Vec::new());
        for (key, value) in entries {
            match key_text(key) {
                "line" => line = self.one(value),
                "is" => is = self.condition(value)?,
                "fields" => fields = self.named(value),
                _ => self.unknown_key(key, EXAMPLE_KEYS),
            }
        }
        fields.sort_by_key(|(field, _)| *field);
        let fields = fields.iter().map(|(field, value)| (*field, value.as_str()));
        Some((line?, words(is, fields)))
    }

    fn one(&mut self, node: &Node<'_>) -> Option<String> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(text.to_string()),
            _ => {
                self.expected(node, "text");
                None
            }
        }
    }

    /// One text or a list of them.
    fn many(&mut self, node: &Node<'_>) -> Vec<String> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| self.one(item)).collect(),
            _ => self.one(node).into_iter().collect(),
        }
    }

    fn templates(&mut self, node: &Node<'_>) -> Vec<Template> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut templates = Vec::new();
        for item in items {
            let Some(text) = self.one(item) else { continue };
            match Template::new(&text) {
                Ok(template) => templates.push(template),
                Err(error) => {
                    let names: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
                    let what =
                        format!("{}, at {}", error.what, quote(&text[error.at.min(text.len())..]));
                    let allowed = error
                        .what
                        .starts_with("no field")
                        .then(|| format!("allowed: {}", names.join(", ")));
                    self.refuse(item.span, what, allowed.as_deref());
                }
            }
        }
        templates
    }

    /// A map from fields to texts.
    fn named(&mut self, node: &Node<'_>) -> Vec<(Field, String)> {
        let Value::Map(entries) = &node.value else {
            self.expected(node, "a map from fields to text");
            return Vec::new();
        };
        let mut named = Vec::new();
        for (key, value) in entries {
            if let (Some(field), Some(text)) = (self.field(key), self.one(value)) {
                named.push((field, text));
            }
        }
        named
    }

    fn fields(&mut self, node: &Node<'_>) -> Vec<Field> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| self.field(item)).collect(),
            _ => self.field(node).into_iter().collect(),
        }
    }

    fn field(&mut self, node: &Node<'_>) -> Option<Field> {
        let name = self.one(node)?;
        let found = Field::from_name(&name);
        if found.is_none() {
            let names: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
            let what = format!("no field is named {}", quote(&name));
            self.refuse(node.span, what, Some(&instead(&name, &names)));
        }
        found
    }

    fn condition(&mut self, node: &Node<'_>) -> Option<Condition> {
        let name = self.one(node)?;
        let found = Condition::from_name(&name);
        if found.is_none() {
            let what = format!("{} is no condition", quote(&name));
            self.refuse(node.span, what, Some(&instead(&name, &["note", "fault", "clear"])));
        }
        found
    }

    fn expected(&mut self, node: &Node<'_>, wanted: &str) {
        self.refuse(node.span, format!("expected {wanted}, found {}", node.kind()), None);
    }

    fn unknown_key(&mut self, key: &Node<'_>, allowed: &[&str]) {
        let typed = key_text(key);
        self.refuse(
            key.span,
            format!("unknown key {}", quote(typed)),
            Some(&instead(typed, allowed)),
        );
    }

    fn refuse(&mut self, span: Span, what: impl Into<String>, allowed: Option<&str>) {
        let problem = Problem::new(span, what);
        self.problems.push(match allowed {
            Some(allowed) => problem.allowed(allowed),
            None => problem,
        });
    }
}

/// What a line says, in the words of an example; empty if no rule fits.
fn tell(meanings: &Meanings, line: &str) -> String {
    // The year of a time decides nothing here.
    let record = meanings.read(line.as_bytes(), UnixMs(0));
    match meanings.of(&record) {
        Some(meaning) => words(meaning.condition, meaning.fields()),
        None => String::new(),
    }
}

fn words<'a>(is: Condition, fields: impl Iterator<Item = (Field, &'a str)>) -> String {
    let fields: Vec<String> = fields.map(|(field, value)| format!("{field}: {value}")).collect();
    format!("{} {{{}}}", is.as_str(), fields.join(", "))
}

fn or_nothing(said: &str) -> &str {
    if said.is_empty() { "nothing: no code or template fits" } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        let mut reading = Reading::default();
        reading.text("p.yaml", text);
        reading.finish().map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn a_file_of_patterns_is_known_by_its_first_line() {
        for line in ["messages:", "headers:  # ours", "messages: [ { kind: link", "headers: ["] {
            assert!(begins_patterns(line), "{line}");
        }
        for line in ["messages: [r1, r2]", "messages: {r1: 22}", "site: x", "messagesx:"] {
            assert!(!begins_patterns(line), "{line}");
        }
    }

    #[test]
    fn every_example_of_the_shipped_files_says_what_it_should() {
        match load_patterns(None) {
            Ok(meanings) => assert!(meanings.len() > 100, "{} messages", meanings.len()),
            Err(problems) => panic!("{problems}"),
        }
    }

    #[test]
    fn every_shipped_message_has_an_example_and_a_fault_has_its_clear() {
        for (name, text) in SHIPPED {
            let (messages, examples) =
                (text.matches("  - kind:").count(), text.matches("examples:").count());
            assert_eq!(messages, examples, "{name}");
            assert!(!text.contains("is: fault") || text.contains("is: clear"), "{name}: no clear");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_place() {
        let wrong = "messages:\n  - kind: link\n    code: A-1-B\n    text: \"x {intrface}\"\n    faults: [down]\n";
        let told = problems(wrong);
        assert!(told.contains("p.yaml:4:11: no field is named `intrface`"), "{told}");
        assert!(told.contains("p.yaml:5:5: unknown key `faults`; did you mean `fault`?"), "{told}");
        let example = "messages:\n  - kind: link\n    code: A-1-B\n    text: \"port {interface} is {state}\"\n    \
             fault: [down]\n    examples:\n      - { line: \"%A-1-B: port 1 is down\", is: clear, fields: { interface: 1, state: down } }\n";
        let told = problems(example);
        assert!(
            told.contains("p.yaml:7:9: this example says fault {interface: 1, state: down}"),
            "{told}"
        );
        assert!(problems("messages:\n  - kind: Link\n").contains("needs a `kind`"));
    }

    #[test]
    fn a_clear_ends_the_faults_of_its_platform_whatever_their_code() {
        let meanings = load_patterns(None).unwrap_or_else(|problems| panic!("{problems}"));
        let ends = |line: &str| {
            let record = meanings.read(line.as_bytes(), UnixMs(0));
            let meaning = meanings.of(&record).unwrap();
            meaning.ends().map(str::to_owned).collect::<Vec<_>>()
        };
        let up = ends(
            "<189>2026 Sep 23 10:17:30 N9K %ETHPORT-5-IF_UP: Interface Ethernet1/7 is up in mode trunk",
        );
        assert!(
            up.contains(&"ETHPORT-5-IF_DOWN_LINK_FAILURE".to_owned()) && up.len() > 5,
            "{up:?}"
        );
        assert!(!up.contains(&"LINK-3-UPDOWN".to_owned()), "{up:?}");
        let down = "<189>2026 Sep 23 10:17:00 N9K %ETHPORT-5-IF_DOWN_LINK_FAILURE: Interface Ethernet1/7 is down (Link failure)";
        assert!(ends(down).is_empty());
        assert_eq!(
            ends("<14>Sep 23 10:23:40 ICX System: Interface ethernet 1/1/5, state up"),
            [""]
        );
    }

    #[test]
    fn a_message_of_the_user_counts_before_the_shipped_one() {
        let folder = tempfile::tempdir().unwrap();
        let mine = "messages:\n  - kind: mine\n    code: LINK-3-UPDOWN\n    text: \"Interface {interface}, changed state to {state...}\"\n";
        std::fs::write(folder.path().join("10-mine.yaml"), mine).unwrap();
        let meanings =
            load_patterns(Some(folder.path())).unwrap_or_else(|problems| panic!("{problems}"));
        let line =
            b"<187>1: r1: Nov 14 08:30:56: %LINK-3-UPDOWN: Interface Gi1, changed state to down";
        let record = meanings.read(line, UnixMs(0));
        assert_eq!(meanings.of(&record).unwrap().kind, "mine");
    }

    #[test]
    fn a_header_of_the_user_is_read_and_its_examples_are_tests() {
        let mine = "headers:\n  - header: 'ACME|{device}|{code}|{message...}'\n    examples:\n      \
             - { line: '<13>ACME|fw1|E7|port 3 is down', device: fw1, code: E7, message: port 3 is down }\n\
             messages:\n  - kind: link\n    code: E7\n    text: 'port {interface} is {state}'\n    fault: [down]\n    \
             examples:\n      - { line: '<13>ACME|fw1|E7|port 3 is down', is: fault, fields: { interface: 3, state: down } }\n";
        assert_eq!(problems(mine), "");
        let wrong = mine.replace("device: fw1", "device: fw2");
        let told = problems(&wrong);
        assert!(told.contains("p.yaml:4:9: this example says device fw1"), "{told}");
        let told = problems(&mine.replace("{device}", "{host}"));
        assert!(told.contains("p.yaml:2:13: no field of a header is named `host`"), "{told}");
        let told = problems("headers:\n  - { examples: [] }\n");
        assert!(told.contains("p.yaml:2:5: a header needs `header`"), "{told}");
        let other = mine.replace("<13>ACME|fw1|E7|port 3 is down', device", "<13>x', device");
        assert!(problems(&other).contains("this header does not fit the example"), "{other}");
    }
}
