//! The tools that are compared: how each is called, and how its words are read. A tool is never helped
//! and never hindered: each gets the options its manual recommends for the job.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use model::{Clock, SystemClock};
use serde::Deserialize;

use super::bed::{Bed, Cost, MORTAL, pause};

/// What a tool says: RTTs in us by address, in the order of its requests; `None` is no answer.
pub(crate) type Told = HashMap<IpAddr, Vec<Option<f64>>>;

/// A line of `netmend probe --each --output json` about one probe.
#[derive(Deserialize)]
struct Each<'a> {
    address: IpAddr,
    round: u32,
    outcome: &'a str,
    rtt_us: Option<f64>,
}

/// Reads what `netmend probe --each --output json` has said.
pub(crate) fn read_netmend(said: &mut File) -> io::Result<Told> {
    /// A round that never left: it is not on the wire, so it must not be compared.
    const UNSENT: f64 = f64::NEG_INFINITY;
    let mut told = Told::new();
    let mut reader = BufReader::with_capacity(1 << 20, said);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        // The summary of a target has no outcome; its RTTs have another form.
        if !line.starts_with('{') || line.contains("\"outcome\":") {
            let each: Each<'_> = serde_json::from_str(&line)
                .map_err(|error| io::Error::other(format!("{error} in: {}", line.trim_end())))?;
            let (rounds, round) = (told.entry(each.address).or_default(), each.round as usize);
            if rounds.len() <= round {
                rounds.resize(round + 1, None);
            }
            match each.outcome {
                "unsent" => rounds[round] = Some(UNSENT),
                "reply" | "refused" | "late" => rounds[round] = rounds[round].or(each.rtt_us),
                _ => {}
            }
        }
        line.clear();
    }
    for rounds in told.values_mut() {
        rounds.retain(|rtt| *rtt != Some(UNSENT));
    }
    Ok(told)
}

/// Reads what `fping -C` has said on standard error: `10.64.0.1 : 10.2 - 10.3`, in ms.
pub(crate) fn read_fping(said: &mut File) -> io::Result<Told> {
    let mut told = Told::new();
    for line in BufReader::new(said).lines() {
        let line = line?;
        let Some((host, rtts)) = line.split_once(" : ") else { continue };
        let Ok(address) = host.trim().parse() else { continue };
        // "10.64.0.1 : duplicate for [0], ..." is no list of RTTs.
        let rtts = rtts.split_whitespace().map(|word| match word {
            "-" => Some(None),
            number => number.parse().ok().map(|ms: f64| Some(ms * 1e3)),
        });
        if let Some(rtts) = rtts.collect::<Option<Vec<_>>>() {
            told.insert(address, rtts);
        }
    }
    Ok(told)
}

/// Reads the statistics that `nping -c 1` prints for each host.
pub(crate) fn read_nping(said: &mut File) -> io::Result<Told> {
    let mut told = Told::new();
    let mut host = None;
    for line in BufReader::new(said).lines() {
        let line = line?;
        if let Some(name) = line.strip_prefix("Statistics for host ") {
            host = name.trim_end_matches(':').parse::<IpAddr>().ok();
        } else if let Some((_, rest)) = line.split_once("Avg rtt: ")
            && let Some(host) = host
        {
            let ms = rest.trim_end_matches("ms").parse::<f64>().ok();
            told.insert(host, vec![ms.map(|ms| ms * 1e3)]);
        }
    }
    Ok(told)
}

/// `netmend probe` on a list of addresses, with every probe reported.
pub(crate) fn netmend(bed: &Bed, binary: &Path, list: &Path, options: &str) -> Command {
    let mut command = bed.namespace().command(binary);
    command.args(["probe", "--each", "--output", "json", "--targets"]).arg(list);
    command.args(options.split_whitespace());
    command
}

