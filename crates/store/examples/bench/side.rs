//! The sides of the comparison: how each is started, fed, asked and measured. One enum, one match arm a
//! difference.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::data::{self, END, HOUR, Point, START};
use crate::http::Client;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// This repository's store behind a few lines of HTTP.
    Netmend,
    /// InfluxDB 1.x.
    Influx,
    /// `VictoriaMetrics`, single node.
    Victoria,
}

impl Side {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "netmend" => Self::Netmend,
            "influxdb" => Self::Influx,
            "victoria-metrics" => Self::Victoria,
            _ => return None,
        })
    }

    /// The command that starts it on an address with its data in a folder.
    pub(crate) fn command(self, address: &str, dir: &Path) -> Result<Command, String> {
        let folder = dir.display();
        let mut command = match self {
            Self::Netmend => {
                let own = std::env::current_exe().map_err(|why| why.to_string())?;
                let mut command = Command::new(own);
                command.args(["serve", address]).arg(dir);
                command
            }
            Self::Influx => {
                let config = dir.with_extension("conf");
                std::fs::write(&config, influx_config(address, dir))
                    .map_err(|why| why.to_string())?;
                let mut command = Command::new("influxd");
                command.arg("-config").arg(config);
                command
            }
            Self::Victoria => {
                let mut command = Command::new("victoria-metrics");
                command.args([
                    format!("-storageDataPath={folder}"),
                    format!("-httpListenAddr={address}"),
                    "-retentionPeriod=100y".to_owned(),
                    "-search.disableCache".to_owned(),
                ]);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    /// Makes an empty server ready to be fed.
    pub(crate) fn prepare(self, client: &mut Client) -> Result<(), String> {
        if self == Self::Influx {
            client.call("POST", "/query?q=CREATE%20DATABASE%20nt", b"")?;
        }
        Ok(())
    }

    /// One request's path and body for a batch. Our own side generates and appends by itself.
    pub(crate) fn write(self, batch: &[Point]) -> (&'static str, String) {
        let mut lines = String::new();
        for &(number, at, value) in batch {
            let (measurement, field) =
                if data::is_counter(number) { ("interface", "in") } else { ("ping_rtt", "avg") };
            writeln!(lines, "{measurement},host=h{number},region=aws-london {field}={value} {at}")
                .expect("a string takes everything");
        }
        let path =
            if self == Self::Influx { "/write?db=nt&precision=ms" } else { "/write?precision=ms" };
        (path, lines)
    }

    /// One series over the day in buckets of 5 minutes: smallest, mean and largest value.
    pub(crate) fn day(self) -> String {
        match self {
            Self::Netmend => "/day".to_owned(),
            Self::Influx => influx_day("min(avg),mean(avg),max(avg)"),
            Self::Victoria => victoria_day(VICTORIA_EXTREMES),
        }
    }

    /// The same and the median, which no rollup can tell: it needs the samples.
    pub(crate) fn median(self) -> String {
        match self {
            Self::Netmend => "/median".to_owned(),
            Self::Influx => influx_day("min(avg),mean(avg),max(avg),median(avg)"),
            Self::Victoria => {
                let median = "median_over_time(ping_rtt_avg{host=\"h0\"}[5m])";
                victoria_day(&format!("union({VICTORIA_EXTREMES},{median})"))
            }
        }
    }

    /// All series over the hour in buckets of 1 minute: mean.
    pub(crate) fn hour(self) -> String {
        match self {
            Self::Netmend => "/hour".to_owned(),
            Self::Influx => {
                let span = format!("time>={HOUR}ms AND time<{END}ms GROUP BY time(1m),host");
                influx(&format!(
                    "SELECT mean(avg) FROM ping_rtt WHERE {span};SELECT mean(\"in\") FROM interface WHERE {span}"
                ))
            }
            Self::Victoria => victoria(
                "avg_over_time({__name__=~\"ping_rtt_avg|interface_in\"}[1m])",
                HOUR + 60_000,
                60,
            ),
        }
    }

    /// How many samples one series has over the day, in the answer of [`Side::all_of`].
    pub(crate) fn samples(self, answer: &[u8]) -> Result<Vec<(i64, f64)>, String> {
        let bad = |why: serde_json::Error| why.to_string();
        let pair = |at: &Value, value: &Value| Some((at.as_i64()?, value.as_f64()?));
        let pairs: Option<Vec<_>> = match self {
            Self::Netmend => {
                let answer: Vec<(Value, Value)> = serde_json::from_slice(answer).map_err(bad)?;
                answer.iter().map(|(at, value)| pair(at, value)).collect()
            }
            Self::Influx => {
                let answer: Value = serde_json::from_slice(answer).map_err(bad)?;
                let rows = answer["results"][0]["series"][0]["values"].as_array();
                rows.into_iter().flatten().map(|row| pair(&row[0], &row[1])).collect()
            }
            Self::Victoria => {
                let mut pairs = Some(Vec::new());
                for block in answer.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                    let block: Value = serde_json::from_slice(block).map_err(bad)?;
                    let column = |name: &str| block[name].as_array().cloned().unwrap_or_default();
                    for (at, value) in column("timestamps").iter().zip(&column("values")) {
                        pairs = pairs.zip(pair(at, value)).map(|(mut pairs, one)| {
                            pairs.push(one);
                            pairs
                        });
                    }
                }
                pairs
            }
        };
        let mut pairs = pairs.ok_or("a sample is not a pair of numbers")?;
        pairs.sort_by_key(|&(at, _)| at);
        Ok(pairs)
    }

    /// Asks for all samples of a series.
    pub(crate) fn all_of(self, number: usize) -> String {
        let counter = data::is_counter(number);
        match self {
            Self::Netmend => format!("/all/{number}"),
            Self::Influx if counter => {
                influx(&format!("SELECT \"in\" FROM interface WHERE host='h{number}'"))
            }
            Self::Influx => influx(&format!("SELECT avg FROM ping_rtt WHERE host='h{number}'")),
            Self::Victoria => {
                let name = if counter { "interface_in" } else { "ping_rtt_avg" };
                format!(
                    "/api/v1/export?match[]={}",
                    escape(&format!("{name}{{host=\"h{number}\"}}"))
                )
            }
        }
    }

    /// Requests after which everything is in its final form on disk.
    pub(crate) fn settle(self) -> &'static [&'static str] {
        match self {
            Self::Netmend => &["/seal"],
            Self::Influx => &[],
            Self::Victoria => &["/internal/force_flush", "/internal/force_merge"],
        }
    }

    /// Requests after which everything that was written can be asked for.
    pub(crate) fn publish(self) -> &'static [&'static str] {
        if self == Self::Victoria { &["/internal/force_flush"] } else { &[] }
    }
}

