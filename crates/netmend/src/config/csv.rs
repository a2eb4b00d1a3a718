//! Lists of hosts as CSV (RFC 4180) from inventories and spreadsheets -> targets, for `netmend init`. The
//! delimiter is a comma, a semicolon or a tab, whichever the first line holds.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Device, Protocol, Target};

use super::problem::{Problem, Problems, instead, quote};
use super::raw::{Host, Port};
use super::secret::Text;
use super::source::{self, Span, Texts};

/// Region of hosts whose line names none.
const REGION: &str = "hosts";
/// Columns that mean something; every other column is a tag.
const COLUMNS: &[&str] = &["host", "region", "port"];
/// Other names that inventories have for the column `host`.
const HOST_TOO: &[&str] = &["hostname", "address", "ip", "name"];

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, with places.
pub(crate) fn load_csv(path: &Path) -> Result<Vec<Target>, Problems> {
    let (mut texts, mut problems) = (Texts::default(), Problems::default());
    let name = path.display().to_string();
    let targets = match source::read(path) {
        Ok(text) => {
            let source = texts.add(name, text);
            let text = texts.get(source).text.clone();
            targets_of(&text, source, &mut problems)
        }
        Err(unreadable) => {
            let end = unreadable.before.len() as u32;
            let source = texts.add(name, unreadable.before);
            problems.push(Problem::new(Span { source, start: end, end }, unreadable.what));
            Vec::new()
        }
    };
    if problems.is_empty() { Ok(targets) } else { Err(problems.finish(texts)) }
}

/// A field with its place.
#[derive(Debug)]
struct Field {
    text: String,
    span: Span,
}

fn targets_of(text: &str, source: u32, problems: &mut Problems) -> Vec<Target> {
    let mut rows = rows(text, source, problems).into_iter();
    let Some(header) = rows.next() else {
        problems.push(Problem::new(Span::top(source), "holds no lines"));
        return Vec::new();
    };
    let columns: Vec<String> =
        header.iter().map(|field| field.text.trim().to_ascii_lowercase()).collect();
    let host = columns
        .iter()
        .position(|name| name == "host")
        .or_else(|| columns.iter().position(|name| HOST_TOO.contains(&name.as_str())));
    let Some(host) = host else {
        let what = "the first line must name the columns, one of them `host`";
        let typed = columns.first().map_or("", String::as_str);
        let problem = Problem::new(Span::top(source), what).allowed(instead(typed, COLUMNS));
        problems.push(problem.allowed("as in: host,region,port"));
        return Vec::new();
    };
    let columns = Columns { host, header, names: columns };
    rows.filter_map(|row| columns.target(&row, problems)).collect()
}

/// The columns of a list of devices, each with the words for it.
const OF_DEVICES: &[&[&str]] = &[
    &["name", "device", "host", "hostname"],
    &["address", "addresses", "ip"],
    &["names"],
    &["platform"],
    &["groups"],
    &["pair"],
];

/// Where each of [`OF_DEVICES`] stands. One that is there again is a problem; one that is none of them is a warning, as
/// lists of others hold more than is for us.
fn columns_of_devices(
    header: &[Field],
    problems: &mut Problems,
    warnings: &mut Problems,
) -> [Option<usize>; 6] {
    let mut found = [None; 6];
    for (number, field) in header.iter().enumerate() {
        let typed = field.text.trim().to_ascii_lowercase();
        let Some(column) = OF_DEVICES.iter().position(|words| words.contains(&typed.as_str()))
        else {
            let known: Vec<&str> = OF_DEVICES.iter().map(|words| words[0]).collect();
            let what = format!("nothing is read of the column {}", quote(field.text.trim()));
            let known = instead(&typed, &known).replace("allowed: ", "known: ");
            warnings.push(Problem::new(field.span, what).allowed(known));
            continue;
        };
        if let Some(first) = found[column].replace(number) {
            let what = format!("the column `{}` is there twice", OF_DEVICES[column][0]);
            problems.push(Problem::new(field.span, what).related("first at", header[first].span));
        }
    }
    found
}

