//! What a panel asks, in the language of the database: RTT and reliability of some hosts of a region, or of
//! whole regions. It must not know what panels look like.

use super::Source;
use super::name;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Mean RTT.
    Rtt,
    /// Share of the probes that were answered, in percent.
    Reliability,
}

/// How hosts are asked: each has its own measurement in `InfluxDB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// ICMP echo.
    Ping,
    /// TCP, any port.
    Tcp,
}

impl Way {
    /// All.
    pub(super) const ALL: [Way; 2] = [Way::Ping, Way::Tcp];

    /// What panels call it, as those of network-telemetry do.
    pub(super) fn title(self) -> &'static str {
        match self {
            Way::Ping => "PING",
            Way::Tcp => "TCP",
        }
    }

    /// Measurement in `InfluxDB`, and its fields: RTT in milliseconds, probes answered, probes sent.
    fn influx(self) -> [&'static str; 4] {
        match self {
            Way::Ping => ["ping_rtt", "avg", "received", "transmitted"],
            Way::Tcp => ["tcp_rtt", "avg_rtt", "packet_received", "packet_sent"],
        }
    }

    /// The matcher of the label `protocol`.
    fn prom(self) -> &'static str {
        match self {
            Way::Ping => "protocol=\"icmp\"",
            Way::Tcp => "protocol=~\"tcp:.*\"",
        }
    }
}

/// About whom.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whom<'a> {
    /// One target.
    Target(Asked<'a>),
    /// Some hosts of a region, a line each.
    Hosts {
        /// The region.
        region: &'a str,
        /// The hosts.
        hosts: &'a [&'a str],
        /// Whether one of them needs more than its name.
        split: Split,
    },
    /// Regions, a line each.
    Regions(&'a [&'a str]),
}

/// A target as databases know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// Its region.
    pub(super) region: &'a str,
    /// Its host.
    pub(super) host: &'a str,
    /// TCP port.
    pub(super) port: Option<u16>,
    /// `4` or `6`.
    pub(super) family: &'a str,
    /// What else shares its host and region.
    pub(super) split: Split,
}

/// What tells targets of one host, region and way apart, if there are several. Only then `InfluxDB` gets the
/// tag: docs/influxdb.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    /// The tag `port`.
    pub(super) port: bool,
    /// The tag `family`.
    pub(super) family: bool,
}

impl Split {
    /// What either needs.
    pub(super) fn or(self, other: Self) -> Self {
        Self { port: self.port || other.port, family: self.family || other.family }
    }
}

/// Over which time a value is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// One value for each step of the graph.
    Steps,
    /// One for all that the dashboard shows.
    Whole,
}

/// A query, ready for a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// In the database's language, with Grafana's variables.
    pub(super) text: String,
    /// What lines are called, in Grafana's words for that database.
    pub(super) legend: String,
    /// Whether it is asked for one moment.
    pub(super) instant: bool,
}

/// The query for a figure.
pub(super) fn query(
    source: &Source,
    figure: Figure,
    way: Way,
    whom: Whom<'_>,
    span: Span,
) -> Query {
    match source {
        Source::Influxdb { .. } => influx(figure, way, whom, span),
        Source::Prometheus => prom(figure, way, whom, span),
    }
}

fn influx(figure: Figure, way: Way, whom: Whom<'_>, span: Span) -> Query {
    let [measurement, rtt, received, sent] = way.influx();
    let value = match figure {
        Figure::Rtt => format!("mean(\"{rtt}\")"),
        Figure::Reliability => format!("100 * sum(\"{received}\") / sum(\"{sent}\")"),
    };
    let mut condition = Vec::new();
    let (mut by, mut legend) = (vec!["host"], "$tag_host".to_owned());
    match whom {
        Whom::Target(Asked { region, host, port, family, split }) => {
            condition.push(name::influx("region", &[region]));
            condition.push(name::influx("host", &[host]));
            let port =
                port.filter(|_| split.port).map(|port| name::influx("port", &[&port.to_string()]));
            condition.extend(port);
            condition.extend(split.family.then(|| name::influx("family", &[family])));
        }
        Whom::Hosts { region, hosts, split } => {
            condition.push(name::influx("region", &[region]));
            condition.push(name::influx("host", hosts));
            for (wanted, tag, shown) in
                [(split.port, "port", " $tag_port"), (split.family, "family", " IPv$tag_family")]
            {
                by.extend(wanted.then_some(tag));
                legend.push_str(if wanted { shown } else { "" });
            }
        }
        Whom::Regions(regions) => {
            condition.push(name::influx("region", regions));
            (by, legend) = (vec!["region"], "$tag_region".to_owned());
        }
    }
    let (condition, by) = (condition.join(" AND "), by.join("\", \""));
    let step = if span == Span::Steps { "time($__interval), " } else { "" };
    // Steps without a probe are no gap; steps whose probes were all lost are one of the RTT.
    let fill = match (span, figure) {
        (Span::Whole, _) => "",
        (Span::Steps, Figure::Rtt) => " fill(null)",
        (Span::Steps, Figure::Reliability) => " fill(none)",
    };
    let text = format!(
        "SELECT {value} FROM \"{measurement}\" WHERE ({condition}) AND $timeFilter \
         GROUP BY {step}\"{by}\"{fill}"
    );
    Query { text, legend, instant: false }
}

fn prom(figure: Figure, way: Way, whom: Whom<'_>, span: Span) -> Query {
    let (selector, by, legend) = match whom {
        Whom::Target(Asked { region, host, port, family, .. }) => {
            let (region, host) = (name::prom("region", &[region]), name::prom("host", &[host]));
            let protocol = port
                .map_or_else(|| way.prom().to_owned(), |port| format!("protocol=\"tcp:{port}\""));
            let selector = format!("{region},{host},{protocol},family=\"{family}\"");
            (selector, "host, protocol, family", "{{host}}".to_owned())
        }
        Whom::Hosts { region, hosts, split } => {
            let (region, hosts) = (name::prom("region", &[region]), name::prom("host", hosts));
            let protocol = if way == Way::Tcp { " {{protocol}}" } else { "" };
            let family = if split.family { " IPv{{family}}" } else { "" };
            let legend = format!("{{{{host}}}}{protocol}{family}");
            (format!("{region},{hosts},{}", way.prom()), "host, protocol, family", legend)
        }
        Whom::Regions(regions) => {
            let regions = name::prom("region", regions);
            (format!("{regions},{}", way.prom()), "region", "{{region}}".to_owned())
        }
    };
    let window = match span {
        Span::Steps => "$__rate_interval",
        Span::Whole => "$__range",
    };
    let text = match figure {
        Figure::Rtt => format!(
            "avg by ({by}) (avg_over_time(netmend_target_rtt_seconds{{{selector}}}[{window}]))"
        ),
        Figure::Reliability => {
            let count = |what: &str| {
                format!(
                    "sum by ({by}) (increase(netmend_target_probes_{what}_total{{{selector}}}[{window}]))"
                )
            };
            // Where only samples are written remotely, there are no counters.
            let written = format!(
                "100 * (1 - avg by ({by}) (avg_over_time(netmend_target_loss_ratio{{{selector}}}[{window}])))"
            );
            let [received, sent, unknown] = ["received", "sent", "unknown"].map(count);
            format!("100 * {received} / ({sent} - {unknown}) or {written}")
        }
    };
    Query { text, legend, instant: span == Span::Whole }
}
