//! An HTTP server that answers as a test wants, also badly. It remembers every request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::read::GzDecoder;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method and path with its query.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The path without its query.
    pub(crate) fn path(&self) -> &str {
        let path = self.line.split(' ').nth(1).unwrap();
        path.split('?').next().unwrap()
    }

    /// A header, empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The lines of the body, unpacked.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut text = String::new();
        if self.header("content-encoding") == "gzip" {
            GzDecoder::new(&*self.body).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(self.body.clone()).unwrap();
        }
        text.lines().map(str::to_owned).collect()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, headers and a body.
    Say { status: u16, headers: String, body: String },
    /// Nothing, until the other side gives up.
    Silence,
    /// The connection is closed.
    HangUp,
    /// A 500 with a body that does not end.
    Endless,
}

impl Reply {
    pub(crate) fn say(status: u16) -> Self {
        Self::Say { status, headers: String::new(), body: String::new() }
    }

    /// With one more header.
    pub(crate) fn with(mut self, header: &str) -> Self {
        if let Self::Say { headers, .. } = &mut self {
            headers.push_str(header);
            headers.push_str("\r\n");
        }
        self
    }

    /// With this body.
    pub(crate) fn body(mut self, text: &str) -> Self {
        if let Self::Say { body, .. } = &mut self {
            text.clone_into(body);
        }
        self
    }
}

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

struct Shared {
    script: Mutex<Script>,
    seen: Mutex<Vec<Request>>,
    taken: Mutex<Vec<String>>,
    over: AtomicBool,
}

/// The server; it ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// Answers each request as `script` says.
    pub(crate) fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            seen: Mutex::default(),
            taken: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The lines of all writes that were answered with 204.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.shared.taken.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let reply = (shared.script.lock().unwrap())(&request);
        let written = request.path() == "/write" || request.path().starts_with("/api/v");
        let lines = written && request.header("content-encoding") != "snappy";
        if lines && matches!(reply, Reply::Say { status: 204, .. }) {
            shared.taken.lock().unwrap().extend(request.lines());
        }
        shared.seen.lock().unwrap().push(request);
        let stream = stream.get_mut();
        match reply {
            Reply::Say { status, headers, body } => {
                let length = if status == 204 {
                    String::new()
                } else {
                    format!("Content-Length: {}\r\n", body.len())
                };
                let answer = format!("HTTP/1.1 {status} As told\r\n{headers}{length}\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
            Reply::Silence => {
                // Until the other side closes.
                drop(stream.read(&mut [0]));
                return;
            }
            Reply::HangUp => return,
            Reply::Endless => {
                let head = b"HTTP/1.1 500 As told\r\n\r\n";
                let mut written = stream.write_all(head);
                while written.is_ok() {
                    written = stream.write_all(&[b'x'; 1 << 12]);
                }
                return;
            }
        }
    }
}

/// The next request on a connection; `None` once it is closed.
fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        let read = stream.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let line = first.rsplit_once(' ').unwrap().0.to_owned();
    Some(Request { line, headers, body })
}
