//! A headless Chromium, driven by the `DevTools` protocol over a pipe: just enough to load a page, ask it
//! things and take its picture. It must not know any page of netmend.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A browser with one tab; killed when dropped.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
    /// What the pages complained of: exceptions, blocked by policy, failed loads.
    pub(crate) complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

/// Whether tests may go without a browser: never where the machine is set up for them.
pub(crate) fn may_be_missing() -> bool {
    std::env::var_os("CI").is_none_or(|ci| ci != "true")
}

impl Browser {
    /// Starts Chromium; `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_by(Command::new("sh"))
    }

    /// The same by a `shell` that may run elsewhere, for instance in a network namespace.
    pub(crate) fn start_by(mut shell: Command) -> Option<Self> {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
                     --disable-background-networking --disable-component-update --disable-sync \
                     --hide-scrollbars --disable-dev-shm-usage --remote-debugging-pipe";
        // The pipe is on descriptors 3 and 4 of the browser, which are our stdin and stdout here.
        let line =
            format!("exec chromium {flags} --user-data-dir=\"$0\" 3<&0 4>&1 </dev/null >/dev/null");
        let installed = Command::new("sh").args(["-c", "command -v chromium"]).output().ok()?;
        if !installed.status.success() {
            return None;
        }
        let mut child = shell
            .args(["-c", &line])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let to = child.stdin.take().expect("stdin is piped");
        let from = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let complaints = Vec::new();
        let mut browser =
            Self { child, to, from, session: None, calls: 0, complaints, _profile: profile };
        let tab = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": tab["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, &json!({}));
        }
        Some(browser)
    }

    /// Loads a page and waits for its `load` event.
    pub(crate) fn open(&mut self, url: &str) {
        let answer = self.call("Page.navigate", &json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        while self.receive()["method"] != "Page.loadEventFired" {}
    }

    /// Evaluates an expression in the page; a promise is awaited.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &ask);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page, and panics with `what` if it never becomes so.
    pub(crate) fn wait(&mut self, what: &str, expression: &str) {
        let look = format!(
            "new Promise((done) => {{ const end = performance.now() + 30000; const look = () => {{
                if ({expression}) done(true); else if (performance.now() > end) done(false);
                else setTimeout(look, 30); }}; look(); }})"
        );
        let ask = json!({ "expression": look, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.ask("Runtime.evaluate", &ask);
        // A page that is left takes its promise with it; the next page is asked in its place.
        while answer["error"]["message"] == "Inspected target navigated or closed" {
            answer = self.ask("Runtime.evaluate", &ask);
        }
        assert!(
            answer["result"]["result"]["value"] == true,
            "{what}: {expression}; the page says {}",
            self.eval("document.body.innerText.slice(0, 2000)")
        );
    }

    /// Size of the window in CSS pixels, and whether the system prefers dark.
    pub(crate) fn look_like(&mut self, width: u32, height: u32, dark: bool) {
        let mobile = width < 600;
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let value = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// Presses, moves and releases the mouse.
    pub(crate) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let mut mouse = |kind: &str, (x, y): (f64, f64), buttons: u8| {
            let button = if kind == "mouseMoved" && buttons == 0 { "none" } else { "left" };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        };
        mouse("mouseMoved", from, 0);
        mouse("mousePressed", from, 1);
        mouse("mouseMoved", (f64::midpoint(from.0, to.0), from.1), 1);
        mouse("mouseMoved", to, 1);
        mouse("mouseReleased", to, 0);
    }

    /// Writes a picture of the window.
    pub(crate) fn picture(&mut self, path: &Path) {
        let answer = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let data = answer["data"].as_str().expect("a picture");
        std::fs::write(path, base64(data)).expect("the picture is written");
    }

    /// One command of the protocol and its result.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let mut answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// One command of the protocol and its answer, which may be an error.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let answer = self.receive();
            if answer["id"] == self.calls {
                return answer;
            }
        }
    }

    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).expect("the browser answers");
        assert_eq!(bytes.pop(), Some(0), "the browser is gone");
        let message: Value = serde_json::from_slice(&bytes).expect("the browser speaks JSON");
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(message["params"].to_string()),
            Some("Log.entryAdded") if message["params"]["entry"]["level"] == "error" => {
                self.complaints.push(message["params"]["entry"].to_string());
            }
            _ => {}
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The shell was replaced by the browser, so this ends the browser itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Decodes base64 (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.bytes() {
        let Some(value) = DIGITS.iter().position(|known| *known == digit) else { break };
        bits = (bits << 6) | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
