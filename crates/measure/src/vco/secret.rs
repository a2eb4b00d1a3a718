//! Passwords and tokens of orchestrators. There is no way to print one but `reveal`, which only the client calls.

use std::fmt;

/// What must not be shown: printing gives `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for use and never for show.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the secret, for what others say and may quote it in.
    pub(super) fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_printed_nor_quoted() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.redact("token hunter2 is invalid"), "token *** is invalid");
        assert_eq!(Secret::new("").redact("as it is"), "as it is");
    }
}
