//! As much HTTP/1.1 as a bench on loopback needs: one connection, one request after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// A client's connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to `host:port`.
    pub(crate) fn connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(1 << 16, stream) })
    }

    /// Sends a request and reads the answer whole; a status other than 2xx is an error.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, String> {
        let (status, answer) = self.exchange(method, path, body).map_err(|why| why.to_string())?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer)))
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> std::io::Result<(u16, Vec<u8>)> {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let status = read_line(&mut self.stream)?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = read_line(&mut self.stream)?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let mut answer = Vec::new();
        if !chunked {
            answer.resize(length, 0);
            self.stream.read_exact(&mut answer)?;
            return Ok((status, answer));
        }
        loop {
            let size = read_line(&mut self.stream)?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let start = answer.len();
            answer.resize(start + size, 0);
            self.stream.read_exact(&mut answer[start..])?;
            read_line(&mut self.stream)?;
            if size == 0 {
                return Ok((status, answer));
            }
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// Answers requests, one connection at a time, until killed.
pub(crate) fn serve(
    address: &str,
    mut answer: impl FnMut(&str) -> Result<Vec<u8>, String>,
) -> std::io::Result<()> {
    for stream in TcpListener::bind(address)?.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Ok(request) = read_line(&mut stream) {
            while !read_line(&mut stream)?.is_empty() {}
            let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
            let (status, body) = match answer(&path) {
                Ok(body) => ("200 OK", body),
                Err(why) => ("500 Internal Server Error", why.into_bytes()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.get_mut().write_all(head.as_bytes())?;
            stream.get_mut().write_all(&body)?;
        }
    }
    Ok(())
}
