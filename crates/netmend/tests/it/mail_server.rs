//! A real mail server for tests of the daemon: `smtp_server.py` of the tests of `alert`, in a process that ends with
//! the test. It speaks TLS from the first byte and lets one user in; Python's own email package opens the mails.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

/// Longest that a mail takes: half a minute that alerts wait for others, and then some.
const PATIENCE: Duration = Duration::from_mins(3);
/// Who may log in.
pub(crate) const SENDER: &str = "alerts@example.net";
/// With what.
pub(crate) const PASSWORD: &str = "mail-hunter2";

/// The running server.
pub(crate) struct MailServer {
    child: Child,
    /// What it took, as it comes.
    pub(crate) mails: Receiver<Value>,
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u64,
    /// Its authority's certificate.
    pub(crate) ca: String,
}

impl MailServer {
    /// Starts it; its certificate is kept in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        let works = "a certificate for loopback can be made";
        let mut params = CertificateParams::new(Vec::new()).expect(works);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect(works);
        let authority = CertifiedIssuer::self_signed(params, key).expect(works);
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect(works);
        let key = KeyPair::generate().expect(works);
        let server = params.signed_by(&key, &authority).expect(works);
        let (certificate, secret) = (folder.join("mail.pem"), folder.join("mail.key"));
        fs::write(&certificate, server.pem()).expect("the folder is ours");
        fs::write(&secret, key.serialize_pem()).expect("the folder is ours");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alert/tests/it/smtp_server.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .args(["--tls", "implicit", "--login", &format!("{SENDER}:{PASSWORD}")])
            .args(["--certificate".as_ref(), certificate.as_os_str()])
            .args(["--key".as_ref(), secret.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It warns that a login without STARTTLS is none of its business.
            .stderr(Stdio::null())
            .spawn()
            .expect("python3-aiosmtpd is one of the packages that the tests need");
        let words = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut lines = words.lines().map_while(Result::ok);
        let mut said = move || {
            let line = lines.next()?;
            Some(serde_json::from_str::<Value>(&line).expect("the server speaks JSON"))
        };
        let port = said().and_then(|said| said["port"].as_u64()).expect("the server says its port");
        let (sender, mails) = channel();
        std::thread::spawn(move || {
            while let Some(said) = said() {
                if said["event"] == "mail" && sender.send(said).is_err() {
                    return;
                }
            }
        });
        Self { child, mails, port, ca: authority.pem() }
    }

    /// The next mail.
    pub(crate) fn mail(&self) -> Value {
        self.mails.recv_timeout(PATIENCE).expect("a mail comes")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // It may have ended by itself; a test that fails must not leave it behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A header of a mail.
pub(crate) fn header<'m>(mail: &'m Value, name: &str) -> &'m str {
    let headers = mail["headers"].as_array().expect("a mail has headers");
    let found = headers.iter().find(|header| header[0] == name);
    found.and_then(|header| header[1].as_str()).unwrap_or_else(|| panic!("no {name}: {mail:#}"))
}