/// The same as a user without any privilege.
pub(crate) fn netmend_unprivileged(
    bed: &Bed,
    binary: &Path,
    list: &Path,
    options: &str,
) -> Command {
    let mut command = bed.namespace().command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
    command.arg("--bounding-set=-all").arg(binary);
    command.args(["probe", "--each", "--output", "json", "--targets"]).arg(list);
    command.args(options.split_whitespace());
    command
}

/// `fping`, quiet but for the RTTs of each host.
pub(crate) fn fping(bed: &Bed, list: &Path, options: &str) -> Command {
    let mut command = bed.namespace().command("fping");
    command.args(["-q", "-r", "0", "-f"]).arg(list).args(options.split_whitespace());
    command
}

/// `nping`, once to each of `count` hosts from the first of the bed.
pub(crate) fn nping(bed: &Bed, count: usize, options: &str) -> Command {
    let mut command = bed.namespace().command("nping");
    command.args(["-c", "1"]).args(options.split_whitespace());
    command.arg(format!("10.64.0-{}.0-249", count.div_ceil(250) - 1));
    command
}

/// One `ping` process for each target, 64 at a time.
pub(crate) fn pings(bed: &Bed, list: &Path) -> Command {
    let mut command = bed.namespace().command("xargs");
    command.args(["-P", "64", "-n", "1", "-a"]).arg(list);
    command.args(["ping", "-n", "-q", "-c", "1", "-W", "1"]);
    command
}

/// A running blackbox exporter.
pub(crate) struct Blackbox {
    child: Child,
}

/// Where it listens, in the bed's namespace.
const BLACKBOX: &str = "127.0.0.1:9115";
/// Requests to it at a time.
const AT_A_TIME: usize = 64;
/// What it must know.
const MODULES: &str =
    "modules: { icmp: { prober: icmp, timeout: 2s, icmp: { preferred_ip_protocol: ip4 } } }\n";

impl Blackbox {
    /// Starts it and waits until it listens.
    pub(crate) fn start(bed: &Bed) -> Result<Self, String> {
        let config = bed.path("blackbox.yml");
        std::fs::write(&config, MODULES).map_err(|error| error.to_string())?;
        let mut command = bed.namespace().command(MORTAL[0]);
        command.args(&MORTAL[1..]).arg("prometheus-blackbox-exporter");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--web.listen-address={BLACKBOX}")).arg("--log.level=error");
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("cannot start blackbox_exporter: {error}"))?;
        let blackbox = Self { child };
        let listens = || bed.namespace().enter(|| TcpStream::connect(BLACKBOX).is_ok());
        for _ in 0..100 {
            if listens().map_err(|error| error.to_string())? {
                return Ok(blackbox);
            }
            pause(Duration::from_millis(50));
        }
        Err("blackbox_exporter does not listen after 5 s".to_owned())
    }

    /// Has it ping each address once a round; what it says, and what it costs without its clients.
    pub(crate) fn ping(
        &self,
        bed: &Bed,
        addresses: &[String],
        rounds: usize,
    ) -> Result<(Told, Cost), String> {
        let told = Mutex::new(Told::new());
        let (start, cpu) = (SystemClock.monotonic(), self.cpu());
        let clients = || {
            let each = addresses.chunks(addresses.len().div_ceil(AT_A_TIME));
            std::thread::scope(|scope| {
                for part in each {
                    scope.spawn(|| Client::ask_all(part, rounds, &told));
                }
            });
        };
        bed.namespace().enter(clients).map_err(|error| error.to_string())?;
        let cost = Cost {
            wall_s: SystemClock.monotonic().saturating_sub(start).as_secs_f64(),
            cpu_s: self.cpu() - cpu,
            ..Cost::default()
        };
        Ok((told.into_inner().map_err(|_| "a client has panicked")?, cost))
    }

    /// CPU seconds it has used, in ticks of 10 ms (`proc_pid_stat(5)`, fields 14 and 15).
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = behind_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        ticks.map(|it| it.unwrap_or(f64::NAN)).sum::<f64>() / 100.0
    }
}

