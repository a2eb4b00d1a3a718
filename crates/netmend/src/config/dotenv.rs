//! The `.env` file of `vco-api-wan-anomaly-alert` as a configuration: an orchestrator, and mail over SMTPS.
//! Its keys are `VCO_HOSTNAME`, `VCO_TOKEN` or `VCO_USERNAME` and `VCO_PASSWORD`; `EMAIL_SMTP_SERVER`,
//! `EMAIL_SSL_PORT`, `EMAIL_SENDER`, `EMAIL_SENDER_PASSWORD`, `EMAIL_RECEIVER`. Others are left alone. Errors
//! name keys and lines, never values.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::source::Span;

/// Port of mail over TLS if none is given (RFC 8314, 7.3).
const SMTPS: &str = "465";
/// Keys without which no mail can be sent.
const MAIL: [&str; 4] =
    ["EMAIL_SMTP_SERVER", "EMAIL_SENDER", "EMAIL_SENDER_PASSWORD", "EMAIL_RECEIVER"];

/// What is wrong with such a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// In which line, from 1; `None` if it is not about a line.
    line: Option<usize>,
    /// What it is, without any value.
    pub(crate) what: String,
}

impl Wrong {
    /// Where it stands in the text.
    pub(super) fn place(&self, source: u32, text: &str) -> Span {
        let Some(line) = self.line else { return Span::top(source) };
        let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let length = text[start..].lines().next().map_or(0, str::len);
        Span { source, start: start as u32, end: (start + length) as u32 }
    }
}

/// The config that such a file comes to: YAML, with the file's secrets in it.
///
/// # Errors
/// Which key or line is wrong.
pub(crate) fn as_config(text: &str) -> Result<String, Wrong> {
    let keys = parse(text)?;
    config(&keys).map(|config| write(&config)).map_err(|what| Wrong { line: None, what })
}

/// The settings of a config as a map of its keys, one a line.
fn write(config: &Value) -> String {
    let mut out = String::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        // JSON is YAML.
        writeln!(out, "{key}: {value}").expect("a String takes every write");
    }
    out
}

/// The keys of a file as python-dotenv reads it: blanks around `=`, quotes, `export`, comments; of two
/// lines with one key the later counts.
fn parse(text: &str) -> Result<HashMap<&str, String>, Wrong> {
    let wrong = |line, what: &str| Wrong { line: Some(line), what: what.to_owned() };
    let mut keys = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, typed) = line
            .split_once('=')
            .ok_or_else(|| wrong(number, "no `=` is in this line; write KEY = 'value'"))?;
        let value = value(typed.trim_start()).map_err(|why| wrong(number, why))?;
        keys.insert(key.trim(), value);
    }
    Ok(keys)
}

/// The value behind `=`. In double quotes `\` escapes and `\n` is a line end; in single quotes it escapes
/// itself and the quote.
fn value(typed: &str) -> Result<String, &'static str> {
    let Some(quote @ ('\'' | '"')) = typed.chars().next() else {
        let end = typed.find(" #").unwrap_or(typed.len());
        return Ok(typed[..end].trim().to_owned());
    };
    let mut value = String::new();
    let mut rest = typed[1..].chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n') if quote == '"' => value.push('\n'),
                Some(c) if c == quote || c == '\\' => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            c if c == quote => return Ok(value),
            c => value.push(c),
        }
    }
    Err("the value's closing quote is missing")
}

