//! Text that must never be shown: passwords, private keys, tokens. There is no way to print it but `reveal`.

use std::fmt;

/// What must not be shown: both ways of printing it give `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for use and never for show.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the secret, for what others say and may quote it in.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_of_printing_shows_a_secret() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:#?}", Some(&secret)).matches("***").count(), 3);
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn what_quotes_a_secret_can_be_shown_without_it() {
        let secret = Secret::new("hunter2");
        assert_eq!(secret.redact("token hunter2 is invalid"), "token *** is invalid");
        assert_eq!(Secret::new("").redact("as it is"), "as it is");
    }
}