/// The devices of a list with the columns [`OF_DEVICES`], of which `name` alone is needed; several values in a field
/// are separated by blanks.
pub(super) fn devices_of(
    text: &str,
    source: u32,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Vec<Device> {
    let mut rows = rows(text, source, problems).into_iter();
    let header = rows.next().unwrap_or_default();
    let columns = columns_of_devices(&header, problems, warnings);
    let [Some(name), address, names, platform, groups, pair] = columns else {
        let what = "the first line must name the columns, one of them `name`";
        let problem = Problem::new(Span::top(source), what);
        problems.push(problem.allowed("as in: name,address,platform,groups"));
        return Vec::new();
    };
    let mut devices = Vec::new();
    for row in rows {
        if let Some(first) = row.get(header.len()) {
            let what = format!("{} fields, but {} columns", row.len(), header.len());
            problems.push(Problem::new(first.span, what));
            continue;
        }
        let text =
            |at: Option<usize>| at.and_then(|at| row.get(at)).map_or("", |field| field.text.trim());
        let words = |at| text(at).split_whitespace().map(str::to_owned);
        let one = |at| Some(text(at).to_owned()).filter(|text| !text.is_empty());
        let Some(name) = one(Some(name)) else { continue };
        let mut addresses = Vec::new();
        for typed in words(address) {
            if let Ok(address) = typed.split('/').next().unwrap_or_default().parse() {
                addresses.push(address);
            } else {
                let span = address.map_or(Span::top(source), |at| row[at].span);
                let what = format!("{} is not an address", quote(&typed));
                problems.push(Problem::new(span, what));
            }
        }
        devices.push(Device {
            name,
            addresses,
            names: words(names).collect(),
            platform: one(platform),
            groups: words(groups).collect(),
            pair: one(pair),
            login: None,
            targets: Vec::new(),
            snmp: None,
        });
    }
    devices
}

struct Columns {
    host: usize,
    header: Vec<Field>,
    names: Vec<String>,
}

impl Columns {
    fn target(&self, row: &[Field], problems: &mut Problems) -> Option<Target> {
        if row.len() > self.names.len() {
            let what = format!("{} fields, but {} columns", row.len(), self.names.len());
            problems.push(Problem::new(row[self.names.len()].span, what));
            return None;
        }
        let host = row.get(self.host)?;
        let (mut region, mut protocol, mut tags) = (REGION, Protocol::Icmp, BTreeMap::new());
        for (n, field) in row.iter().enumerate() {
            let text = field.text.trim();
            match self.names[n].as_str() {
                _ if text.is_empty() || n == self.host => {}
                "region" => region = text,
                "port" => {
                    if let Some(port) = Port::parse(text) {
                        protocol = Protocol::Tcp(port.0);
                    } else {
                        let what = format!("{} is not a TCP port", quote(text));
                        problems.push(Problem::new(field.span, what).allowed(Port::HELP));
                    }
                }
                _ => {
                    tags.insert(self.header[n].text.trim().to_owned(), text.to_owned());
                }
            }
        }
        match Host::from_text(Text::plain(host.text.trim())) {
            Ok(checked) => {
                let mut target = Target::new(&checked.name, region, protocol);
                target.tags = tags;
                Some(target)
            }
            Err(what) => {
                problems.push(Problem::new(host.span, what));
                None
            }
        }
    }
}

/// The rows that hold anything.
fn rows(text: &str, source: u32, problems: &mut Problems) -> Vec<Vec<Field>> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [',', ';', '\t'].into_iter().find(|&c| first.contains(c)).unwrap_or(',');
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < text.len() {
        let start = at;
        let read = if text[at..].starts_with('"') {
            quoted(text, at)
        } else {
            let end = text[at..].find([delimiter, '\n', '\r']).map_or(text.len(), |n| at + n);
            Some((text[at..end].to_owned(), end))
        };
        let Some((field, end)) = read else {
            let span = Span { source, start: at as u32, end: at as u32 + 1 };
            problems.push(Problem::new(span, "a quoted field does not end"));
            break;
        };
        let span = Span { source, start: start as u32, end: end as u32 };
        row.push(Field { text: field, span });
        let rest = &text[end..];
        at = end + rest.chars().next().map_or(0, char::len_utf8);
        let line_ends = rest.is_empty() || rest.starts_with(['\n', '\r']);
        if !line_ends && !rest.starts_with(delimiter) {
            problems.push(Problem::new(span, "text follows a quoted field"));
            break;
        }
        if line_ends {
            at += usize::from(rest.starts_with("\r\n"));
            rows.push(std::mem::take(&mut row));
        }
    }
    rows.extend((!row.is_empty()).then_some(row));
    rows.retain(|row: &Vec<Field>| row.iter().any(|field| !field.text.trim().is_empty()));
    rows
}

