//! The `.env` file of `vco-api-wan-anomaly-alert` as a configuration: an orchestrator, and mail over SMTPS.
//! Its keys are `VCO_HOSTNAME`, `VCO_TOKEN` or `VCO_USERNAME` and `VCO_PASSWORD`; `EMAIL_SMTP_SERVER`,
//! `EMAIL_SSL_PORT`, `EMAIL_SENDER`, `EMAIL_SENDER_PASSWORD`, `EMAIL_RECEIVER`. Others are left alone. Errors
//! name keys and lines, never values.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::load::load_text;
use super::settings::Settings;
use super::source;

/// Port of mail over TLS if none is given (RFC 8314, 7.3).
const SMTPS: &str = "465";
/// Keys without which no mail can be sent.
const MAIL: [&str; 4] =
    ["EMAIL_SMTP_SERVER", "EMAIL_SENDER", "EMAIL_SENDER_PASSWORD", "EMAIL_RECEIVER"];

/// Reads such a file.
///
/// # Errors
/// Which key or line is wrong.
pub(crate) fn load_env(path: &Path) -> Result<Settings, String> {
    let shown = path.display();
    let text = source::read(path).map_err(|why| format!("{shown} {}", why.what))?;
    let keys = parse(&text).map_err(|why| format!("{shown}:{why}"))?;
    let config = config(&keys).map_err(|why| format!("{shown}: {why}"))?;
    // Places in the config that it comes to would mean nothing to people: the sentences must do.
    let name = format!("{shown} (as a config)");
    load_text(&name, &config.to_string()).map_err(|problems| problems.to_string())
}

/// The keys of a file as python-dotenv reads it: blanks around `=`, quotes, `export`, comments; of two
/// lines with one key the later counts. `Err`: the line, and what is wrong with it.
fn parse(text: &str) -> Result<HashMap<&str, String>, String> {
    let mut keys = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, typed) = line
            .split_once('=')
            .ok_or_else(|| format!("{number}: no `=` is in this line; write KEY = 'value'"))?;
        let value = value(typed.trim_start()).map_err(|why| format!("{number}: {why}"))?;
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
    let mut config = json!({ "orchestrators": { "vco": vco } });
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
        load_env(file.path())
    }

    #[test]
    fn the_example_of_the_original_is_a_configuration() {
        let settings = loaded(README).unwrap();
        let vco = &settings.orchestrators[0].client;
        assert_eq!(vco.at(), "https://vco.managed-sdwan.com");
        let measure::orchestrator::Config::Vco(vco) = vco;
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
            ("VCO_TOKEN = '(redacted)'", "VCO_TOKEN = 'hunter2", ":4: the value's closing quote"),
            ("VCO_TOKEN = '(redacted)'", "hunter2", ":4: no `=` is in this line"),
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