/// The config that the keys come to.
fn config(keys: &HashMap<&str, String>) -> Result<Value, String> {
    let get = |key: &str| keys.get(key).filter(|value| !value.is_empty());
    // A config would take `${` for the start of a reference.
    let text = |value: &String| value.replace("${", "$${");
    let need =
        |key: &str| get(key).map(text).ok_or_else(|| format!("the key {key} is missing or empty"));
    let mut vco = json!({ "kind": "vco", "url": need("VCO_HOSTNAME")? });
    if let Some(token) = get("VCO_TOKEN") {
        vco["token"] = text(token).into();
    } else if get("VCO_USERNAME").is_none() && get("VCO_PASSWORD").is_none() {
        return Err("VCO_TOKEN is missing, or VCO_USERNAME and VCO_PASSWORD".to_owned());
    } else {
        vco["username"] = need("VCO_USERNAME")?.into();
        vco["password"] = need("VCO_PASSWORD")?.into();
    }
    // The original's rule, for those who come from it.
    let mut config = json!({ "orchestrators": { "vco": vco }, "detect": { "rule": "sigma" } });
    if MAIL.iter().any(|key| get(key).is_some()) {
        let port = get("EMAIL_SSL_PORT").map_or(SMTPS, String::as_str);
        let receivers = need("EMAIL_RECEIVER")?;
        let separated = |c: char| c == ',' || c == ';' || c.is_whitespace();
        let to: Vec<&str> = receivers.split(separated).filter(|to| !to.is_empty()).collect();
        config["notify"] = json!({ "smtp": {
            "server": format!("smtps://{}:{port}", need("EMAIL_SMTP_SERVER")?),
            "from": need("EMAIL_SENDER")?,
            "user": need("EMAIL_SENDER")?,
            "password": need("EMAIL_SENDER_PASSWORD")?,
            "to": to,
        } });
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::load::{Sources, load};
    use super::super::settings::Settings;
    use super::*;

    /// The example in the README of `vco-api-wan-anomaly-alert`.
    const README: &str = "\
VCO_HOSTNAME = 'vco.managed-sdwan.com/'

# Either the API token
VCO_TOKEN = '(redacted)'

# Or the username and password
VCO_USERNAME = 'me@example.com'
VCO_PASSWORD = '(redacted)'

# For email notification
EMAIL_SSL_PORT = 465
EMAIL_SMTP_SERVER = 'smtp.example.org'
EMAIL_SENDER = 'alert@example.org'
EMAIL_RECEIVER = 'me@example.com, you@example.com'
EMAIL_SENDER_PASSWORD = '(redacted)'
";

    fn loaded(text: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let sources = Sources { env_file: Some(file.path().to_owned()), ..Sources::default() };
        load(&sources).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_example_of_the_original_is_a_configuration() {
        let settings = loaded(README).unwrap();
        let vco = &settings.orchestrators[0].client;
        assert_eq!(vco.at(), "https://vco.managed-sdwan.com");
        let measure::orchestrator::Config::Vco(vco) = vco else {
            panic!("a VeloCloud Orchestrator")
        };
        assert!(matches!(vco.credential, measure::vco::Credential::Token(_)));
        let receiver = settings.verdict.receivers.values().next().unwrap();
        assert_eq!(receiver.addresses(), ["me@example.com", "you@example.com"]);
        let without_mail = README
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("EMAIL"))
            .collect::<String>();
        assert!(loaded(&without_mail).unwrap().verdict.routes.is_empty());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_without_any_value() {
        for (from, to, told) in [
            ("EMAIL_RECEIVER", "X", "the key EMAIL_RECEIVER is missing or empty"),
            ("EMAIL_SENDER_PASSWORD = '(redacted)'", "", "EMAIL_SENDER_PASSWORD is missing"),
            ("VCO_HOSTNAME = 'vco.managed-sdwan.com/'", "VCO_HOSTNAME=", "VCO_HOSTNAME is missing"),
            ("VCO_TOKEN = '(redacted)'", "VCO_TOKEN = 'hunter2", ":4:1: the value's closing quote"),
            ("VCO_TOKEN = '(redacted)'", "hunter2", ":4:1: no `=` is in this line"),
            ("vco.managed-sdwan.com/", "ftp://hunter2", "must begin with https://"),
        ] {
            let why = loaded(&README.replace(from, to)).expect_err(told);
            assert!(why.contains(told) && !why.contains("hunter2"), "{told}: {why}");
        }
        let nobody = "VCO_HOSTNAME = h\n";
        assert!(loaded(nobody).unwrap_err().contains("VCO_TOKEN is missing, or VCO_USERNAME"));
    }

    #[test]
    fn values_read_as_python_dotenv_reads_them() {
        for (typed, read) in [
            ("a # b", "a"),
            ("a#b", "a#b"),
            ("'a # b' # c", "a # b"),
            (r#""a\"b\\c\nd""#, "a\"b\\c\nd"),
            (r"'a\'b\n'", r"a'b\n"),
            ("", ""),
        ] {
            assert_eq!(value(typed).unwrap(), read, "{typed}");
        }
        let keys = parse("export A=1\nA = ' 2 '\r\n").unwrap();
        assert_eq!(keys["A"], " 2 ");
        let vco = HashMap::from([
            ("VCO_HOSTNAME", "h".to_owned()),
            ("VCO_TOKEN", "a${env:HOME}".to_owned()),
        ]);
        assert_eq!(config(&vco).unwrap()["orchestrators"]["vco"]["token"], "a$${env:HOME}");
    }
}