/// A field in quotes that begins at `at`, where two quotes stand for one, and the byte after it.
fn quoted(text: &str, at: usize) -> Option<(String, usize)> {
    let mut field = String::new();
    let mut from = at + 1;
    loop {
        let end = from + text[from..].find('"')?;
        field.push_str(&text[from..end]);
        if !text[end + 1..].starts_with('"') {
            return Some((field, end + 1));
        }
        field.push('"');
        from = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Target>, String> {
        let (mut texts, mut problems) = (Texts::default(), Problems::default());
        let source = texts.add("f.csv", text);
        let targets = targets_of(text, source, &mut problems);
        if problems.is_empty() { Ok(targets) } else { Err(problems.finish(texts).to_string()) }
    }

    #[test]
    fn columns_are_found_by_name_and_others_become_tags() {
        let targets =
            read("Region;IP;Port;Rack\r\nr1;10.0.0.1;;\"a \"\"b\"\"; c\"\r\n\r\n;h;443;\r\n");
        let targets = targets.unwrap();
        assert_eq!((targets[0].region.as_str(), targets[0].host.as_str()), ("r1", "10.0.0.1"));
        assert_eq!(targets[0].tags["Rack"], "a \"b\"; c");
        assert_eq!(
            (targets[1].region.as_str(), targets[1].protocol),
            ("hosts", Protocol::Tcp(443))
        );
        assert!(targets[1].tags.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("", "f.csv:1:1: holds no lines"),
            ("10.0.0.1\n", "f.csv:1:1: the first line must name the columns"),
            ("host,port\na,0\n", "f.csv:2:3: `0` is not a TCP port"),
            ("host\na b\n", "f.csv:2:1: `a b` is neither"),
            ("host\na,b\n", "f.csv:2:3: 2 fields, but 1 columns"),
            ("host\n\"a\n", "f.csv:2:1: a quoted field does not end"),
            ("host,region\n\"a\"b,c\n", "f.csv:2:1: text follows"),
        ];
        for (text, start) in cases {
            let told = read(text).expect_err(text);
            assert!(told.starts_with(start), "{text:?}: {told}");
        }
    }

    #[test]
    fn a_list_of_devices_loses_no_column_and_no_field_in_silence() {
        let read = |text: &str| {
            let (mut texts, mut problems) = (Texts::default(), Problems::default());
            let mut warnings = Problems::default();
            let source = texts.add("d.csv", text);
            let devices = devices_of(text, source, &mut problems, &mut warnings);
            let problems = problems.finish(texts.clone()).to_string();
            (devices.len(), problems, warnings.finish(texts).to_string())
        };
        let good = (2, String::new(), String::new());
        assert_eq!(read("Name;IP;Groups\nsw1;10.0.0.1;a b\nsw2\n"), good);
        let (count, problems, warnings) = read("name,adress\nsw1,10.0.0.1\n");
        assert_eq!((count, problems.as_str()), (1, ""));
        let words = "d.csv:1:6: nothing is read of the column `adress`; did you mean `address`?";
        assert!(warnings.contains(words), "{warnings}");
        for (text, words) in [
            (
                "name,ip,host\na,,b\n",
                "d.csv:1:9: the column `name` is there twice, first at d.csv:1:1",
            ),
            ("name,ip\na,10.0.0.1,x\n", "d.csv:2:12: 3 fields, but 2 columns"),
            ("nmae\na\n", "d.csv:1:1: the first line must name the columns"),
            ("", "d.csv:1:1: the first line must name the columns"),
        ] {
            assert!(read(text).1.contains(words), "{text:?}: {:?}", read(text));
        }
    }
}
