//! Figures in words that all commands share: RTTs with three digits, percentages. Pure.

/// An RTT in nanoseconds with three digits and its unit; `-` for none. At most seven columns wide.
pub(super) fn rtt(ns: Option<f64>) -> String {
    let Some(ns) = ns else { return "-".to_owned() };
    // 999.5 of a unit would print as four digits: the next unit takes it.
    let (value, unit) = match ns {
        ns if ns < 999.5 => return format!("{ns:.0}ns"),
        ns if ns < 999.5e3 => (ns / 1e3, "µs"),
        ns if ns < 999.5e6 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    match value {
        value if value < 9.995 => format!("{value:.2}{unit}"),
        value if value < 99.95 => format!("{value:.1}{unit}"),
        value => format!("{value:.0}{unit}"),
    }
}

/// A percentage: whole where it is, never rounded to 0 or 100 where it is not.
pub(super) fn percent(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value > 0.0 && value < 0.05 => "<0.1%".to_owned(),
        Some(value) if value < 100.0 && value > 99.95 => ">99.9%".to_owned(),
        Some(value) if (value - value.round()).abs() < 0.05 => format!("{value:.0}%"),
        Some(value) => format!("{value:.1}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtts_have_three_digits_and_never_four() {
        let cases = [
            (0.0, "0ns"),
            (850.0, "850ns"),
            (999.6, "1.00µs"),
            (9_994.0, "9.99µs"),
            (9_996.0, "10.0µs"),
            (412_300.0, "412µs"),
            (999_600.0, "1.00ms"),
            (20_345_000.0, "20.3ms"),
            (1_234_000_000.0, "1.23s"),
        ];
        for (ns, expected) in cases {
            assert_eq!(rtt(Some(ns)), expected);
        }
        assert_eq!(rtt(None), "-");
    }

    #[test]
    fn a_little_loss_is_never_none_and_a_little_life_never_total_loss() {
        let cases =
            [(0.0, "0%"), (0.01, "<0.1%"), (33.333, "33.3%"), (50.0, "50%"), (99.99, ">99.9%")];
        for (value, expected) in cases {
            assert_eq!(percent(Some(value)), expected);
        }
        assert_eq!((percent(Some(100.0)).as_str(), percent(None).as_str()), ("100%", "-"));
    }
}
