//! The dashboard of all regions: how reliable each is and how fast, by ping and by TCP.

use super::board::{Board, Figures, Shows, Unit, reliability};
use super::query::{Figure, Span, Way, Whom, query};
use super::region::{Region, step_s};
use super::{Source, name};

/// So many regions share a graph.
const REGIONS_OF_A_GRAPH: usize = 20;

/// The dashboard of all regions.
pub(super) fn board(source: &Source, regions: &[Region<'_>]) -> Board {
    let mut board = Board::new(source, "overview", "", "netmend".to_owned());
    for way in Way::ALL {
        let asked: Vec<&Region<'_>> =
            regions.iter().filter(|region| region.asked(way).next().is_some()).collect();
        if asked.is_empty() {
            continue;
        }
        board.heading(way.title().to_owned());
        let stats = asked.iter().map(|region| {
            let whom = Whom::Regions(std::slice::from_ref(&region.name));
            let query = query(source, Figure::Reliability, way, whom, Span::Whole);
            let figures =
                Figures { query, unit: Unit::Percent, colours: Some(reliability()), step_s: 1 };
            (4, format!("{} %", name::title(region.name)), Shows::Stat(figures))
        });
        board.row(3, stats);
        for regions in asked.chunks(REGIONS_OF_A_GRAPH) {
            let step_s = regions.iter().flat_map(|region| region.asked(way)).map(step_s);
            let step_s = step_s.max().unwrap_or(1);
            let names: Vec<&str> = regions.iter().map(|region| region.name).collect();
            let graph = |figure, unit| {
                let query = query(source, figure, way, Whom::Regions(&names), Span::Steps);
                let colours = (figure == Figure::Reliability).then(reliability);
                Shows::Graph(Figures { query, unit, colours, step_s })
            };
            let rtt = graph(Figure::Rtt, Unit::of_rtt(source));
            let reliability = graph(Figure::Reliability, Unit::Percent);
            board.row(
                9,
                [
                    (12, format!("{} RTT by region", way.title()), rtt),
                    (12, format!("{} reliability by region", way.title()), reliability),
                ],
            );
        }
    }
    board
}
