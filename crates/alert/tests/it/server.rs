//! Servers for the tests: `smtp_server.py`, a real mail server, and `web_server.py`, each in a process of its
//! own that ends with the test. Their certificates are signed by a CA that lives as long as the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

/// Debian's Python, for which `python3-aiosmtpd` is installed.
const PYTHON: &str = "/usr/bin/python3";
/// How long the server may take to say something; it never takes so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A CA, and a server's certificate that it signed.
pub(crate) struct Certificates {
    folder: TempDir,
    /// The CA in PEM.
    pub(crate) ca: Vec<u8>,
}

impl Certificates {
    /// A certificate for `name`.
    pub(crate) fn of(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let server = params.signed_by(&key, &ca).unwrap();
        Self::written(&server.pem(), &key.serialize_pem(), ca.pem())
    }

    /// A certificate for `name` as `openssl req -x509` makes it: self-signed, and a CA's.
    pub(crate) fn self_signed(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let server = params.self_signed(&key).unwrap();
        Self::written(&server.pem(), &key.serialize_pem(), server.pem())
    }

    fn written(server: &str, key: &str, ca: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("certificate.pem"), server).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
        Self { folder, ca: ca.into_bytes() }
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// The server ends when this closes.
    stdin: Option<ChildStdin>,
    said: Receiver<Value>,
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
}

impl Server {
    /// Starts a mail server; `options` are those of `smtp_server.py`.
    pub(crate) fn mail(certificates: &Certificates, options: &[&str]) -> Self {
        Self::start("smtp_server.py", Some(certificates), options)
    }

    /// Starts a mail server without TLS.
    pub(crate) fn plain_mail(options: &[&str]) -> Self {
        Self::start("smtp_server.py", None, &[&["--tls", "none"], options].concat())
    }

    /// Starts a web server; `options` are those of `web_server.py`.
    pub(crate) fn web(certificates: Option<&Certificates>, options: &[&str]) -> Self {
        Self::start("web_server.py", certificates, options)
    }

    fn start(script: &str, certificates: Option<&Certificates>, options: &[&str]) -> Self {
        let mut command = Command::new(PYTHON);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script));
        if let Some(Certificates { folder, .. }) = certificates {
            command.arg("--certificate").arg(folder.path().join("certificate.pem"));
            command.arg("--key").arg(folder.path().join("key.pem"));
        }
        let mut child = command
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests need Debian's python3 and python3-aiosmtpd");
        let (tell, said) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if tell.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        let mut server = Self { child, stdin, said, port: 0 };
        let first = server.next().expect("the tests need Debian's python3-aiosmtpd");
        server.port = first["port"].as_u64().unwrap().try_into().unwrap();
        server
    }

    /// The next mail it takes.
    pub(crate) fn next_mail(&self) -> Mail {
        self.until("mail").map(Mail).expect("the server has taken a mail")
    }

    /// The next event of this name.
    pub(crate) fn until(&self, event: &str) -> Option<Value> {
        std::iter::from_fn(|| self.next()).find(|said| said["event"] == event)
    }

    /// The next request it gets.
    pub(crate) fn next_post(&self) -> Value {
        self.until("post").expect("the server has got a request")
    }

    /// Ends it, and gives what it said that nobody has heard.
    pub(crate) fn stop(mut self) -> Vec<Value> {
        self.end();
        self.said.try_iter().collect()
    }

    fn next(&self) -> Option<Value> {
        self.said.recv_timeout(PATIENCE).ok()
    }

    fn end(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        self.child.wait().unwrap();
        // What it said before is in the channel once its output is closed: the reader then hangs up.
        let rest: Vec<Value> = self.said.iter().collect();
        let (tell, said) = channel();
        for value in rest {
            tell.send(value).unwrap();
        }
        self.said = said;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A mail as the server's own parser read it.
pub(crate) struct Mail(Value);

impl Mail {
    /// A header's decoded value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.0["headers"].as_array().unwrap();
        let found: Vec<&str> =
            headers.iter().filter(|h| h[0] == name).map(|h| h[1].as_str().unwrap()).collect();
        assert!(found.len() <= 1, "{name} is there {} times", found.len());
        found.first().copied()
    }

    /// The content of the part of this type.
    pub(crate) fn part(&self, kind: &str) -> &str {
        let parts = self.0["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["type"] == kind);
        part.unwrap_or_else(|| panic!("no {kind} in {parts:?}"))["content"].as_str().unwrap()
    }

    /// Anything else that the server told of it.
    pub(crate) fn get(&self, key: &str) -> &Value {
        &self.0[key]
    }
}
