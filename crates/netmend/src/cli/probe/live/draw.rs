//! Draws the live table: a title, the rows that fit, keys and the latest note. Columns leave one by one as
//! the terminal gets narrower; name, state and loss stay. Pure but for the frame it draws on.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::Screen;
use super::history::{History, Mark, ROUNDS, State};
use crate::cli::probe::board::{Board, Verdict};
use crate::cli::probe::cells::{self, Scale};
use crate::cli::probe::text;

const KEYS: &str =
    "q quit  w worst  m median  j jitter  n name  l listed  r reverse  ↑↓ scroll  space hold";

/// Columns beside the name, in the order they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Sent,
    Loss,
    Last,
    Median,
    P90,
    Max,
    Jitter,
    Distribution,
    Recent,
}

/// Which columns stay longest when room is short, and their least width.
const IMPORTANCE: [(Column, u16); 9] = [
    (Column::Loss, 6),
    (Column::Last, 7),
    (Column::Median, 7),
    (Column::Recent, 13),
    (Column::Jitter, 7),
    (Column::Distribution, 16),
    (Column::P90, 7),
    (Column::Sent, 6),
    (Column::Max, 7),
];
const SHOWN: [Column; 9] = [
    Column::Sent,
    Column::Loss,
    Column::Last,
    Column::Median,
    Column::P90,
    Column::Max,
    Column::Jitter,
    Column::Distribution,
    Column::Recent,
];

/// Draws one picture.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    screen: &mut Screen,
    board: &Board,
    took: Duration,
    note: Option<&str>,
) {
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(u16::from(note.is_some())),
        Constraint::Length(1),
    ])
    .split(frame.area());
    frame.render_widget(title(screen, board, took), areas[0]);
    table(frame, screen, board, areas[1]);
    if let Some(note) = note {
        frame.render_widget(Line::styled(note.to_owned(), style(Color::Yellow)), areas[2]);
    }
    frame.render_widget(Line::styled(KEYS, dim()), areas[3]);
}

/// `3 targets  2 up  1 down   round 12/60   00:12   loss 3.2%   worst first`
fn title(screen: &Screen, board: &Board, took: Duration) -> Paragraph<'static> {
    let totals = board.totals();
    let plural = if board.len() == 1 { "" } else { "s" };
    let mut spans = vec![
        Span::styled(format!("{} target{plural}", board.len()), bold()),
        Span::styled(format!("  {} up", totals.up), style(Color::Green)),
    ];
    let rest = [
        (totals.down, "down", Color::Red),
        (totals.not_found, "not found", Color::Red),
        (totals.unknown, "unknown", Color::Yellow),
    ];
    for (count, what, colour) in rest {
        if count > 0 {
            spans.push(Span::styled(format!("  {count} {what}"), style(colour)));
        }
    }
    let seconds = took.as_secs();
    let clock = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let asked = board.len().saturating_sub(totals.not_found).max(1);
    let done = board.settled / asked as u64;
    let round = match screen.rounds {
        Some(rounds) => format!("round {done}/{rounds}"),
        None => format!("round {done}"),
    };
    let loss = cells::percent(totals.counts.loss_pct());
    let held = if screen.paused { "  held" } else { "" };
    let sorting = screen.order.sorting().as_str();
    spans.push(Span::raw(format!("   {round}   {clock}   loss {loss}   {sorting}{held}")));
    Paragraph::new(Line::from(spans))
}

fn table(frame: &mut Frame<'_>, screen: &mut Screen, board: &Board, area: Rect) {
    let height = usize::from(area.height.saturating_sub(1));
    screen.page = height;
    screen.top = screen.top.min(board.len().saturating_sub(height));
    let rows = screen.order.rows().iter().skip(screen.top).take(height);
    let names = rows.clone().map(|&row| board.list.name(row as usize).chars().count());
    let name = names.max().unwrap_or(0).clamp(8, 40) as u16 + 2;
    let columns = columns(area.width, name);
    let scale = board.rtt_range().map(|range| {
        let width = columns.iter().find(|(column, _)| *column == Column::Distribution);
        Scale::new(range, usize::from(width.map_or(16, |(_, width)| *width)))
    });
    let lines = rows.map(|&row| line(screen, board, row as usize, name, &columns, scale.as_ref()));
    let widths = std::iter::once(name).chain(columns.iter().map(|(_, width)| *width));
    let header = std::iter::once(Cell::from("  host"))
        .chain(columns.iter().map(|(column, width)| heading(*column, *width, scale.as_ref())));
    let widget = Table::new(lines.collect::<Vec<_>>(), widths.map(Constraint::Length))
        .header(Row::new(header).style(dim()))
        .column_spacing(1);
    frame.render_widget(widget, area);
}

/// The columns that fit beside a name of this width; what is left over widens the pictures.
fn columns(width: u16, name: u16) -> Vec<(Column, u16)> {
    let mut left = width.saturating_sub(name);
    let mut fitting = Vec::new();
    for (column, least) in IMPORTANCE {
        if left < least + 1 {
            break;
        }
        left -= least + 1;
        fitting.push((column, least));
    }
    for (column, most) in [(Column::Recent, ROUNDS as u16 + 1), (Column::Distribution, 32)] {
        if let Some((_, width)) = fitting.iter_mut().find(|(fits, _)| *fits == column) {
            let more = left.min(most - *width);
            (*width, left) = (*width + more, left - more);
        }
    }
    fitting.sort_by_key(|(column, _)| SHOWN.iter().position(|shown| shown == column));
    fitting
}