fn influx(query: &str) -> String {
    format!("/query?db=nt&epoch=ms&q={}", escape(query))
}

fn influx_day(statistics: &str) -> String {
    influx(&format!(
        "SELECT {statistics} FROM ping_rtt WHERE host='h0' AND \
         time>={START}ms AND time<{END}ms GROUP BY time(5m)"
    ))
}

/// Smallest, mean and largest value of one series in buckets of 5 minutes.
const VICTORIA_EXTREMES: &str = "aggr_over_time((\"min_over_time\",\"avg_over_time\",\
                                 \"max_over_time\"),ping_rtt_avg{host=\"h0\"}[5m])";

fn victoria_day(query: &str) -> String {
    victoria(query, START + 300_000, 300)
}

fn victoria(query: &str, first: i64, step: u32) -> String {
    let (start, end) = (first / 1000, END / 1000);
    format!(
        "/api/v1/query_range?query={}&start={start}&end={end}&step={step}s&nocache=1",
        escape(query)
    )
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
    out
}

/// InfluxDB's defaults, but compacted in seconds instead of hours, so that its size on disk is its best.
fn influx_config(address: &str, dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n\
         [meta]\ndir = \"{dir}/meta\"\n\
         [data]\ndir = \"{dir}/data\"\nwal-dir = \"{dir}/wal\"\nquery-log-enabled = false\n\
         cache-snapshot-write-cold-duration = \"1s\"\ncompact-full-write-cold-duration = \"3s\"\n\
         [http]\nbind-address = \"{address}\"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n"
    )
}
