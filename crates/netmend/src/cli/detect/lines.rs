//! How `netmend detect` prints: alerts or judgements, as JSON lines or for people. It decides nothing.

use std::io::{self, BufWriter, StdoutLock, Write};

use detect::{Change, Judgement, Rule, Standing};
use jiff::Timestamp;
use model::UnixMs;
use serde::{Serialize, Serializer};

use crate::report::Report;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// A time it was too high.
#[derive(Debug, Serialize)]
struct Alert {
    #[serde(serialize_with = "seconds")]
    start: UnixMs,
    #[serde(serialize_with = "seconds")]
    end: UnixMs,
    /// `cleared` or `accepted`; nothing if it was firing when the input ended.
    ended: Option<Change>,
    /// When the rise began that was told of at `start`.
    #[serde(serialize_with = "seconds")]
    since: UnixMs,
    rule: Rule,
    /// As they were at `start`, in milliseconds or percent.
    value: Option<f64>,
    usual: Option<f64>,
    limit: Option<f64>,
    share: Option<f64>,
}

/// What is said of one sample.
#[derive(Debug, Serialize)]
struct Said {
    #[serde(serialize_with = "seconds")]
    at: UnixMs,
    value: Option<f64>,
    usual: Option<f64>,
    varies: Option<f64>,
    limit: Option<f64>,
    share: Option<f64>,
    standing: &'static str,
    rule: Option<Rule>,
    change: Option<Change>,
}

/// Standard output.
pub(super) struct Lines {
    out: BufWriter<StdoutLock<'static>>,
    form: Form,
}

impl Lines {
    pub(super) fn new(form: Form) -> Self {
        Self { out: BufWriter::with_capacity(1 << 16, io::stdout().lock()), form }
    }

    /// Prints a time it was too high, at once; false if nobody reads any more.
    pub(super) fn alert(
        &mut self,
        raised: &Judgement,
        end: UnixMs,
        ended: Option<Change>,
    ) -> Result<bool, Report> {
        let Standing::Firing { since, rule } = raised.standing else { return Ok(true) };
        let alert = Alert {
            start: raised.at,
            end,
            ended,
            since,
            rule,
            value: number(raised.value),
            usual: number(raised.usual),
            limit: number(raised.limit),
            share: number(raised.share),
        };
        let written = match self.form {
            Form::Json => json(&mut self.out, &alert),
            Form::Text => {
                let how = match ended {
                    Some(Change::Cleared) => "cleared",
                    Some(Change::Accepted) => "accepted as the new normal",
                    _ => "still too high at the end",
                };
                let Judgement { value, usual, limit, .. } = raised;
                writeln!(
                    self.out,
                    "{} to {}: {value:.1}, usual {usual:.1}, limit {limit:.1}; {how}",
                    date(raised.at),
                    date(end),
                )
            }
        };
        heard(written.and_then(|()| self.out.flush()))
    }

    /// Prints what is said of one sample; false if nobody reads any more.
    pub(super) fn judgement(&mut self, judgement: &Judgement) -> Result<bool, Report> {
        let (standing, rule) = match judgement.standing {
            Standing::Learning => ("learning", None),
            Standing::Usual => ("usual", None),
            Standing::Firing { rule, .. } => ("firing", Some(rule)),
        };
        let Judgement { at, value, usual, limit, .. } = *judgement;
        heard(match self.form {
            Form::Json => {
                let said = Said {
                    at,
                    value: number(value),
                    usual: number(usual),
                    varies: number(judgement.varies),
                    limit: number(limit),
                    share: number(judgement.share),
                    standing,
                    rule,
                    change: judgement.change,
                };
                json(&mut self.out, &said)
            }
            Form::Text => {
                let date = date(at);
                writeln!(
                    self.out,
                    "{date} {value:.1}, usual {usual:.1}, limit {limit:.1}: {standing}"
                )
            }
        })
    }

    pub(super) fn flush(&mut self) -> Result<(), Report> {
        heard(self.out.flush()).map(drop)
    }
}

/// Says on standard error what was left out.
pub(super) fn warn(left_out: &[String]) {
    let mut err = io::stderr().lock();
    for what in left_out {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(err, "left out: {what}");
    }
}

fn json(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Whether somebody reads still.
fn heard(written: io::Result<()>) -> Result<bool, Report> {
    match written {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(why) => Err(Report::because("cannot write to standard output", &why).code(4)),
    }
}

/// A number for people and machines: three decimals, nothing for what is not known.
fn number(value: f32) -> Option<f64> {
    value.is_finite().then(|| (f64::from(value) * 1000.0).round() / 1000.0)
}

/// Seconds since 1970; whole where they are.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn seconds<S: Serializer>(at: &UnixMs, out: S) -> Result<S::Ok, S::Error> {
    if at.0 % 1000 == 0 {
        out.serialize_i64(at.0 / 1000)
    } else {
        out.serialize_f64(at.0 as f64 / 1000.0)
    }
}

fn date(at: UnixMs) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
