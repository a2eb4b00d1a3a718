//! What a bench has to reach: prints each goal with what was found, and remembers those that were missed.

/// The goals of one run.
#[derive(Debug, Default)]
pub(crate) struct Goals {
    missed: Vec<String>,
}

/// A bound of the issue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Most(f64),
    Least(f64),
}

impl Goals {
    /// Prints whether a goal is met.
    pub(crate) fn check(&mut self, what: &str, found: f64, goal: At) {
        let (met, words) = match goal {
            At::Most(most) => (found <= most, format!("at most {}", number(most))),
            At::Least(least) => (found >= least, format!("at least {}", number(least))),
        };
        let line = format!("{what}: {} (goal: {words})", number(found));
        println!("  {} {line}", if met { "met   " } else { "MISSED" });
        if !met {
            self.missed.push(line);
        }
    }

    /// Prints what was missed, if anything.
    pub(crate) fn conclude(&self) {
        if self.missed.is_empty() {
            println!("all goals are met");
        } else {
            println!("goals that were missed:\n  {}", self.missed.join("\n  "));
        }
    }
}

/// The middle of what some rounds found: what else a machine does shifts a single one. NaN of none.
pub(crate) fn middle(found: impl Iterator<Item = f64>) -> f64 {
    let mut found: Vec<f64> = found.collect();
    found.sort_by(f64::total_cmp);
    found.get(found.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A number with three figures or so.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}
