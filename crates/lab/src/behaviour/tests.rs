//! Draws over many answers: the shape must be the one that was written.

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// 20,000 draws in milliseconds, sorted.
fn draws(delay: &Delay) -> Vec<f64> {
    let mut rng = Rng::with_seed(1);
    let mut drawn: Vec<f64> =
        (0..20_000).map(|_| delay.draw(ADDRESS, &mut rng).as_secs_f64() * 1e3).collect();
    drawn.sort_unstable_by(f64::total_cmp);
    drawn
}

fn mean(sorted: &[f64]) -> f64 {
    sorted.iter().sum::<f64>() / sorted.len() as f64
}

fn near(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() < 0.03 * wanted
}

#[test]
fn a_uniform_delay_fills_its_range_evenly() {
    let drawn = draws(&Delay::Uniform(ms(10), ms(30)));
    assert!(drawn[0] >= 10.0 && drawn[19_999] <= 30.0);
    assert!(near(mean(&drawn), 20.0) && near(drawn[5_000], 15.0), "{}", mean(&drawn));
}

#[test]
fn an_exponential_delay_has_its_least_span_and_its_mean() {
    let drawn = draws(&Delay::Exponential { least: ms(20), mean: ms(5) });
    assert!(drawn[0] >= 20.0);
    assert!(near(mean(&drawn) - 20.0, 5.0), "{}", mean(&drawn));
    assert!(near(drawn[10_000] - 20.0, 5.0 * std::f64::consts::LN_2), "{}", drawn[10_000]);
}

#[test]
fn a_normal_delay_has_its_mean_and_deviation_and_is_never_negative() {
    let drawn = draws(&Delay::Normal { mean: ms(20), sd: ms(3) });
    assert!(near(mean(&drawn), 20.0), "{}", mean(&drawn));
    let upper_sigma = drawn[16_827] - drawn[10_000];
    assert!((upper_sigma - 3.0).abs() < 0.15, "84.13 % less 50 %: {upper_sigma}");
    assert!(draws(&Delay::Normal { mean: ms(1), sd: ms(5) })[0] >= 0.0);
}

#[test]
fn a_bimodal_delay_takes_the_high_way_as_often_as_asked() {
    let share = Share::try_from("25%".to_owned()).unwrap();
    let drawn = draws(&Delay::Bimodal { low: ms(10), high: ms(40), high_share: share });
    let high = drawn.iter().filter(|ms| **ms > 30.0).count();
    assert!(near(high as f64, 5_000.0), "{high}");
}

#[test]
fn a_table_gives_each_address_its_own_delay() {
    let table = Delay::Table((0..16).map(|n| Delay::Fixed(ms(n))).collect());
    let mut rng = Rng::with_seed(1);
    assert_eq!(table.draw("10.0.0.21".parse().unwrap(), &mut rng), ms(5));
    assert_eq!(table.draw("fd00::1f".parse().unwrap(), &mut rng), ms(15));
}

#[test]
fn spans_and_shares_are_read_with_their_units_and_nothing_else() {
    let span = |text: &str| Span::try_from(text.to_owned());
    assert_eq!(span("0.5ms").unwrap().0, Duration::from_micros(500));
    assert_eq!(span("2m").unwrap().0, Duration::from_mins(2));
    for wrong in ["", "10", "ms", "-1s", "10 parsecs", "nans", "infs", "25h", "1e300s"] {
        assert!(span(wrong).is_err(), "{wrong}");
    }
    let share = |text: &str| Share::try_from(text.to_owned());
    assert_eq!(share("10%").unwrap(), Share(0.1));
    for wrong in ["", "10", "-1%", "101%", "nan%", "%"] {
        assert!(share(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn certain_shares_draw_nothing_from_the_generator() {
    let (mut used, mut untouched) = (Rng::with_seed(1), Rng::with_seed(1));
    assert!(Share(1.0).draw(&mut used) && !Share(0.0).draw(&mut used));
    assert_eq!(used.u64(..), untouched.u64(..));
}