impl Drop for Blackbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Prometheus that scrapes: one connection, one probe at a time.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Asks for all addresses, round by round. What cannot be asked counts as not answered.
    fn ask_all(addresses: &[String], rounds: usize, told: &Mutex<Told>) {
        let Ok(stream) = TcpStream::connect(BLACKBOX) else { return };
        let mut client = Self { stream: BufReader::new(stream) };
        for _ in 0..rounds {
            for address in addresses {
                let rtt = client.ask(address).ok().flatten();
                if let (Ok(address), Ok(mut told)) = (address.parse(), told.lock()) {
                    told.entry(address).or_default().push(rtt);
                }
            }
        }
    }

    /// One probe: its RTT in us if it was answered.
    fn ask(&mut self, address: &str) -> io::Result<Option<f64>> {
        let path = format!("/probe?module=icmp&target={address}");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {BLACKBOX}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body);
        let value = |name: &str| {
            let line = body.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<f64>().ok())
        };
        let answered = value("probe_success ") == Some(1.0);
        Ok(value("probe_icmp_duration_seconds{phase=\"rtt\"} ")
            .filter(|_| answered)
            .map(|seconds| seconds * 1e6))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;

    fn file(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        file
    }

    fn host(told: &Told, address: &str) -> Vec<Option<f64>> {
        told[&address.parse::<IpAddr>().unwrap()].clone()
    }

    #[test]
    fn what_netmend_says_is_read_by_round_and_unsent_probes_are_left_out() {
        let line = |round: u32, outcome: &str, rtt: &str| {
            format!(
                "{{\"target\":\"a\",\"address\":\"10.64.0.1\",\"round\":{round},\"outcome\":\"{outcome}\",\
                 \"reason\":null,\"rtt_us\":{rtt},\"sent_at\":\"x\"}}\n"
            )
        };
        let text = [
            line(1, "lost", "null"),
            line(0, "reply", "10.5"),
            line(0, "duplicate", "11.5"),
            line(2, "unsent", "null"),
            line(1, "late", "2000.0"),
            line(3, "refused", "7.0"),
            "{\"target\":\"a\",\"address\":\"10.64.0.1\",\"sent\":3,\"rtt_us\":{\"min\":1.0}}\n"
                .to_owned(),
        ];
        let told = read_netmend(&mut file(&text.concat())).unwrap();
        assert_eq!(host(&told, "10.64.0.1"), [Some(10.5), Some(2000.0), Some(7.0)]);
        let error = read_netmend(&mut file("nonsense\n")).unwrap_err().to_string();
        assert!(error.contains("nonsense"), "{error}");
    }

    #[test]
    fn what_fping_says_is_read_in_microseconds() {
        let text = "10.69.0.1 : duplicate for [0], 64 bytes, 12.3 ms\n\
                    10.64.0.1 : 10.3 -\n10.69.0.1 : 12.3 10.1\n";
        let told = read_fping(&mut file(text)).unwrap();
        assert_eq!(host(&told, "10.64.0.1"), [Some(10_300.0), None]);
        assert_eq!(host(&told, "10.69.0.1"), [Some(12_300.0), Some(10_100.0)]);
    }

    #[test]
    fn what_nping_says_is_read_by_host() {
        let text = "Statistics for host 10.64.0.0:\n |  Probes Sent: 1 | Rcvd: 1 | Lost: 0  (0.00%)\n \
                    |_ Max rtt: 10.406ms | Min rtt: 10.406ms | Avg rtt: 10.406ms\n\
                    Statistics for host 10.64.0.1:\n |_ Max rtt: N/A | Min rtt: N/A | Avg rtt: N/A\n";
        let told = read_nping(&mut file(text)).unwrap();
        assert_eq!(host(&told, "10.64.0.0"), [Some(10_406.0)]);
        assert_eq!(host(&told, "10.64.0.1"), [None]);
    }
}
