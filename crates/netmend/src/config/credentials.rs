//! `.credentials.json` of network-telemetry -> the databases that it opens, for `netmend init`. Its form is
//! `{ "HOST": { "username": "...", "password": "..." } }`, a host a database.

use std::collections::BTreeMap;
use std::path::Path;

use model::Secret;
use serde::Deserialize;

use super::host;

/// Port of a database whose name has none: that of `InfluxDB`, and the only one network-telemetry knew.
const PORT: u16 = 8086;

/// A database of network-telemetry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    /// Where it is.
    pub(crate) url: String,
    /// Name to log in with.
    pub(crate) username: String,
    /// Password.
    pub(crate) password: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    username: String,
    password: String,
}

/// The databases of a file of this form; `None` if it has another. `Err`: what is wrong with it.
pub(crate) fn load_credentials(path: &Path) -> Result<Option<Vec<Database>>, String> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    databases(&text)
}

fn databases(text: &str) -> Result<Option<Vec<Database>>, String> {
    let logins: BTreeMap<String, Login> = match serde_json::from_str(text) {
        Ok(logins) => logins,
        Err(_) => return Ok(None),
    };
    if logins.is_empty() {
        return Ok(None);
    }
    let one = |(name, login): (String, Login)| {
        let (host, port) = host::split_port(&name);
        if host::check(host).is_err() {
            return Err(format!("{} is no host of a database", super::problem::quote(&name)));
        }
        let port = match port {
            None => PORT,
            Some(port) => host::port(port)
                .ok_or_else(|| format!("{} has no port", super::problem::quote(&name)))?,
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let (url, password) = (format!("http://{host}:{port}"), Secret::new(login.password));
        Ok(Database { url, username: login.username, password })
    };
    logins.into_iter().map(one).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_a_database_on_its_host() {
        let text = "{\n  \"db\":\n    { \"username\": \"root\", \"password\": \"hunter2\" },\n \
                    \"10.0.0.5:8087\": { \"username\": \"u\", \"password\": \"p\" }\n}\n";
        let found = databases(text).unwrap().unwrap();
        let urls: Vec<_> = found.iter().map(|database| database.url.as_str()).collect();
        assert_eq!(urls, ["http://10.0.0.5:8087", "http://db:8086"]);
        assert_eq!((&*found[1].username, found[1].password.reveal()), ("root", "hunter2"));
    }

    #[test]
    fn other_files_are_not_taken_for_it() {
        for text in ["", "{}", "r: [h]", "{\"r\": [\"h\"]}", "{\"db\": {\"username\": \"root\"}}"] {
            assert_eq!(databases(text), Ok(None), "{text}");
        }
        let odd = "{\"a b\": {\"username\": \"u\", \"password\": \"hunter2\"}}";
        assert_eq!(databases(odd), Err("`a b` is no host of a database".to_owned()));
    }
}
