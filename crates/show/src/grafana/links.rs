//! The dashboard of the WAN links of an orchestrator: latency, jitter and loss of those of the chosen edges, up and
//! down. Which edges there are the database knows.

use model::wan::Direction;

use super::Source;
use super::board::{Board, Choice, Figures, Shows, Unit};
use super::name;
use super::query::Query;

/// How queries name the edges that are chosen.
const EDGE: &str = "edge";
/// Orchestrators measure once in five minutes.
const STEP_S: u64 = 300;

/// What is measured of a link: its title, its field in `InfluxDB`, its metric, and what makes the metric's value one
/// of the panel's unit.
const FIGURES: [(&str, &str, &str, &str); 3] = [
    ("Latency", "latency", "netmend_link_latency_seconds", ""),
    ("Jitter", "jitter", "netmend_link_jitter_seconds", ""),
    ("Loss", "loss", "netmend_link_loss_ratio", "100 * "),
];

/// The dashboard of an orchestrator.
pub(super) fn board(source: &Source, orchestrator: &str) -> Board {
    let title = format!("WAN links of {}", name::title(orchestrator));
    let mut board = Board::new(source, "links", orchestrator, title.clone());
    board.choice = Some(choice(source, orchestrator));
    board.heading(title);
    for (title, field, metric, times) in FIGURES {
        let unit = if field == "loss" { Unit::Percent } else { Unit::of_rtt(source) };
        let graph = |way: Direction| {
            let query = match source {
                Source::Influxdb { .. } => influx(orchestrator, field, way),
                Source::Prometheus => prom(orchestrator, metric, times, way),
            };
            let figures = Figures { query, unit, colours: None, step_s: STEP_S };
            (12, format!("{title}, {}", way.as_str()), Shows::Graph(figures))
        };
        board.row(9, Direction::ALL.map(graph));
    }
    board
}

fn choice(source: &Source, orchestrator: &str) -> Choice {
    let query = match source {
        Source::Influxdb { .. } => format!(
            "SHOW TAG VALUES FROM \"wan_link\" WITH KEY = \"edge\" WHERE {}",
            name::influx("orchestrator", &[orchestrator])
        ),
        Source::Prometheus => format!(
            "label_values(netmend_link_latency_seconds{{{}}}, edge)",
            name::prom("orchestrator", &[orchestrator])
        ),
    };
    // An orchestrator may have thousands: at first one is shown.
    Choice { name: EDGE, label: "Edge", query, all: false }
}

fn influx(orchestrator: &str, field: &str, way: Direction) -> Query {
    let orchestrator = name::influx("orchestrator", &[orchestrator]);
    let way = way.as_str();
    let text = format!(
        "SELECT mean(\"{field}\") FROM \"wan_link\" WHERE ({orchestrator} AND \"edge\" =~ /^${EDGE}$/ AND \
         \"direction\" = '{way}') AND $timeFilter GROUP BY time($__interval), \"edge\", \"wan\", \"link\" fill(null)"
    );
    Query { text, legend: "$tag_edge $tag_wan".to_owned(), instant: false }
}

fn prom(orchestrator: &str, metric: &str, times: &str, way: Direction) -> Query {
    let orchestrator = name::prom("orchestrator", &[orchestrator]);
    let way = way.as_str();
    let text = format!(
        "{times}avg by (edge, wan, link) \
         (avg_over_time({metric}{{{orchestrator},edge=~\"${EDGE}\",direction=\"{way}\"}}[$__rate_interval]))"
    );
    Query { text, legend: "{{edge}} {{wan}}".to_owned(), instant: false }
}
