//! HTTP/1.1 as far as a client of an orchestrator speaks it, and wrong on request: it must be able to break off
//! anywhere. It knows no method.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest head and largest body of a request.
const MOST: usize = 1 << 20;

/// A connection with a client.
pub(super) struct Connection<S> {
    stream: S,
    /// What was read and is not used yet.
    read: Vec<u8>,
}

/// A request.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) path: String,
    /// `Authorization: Token ...`.
    pub(super) token: Option<String>,
    /// The cookie `velocloud.session`.
    pub(super) session: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    content: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Whole,
    /// Half of the body, and the end.
    Half,
    /// Nothing, and the end.
    HangUp,
    /// Nothing.
    Silence,
}

impl Reply {
    /// A reply of any kind.
    pub(super) fn of(status: u16, content: &'static str, body: Vec<u8>) -> Self {
        Self { status, content, headers: Vec::new(), body, how: How::Whole }
    }

    /// A reply in JSON.
    pub(super) fn json(status: u16, body: Vec<u8>) -> Self {
        Self::of(status, "application/json; charset=utf-8", body)
    }

    /// The same with a header more.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same as an answer by JSON-RPC: a result is put into it, a refusal is one already.
    pub(super) fn by_rpc(mut self) -> Self {
        if self.status == 200 && self.content.starts_with("application/json") {
            let is_refusal = self.body.starts_with(b"{\"error\"");
            if !is_refusal && !self.body.is_empty() {
                let head = &b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":"[..];
                self.body = [head, &self.body, b"}"].concat();
            }
        }
        self
    }

    /// The same, broken off in the middle.
    pub(super) fn cut(mut self) -> Self {
        self.how = How::Half;
        self
    }

    /// None: the connection ends.
    pub(super) fn hang_up() -> Self {
        Self { how: How::HangUp, ..Self::of(0, "", Vec::new()) }
    }

    /// None: nothing happens any more.
    pub(super) fn silence() -> Self {
        Self { how: How::Silence, ..Self::of(0, "", Vec::new()) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// The next request; `None` when the client is gone.
    pub(super) async fn next(&mut self) -> io::Result<Option<Asked>> {
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more().await? {
                return Ok(None);
            }
        };
        let text = String::from_utf8_lossy(&self.read[..head]).into_owned();
        let (mut asked, length) = parsed(&text)?;
        while self.read.len() < head + length {
            if !self.more().await? {
                return Ok(None);
            }
        }
        asked.body = self.read[head..head + length].to_vec();
        self.read.drain(..head + length);
        Ok(Some(asked))
    }

    async fn more(&mut self) -> io::Result<bool> {
        if self.read.len() > MOST {
            return Err(io::Error::other("a request is too long"));
        }
        Ok(self.stream.read_buf(&mut self.read).await? > 0)
    }

    /// Sends a reply; `false` if the connection is to end.
    pub(super) async fn answer(&mut self, reply: Reply) -> io::Result<bool> {
        match reply.how {
            How::HangUp => return Ok(false),
            How::Silence => {
                // The client has enough of it first.
                while self.more().await? {}
                return Ok(false);
            }
            How::Whole | How::Half => {}
        }
        let mut sent = format!(
            "HTTP/1.1 {} SIMULATION\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            reply.status,
            reply.content,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            sent.extend([name, ": ", value, "\r\n"]);
        }
        sent.push_str("\r\n");
        let whole = reply.how == How::Whole;
        let until = if whole { reply.body.len() } else { reply.body.len() / 2 };
        let mut sent = sent.into_bytes();
        sent.extend_from_slice(&reply.body[..until]);
        self.stream.write_all(&sent).await?;
        self.stream.flush().await?;
        Ok(whole)
    }
}

/// The head of a request, and how long its body is.
fn parsed(head: &str) -> io::Result<(Asked, usize)> {
    let bad = || io::Error::other("this is no request");
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or_else(bad)?;
    let mut asked = Asked { path: path.to_owned(), ..Asked::default() };
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                length = value.parse().ok().filter(|length| *length <= MOST).ok_or_else(bad)?;
            }
            "authorization" => asked.token = value.strip_prefix("Token ").map(str::to_owned),
            "cookie" => {
                let pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
                let mut sessions = pairs.filter(|(name, _)| *name == "velocloud.session");
                asked.session = sessions.next().map(|(_, id)| id.to_owned());
            }
            _ => {}
        }
    }
    Ok((asked, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_come_one_after_the_other_however_they_are_cut() {
        let (mut client, server) = tokio::io::duplex(7);
        let mut connection = Connection::new(server);
        let sent = tokio::spawn(async move {
            let one = "POST /a HTTP/1.1\r\nContent-Length: 2\r\nAuthorization: Token t\r\n\r\n{}";
            let two = "GET /b HTTP/1.1\r\nCookie: a=b; velocloud.session=s\r\n\r\n";
            client.write_all(format!("{one}{two}").as_bytes()).await.unwrap();
        });
        let one = connection.next().await.unwrap().unwrap();
        assert_eq!((&*one.path, one.token.as_deref(), &*one.body), ("/a", Some("t"), &b"{}"[..]));
        let two = connection.next().await.unwrap().unwrap();
        assert_eq!((&*two.path, two.session.as_deref()), ("/b", Some("s")));
        assert!(connection.next().await.unwrap().is_none());
        sent.await.unwrap();
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for head in ["", "\r\n\r\n", "POST /a\r\nContent-Length: 99999999999\r\n\r\n"] {
            assert!(parsed(head).is_err(), "{head:?}");
        }
    }
}
