//! The keys by which devices are known: a file in the format of OpenSSH's `known_hosts` (sshd(8)), by names
//! of devices instead of addresses. A device without a key is refused, and so is one with any other key than
//! its own, whatever the kind of key: nothing is ever learned by connecting.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::known_hosts::{HostPatterns, KnownHosts, Marker};
use russh::keys::{HashAlg, PublicKey};

/// The file of pinned keys.
#[derive(Clone, Debug)]
pub struct HostKeys {
    path: PathBuf,
}

/// A device's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey(pub(super) PublicKey);

impl HostKey {
    /// The fingerprint as ssh shows it: `SHA256:` and base64.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The kind of key, such as `ssh-ed25519`.
    pub fn algorithm(&self) -> String {
        self.0.algorithm().to_string()
    }
}

/// Why a device is not taken for the one that we know.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// Nobody has said yet that its key is right.
    #[error(
        "the host key of {device} is not trusted yet: {algorithm} {fingerprint}; compare it on the device, then `netmend device trust {device}`"
    )]
    Unknown {
        /// The device.
        device: String,
        /// Kind of key.
        algorithm: String,
        /// Its fingerprint.
        fingerprint: String,
    },
    /// It shows another key than the one that is trusted.
    #[error(
        "THE HOST KEY OF {device} HAS CHANGED: it shows {algorithm} {fingerprint}, trusted is {trusted}; somebody may be in between, or the device was replaced: then `netmend device trust --replace {device}`"
    )]
    Changed {
        /// The device.
        device: String,
        /// Kind of key.
        algorithm: String,
        /// Its fingerprint.
        fingerprint: String,
        /// The keys that are trusted.
        trusted: String,
    },
    /// It shows a certificate, which is not accepted.
    #[error("{device} shows a host certificate, which is not accepted: trust its plain key")]
    Certificate {
        /// The device.
        device: String,
    },
    /// The file cannot be read or written.
    #[error("cannot {doing} the trusted host keys in {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        why: io::Error,
    },
    /// The file holds what is no key.
    #[error("{} is no list of host keys: {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The name of a device that cannot stand in the file.
    #[error(
        "the name {device:?} cannot stand in a list of host keys: use letters, figures, dots and dashes"
    )]
    Name {
        /// The device.
        device: String,
    },
}

