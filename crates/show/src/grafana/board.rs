//! A dashboard whatever the version of Grafana: panels with their places, and an identity that stays. It must
//! not know how any version writes it down.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::Source;
use super::query::Query;

/// Width of Grafana's grid.
pub(super) const GRID: u32 = 24;

/// A dashboard.
#[derive(Clone, Debug)]
pub(super) struct Board {
    /// Its identity in Grafana and its file's name: letters, digits and `-`, at most 40.
    pub(super) uid: String,
    /// Its title, unlike that of any other.
    pub(super) title: String,
    /// What it is about, for the list of dashboards.
    pub(super) tags: Vec<&'static str>,
    /// What can be chosen above the panels.
    pub(super) choice: Option<Choice>,
    /// Its panels, from the top left.
    pub(super) panels: Vec<Panel>,
    /// How far down the next row begins.
    bottom: u32,
}

/// Which of many things of a kind the panels show: those that the database knows, chosen by whoever looks.
/// Queries name it `$` and its name.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// Letters alone.
    pub(super) name: &'static str,
    /// What stands before it.
    pub(super) label: &'static str,
    /// What lists them, in Grafana's words for that database.
    pub(super) query: String,
    /// Whether all are shown until somebody chooses; else the first.
    pub(super) all: bool,
}

/// A panel in its place.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// Number in the dashboard, from 1.
    pub(super) id: u32,
    /// What stands above it.
    pub(super) title: String,
    /// Where it is.
    pub(super) place: Place,
    /// What it shows.
    pub(super) shows: Shows,
    /// Name of the choice each of which has such a panel of its own.
    pub(super) repeat: Option<&'static str>,
}

/// Place on the grid, whose rows are 30 pixels high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) w: u32,
    pub(super) h: u32,
}

/// What a panel shows.
#[derive(Clone, Debug)]
pub(super) enum Shows {
    /// A heading over the panels below it.
    Heading,
    /// Lines over time.
    Graph(Figures),
    /// The latest value, large.
    Stat(Figures),
}

/// Values from a database.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// What is asked.
    pub(super) query: Query,
    /// Of the values.
    pub(super) unit: Unit,
    /// Colours, from the lowest value on; one where no value is better than another.
    pub(super) colours: Option<[Colour; 3]>,
    /// Least step of a graph in seconds: no shorter than probes are apart.
    pub(super) step_s: u64,
}

/// Unit of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Seconds,
    Percent,
    BitsPerSecond,
    PacketsPerSecond,
    None,
}

impl Unit {
    /// The unit of an RTT in this database.
    pub(super) fn of_rtt(source: &Source) -> Self {
        match source {
            Source::Influxdb { .. } => Unit::Milliseconds,
            Source::Prometheus => Unit::Seconds,
        }
    }

    /// Grafana's name for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Percent => "percent",
            Unit::BitsPerSecond => "bps",
            Unit::PacketsPerSecond => "pps",
            Unit::None => "none",
        }
    }
}

/// A colour from a value on. The first has no lower end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour {
    pub(super) name: &'static str,
    pub(super) from: f64,
}

/// Green until `warn`, orange until `bad`, then red.
pub(super) fn rising(warn: f64, bad: f64) -> [Colour; 3] {
    let colours = [("green", 0.0), ("orange", warn), ("red", bad)];
    colours.map(|(name, from)| Colour { name, from })
}

/// Reliability as most people read it: orange below 99 %, red below 95 %.
pub(super) fn reliability() -> [Colour; 3] {
    let colours = [("red", 0.0), ("orange", 95.0), ("green", 99.0)];
    colours.map(|(name, from)| Colour { name, from })
}

impl Board {
    /// An empty dashboard. `what` and `of` make its uid: they must not change as long as it is the same one.
    pub(super) fn new(source: &Source, what: &'static str, of: &str, title: String) -> Self {
        let identity = format!("{what}\n{}\n{of}", source.name());
        // At most 8 + 9 + 16 letters and their dashes.
        let uid = format!("netmend-{what}-{:016x}", xxh3_64(identity.as_bytes()));
        let tags = vec!["netmend", what];
        Self { uid, title, tags, choice: None, panels: Vec::new(), bottom: 0 }
    }

    /// A heading.
    pub(super) fn heading(&mut self, title: String) {
        self.row(1, [(GRID, title, Shows::Heading)]);
    }

    /// Panels beside each other, `h` high, each with its width; what does not fit goes below.
    pub(super) fn row(&mut self, h: u32, panels: impl IntoIterator<Item = (u32, String, Shows)>) {
        let (mut x, mut any) = (0, false);
        for (w, title, shows) in panels {
            if x + w > GRID {
                x = 0;
                self.bottom += h;
            }
            let id = self.panels.len() as u32 + 1;
            let place = Place { x, y: self.bottom, w, h };
            self.panels.push(Panel { id, title, place, shows, repeat: None });
            x += w;
            any = true;
        }
        self.bottom += if any { h } else { 0 };
    }

    /// A graph for each of what is chosen, `w` wide; Grafana puts them beside and below each other. It must be
    /// the last.
    pub(super) fn each(&mut self, h: u32, w: u32, choice: &'static str, figures: Figures) {
        self.row(h, [(w, format!("${choice}"), Shows::Graph(figures))]);
        let panel = self.panels.last_mut().expect("a panel was just put there");
        panel.repeat = Some(choice);
    }
}

/// Gives dashboards whose titles look the same a number: Grafana takes each title once, whatever its case.
pub(super) fn tell_apart(boards: &mut [Board]) {
    let mut seen = HashSet::new();
    for board in boards {
        let plain = board.title.clone();
        let mut number = 2;
        while !seen.insert(board.title.to_lowercase()) {
            board.title = format!("{plain} ({number})");
            number += 1;
        }
    }
}
