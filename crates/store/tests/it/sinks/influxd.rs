//! A real server of others for a test: started on a free port, killed when dropped.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running server.
pub(crate) struct Real {
    child: Child,
    /// Its address.
    pub(crate) url: String,
}

impl Real {
    /// `influxd` 1 with its data in `dir`, on `port`.
    pub(crate) fn influxd(dir: &Path, port: u16, auth: bool) -> Self {
        let mut command = Command::new("influxd");
        command.arg("-config").arg(Self::config(dir, dir, port, auth));
        Self::start(command, port, "Listening on HTTP")
    }

    /// The same with its data on a disk of so many MB: the folder `small` in `dir`, as it alone sees it.
    pub(crate) fn influxd_on_a_small_disk(dir: &Path, port: u16, mb: u32) -> Self {
        let small = dir.join("small");
        std::fs::create_dir(&small).unwrap();
        let mount = "mount -t tmpfs -o size=$1m tmpfs \"$2\" && exec influxd -config \"$3\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", mount, "sh", &mb.to_string()]);
        command.arg(&small).arg(Self::config(dir, &small, port, false));
        Self::start(command, port, "Listening on HTTP")
    }

    /// A path as the server sees it, in the folders that it alone has mounted.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.child.id().to_string()).join("root").join(path)
    }

    /// Writes the configuration of an `influxd` into `dir`; its data are to be in `data`.
    fn config(dir: &Path, data: &Path, port: u16, auth: bool) -> PathBuf {
        let config = dir.join("influxd.conf");
        let folder = data.display();
        let rpc = free_port();
        let text = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n\
             [meta]\ndir = \"{folder}/meta\"\n\
             [data]\ndir = \"{folder}/data\"\nwal-dir = \"{folder}/wal\"\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n\
             auth-enabled = {auth}\n\
             [monitor]\nstore-enabled = false\n[subscriber]\nenabled = false\n"
        );
        std::fs::write(&config, text).unwrap();
        config
    }

    /// `prometheus` with its data in `dir`, taking remote write, and scraping what `jobs` say.
    pub(crate) fn prometheus(dir: &Path, jobs: &str) -> Self {
        Self::prometheus_of(dir, &format!("scrape_configs: [{jobs}]\n"))
    }

    /// The same with this configuration, which is written to `dir`.
    pub(crate) fn prometheus_of(dir: &Path, text: &str) -> Self {
        let port = free_port();
        let config = dir.join("prometheus.yml");
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("prometheus");
        command.args([
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", dir.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ]);
        Self::start(command, port, "ready to receive web requests")
    }

    /// Starts a server and reads its log until it says that it is ready.
    fn start(mut command: Command, port: u16, ready: &str) -> Self {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let name = command.get_program().display().to_string();
        let mut child = child.unwrap_or_else(|why| {
            panic!("{name} (a Debian package that `cargo xtask test` installs): {why}")
        });
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        loop {
            let start = seen.len();
            assert!(log.read_line(&mut seen).unwrap() > 0, "{name} ended:\n{seen}");
            if seen[start..].contains(ready) {
                break;
            }
        }
        // Nobody may wait for us to read the rest.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }

    /// Kills it as a power failure would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks; the answer is JSON.
    pub(crate) async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let answer = client().get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{path}: {why}: {answer}"))
    }

    /// Gives an `influxd` an order, with this name and password if it wants them.
    pub(crate) async fn order(&self, statement: &str, login: Option<(&str, &str)>) {
        let mut url = reqwest::Url::parse(&format!("{}/query", self.url)).unwrap();
        url.query_pairs_mut().append_pair("q", statement);
        let mut request = client().post(url);
        if let Some((name, password)) = login {
            request = request.basic_auth(name, Some(password));
        }
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert!(!answer.contains("error"), "{statement}: {answer}");
    }

    /// Series of an `influxd`, each as its tags, columns and rows, in one text.
    pub(crate) async fn select(&self, statement: &str) -> Vec<String> {
        let query = [("db", "nt"), ("epoch", "ms"), ("q", statement)];
        let answer = self.ask("/query", &query).await;
        let empty = Vec::new();
        let all = answer["results"][0]["series"].as_array().unwrap_or(&empty);
        assert!(answer["results"][0]["error"].is_null(), "{statement}: {answer}");
        all.iter().map(shown).collect()
    }
}

/// A series as text: its tags, then a row a line with the columns that have a value.
fn shown(series: &Value) -> String {
    let mut text = String::new();
    if !series["tags"].is_null() {
        writeln!(text, "{}", series["tags"]).unwrap();
    }
    let columns: Vec<_> = series["columns"].as_array().unwrap().iter().collect();
    for row in series["values"].as_array().unwrap() {
        let cells = columns.iter().zip(row.as_array().unwrap());
        let cells = cells.filter(|(_, cell)| !cell.is_null());
        let cells = cells.map(|(column, cell)| format!("{}={cell}", column.as_str().unwrap()));
        writeln!(text, "{}", cells.collect::<Vec<_>>().join(" ")).unwrap();
    }
    text
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client for what a test asks by itself.
pub(crate) fn client() -> reqwest::Client {
    // Whoever was first to install one wins; ours is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
