//! The live table: follows the probing on a terminal until the rounds are done or somebody quits. Keys and
//! the loop are here, what each target did last in `history`, what is drawn in `draw`.

use std::io;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::board::Board;
use super::session::{Session, Step};

mod draw;
mod history;
mod order;

use history::Histories;
use order::{Order, Sorting};

/// Time between two pictures. Slower than the eye asks for, faster than a person waits.
const FRAME: Duration = Duration::from_millis(125);
/// Sorting more targets than this is done once a second only.
const MANY: usize = 2_000;
/// Addresses and methods are asked for this often, in pictures.
const REFRESH: u64 = 8;

/// What a person looks at.
#[derive(Debug)]
struct Screen {
    histories: Histories,
    order: Order,
    /// First row shown.
    top: usize,
    /// Rows that fitted into the last picture.
    page: usize,
    paused: bool,
    rounds: Option<u32>,
}

/// Shows the table until the end; the terminal is given back whatever happens.
pub(super) fn follow(session: &mut Session, rounds: Option<u32>) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let watched = watch(session, &mut terminal, rounds);
    let restored = ratatui::try_restore();
    watched.and(restored)
}

fn watch(
    session: &mut Session,
    terminal: &mut ratatui::DefaultTerminal,
    rounds: Option<u32>,
) -> io::Result<()> {
    let mut screen = Screen::new(session.board.len(), rounds);
    let mut next = Duration::ZERO;
    for picture in 0u64.. {
        if picture.is_multiple_of(REFRESH) {
            session.refresh_if_changed();
        }
        if !screen.paused {
            screen.order.sort(&session.board, &screen.histories, picture);
            let (took, latest) = (session.took(), session.notes.latest());
            terminal.draw(|frame| draw::draw(frame, &mut screen, &session.board, took, latest))?;
        }
        next = next.max(session.took()) + FRAME;
        while let Some(left) = next.checked_sub(session.took()).filter(|left| !left.is_zero()) {
            let histories = &mut screen.histories;
            let step = session.step(left, |_, result| {
                histories.add(result);
                Ok(())
            })?;
            if step == Step::Ends {
                return Ok(());
            }
        }
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key)
                    if key.kind != KeyEventKind::Release
                        && screen.press(key, &session.board) == Wish::Quit =>
                {
                    return Ok(());
                }
                Event::Resize(..) => terminal.autoresize()?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// What a key asks for beyond the screen itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Go,
    Quit,
}

impl Screen {
    fn new(targets: usize, rounds: Option<u32>) -> Self {
        let (histories, order) = (Histories::new(targets), Order::new(targets));
        Self { histories, order, top: 0, page: 0, paused: false, rounds }
    }

    fn press(&mut self, key: KeyEvent, board: &Board) -> Wish {
        let page = self.page.max(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Wish::Quit;
            }
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Char('w') => self.sort_by(Sorting::Worst),
            KeyCode::Char('m') => self.sort_by(Sorting::Median),
            KeyCode::Char('j') => self.sort_by(Sorting::Jitter),
            KeyCode::Char('n') => self.sort_by(Sorting::Name),
            KeyCode::Char('l') => self.sort_by(Sorting::Listed),
            KeyCode::Char('r') => self.order.reverse(),
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Up | KeyCode::Char('k') => self.top = self.top.saturating_sub(1),
            KeyCode::Down => self.top += 1,
            KeyCode::PageUp => self.top = self.top.saturating_sub(page),
            KeyCode::PageDown => self.top += page,
            KeyCode::Home | KeyCode::Char('g') => self.top = 0,
            KeyCode::End | KeyCode::Char('G') => self.top = usize::MAX,
            _ => {}
        }
        self.top = self.top.min(board.len().saturating_sub(page));
        Wish::Go
    }

    fn sort_by(&mut self, sorting: Sorting) {
        self.order.set(sorting);
        self.top = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::{board, result};
    use super::*;
    use model::Outcome;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    /// What a terminal of this size shows of these reports.
    fn shown(
        width: u16,
        height: u16,
        words: &[&str],
        reports: &[(u32, u32, Outcome, u64)],
    ) -> String {
        let board = board(words, reports);
        let mut screen = Screen::new(board.len(), Some(10));
        for report in reports {
            screen.histories.add(&result(*report));
        }
        screen.order.sort(&board, &screen.histories, 0);
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        let took = Duration::from_secs(61);
        terminal
            .draw(|frame| draw::draw(frame, &mut screen, &board, took, Some("a note")))
            .expect("a picture");
        terminal
            .backend()
            .to_string()
            .lines()
            .map(|line| line.trim_matches('"').trim_end().to_owned() + "\n")
            .collect()
    }

    const REPORTS: [(u32, u32, Outcome, u64); 7] = [
        (0, 0, Outcome::Reply, 1_000),
        (0, 1, Outcome::Reply, 2_000),
        (0, 2, Outcome::Reply, 4_000),
        (1, 0, Outcome::Lost, 0),
        (1, 1, Outcome::Lost, 0),
        (1, 2, Outcome::Lost, 0),
        (2, 0, Outcome::Unsent, 0),
    ];
    const WORDS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

    #[test]
    fn a_wide_terminal_shows_everything() {
        let text = shown(120, 8, &WORDS, &REPORTS);
        assert!(text.contains("3 targets"), "{text}");
        assert!(text.contains("● 10.0.0.1"), "{text}");
        assert!(text.contains("2.00ms"), "{text}");
        assert!(text.contains("✖ 10.0.0.2"), "{text}");
        assert!(text.contains("▁▅█"), "{text}");
        assert!(text.contains("a note"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_keeps_name_state_and_loss() {
        let text = shown(30, 6, &WORDS, &REPORTS);
        assert!(text.contains("✖ 10.0.0.2"), "{text}");
        assert!(text.contains("100%"), "{text}");
        for (width, height) in [(1, 1), (5, 2), (10, 3), (300, 100)] {
            shown(width, height, &WORDS, &REPORTS);
        }
    }

    #[test]
    fn worst_first_puts_the_dead_on_top_and_r_turns_it_round() {
        let board = board(&WORDS, &REPORTS);
        let mut screen = Screen::new(3, None);
        for report in REPORTS {
            screen.histories.add(&result(report));
        }
        assert_eq!(screen.press(KeyCode::Char('w').into(), &board), Wish::Go);
        screen.order.sort(&board, &screen.histories, 0);
        assert_eq!(screen.order.rows()[0], 1);
        screen.press(KeyCode::Char('r').into(), &board);
        screen.order.sort(&board, &screen.histories, 0);
        assert_eq!(screen.order.rows()[2], 1);
    }

    #[test]
    fn scrolling_stops_at_both_ends() {
        let board = board(&WORDS, &[]);
        let mut screen = Screen::new(3, None);
        screen.page = 2;
        screen.press(KeyCode::Up.into(), &board);
        assert_eq!(screen.top, 0);
        screen.press(KeyCode::End.into(), &board);
        assert_eq!(screen.top, 1);
        screen.press(KeyCode::PageDown.into(), &board);
        assert_eq!(screen.top, 1);
    }

    #[test]
    fn q_escape_and_control_c_quit() {
        let board = board(&WORDS, &[]);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for key in [KeyCode::Char('q').into(), KeyCode::Esc.into(), control_c] {
            assert_eq!(Screen::new(3, None).press(key, &board), Wish::Quit);
        }
    }
}
