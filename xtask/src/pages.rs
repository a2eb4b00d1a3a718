//! What a daemon that a bench started says of itself on its pages. It measures nothing.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// The answer of `/api/v1/system` of the daemon that listens at `at`.
pub(crate) fn system(at: &str) -> Result<Value, String> {
    let asked = (|| -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(at)?;
        let request =
            format!("GET /api/v1/system HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    })();
    let answer = asked.map_err(|why| format!("the daemon does not answer: {why}"))?;
    let text = String::from_utf8_lossy(&answer);
    let (start, end) = (text.find('{'), text.rfind('}'));
    let body = start.zip(end).and_then(|(start, end)| text.get(start..=end)).unwrap_or_default();
    serde_json::from_str(body).map_err(|why| format!("the daemon's answer is no JSON: {why}"))
}

/// The sum of a counter, whatever its labels, in such an answer.
pub(crate) fn counted(system: &Value, name: &str) -> f64 {
    let counters = system["counters"].as_array().into_iter().flatten();
    let named = counters.filter(|counter| counter["name"] == name);
    named.filter_map(|counter| counter["value"].as_f64()).sum()
}
