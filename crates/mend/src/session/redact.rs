//! Takes secrets out of what is kept or shown of a session: those of the login wherever they are, and what
//! configurations print behind words such as `password`. It is the last step before a transcript.

use std::borrow::Cow;

use model::{Login, Secret};

/// Shortest secret that is searched for: shorter ones would blank out ordinary words.
const MIN_SECRET: usize = 3;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// The secrets of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    /// The longest first, so that one that holds another goes as a whole.
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Hides the secrets of a login.
    pub(crate) fn of(login: &Login) -> Self {
        // A private key is hidden line by line: nobody prints it otherwise.
        let lines = login.secrets().flat_map(|secret| secret.reveal().lines());
        let mut secrets: Vec<Secret> = lines
            .map(str::trim)
            .filter(|line| line.len() >= MIN_SECRET && !line.starts_with("-----"))
            .map(Secret::new)
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        Self { secrets }
    }

    /// The text without the login's secrets.
    pub(crate) fn own<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(secret.reveal()) {
                text = Cow::Owned(text.replace(secret.reveal(), HIDDEN));
            }
        }
        text
    }

    /// The text without the login's secrets and without those that configurations show.
    pub(crate) fn all(&self, text: &str) -> String {
        let text = self.own(text);
        let lines = text.split_inclusive('\n').map(line);
        lines.collect()
    }
}

/// Words that a secret follows, perhaps after words that say how it is written.
const WORDS: [&str; 20] = [
    "password",
    "secret",
    "community",
    "key-string",
    "pre-shared-key",
    "authentication-key",
    "encrypted-password",
    "plain-text-password",
    "privacy-key",
    "shared-secret",
    "md5",
    "key",
    "auth",
    "priv",
    "ppk",
    "passphrase",
    "server-key",
    "snmp-community",
    "wpa-psk",
    "authentication-password",
];

/// Words between one of [`WORDS`] and its secret.
const FORMS: [&str; 22] = [
    "ascii-text",
    "hexadecimal",
    "encrypted",
    "clear",
    "cleartext",
    "ascii",
    "hex",
    "text",
    "sha512",
    "scrypt",
    "pbkdf2",
    "md5",
    "sha",
    "sha256",
    "aes",
    "des",
    "128",
    "192",
    "256",
    "local",
    "remote",
    "string",
];

/// A line of a configuration without its secrets.
fn line(line: &str) -> Cow<'_, str> {
    let lower = line.to_ascii_lowercase();
    // Most lines hold none of the words; looking for them is all that those cost.
    if !WORDS.iter().any(|word| lower.contains(word)) && !lower.contains("$9$") {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len());
    let mut after = false;
    for piece in line.split_inclusive(|c: char| c.is_whitespace()) {
        let word = piece.trim_end();
        let blank = &piece[word.len()..];
        let bare = word.trim_matches(['"', ';', ',', ':', '{', '}']).to_ascii_lowercase();
        let crypt = is_crypt(&bare);
        if crypt || (after && is_secret(&bare)) {
            shown.push_str(HIDDEN);
            after = false;
        } else {
            shown.push_str(word);
            // `password 7 0822455D0A16`: the kind of cipher is one figure.
            after =
                WORDS.contains(&bare.as_str()) || (after && (word.is_empty() || is_form(&bare)));
        }
        shown.push_str(blank);
    }
    Cow::Owned(shown)
}

fn is_form(word: &str) -> bool {
    FORMS.contains(&word) || matches!(word, "0" | "4" | "5" | "6" | "7" | "8" | "9" | "8a" | "10")
}

/// Whether a word behind one of [`WORDS`] is to be hidden.
fn is_secret(word: &str) -> bool {
    const ORDINARY: [&str; 12] = [
        "chain",
        "encryption",
        "is",
        "not",
        "exchange",
        "id",
        "type",
        "ro",
        "rw",
        "none",
        "mode",
        "and",
    ];
    !word.is_empty() && !is_form(word) && !ORDINARY.contains(&word)
}

/// `$1$salt$hash` and its kin, and Junos' `$9$`.
fn is_crypt(word: &str) -> bool {
    let mut parts = word.strip_prefix('$').unwrap_or_default().splitn(2, '$');
    let (kind, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (1..=6).contains(&kind.len()) && kind.chars().all(char::is_alphanumeric) && rest.len() >= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_login_are_hidden_wherever_they_are() {
        let mut login = Login::new("netmend");
        login.password = Some(Secret::new("hunter2"));
        login.enable = Some(Secret::new("hunter2-more"));
        login.key =
            Some(Secret::new("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END-----\n"));
        let redactor = Redactor::of(&login);
        let text = redactor.own("a hunter2-more b hunter2, b3BlbnNz -----BEGIN OPENSSH");
        assert_eq!(text, "a *** b ***, *** -----BEGIN OPENSSH");
        assert!(!format!("{redactor:?} {login:?}").contains("hunter2"));
    }

    #[test]
    fn secrets_of_configurations_are_hidden() {
        for (line, hidden) in [
            ("enable secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0", "enable secret 5 ***"),
            (
                "username noc privilege 15 password 7 0822455D0A16",
                "username noc privilege 15 password 7 ***",
            ),
            ("snmp-server community s3cr3t RO", "snmp-server community *** RO"),
            (" neighbor 10.0.0.1 password letmein", " neighbor 10.0.0.1 password ***"),
            (" key-string 7 060506324F41", " key-string 7 ***"),
            (
                "set system root-authentication encrypted-password \"$6$abc$defghijk\"",
                "set system root-authentication encrypted-password ***",
            ),
            ("secret \"$9$ABcdEFghIJkl\"; ## SECRET-DATA", "secret *** ## SECRET-DATA"),
            (
                " ip ospf message-digest-key 1 md5 7 1234abcd",
                " ip ospf message-digest-key 1 md5 7 ***",
            ),
            ("tacacs-server key 7 abcdef", "tacacs-server key 7 ***"),
            (
                "snmp-server user u g v3 auth sha authpass priv aes 128 privpass",
                "snmp-server user u g v3 auth sha *** priv aes 128 ***",
            ),
        ] {
            assert_eq!(Redactor::default().all(line), hidden);
        }
    }

    #[test]
    fn ordinary_lines_stay_as_they_are() {
        for line in [
            "key chain ospf\n",
            "service password-encryption\n",
            "GigabitEthernet0/1 is up, line protocol is up\n",
            "  Community is not set\n",
            "Neighbor 10.0.0.1, remote AS 65000\n",
        ] {
            assert_eq!(Redactor::default().all(line), line);
        }
    }
}
