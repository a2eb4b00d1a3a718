//! Matchers as Alertmanager has them: read from text, made ready, and held against labels. It knows no
//! alert: labels are looked up by whoever asks.

use model::alert::{Matcher, Operator};
use regex::{Regex, RegexBuilder};

/// Largest compiled regular expression in bytes: what a person types needs a hundredth.
const REGEX_LIMIT: usize = 1 << 20;

/// Matchers that must all fit, ready to be held against labels.
#[derive(Clone, Debug, Default)]
pub struct Matching(Vec<Ready>);

#[derive(Clone, Debug)]
struct Ready {
    matcher: Matcher,
    regex: Option<Regex>,
}

/// Why text is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// No operator is in it, or no label before it.
    #[error("{0:?} is no matcher; write LABEL=VALUE, LABEL!=VALUE, LABEL=~REGEX or LABEL!~REGEX")]
    Form(String),
    /// The regular expression is wrong or too large.
    #[error("the regular expression of {matcher} is wrong: {why}")]
    Regex {
        /// The matcher as typed.
        matcher: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a matcher: `region=~"aws-.*"`; quotes may be left out.
pub fn parse(text: &str) -> Result<Matcher, MatchError> {
    let form = || MatchError::Form(text.to_owned());
    let operators = [
        ("!=", Operator::IsNot),
        ("=~", Operator::Fits),
        ("!~", Operator::FitsNot),
        ("=", Operator::Is),
    ];
    let end = text.find(['=', '!']).ok_or_else(form)?;
    let (label, rest) = text.split_at(end);
    let label = label.trim();
    let (operator, value) = operators
        .into_iter()
        .find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)))
        .ok_or_else(form)?;
    if label.is_empty() {
        return Err(form());
    }
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = bare.map_or_else(|| value.to_owned(), |bare| bare.replace("\\\"", "\""));
    Ok(Matcher { label: label.to_owned(), operator, value })
}

impl Matching {
    /// Makes matchers ready.
    pub fn new(matchers: &[Matcher]) -> Result<Self, MatchError> {
        matchers.iter().map(Ready::new).collect::<Result<_, _>>().map(Self)
    }

    /// Whether all fit; true where there is none. A label that is missing is empty, as in Alertmanager.
    pub fn fits(&self, label: impl Fn(&str) -> Option<String>) -> bool {
        self.0.iter().all(|ready| ready.fits(&label(&ready.matcher.label).unwrap_or_default()))
    }

    /// Whether a label is looked at.
    pub fn mentions(&self, label: &str) -> bool {
        self.0.iter().any(|ready| ready.matcher.label == label)
    }

    /// Whether those that look at one label fit.
    pub fn fits_at(&self, name: &str, value: &str) -> bool {
        self.0.iter().filter(|ready| ready.matcher.label == name).all(|ready| ready.fits(value))
    }
}

impl Ready {
    fn new(matcher: &Matcher) -> Result<Self, MatchError> {
        let regex = match matcher.operator {
            Operator::Is | Operator::IsNot => None,
            Operator::Fits | Operator::FitsNot => {
                let whole = format!("^(?s:{})$", matcher.value);
                let built = RegexBuilder::new(&whole).size_limit(REGEX_LIMIT).build();
                Some(built.map_err(|why| MatchError::Regex {
                    matcher: matcher.to_string(),
                    // The last line says what is wrong; those before draw it.
                    why: why.to_string().lines().last().unwrap_or_default().trim().to_owned(),
                })?)
            }
        };
        Ok(Self { matcher: matcher.clone(), regex })
    }

    fn fits(&self, value: &str) -> bool {
        let regex =
            |wanted| self.regex.as_ref().is_some_and(|regex| regex.is_match(value) == wanted);
        match self.matcher.operator {
            Operator::Is => value == self.matcher.value,
            Operator::IsNot => value != self.matcher.value,
            Operator::Fits => regex(true),
            Operator::FitsNot => regex(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str, value: Option<&str>) -> bool {
        let matching = Matching::new(&[parse(text).unwrap()]).unwrap();
        matching.fits(|label| value.filter(|_| label == "host").map(str::to_owned))
    }

    #[test]
    fn matchers_are_read_and_fit_as_in_alertmanager() {
        assert!(fits("host=sw1", Some("sw1")) && fits("host = \"sw1\"", Some("sw1")));
        assert!(!fits("host=sw1", Some("sw12")));
        assert!(fits("host=~sw.*", Some("sw12")) && !fits("host=~w1", Some("sw12")), "anchored");
        assert!(!fits("host=~sw|x", Some("sw1")), "the anchors hold for both sides");
        assert!(fits("host!~sw.*", Some("r1")) && fits("host!=sw1", None));
        assert!(fits("host=", None), "what is missing is empty");
        assert_eq!(parse("host=~\"a=b\"").unwrap().value, "a=b");
    }

    #[test]
    fn what_is_no_matcher_is_refused_with_what_is_allowed() {
        for wrong in ["", "host", "=x", "host!x"] {
            assert!(parse(wrong).unwrap_err().to_string().contains("LABEL=VALUE"), "{wrong}");
        }
        let wrong = Matching::new(&[parse("host=~(").unwrap()]).unwrap_err().to_string();
        assert!(wrong.contains("host=~\"(\"") && wrong.contains("unclosed group"), "{wrong}");
        let huge = parse("host=~(a{1000}){1000}").unwrap();
        assert!(Matching::new(&[huge]).is_err());
    }
}