fn heading(column: Column, width: u16, scale: Option<&Scale>) -> Cell<'static> {
    let right = |text: &str| Cell::from(format!("{text:>width$}", width = usize::from(width)));
    match column {
        Column::Sent => right("sent"),
        Column::Loss => right("loss"),
        Column::Last => right("last"),
        Column::Median => right("median"),
        Column::P90 => right("p90"),
        Column::Max => right("max"),
        Column::Jitter => right("jitter"),
        Column::Distribution => {
            Cell::from(scale.map_or_else(|| "distribution".to_owned(), Scale::legend))
        }
        Column::Recent => Cell::from(" latest"),
    }
}

fn line(
    screen: &Screen,
    board: &Board,
    row: usize,
    name: u16,
    columns: &[(Column, u16)],
    scale: Option<&Scale>,
) -> Row<'static> {
    let history = screen.histories.get(row);
    let verdict = board.verdict(row);
    let (glyph, colour) = match (verdict, history.state()) {
        (Verdict::NotFound, _) => ('?', Color::Red),
        (_, State::Down) => ('✖', Color::Red),
        (_, State::Lossy) => ('◐', Color::Yellow),
        (_, State::Up) => ('●', Color::Green),
        (_, State::Unknown) => ('○', Color::DarkGray),
    };
    let host = cells::fit(board.list.name(row), usize::from(name.saturating_sub(2)));
    let mut cells = vec![Cell::from(Line::from(vec![
        Span::styled(format!("{glyph} "), style(colour)),
        Span::raw(host),
    ]))];
    let remark = match verdict {
        Verdict::NotFound | Verdict::Unknown | Verdict::Down => text::remarks(board, row, verdict),
        Verdict::Up => String::new(),
    };
    for (column, width) in columns {
        let width = usize::from(*width);
        cells.push(match column {
            // A space apart from the distribution, which may be full to its edge.
            Column::Recent if !remark.is_empty() => {
                Cell::from(format!(" {}", cells::fit(&remark, width - 1))).style(style(Color::Red))
            }
            Column::Recent => Cell::from(recent(history, width - 1)),
            Column::Distribution => Cell::from(
                scale.map_or_else(String::new, |scale| scale.bars(&board.row(row).tally)),
            )
            .style(style(Color::Cyan)),
            column => number(board, history, row, *column, width),
        });
    }
    Row::new(cells)
}

/// One right-aligned figure.
fn number(
    board: &Board,
    history: &History,
    row: usize,
    column: Column,
    width: usize,
) -> Cell<'static> {
    let tally = &board.row(row).tally;
    let counts = tally.counts();
    let (text, look) = match column {
        Column::Sent => (counts.sent.to_string(), Style::new()),
        Column::Loss => {
            let loss_pct = counts.loss_pct();
            let look = match loss_pct {
                Some(loss) if loss >= 100.0 => style(Color::Red),
                Some(loss) if loss > 0.0 => style(Color::Yellow),
                _ => Style::new(),
            };
            (cells::percent(loss_pct), look)
        }
        Column::Last => (cells::rtt(history.last_ns()), Style::new()),
        Column::Median => (cells::rtt(tally.median_ns()), bold()),
        Column::P90 => (cells::rtt(tally.rtt().map(|rtt| rtt.p90)), Style::new()),
        Column::Max => (cells::rtt(tally.rtt_range().map(|(_, max)| max as f64)), Style::new()),
        _ => (cells::rtt(tally.jitter_ns()), Style::new()),
    };
    Cell::from(format!("{text:>width$}")).style(look)
}

/// The latest rounds: answers as blocks between the row's own fastest and slowest, losses as crosses.
fn recent(history: &History, width: usize) -> Line<'static> {
    let steps = history.latest(width).filter_map(|mark| match mark {
        Mark::Answered(step) => step,
        _ => None,
    });
    // At least one octave, so that noise looks flat.
    let (low, high) = steps.fold((u8::MAX, 0), |(low, high), step| (low.min(step), high.max(step)));
    let (low, high) = (f64::from(low), f64::from(high.max(low.saturating_add(5))));
    let spans = history.latest(width).map(|mark| match mark {
        Mark::Nothing => Span::raw(" "),
        Mark::Lost => Span::styled("×", style(Color::Red)),
        Mark::Unreachable => Span::styled("!", style(Color::Red)),
        Mark::Unknown => Span::styled("?", style(Color::Yellow)),
        Mark::Answered(None) => Span::styled("·", style(Color::Green)),
        Mark::Answered(Some(step)) => {
            let block = cells::level(f64::from(step), low, high);
            Span::styled(block.to_string(), style(Color::Green))
        }
    });
    std::iter::once(Span::raw(" ")).chain(spans).collect()
}

/// Colours mean nothing that shape and text do not say: under `NO_COLOR` crossterm leaves them out.
fn style(colour: Color) -> Style {
    Style::new().fg(colour)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}