impl HostKeys {
    /// The keys in this file, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys that are trusted for a device.
    ///
    /// # Errors
    /// The file cannot be read or is damaged: then nobody is trusted.
    pub fn of(&self, device: &str) -> Result<Vec<HostKey>, HostKeyError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => String::new(),
            Err(why) => return Err(self.file("read", why)),
        };
        self.parse(&text, device)
    }

    fn parse(&self, text: &str, device: &str) -> Result<Vec<HostKey>, HostKeyError> {
        let mut keys = Vec::new();
        for entry in KnownHosts::new(text) {
            let entry = entry.map_err(|why| HostKeyError::Format {
                path: self.path.clone(),
                why: why.to_string(),
            })?;
            let HostPatterns::Patterns(names) = entry.host_patterns() else { continue };
            // A revoked key and an authority are no key of the device.
            let plain = !matches!(entry.marker(), Some(Marker::Revoked | Marker::CertAuthority));
            if plain && names.iter().any(|name| name == device) {
                keys.push(HostKey(entry.public_key().clone()));
            }
        }
        Ok(keys)
    }

    /// Whether this is the key of the device.
    ///
    /// # Errors
    /// It is not: unknown, or another one, which includes one of another kind.
    pub(super) fn check(&self, device: &str, shown: &HostKey) -> Result<(), HostKeyError> {
        self.of(device).and_then(|trusted| compare(device, &trusted, shown))
    }

    /// Trusts `key` for a device from now on, in the place of all its other keys with `replace`.
    ///
    /// # Errors
    /// Another key is trusted and `replace` was not said; or the file cannot be written.
    pub fn trust(&self, device: &str, key: &HostKey, replace: bool) -> Result<(), HostKeyError> {
        let fits = |c: char| c.is_alphanumeric() || "._-:".contains(c);
        if device.is_empty() || !device.chars().all(fits) {
            return Err(HostKeyError::Name { device: device.to_owned() });
        }
        let _lock = self.lock().map_err(|why| self.file("lock", why))?;
        match self.check(device, key) {
            Ok(()) => return Ok(()),
            Err(HostKeyError::Unknown { .. }) => {}
            Err(HostKeyError::Changed { .. }) if replace => {}
            Err(other) => return Err(other),
        }
        let old = fs::read_to_string(&self.path).unwrap_or_default();
        let key = key.0.to_openssh().map_err(|why| HostKeyError::Format {
            path: self.path.clone(),
            why: why.to_string(),
        })?;
        let mut text = String::with_capacity(old.len() + key.len() + device.len() + 2);
        // What is trusted for other devices stays as it was typed, comments too.
        let is_other = |line: &&str| self.parse(line, device).map_or(true, |keys| keys.is_empty());
        for line in old.lines().filter(is_other) {
            text.push_str(line);
            text.push('\n');
        }
        for part in [device, " ", &key, "\n"] {
            text.push_str(part);
        }
        self.write(&text).map_err(|why| self.file("write", why))
    }

    /// Keeps other writers out; readers see the old file or the new one.
    fn lock(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let path = self.path.with_extension("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }

    fn file(&self, doing: &'static str, why: io::Error) -> HostKeyError {
        HostKeyError::File { doing, path: self.path.clone(), why }
    }
}

/// Whether this is one of the keys that are trusted for the device.
///
/// # Errors
/// It is not: unknown, or another one, which includes one of another kind.
pub(super) fn compare(
    device: &str,
    trusted: &[HostKey],
    shown: &HostKey,
) -> Result<(), HostKeyError> {
    if trusted.iter().any(|key| key.0.key_data() == shown.0.key_data()) {
        return Ok(());
    }
    let (device, algorithm) = (device.to_owned(), shown.algorithm());
    let fingerprint = shown.fingerprint();
    if trusted.is_empty() {
        return Err(HostKeyError::Unknown { device, algorithm, fingerprint });
    }
    let trusted = trusted.iter().map(|key| format!("{} {}", key.algorithm(), key.fingerprint()));
    let trusted = trusted.collect::<Vec<_>>().join(", ");
    Err(HostKeyError::Changed { device, algorithm, fingerprint, trusted })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJK10LdElRqTNyDgvp/RFgGbg9UXQDyoPWRSMDjxlHLM7xU+4hjPXmxGdSRFYJT5pSTqMCyhqt5uKIHU/8g2m5A=";

    fn key(text: &str) -> HostKey {
        HostKey(text.parse().unwrap())
    }

    fn keys() -> (tempfile::TempDir, HostKeys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = HostKeys::at(folder.path().join("data/known_devices"));
        (folder, keys)
    }

    #[test]
    fn nobody_is_trusted_until_told_and_then_only_that_key() {
        let (_folder, keys) = keys();
        let unknown = keys.check("sw1", &key(ED25519)).unwrap_err();
        assert!(matches!(unknown, HostKeyError::Unknown { .. }));
        assert!(unknown.to_string().contains("netmend device trust sw1"), "{unknown}");
        keys.trust("sw1", &key(ED25519), false).unwrap();
        keys.check("sw1", &key(ED25519)).unwrap();
        assert!(matches!(keys.check("sw2", &key(ED25519)), Err(HostKeyError::Unknown { .. })));
    }

    #[test]
    fn another_key_is_refused_also_if_it_is_of_another_kind() {
        let (_folder, keys) = keys();
        keys.trust("sw1", &key(ED25519), false).unwrap();
        for other in [OTHER, ECDSA] {
            let changed = keys.check("sw1", &key(other)).unwrap_err();
            assert!(matches!(changed, HostKeyError::Changed { .. }), "{changed}");
            assert!(matches!(
                keys.trust("sw1", &key(other), false),
                Err(HostKeyError::Changed { .. })
            ));
        }
    }

    #[test]
    fn replacing_takes_the_old_key_away_and_leaves_the_others() {
        let (_folder, keys) = keys();
        keys.trust("sw1", &key(ED25519), false).unwrap();
        keys.trust("sw2", &key(ED25519), false).unwrap();
        keys.trust("sw1", &key(ECDSA), true).unwrap();
        assert_eq!(keys.of("sw1").unwrap(), [key(ECDSA)]);
        assert_eq!(keys.of("sw2").unwrap(), [key(ED25519)]);
        assert!(matches!(keys.check("sw1", &key(ED25519)), Err(HostKeyError::Changed { .. })));
    }

    #[test]
    fn a_damaged_file_trusts_nobody_and_comments_and_revocations_are_read() {
        let (_folder, keys) = keys();
        fs::create_dir_all(keys.path().parent().unwrap()).unwrap();
        fs::write(
            keys.path(),
            format!("# ours\n\n@revoked sw1 {OTHER}\nsw1,alias {ED25519} note\n"),
        )
        .unwrap();
        keys.check("alias", &key(ED25519)).unwrap();
        assert!(keys.check("sw1", &key(OTHER)).is_err());
        fs::write(keys.path(), "sw1 rubbish\n").unwrap();
        assert!(matches!(keys.check("sw1", &key(ED25519)), Err(HostKeyError::Format { .. })));
        assert!(matches!(keys.trust("sw1", &key(ED25519), true), Err(HostKeyError::Format { .. })));
    }

    #[test]
    fn names_that_could_be_patterns_are_refused() {
        let (_folder, keys) = keys();
        for name in ["", "*", "a b", "!x", "a,b", "@revoked", "#x", "|1|x"] {
            let refused = keys.trust(name, &key(ED25519), false).unwrap_err();
            assert!(matches!(refused, HostKeyError::Name { .. }), "{name}");
        }
    }
}
